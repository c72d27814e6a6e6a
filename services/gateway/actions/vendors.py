"""保守業者: accounts of vendors and the spans of time in which they are open (AC-09)."""

from __future__ import annotations

from kanketsu.approvals.v1 import vendors_service_pb2 as pb
from services.gateway.actions.answer import Answer, page_of
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.views import stamp_of
from services.gateway.views import vendors as views


async def listed(clients: Clients, caller: Caller) -> Answer:
    """All accounts with their latest windows, and the longest that one may be, in hours."""
    answer = await clients.vendors.ask(clients.vendors.rpc.ListVendors, pb.ListVendorsRequest(), caller)
    found = (views.vendor(one) for one in answer.vendors)
    return page_of(found, "", answer.access_record, max_hours=answer.max_hours)


async def register(
    clients: Clients, caller: Caller, *, number: str, login: str, full_name: str, company: str, request_id: str
) -> Answer:
    """An account that stays shut."""
    request = pb.RegisterVendorRequest(
        request_id=request_id, number=number, login=login, full_name=full_name, company=company
    )
    answer = await clients.vendors.ask(clients.vendors.rpc.RegisterVendor, request, caller)
    return Answer(views.vendor(answer.vendor))


async def request_window(
    clients: Clients,
    caller: Caller,
    vendor_id: str,
    *,
    opens_at: str,
    closes_at: str,
    reason: str,
    ticket: str,
    request_id: str,
) -> Answer:
    """保守時間枠 `[opens_at, closes_at)` (RFC 3339), to be confirmed by another person."""
    request = pb.RequestWindowRequest(
        request_id=request_id,
        vendor_id=vendor_id,
        opens_at=stamp_of(opens_at),
        closes_at=stamp_of(closes_at),
        reason=reason,
        ticket=ticket,
    )
    answer = await clients.vendors.ask(clients.vendors.rpc.RequestWindow, request, caller)
    return Answer(views.window(answer.window))


async def confirm(clients: Clients, caller: Caller, window_id: str, version: int, request_id: str) -> Answer:
    """Another person lets it open."""
    request = pb.ConfirmWindowRequest(request_id=request_id, window_id=window_id, expected_version=version)
    answer = await clients.vendors.ask(clients.vendors.rpc.ConfirmWindow, request, caller)
    return Answer(views.window(answer.window))


async def end(clients: Clients, caller: Caller, window_id: str, version: int, request_id: str) -> Answer:
    """It ends now, or is called off."""
    request = pb.EndWindowRequest(request_id=request_id, window_id=window_id, expected_version=version)
    answer = await clients.vendors.ask(clients.vendors.rpc.EndWindow, request, caller)
    return Answer(views.window(answer.window))
