# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPCs about accounts of vendors: who asks, one command, answered; reading recorded first (AC-09)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import grpc

from chassis import clock, db
from chassis.db import Pool
from chassis.identity import Identity
from chassis.interceptors import identity
from chassis.outbox import Relay
from chassis.recorder import Recorder, actor_of, listing, timestamp
from kanketsu.approvals.v1 import vendors_service_pb2 as pb
from kanketsu.approvals.v1.approvals_service_pb2 import ResolveActorResponse
from kanketsu.approvals.v1.vendors_service_pb2_grpc import VendorsServiceServicer
from services.approvals import policy
from services.approvals.cases.envelopes import cause_of
from services.approvals.handlers import Writing
from services.approvals.inputs import known_id, moment_of
from services.approvals.vendors import commands, domain, store
from services.approvals.vendors.domain import Vendor, Window

Context = grpc.aio.ServicerContext[Any, Any]


class VendorsApi(Writing, VendorsServiceServicer):
    """kanketsu.approvals.v1.VendorsService."""

    def __init__(self, pool: Pool, relay: Relay, recorder: Recorder, longest: dt.timedelta) -> None:
        super().__init__(pool, relay, recorder)
        self._longest = longest

    async def ListVendors(self, request: pb.ListVendorsRequest, context: Context) -> pb.ListVendorsResponse:
        """Accounts with their latest windows."""
        caller, now = identity(), clock.now()
        policy.require_reviewer(caller.roles)
        async with db.connection(self._pool) as conn:
            vendors, windows = await store.list_vendors(conn), await store.list_windows(conn)
        record = await self._recorder.record(
            listing(caller, "vendor.listed", "vendor", request, [one.vendor_id for one in vendors])
        )
        of = domain.by_vendor(windows)
        return pb.ListVendorsResponse(
            vendors=[_vendor(one, of.get(one.vendor_id, ()), caller, now) for one in vendors],
            access_record=record,
            max_hours=self._longest // dt.timedelta(hours=1),
        )

    async def RegisterVendor(self, request: pb.RegisterVendorRequest, context: Context) -> pb.RegisterVendorResponse:
        """An account that stays shut."""
        caller, now = identity(), clock.now()
        made = domain.registered(
            request.number, request.login, request.full_name, request.company, caller.staff_id, now
        )
        return await self._write(
            request,
            pb.RegisterVendorResponse,
            lambda call: commands.register(
                self._pool,
                call,
                made,
                caller.roles,
                cause_of(actor_of(caller)),
                lambda one: pb.RegisterVendorResponse(vendor=_vendor(one, (), caller, now)).SerializeToString(),
            ),
        )

    async def RequestWindow(self, request: pb.RequestWindowRequest, context: Context) -> pb.RequestWindowResponse:
        """保守時間枠, to be confirmed by another person."""
        caller, now = identity(), clock.now()
        window = Window(
            clock.new_id(),
            request.vendor_id,
            moment_of(request, "opens_at"),
            moment_of(request, "closes_at"),
            request.reason,
            request.ticket,
            caller.staff_id,
            now,
        )
        return await self._write(
            request,
            pb.RequestWindowResponse,
            lambda call: commands.request(
                self._pool,
                call,
                window,
                self._longest,
                caller.roles,
                cause_of(actor_of(caller)),
                lambda one: pb.RequestWindowResponse(window=_window(one, caller, now)).SerializeToString(),
                now,
            ),
        )

    async def ConfirmWindow(self, request: pb.ConfirmWindowRequest, context: Context) -> pb.ConfirmWindowResponse:
        """Another person lets it open."""
        caller, now = identity(), clock.now()
        return await self._write(
            request,
            pb.ConfirmWindowResponse,
            lambda call: commands.confirm(
                self._pool,
                call,
                known_id(request.window_id),
                request.expected_version,
                caller.staff_id,
                caller.roles,
                cause_of(actor_of(caller)),
                lambda one: pb.ConfirmWindowResponse(window=_window(one, caller, now)).SerializeToString(),
                now,
            ),
        )

    async def EndWindow(self, request: pb.EndWindowRequest, context: Context) -> pb.EndWindowResponse:
        """It ends now."""
        caller, now = identity(), clock.now()
        return await self._write(
            request,
            pb.EndWindowResponse,
            lambda call: commands.end(
                self._pool,
                call,
                known_id(request.window_id),
                request.expected_version,
                caller.staff_id,
                caller.roles,
                cause_of(actor_of(caller)),
                lambda one: pb.EndWindowResponse(window=_window(one, caller, now)).SerializeToString(),
                now,
            ),
        )


def vendor_actor(vendor: Vendor, until: dt.datetime) -> ResolveActorResponse:
    """A vendor whose window is open, as the gateway signs them: no post, no principal, one role, and never beyond its end."""
    return ResolveActorResponse(
        staff_id=vendor.vendor_id,
        name=vendor.full_name,
        kana=vendor.full_name,
        roles=[domain.ROLE],
        until=timestamp(until),
    )


def _vendor(found: Vendor, windows: Sequence[Window], caller: Identity, now: dt.datetime) -> pb.Vendor:
    return pb.Vendor(
        vendor_id=found.vendor_id,
        login=found.login,
        full_name=found.full_name,
        company=found.company,
        registered_by=found.registered_by,
        registered_at=timestamp(found.registered_at),
        windows=[_window(one, caller, now) for one in windows],
    )


def _window(found: Window, caller: Identity, now: dt.datetime) -> pb.MaintenanceWindow:
    return pb.MaintenanceWindow(
        window_id=found.window_id,
        vendor_id=found.vendor_id,
        opens_at=timestamp(found.opens_at),
        closes_at=timestamp(found.closes_at),
        reason=found.reason,
        ticket=found.ticket,
        state=found.state(now),
        requested_by=found.requested_by,
        requested_at=timestamp(found.requested_at),
        confirmed_by=found.confirmed_by,
        confirmed_at=timestamp(found.confirmed_at) if found.confirmed_at else None,
        ended_by=found.ended_by,
        ended_at=timestamp(found.ended_at) if found.ended_at else None,
        allowed_actions=found.allowed(caller.staff_id, now),
        version=found.version,
    )
