"""/api/v1/classes and /api/v1/folders."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import filing
from services.gateway.api import inputs
from services.gateway.api.openapi import CREATES, answers
from services.gateway.api.replies import RequestId, clients_of, reply
from services.gateway.api.shapes import filing as shapes
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1", tags=["filing"])


@router.get("/classes", summary="ファイル基準表", responses=answers(200, shapes.ClassList, record=True))
async def classes(request: Request, caller: SignedIn) -> Response:
    """Common classes and those of the caller's units."""
    return reply(await filing.classes(clients_of(request), caller))


@router.get("/folders", summary="簿冊", responses=answers(200, shapes.FolderList, record=True))
async def folders(
    request: Request,
    caller: SignedIn,
    year: Annotated[int, Query(ge=0, le=2200, description="Fiscal year; 0 is every year.")] = 0,
    class_code: Annotated[inputs.QueryCode, Query(alias="class")] = "",
) -> Response:
    """Folders of the caller's units."""
    return reply(await filing.folders(clients_of(request), caller, fiscal_year=year, class_code=class_code))


@router.post("/folders", status_code=201, summary="簿冊を作る", responses=answers(201, shapes.Folder, *CREATES))
async def create_folder(request: Request, caller: SignedIn, request_id: RequestId, body: inputs.FolderIn) -> Response:
    """Its retention is that of the class."""
    answer = await filing.create_folder(
        clients_of(request),
        caller,
        unit_id=body.unit_id,
        fiscal_year=body.fiscal_year,
        class_code=body.class_code,
        name=body.name,
        request_id=request_id,
    )
    return reply(answer, 201)
