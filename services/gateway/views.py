"""From protobuf to the dicts that the API sends and the pages draw. Plain functions, no decisions.

Every thing carries its own id as `id` and under the name by which other things refer to it (`document_id`, …).
Times are RFC 3339 in Japan's zone with milliseconds, dates ISO; what is not set is null.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.clock import JST
from kanketsu.approvals.v1 import approvals_service_pb2 as approvals
from kanketsu.approvals.v1 import decision_rules_service_pb2 as rules
from kanketsu.approvals.v1 import route_templates_service_pb2 as templates
from kanketsu.audit.v1 import audit_service_pb2 as audit
from kanketsu.audit.v1 import review_service_pb2 as reviews
from kanketsu.audit.v1 import witness_service_pb2 as witnesses
from kanketsu.documents.v1 import assignments_service_pb2 as assignments
from kanketsu.documents.v1 import body_templates_service_pb2 as bodies
from kanketsu.documents.v1 import documents_service_pb2 as documents
from kanketsu.documents.v1 import repeating_service_pb2 as repeating
from kanketsu.event.v1 import envelope_pb2 as event

View = dict[str, Any]


def _names(enum: Any, prefix: str) -> dict[int, str]:
    """Number → lower-case word of a protobuf enum."""
    return {value.number: value.name.removeprefix(prefix).lower() for value in enum.DESCRIPTOR.values}


STATES = _names(documents.DocumentState, "DOCUMENT_STATE_")
DISCLOSURES = _names(documents.Disclosure, "DISCLOSURE_")
PERSONAL = _names(documents.PersonalInformation, "PERSONAL_INFORMATION_")
VIEW_CLASSES = _names(documents.ViewClass, "VIEW_CLASS_")
STEP_KINDS = _names(approvals.StepKind, "STEP_KIND_")
STEP_STATES = _names(approvals.StepState, "STEP_STATE_")
OUTCOMES = _names(event.Outcome, "OUTCOME_")


def number_of(names: Mapping[int, str], word: str) -> int:
    """The enum value with this word; KeyError for another."""
    return {name: number for number, name in names.items()}[word]


def moment(message: Any, name: str) -> str | None:
    """A timestamp field, null when unset."""
    return time(getattr(message, name)) if message.HasField(name) else None


def time(stamp: Timestamp) -> str:
    """RFC 3339 in Japan's zone."""
    seconds = stamp.seconds + stamp.nanos // 1_000_000 / 1000
    return dt.datetime.fromtimestamp(seconds, JST).isoformat(timespec="milliseconds")


def stamp_of(text: str) -> Timestamp:
    """A timestamp from RFC 3339 text with offset."""
    stamp = Timestamp()
    stamp.FromDatetime(dt.datetime.fromisoformat(text).astimezone(dt.UTC))
    return stamp


# --- documents ---------------------------------------------------------------------------------------


def receipt(message: documents.Receipt) -> View:
    """A receipt 収受. In lists the sender's name is empty."""
    return {
        "id": message.receipt_id,
        "receipt_id": message.receipt_id,
        "receipt_number": message.receipt_number,
        "title": message.title,
        "sender_kind": message.sender_kind,
        "sender_name": message.sender_name,
        "sender_reference": message.sender_reference,
        "received_on": message.received_on or None,
        "arrived_on": message.arrived_on or None,
        "medium": message.medium,
        "unit_id": message.unit_id,
        "due_on": message.due_on or None,
        "class_code": message.class_code or None,
        "registered_at": moment(message, "registered_at"),
        "registered_by": message.registered_by,
        "document_ids": list(message.document_ids),
        "backdated_reason": message.backdated_reason,
        "version": message.version,
    }


def attachment(message: documents.Attachment) -> View:
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


def document(message: documents.Document) -> View:
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
        "attachments": [attachment(one) for one in message.attachments],
        "annotations": [annotation(one) for one in message.annotations],
        "version": message.version,
    }


def annotation(message: documents.Annotation) -> View:
    """A remark added after the decision."""
    return {
        "id": message.annotation_id,
        "annotation_id": message.annotation_id,
        "text": message.text,
        "staff_id": message.staff_id,
        "added_at": moment(message, "added_at"),
    }


def document_summary(message: documents.DocumentSummary) -> View:
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


