"""The case of a document as approvals announces it: what it makes of the document, and whom it shows it to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from chassis.errors import DomainError, Kind
from services.documents.domain import Document, Fact, State, advance, changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A step's view of the document."""

    step_id: str
    principal: str
    acted: bool
    since: dt.datetime
    # Of a step of 供覧, before and after the confirmation.
    circulation: bool = False

    @property
    def reason(self) -> str:
        """One of REASONS."""
        if self.circulation:
            return "circulation"
        return "acted" if self.acted else "route_step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A 判窓 of the 決裁欄; times are RFC 3339, "" for none."""

    # "draft", "approve", "decide", "concur", "review"
    kind: str
    state: str
    post_title: str
    unit_name: str
    staff_name: str
    acted_at: str
    acted_for_name: str
    acted_for_post_title: str
    post_view: bool
    post_viewed_at: str
    # Who had it asked while the case circulated (AP-54); "" for a seat of the plan.
    added_by_name: str = ""
    added_by_post_title: str = ""
    # Approved together with other cases (AP-52).
    bulk: bool = False
    # 事後登録 (AP-50): who registered it and when, and as what: "decided" or "substituted".
    registered_by_name: str = ""
    registered_at: str = ""
    registered_as: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSnapshot:
    """A whole approval case as approvals announced it."""

    case_id: str
    document_id: str
    case_version: int
    # "circulating", "sent_back", "withdrawn", "rejected", "decided", "refused"
    state: str
    version_digest: str
    leases: tuple[Lease, ...]
    # For the manifest: one mapping per act; "comment" is what was written, once the case has ended.
    decisions: tuple[Mapping[str, str], ...]
    decided_at: dt.datetime | None
    decided_by: str
    reason: str
    # The 決裁欄 in the order of work, once decided.
    seats: tuple[Seat, ...] = ()


_STATE_OF_CASE = {
    "circulating": State.CIRCULATING,
    "sent_back": State.SENT_BACK,
    # approvals would not open the case: back to the drafter, with the reason.
    "refused": State.SENT_BACK,
    "withdrawn": State.WITHDRAWN,
    "rejected": State.REJECTED,
    "decided": State.DECIDED,
}


def follow_case(document: Document, case: CaseSnapshot, now: dt.datetime) -> tuple[Document, list[Fact]]:
    """The document after its case came to `case.state`. No facts when the document is there or further on already."""
    target = _STATE_OF_CASE.get(case.state)
    if target is None:
        raise DomainError(Kind.INVALID, "INVALID_FIELDS", f"unknown case state {case.state!r}")
    # Snapshots of earlier cases of a resubmitted document, and 後閲 after the decision, change no state.
    if case.case_id != document.case_id or document.state is not State.CIRCULATING or target is State.CIRCULATING:
        return document, []
    if target is State.DECIDED:
        if case.version_digest != document.version_digest:
            # I4: the decision names another text than the one that circulates. Somebody has to look.
            raise DomainError(Kind.DATA_LOSS, "CONTENT_DAMAGED", "the decided digest is not the submitted one")
        document = replace(document, decided_at=case.decided_at, decided_by=case.decided_by)
    change = {"refused": "sent_back"}.get(case.state, case.state)
    if target is State.DECIDED and evidence_of(case.decisions):
        change = "decision_registered"
    detail = {"case_id": case.case_id} | ({"reason": case.reason} if case.reason else {})
    moved = replace(document, state=target, updated_at=now)
    return advance(moved, [changed(moved, change, **detail)])


def evidence_of(decisions: Iterable[Mapping[str, str]]) -> set[str]:
    """Digests of the files that have to prove a decision made on paper or by word (AP-50); empty as a rule."""
    return {digest for one in decisions if (digest := one.get("evidence_sha256", ""))}


def require_evidence(decisions: Iterable[Mapping[str, str]], sha256s: Collection[str]) -> None:
    """AP-50: what a 事後登録 named by its digest is a file of the document before it goes out or is completed.

    EVIDENCE_MISSING names the digests. The digest was fixed with the registration, so no other file will do.
    """
    if missing := evidence_of(decisions).difference(sha256s):
        raise DomainError(
            Kind.PRECONDITION,
            "EVIDENCE_MISSING",
            "the evidence of the decision is no file yet",
            metadata={"sha256": ",".join(sorted(missing))},
        )


def leases_in_force(case: CaseSnapshot, document_state: State) -> list[Lease]:
    """Which leases of a case give a view now: they end on every way out of a step.

    An open step sees while its case runs, and after the decision for its 後閲. Sent back, withdrawn,
    rejected or refused: only who has acted keeps it. Who acted keeps it until 完結 (decision 3);
    after that only an open 後閲 remains, which 完結 does not end (decision 2).
    """
    running = case.state in ("circulating", "decided")
    return [lease for lease in case.leases if (document_state is not State.COMPLETED if lease.acted else running)]
