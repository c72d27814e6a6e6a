"""/api/v1/documents/{id}/attachments: files in and out as streams, constant memory both ways."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from services.gateway.actions import documents
from services.gateway.actions.documents import Content
from services.gateway.api import inputs
from services.gateway.api.openapi import answers
from services.gateway.api.replies import ExpectedVersion, RequestId, clients_of, gateway_of, reply
from services.gateway.api.shapes import documents as shapes
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.errors import Refusal, invalid, refusal
from services.gateway.signin import SignedIn

router = APIRouter(prefix="/api/v1/documents/{document_id}/attachments", tags=["attachments"])

CHUNK_BYTES: Final = 262_144
# What a browser may draw by itself; anything else is downloaded, whatever was asked.
INLINE_TYPES: Final = frozenset({"application/pdf", "image/png", "image/jpeg", "image/gif", "image/webp", "text/plain"})
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}( *;[\x20-\x7e]{0,100})?")
_RANGE: Final = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))")
_DIGEST: Final = re.compile(r"(?:^|,)\s*sha-256=:?([A-Za-z0-9+/]{43}=):?\s*(?=,|$)", re.IGNORECASE)
# Invisible characters that make a name read as another one.
_DECEIVING: Final = re.compile(r"[\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069/\\]")
_SANDBOX: Final = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
# Chromium's PDF viewer does not start in a sandbox; it runs no script of the page's origin.
_PDF_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'none'"
_BINARY: Final = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
_CONTENT_HEADERS: Final[dict[str, Any]] = {
    "Accept-Ranges": {"schema": {"type": "string"}},
    "Content-Disposition": {"schema": {"type": "string"}},
}


@router.post(
    "",
    status_code=201,
    summary="Upload a file",
    responses=answers(201, shapes.UploadedAttachment, 400, 404, 409, 413, 415, etag=True),
    openapi_extra={"requestBody": {"required": True, "content": _BINARY}},
)
async def upload(
    request: Request,
    document_id: inputs.Id,
    caller: SignedIn,
    request_id: RequestId,
    filename: Annotated[str, Query(min_length=1, max_length=1_000, description="As the sender named it.")],
    repr_digest: Annotated[
        str | None, Header(description="`sha-256=:<base64>:` is compared with what arrives.")
    ] = None,
    digest: Annotated[str | None, Header(description="The older form, `sha-256=<base64>`.")] = None,
) -> Response:
    """The raw body is the file. Nothing is visible unless all of it arrived and matched."""
    content_type = request.headers.get("content-type", "application/octet-stream")
    if not _MEDIA_TYPE.fullmatch(content_type):
        raise invalid("Content-Type", "MALFORMED")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise refusal("UNSUPPORTED_MEDIA_TYPE")
    length = request.headers.get("content-length")
    limit = gateway_of(request).settings.upload_limit
    if length is not None and int(length) > limit:
        raise refusal("TOO_LARGE")
    answer = await documents.upload(
        clients_of(request),
        caller,
        document_id,
        file_name=filename,
        content_type=content_type,
        size=int(length) if length is not None else None,
        sha256=_sha256(repr_digest, "Repr-Digest") or _sha256(digest, "Digest"),
        chunks=in_chunks(request.stream(), limit),
        request_id=request_id,
    )
    return reply(answer, 201)


@router.delete(
    "/{attachment_id}",
    summary="Remove a file from a draft",
    responses=answers(200, shapes.NewVersion, 404, 409, 412, 428, etag=True),
)
async def remove(
    request: Request,
    document_id: inputs.Id,
    attachment_id: inputs.Id,
    caller: SignedIn,
    version: ExpectedVersion,
    request_id: RequestId,
) -> Response:
    """If-Match is the document's; the answer holds its new version."""
    return reply(
        await documents.remove_attachment(clients_of(request), caller, document_id, attachment_id, version, request_id)
    )


@router.get(
    "/{attachment_id}/content",
    summary="Read a file",
    response_class=Response,
    responses=answers(200, None, 403, 404, 409, 416, content=_BINARY, record=True, etag=True, headers=_CONTENT_HEADERS)
    | {
        206: {
            "description": "The range.",
            "content": _BINARY,
            "headers": _CONTENT_HEADERS | {"Content-Range": {"schema": {"type": "string"}}},
        }
    },
    openapi_extra={
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": False,
                "description": text,
                "schema": {"type": "string"},
            }
            for name, text in (
                ("Range", "One range of bytes; several are answered with the whole."),
                ("If-Range", "The ETag; another one is answered with the whole."),
            )
        ]
    },
)
async def read(
    request: Request,
    document_id: inputs.Id,
    attachment_id: inputs.Id,
    caller: SignedIn,
    disposition: Annotated[str, Query(pattern="^(inline|attachment)$")] = "attachment",
) -> Response:
    """Recorded before the first byte. `disposition=inline` shows it in the browser where that is safe.

    To download is a right of its own, and so is to open what no browser shows (AC-15): see `may_download`.
    """
    purpose = "inline" if disposition == "inline" else "download"
    return await content(clients_of(request), caller, document_id, attachment_id, request, purpose=purpose)


