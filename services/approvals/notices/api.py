# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPCs of notices: proto in, command or recorded reading, proto out."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
import uuid
from collections.abc import Sequence
from typing import Any, Final

import grpc

from chassis import clock, db, requests
from chassis.db import Connection, Pool
from chassis.errors import DomainError, FieldViolation, Kind, invalid
from chassis.identity import Identity
from chassis.interceptors import identity
from chassis.outbox import Relay
from chassis.recorder import Access, Recorder, actor_of, digest_of, timestamp
from kanketsu.approvals.v1 import notices_service_pb2 as pb
from kanketsu.approvals.v1.notices_service_pb2_grpc import NoticesServiceServicer
from services.approvals import policy
from services.approvals.cases.envelopes import cause_of
from services.approvals.deadlines.overseeing import units_overseen
from services.approvals.inputs import known_id, require_readable
from services.approvals.notices import commands, store
from services.approvals.notices.domain import Choices, NoticeKind
from services.approvals.notices.escalation import lists_on
from services.approvals.notices.store import EscalationList, Notice
from services.approvals.organisation import store as organisation
from services.approvals.policy import Reader

Context = grpc.aio.ServicerContext[Any, Any]

MAX_NOTICES: Final = 200
MAX_FRESH: Final = 500
_POSITION: Final = re.compile(r"([0-9]{1,18})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


class NoticesApi(NoticesServiceServicer):
    """kanketsu.approvals.v1.NoticesService."""

    def __init__(self, pool: Pool, relay: Relay, recorder: Recorder, *, has_mail_server: bool) -> None:
        self._pool = pool
        self._relay = relay
        self._recorder = recorder
        self._has_mail_server = has_mail_server

    async def ListNotices(self, request: pb.ListNoticesRequest, context: Context) -> pb.ListNoticesResponse:
        """The caller's own, newest first; with `after` those for open pages that were written since, oldest first."""
        require_readable(request)
        caller = identity()
        if not 0 <= request.limit <= MAX_NOTICES:
            raise invalid(FieldViolation("limit", "OUT_OF_RANGE"))
        limit = request.limit or 50
        async with db.connection(self._pool) as conn:
            if request.after:
                found = await store.fresh(conn, _position(request.after), caller.staff_id, limit)
            else:
                after = _place(request.cursor) if request.cursor else None
                found = await store.listed(conn, caller.staff_id, request.unread_only, after, limit + 1)
            unread = await store.unread(conn, caller.staff_id)
            page = found[:limit]
            overdue_in = await _overdue_in(conn, caller, page)
        return pb.ListNoticesResponse(
            notices=[_notice(one, overdue_in.get(one.case_id, "")) for one in page],
            next_cursor=_cursor(page[-1]) if len(found) > limit else "",
            unread=unread,
            access_record=await self._listed("notice.listed", page),
        )

    async def MarkNoticesRead(self, request: pb.MarkNoticesReadRequest, context: Context) -> pb.MarkNoticesReadResponse:
        """The caller's own; recorded once it is done."""
        if len(request.notice_ids) > MAX_NOTICES:
            raise invalid(FieldViolation("notice_ids", "TOO_MANY"))
        notice_ids = [known_id(one) for one in request.notice_ids]
        up_to = known_id(request.up_to) if request.up_to else ""
        response = await requests.carry_out(
            self._recorder,
            request,
            pb.MarkNoticesReadResponse,
            lambda call: commands.mark_read(
                self._pool,
                call,
                notice_ids,
                up_to,
                lambda unread: pb.MarkNoticesReadResponse(unread=unread).SerializeToString(),
                clock.now(),
            ),
        )
        await self._recorder.record(
            Access(
                actor=identity(),
                action="notice.read",
                object_type="notice",
                object_id=up_to,
                result_count=len(notice_ids),
                result_digest=digest_of(*notice_ids),
            )
        )
        return response

    async def GetNoticeChoices(
        self, request: pb.GetNoticeChoicesRequest, context: Context
    ) -> pb.GetNoticeChoicesResponse:
        """The caller's own."""
        caller = identity()
        async with db.connection(self._pool) as conn:
            chosen, address = await store.choices_of(conn, caller.staff_id, clock.today())
        record = await self._recorder.record(
            Access(
                actor=caller,
                action="notice_choices.viewed",
                object_type="notice_choices",
                object_id=caller.staff_id,
            )
        )
        return pb.GetNoticeChoicesResponse(choices=self._choices(chosen, address), access_record=record)

    async def ChooseNotices(self, request: pb.ChooseNoticesRequest, context: Context) -> pb.ChooseNoticesResponse:
        """For notices from now on."""
        caller = identity()
        response = await requests.carry_out(
            self._recorder,
            request,
            pb.ChooseNoticesResponse,
            lambda call: commands.choose(
                self._pool,
                call,
                request.live,
                request.mail,
                cause_of(actor_of(caller)),
                lambda chosen, address: pb.ChooseNoticesResponse(
                    choices=self._choices(chosen, address)
                ).SerializeToString(),
                clock.now(),
            ),
        )
        self._relay.wake()
        return response

    async def ListNewNotices(self, request: pb.ListNewNoticesRequest, context: Context) -> pb.ListNewNoticesResponse:
        """What the gateway passes on to open pages. Looking in vain shows nothing and is not recorded."""
        policy.require_gateway(identity().staff_id)
        async with db.connection(self._pool) as conn:
            newest = await store.newest_position(conn)
            # Beyond the newest: the database was restored, and begins again.
            after = min(_position(request.after), _position(newest)) if request.after else _position(newest)
            found = await store.fresh(conn, after, "", MAX_FRESH)
            unread = await store.unread_of(conn, sorted({one.staff_id for one in found})) if found else {}
        record = await self._listed("notice.presented", found) if found else ""
        return pb.ListNewNoticesResponse(
            notices=[
                pb.NewNotice(staff_id=one.staff_id, notice=_notice(one), unread=unread.get(one.staff_id, 0))
                for one in found
            ],
            position=found[-1].position if found else f"{after[0]}.{after[1]}",
            access_record=record,
        )

    async def GetEscalationList(
        self, request: pb.GetEscalationListRequest, context: Context
    ) -> pb.GetEscalationListResponse:
        """A unit's own list, what has ended of it, and the one that holds for it."""
        require_readable(request)
        caller, today = identity(), clock.today()
        policy.require_may_escalate(request.unit_id, Reader(caller.staff_id, caller.posts), caller.roles)
        async with db.connection(self._pool) as conn:
            policy.require_known_unit(request.unit_id, await organisation.list_units(conn, today))
            lists = await lists_on(conn, today)
            own, holds = lists.of(request.unit_id), lists.holding(request.unit_id)
            ended = [post for post in own.post_ids if post in lists.heirs]
            names = await organisation.last_names(conn, ended)
        record = await self._recorder.record(
            Access(actor=caller, action="escalation.viewed", object_type="unit", object_id=request.unit_id)
        )
        return pb.GetEscalationListResponse(
            list=_list(own),
            holds_unit_id=holds,
            holds_post_ids=lists.reached[holds] if holds else (),
            ended=[
                pb.EndedPost(post_id=post, name=names.get(post, post), successor=lists.heirs[post]) for post in ended
            ],
            access_record=record,
        )

    async def SaveEscalationList(
        self, request: pb.SaveEscalationListRequest, context: Context
    ) -> pb.SaveEscalationListResponse:
        """The next version."""
        require_readable(request)
        caller = identity()
        response = await requests.carry_out(
            self._recorder,
            request,
            pb.SaveEscalationListResponse,
            lambda call: commands.save_list(
                self._pool,
                call,
                request.unit_id,
                request.expected_version,
                request.post_ids,
                Reader(caller.staff_id, caller.posts),
                caller.roles,
                cause_of(actor_of(caller)),
                lambda made: pb.SaveEscalationListResponse(list=_list(made)).SerializeToString(),
                clock.now(),
            ),
        )
        self._relay.wake()
        return response

    def _choices(self, chosen: Choices, address: str) -> pb.NoticeChoices:
        return pb.NoticeChoices(
            live=sorted(chosen.live),
            mail=sorted(chosen.mail),
            address=address,
            mail_possible=self._has_mail_server,
        )

    async def _listed(self, action: str, page: Sequence[Notice]) -> str:
        return await self._recorder.record(
            Access(
                actor=identity(),
                action=action,
                object_type="notice",
                result_count=len(page),
                result_digest=digest_of(*(one.notice_id for one in page)),
            )
        )


def _cursor(last: Notice) -> str:
    return base64.urlsafe_b64encode(f"{last.created_at.isoformat()} {last.notice_id}".encode()).decode()


def _place(cursor: str) -> tuple[dt.datetime, str]:
    """Where a page ended. INVALID_CURSOR."""
    try:
        at, _, notice_id = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().partition(" ")
        moment, found = dt.datetime.fromisoformat(at), str(uuid.UUID(notice_id))
    except (ValueError, binascii.Error):
        raise _bad_cursor() from None
    if moment.tzinfo is None:
        raise _bad_cursor()
    return moment, found


def _position(text: str) -> tuple[int, str]:
    """Where a follower is. INVALID_CURSOR."""
    found = _POSITION.fullmatch(text)
    if found is None:
        raise _bad_cursor()
    return int(found[1]), found[2]


def _bad_cursor() -> DomainError:
    return DomainError(Kind.INVALID, "INVALID_CURSOR", "the cursor is not one of ours")


async def _overdue_in(conn: Connection, caller: Identity, page: Sequence[Notice]) -> dict[str, str]:
    """Case → its unit, of those escalated ones that the caller finds in 滞留 (LC-13)."""
    escalated = [one.case_id for one in page if one.kind is NoticeKind.ESCALATION]
    if not escalated:
        return {}
    now = clock.now()
    owners = await store.owners_of(conn, escalated, now.date())
    if "records_officer" in caller.roles:
        return owners
    overseen = await units_overseen(conn, Reader(caller.staff_id, caller.posts), caller.roles, now)
    return {case_id: unit_id for case_id, unit_id in owners.items() if unit_id in overseen}


def _notice(one: Notice, overdue_in: str = "") -> pb.Notice:
    return pb.Notice(
        notice_id=one.notice_id,
        kind=one.kind,
        case_id=one.case_id,
        document_id=one.document_id,
        change_set_id=one.change_set_id,
        draft_number=one.draft_number,
        urgent=one.urgent,
        post_id=one.post_id,
        created_at=timestamp(one.created_at),
        read=one.read,
        position=one.position,
        overdue_unit_id=overdue_in if one.kind is NoticeKind.ESCALATION else "",
    )


def _list(one: EscalationList) -> pb.EscalationList:
    return pb.EscalationList(unit_id=one.unit_id, version=one.version, post_ids=one.post_ids)
