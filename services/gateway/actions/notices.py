"""通知: one's own list, what is read, what goes where; and who is told of a unit's 滞留."""

from __future__ import annotations

from collections.abc import Sequence

from kanketsu.approvals.v1 import notices_service_pb2 as pb
from services.gateway.actions.answer import Answer, page_of
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.live import Event
from services.gateway.views import notices as views


async def listed(
    clients: Clients, caller: Caller, *, unread_only: bool = False, cursor: str = "", limit: int = 50
) -> Answer:
    """The caller's own, newest first, and how many are unread."""
    request = pb.ListNoticesRequest(unread_only=unread_only, cursor=cursor, limit=limit)
    answer = await clients.notices.ask(clients.notices.rpc.ListNotices, request, caller)
    return page_of(
        (views.notice(one) for one in answer.notices),
        answer.next_cursor,
        answer.access_record,
        unread=answer.unread,
    )


async def missed(clients: Clients, caller: Caller, after: str) -> list[Event]:
    """What was written for the caller's open pages after the position of the last event they have. INVALID_CURSOR."""
    request = pb.ListNoticesRequest(after=after)
    answer = await clients.notices.ask(clients.notices.rpc.ListNotices, request, caller)
    return [Event(caller.identity.staff_id, one, answer.unread) for one in answer.notices]


async def still_unread(clients: Clients, caller: Caller, recent: list[Event]) -> list[Event]:
    """Of these the ones the caller has not read meanwhile, with how many are unread now."""
    if not recent:
        return []
    request = pb.ListNoticesRequest(unread_only=True, limit=200)
    answer = await clients.notices.ask(clients.notices.rpc.ListNotices, request, caller)
    unread = {one.notice_id for one in answer.notices}
    return [Event(one.staff_id, one.notice, answer.unread) for one in recent if one.notice.notice_id in unread]


async def mark_read(
    clients: Clients, caller: Caller, request_id: str, *, notice_ids: Sequence[str] = (), up_to: str = ""
) -> Answer:
    """These, and all that were made until `up_to`."""
    request = pb.MarkNoticesReadRequest(request_id=request_id, notice_ids=notice_ids, up_to=up_to)
    answer = await clients.notices.ask(clients.notices.rpc.MarkNoticesRead, request, caller)
    return Answer({"unread": answer.unread})


async def choices(clients: Clients, caller: Caller) -> Answer:
    """What the caller wants on open pages and by e-mail, and the address."""
    answer = await clients.notices.ask(clients.notices.rpc.GetNoticeChoices, pb.GetNoticeChoicesRequest(), caller)
    return Answer(views.choices(answer.choices), answer.access_record)


async def choose(
    clients: Clients, caller: Caller, request_id: str, *, live: Sequence[str], mail: Sequence[str]
) -> Answer:
    """For notices from now on."""
    request = pb.ChooseNoticesRequest(request_id=request_id, live=live, mail=mail)
    answer = await clients.notices.ask(clients.notices.rpc.ChooseNotices, request, caller)
    return Answer(views.choices(answer.choices))


async def escalation_list(clients: Clients, caller: Caller, unit_id: str) -> Answer:
    """A unit's own list, what has ended of it, and the one that holds for it."""
    request = pb.GetEscalationListRequest(unit_id=unit_id)
    answer = await clients.notices.ask(clients.notices.rpc.GetEscalationList, request, caller)
    body = views.escalation_list(answer.list) | {
        "holds_unit_id": answer.holds_unit_id or None,
        "holds_post_ids": list(answer.holds_post_ids),
        "ended": [views.ended_post(one) for one in answer.ended],
    }
    return Answer(body, answer.access_record)


async def save_escalation_list(
    clients: Clients, caller: Caller, request_id: str, unit_id: str, version: int, post_ids: Sequence[str]
) -> Answer:
    """The next version; `version` is 0 for the first."""
    request = pb.SaveEscalationListRequest(
        request_id=request_id, unit_id=unit_id, expected_version=version, post_ids=post_ids
    )
    answer = await clients.notices.ask(clients.notices.rpc.SaveEscalationList, request, caller)
    return Answer(views.escalation_list(answer.list))
