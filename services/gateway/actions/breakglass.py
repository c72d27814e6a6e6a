"""緊急閲覧: one document shown to one person for some hours by two persons' word (AC-08)."""

from __future__ import annotations

from kanketsu.documents.v1 import break_glass_service_pb2 as pb
from services.gateway.actions.answer import Answer, page_of
from services.gateway.actions.assignments import attested
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.views import breakglass as views


async def listed(clients: Clients, caller: Caller, *, unit_id: str = "") -> Answer:
    """The latest: all, for those who may ask; with a unit those that showed its documents, for its 所属長."""
    request = pb.ListBreakGlassRequest(attestation=await _attestation(clients, caller, unit_id))
    answer = await clients.break_glass.ask(clients.break_glass.rpc.ListBreakGlass, request, caller)
    found = (views.break_glass(one) for one in answer.items)
    return page_of(found, "", answer.access_record, max_hours=answer.max_hours)


async def request(clients: Clients, caller: Caller, *, named: str, reason: str, hours: int, request_id: str) -> Answer:
    """Asked for, by a document's id or number; shows nothing yet."""
    wish = pb.RequestBreakGlassRequest(request_id=request_id, named=named, reason=reason, hours=hours)
    answer = await clients.break_glass.ask(clients.break_glass.rpc.RequestBreakGlass, wish, caller)
    return Answer(views.break_glass(answer.break_glass))


async def consent(clients: Clients, caller: Caller, break_glass_id: str, version: int, request_id: str) -> Answer:
    """Another person consents; it is open from now."""
    wish = pb.ConsentBreakGlassRequest(request_id=request_id, break_glass_id=break_glass_id, expected_version=version)
    answer = await clients.break_glass.ask(clients.break_glass.rpc.ConsentBreakGlass, wish, caller)
    return Answer(views.break_glass(answer.break_glass))


async def end(
    clients: Clients, caller: Caller, break_glass_id: str, version: int, request_id: str, *, unit_id: str = ""
) -> Answer:
    """Over now, by one of the two, or as the 所属長 of a unit."""
    wish = pb.EndBreakGlassRequest(
        request_id=request_id,
        break_glass_id=break_glass_id,
        expected_version=version,
        attestation=await _attestation(clients, caller, unit_id),
    )
    answer = await clients.break_glass.ask(clients.break_glass.rpc.EndBreakGlass, wish, caller)
    return Answer(views.break_glass(answer.break_glass))


async def _attestation(clients: Clients, caller: Caller, unit_id: str) -> str:
    return (await attested(clients, caller, unit_id)).attestation if unit_id else ""
