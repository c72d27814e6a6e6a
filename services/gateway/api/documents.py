"""/api/v1/documents: drafts, reading, search, route, submission, dispatch, completion, viewers, history."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import documents
from services.gateway.api import inputs
from services.gateway.api.openapi import CHANGES, CREATES, answers
from services.gateway.api.replies import ExpectedVersion, RequestId, clients_of, reply
from services.gateway.api.shapes import documents as shapes
from services.gateway.api.shapes.routes import RoutePlan
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1/documents", tags=["documents"])

_STATES = "drafting|circulating|sent_back|withdrawn|rejected|decided|enforced|completed"
States = Annotated[
    list[Annotated[str, Query(pattern=rf"^({_STATES})(,({_STATES}))*$")]],
    Query(max_length=8, description="One or more, repeated or separated by commas."),
]


@router.get(
    "/{document_id}",
    summary="Read a document",
    responses=answers(200, shapes.DocumentRead, 404, etag=True, record=True),
)
async def read(request: Request, document_id: inputs.Id, caller: SignedIn) -> Response:
    """The current version: state, numbers, attachments, version digest, read receipt."""
    return reply(await documents.read(clients_of(request), caller, document_id))


@router.get("", summary="List and search documents", responses=answers(200, shapes.DocumentList, record=True))
async def list_documents(
    request: Request,
    caller: SignedIn,
    q: inputs.QueryText = "",
    state: States = [],  # noqa: B006 - read only
    unit: inputs.QueryCode = "",
    folder: inputs.QueryCode = "",
    class_code: Annotated[inputs.QueryCode, Query(alias="class")] = "",
    since: Annotated[inputs.MaybeDate, Query(alias="from", description="Drafted on or after.")] = None,
    until: Annotated[inputs.MaybeDate, Query(alias="to", description="Drafted on or before.")] = None,
    number: Annotated[inputs.QueryText, Query(description="Draft, dispatch or receipt number, exactly.")] = "",
    cursor: inputs.Cursor = "",
    limit: inputs.Limit = 50,
) -> Response:
    """Only what the caller may see; newest first, or best match first with `q`."""
    return reply(
        await documents.list_documents(
            clients_of(request),
            caller,
            query=q,
            states=[word for words in state for word in words.split(",")],
            unit_id=unit,
            folder_id=folder,
            class_code=class_code,
            since=since or "",
            until=until or "",
            number=number,
            cursor=cursor,
            limit=limit,
        )
    )


@router.post("", status_code=201, summary="起案: draft", responses=answers(201, shapes.Document, *CREATES, etag=True))
async def create(request: Request, caller: SignedIn, request_id: RequestId, body: inputs.DraftIn) -> Response:
    """A new draft of the acting post's unit."""
    return reply(await documents.create(clients_of(request), caller, body.given(), request_id), 201)


@router.patch("/{document_id}", summary="Edit a draft", responses=answers(200, shapes.Document, *CHANGES, etag=True))
async def edit(
    request: Request,
    document_id: inputs.Id,
    caller: SignedIn,
    version: ExpectedVersion,
    request_id: RequestId,
    body: inputs.DraftChange,
) -> Response:
    """Changes the members that are sent, while the document is drafting or sent back."""
    answer = await documents.edit(clients_of(request), caller, document_id, version, body.given(), request_id)
    return reply(answer)


@router.delete(
    "/{document_id}", status_code=204, summary="Delete a draft", responses=answers(204, None, 404, 409, 412, 428)
)
async def delete(
    request: Request, document_id: inputs.Id, caller: SignedIn, version: ExpectedVersion, request_id: RequestId
) -> Response:
    """A draft that never circulated (LC-12)."""
    await documents.delete(clients_of(request), caller, document_id, version, request_id)
    return Response(status_code=204)


