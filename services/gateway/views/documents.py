"""Documents, their files, versions and history."""

from __future__ import annotations

import json

from kanketsu.documents.v1 import documents_service_pb2 as pb
from services.gateway.views import DISCLOSURES, PERSONAL, STATES, VIEW_CLASSES, View, moment


def attachment(message: pb.Attachment) -> View:
    """A file of a document."""
    return {
        "id": message.attachment_id,
        "attachment_id": message.attachment_id,
        "file_name": message.file_name,
        "content_type": message.content_type,
        "size": message.size,
        "sha256": message.sha256,
        "added_after_decision": message.added_after_decision,
        "added_at": moment(message, "added_at"),
        "added_by": message.added_by,
        "locked_until": moment(message, "locked_until"),
        "sheet": message.sheet or None,
    }


def document(message: pb.Document) -> View:
    """A document with its files and annotations."""
    fields = message.fields
    return {
        "id": message.document_id,
        "document_id": message.document_id,
        "state": STATES[message.state],
        "title": fields.title,
        "subtitle": fields.subtitle,
        "body": fields.body,
        "unit_id": message.unit_id,
        "drafter": message.drafter,
        "drafter_post": message.drafter_post,
        "assignee": message.assignee,
        "former_owners": [
            {"unit_id": one.unit_id, "from": moment(one, "from"), "to": moment(one, "to")}
            for one in message.former_owners
        ],
        "draft_number": message.draft_number or None,
        "dispatch_number": message.dispatch_number or None,
        "case_id": message.case_id or None,
        "revision": message.revision,
        "version_digest": message.version_digest or None,
        "folder_id": fields.folder_id or None,
        "folder_name": message.folder_name or None,
        "class_code": fields.class_code or None,
        "class_name": message.class_name or None,
        "matter": message.matter or None,
        "decision_class": fields.decision_class or None,
        "disclosure": DISCLOSURES[fields.disclosure],
        "personal_information": PERSONAL[fields.personal_information],
        "view_class": VIEW_CLASSES[fields.view_class],
        "designated": list(fields.designated),
        "counterparty": fields.counterparty,
        "amount": fields.amount if fields.HasField("amount") else None,
        "enforcement": {
            "required": fields.enforcement_required,
            "planned_on": fields.enforcement_planned_on or None,
            "method": fields.enforcement_method or None,
            "addressee": fields.enforcement_addressee,
            "enforced_on": message.enforced_on or None,
            "collated_by": message.enforcement_collated_by or None,
        },
        "receipt_ids": list(fields.receipt_ids),
        "urgent": fields.urgent,
        "created_at": moment(message, "created_at"),
        "submitted_at": moment(message, "submitted_at"),
        "decided_at": moment(message, "decided_at"),
        "decided_by": message.decided_by or None,
        "enforced_on": message.enforced_on or None,
        "completed_on": message.completed_on or None,
        "fiscal_year": message.fiscal_year or None,
        "retention": message.retention or None,
        "retention_from": message.retention_from or None,
        "retention_until": message.retention_until or None,
        "manifest_digest": message.manifest_digest or None,
        "content_locked": message.content_locked,
        "wider_than_receipts": message.wider_than_receipts,
        "attachments": [attachment(one) for one in message.attachments],
        "annotations": [annotation(one) for one in message.annotations],
        "version": message.version,
    }


def annotation(message: pb.Annotation) -> View:
    """A remark added after the decision."""
    return {
        "id": message.annotation_id,
        "annotation_id": message.annotation_id,
        "text": message.text,
        "staff_id": message.staff_id,
        "added_at": moment(message, "added_at"),
    }


def document_summary(message: pb.DocumentSummary) -> View:
    """A line of a list."""
    return {
        "id": message.document_id,
        "document_id": message.document_id,
        "title": message.title,
        "state": STATES[message.state],
        "unit_id": message.unit_id,
        "drafter": message.drafter,
        "draft_number": message.draft_number or None,
        "dispatch_number": message.dispatch_number or None,
        "case_id": message.case_id or None,
        "class_code": message.class_code or None,
        "folder_id": message.folder_id or None,
        "personal_information": PERSONAL[message.personal_information],
        "urgent": message.urgent,
        "created_at": moment(message, "created_at"),
        "updated_at": moment(message, "updated_at"),
        "completed_on": message.completed_on or None,
    }


def version(message: pb.Version) -> View:
    """A version that circulated: its fields and files as they were."""
    content = json.loads(message.content)
    return {
        "revision": message.revision,
        "version_digest": message.version_digest,
        "submitted_at": moment(message, "frozen_at"),
        "fields": {name: _words_of(name, value) for name, value in content["fields"].items()},
        "attachments": [
            {name: one[name] for name in ("attachment_id", "file_name", "content_type", "size", "sha256")}
            for one in content["attachments"]
        ],
    }


def _words_of(name: str, value: object) -> object:
    """The API's word for what the frozen text has as a number."""
    if name == "disclosure" and isinstance(value, int):
        return DISCLOSURES[value]
    if name == "personal_information" and isinstance(value, int):
        return PERSONAL[value]
    if name == "view_class" and isinstance(value, int):
        return VIEW_CLASSES[value]
    return value


def viewer(message: pb.Viewer) -> View:
    """Somebody who may see a document, and why."""
    return {
        "principal": message.principal,
        "reason": message.reason,
        "from": moment(message, "from"),
        "to": moment(message, "to"),
        "step_id": message.step_id or None,
        "may_print": message.may_print,
        "may_download": message.may_download,
    }


def history_event(message: pb.HistoryEvent) -> View:
    """Something that happened to a document."""
    return {
        "version": message.version,
        "action": message.action,
        "occurred_at": moment(message, "occurred_at"),
        "staff_id": message.staff_id,
        "post_id": message.post_id or None,
        "unit_id": message.unit_id or None,
        "detail": dict(message.detail),
    }
