"""Answers about notices as JSON members."""

from __future__ import annotations

from kanketsu.approvals.v1 import notices_service_pb2 as pb
from services.gateway.views import View, moment


def notice(message: pb.Notice) -> View:
    """One notice: a number and a kind, no title (AC-14)."""
    return {
        "id": message.notice_id,
        "notice_id": message.notice_id,
        "kind": message.kind,
        "draft_number": message.draft_number,
        "case_id": message.case_id,
        "document_id": message.document_id,
        "change_set_id": message.change_set_id or None,
        "urgent": message.urgent,
        "post_id": message.post_id or None,
        "created_at": moment(message, "created_at"),
        "read": message.read,
        "overdue_unit_id": message.overdue_unit_id or None,
    }


def choices(message: pb.NoticeChoices) -> View:
    """What a person wants to be told where."""
    return {
        "live": list(message.live),
        "mail": list(message.mail),
        "address": message.address or None,
        "mail_possible": message.mail_possible,
    }


def escalation_list(message: pb.EscalationList) -> View:
    """The list of a unit itself."""
    return {
        "id": message.unit_id,
        "unit_id": message.unit_id,
        "post_ids": list(message.post_ids),
        "version": message.version,
    }


def ended_post(message: pb.EndedPost) -> View:
    """A listed post that is no more (AP-41)."""
    return {"post_id": message.post_id, "name": message.name, "successor_post_id": message.successor or None}