@router.post(
    "/{document_id}/route",
    summary="Propose a route",
    responses=answers(200, RoutePlan, *CREATES, etag=True, record=True),
)
async def plan_route(
    request: Request,
    document_id: inputs.Id,
    caller: SignedIn,
    request_id: RequestId,
    body: inputs.RouteIn | None = None,
) -> Response:
    """From the decision rules; the body may adjust it. The ETag is the document's."""
    wanted = body or inputs.RouteIn()
    answer = await documents.plan_route(
        clients_of(request),
        caller,
        document_id,
        request_id,
        steps=[step.model_dump() for step in wanted.steps],
        exceptional=wanted.exceptional,
        exception=wanted.exception or "",
        exception_reason=wanted.exception_reason,
        route_template_id=wanted.route_template_id or "",
    )
    return reply(answer)


@router.post(
    "/{document_id}/submit",
    status_code=202,
    summary="回議開始: submit for decision",
    responses=answers(202, shapes.Submitted, *CHANGES, etag=True),
)
async def submit(
    request: Request,
    document_id: inputs.Id,
    caller: SignedIn,
    version: ExpectedVersion,
    request_id: RequestId,
    body: inputs.SubmitIn,
) -> Response:
    """Freezes the version and issues the draft number; the case opens within a moment.

    409 WIDER_THAN_RECEIPTS while the document's wider_than_receipts is true and the body does not confirm it (AC-02).
    """
    answer = await documents.submit(
        clients_of(request),
        caller,
        document_id,
        version,
        body.route_plan_id or "",
        request_id,
        replacement=body.replacement or "",
        wider_than_receipts_confirmed=body.wider_than_receipts_confirmed,
    )
    return reply(answer, 202)


@router.post(
    "/{document_id}/enforce", summary="施行: dispatch", responses=answers(200, shapes.Document, *CHANGES, etag=True)
)
async def enforce(
    request: Request,
    document_id: inputs.Id,
    caller: SignedIn,
    version: ExpectedVersion,
    request_id: RequestId,
    body: inputs.EnforceIn,
) -> Response:
    """Issues the dispatch number (LC-06, LC-07)."""
    answer = await documents.enforce(clients_of(request), caller, document_id, version, body.given(), request_id)
    return reply(answer)


@router.post(
    "/{document_id}/complete", summary="完結: complete", responses=answers(200, shapes.Document, *CHANGES, etag=True)
)
async def complete(
    request: Request,
    document_id: inputs.Id,
    caller: SignedIn,
    version: ExpectedVersion,
    request_id: RequestId,
    body: inputs.CompleteIn | None = None,
) -> Response:
    """Files it, fixes the end of retention, writes the manifest."""
    fields = body.given() if body is not None else {}
    return reply(await documents.complete(clients_of(request), caller, document_id, version, fields, request_id))


@router.post(
    "/{document_id}/annotations",
    status_code=201,
    summary="追記: annotate",
    responses=answers(201, shapes.Document, *CHANGES, etag=True),
)
async def annotate(
    request: Request,
    document_id: inputs.Id,
    caller: SignedIn,
    version: ExpectedVersion,
    request_id: RequestId,
    body: inputs.AnnotationIn,
) -> Response:
    """After the decision, append only (LC-16)."""
    answer = await documents.annotate(clients_of(request), caller, document_id, version, body.text or "", request_id)
    return reply(answer, 201)


@router.get(
    "/{document_id}/viewers", summary="Who may see it", responses=answers(200, shapes.ViewerList, 404, record=True)
)
async def viewers(request: Request, document_id: inputs.Id, caller: SignedIn) -> Response:
    """Everybody who may see it now, and why (AC-10)."""
    return reply(await documents.viewers(clients_of(request), caller, document_id))


@router.get(
    "/{document_id}/versions",
    summary="What circulated",
    responses=answers(200, shapes.VersionList, 404, record=True),
)
async def versions(request: Request, document_id: inputs.Id, caller: SignedIn) -> Response:
    """The versions that circulated, newest first, at most 20 (AP-30)."""
    return reply(await documents.versions(clients_of(request), caller, document_id))


@router.get(
    "/{document_id}/history", summary="What happened to it", responses=answers(200, shapes.History, 404, record=True)
)
async def history(
    request: Request,
    document_id: inputs.Id,
    caller: SignedIn,
    cursor: inputs.Cursor = "",
    limit: inputs.Limit = 100,
) -> Response:
    """Every event, and for those entitled every access."""
    return reply(await documents.history(clients_of(request), caller, document_id, cursor=cursor, limit=limit))
