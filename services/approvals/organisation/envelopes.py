"""What others hear of the organisation: only that, and about whom, something changed."""

from __future__ import annotations

from collections.abc import Sequence

from chassis import clock
from chassis.recorder import timestamp
from kanketsu.approvals.v1 import events_pb2
from kanketsu.event.v1 import envelope_pb2
from services.approvals.cases.envelopes import PRODUCER, Cause


def directory_changed(
    action: str, staff_ids: Sequence[str], version: int, cause: Cause, about: str
) -> envelope_pb2.Envelope:
    """DirectoryChanged as `action` ("absence.registered", "directory.loaded", …); `about` is the absence's id or ""."""
    message = events_pb2.DirectoryChanged(staff_ids=staff_ids)
    return envelope_pb2.Envelope(
        event_id=clock.new_id(),
        type=message.DESCRIPTOR.full_name,
        action=action,
        producer=PRODUCER,
        aggregate="directory",
        aggregate_id="directory",
        aggregate_version=version,
        occurred_at=timestamp(clock.now()),
        actor=cause.actor,
        trace_parent=cause.trace_parent,
        detail={"about": about} if about else {},
        payload=message.SerializeToString(),
    )
