"""What the service knows as messages of its API, and requests as what the service understands."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from google.protobuf.message import Message

from chassis.errors import DomainError, FieldViolation, Kind, invalid, not_found
from chassis.recorder import timestamp
from kanketsu.documents.v1 import documents_service_pb2 as pb
from services.documents import domain, textrules
from services.documents.domain import Class, Fields, Folder
from services.documents.receipt_store import Receipt
from services.documents.receipts import Arrival
from services.documents.search_store import Summary
from services.documents.store import AttachmentRow, FormerOwner, HistoryRow, Version, View, ViewerRow

MAX_LIMIT, DEFAULT_LIMIT = 200, 50
_CURSOR_VERSION = b"\x01"


def day(value: dt.date | None) -> str:
    """An ISO date or ""."""
    return value.isoformat() if value is not None else ""


def enum_number(value: int) -> Any:
    """Enumerations travel as their numbers, whatever the stubs call their type."""
    return int(value)


def attachment(row: AttachmentRow) -> pb.Attachment:
    """Attachment."""
    message = pb.Attachment(
        attachment_id=row.attachment_id,
        file_name=row.file_name,
        content_type=row.content_type,
        size=row.size,
        sha256=row.sha256,
        added_after_decision=row.added_after_decision,
        added_at=timestamp(row.added_at),
        added_by=row.added_by,
        sheet=row.sheet,
    )
    if row.locked_until is not None:
        message.locked_until.CopyFrom(timestamp(row.locked_until))
    return message


def draft_fields(content: Fields) -> pb.DraftFields:
    """DraftFields."""
    return pb.DraftFields(
        title=content.title,
        subtitle=content.subtitle,
        body=content.body,
        folder_id=content.folder_id,
        class_code=content.class_code,
        decision_class=content.decision_class,
        disclosure=enum_number(content.disclosure),
        personal_information=enum_number(content.personal_information),
        counterparty=content.counterparty,
        amount=content.amount,
        enforcement_required=content.enforcement_required,
        enforcement_planned_on=day(content.enforcement_planned_on),
        enforcement_method=content.enforcement_method,
        enforcement_addressee=content.enforcement_addressee,
        receipt_ids=content.receipt_ids,
        urgent=content.urgent,
        view_class=enum_number(content.view_class),
        designated=content.designated,
    )


def document(view: View) -> pb.Document:
    """Document."""
    d = view.document
    return pb.Document(
        document_id=d.document_id,
        state=enum_number(d.state),
        fields=draft_fields(d.content),
        unit_id=d.unit_id,
        drafter=d.drafter,
        drafter_post=d.drafter_post,
        assignee=d.in_charge,
        former_owners=map(former_owner, view.former_owners),
        revision=d.revision,
        version_digest=d.version_digest,
        draft_number=d.draft_number,
        dispatch_number=d.dispatch_number,
        case_id=d.case_id,
        created_at=timestamp(d.created_at),
        submitted_at=None if d.submitted_at is None else timestamp(d.submitted_at),
        decided_at=None if d.decided_at is None else timestamp(d.decided_at),
        enforced_on=day(d.enforced_on),
        completed_on=day(d.completed_on),
        fiscal_year=d.fiscal_year or 0,
        retention=d.retention,
        retention_from=day(d.retention_from),
        retention_until=day(d.retention_until),
        manifest_digest=d.manifest_digest,
        attachments=[attachment(row) for row in view.attachments],
        annotations=[
            pb.Annotation(
                annotation_id=n.annotation_id,
                text=n.text,
                staff_id=n.staff_id,
                added_at=timestamp(dt.datetime.fromisoformat(n.added_at)),
            )
            for n in view.annotations
        ],
        version=d.version,
        folder_name=view.folder_name,
        class_name=view.class_name,
        matter=view.matter,
        enforcement_collated_by=d.collated_by,
        decided_by=d.decided_by,
        content_locked=view.content_locked,
        enforced_method=d.enforced_method,
        enforced_addressee=d.enforced_addressee,
        wider_than_receipts=view.wider_than_receipts,
    )


def former_owner(row: FormerOwner) -> pb.FormerOwner:
    """FormerOwner."""
    message = pb.FormerOwner(unit_id=row.unit_id, to=timestamp(row.owned_to))
    # `from` is a keyword of Python.
    getattr(message, "from").CopyFrom(timestamp(row.owned_from))
    return message


def summary(row: Summary) -> pb.DocumentSummary:
    """DocumentSummary."""
    return pb.DocumentSummary(
        document_id=row.document_id,
        title=row.title,
        state=enum_number(row.state),
        unit_id=row.unit_id,
        drafter=row.drafter,
        draft_number=row.draft_number,
        dispatch_number=row.dispatch_number,
        created_at=timestamp(row.created_at),
        updated_at=timestamp(row.updated_at),
        personal_information=enum_number(row.personal_information),
        case_id=row.case_id,
        urgent=row.urgent,
        class_code=row.class_code,
        folder_id=row.folder_id,
        completed_on=day(row.completed_on),
    )


def receipt(row: Receipt, *, protected: bool) -> pb.Receipt:
    """Receipt; the sender's name only where it is asked for by itself (NB-12)."""
    return pb.Receipt(
        receipt_id=row.receipt_id,
        receipt_number=row.receipt_number,
        title=row.title,
        sender_kind=row.sender_kind,
        sender_name=row.sender_name if protected else "",
        sender_reference=row.sender_reference,
        received_on=day(row.received_on),
        arrived_on=day(row.arrived_on),
        medium=row.medium,
        unit_id=row.unit_id,
        due_on=day(row.due_on),
        class_code=row.class_code,
        registered_at=timestamp(row.registered_at),
        registered_by=row.registered_by,
        document_ids=row.document_ids,
        version=row.version,
        backdated_reason=row.backdated_reason,
        view_class=enum_number(row.view_class),
        designated=row.designated,
    )


