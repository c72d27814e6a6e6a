"""What others hear of the organisation: only that, and about whom, something changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chassis import clock
from chassis.recorder import timestamp
from kanketsu.approvals.v1 import events_pb2
from kanketsu.event.v1 import envelope_pb2
from services.approvals.cases.envelopes import PRODUCER, Cause
from services.approvals.changes.domain import UnitChange
from services.approvals.organisation.domain import Absence
from services.approvals.policy import Registrar


def directory_changed(
    action: str,
    staff_ids: Sequence[str],
    version: int,
    cause: Cause,
    detail: Mapping[str, str],
    *,
    effective_on: str = "",
    units: Sequence[UnitChange] = (),
) -> envelope_pb2.Envelope:
    """DirectoryChanged as `action` ("absence.registered", "change_set.applied", …); `detail` for the log: ids, days."""
    message = events_pb2.DirectoryChanged(
        staff_ids=staff_ids,
        effective_on=effective_on,
        units=[
            events_pb2.UnitChange(
                **vars(one) | {"shares": [events_pb2.UnitShare(**vars(share)) for share in one.shares]}
            )
            for one in units
        ],
    )
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
        detail=detail,
        payload=message.SerializeToString(),
    )


def span(absence: Absence, by: Registrar) -> dict[str, str]:
    """Who is away and when, so that the log alone shows use in an absent person's name (SC-07); never why.

    In which capacity it was said: an absence that somebody else declares lets substitutes decide (AP-14).
    """
    return {
        "about": absence.absence_id,
        "staff_id": absence.staff_id,
        "from": absence.from_at.isoformat(),
        "to": absence.to_at.isoformat(),
        "capacity": by,
    }
