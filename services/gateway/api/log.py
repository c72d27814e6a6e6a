"""/log: the log itself in tlog-tiles form, for verifiers. Hashes are open, entries are not (SC-06)."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import audit
from services.gateway.api.openapi import answers
from services.gateway.api.replies import clients_of, gateway_of
from services.gateway.api.shapes import audit as shapes
from services.gateway.errors import refusal

router = APIRouter(prefix="/log", tags=["log"])

_BINARY: Final = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_TEXT: Final = {"text/plain": {"schema": {"type": "string"}}}
_TEXT_ANSWERS: Final = answers(200, None, 403, 404, 429, 500, 503, 504, content=_TEXT, signed_in=False)
_TILE_ANSWERS: Final = answers(200, None, 401, 403, 404, 422, 429, 500, 503, 504, content=_BINARY, signed_in=False)
_WRONG_YEAR: Final[dict[int | str, dict[str, Any]]] = {422: _TILE_ANSWERS[422]}
_TILE: Final = re.compile(r"(entries|[0-9]{1,2})/(x[0-9]{3}/){0,5}[0-9]{3}([.]p/[1-9][0-9]{0,2})?")


_Year = Annotated[int, Path(ge=2000, le=9999, description="Fiscal year of the log.")]
_Tile = Annotated[str, Path(description="`<L>/<N>[.p/<W>]` or `entries/<N>[.p/<W>]`.")]


@router.get(
    "/years",
    summary="Logs by fiscal year",
    responses=answers(200, shapes.LogList, 403, 429, 500, 503, 504, signed_in=False),
)
async def years(request: Request) -> Response:
    """One log per fiscal year, the newest first; `/log/…` is the first of them, each is under `/log/<year>/…`."""
    body = json.dumps({"items": await audit.logs(clients_of(request))}).encode()
    return Response(body, headers={"Cache-Control": "no-cache"}, media_type="application/json")


@router.get("/checkpoint", summary="Signed checkpoint", responses=_TEXT_ANSWERS)
async def checkpoint(request: Request) -> Response:
    """The largest with the cosignatures it needs, as a signed note; 404 before the first."""
    return await _checkpoint(request, 0)


@router.get("/{year}/checkpoint", summary="Signed checkpoint of a year", responses=_TEXT_ANSWERS | _WRONG_YEAR)
async def checkpoint_of_year(request: Request, year: _Year) -> Response:
    """The latest of the year's log; of an earlier year the final one."""
    return await _checkpoint(request, year)


@router.get("/vkey", summary="Verifier key", responses=_TEXT_ANSWERS)
async def verifier_key(request: Request) -> Response:
    """The log's public key. A verifier should have it from elsewhere; this is for comparison."""
    return await _verifier_key(request, 0)


@router.get("/{year}/vkey", summary="Verifier key of a year", responses=_TEXT_ANSWERS | _WRONG_YEAR)
async def verifier_key_of_year(request: Request, year: _Year) -> Response:
    """The public key under the name of the year's log."""
    return await _verifier_key(request, year)


@router.get("/tile/{path:path}", summary="Tile or entry bundle", responses=_TILE_ANSWERS)
async def tile(request: Request, path: _Tile) -> Response:
    """As c2sp.org/tlog-tiles names it; never changes once served.

    Entry bundles (`entries/…`) name who read what: audit officers only, or verifiers from LOG_NETWORKS.
    """
    return await _tile(request, path, 0)


@router.get("/{year}/tile/{path:path}", summary="Tile or entry bundle of a year", responses=_TILE_ANSWERS)
async def tile_of_year(request: Request, year: _Year, path: _Tile) -> Response:
    """The same of the year's log."""
    return await _tile(request, path, year)


async def _checkpoint(request: Request, year: int) -> Response:
    note, _ = await audit.checkpoint(clients_of(request), year)
    if not note:
        raise refusal("NOT_FOUND")
    return Response(note, headers={"Cache-Control": "no-cache"}, media_type="text/plain; charset=utf-8")


async def _verifier_key(request: Request, year: int) -> Response:
    _, key = await audit.checkpoint(clients_of(request), year)
    return Response(key + "\n", headers={"Cache-Control": "no-cache"}, media_type="text/plain; charset=utf-8")


async def _tile(request: Request, path: str, year: int) -> Response:
    if not _TILE.fullmatch(path):
        raise refusal("NOT_FOUND")
    entries = path.startswith("entries/")
    if entries:
        await gateway_of(request).sign_in.log_reader(request, f"{year}/{path}" if year else path)
    return Response(
        await audit.tile(clients_of(request), path, year),
        headers={"Cache-Control": "no-store" if entries else "public, max-age=31536000, immutable"},
        media_type="application/octet-stream",
    )
