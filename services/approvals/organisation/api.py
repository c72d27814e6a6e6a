# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPCs of the organisation: who is who, units, posts and staff of a day, absences.

Who somebody is (ResolveActor, DescribePrincipals) is answered without a record: it serves the gateway for every page, and
shows no more than the names of colleagues that each page shows anyway; the login itself is recorded by the gateway.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from chassis import clock, db
from chassis.errors import DomainError, FieldViolation, Kind, invalid, not_found
from chassis.interceptors import identity
from chassis.recorder import actor_of, timestamp
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from services.approvals import policy
from services.approvals.cases.envelopes import cause_of
from services.approvals.cursors import cursor_of, name_of
from services.approvals.handlers import Context, Handlers, reader_of
from services.approvals.inputs import day_of, known_id, limit_of, moment_of, require_readable
from services.approvals.notices import store as notice_store
from services.approvals.organisation import commands, principals, store
from services.approvals.organisation.domain import Absence, HeldPost, Presence, signing_titles
from services.approvals.vendors import store as vendors_store
from services.approvals.vendors.api import vendor_actor

MAX_PRINCIPALS = 500
MAX_PRESENCE = dt.timedelta(days=62)


class OrganisationApi(Handlers):
    """Of kanketsu.approvals.v1.ApprovalsService: the organisation."""

    async def ResolveActor(self, request: pb.ResolveActorRequest, context: Context) -> pb.ResolveActorResponse:
        """Who logs in, as of today. NOT_FOUND UNKNOWN_STAFF for strangers, leavers (AC-16) and vendors that are shut (AC-09)."""
        require_readable(request)
        policy.require_gateway(identity().staff_id)
        async with db.connection(self._parts.pool) as conn:
            actor = await store.find_actor(conn, request.login, clock.today())
            if actor is None and (admitted := await vendors_store.find_open(conn, request.login, clock.now())):
                return vendor_actor(*admitted)
            if actor is None:
                raise DomainError(Kind.NOT_FOUND, "UNKNOWN_STAFF", "no staff member has this login today")
            below = (
                await principals.subordinate_units(conn, actor, clock.today()) if self._parts.managers_see_below else []
            )
            unread = await notice_store.unread(conn, actor.staff_id)
        return pb.ResolveActorResponse(
            staff_id=actor.staff_id,
            name=actor.name,
            kana=actor.kana,
            posts=_held_posts(actor.posts),
            roles=actor.roles,
            principals=[*actor.principals, *below],
            unread_notices=unread,
        )

    async def ListUnits(self, request: pb.ListUnitsRequest, context: Context) -> pb.ListUnitsResponse:
        """Units as of a date (AC-05)."""
        day = day_of(request.on)
        async with db.connection(self._parts.pool) as conn:
            units = await store.list_units(conn, day)
        record = await self._listed("directory.listed", "unit", request, [unit.unit_id for unit in units])
        return pb.ListUnitsResponse(
            units=[
                pb.Unit(
                    unit_id=unit.unit_id,
                    parent_id=unit.parent_id,
                    body=unit.body,
                    name=unit.name,
                    kana=unit.kana,
                    symbol=unit.symbol,
                    valid_from=unit.valid_from.isoformat(),
                    valid_to=unit.valid_to.isoformat() if unit.valid_to else "",
                )
                for unit in units
            ],
            access_record=record,
        )

    async def ListPosts(self, request: pb.ListPostsRequest, context: Context) -> pb.ListPostsResponse:
        """Posts of a unit, or all, with their holders as of a date."""
        require_readable(request)
        day = day_of(request.on)
        async with db.connection(self._parts.pool) as conn:
            seats = await store.list_seats(conn, request.unit_id, day, clock.now())
        record = await self._listed("directory.listed", "post", request, [seat.post_id for seat in seats])
        return pb.ListPostsResponse(
            posts=[
                pb.Post(
                    post_id=seat.post_id,
                    unit_id=seat.unit_id,
                    title=seat.title,
                    rank=seat.rank,
                    holder_staff_ids=[holder.staff_id for holder in seat.holders],
                )
                for seat in seats
            ],
            access_record=record,
        )

    async def ListStaff(self, request: pb.ListStaffRequest, context: Context) -> pb.ListStaffResponse:
        """Staff of a unit, or all, by id, as of a date. INVALID_CURSOR."""
        require_readable(request)
        day, limit = day_of(request.on), limit_of(request.limit, 200, 500)
        after = name_of(request.cursor)
        async with db.connection(self._parts.pool) as conn:
            found = await store.list_staff(conn, request.unit_id, day, clock.now(), after, limit + 1)
        page = found[:limit]
        record = await self._listed("directory.listed", "staff", request, [member.staff_id for member in page])
        return pb.ListStaffResponse(
            staff=[
                pb.StaffMember(
                    staff_id=member.staff_id,
                    name=member.name,
                    kana=member.kana,
                    posts=_held_posts(member.posts),
                    absent=member.absent,
                )
                for member in page
            ],
            next_cursor=cursor_of(page[-1].staff_id) if len(found) > limit else "",
            access_record=record,
        )

    async def ListPresence(self, request: pb.ListPresenceRequest, context: Context) -> pb.ListPresenceResponse:
        """When everybody was on the staff and when absent, for the review of the log (AC-16, SC-07). INVALID_CURSOR."""
        require_readable(request)
        policy.require_audit_officer(identity().roles)
        begins, ends = day_of(getattr(request, "from"), "from"), day_of(request.to, "to")
        if not dt.timedelta(0) < ends - begins <= MAX_PRESENCE:
            raise invalid(FieldViolation("to", "OUT_OF_RANGE"))
        limit = limit_of(request.limit, 200, 500)
        after = name_of(request.cursor)
        async with db.connection(self._parts.pool) as conn:
            found = await store.presence(conn, begins, ends, after, limit + 1)
        page = found[:limit]
        record = await self._listed("presence.listed", "staff", request, [one.staff_id for one in page])
        return pb.ListPresenceResponse(
            people=map(_presence, page),
            next_cursor=cursor_of(page[-1].staff_id) if len(found) > limit else "",
            access_record=record,
        )

    async def DescribePrincipals(
        self, request: pb.DescribePrincipalsRequest, context: Context
    ) -> pb.DescribePrincipalsResponse:
        """Names of principals of all kinds, and who they are today; an unknown one is described by itself."""
        require_readable(request)
        if len(request.principals) > MAX_PRINCIPALS:
            raise invalid(FieldViolation("principals", "TOO_MANY"))
        async with db.connection(self._parts.pool) as conn:
            described = await principals.describe(conn, request.principals, clock.now())
        return pb.DescribePrincipalsResponse(
            principals=[
                pb.PrincipalDescription(principal=one.principal, label=one.label, staff_ids=one.staff_ids)
                for one in described
            ]
        )

    async def RegisterAbsence(self, request: pb.RegisterAbsenceRequest, context: Context) -> pb.RegisterAbsenceResponse:
        """不在登録 for oneself, or by a records manager of the unit, who heads it or one above, or the records office (AP-14)."""
        caller = identity()
        absence = commands.new_absence(
            request.staff_id or caller.staff_id,
            moment_of(request, "from"),
            moment_of(request, "to"),
            request.reason_code,
            caller.staff_id,
        )
        return await self._write(
            request,
            pb.RegisterAbsenceResponse,
            lambda call: commands.register_absence(
                self._parts.pool,
                call,
                absence,
                reader_of(caller),
                caller.roles,
                cause_of(actor_of(caller)),
                lambda made: pb.RegisterAbsenceResponse(absence=_absence(made)).SerializeToString(),
                clock.now(),
            ),
        )

    async def EndAbsence(self, request: pb.EndAbsenceRequest, context: Context) -> pb.EndAbsenceResponse:
        """The absence ends now, or is called off."""
        caller = identity()
        return await self._write(
            request,
            pb.EndAbsenceResponse,
            lambda call: commands.end_absence(
                self._parts.pool,
                call,
                known_id(request.absence_id),
                reader_of(caller),
                caller.roles,
                cause_of(actor_of(caller)),
                lambda over: pb.EndAbsenceResponse(absence=_absence(over)).SerializeToString(),
                clock.now(),
            ),
        )

    async def ListAbsences(self, request: pb.ListAbsencesRequest, context: Context) -> pb.ListAbsencesResponse:
        """Of oneself (default), of one colleague, or of one's own unit; the reason only where it may be known."""
        require_readable(request)
        caller = identity()
        reader, now = reader_of(caller), clock.now()
        async with db.connection(self._parts.pool) as conn:
            if request.unit_id:
                units = [request.unit_id]
                members = await store.unit_names(conn, units, now.date())
                staff_ids = members[request.unit_id][1] if request.unit_id in members else []
            else:
                staff_ids = [request.staff_id or caller.staff_id]
                held = await store.held_posts(conn, staff_ids[0], now.date())
                units = [post.unit_id for post in held]
            if staff_ids != [caller.staff_id]:
                above = await commands.superiors(conn, units, now)
                if not policy.may_list_absences(reader, caller.roles, units, above):
                    raise not_found()
            absences = await store.list_absences(conn, staff_ids, now)
        record = await self._listed("absence.listed", "absence", request, [a.absence_id for a in absences])
        shown = [_absence(a, known=policy.seen_reason(a, reader, caller.roles) is not None) for a in absences]
        return pb.ListAbsencesResponse(absences=shown, access_record=record)