def unattended_document(message: assignments.UnattendedDocument, title: str | None) -> View:
    """An open document whose 担当者 has left its unit; the title as far as the reader may see it."""
    return {
        "id": message.document_id,
        "document_id": message.document_id,
        "title": title,
        "state": STATES[message.state],
        "draft_number": message.draft_number or None,
        "drafter": message.drafter,
        "assignee": message.assignee,
        "created_at": moment(message, "created_at"),
        "version": message.version,
    }


def version(message: documents.Version) -> View:
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


def viewer(message: documents.Viewer) -> View:
    """Somebody who may see a document, and why."""
    return {
        "principal": message.principal,
        "reason": message.reason,
        "from": moment(message, "from"),
        "to": moment(message, "to"),
        "step_id": message.step_id or None,
    }


def history_event(message: documents.HistoryEvent) -> View:
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


def document_class(message: documents.Class) -> View:
    """A row of the file plan."""
    return {
        "id": message.class_code,
        "class_code": message.class_code,
        "large": message.large,
        "middle": message.middle,
        "small": message.small,
        "unit_id": message.unit_id or None,
        "matter": message.matter or None,
        "retention": message.retention,
        "basis": message.basis,
        "disclosure": DISCLOSURES[message.disclosure],
        "personal_information": PERSONAL[message.personal_information],
        "paper_only": message.paper_only,
        "view_class": VIEW_CLASSES[message.view_class],
    }


def folder(message: documents.Folder) -> View:
    """A folder 簿冊."""
    return {
        "id": message.folder_id,
        "folder_id": message.folder_id,
        "unit_id": message.unit_id,
        "fiscal_year": message.fiscal_year,
        "class_code": message.class_code,
        "name": message.name,
        "retention": message.retention,
    }


def body_template(message: bodies.BodyTemplate) -> View:
    """A template of bodies (例文) in the version that counts."""
    return {
        "id": message.body_template_id,
        "body_template_id": message.body_template_id,
        "scope": message.scope,
        "unit_id": message.unit_id or None,
        "name": message.name,
        "body": message.body,
        "saved_by": message.saved_by,
        "saved_at": moment(message, "saved_at"),
        "version": message.version,
    }


def related(message: repeating.ListRelatedResponse) -> View:
    """引用元, what was drafted from it, and 次にすること."""
    return {
        "source_ids": list(message.source_ids),
        "repeated_ids": list(message.repeated_ids),
        "follow_ups": [
            {
                "follow_up_id": one.follow_up_id,
                "kind": one.kind,
                "title": one.title,
                "class_code": one.class_code,
                "folder_id": one.folder_id or None,
                "body_template_id": one.body_template_id or None,
            }
            for one in message.follow_ups
        ],
    }


# --- approvals ---------------------------------------------------------------------------------------


def unit(message: approvals.Unit) -> View:
    """A unit of the organisation."""
    return {
        "id": message.unit_id,
        "unit_id": message.unit_id,
        "parent_id": message.parent_id or None,
        "body": message.body,
        "name": message.name,
        "kana": message.kana,
        "symbol": message.symbol,
        "valid_from": message.valid_from or None,
        "valid_to": message.valid_to or None,
    }


def post(message: approvals.Post) -> View:
    """A post and who holds it."""
    return {
        "id": message.post_id,
        "post_id": message.post_id,
        "unit_id": message.unit_id,
        "title": message.title,
        "rank": message.rank,
        "holder_staff_ids": list(message.holder_staff_ids),
    }


def held_post(message: Any) -> View:
    """A post somebody holds; from protobuf or from a caller."""
    return {
        "id": message.post_id,
        "post_id": message.post_id,
        "unit_id": message.unit_id,
        "title": message.title,
        "unit_name": message.unit_name,
        "kind": message.kind,
        "rank": message.rank,
    }


def staff_member(message: approvals.StaffMember) -> View:
    """A person of the staff."""
    return {
        "id": message.staff_id,
        "staff_id": message.staff_id,
        "name": message.name,
        "kana": message.kana,
        "posts": [held_post(one) for one in message.posts],
        "absent": message.absent,
    }


def absence(message: approvals.Absence) -> View:
    """A registered absence."""
    return {
        "id": message.absence_id,
        "absence_id": message.absence_id,
        "staff_id": message.staff_id,
        "from": moment(message, "from"),
        "to": moment(message, "to"),
        "reason_code": message.reason_code,
        "registered_by": message.registered_by,
    }


