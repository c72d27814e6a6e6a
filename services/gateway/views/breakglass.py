"""Answers about 緊急閲覧 as JSON members."""

from __future__ import annotations

from kanketsu.documents.v1 import break_glass_service_pb2 as pb
from services.gateway.views import View, moment


def break_glass(message: pb.BreakGlass) -> View:
    """A request and what became of it; nothing of the document, not even whether there is one (AC-03)."""
    return {
        "id": message.break_glass_id,
        "break_glass_id": message.break_glass_id,
        "named": message.named,
        "reason": message.reason,
        "hours": message.hours,
        "state": message.state,
        "requested_by": message.requested_by,
        "requested_as": message.requested_as,
        "requested_at": moment(message, "requested_at"),
        "consented_by": message.consented_by or None,
        "consented_at": moment(message, "consented_at"),
        "ends_at": moment(message, "ends_at"),
        "ended_by": message.ended_by or None,
        "ended_at": moment(message, "ended_at"),
        "allowed_actions": list(message.allowed_actions),
        "version": message.version,
    }
