# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPCs of 緊急閲覧: who asks, one command, answered; reading recorded first (AC-08)."""

from __future__ import annotations

import datetime as dt
from typing import Any, TypeAlias

from chassis import clock, requests
from chassis.db import connection
from chassis.identity import Identity, KeyVerifier
from chassis.interceptors import identity
from chassis.recorder import Recorder, listing, timestamp
from kanketsu.documents.v1 import break_glass_service_pb2 as pb
from kanketsu.documents.v1.break_glass_service_pb2_grpc import BreakGlassServiceServicer
from services.documents import messages
from services.documents.assignments.api import attested_by
from services.documents.assignments.domain import check_head
from services.documents.breakglass import commands, domain, store
from services.documents.breakglass.domain import LAPSES, BreakGlass
from services.documents.commands import Service

Context: TypeAlias = Any


class BreakGlassApi(BreakGlassServiceServicer):
    """kanketsu.documents.v1.BreakGlassService."""

    def __init__(self, service: Service, recorder: Recorder, attestations: KeyVerifier, most_hours: int) -> None:
        self._service = service
        self._recorder = recorder
        self._attestations = attestations
        self._most_hours = most_hours

    async def ListBreakGlass(self, request: pb.ListBreakGlassRequest, context: Context) -> pb.ListBreakGlassResponse:
        """The latest first: all of them, or for the 所属長 those of the unit."""
        caller, now = identity(), clock.now()
        # What was asked for is the unit, not the minute in which it was attested.
        asked = pb.ListBreakGlassRequest()
        if request.attestation:
            attested = attested_by(self._attestations, request.attestation)
            check_head(attested, caller.staff_id)
            asked.attestation = attested.unit_id
            async with connection(self._service.pool) as conn:
                found = await store.of_unit(conn, attested.unit_id)
        else:
            domain.asking_role(caller.roles)
            async with connection(self._service.pool) as conn:
                found = await store.latest(conn)
        head = bool(request.attestation)
        record = await self._recorder.record(
            listing(caller, "break_glass.listed", "break_glass", asked, [one.break_glass_id for one in found])
        )
        return pb.ListBreakGlassResponse(
            items=[_item(one, caller, now, head=head) for one in found],
            max_hours=self._most_hours,
            access_record=record,
        )

    async def RequestBreakGlass(
        self, request: pb.RequestBreakGlassRequest, context: Context
    ) -> pb.RequestBreakGlassResponse:
        """Asked for."""
        messages.check_text(request)
        caller, now = identity(), clock.now()
        wish = BreakGlass(
            break_glass_id=clock.new_id(),
            named=request.named,
            reason=request.reason,
            hours=request.hours,
            requested_by=caller.staff_id,
            requested_as=domain.asking_role(caller.roles),
            requested_at=now,
            ends_at=now + LAPSES,
        )
        return await requests.carry_out(
            self._recorder,
            request,
            pb.RequestBreakGlassResponse,
            lambda call: commands.request(
                self._service,
                caller,
                call,
                wish,
                self._most_hours,
                lambda one: pb.RequestBreakGlassResponse(break_glass=_item(one, caller, now)).SerializeToString(),
            ),
        )

    async def ConsentBreakGlass(
        self, request: pb.ConsentBreakGlassRequest, context: Context
    ) -> pb.ConsentBreakGlassResponse:
        """Another person consents; it is open from now."""
        caller = identity()
        return await requests.carry_out(
            self._recorder,
            request,
            pb.ConsentBreakGlassResponse,
            lambda call: commands.consent(
                self._service,
                caller,
                call,
                messages.known_id(request.break_glass_id),
                request.expected_version,
                lambda one: pb.ConsentBreakGlassResponse(
                    break_glass=_item(one, caller, clock.now())
                ).SerializeToString(),
            ),
        )

    async def EndBreakGlass(self, request: pb.EndBreakGlassRequest, context: Context) -> pb.EndBreakGlassResponse:
        """Over now."""
        caller = identity()
        attested = attested_by(self._attestations, request.attestation) if request.attestation else None
        wish = pb.EndBreakGlassRequest()
        wish.CopyFrom(request)
        wish.attestation = ""
        return await requests.carry_out(
            self._recorder,
            wish,
            pb.EndBreakGlassResponse,
            lambda call: commands.end(
                self._service,
                caller,
                call,
                messages.known_id(request.break_glass_id),
                request.expected_version,
                attested,
                lambda one: pb.EndBreakGlassResponse(break_glass=_item(one, caller, clock.now())).SerializeToString(),
            ),
        )


def _item(one: BreakGlass, caller: Identity, now: dt.datetime, *, head: bool = False) -> pb.BreakGlass:
    return pb.BreakGlass(
        break_glass_id=one.break_glass_id,
        named=one.named,
        reason=one.reason,
        hours=one.hours,
        state=one.state(now),
        requested_by=one.requested_by,
        requested_as=one.requested_as,
        requested_at=timestamp(one.requested_at),
        consented_by=one.consented_by,
        consented_at=timestamp(one.consented_at) if one.consented_at else None,
        ends_at=timestamp(one.ends_at),
        ended_by=one.ended_by,
        ended_at=timestamp(one.ended_at) if one.ended_at else None,
        allowed_actions=one.allowed(caller.staff_id, caller.roles, now, head=head),
        version=one.version,
    )