def planned_step(message: approvals.PlannedStep) -> View:
    """A step of a proposed route."""
    return {
        "kind": STEP_KINDS[message.kind],
        "post_id": message.post_id,
        "group": message.group,
        "mandatory": message.mandatory,
        "staff_id": message.staff_id or None,
        "staff_name": message.staff_name or None,
        "post_title": message.post_title,
        "unit_name": message.unit_name,
        "absent": message.absent,
        "basis": message.basis,
        "need": message.need,
    }


def route_plan(message: approvals.PlanRouteResponse) -> View:
    """A stored proposal."""
    return {
        "route_plan_id": message.route_plan_id,
        "steps": [planned_step(one) for one in message.steps],
        "decision_class": message.decision_class,
        "rule_id": message.rule_id,
        "basis": message.basis,
        "explanation": explanation(message.explanation),
    }


def explanation(message: approvals.Explanation) -> View:
    """Why the decider is who it is, and what would change it; the sentences are Japanese."""
    return {
        "rule_id": message.rule_id,
        "basis": message.basis,
        "amount_min": message.amount_min if message.HasField("amount_min") else None,
        "amount_max": message.amount_max if message.HasField("amount_max") else None,
        "rule_unit_id": message.rule_unit_id or None,
        "beaten_rule_ids": list(message.beaten_rule_ids),
        "rule_class": message.rule_class,
        "wished_class": message.wished_class,
        "decision_class": message.decision_class,
        "body": message.body,
        "decider_post_id": message.decider_post_id or None,
        "decider_post": message.decider_post or None,
        "rule_decider_post": message.rule_decider_post or None,
        "exception": message.exception or None,
        "exception_reason": message.exception_reason or None,
        "changes": [
            {
                "cause": one.cause,
                "amount": one.amount if one.HasField("amount") else None,
                "decision_class": one.decision_class or None,
                "rule_id": one.rule_id or None,
                "text": one.text,
            }
            for one in message.changes
        ],
        "reasons": list(message.reasons),
    }


def step(message: approvals.Step) -> View:
    """A step of a case."""
    return {
        "id": message.step_id,
        "step_id": message.step_id,
        "kind": STEP_KINDS[message.kind],
        "state": STEP_STATES[message.state],
        "group": message.group,
        "post_id": message.post_id,
        "post_title": message.post_title,
        "unit_name": message.unit_name,
        "staff_id": message.staff_id or None,
        "staff_name": message.staff_name or None,
        "activated_at": moment(message, "activated_at"),
        "acted_at": moment(message, "acted_at"),
        "mandatory": message.mandatory,
        "basis": message.basis,
        "need": message.need,
        "post_view": message.post_view,
        "acted_for": {
            "staff_id": message.acted_for_staff_id,
            "name": message.acted_for_name,
            "post_title": message.acted_for_post_title,
        }
        if message.acted_for_staff_id
        else None,
        "asked_post_id": message.asked_post_id or None,
        "asked_post_title": message.asked_post_title or None,
        "added_by": message.added_by or None,
        "bulk_action": message.bulk_action or None,
        "send_back_targets": list(message.send_back_targets),
        "allowed_actions": list(message.allowed_actions),
    }


def decision(message: approvals.Decision) -> View:
    """One act of one person."""
    return {
        "id": message.decision_id,
        "decision_id": message.decision_id,
        "step_id": message.step_id,
        "action": message.action,
        "staff_id": message.staff_id,
        "staff_name": message.staff_name,
        "post_id": message.post_id,
        "post_title": message.post_title,
        "unit_name": message.unit_name,
        "comment": message.comment,
        "acted_at": moment(message, "acted_at"),
        "version_digest": message.version_digest,
        "access_record": message.access_record or None,
        "acknowledged_opinions": list(message.acknowledged),
        "carried_from": message.carried_from or None,
        "bulk": message.bulk,
        "walk_around": {
            "staff_id": message.walk_around.staff_id,
            "staff_name": message.walk_around.staff_name,
            "post_id": message.walk_around.post_id,
            "post_title": message.walk_around.post_title,
            "unit_name": message.walk_around.unit_name,
            "decided_at": moment(message.walk_around, "decided_at"),
            "evidence_sha256": message.walk_around.evidence_sha256,
        }
        if message.HasField("walk_around")
        else None,
    }


