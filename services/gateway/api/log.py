"""/log: the log itself in tlog-tiles form, for verifiers. Hashes are open, entries are not (SC-06)."""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.actions import audit
from services.gateway.api.openapi import answers
from services.gateway.api.replies import clients_of, gateway_of
from services.gateway.errors import refusal

router = APIRouter(prefix="/log", tags=["log"])

_BINARY: Final = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_TEXT: Final = {"text/plain": {"schema": {"type": "string"}}}
_TILE: Final = re.compile(r"(entries|[0-9]{1,2})/(x[0-9]{3}/){0,5}[0-9]{3}([.]p/[1-9][0-9]{0,2})?")


@router.get(
    "/checkpoint",
    summary="Signed checkpoint",
    responses=answers(200, None, 403, 404, 429, 500, 503, 504, content=_TEXT, signed_in=False),
)
async def checkpoint(request: Request) -> Response:
    """The largest with the cosignatures it needs, as a signed note; 404 before the first."""
    note, _ = await audit.checkpoint(clients_of(request))
    if not note:
        raise refusal("NOT_FOUND")
    return Response(note, headers={"Cache-Control": "no-cache"}, media_type="text/plain; charset=utf-8")


@router.get(
    "/vkey",
    summary="Verifier key",
    responses=answers(200, None, 403, 404, 429, 500, 503, 504, content=_TEXT, signed_in=False),
)
async def verifier_key(request: Request) -> Response:
    """The log's public key. A verifier should have it from elsewhere; this is for comparison."""
    _, key = await audit.checkpoint(clients_of(request))
    return Response(key + "\n", headers={"Cache-Control": "no-cache"}, media_type="text/plain; charset=utf-8")


@router.get(
    "/tile/{path:path}",
    summary="Tile or entry bundle",
    responses=answers(200, None, 401, 403, 404, 422, 429, 500, 503, 504, content=_BINARY, signed_in=False),
)
async def tile(
    request: Request, path: Annotated[str, Path(description="`<L>/<N>[.p/<W>]` or `entries/<N>[.p/<W>]`.")]
) -> Response:
    """As c2sp.org/tlog-tiles names it; never changes once served.

    Entry bundles (`entries/…`) name who read what: audit officers only, or verifiers from LOG_NETWORKS.
    """
    if not _TILE.fullmatch(path):
        raise refusal("NOT_FOUND")
    entries = path.startswith("entries/")
    if entries:
        await gateway_of(request).sign_in.log_reader(request, path)
    return Response(
        await audit.tile(clients_of(request), path),
        headers={"Cache-Control": "no-store" if entries else "public, max-age=31536000, immutable"},
        media_type="application/octet-stream",
    )
