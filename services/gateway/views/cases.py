"""Cases, their steps and decisions, and what waits."""

from __future__ import annotations

from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from kanketsu.documents.v1 import documents_service_pb2 as documents
from services.gateway.views import PERSONAL, STATES, STEP_KINDS, STEP_STATES, View, moment


def step(message: pb.Step) -> View:
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
        "consecutive_step_ids": list(message.consecutive_step_ids),
        "allowed_actions": list(message.allowed_actions),
    }


def decision(message: pb.Decision) -> View:
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
        "appointment": message.appointment,
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


def case(message: pb.Case) -> View:
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


def inbox_item(message: pb.InboxItem, summary: documents.DocumentSummary | None) -> View:
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


def overdue_step(message: pb.OverdueStep, summary: documents.DocumentSummary | None) -> View:
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