def case(message: approvals.Case) -> View:
    """A case with its steps and decisions."""
    return {
        "id": message.case_id,
        "case_id": message.case_id,
        "document_id": message.document_id,
        "state": message.state,
        "version_digest": message.version_digest,
        "drafter": message.drafter,
        "drafter_post": message.drafter_post,
        "unit_id": message.unit_id,
        "decision_class": message.decision_class,
        "draft_number": message.draft_number or None,
        "urgent": message.urgent,
        "steps": [step(one) for one in message.steps],
        "decisions": [decision(one) for one in message.decisions],
        "opened_at": moment(message, "opened_at"),
        "decided_at": moment(message, "decided_at"),
        "rule_id": message.rule_id,
        "basis": message.basis,
        "reason": message.reason or None,
        "moves": [
            {
                "step_id": one.step_id,
                "from_post": one.from_post,
                "to_post": one.to_post,
                "reason": one.reason or None,
                "moved_by": one.moved_by,
                "moved_by_name": one.moved_by_name or None,
                "moved_at": moment(one, "moved_at"),
            }
            for one in message.moves
        ],
        "opinions": list(message.opinions),
        "registered_at": moment(message, "registered_at"),
        "walk_around_deciders": [
            {
                "staff_id": one.staff_id,
                "staff_name": one.staff_name,
                "post_title": one.post_title,
                "unit_name": one.unit_name,
                "substitute": one.substitute,
            }
            for one in message.walk_around_deciders
        ],
        "allowed_actions": list(message.allowed_actions),
        "version": message.version,
    }


def inbox_item(message: approvals.InboxItem, summary: documents.DocumentSummary | None) -> View:
    """Something that waits; the title comes from documents and is null when it cannot be seen there."""
    return {
        "case_id": message.case_id,
        "step_id": message.step_id,
        "document_id": message.document_id,
        "kind": message.kind,
        "post_id": message.post_id,
        "post_title": message.post_title,
        "step_kind": STEP_KINDS[message.step_kind],
        "step_state": STEP_STATES[message.step_state],
        "waiting_since": moment(message, "waiting_since"),
        "urgent": message.urgent,
        "draft_number": message.draft_number or None,
        "unit_id": message.unit_id,
        "drafter": message.drafter,
        "due_on": message.due_on or None,
        "overdue": message.overdue,
        "bulk_action": message.bulk_action or None,
        "title": summary.title if summary is not None else None,
        "document_state": STATES[summary.state] if summary is not None else None,
        "personal_information": PERSONAL[summary.personal_information] if summary is not None else None,
    }


def overdue_step(message: approvals.OverdueStep, summary: documents.DocumentSummary | None) -> View:
    """A step that waits beyond its term; the title as in the inbox."""
    return {
        "case_id": message.case_id,
        "step_id": message.step_id,
        "document_id": message.document_id,
        "unit_id": message.unit_id,
        "drafter": message.drafter,
        "draft_number": message.draft_number or None,
        "urgent": message.urgent,
        "step_kind": STEP_KINDS[message.step_kind],
        "step_state": STEP_STATES[message.step_state],
        "post_id": message.post_id,
        "post_title": message.post_title,
        "post_unit_name": message.post_unit_name,
        "staff_name": message.staff_name or None,
        "waiting_since": moment(message, "waiting_since"),
        "due_on": message.due_on,
        "opening_days": message.opening_days,
        "title": summary.title if summary is not None else None,
    }


# --- audit -------------------------------------------------------------------------------------------


def entry(message: audit.Entry) -> View:
    """A record of the log. `leaf` is the canonical JSON that was hashed, as text."""
    actor = message.actor
    return {
        "year": message.log_year,
        "index": message.index,
        "event_id": message.event_id,
        "occurred_at": moment(message, "occurred_at"),
        "source": message.source,
        "epoch": message.epoch,
        "seq": message.seq,
        "actor": {
            "staff_id": actor.staff_id,
            "post_id": actor.post_id or None,
            "unit_id": actor.unit_id or None,
            "terminal": actor.terminal or None,
            "session_id": actor.session_id or None,
        },
        "action": message.action,
        "object_type": message.object_type,
        "object_id": message.object_id or None,
        "version_digest": message.version_digest or None,
        "outcome": OUTCOMES[message.outcome],
        "reason": message.reason or None,
        "trace_id": message.trace_id or None,
        "detail": dict(message.detail),
        "leaf": message.leaf.decode("utf-8", "replace"),
    }


def proof(message: audit.InclusionProof) -> View:
    """An inclusion proof; hashes in hex, leaf's sibling first."""
    return {
        "index": message.index,
        "tree_size": message.tree_size,
        "hashes": [one.hex() for one in message.hashes],
        "checkpoint": message.checkpoint,
    }


