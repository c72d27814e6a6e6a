"""What all of SCIM's messages share: names, bodies, ETags, pages, the attributes asked for, errors."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from services.gateway.errors import Refusal, describe, prefers_english, refusal

PREFIX: Final = "/scim/v2"
MEDIA_TYPE: Final = "application/scim+json"
USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
# The reading of a name, which no standard schema has.
STAFF: Final = "urn:kanketsu:params:scim:schemas:extension:staff:2.0:User"
_ERROR: Final = "urn:ietf:params:scim:api:messages:2.0:Error"
_LIST: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_ETAG: Final = re.compile(r'(?:W/)?"([0-9a-f]{32})"')
# RFC 7644, 3.12. What is not here has no scimType.
_SCIM_TYPES: Final[Mapping[str, str]] = {
    "ACCOUNT_EXISTS": "uniqueness",
    "POST_OF_PERSONNEL": "mutability",
    "INVALID_FIELDS": "invalidValue",
    "MALFORMED_BODY": "invalidSyntax",
    "SCIM_SYNTAX": "invalidSyntax",
    "SCIM_FILTER": "invalidFilter",
    "SCIM_PATH": "invalidPath",
    "SCIM_MUTABILITY": "mutability",
}
# Where SCIM wants another status than the JSON API: RFC 7644 knows no 422, and mutability is a 400.
_STATUS: Final[Mapping[str, int]] = {"INVALID_FIELDS": 400, "POST_OF_PERSONNEL": 400}


def error(refused: Refusal, request: Request) -> Response:
    """A refusal as RFC 7644, 3.12 wants it; `trace_id` beside, as everywhere here."""
    english = prefers_english(request.headers.get("accept-language", ""))
    told = describe(refused, english=english)
    status = _STATUS.get(refused.reason, refused.status)
    detail = str(told["detail"])
    for violation, words in zip(refused.fields, _details(told), strict=True):
        detail += f" {violation.field}: {words}"
    body: dict[str, Any] = {"schemas": [_ERROR], "status": str(status), "detail": detail}
    if refused.reason in _SCIM_TYPES:
        body["scimType"] = _SCIM_TYPES[refused.reason]
    return _json(body | {"trace_id": told["trace_id"]}, status, refused.headers)


def _details(told: Mapping[str, object]) -> list[str]:
    return [str(one["detail"]) for one in listed(told["errors"])]


def reply(resource: Mapping[str, Any], request: Request, status: int = 200, record: str = "") -> Response:
    """A resource, or 304 when the caller has this version of it; only the attributes asked for."""
    headers = {"x-access-record": record} if record else {}
    meta = resource.get("meta", {})
    if "version" in meta:
        headers["etag"] = meta["version"]
        known = request.headers.get("if-none-match", "")
        if request.method == "GET" and _ETAG.findall(meta["version"])[0] in _ETAG.findall(known[:1000]):
            return Response(status_code=304, headers=headers)
    if status == 201:
        headers["location"] = meta["location"]
    return _json(selected(resource, request), status, headers)


def nothing(version: str = "") -> Response:
    """204: done."""
    return Response(status_code=204, headers={"etag": version} if version else None)


def page(resources: Sequence[Mapping[str, Any]], total: int, start: int, request: Request, record: str) -> Response:
    """A ListResponse."""
    body = {
        "schemas": [_LIST],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(resources),
        "Resources": [selected(one, request) for one in resources],
    }
    return _json(body, 200, {"x-access-record": record} if record else {})


def _json(body: Mapping[str, Any], status: int, headers: Mapping[str, str]) -> Response:
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(content, status, {"cache-control": "no-store", **headers}, MEDIA_TYPE)


def selected(resource: Mapping[str, Any], request: Request) -> Mapping[str, Any]:
    """RFC 7644, 3.9: `attributes` or `excludedAttributes`, by the names of whole attributes."""
    wanted, unwanted = (_names(request.query_params.get(one, "")) for one in ("attributes", "excludedAttributes"))
    always = {"schemas", "id"}
    if wanted:
        return {key: value for key, value in resource.items() if key in always or key.lower() in wanted}
    return {key: value for key, value in resource.items() if key in always or key.lower() not in unwanted}


def _names(text: str) -> set[str]:
    """Attributes by their first name: `name.familyName` stands for `name`, whatever schema is named before it."""
    found = set[str]()
    for one in text[:2000].lower().split(","):
        name = one.strip()
        if name in (STAFF.lower(), f"{STAFF.lower()}:kana"):
            found.add(STAFF.lower())
        elif name:
            found.add(bare(name).partition(".")[0])
    return found


def bare(path: str) -> str:
    """A path in lower case, without the name of a core schema before it. What stands in quotes is a value and stays."""
    parts = path.strip().split('"')
    lower = '"'.join(part if number % 2 else part.lower() for number, part in enumerate(parts))
    for schema in (USER, GROUP):
        lower = lower.removeprefix(f"{schema.lower()}:")
    return lower


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object of a request. UNSUPPORTED_MEDIA_TYPE, MALFORMED_BODY."""
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type not in (MEDIA_TYPE, "application/json"):
        raise refusal("UNSUPPORTED_MEDIA_TYPE")
    try:
        document = json.loads(await request.body(), parse_constant=_no_number)
        # Half of a surrogate pair is no text.
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise refusal("MALFORMED_BODY") from None
    if not isinstance(document, dict):
        raise refusal("MALFORMED_BODY")
    return document


def listed(value: object) -> list[Any]:
    """A list as it is; nothing else is one."""
    return value if isinstance(value, list) else []


def _no_number(text: str) -> float:
    raise ValueError(text)


def expected_version(request: Request) -> str:
    """The version that If-Match names, "" for whichever it is. STALE_VERSION for a tag that is none of ours."""
    given = request.headers.get("if-match", "*").strip()
    if given == "*":
        return ""
    found = _ETAG.fullmatch(given)
    if found is None:
        raise refusal("STALE_VERSION")
    return found[1]


def etag(version: str) -> str:
    """As `meta.version` and the header say it. Weak: the same account may be written in another order."""
    return f'W/"{version}"'
