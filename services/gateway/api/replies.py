"""From an action's answer to an HTTP response, and from headers to what writes need."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends, Header
from starlette.requests import Request
from starlette.responses import Response

from chassis import clock
from services.gateway.actions.answer import Answer
from services.gateway.clients import Clients
from services.gateway.errors import invalid, refusal

if TYPE_CHECKING:
    from services.gateway.app import Gateway

_KEY: Final = re.compile(r"[\x21-\x7e]{1,128}")
_ETAG: Final = re.compile(r'"([1-9][0-9]{0,17})"')


def gateway_of(request: Request) -> Gateway:
    """The parts of this process."""
    gateway: Gateway = request.app.state.gateway
    return gateway


def clients_of(request: Request) -> Clients:
    """The services."""
    return gateway_of(request).clients


def reply(answer: Answer, status: int = 200) -> Response:
    """JSON with ETag and X-Access-Record where the answer has them."""
    body, access_record = answer
    headers = {"cache-control": "no-store"}
    if "version" in body:
        headers["etag"] = f'"{body["version"]}"'
    if access_record:
        headers["x-access-record"] = access_record
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(content, status, headers, "application/json")


def pdf_reply(content: bytes, name: str, access_record: str) -> Response:
    """A PDF for the browser's own viewer, kept nowhere on the way."""
    headers = {
        "cache-control": "no-store",
        "content-disposition": f'inline; filename="{name}.pdf"',
        "x-access-record": access_record,
    }
    return Response(content, 200, headers, "application/pdf")


def csv_reply(content: bytes, access_record: str, name: str) -> Response:
    """A CSV to keep and edit; `name` is plain ASCII."""
    headers = {
        "cache-control": "no-store",
        "content-disposition": f'attachment; filename="{name}.csv"',
        "x-access-record": access_record,
    }
    return Response(content, 200, headers, "text/csv; charset=utf-8")


async def _request_id(
    idempotency_key: Annotated[
        str | None,
        Header(
            description="The same key with the same request gives the same answer, once. Made up when missing.",
            examples=["0199c7a6-8f2e-7c3a-9a51-2f6d0d7b3f10"],
        ),
    ] = None,
) -> str:
    if idempotency_key is None:
        return clock.new_id()
    if not _KEY.fullmatch(idempotency_key):
        raise invalid("Idempotency-Key", "MALFORMED")
    return idempotency_key


async def _expected_version(
    if_match: Annotated[
        str | None, Header(description="The ETag that was read, one strong tag. 428 when missing.", examples=['"3"'])
    ] = None,
) -> int:
    if if_match is None or if_match.strip() == "*":
        raise refusal("VERSION_REQUIRED")
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        # Some other thing's tag: whatever it was, it is not the current version.
        raise refusal("STALE_VERSION")
    return int(found[1])


RequestId = Annotated[str, Depends(_request_id)]
ExpectedVersion = Annotated[int, Depends(_expected_version)]
