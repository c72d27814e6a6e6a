# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPCs of the city's directory: the role, one reading or one command, recorded, answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from chassis import clock, db, requests
from chassis.db import Pool
from chassis.errors import FieldViolation, invalid, not_found
from chassis.interceptors import identity
from chassis.outbox import Relay
from chassis.recorder import Access, Recorder, actor_of, listing
from chassis.requests import Call
from kanketsu.approvals.v1 import provisioning_service_pb2 as pb
from kanketsu.approvals.v1.provisioning_service_pb2_grpc import ProvisioningServiceServicer
from services.approvals import policy
from services.approvals.cases.envelopes import cause_of
from services.approvals.changes import store as changes_store
from services.approvals.inputs import require_readable
from services.approvals.provisioning import commands, domain, store
from services.approvals.provisioning.commands import Done
from services.approvals.provisioning.domain import Account, Fields, Membership, MembershipWish

MAX_PAGE = 200

Context = grpc.aio.ServicerContext[Any, Any]
A = TypeVar("A", bound=Message)


class ProvisioningApi(ProvisioningServiceServicer):
    """kanketsu.approvals.v1.ProvisioningService."""

    def __init__(self, pool: Pool, relay: Relay, recorder: Recorder) -> None:
        self._pool = pool
        self._relay = relay
        self._recorder = recorder

    async def ListAccounts(self, request: pb.ListAccountsRequest, context: Context) -> pb.ListAccountsResponse:
        """Everybody who is or was on the staff."""
        _require_reading(request)
        _require_page(request.offset, request.limit)
        async with db.transaction(self._pool) as conn:
            found, total = await store.list_accounts(
                conn,
                clock.today(),
                staff_id=request.staff_id,
                login=request.login,
                active=request.active if request.HasField("active") else None,
                offset=request.offset,
                limit=request.limit,
            )
        record = await self._listed("account.listed", "staff", request, [one.staff_id for one in found])
        return pb.ListAccountsResponse(accounts=[_account(one) for one in found], total=total, access_record=record)

    async def GetAccount(self, request: pb.GetAccountRequest, context: Context) -> pb.GetAccountResponse:
        """Of one person, also of one who left."""
        _require_reading(request)
        async with db.connection(self._pool) as conn:
            found = await store.find_account(conn, request.staff_id, clock.today())
        if found is None:
            raise not_found()
        record = await self._viewed("account.viewed", "staff", found.staff_id)
        return pb.GetAccountResponse(account=_account(found), access_record=record)

    async def CreateAccount(self, request: pb.CreateAccountRequest, context: Context) -> pb.CreateAccountResponse:
        """On the staff from today."""
        caller = identity()
        return await self._write(
            request,
            pb.CreateAccountResponse,
            ("account.viewed", "staff", request.staff_id),
            lambda call: commands.create(
                self._pool,
                call,
                request.staff_id,
                _fields(request.fields),
                caller.roles,
                cause_of(actor_of(caller)),
                lambda made: pb.CreateAccountResponse(account=_account(made)).SerializeToString(),
                clock.now(),
            ),
        )

    async def ChangeAccount(self, request: pb.ChangeAccountRequest, context: Context) -> pb.ChangeAccountResponse:
        """Another login or name, left, or back."""
        caller = identity()
        return await self._write(
            request,
            pb.ChangeAccountResponse,
            ("account.viewed", "staff", request.staff_id),
            lambda call: commands.change(
                self._pool,
                call,
                request.staff_id,
                _fields(request.fields),
                request.expected_version,
                caller.roles,
                cause_of(actor_of(caller)),
                lambda made: pb.ChangeAccountResponse(account=_account(made)).SerializeToString(),
                clock.now(),
            ),
        )

    async def ListMemberships(self, request: pb.ListMembershipsRequest, context: Context) -> pb.ListMembershipsResponse:
        """The units of today with who holds a post in them."""
        _require_reading(request)
        _require_page(request.offset, request.limit)
        found = [
            one
            for one in (await self._memberships()).values()
            if request.unit_id in ("", one.unit_id)
            and request.name in ("", one.name)
            and (not request.staff_id or any(request.staff_id == staff_id for staff_id, _ in one.members))
        ]
        page = found[request.offset :][: request.limit]
        record = await self._listed("membership.listed", "unit", request, [one.unit_id for one in page])
        return pb.ListMembershipsResponse(
            memberships=[_membership(one) for one in page], total=len(found), access_record=record
        )

    async def GetMembership(self, request: pb.GetMembershipRequest, context: Context) -> pb.GetMembershipResponse:
        """Of one unit."""
        _require_reading(request)
        found = (await self._memberships()).get(request.unit_id)
        if found is None:
            raise not_found()
        record = await self._viewed("membership.viewed", "unit", found.unit_id)
        return pb.GetMembershipResponse(membership=_membership(found), access_record=record)

    async def ChangeMembership(
        self, request: pb.ChangeMembershipRequest, context: Context
    ) -> pb.ChangeMembershipResponse:
        """Plain memberships of a unit begin and end today."""
        caller = identity()
        wish = MembershipWish(frozenset(request.join_ids), frozenset(request.leave_ids), request.replace)
        return await self._write(
            request,
            pb.ChangeMembershipResponse,
            ("membership.viewed", "unit", request.unit_id),
            lambda call: commands.regroup(
                self._pool,
                call,
                request.unit_id,
                wish,
                request.expected_version,
                caller.roles,
                cause_of(actor_of(caller)),
                lambda made: pb.ChangeMembershipResponse(membership=_membership(made)).SerializeToString(),
                clock.now(),
            ),
        )

    async def _memberships(self) -> dict[str, Membership]:
        async with db.transaction(self._pool) as conn:
            return domain.memberships(await changes_store.organisation_on(conn, clock.today()))

    async def _write(
        self, request: Any, answer: type[A], seen: tuple[str, str, str], command: Callable[[Call], Awaitable[Done]]
    ) -> A:
        """Run a command once for its request_id, and send on what it announces.

        One that changed nothing has only shown what stands: that is a reading, and recorded as one.
        """
        require_readable(request)
        changed = True

        async def run(call: Call) -> bytes:
            nonlocal changed
            done = await command(call)
            changed = done.changed
            return done.answer

        response = await requests.carry_out(self._recorder, request, answer, run)
        if changed:
            self._relay.wake()
        else:
            await self._viewed(*seen)
        return response

    async def _viewed(self, action: str, object_type: str, object_id: str) -> str:
        return await self._recorder.record(
            Access(actor=identity(), action=action, object_type=object_type, object_id=object_id)
        )

    async def _listed(self, action: str, object_type: str, request: Message, ids: Sequence[str]) -> str:
        return await self._recorder.record(listing(identity(), action, object_type, request, ids))


def _require_reading(request: Message) -> None:
    policy.require_directory_writer(identity().roles)
    require_readable(request)


def _require_page(offset: int, limit: int) -> None:
    if offset < 0:
        raise invalid(FieldViolation("offset", "OUT_OF_RANGE"))
    if not 0 <= limit <= MAX_PAGE:
        raise invalid(FieldViolation("limit", "OUT_OF_RANGE"))


def _fields(given: pb.AccountFields) -> Fields:
    return Fields(**{descriptor.name: value for descriptor, value in given.ListFields()})


def _account(found: Account) -> pb.Account:
    return pb.Account(
        staff_id=found.staff_id,
        login=found.login,
        name=found.name,
        kana=found.kana,
        email=found.email,
        active=found.active,
        units=[pb.UnitName(unit_id=unit_id, name=name) for unit_id, name in found.units],
        version=found.version,
    )


def _membership(found: Membership) -> pb.Membership:
    return pb.Membership(
        unit_id=found.unit_id,
        name=found.name,
        members=[pb.Member(staff_id=staff_id, name=name) for staff_id, name in found.members],
        version=found.version,
    )
