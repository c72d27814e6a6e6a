"""/api/v1/decision-rules: 専決規程 as versions, for the records office (AP-02)."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import rules
from services.gateway.api import inputs
from services.gateway.api.openapi import CHANGES, CREATES, answers
from services.gateway.api.replies import ExpectedVersion, RequestId, clients_of, reply
from services.gateway.api.shapes import rules as shapes
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1/decision-rules", tags=["decision rules"])


@router.get(
    "/versions", summary="Versions of the 専決規程", responses=answers(200, shapes.RuleVersionList, record=True)
)
async def versions(request: Request, caller: SignedIn, body: inputs.QueryCode = "") -> Response:
    """The latest first day first; of one body or of all."""
    return reply(await rules.versions(clients_of(request), caller, body=body))


@router.post(
    "/versions",
    status_code=201,
    summary="Import a version as a draft",
    responses=answers(201, shapes.ImportedRules, *CREATES, etag=True),
)
async def import_version(
    request: Request, caller: SignedIn, request_id: RequestId, body: inputs.RulesImportIn
) -> Response:
    """The whole 専決規程 of a body as CSV, from today or a later day on. Another records officer activates it."""
    answer = await rules.import_version(
        clients_of(request),
        caller,
        body=body.body or "",
        title=body.title,
        valid_from=body.valid_from or "",
        rules_csv=body.rules_csv,
        request_id=request_id,
    )
    return reply(answer, 201)


@router.post("/dry-run", summary="What an import would be", responses=answers(200, shapes.RuleDryRun, *CREATES))
async def dry_run(request: Request, caller: SignedIn, body: inputs.RulesImportIn) -> Response:
    """The difference to what is in force on the day before, and what the check finds. Nothing is kept."""
    answer = await rules.dry_run(
        clients_of(request),
        caller,
        body=body.body or "",
        title=body.title,
        valid_from=body.valid_from or "",
        rules_csv=body.rules_csv,
    )
    return reply(answer)


@router.get(
    "/versions/{rule_version_id}",
    summary="A version",
    responses=answers(200, shapes.WholeRuleVersion, 404, etag=True, record=True),
)
async def version(request: Request, rule_version_id: inputs.Id, caller: SignedIn) -> Response:
    """With its rules, what it changes, and what the check finds in the organisation of its first day."""
    return reply(await rules.version(clients_of(request), caller, rule_version_id))


@router.post(
    "/versions/{rule_version_id}/activate",
    summary="Activate a draft",
    responses=answers(200, shapes.RuleVersion, *CHANGES, etag=True),
)
async def activate(
    request: Request, rule_version_id: inputs.Id, caller: SignedIn, request_id: RequestId, version: ExpectedVersion
) -> Response:
    """By another person than who imported it; 409 while the check has blocking findings."""
    return reply(await rules.activate(clients_of(request), caller, rule_version_id, version, request_id))


@router.post(
    "/versions/{rule_version_id}/discard",
    summary="Discard a draft, or an activated version before its first day",
    responses=answers(200, shapes.RuleVersion, *CHANGES, etag=True),
)
async def discard(
    request: Request, rule_version_id: inputs.Id, caller: SignedIn, request_id: RequestId, version: ExpectedVersion
) -> Response:
    """It stays on record."""
    return reply(await rules.discard(clients_of(request), caller, rule_version_id, version, request_id))


@router.get("/findings", summary="Check the rules", responses=answers(200, shapes.RuleFindingList, record=True))
async def findings(
    request: Request, caller: SignedIn, on: inputs.MaybeDate = None, body: inputs.QueryCode = ""
) -> Response:
    """Gaps, overlaps, matters nobody may decide, rules that point nowhere: in force on a date, today when missing."""
    return reply(await rules.findings(clients_of(request), caller, on=on or "", body=body))