def log(message: audit.LogSummary) -> View:
    """One fiscal year's log."""
    return {"year": message.log_year, "origin": message.origin, "size": message.size, "closed": message.closed}


def source(message: audit.Source) -> View:
    """What arrived from one process."""
    return {
        "source": message.source,
        "epoch": message.epoch,
        "last_seq": message.last_seq,
        "missing": list(message.missing),
        "opened_at": moment(message, "opened_at"),
        "last_seen_at": moment(message, "last_seen_at"),
        "state": message.state,
    }


def alarm(message: audit.Alarm) -> View:
    """Something about completeness that is or was not as it must be."""
    return {
        "kind": message.kind,
        "subject": message.subject,
        "first": message.first or None,
        "last": message.last or None,
        "since": moment(message, "since"),
        "until": moment(message, "until"),
    }


def reconciliation(message: audit.Reconciliation) -> View:
    """When the counts were last compared, and whether they agreed."""
    return {"done_at": moment(message, "done_at"), "agreed": message.agreed}


def witness(message: witnesses.Witness) -> View:
    """How one witness of our log fares."""
    return {
        "name": message.name,
        "verifier_key": message.verifier_key,
        "log_year": message.log_year or None,
        "size": message.size,
        "answered_at": moment(message, "answered_at"),
        "problem": message.problem,
    }


def gap(message: audit.AggregateGap) -> View:
    """Missing event numbers of one aggregate."""
    return {
        "aggregate": message.aggregate,
        "aggregate_id": message.aggregate_id,
        "missing": list(message.missing),
    }


# --- reviews of the log -------------------------------------------------------------------------------


def review(message: reviews.Review) -> View:
    """A review 点検 of a month."""
    return {
        "id": message.review_id,
        "review_id": message.review_id,
        "month": message.month,
        "number": message.number,
        "state": message.state,
        "opened_at": moment(message, "opened_at"),
        "opened_by": message.opened_by,
        "signed_at": moment(message, "signed_at"),
        "signed_by": message.signed_by or None,
        "findings": message.findings,
        "open_findings": message.open_findings,
        "staff_compared": message.staff_compared,
        "version": message.version,
    }


def whole_review(message: reviews.GetReviewResponse) -> View:
    """A review with its counts, coverage and notes."""
    return review(message.review) | {
        "rules": rules_version(message.rules),
        "coverage": [
            {
                "log_year": one.log_year,
                "origin": one.origin,
                "size": one.size,
                "root": one.root.hex(),
                "checkpoint": one.checkpoint,
            }
            for one in message.coverage
        ],
        "actions": [{"action": one.action, "outcome": one.outcome, "count": one.count} for one in message.actions],
        "days": [
            {"day": one.day, "accesses": one.accesses, "denied": one.denied, "closed": one.closed}
            for one in message.days
        ],
        "rule_counts": [
            {
                "rule": one.rule,
                "found": one.found,
                "recorded": one.recorded,
                "open": one.open,
                "explained": one.explained,
                "incident": one.incident,
            }
            for one in message.rules_found
        ],
        "not_examined": list(message.not_examined),
        "completeness": completeness(message.completeness),
        "outside": outside_proof(message.outside),
        "notes": [review_note(one) for one in message.notes],
    }


def completeness(message: reviews.Completeness) -> View:
    """Whether a month's log was complete: days of the daily comparison, and alarms from beginning to end."""
    return {
        "agreed": list(message.agreed),
        "disagreed": list(message.disagreed),
        "not_compared": list(message.not_compared),
        "alarms": [
            {
                "kind": one.kind,
                "service": one.service or None,
                "numbers": one.numbers,
                "since": moment(one, "since"),
                "until": moment(one, "until"),
            }
            for one in message.alarms
        ],
    }


def outside_proof(message: reviews.OutsideProof) -> View:
    """What of a month stands outside the database: checkpoints, cosignatures, time-stamps, the last check."""
    check = message.last_check
    return {
        "checkpoints": message.checkpoints,
        "size": message.size,
        "last_at": moment(message, "last_at"),
        "witnesses": [
            {
                "name": one.name,
                "checkpoints": one.checkpoints,
                "size": one.size,
                "last_at": moment(one, "last_at"),
            }
            for one in message.witnesses
        ],
        "timestamps": message.timestamps,
        "stamped_size": message.stamped_size,
        "stamped_at": moment(message, "stamped_at"),
        "last_check": {
            "at": moment(check, "at"),
            "origin": check.origin,
            "leaves": check.leaves,
            "findings": check.findings,
        }
        if message.HasField("last_check")
        else None,
    }


