"""Who may do what with documents. Who may see one is in one place only: the predicate of store.py.

Everything here is asked about something the person may see, so a refusal may say so: NOT_PERMITTED.
Also the callers of the service and how refused calls stand in the log.
"""

from __future__ import annotations

from chassis.errors import DomainError, FieldViolation, Kind, invalid
from chassis.identity import Identity
from chassis.interceptors import Policy, Refusal
from services.documents.bodies.domain import BodyTemplate, Scope
from services.documents.domain import Document

CALLS = Policy(
    service="documents",
    callers={
        "kanketsu.documents.v1.DocumentsService": frozenset({"gateway"}),
        "kanketsu.documents.v1.RepeatingService": frozenset({"gateway"}),
        "kanketsu.documents.v1.BodyTemplatesService": frozenset({"gateway"}),
        "kanketsu.documents.v1.FollowUpsService": frozenset({"gateway"}),
        "kanketsu.documents.v1.AssignmentsService": frozenset({"gateway"}),
        "kanketsu.documents.v1.CountsService": frozenset({"gateway"}),
        "kanketsu.documents.v1.MemosService": frozenset({"gateway"}),
        "kanketsu.documents.v1.OwnersService": frozenset({"gateway"}),
        "kanketsu.documents.v1.BreakGlassService": frozenset({"gateway"}),
    },
    refusals={
        "RegisterReceipt": Refusal("receipt.registered", "receipt"),
        "GetReceipt": Refusal("receipt.viewed", "receipt", "receipt_id"),
        "ListReceipts": Refusal("receipt.listed", "receipt"),
        "CreateDraft": Refusal("document.created", "document"),
        "UpdateDraft": Refusal("document.updated", "document", "document_id"),
        "DeleteDraft": Refusal("document.deleted", "document", "document_id"),
        "GetDocument": Refusal(
            "document.viewed",
            "document",
            "document_id",
            {"print": "document.printed", "export": "document.exported"},
        ),
        "ListDocuments": Refusal("document.listed", "document"),
        "UploadAttachment": Refusal("document.attachment_added", "document"),
        "RemoveAttachment": Refusal("document.attachment_removed", "document", "document_id"),
        "ReadAttachment": Refusal(
            "attachment.read", "attachment", "attachment_id", {"download": "attachment.downloaded"}
        ),
        "SubmitDocument": Refusal("document.submitted", "document", "document_id"),
        "EnforceDocument": Refusal("document.enforced", "document", "document_id"),
        "CompleteDocument": Refusal("document.completed", "document", "document_id"),
        "AnnotateDocument": Refusal("document.annotated", "document", "document_id"),
        "ListViewers": Refusal("document.viewers_read", "document", "document_id"),
        "ListHistory": Refusal("document.history_read", "document", "document_id"),
        "ListVersions": Refusal("document.versions_viewed", "document", "document_id"),
        "GetManifest": Refusal("manifest.read", "document", "document_id"),
        "ListClasses": Refusal("class.listed", "class"),
        "ListFolders": Refusal("folder.listed", "folder"),
        "CreateFolder": Refusal("folder.created", "folder"),
        "RepeatDocument": Refusal("document.redrafted", "document", "document_id"),
        "ListRelated": Refusal("document.related_listed", "document", "document_id"),
        "ListBodyTemplates": Refusal("body_template.listed", "body_template"),
        "SaveBodyTemplate": Refusal("body_template.saved", "body_template", "body_template_id"),
        "RetireBodyTemplate": Refusal("body_template.retired", "body_template", "body_template_id"),
        "ReadBodyTemplate": Refusal("body_template.read", "body_template", "body_template_id"),
        "ListFollowUpClasses": Refusal("class.listed", "class"),
        "GetFollowUps": Refusal("follow_ups.read", "class", "class_code"),
        "SaveFollowUps": Refusal("follow_ups.saved", "class", "class_code"),
        "CountDocuments": Refusal("document.listed", "document"),
        "ListUnattended": Refusal("document.listed", "document"),
        "AssignDocument": Refusal("document.assigned", "document", "document_id"),
        "GetMemo": Refusal("memo.viewed", "document", "document_id"),
        "SaveMemo": Refusal("memo.saved", "document", "document_id"),
        "DeleteMemo": Refusal("memo.deleted", "document", "document_id"),
        "CountOwned": Refusal("document.listed", "unit"),
        "ListBreakGlass": Refusal("break_glass.listed", "break_glass"),
        "RequestBreakGlass": Refusal("break_glass.requested", "break_glass"),
        "ConsentBreakGlass": Refusal("break_glass.consented", "break_glass", "break_glass_id"),
        "EndBreakGlass": Refusal("break_glass.ended", "break_glass", "break_glass_id"),
    },
)


def not_permitted(message: str) -> DomainError:
    """The reader may see it but may not do this."""
    return DomainError(Kind.DENIED, "NOT_PERMITTED", message)


def drafting_post(actor: Identity, post_id: str) -> tuple[str, str]:
    """The post somebody drafts from and its unit: the one named, the acting one, or the only one (AP-44)."""
    post = post_id or actor.acting_post or (next(iter(actor.posts)) if len(actor.posts) == 1 else "")
    if not post:
        raise invalid(FieldViolation("post_id", "REQUIRED"))
    if post not in actor.posts:
        raise invalid(FieldViolation("post_id", "UNKNOWN"))
    return post, actor.posts[post]


def may_edit(actor: Identity, document: Document) -> None:
    """Drafts are whose they are, and only while they belong to the unit: edit, attach, remove, submit, delete (AP-42)."""
    if actor.staff_id != document.in_charge or document.unit_id not in actor.units:
        raise not_permitted("only whose document it is may do this, as a member of its unit")


def may_process(actor: Identity, document: Document) -> None:
    """After the decision any member of the owner unit carries on as 担当者: send, annotate, add, complete (AP-42)."""
    if document.unit_id not in actor.units:
        raise not_permitted("only members of the owner unit may do this")


def may_work_for(actor: Identity, unit_id: str, field: str = "unit_id") -> str:
    """The unit somebody registers for: the one named or the acting one; must be one of theirs."""
    unit = unit_id or actor.acting_unit or (next(iter(actor.units)) if len(actor.units) == 1 else "")
    if not unit:
        raise invalid(FieldViolation(field, "REQUIRED"))
    if unit not in actor.units:
        # The same answer for a unit that does not exist (AC-03).
        raise invalid(FieldViolation(field, "UNKNOWN"))
    return unit


def may_keep(actor: Identity, template: BodyTemplate) -> None:
    """Oneself, the unit's records manager, or the records office. NOT_PERMITTED."""
    keeper = {Scope.PERSONAL: "clerk", Scope.UNIT: "records_manager", Scope.CITY: "records_officer"}[template.scope]
    if keeper not in actor.roles or not template.usable_by(actor.staff_id, actor.units):
        raise not_permitted(f"only a {keeper} whose template it is")


def may_edit_file_plan(actor: Identity) -> None:
    """The records office, whose the file plan is. NOT_PERMITTED."""
    if "records_officer" not in actor.roles:
        raise not_permitted("only the records office edits the file plan")