def version(row: Version) -> pb.Version:
    """A version that circulated, as it was frozen."""
    return pb.Version(
        revision=row.revision,
        version_digest=row.version_digest,
        frozen_at=timestamp(row.frozen_at),
        content=row.content,
    )


def viewer(row: ViewerRow, may_print: bool, may_download: bool) -> pb.Viewer:
    """Viewer, with what the reason lets them do beyond looking (AC-15)."""
    message = pb.Viewer(
        principal=row.principal,
        reason=row.reason,
        step_id=row.step_id,
        may_print=may_print,
        may_download=may_download,
    )
    # `from` is a keyword of Python.
    getattr(message, "from").CopyFrom(timestamp(row.valid_from))
    if row.valid_to is not None:
        message.to.CopyFrom(timestamp(row.valid_to))
    return message


def history_event(row: HistoryRow) -> pb.HistoryEvent:
    """HistoryEvent."""
    return pb.HistoryEvent(
        version=row.version,
        action=row.action,
        occurred_at=timestamp(row.occurred_at),
        staff_id=row.staff_id,
        post_id=row.post_id,
        unit_id=row.unit_id,
        detail=row.detail,
    )


def class_(row: Class) -> pb.Class:
    """Class."""
    return pb.Class(
        class_code=row.class_code,
        large=row.large,
        middle=row.middle,
        small=row.small,
        unit_id=row.unit_id,
        matter=row.matter,
        retention=row.retention,
        basis=row.basis,
        disclosure=enum_number(row.disclosure),
        personal_information=enum_number(row.personal_information),
        paper_only=row.paper_only,
        view_class=enum_number(row.view_class),
    )


def folder(row: Folder) -> pb.Folder:
    """Folder."""
    return pb.Folder(
        folder_id=row.folder_id,
        unit_id=row.unit_id,
        fiscal_year=row.fiscal_year,
        class_code=row.class_code,
        name=row.name,
        retention=row.retention,
    )


# ---------------------------------------------------------------- requests


