# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPC of 持回りの事後登録: who asks, one command, answered (AP-50)."""

from __future__ import annotations

from chassis import clock, requests
from chassis.errors import DomainError, FieldViolation, invalid
from chassis.interceptors import identity
from chassis.recorder import actor_of, timestamp
from chassis.requests import Call
from kanketsu.approvals.v1 import walk_around_service_pb2 as pb
from kanketsu.approvals.v1.walk_around_service_pb2_grpc import WalkAroundServiceServicer
from services.approvals.cases.domain import Case
from services.approvals.cases.envelopes import cause_of
from services.approvals.handlers import Context, Parts, reader_of
from services.approvals.inputs import known_id, moment_of, require_readable
from services.approvals.walkaround import commands
from services.approvals.walkaround.commands import Registration


class Api(WalkAroundServiceServicer):
    """kanketsu.approvals.v1.WalkAroundService."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def RegisterWalkAround(
        self, request: pb.RegisterWalkAroundRequest, context: Context
    ) -> pb.RegisterWalkAroundResponse:
        """事後登録 by the drafter; the answer says when it was decided and when registered."""
        require_readable(request)
        caller, wish = identity(), _wish(request)

        async def register(call: Call) -> bytes:
            return await commands.register(
                self._parts.pool,
                call,
                wish,
                reader_of(caller),
                await self._parts.receipts.open(request.read_receipt, wish.case_id),
                self._parts.tenant,
                self._parts.city,
                self._parts.deadlines,
                cause_of(actor_of(caller)),
                lambda case: _registered(case).SerializeToString(),
                clock.now(),
            )

        answer = await requests.carry_out(self._parts.recorder, request, pb.RegisterWalkAroundResponse, register)
        self._parts.relay.wake()
        return answer


def _wish(request: pb.RegisterWalkAroundRequest) -> Registration:
    """INVALID_FIELDS for what is missing or no moment; NOT_FOUND for an id that is none."""
    problems = [
        FieldViolation(name, "REQUIRED")
        for name in ("expected_version", "version_digest", "staff_id", "evidence_sha256")
        if not getattr(request, name)
    ]
    try:
        decided_at = moment_of(request, "decided_at")
    except DomainError as error:
        raise invalid(*problems, *error.fields) from None
    if problems:
        raise invalid(*problems)
    return Registration(
        known_id(request.case_id),
        request.expected_version,
        request.version_digest,
        request.staff_id,
        decided_at,
        request.evidence_sha256,
        request.comment,
    )


def _registered(case: Case) -> pb.RegisterWalkAroundResponse:
    registered = case.registration
    return pb.RegisterWalkAroundResponse(
        case_id=case.case_id,
        state=case.state,
        decided_at=timestamp(case.decided_at) if case.decided_at else None,
        registered_at=timestamp(registered.acted_at) if registered else None,
        version=case.version,
    )
