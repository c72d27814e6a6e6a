"""The one map from refusals to HTTP: status by kind, words by (service, reason), RFC 9457 problem+json.

Hidden and absent give the same bytes but for the trace id (AC-03). Pages get the same `Refusal` and draw it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from string import Formatter
from typing import Final, NoReturn

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from chassis import telemetry
from chassis.errors import DomainError, FieldViolation, Kind
from services.gateway.circumstances import BECAUSE, TOLD
from services.gateway.sentences import FIELD_PROBLEMS, REFUSALS, Sentence

log = logging.getLogger(__name__)

STATUS: Final[Mapping[Kind, int]] = {
    Kind.INVALID: 422,
    Kind.PRECONDITION: 409,
    Kind.CONFLICT: 412,
    Kind.EXISTS: 409,
    Kind.NOT_FOUND: 404,
    Kind.DENIED: 403,
    Kind.UNAUTHENTICATED: 401,
    Kind.UNAVAILABLE: 503,
    Kind.TOO_LARGE: 413,
    Kind.OUT_OF_RANGE: 416,
    Kind.DATA_LOSS: 500,
    Kind.DEADLINE: 504,
    Kind.INTERNAL: 500,
}
# Refusals that no kind of a service stands for: the gateway's own.
OWN_STATUS: Final[Mapping[str, int]] = {
    "SIGN_IN_REQUIRED": 401,
    "TOKEN_INVALID": 401,
    "LOGIN_FAILED": 400,
    "LOGIN_UNAVAILABLE": 503,
    "SESSIONS_UNAVAILABLE": 503,
    "CROSS_SITE": 403,
    "NETWORK_NOT_ALLOWED": 403,
    "TOO_MANY_REFUSALS": 429,
    "TOO_MANY_STREAMS": 429,
    "TOO_LARGE": 413,
    "MALFORMED_BODY": 400,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "METHOD_NOT_ALLOWED": 405,
    "VERSION_REQUIRED": 428,
    "PROOF_PENDING": 503,
    "SCIM_SYNTAX": 400,
    "SCIM_FILTER": 400,
    "SCIM_PATH": 400,
    "SCIM_MUTABILITY": 400,
    "UNITS_BY_PERSONNEL": 403,
    "NOT_FOUND": 404,
    "STALE_VERSION": 412,
    "INTERNAL": 500,
}
# Reasons by which services refuse the gateway, not the person: ours to repair.
_OUR_FAULT = frozenset({"CALLER_NOT_ALLOWED", "DEADLINE_REQUIRED"})
RETRY_SECONDS = 2
# Fields that are called otherwise in the services than over HTTP.
_FIELDS: Final[Mapping[str, str]] = {
    "enforcement_required": "enforcement.required",
    "enforcement_planned_on": "enforcement.planned_on",
    "enforcement_method": "enforcement.method",
    "enforcement_addressee": "enforcement.addressee",
    "adjusted": "steps",
    "file_name": "filename",
    "request_id": "Idempotency-Key",
}
_PYDANTIC: Final[Mapping[str, str]] = {
    "missing": "REQUIRED",
    "extra_forbidden": "UNKNOWN_FIELD",
    "string_too_long": "TOO_LONG",
    "too_long": "TOO_MANY",
    "string_too_short": "TOO_SHORT",
    "too_short": "REQUIRED",
    "greater_than_equal": "OUT_OF_RANGE",
    "less_than_equal": "OUT_OF_RANGE",
    "int_parsing_size": "OUT_OF_RANGE",
    "literal_error": "UNKNOWN",
    "enum": "UNKNOWN",
    "string_pattern_mismatch": "MALFORMED",
    "string_unicode": "MALFORMED",
    "value_error": "MALFORMED",
}


@dataclass(eq=False)
class Refusal(Exception):
    """A refusal ready to be told, raised by the gateway itself or made from a service's."""

    reason: str
    status: int
    service: str = "gateway"
    fields: tuple[FieldViolation, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    # Of the service's metadata; told as far as `circumstances` has words for it.
    facts: Mapping[str, str] = field(default_factory=dict)

    def sentence(self) -> Sentence:
        """The words for it, with the facts that are told of this reason."""
        because = BECAUSE.get((self.service, self.reason, self.facts.get("why", "")))
        found = because or self._general()
        words = TOLD.get((self.service, self.reason), ("", ""))
        if because or not all(self.facts.get(name) for _, name, _, _ in Formatter().parse(words[0]) if name):
            return found
        told, told_en = (one.format_map(self.facts) for one in words)
        return found._replace(detail=told + found.detail, detail_en=told_en + found.detail_en)

    def _general(self) -> Sentence:
        for key in ((self.service, self.reason), ("", self.reason)):
            if key in REFUSALS:
                return REFUSALS[key]
        return REFUSALS["", _GENERAL.get(self.status, "INTERNAL")]


_GENERAL: Final[Mapping[int, str]] = {
    403: "NOT_PERMITTED",
    404: "NOT_FOUND",
    409: "INVALID_FIELDS",
    412: "STALE_VERSION",
    422: "INVALID_FIELDS",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def refusal(reason: str, *fields: FieldViolation, **headers: str) -> Refusal:
    """The gateway's own refusal with this reason."""
    status = OWN_STATUS[reason]
    return Refusal(reason, status, fields=fields, headers=_headers(status) | headers)


def invalid(name: str, problem: str) -> Refusal:
    """One wrong field."""
    return Refusal("INVALID_FIELDS", 422, fields=(FieldViolation(name, problem),))


def refusal_of(error: DomainError) -> Refusal:
    """What a service's refusal is over HTTP."""
    service = error.metadata.get("service", "gateway")
    status = STATUS[error.kind]
    reason = error.reason
    if error.kind is Kind.NOT_FOUND:
        return Refusal("NOT_FOUND", 404)
    if reason in _OUR_FAULT:
        # Trying again changes nothing, so not 503. Whoever is told the trace_id finds this line by it.
        log.error("a service refuses its caller", extra={"by": service, "refused": reason})
        return Refusal("INTERNAL", 500)
    if error.kind is Kind.UNAUTHENTICATED and service != "gateway":
        # A service does not believe our signature: signing in again would not help.
        return Refusal("UNAVAILABLE", 503, headers=_headers(503))
    if error.kind is Kind.DEADLINE:
        reason = "DEADLINE_EXCEEDED"
    if error.kind is Kind.INTERNAL:
        reason = "INTERNAL"
    fields = tuple(FieldViolation(_FIELDS.get(one.field, one.field), one.problem) for one in error.fields)
    headers = _headers(status)
    if status == 416 and "size" in error.metadata:
        headers["Content-Range"] = f"bytes */{error.metadata['size']}"
    return Refusal(reason, status, service, fields, headers, error.metadata)


def refusal_of_http(error: HTTPException) -> Refusal:
    """What the framework refuses by itself: unknown addresses and methods."""
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return Refusal("METHOD_NOT_ALLOWED", 405, headers=dict(error.headers or {}))
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return refusal("TOO_LARGE")
    if error.status_code == HTTPStatus.BAD_REQUEST:
        return refusal("MALFORMED_BODY")
    return refusal("NOT_FOUND")


def refusal_of_validation(error: RequestValidationError, content_type: str) -> Refusal:
    """What the framework finds wrong in path, query and body."""
    fields: list[FieldViolation] = []
    for found in error.errors():
        kind, place = str(found["type"]), found["loc"]
        if kind == "json_invalid":
            return refusal("MALFORMED_BODY")
        if place[0] == "body" and not content_type.split(";")[0].strip().lower().endswith("json"):
            return refusal("UNSUPPORTED_MEDIA_TYPE")
        if place[0] == "path":
            # An address that cannot exist is like one that does not.
            return refusal("NOT_FOUND")
        problem = found.get("ctx", {}).get("problem") or _PYDANTIC.get(kind, "WRONG_TYPE")
        name = ".".join(str(part) for part in place[1:]) or "body"
        fields.append(FieldViolation(name, str(problem)))
    return Refusal("INVALID_FIELDS", 422, fields=tuple(fields[:20]))


def _headers(status: int) -> dict[str, str]:
    if status == 401:
        return {"WWW-Authenticate": 'Bearer realm="kanketsu"'}
    return {"Retry-After": str(RETRY_SECONDS)} if status in (429, 503) else {}


def describe(refused: Refusal, *, english: bool = False) -> dict[str, object]:
    """The members of the problem document; pages draw the same."""
    sentence = refused.sentence()
    return {
        "type": f"urn:kanketsu:problem:{refused.reason.lower().replace('_', '-')}",
        "title": sentence.title_en if english else sentence.title,
        "status": refused.status,
        "detail": sentence.detail_en if english else sentence.detail,
        "reason": refused.reason,
        "errors": [
            {
                "field": violation.field,
                "problem": violation.problem,
                "detail": FIELD_PROBLEMS.get(violation.problem, FIELD_PROBLEMS["INVALID"])[1 if english else 0],
            }
            for violation in refused.fields
        ],
        "trace_id": telemetry.current_trace_id(),
    }


def problem(refused: Refusal, request: Request) -> Response:
    """The answer for programs."""
    english = prefers_english(request.headers.get("accept-language", ""))
    body = json.dumps(describe(refused, english=english), ensure_ascii=False).encode()
    return Response(
        body,
        refused.status,
        media_type="application/problem+json",
        headers={
            "Content-Language": "en" if english else "ja",
            "Vary": "Accept-Language",
            "Cache-Control": "no-store",
            **refused.headers,
        },
    )


def prefers_english(accept_language: str) -> bool:
    """Whether English is asked for before Japanese, which is the default."""
    weights: dict[str, float] = {}
    for part in accept_language[:200].split(","):
        language, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        primary = language.split("-")[0].lower()
        weights[primary] = max(weight, weights.get(primary, 0.0))
    return weights.get("en", 0.0) > weights.get("ja", 0.0)


def raise_invalid(violations: Sequence[FieldViolation]) -> NoReturn:
    """Several wrong fields at once."""
    raise Refusal("INVALID_FIELDS", 422, fields=tuple(violations))
