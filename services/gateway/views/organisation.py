"""The organisation: units, posts, staff, absences."""

from __future__ import annotations

from typing import Any

from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from services.gateway.views import View, moment


def unit(message: pb.Unit) -> View:
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


def post(message: pb.Post) -> View:
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
        "signs_as": message.signs_as,
    }


def staff_member(message: pb.StaffMember) -> View:
    """A person of the staff."""
    return {
        "id": message.staff_id,
        "staff_id": message.staff_id,
        "name": message.name,
        "kana": message.kana,
        "posts": [held_post(one) for one in message.posts],
        "absent": message.absent,
    }


def absence(message: pb.Absence) -> View:
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
