"""/api/v1/body-templates: 例文 of 伺い文."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import body_templates
from services.gateway.api import inputs
from services.gateway.api.openapi import CHANGES, CREATES, answers
from services.gateway.api.replies import ExpectedVersion, RequestId, clients_of, reply
from services.gateway.api.shapes import body_templates as shapes
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1/body-templates", tags=["documents"])


@router.get("", summary="Templates of bodies", responses=answers(200, shapes.BodyTemplateList, record=True))
async def listed(request: Request, caller: SignedIn) -> Response:
    """The caller's own, those of their units, the city's."""
    return reply(await body_templates.listed(clients_of(request), caller))


@router.post(
    "", status_code=201, summary="Keep a template", responses=answers(201, shapes.BodyTemplate, *CREATES, etag=True)
)
async def create(request: Request, caller: SignedIn, request_id: RequestId, body: inputs.BodyTemplateIn) -> Response:
    """One's own; a unit's as its records manager, the city's as the records office."""
    answer = await body_templates.save(
        clients_of(request),
        caller,
        scope=body.scope,
        unit_id=body.unit_id or "",
        name=body.name,
        body=body.body,
        request_id=request_id,
    )
    return reply(answer, 201)


@router.post(
    "/{body_template_id}",
    summary="The next version of a template",
    responses=answers(200, shapes.BodyTemplate, *CHANGES, etag=True),
)
async def change(
    request: Request,
    body_template_id: inputs.Id,
    caller: SignedIn,
    request_id: RequestId,
    version: ExpectedVersion,
    body: inputs.BodyTemplateChange,
) -> Response:
    """Drafts filled from an earlier version stay as they are."""
    answer = await body_templates.save(
        clients_of(request),
        caller,
        body_template_id=body_template_id,
        version=version,
        name=body.name,
        body=body.body,
        request_id=request_id,
    )
    return reply(answer)


@router.post(
    "/{body_template_id}/retire",
    summary="Offer a template no more",
    responses=answers(200, shapes.BodyTemplate, *CHANGES, etag=True),
)
async def retire(
    request: Request, body_template_id: inputs.Id, caller: SignedIn, request_id: RequestId, version: ExpectedVersion
) -> Response:
    """Its versions stay on record."""
    return reply(await body_templates.retire(clients_of(request), caller, body_template_id, version, request_id))


@router.post(
    "/{body_template_id}/fill",
    summary="The text for a draft",
    responses=answers(200, shapes.FilledBody, 404, record=True),
)
async def fill(request: Request, body_template_id: inputs.Id, caller: SignedIn, body: inputs.FillIn) -> Response:
    """件名, 相手方, 年度 and 日付 are filled in; what is not given stays in its braces. Nothing is stored."""
    answer = await body_templates.fill(
        clients_of(request), caller, body_template_id, title=body.title, counterparty=body.counterparty
    )
    return reply(answer)
