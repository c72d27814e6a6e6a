"""/log/archive, /log/checkpoints and /log/timestamps: archived checkpoints and the time-stamps over them. Hashes: open, like tiles."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import witness
from services.gateway.api.openapi import answers
from services.gateway.api.replies import clients_of

router = APIRouter(prefix="/log", tags=["log"])

_REFUSED: Final = (403, 404, 422, 429, 500, 503, 504)
_TEXT: Final = {"text/plain": {"schema": {"type": "string"}}}
_TOKEN: Final = {"application/timestamp-reply": {"schema": {"type": "string", "format": "binary"}}}
_KEPT: Final = {"Cache-Control": "public, max-age=31536000, immutable"}

Year = Annotated[int, Path(ge=2000, le=9999, description="Fiscal year of the log.")]
Size = Annotated[int, Path(ge=0, lt=2**63, description="Leaves of the log at that time.")]


@router.get(
    "/archive", summary="What is archived", responses=answers(200, None, *_REFUSED, content=_TEXT, signed_in=False)
)
async def archive(request: Request) -> Response:
    """The paths of all archived checkpoints and time-stamps of the current year's log, one a line, under `/log/`.

    So that a verifier that has only the address can check them, too.
    """
    return await _archive(request, 0)


@router.get(
    "/{year}/archive",
    summary="What is archived of a year",
    responses=answers(200, None, *_REFUSED, content=_TEXT, signed_in=False),
)
async def archive_of_year(request: Request, year: Year) -> Response:
    """The same of any fiscal year's log, under `/log/<year>/`."""
    return await _archive(request, year)


@router.get(
    "/checkpoints/{size}",
    summary="Archived checkpoint",
    responses=answers(200, None, *_REFUSED, content=_TEXT, signed_in=False),
)
async def archived(request: Request, size: Size) -> Response:
    """Of the current year: as it was signed, byte for byte; the first of each hour is archived."""
    return await _checkpoint(request, 0, size)


@router.get(
    "/{year}/checkpoints/{size}",
    summary="Archived checkpoint of a year",
    responses=answers(200, None, *_REFUSED, content=_TEXT, signed_in=False),
)
async def archived_of_year(request: Request, year: Year, size: Size) -> Response:
    """The same of any fiscal year's log."""
    return await _checkpoint(request, year, size)


@router.get(
    "/timestamps/{size}.tsr",
    summary="Time-stamp",
    responses=answers(200, None, *_REFUSED, content=_TOKEN, signed_in=False),
)
async def timestamp(request: Request, size: Size) -> Response:
    """RFC 3161 TimeStampResp (DER) over the archived checkpoint of the current year's log of this size."""
    return await _token(request, 0, size)


@router.get(
    "/{year}/timestamps/{size}.tsr",
    summary="Time-stamp of a year",
    responses=answers(200, None, *_REFUSED, content=_TOKEN, signed_in=False),
)
async def timestamp_of_year(request: Request, year: Year, size: Size) -> Response:
    """The same of any fiscal year's log."""
    return await _token(request, year, size)


async def _archive(request: Request, year: int) -> Response:
    paths = await witness.archived_paths(clients_of(request), year)
    lines = "".join(f"{path}\n" for path in paths)
    return Response(lines, headers={"Cache-Control": "no-cache"}, media_type="text/plain; charset=utf-8")


async def _checkpoint(request: Request, year: int, size: int) -> Response:
    note = await witness.archived_checkpoint(clients_of(request), year, size)
    return Response(note, headers=_KEPT, media_type="text/plain; charset=utf-8")


async def _token(request: Request, year: int, size: int) -> Response:
    token = await witness.timestamp(clients_of(request), year, size)
    return Response(token, headers=_KEPT, media_type="application/timestamp-reply")