def rules_version(message: reviews.RulesVersion) -> View:
    """A version of the thresholds; 0 is what holds while nobody has set anything."""
    given = message.thresholds
    values = {field.name: getattr(given, field.name) for field in given.DESCRIPTOR.fields}
    lists = {name: list(values[name]) for name in ("closed_days", "staff_file_classes")}
    return {
        "rules_version": message.version,
        "effective_from": message.effective_from or None,
        "thresholds": values | lists,
        "reason": message.reason,
        "changed_by": message.changed_by or None,
        "changed_at": moment(message, "changed_at"),
    }


def finding(message: reviews.Finding) -> View:
    """A finding 指摘."""
    return {
        "review_id": message.review_id,
        "number": message.number,
        "month": message.month,
        "rule": message.rule,
        "subject_id": message.subject_id or None,
        "unit_id": message.unit_id or None,
        "day": message.day or None,
        "document_id": message.document_id or None,
        "count": message.count,
        "explained_by": message.explained_by or None,
        "purposes": dict(message.purposes),
        "detail": dict(message.detail),
        "state": message.state,
        "assignee_id": message.assignee_id or None,
    }


def review_note(message: reviews.Note) -> View:
    """Something done about a review or a finding."""
    return {
        "number": message.number or None,
        "action": message.action,
        "at": moment(message, "at"),
        "staff_id": message.staff_id,
        "assignee_id": message.assignee_id or None,
        "state": message.state or None,
        "text": message.text,
    }


# --- decision rules ----------------------------------------------------------------------------------


def rule_version(message: rules.RuleVersion) -> View:
    """A version of the 専決規程 of a body; `valid_to` null while nothing follows it."""
    return {
        "id": message.rule_version_id,
        "rule_version_id": message.rule_version_id,
        "body": message.body,
        "title": message.title,
        "valid_from": message.valid_from,
        "valid_to": message.valid_to or None,
        "state": message.state,
        "imported_by": message.imported_by,
        "imported_at": moment(message, "imported_at"),
        "settled_by": message.settled_by or None,
        "settled_at": moment(message, "settled_at"),
        "version": message.version,
    }


def decision_rule(message: rules.DecisionRule) -> View:
    """One line of a 専決規程; `unit_id` null for the whole body."""
    return {
        "rule_id": message.rule_id,
        "unit_id": message.unit_id or None,
        "matter": message.matter,
        "amount_min": message.amount_min if message.HasField("amount_min") else None,
        "amount_max": message.amount_max if message.HasField("amount_max") else None,
        "decision_class": message.decision_class,
        "concurrence_posts": list(message.concurrence_posts),
        "concurrence_after": message.concurrence_after or None,
        "review_posts": list(message.review_posts),
        "basis": message.basis,
        "concurrence_need": message.concurrence_need,
        "concurrence_order": message.concurrence_order or None,
        "provisional": message.provisional,
    }


def rule_difference(message: rules.RuleDifference) -> View:
    """What a version changes."""
    return {
        "added": [decision_rule(one) for one in message.added],
        "removed": [decision_rule(one) for one in message.removed],
        "changed": [
            {"before": decision_rule(one.before), "after": decision_rule(one.after)} for one in message.changed
        ],
    }


def rule_finding(message: rules.RuleFinding) -> View:
    """Something wrong with the rules, in words."""
    return {
        "problem": message.problem,
        "blocking": message.blocking,
        "matter": message.matter,
        "rule_ids": list(message.rule_ids),
        "unit_ids": list(message.unit_ids),
        "text": message.text,
    }


def rule_flaw(message: rules.RuleFlaw) -> View:
    """A cell of an import that cannot be read; `column` null for the whole line."""
    return {"line": message.line, "column": message.column or None, "problem": message.problem}


# --- templates of routes -----------------------------------------------------------------------------


def route_template(message: templates.RouteTemplate) -> View:
    """A template of a route in the version that counts."""
    return {
        "id": message.route_template_id,
        "route_template_id": message.route_template_id,
        "scope": message.scope,
        "unit_id": message.unit_id or None,
        "name": message.name,
        "steps": [{"kind": one.kind, "post_id": one.post_id, "after": one.after} for one in message.steps],
        "saved_by": message.saved_by,
        "saved_at": moment(message, "saved_at"),
        "version": message.version,
    }
