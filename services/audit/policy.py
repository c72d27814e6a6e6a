"""Who may read the log, and who may write to it directly: every rule of this service, as pure functions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from chassis.errors import DomainError, Kind
from chassis.identity import Identity
from chassis.interceptors import Policy, Refusal

AUDIT_OFFICER = "audit_officer"
RECORDS_MANAGER = "records_manager"
# Services without a database of their own, whose records come by RPC and not by an outbox.
DIRECT_SOURCES = frozenset({"gateway"})
RECEIPT_LIFETIME = dt.timedelta(hours=12)

POLICY = Policy(
    service="audit",
    callers={
        "kanketsu.audit.v1.AuditService": frozenset({"gateway"}),
        "kanketsu.audit.v1.WitnessService": frozenset({"gateway"}),
        "kanketsu.audit.v1.TimestampService": frozenset({"gateway"}),
        "kanketsu.audit.v1.ReviewService": frozenset({"gateway"}),
    },
    refusals={
        "AppendRecords": Refusal("audit.appended", "log"),
        "ListEntries": Refusal("audit.read", "log"),
        "ListDocumentEntries": Refusal("audit.read", "document", "document_id"),
        "GetEntry": Refusal("audit.read", "entry", "index"),
        "FindProof": Refusal("audit.read", "document", "document_id"),
        "ListSources": Refusal("audit.read", "log"),
        "Reconcile": Refusal("reconciliation.asked", "log"),
        "ReadEntries": Refusal("audit.exported", "log"),
        "ListLogs": Refusal("audit.exported", "log"),
        "GetCheckpoint": Refusal("audit.exported", "log"),
        "GetTile": Refusal("audit.exported", "tile", "path"),
        "AddCheckpoint": Refusal("audit.exported", "witness"),
        "GetCosignedCheckpoint": Refusal("audit.exported", "witness"),
        "GetWitnessKey": Refusal("audit.exported", "witness"),
        "ListWitnesses": Refusal("audit.read", "witness"),
        "GetArchivedCheckpoint": Refusal("audit.exported", "checkpoint", "size"),
        "GetTimestamp": Refusal("audit.exported", "checkpoint", "size"),
        "ListArchived": Refusal("audit.exported", "checkpoint"),
        "ListReviews": Refusal("review.listed", "review"),
        "GetReview": Refusal("review.viewed", "review", "review_id"),
        "ListFindings": Refusal("finding.listed", "review", "review_id"),
        "GetFinding": Refusal("finding.viewed", "review", "review_id"),
        "OpenReview": Refusal("review.opened", "review"),
        "CompareStaff": Refusal("review.compared", "review", "review_id"),
        "TreatFinding": Refusal("finding.commented", "review", "review_id"),
        "SignReview": Refusal("review.signed", "review", "review_id"),
        "RemarkReview": Refusal("review.remarked", "review", "review_id"),
        "GetRules": Refusal("config.read", "review_rules"),
        "ChangeRules": Refusal("config.changed", "review_rules"),
    },
)


def require_officer(identity: Identity) -> None:
    """Only audit officers read the log (SC-06)."""
    if not identity.has_role(AUDIT_OFFICER):
        raise DomainError(Kind.DENIED, "NOT_PERMITTED", "the log is for audit officers")


def may_prove(identity: Identity, staff_id: str) -> bool:
    """Whether one access record's proof is for this person: officers have every one, all others those of their own
    acts (SC-06). What is not for them does not exist for them."""
    return identity.has_role(AUDIT_OFFICER) or (bool(staff_id) and identity.staff_id == staff_id)


def require_reader_of(
    identity: Identity, document_id: str, receipt: Mapping[str, object] | None, now: dt.datetime
) -> None:
    """Audit officers, and whoever shows a valid read receipt: of this tenant, this document and this person, and not
    older than twelve hours. `receipt` is its verified claims, None without one."""
    if identity.has_role(AUDIT_OFFICER):
        return
    if receipt is None:
        raise DomainError(Kind.DENIED, "READ_RECEIPT_INVALID", "a read receipt is required")
    issued = receipt.get("iat")
    if (
        receipt.get("doc") != document_id
        or receipt.get("sub") != identity.staff_id
        or receipt.get("ten") != identity.tenant
        or not isinstance(issued, int)
        or not dt.timedelta(seconds=-5) <= now - dt.datetime.fromtimestamp(issued, dt.UTC) <= RECEIPT_LIFETIME
    ):
        raise DomainError(Kind.DENIED, "READ_RECEIPT_INVALID", "the read receipt is not of this reading")


def require_history_reader(
    identity: Identity, document_id: str, receipt: Mapping[str, object] | None, now: dt.datetime
) -> None:
    """Who saw a document: audit officers, and records managers who have just read it."""
    if not identity.has_role(AUDIT_OFFICER) and not identity.has_role(RECORDS_MANAGER):
        raise DomainError(Kind.DENIED, "NOT_PERMITTED", "the history of accesses is for audit officers")
    require_reader_of(identity, document_id, receipt, now)


def require_direct_source(service: str) -> None:
    """Records of a service with an outbox come through it and by no other way."""
    if service not in DIRECT_SOURCES:
        raise DomainError(Kind.DENIED, "NOT_PERMITTED", f"{service[:60]} does not write to the log directly")
