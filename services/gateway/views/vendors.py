"""Answers about accounts of vendors as JSON members."""

from __future__ import annotations

from kanketsu.approvals.v1 import vendors_service_pb2 as pb
from services.gateway.views import View, moment


def vendor(message: pb.Vendor) -> View:
    """An account with its latest windows."""
    return {
        "id": message.vendor_id,
        "vendor_id": message.vendor_id,
        "login": message.login,
        "full_name": message.full_name,
        "company": message.company,
        "registered_by": message.registered_by,
        "registered_at": moment(message, "registered_at"),
        "windows": [window(one) for one in message.windows],
    }


def window(message: pb.MaintenanceWindow) -> View:
    """保守時間枠: `[opens_at, closes_at)`."""
    return {
        "id": message.window_id,
        "window_id": message.window_id,
        "vendor_id": message.vendor_id,
        "opens_at": moment(message, "opens_at"),
        "closes_at": moment(message, "closes_at"),
        "reason": message.reason,
        "ticket": message.ticket,
        "state": message.state,
        "requested_by": message.requested_by,
        "requested_at": moment(message, "requested_at"),
        "confirmed_by": message.confirmed_by or None,
        "confirmed_at": moment(message, "confirmed_at"),
        "ended_by": message.ended_by or None,
        "ended_at": moment(message, "ended_at"),
        "allowed_actions": list(message.allowed_actions),
        "version": message.version,
    }
