"""The OpenAPI 3.1 document: what each operation answers, the problem document, headers and security.

`answers` is used by the routes; `document` builds the whole. It is committed as docs/openapi.json.
"""

from __future__ import annotations

import copy
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from services.gateway.api.shapes import Problem

TITLE: Final = "Kanketsu"
VERSION: Final = "1"
DESCRIPTION: Final = """\
文書管理・電子決裁システムの HTTP API。

- Times are RFC 3339 with offset, dates ISO. Lists are `{"items": [...], "next_cursor": "…"|null}`, never a total.
- Errors are `application/problem+json` (RFC 9457) in Japanese, in English with `Accept-Language: en`.
- What does not exist and what is not for you is the same 404.
- Writes take `Idempotency-Key`; on existing things also `If-Match` with the ETag (428 missing, 412 stale).
- Answers that show a document carry `X-Access-Record: <source>/<epoch>/<seq>`: the record that it was shown.
"""

_REFUSED: Final[dict[int, str]] = {
    400: "The body cannot be read.",
    401: "Not signed in, or the token is not good.",
    403: "Not permitted, another site's request, or not a staff member today.",
    404: "Does not exist, or is not for you.",
    409: "The state of things does not allow it; see reason.",
    412: "If-Match is not the current version.",
    413: "Larger than allowed.",
    415: "Another Content-Type is needed.",
    416: "The range lies outside the file.",
    422: "Some fields are wrong; see errors.",
    428: "If-Match is missing.",
    429: "Refused too often from this address.",
    500: "Our fault; quote the trace_id.",
    503: "A part of the system does not answer, or the access cannot be recorded.",
    504: "Took too long.",
}
# What any operation of a signed-in caller may be answered.
_ALWAYS: Final = (401, 403, 404, 422, 429, 500, 503, 504)
_PROBLEM: Final = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_ETAG: Final = {"description": "Version, for If-Match.", "schema": {"type": "string"}}
_RECORD: Final = {"description": "The record that this was shown.", "schema": {"type": "string"}}


def answers(
    status: int,
    shape: type[BaseModel] | None = None,
    *more: int,
    etag: bool = False,
    record: bool = False,
    content: dict[str, Any] | None = None,
    headers: dict[str, Any] | None = None,
    signed_in: bool = True,
    description: str = "",
) -> dict[int | str, dict[str, Any]]:
    """The answers of an operation: the good one, and the refusals `more` beside those that are always possible."""
    good: dict[str, Any] = {"description": description or "Done."}
    if shape is not None:
        good["model"] = shape
    if content is not None:
        good["content"] = content
    shown = dict(headers or {})
    if etag:
        shown["ETag"] = _ETAG
    if record:
        shown["X-Access-Record"] = _RECORD
    if shown:
        good["headers"] = shown
    refused = sorted({*more, *(_ALWAYS if signed_in else ())})
    return {status: good, **{code: {"description": _REFUSED[code], "content": _PROBLEM} for code in refused}}


# Writes: on new things, and on existing ones.
CREATES: Final = (400, 404, 409, 413, 415)
CHANGES: Final = (400, 404, 409, 412, 413, 415, 428)


def document() -> dict[str, Any]:
    """The whole document."""
    from services.gateway import api

    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
    for router in api.ROUTERS:
        app.include_router(router)
    found = get_openapi(
        title=TITLE, version=VERSION, description=DESCRIPTION, routes=app.routes, openapi_version="3.1.0"
    )
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs", {})
    schemas["Problem"] = problem
    components["schemas"] = dict(sorted(schemas.items()))
    components["securitySchemes"] = {
        "session": {"type": "apiKey", "in": "cookie", "name": "__Host-sid", "description": "`sid` over plain HTTP."},
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "OIDC access token of the city's issuer, audience `kanketsu-api`.",
        },
    }
    for path, item in found["paths"].items():
        for operation in item.values():
            if not path.startswith("/api/v1/") or path.endswith("openapi.json"):
                operation["security"] = []
                continue
            operation["security"] = [{"bearer": []}, {"session": []}]
            operation.setdefault("parameters", []).append(copy.deepcopy(_POST_HEADER))
    return found


_POST_HEADER: Final = {
    "name": "Kanketsu-Post",
    "in": "header",
    "required": False,
    "description": "The post to act from, one of the caller's; the main post when missing (AP-44).",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$"},
}