# --- plain → proto ------------------------------------------------------------------------------


def _presence(one: Presence) -> pb.Presence:
    message = pb.Presence(staff_id=one.staff_id, unit_id=one.unit_id)
    for first, last in one.employed:
        message.employed.add(to=last.isoformat(), **{"from": first.isoformat()})
    for begins, ends in one.absent:
        message.absent.add(to=timestamp(ends), **{"from": timestamp(begins)})
    return message


def _held_posts(posts: Sequence[HeldPost]) -> list[pb.HeldPost]:
    return [
        pb.HeldPost(
            post_id=post.post_id,
            unit_id=post.unit_id,
            title=post.title,
            unit_name=post.unit_name,
            kind=post.kind,
            rank=post.rank,
            signs_as=signs_as,
        )
        for post, signs_as in zip(posts, signing_titles(posts), strict=True)
    ]


def _absence(absence: Absence, *, known: bool = True) -> pb.Absence:
    made = pb.Absence(
        absence_id=absence.absence_id,
        staff_id=absence.staff_id,
        to=timestamp(absence.to_at),
        reason_code=absence.reason_code if known else "",
        registered_by=absence.registered_by,
    )
    # The field is called "from", which is a keyword of Python.
    getattr(made, "from").CopyFrom(timestamp(absence.from_at))
    return made
