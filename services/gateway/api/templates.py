"""/api/v1/route-templates: ルートのひな形 (AP-54)."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import templates
from services.gateway.api import inputs
from services.gateway.api.openapi import CHANGES, CREATES, answers
from services.gateway.api.replies import ExpectedVersion, RequestId, clients_of, reply
from services.gateway.api.shapes import templates as shapes
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1/route-templates", tags=["cases"])


@router.get("", summary="Templates of routes", responses=answers(200, shapes.RouteTemplateList, record=True))
async def listed(request: Request, caller: SignedIn) -> Response:
    """The caller's own, those of their units, the city's."""
    return reply(await templates.listed(clients_of(request), caller))


@router.post(
    "", status_code=201, summary="Keep a template", responses=answers(201, shapes.RouteTemplate, *CREATES, etag=True)
)
async def create(request: Request, caller: SignedIn, request_id: RequestId, body: inputs.TemplateIn) -> Response:
    """One's own; a unit's as its records manager, the city's as the records office."""
    answer = await templates.save(
        clients_of(request),
        caller,
        scope=body.scope,
        unit_id=body.unit_id or "",
        name=body.name,
        steps=[step.model_dump() for step in body.steps],
        request_id=request_id,
    )
    return reply(answer, 201)


@router.post(
    "/{route_template_id}",
    summary="The next version of a template",
    responses=answers(200, shapes.RouteTemplate, *CHANGES, etag=True),
)
async def change(
    request: Request,
    route_template_id: inputs.Id,
    caller: SignedIn,
    request_id: RequestId,
    version: ExpectedVersion,
    body: inputs.TemplateChange,
) -> Response:
    """Plans made with an earlier version stay as they are."""
    answer = await templates.save(
        clients_of(request),
        caller,
        route_template_id=route_template_id,
        version=version,
        name=body.name,
        steps=[step.model_dump() for step in body.steps],
        request_id=request_id,
    )
    return reply(answer)


@router.post(
    "/{route_template_id}/retire",
    summary="Offer a template no more",
    responses=answers(200, shapes.RouteTemplate, *CHANGES, etag=True),
)
async def retire(
    request: Request, route_template_id: inputs.Id, caller: SignedIn, request_id: RequestId, version: ExpectedVersion
) -> Response:
    """Its versions stay on record."""
    return reply(await templates.retire(clients_of(request), caller, route_template_id, version, request_id))
