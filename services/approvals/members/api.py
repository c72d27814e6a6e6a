# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPC that tells other services who belongs to a unit: asked by its 所属長, recorded, signed."""

from __future__ import annotations

from typing import Any

import grpc

from chassis import clock, db
from chassis.db import Pool
from chassis.errors import DomainError, Kind
from chassis.identity import Signer
from chassis.interceptors import identity
from chassis.recorder import Access, Recorder, digest_of
from kanketsu.approvals.v1 import membership_service_pb2 as pb
from kanketsu.approvals.v1.membership_service_pb2_grpc import MembershipServiceServicer
from services.approvals import policy
from services.approvals.changes import store as changes
from services.approvals.members import domain
from services.approvals.organisation import store

Context = grpc.aio.ServicerContext[Any, Any]


class MembershipApi(MembershipServiceServicer):
    """kanketsu.approvals.v1.MembershipService."""

    def __init__(self, pool: Pool, recorder: Recorder, signer: Signer) -> None:
        self._pool = pool
        self._recorder = recorder
        self._signer = signer

    async def DescribeMembers(self, request: pb.DescribeMembersRequest, context: Context) -> pb.DescribeMembersResponse:
        """Who heads the unit and who belongs to it today, signed (AC-16, AP-42). NOT_PERMITTED, REORGANISING."""
        caller, now = identity(), clock.now()
        async with db.connection(self._pool) as conn:
            if await changes.reviewed_until(conn, now.date()):
                raise DomainError(Kind.UNAVAILABLE, "REORGANISING", "a change set of today is being applied")
            line, above_members = await store.line_of(conn, request.unit_id, now.date(), now)
            own = await store.list_seats(conn, request.unit_id, now.date(), now) if line else []
        found = policy.require_head(domain.membership(line, above_members, own), caller.staff_id)
        record = await self._recorder.record(
            Access(
                actor=caller,
                action="directory.listed",
                object_type="unit",
                object_id=found.unit_id,
                result_count=len(found.members),
                result_digest=digest_of(*found.members),
            )
        )
        claims = {
            "ten": caller.tenant,
            "unit": found.unit_id,
            "heads": found.heads,
            "members": found.members,
            "iat": int(now.timestamp()),
        }
        return pb.DescribeMembersResponse(
            attestation=self._signer.sign(claims), member_staff_ids=found.members, access_record=record
        )