async def content(
    clients: Clients, caller: Caller, document_id: str, attachment_id: str, request: Request, *, purpose: str
) -> Response:
    """A file as a streamed answer, 200 or 206. `purpose` is "inline" or "download" (AC-15)."""
    wanted_range = _range(request.headers.get("range", ""))
    partial = wanted_range is not None
    offset, length = wanted_range or (0, 0)
    found = await documents.open_content(
        clients, caller, document_id, attachment_id, purpose=purpose, offset=offset, length=length
    )
    wanted = request.headers.get("if-range")
    if partial and wanted is not None and wanted.strip() != _etag(found):
        await found.close()
        partial = False
        found = await documents.open_content(clients, caller, document_id, attachment_id, purpose=purpose)
    return _Stream(found, inline=purpose == "inline", partial=partial)


class _Stream(StreamingResponse):
    """The bytes of an opened file; closes it however the transfer ends."""

    def __init__(self, found: Content, *, inline: bool, partial: bool) -> None:
        attachment = found.attachment
        media_type = str(attachment["content_type"])
        kind = media_type.split(";")[0].strip().lower()
        inline = inline and kind in INLINE_TYPES
        headers = {
            "Accept-Ranges": "bytes",
            "Cache-Control": "no-store",
            "Content-Disposition": disposition_of(str(attachment["file_name"]), inline=inline),
            "Content-Length": str(found.length),
            "Content-Security-Policy": _PDF_POLICY if inline and kind == "application/pdf" else _SANDBOX,
            "Content-Type": "text/plain; charset=utf-8" if kind == "text/plain" and inline else media_type,
            "ETag": _etag(found),
            "X-Access-Record": found.access_record,
        }
        if partial:
            last = found.offset + found.length - 1
            headers["Content-Range"] = f"bytes {found.offset}-{last}/{attachment['size']}"
        super().__init__(found.chunks(), 206 if partial else 200, headers)
        self._found = found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._found.close()


async def in_chunks(parts: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """Pieces of 256 KiB out of whatever arrives; TOO_LARGE beyond `limit` bytes."""
    waiting: list[bytes] = []
    held = total = 0
    async for part in parts:
        total += len(part)
        if total > limit:
            raise refusal("TOO_LARGE")
        while held + len(part) >= CHUNK_BYTES:
            take = CHUNK_BYTES - held
            yield b"".join((*waiting, part[:take]))
            waiting, held, part = [], 0, part[take:]
        if part:
            waiting.append(part)
            held += len(part)
    if held:
        yield b"".join(waiting)


def disposition_of(name: str, *, inline: bool) -> str:
    """Content-Disposition with the name in full (RFC 6266, RFC 8187) and a plain one for old programs."""
    shown = _DECEIVING.sub("_", name) or "file"
    plain = re.sub(r'[^\x20-\x7e]|["%]', "_", shown)
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(shown, safe='')}"


def _etag(found: Content) -> str:
    return f'"{found.attachment["sha256"]}"'


def _range(header: str) -> tuple[int, int] | None:
    """(first byte, how many): 0 means to the end, a negative first byte counts from the end.

    What is not one well-formed range is not a range (RFC 9110 14.2): the whole is answered.
    """
    found = _RANGE.fullmatch(header.replace(" ", ""))
    if found is None:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        if int(suffix) == 0:
            raise Refusal("RANGE_NOT_SATISFIABLE", 416, "documents")
        return -int(suffix), 0
    if last == "":
        return int(first), 0
    return (int(first), int(last) - int(first) + 1) if int(last) >= int(first) else None


def _sha256(header: str | None, name: str) -> str:
    """hex of the announced sha-256, "" when there is none."""
    if header is None or "sha-256" not in header.lower():
        return ""
    found = _DIGEST.search(header)
    try:
        raw = base64.b64decode(found[1], validate=True) if found is not None else b""
    except binascii.Error:
        raw = b""
    if len(raw) != 32:
        raise invalid(name, "MALFORMED")
    return raw.hex()
