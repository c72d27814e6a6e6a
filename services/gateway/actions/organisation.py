"""組織: who I am, units, posts, staff, names, absences."""

from __future__ import annotations

from collections.abc import Iterable

from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from services.gateway.actions.answer import Answer, page_of
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.views import View, stamp_of
from services.gateway.views import organisation as views


def me(caller: Caller) -> View:
    """The caller: person, posts, units, roles, acting post (an object, or null)."""
    person, acting = caller.staff, caller.acting_post
    return {
        "id": person.staff_id,
        "staff_id": person.staff_id,
        "name": person.name,
        "kana": person.kana,
        "posts": [views.held_post(post) for post in person.posts],
        "units": [
            {"id": unit_id, "unit_id": unit_id, "name": name}
            for unit_id, name in {post.unit_id: post.unit_name for post in person.posts}.items()
        ],
        "roles": list(person.roles),
        "acting_post": views.held_post(acting) if acting is not None else None,
    }


async def units(clients: Clients, caller: Caller, *, on: str = "") -> Answer:
    """Units as of an ISO date, today when empty."""
    rpc = clients.approvals.rpc
    answer = await clients.approvals.ask(rpc.ListUnits, pb.ListUnitsRequest(on=on), caller)
    return page_of((views.unit(one) for one in answer.units), "", answer.access_record)


async def posts(clients: Clients, caller: Caller, *, on: str = "", unit_id: str = "") -> Answer:
    """Posts as of an ISO date, of one unit or of all."""
    rpc = clients.approvals.rpc
    answer = await clients.approvals.ask(rpc.ListPosts, pb.ListPostsRequest(on=on, unit_id=unit_id), caller)
    return page_of((views.post(one) for one in answer.posts), "", answer.access_record)


async def staff(
    clients: Clients, caller: Caller, *, on: str = "", unit_id: str = "", cursor: str = "", limit: int = 200
) -> Answer:
    """Staff as of an ISO date, of one unit or of all."""
    rpc = clients.approvals.rpc
    request = pb.ListStaffRequest(unit_id=unit_id, on=on, limit=limit, cursor=cursor)
    answer = await clients.approvals.ask(rpc.ListStaff, request, caller)
    return page_of((views.staff_member(one) for one in answer.staff), answer.next_cursor, answer.access_record)


async def names(clients: Clients, caller: Caller, principals: Iterable[str]) -> dict[str, str]:
    """Names of today for "staff:…", "post:…", "unit:…"; one that is not known stays as it is."""
    wanted = sorted({principal for principal in principals if not principal.endswith(":")})
    labels = {principal: principal.partition(":")[2] for principal in wanted}
    for first in range(0, len(wanted), 500):
        answer = await clients.approvals.ask(
            clients.approvals.rpc.DescribePrincipals,
            pb.DescribePrincipalsRequest(principals=wanted[first : first + 500]),
            caller,
        )
        labels |= {one.principal: one.label for one in answer.principals if one.label}
    return labels


async def absences(clients: Clients, caller: Caller, *, staff_id: str = "", unit_id: str = "") -> Answer:
    """Registered absences (AP-14), of one person, of a unit, or the caller's own."""
    rpc = clients.approvals.rpc
    request = pb.ListAbsencesRequest(staff_id=staff_id, unit_id=unit_id)
    answer = await clients.approvals.ask(rpc.ListAbsences, request, caller)
    return page_of((views.absence(one) for one in answer.absences), "", answer.access_record)


async def register_absence(
    clients: Clients, caller: Caller, *, staff_id: str, since: str, until: str, reason_code: str, request_id: str
) -> Answer:
    """不在登録 for oneself, or for somebody else whom the caller may register (AP-14). Times RFC 3339 with offset."""
    rpc = clients.approvals.rpc
    request = pb.RegisterAbsenceRequest(
        request_id=request_id,
        staff_id=staff_id or caller.identity.staff_id,
        to=stamp_of(until),
        reason_code=reason_code,
        **{"from": stamp_of(since)},
    )
    answer = await clients.approvals.ask(rpc.RegisterAbsence, request, caller)
    return Answer(views.absence(answer.absence))


async def end_absence(clients: Clients, caller: Caller, absence_id: str, request_id: str) -> Answer:
    """End an absence now, or take back one that has not begun."""
    rpc = clients.approvals.rpc
    request = pb.EndAbsenceRequest(request_id=request_id, absence_id=absence_id)
    answer = await clients.approvals.ask(rpc.EndAbsence, request, caller)
    return Answer(views.absence(answer.absence))
