"""Answers about the organisation over time as JSON members: planned changes, personnel, stranded steps, tenures."""

from __future__ import annotations

from kanketsu.approvals.v1 import reorganisation_service_pb2 as pb
from kanketsu.documents.v1 import owners_service_pb2 as owners_pb
from services.gateway.views import STEP_KINDS, STEP_STATES, View, moment


def change_set(message: pb.ChangeSet) -> View:
    """A set without its changes."""
    return {
        "id": message.change_set_id,
        "change_set_id": message.change_set_id,
        "title": message.title,
        "effective_on": message.effective_on,
        "state": message.state,
        "change_count": message.change_count,
        "author": message.author,
        "drafted_at": moment(message, "drafted_at"),
        "reviewed_by": message.reviewed_by or None,
        "reviewed_at": moment(message, "reviewed_at"),
        "closed_by": message.closed_by or None,
        "closed_at": moment(message, "closed_at"),
        "reason": message.reason,
        "late_reason": message.late_reason,
        "allowed_actions": list(message.allowed_actions),
        "version": message.version,
    }


def whole_change_set(message: pb.GetChangeSetResponse) -> View:
    """A set with its changes, its findings and what it would do; `preview` is null once the set is closed."""
    made = message.change_set
    return change_set(made) | {
        "changes": [_change(one) for one in made.changes],
        "findings": [_finding(one) for one in made.findings],
        "preview": _preview(message.preview) if message.HasField("preview") else None,
    }


def previewed(message: pb.ReadChangesResponse) -> View:
    """What changes would do, and why they would be refused."""
    return {"findings": [_finding(one) for one in message.findings], "preview": _preview(message.preview)}


def _finding(message: pb.Finding) -> View:
    return {"place": message.place, "problem": message.problem, "about": message.about}


def _change(message: pb.Change) -> View:
    """Only what is given."""
    given: View = {descriptor.name: value for descriptor, value in message.ListFields()}
    return given | ({"covers": list(message.covers)} if message.covers else {})


def _preview(message: pb.Preview) -> View:
    return {
        "moves": [move(one) for one in message.moves],
        "vacant": [placement(one) for one in message.vacant],
        "prospects": [
            {
                "post": placement(one.post),
                "open_steps": one.open_steps,
                "outcome": one.outcome,
                "acts": placement(one.acts) if one.HasField("acts") else None,
                "holder_names": list(one.holder_names),
            }
            for one in message.prospects
        ],
        "substitutes": [_substitute_list(one) for one in message.substitutes],
        "warnings": [_warning(one) for one in message.warnings],
        "references": [{"kind": one.kind, "about": one.about, "text": one.text} for one in message.references],
        # Counted by documents.
        "owned": [],
    }


def placement(message: pb.Placement) -> View:
    """A post of somebody."""
    return {
        "post_id": message.post_id,
        "title": message.title,
        "unit_name": message.unit_name,
        "kind": message.kind or None,
    }


def move(message: pb.Move) -> View:
    """What becomes of one person."""
    return {
        "staff_id": message.staff_id,
        "name": message.name,
        "kind": message.kind,
        "before": [placement(one) for one in message.before],
        "after": [placement(one) for one in message.after],
    }


def personnel(message: pb.ReadPersonnelFileResponse) -> View:
    """What the file would change, or its bad lines."""
    return {
        "bad_lines": [{"line": one.line, "problem": one.problem, "about": one.about} for one in message.bad_lines],
        "moves": [move(one) for one in message.moves],
        "vacant": [placement(one) for one in message.vacant],
    }


def stranded_step(message: pb.StrandedStep) -> View:
    """An open step that nobody can act on; `version` is the case's, for reassigning it."""
    return {
        "case_id": message.case_id,
        "step_id": message.step_id,
        "document_id": message.document_id,
        "draft_number": message.draft_number,
        "unit_id": message.unit_id,
        "step_kind": STEP_KINDS[message.step_kind],
        "step_state": STEP_STATES[message.step_state],
        "cause": message.cause,
        "post_id": message.post_id,
        "post_title": message.post_title,
        "unit_name": message.unit_name,
        "ended_on": message.ended_on or None,
        "decision_class": message.decision_class,
        "version": message.version,
    }


def tenure(message: pb.Tenure) -> View:
    """One person in one post, under the name the post had then."""
    return {
        "staff_id": message.staff_id,
        "name": message.name,
        "post_id": message.post_id,
        "title": message.title,
        "unit_id": message.unit_id,
        "unit_name": message.unit_name,
        "kind": message.kind,
        # The field is called "from", which is a keyword of Python.
        "from": getattr(message, "from"),
        "to": message.to or None,
    }


def _substitute(message: pb.Substitute) -> View:
    return {"place": message.place, "post": placement(message.post), "holder_names": list(message.holder_names)}


def _substitute_list(message: pb.SubstituteList) -> View:
    return {
        "post": placement(message.post),
        "matter": message.matter or None,
        "before": [_substitute(one) for one in message.before],
        "after": [_substitute(one) for one in message.after],
    }


def _warning(message: pb.SubstituteWarning) -> View:
    return {
        "problem": message.problem,
        "post": placement(message.post),
        "matter": message.matter or None,
        "place": message.place or None,
        "substitute": placement(message.substitute) if message.HasField("substitute") else None,
    }


def substitution(message: pb.Substitution) -> View:
    """One rank of a 代決順位, from when to when (AP-13)."""
    return {
        "matter": message.matter or None,
        "place": message.place,
        "post": placement(message.post),
        "holder_names": list(message.holder_names),
        # The field is called "from", which is a keyword of Python.
        "from": getattr(message, "from"),
        "to": message.to or None,
    }


def owned(message: owners_pb.Owned, successor: str) -> View:
    """What one rule of a split moves, or all the rest (RT-10)."""
    return {
        "unit_id": message.unit_id,
        "class_code": message.class_code or None,
        "folder_id": message.folder_id or None,
        "successor": successor or None,
        "folders": message.folders,
        "documents": message.documents,
        "receipts": message.receipts,
    }