def content(given: pb.DraftFields) -> Fields:
    """The fields as given."""
    return Fields(
        title=given.title,
        subtitle=given.subtitle,
        body=given.body,
        folder_id=given.folder_id,
        class_code=given.class_code,
        decision_class=given.decision_class,
        disclosure=given.disclosure,
        personal_information=given.personal_information,
        counterparty=given.counterparty,
        amount=given.amount if given.HasField("amount") else None,
        enforcement_required=given.enforcement_required,
        enforcement_planned_on=domain.parse_date("enforcement_planned_on", given.enforcement_planned_on),
        enforcement_method=given.enforcement_method,
        enforcement_addressee=given.enforcement_addressee,
        receipt_ids=tuple(sorted(set(given.receipt_ids))),
        urgent=given.urgent,
        view_class=given.view_class,
        designated=tuple(sorted(set(given.designated))),
    )


def change(given: pb.DraftFields, names: Sequence[str]) -> Callable[[Fields], Fields]:
    """A change of exactly the named fields."""
    if not names:
        raise invalid(FieldViolation("changed", "REQUIRED"))
    if unknown := sorted(set(names) - domain.FIELD_NAMES):
        raise invalid(*(FieldViolation(f"changed.{name}"[:100], "UNKNOWN") for name in unknown[:20]))
    new = content(given)
    return lambda before: replace(before, **{name: getattr(new, name) for name in names})


def arrival(request: pb.RegisterReceiptRequest) -> Arrival:
    """What came."""
    return Arrival(
        title=request.title,
        sender_kind=request.sender_kind,
        sender_name=request.sender_name,
        sender_reference=request.sender_reference,
        received_on=domain.parse_date("received_on", request.received_on),
        arrived_on=domain.parse_date("arrived_on", request.arrived_on),
        medium=request.medium,
        unit_id=request.unit_id,
        due_on=domain.parse_date("due_on", request.due_on),
        class_code=request.class_code,
        backdated_reason=request.backdated_reason,
        view_class=request.view_class,
        designated=tuple(sorted(set(request.designated))),
    )


def check_text(request: Message, prefix: str = "") -> None:
    """NUL is no character of any text here, and the database takes none; INVALID_FIELDS names the field."""
    for field, value in request.ListFields():
        name = f"{prefix}{field.name}"
        for part in value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]:
            if isinstance(part, Message):
                check_text(part, f"{name}.")
            elif isinstance(part, str) and "\x00" in part:
                raise invalid(FieldViolation(name, "INVALID_CHARACTER"))


def known_id(text: str) -> str:
    """A UUID; anything else is the id of nothing."""
    if not textrules.is_uuid(text):
        raise not_found()
    return text


def page_size(limit: int) -> int:
    """1 to 200, 50 when 0."""
    if not 0 <= limit <= MAX_LIMIT:
        raise invalid(FieldViolation("limit", "OUT_OF_RANGE"))
    return limit or DEFAULT_LIMIT


def cursor(last_id: str) -> str:
    """Where a page ended, for the next one. Says where, never what may be seen."""
    return urlsafe_b64encode(_CURSOR_VERSION + uuid.UUID(last_id).bytes).rstrip(b"=").decode()


def position(given: str) -> str:
    """The id in a cursor, "" for the first page; INVALID_CURSOR for what is none of ours."""
    if not given:
        return ""
    try:
        raw = urlsafe_b64decode(given.encode("ascii") + b"=" * (-len(given) % 4))
        if len(raw) == 17 and raw[:1] == _CURSOR_VERSION and cursor(str(uuid.UUID(bytes=raw[1:]))) == given:
            return str(uuid.UUID(bytes=raw[1:]))
    except ValueError:
        pass
    raise DomainError(Kind.INVALID, "INVALID_CURSOR")


def canonical(**query: object) -> str:
    """A query in one form, for its digest in the log: names in order, what is not given left out."""
    return json.dumps(
        {name: value for name, value in query.items() if value},
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
    )
