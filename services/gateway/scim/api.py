"""/scim/v2: the directory's program asks approvals' ProvisioningService; every answer is SCIM's."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from chassis import clock
from kanketsu.approvals.v1 import provisioning_service_pb2 as pb
from services.gateway.api import inputs
from services.gateway.api.replies import gateway_of
from services.gateway.callers import Caller
from services.gateway.errors import refusal
from services.gateway.scim import discovery, groups, messages, users
from services.gateway.scim.caller import DirectoryCaller, directory
from services.gateway.scim.discovery import MAX_PAGE
from services.gateway.scim.filters import terms
from services.gateway.scim.messages import PREFIX, body_of, expected_version, reply

# Whatever is asked, the program first.
router = APIRouter(prefix=PREFIX, dependencies=[Depends(directory)])

# 1-based; less than 1 is 1, and a negative count is 0 (RFC 7644, 3.4.2.4).
Start = Annotated[int, Query(alias="startIndex")]
Count = Annotated[int, Query()]
_FARTHEST = 2**31 - 1


# --- what is here --------------------------------------------------------------------------------


@router.get("/ServiceProviderConfig")
async def service_provider(request: Request) -> Response:
    """What of the protocol is supported."""
    return reply(discovery.service_provider(_public_url(request)), request)


@router.get("/ResourceTypes")
async def resource_types(request: Request) -> Response:
    """User and Group."""
    return _all(discovery.resource_types(_public_url(request)), request)


@router.get("/ResourceTypes/{name}")
async def resource_type(request: Request, name: str) -> Response:
    """One of them."""
    return _one(discovery.resource_types(_public_url(request)), name, request)


@router.get("/Schemas")
async def schemas(request: Request) -> Response:
    """The attributes that are kept."""
    return _all(discovery.schemas(_public_url(request)), request)


@router.get("/Schemas/{name}")
async def schema(request: Request, name: str) -> Response:
    """One of them."""
    return _one(discovery.schemas(_public_url(request)), name, request)


# --- users ---------------------------------------------------------------------------------------


@router.get("/Users")
async def list_users(
    request: Request,
    caller: DirectoryCaller,
    filter_: Annotated[str | None, Query(alias="filter")] = None,
    start: Start = 1,
    count: Count = 100,
) -> Response:
    """Everybody who is or was on the staff, by personnel number. Filters: id, externalId, userName, active."""
    offset, limit = _page(start, count)
    given = terms(filter_, {"id", "externalid", "username", "active"}) if filter_ is not None else {}
    wish = pb.ListAccountsRequest(staff_id=_either(given), login=given.get("username", ""), offset=offset, limit=limit)
    if "active" in given:
        wish.active = given["active"] == "true"
    peer = gateway_of(request).clients.provisioning
    answer = await peer.ask(peer.rpc.ListAccounts, wish, caller)
    found = [users.resource(one, _public_url(request)) for one in answer.accounts]
    return messages.page(found, answer.total, offset + 1, request, answer.access_record)


@router.get("/Users/{staff_id}")
async def get_user(request: Request, staff_id: inputs.Id, caller: DirectoryCaller) -> Response:
    """Also who has left, `active` false."""
    peer = gateway_of(request).clients.provisioning
    answer = await peer.ask(peer.rpc.GetAccount, pb.GetAccountRequest(staff_id=staff_id), caller)
    return reply(users.resource(answer.account, _public_url(request)), request, record=answer.access_record)


@router.post("/Users")
async def create_user(request: Request, caller: DirectoryCaller) -> Response:
    """On the staff from today, in no unit. 409 uniqueness for a personnel number or login that somebody has."""
    body = await body_of(request)
    staff_id = users.external_id(body)
    wish = pb.CreateAccountRequest(request_id=clock.new_id(), staff_id=staff_id, fields=users.fields_of(body, staff_id))
    peer = gateway_of(request).clients.provisioning
    answer = await peer.ask(peer.rpc.CreateAccount, wish, caller)
    _forget(request)
    return reply(users.resource(answer.account, _public_url(request)), request, 201)


@router.put("/Users/{staff_id}")
async def put_user(request: Request, staff_id: inputs.Id, caller: DirectoryCaller) -> Response:
    """What the body says; what it does not say stays."""
    return await _change_user(request, staff_id, caller, users.fields_of(await body_of(request), staff_id))


@router.patch("/Users/{staff_id}")
async def patch_user(request: Request, staff_id: inputs.Id, caller: DirectoryCaller) -> Response:
    """`active` false: the account, every post and every role end today (AC-16)."""
    return await _change_user(request, staff_id, caller, users.fields_of_patch(await body_of(request), staff_id))


@router.delete("/Users/{staff_id}")
async def delete_user(request: Request, staff_id: inputs.Id, caller: DirectoryCaller) -> Response:
    """The same as `active` false: who held which post stays on record for ever."""
    await _change_user(request, staff_id, caller, pb.AccountFields(active=False))
    return messages.nothing()


async def _change_user(request: Request, staff_id: str, caller: Caller, fields: pb.AccountFields) -> Response:
    wish = pb.ChangeAccountRequest(
        request_id=clock.new_id(), staff_id=staff_id, fields=fields, expected_version=expected_version(request)
    )
    peer = gateway_of(request).clients.provisioning
    answer = await peer.ask(peer.rpc.ChangeAccount, wish, caller)
    _forget(request)
    return reply(users.resource(answer.account, _public_url(request)), request)


# --- groups --------------------------------------------------------------------------------------


@router.get("/Groups")
async def list_groups(
    request: Request,
    caller: DirectoryCaller,
    filter_: Annotated[str | None, Query(alias="filter")] = None,
    start: Start = 1,
    count: Count = 100,
) -> Response:
    """The units of today. Filters: id, externalId, displayName, members."""
    offset, limit = _page(start, count)
    known = {"id", "externalid", "displayname", "members", "members.value"}
    given = terms(filter_, known) if filter_ is not None else {}
    wish = pb.ListMembershipsRequest(
        unit_id=_either(given),
        name=given.get("displayname", ""),
        staff_id=given.get("members", given.get("members.value", "")),
        offset=offset,
        limit=limit,
    )
    peer = gateway_of(request).clients.provisioning
    answer = await peer.ask(peer.rpc.ListMemberships, wish, caller)
    found = [groups.resource(one, _public_url(request)) for one in answer.memberships]
    return messages.page(found, answer.total, offset + 1, request, answer.access_record)


@router.get("/Groups/{unit_id}")
async def get_group(request: Request, unit_id: inputs.Id, caller: DirectoryCaller) -> Response:
    """Everybody who holds a post in the unit today."""
    answer = await _membership(request, unit_id, caller)
    return reply(groups.resource(answer.membership, _public_url(request)), request, record=answer.access_record)


@router.put("/Groups/{unit_id}")
async def put_group(request: Request, unit_id: inputs.Id, caller: DirectoryCaller) -> Response:
    """Plain members are those of the list; posts above member stay as they are."""
    answer = await _regroup(request, unit_id, caller, groups.wish_of(await body_of(request), unit_id))
    return reply(groups.resource(answer, _public_url(request)), request)


@router.patch("/Groups/{unit_id}")
async def patch_group(request: Request, unit_id: inputs.Id, caller: DirectoryCaller) -> Response:
    """Members join as plain members and leave from today. 204."""
    answer = await _regroup(request, unit_id, caller, groups.wish_of_patch(await body_of(request), unit_id))
    return messages.nothing(messages.etag(answer.version))


@router.post("/Groups")
@router.delete("/Groups/{unit_id}")
async def units_are_personnels() -> Response:
    """Units begin and end by change sets alone: posts, routes and documents hang on them. 403."""
    raise refusal("UNITS_BY_PERSONNEL")


async def _regroup(request: Request, unit_id: str, caller: Caller, wish: groups.Wish) -> pb.Membership:
    gateway = gateway_of(request)
    if wish.named:
        unit = (await _membership(request, unit_id, caller)).membership
        if any(name != unit.name for name in wish.named):
            raise refusal("SCIM_MUTABILITY")
    peer = gateway.clients.provisioning
    answer = await peer.ask(
        peer.rpc.ChangeMembership,
        pb.ChangeMembershipRequest(
            request_id=clock.new_id(),
            unit_id=unit_id,
            join_ids=sorted(wish.join),
            leave_ids=sorted(wish.leave),
            replace=wish.replace,
            expected_version=expected_version(request),
        ),
        caller,
    )
    _forget(request)
    return answer.membership


async def _membership(request: Request, unit_id: str, caller: Caller) -> pb.GetMembershipResponse:
    peer = gateway_of(request).clients.provisioning
    return await peer.ask(peer.rpc.GetMembership, pb.GetMembershipRequest(unit_id=unit_id), caller)


# --- shared by the endpoints ---------------------------------------------------------------------


def _public_url(request: Request) -> str:
    return gateway_of(request).settings.public_url


def _forget(request: Request) -> None:
    """Here at once; the other replicas hear of it from the broker."""
    gateway_of(request).people.forget()


def _page(start: int, count: int) -> tuple[int, int]:
    return min(max(start, 1), _FARTHEST) - 1, min(max(count, 0), MAX_PAGE)


def _either(given: dict[str, str]) -> str:
    """`id` and `externalId` are the same number here; both of them only when they agree. SCIM_FILTER."""
    named = {given[name] for name in ("id", "externalid") if name in given}
    if len(named) > 1:
        raise refusal("SCIM_FILTER")
    return next(iter(named), "")


def _all(listed: list[dict[str, Any]], request: Request) -> Response:
    return messages.page(listed, len(listed), 1, request, "")


def _one(listed: list[dict[str, Any]], name: str, request: Request) -> Response:
    found = next((one for one in listed if one["id"] == name), None)
    if found is None:
        raise refusal("NOT_FOUND")
    return reply(found, request)
