"""Documents, their files, versions, viewers and history."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from services.gateway.api.shapes import Shape
from services.gateway.api.shapes.audit import Entry


class Attachment(Shape):
    id: str
    attachment_id: str
    file_name: str
    content_type: str
    size: int
    sha256: str
    added_after_decision: bool
    added_at: str | None
    added_by: str
    locked_until: str | None
    sheet: str | None = Field(
        description="`decided` or `completed`: the approval sheet (鑑) as it was then, drawn by the system."
    )


class UploadedAttachment(Attachment):
    version: int = Field(description="New version of the document.")


class Annotation(Shape):
    id: str
    annotation_id: str
    text: str
    staff_id: str
    added_at: str | None


class Enforcement(Shape):
    required: bool
    planned_on: str | None
    method: str | None
    addressee: str
    enforced_on: str | None
    collated_by: str | None


class FormerOwner(Shape):
    """旧所管: [from, to)."""

    unit_id: str
    since: str | None = Field(alias="from")
    until: str | None = Field(alias="to")


class Document(Shape):
    """文書."""

    id: str
    document_id: str
    state: str = Field(
        description="drafting, circulating, sent_back, withdrawn, rejected, decided, enforced or completed"
    )
    title: str
    subtitle: str
    body: str
    unit_id: str
    drafter: str
    drafter_post: str
    assignee: str = Field(description="担当者: the drafter until 引継ぎ (AP-42).")
    former_owners: list[FormerOwner] = Field(description="Whose it was before, the first one first (RT-10).")
    draft_number: str | None
    dispatch_number: str | None
    case_id: str | None
    revision: int
    version_digest: str | None
    folder_id: str | None
    folder_name: str | None
    class_code: str | None
    class_name: str | None
    matter: str | None
    decision_class: str | None
    disclosure: str
    personal_information: str
    view_class: str
    designated: list[str]
    counterparty: str
    amount: int | None
    enforcement: Enforcement
    receipt_ids: list[str]
    urgent: bool
    created_at: str | None
    submitted_at: str | None
    decided_at: str | None
    decided_by: str | None
    enforced_on: str | None
    completed_on: str | None
    fiscal_year: int | None
    retention: str | None
    retention_from: str | None
    retention_until: str | None
    manifest_digest: str | None
    content_locked: bool
    wider_than_receipts: bool = Field(
        description="While it may be edited: it will be for people whom one of its receipts is not for (AC-02)."
    )
    attachments: list[Attachment]
    annotations: list[Annotation]
    version: int


class DocumentRead(Document):
    read_receipt: str | None = Field(
        description="Proof that this version was served to the reader; null before circulation."
    )
    may_download: bool = Field(description="May the reader take files and the evidence out of it (AC-15)?")
    may_print: bool = Field(description="May the reader open the page for printing (AC-15)?")
    break_glass_until: str | None = Field(description="Until when, for who sees it by 緊急閲覧 alone (AC-08).")


class DocumentSummary(Shape):
    id: str
    document_id: str
    title: str
    state: str
    unit_id: str
    drafter: str
    draft_number: str | None
    dispatch_number: str | None
    case_id: str | None
    class_code: str | None
    folder_id: str | None
    personal_information: str
    urgent: bool
    created_at: str | None
    updated_at: str | None
    completed_on: str | None


class DocumentList(Shape):
    items: list[DocumentSummary]
    next_cursor: str | None


class NewVersion(Shape):
    version: int


class Submitted(Shape):
    case_id: str
    draft_number: str | None
    version_digest: str | None
    version: int
    document: Document


class VersionFile(Shape):
    attachment_id: str
    file_name: str
    content_type: str
    size: int
    sha256: str


class Version(Shape):
    """A version that circulated."""

    revision: int
    version_digest: str
    submitted_at: str | None
    fields: dict[str, Any] = Field(description="As in a document; empty text for what was not given.")
    attachments: list[VersionFile]


class VersionList(Shape):
    items: list[Version]
    next_cursor: str | None


class Viewer(Shape):
    principal: str
    reason: str = Field(
        description="owner_unit, section, designated, drafter, records_manager, department, city,"
        " route_step, acted, circulation or grant"
    )
    since: str | None = Field(alias="from")
    until: str | None = Field(alias="to")
    step_id: str | None
    may_print: bool
    may_download: bool
    label: str
    staff_ids: list[str]


class ViewerList(Shape):
    items: list[Viewer]
    next_cursor: str | None


class HistoryEvent(Shape):
    version: int
    action: str
    occurred_at: str | None
    staff_id: str
    post_id: str | None
    unit_id: str | None
    detail: dict[str, str]


class History(Shape):
    items: list[HistoryEvent]
    next_cursor: str | None = Field(description="Of `accesses`.")
    accesses: list[Entry] | None = Field(description="null for those not entitled to it.")
