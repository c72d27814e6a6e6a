"""Every refusal of every service has words in both languages, and hidden cannot be told from absent."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from chassis import telemetry
from chassis.errors import DomainError, FieldViolation, Kind, invalid, not_found
from chassis.telemetry import JsonFormatter
from kanketsu.approvals.v1 import error_reason_pb2 as approvals
from kanketsu.audit.v1 import error_reason_pb2 as audit
from kanketsu.documents.v1 import error_reason_pb2 as documents
from services.gateway import errors
from services.gateway.circumstances import BECAUSE, TOLD
from services.gateway.errors import OWN_STATUS, STATUS, Refusal, describe, refusal_of
from services.gateway.sentences import FIELD_PROBLEMS, REFUSALS

SERVICES = Path(__file__).resolve().parents[2]
REASONS = [
    (service, value.name.removeprefix("ERROR_REASON_"))
    for service, protos in (("documents", documents), ("approvals", approvals), ("audit", audit))
    for value in protos.ErrorReason.DESCRIPTOR.values
    if value.number
]
JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")


def request(path="/api/v1/documents/x", accept_language="", **headers):
    named = {"accept-language": accept_language} | headers
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items() if value]
    return Request({"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": raw})


@pytest.mark.parametrize(("service", "reason"), REASONS)
def test_every_error_reason_has_words(service, reason):
    sentence = Refusal(reason, 409, service).sentence()
    assert (service, reason) in REFUSALS or ("", reason) in REFUSALS
    assert JAPANESE.search(sentence.title)
    assert JAPANESE.search(sentence.detail)
    assert not JAPANESE.search(sentence.title_en + sentence.detail_en)
    assert sentence.detail.endswith("。")


@pytest.mark.parametrize("reason", OWN_STATUS)
def test_every_refusal_of_the_gateway_has_words(reason):
    assert ("gateway", reason) in REFUSALS or ("", reason) in REFUSALS


def test_no_words_are_left_over():
    """A sentence for a reason that nobody gives is a sentence nobody checks."""
    known = {*REASONS, *(("gateway", reason) for reason in OWN_STATUS)}
    general = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL"}
    assert {*TOLD, *(key[:2] for key in BECAUSE)} <= known | {("approvals", "STALE_VERSION")}
    for service, reason in REFUSALS:
        assert (service, reason) in known or (not service and reason in {one for _, one in known} | general)


def test_every_word_for_a_wrong_field_has_a_sentence():
    """Words stand in the source of the services, as second argument of a violation or of a ValueError."""
    found: set[str] = set()
    patterns = (
        r'FieldViolation\([^()]*?"([A-Z][A-Z_]+)"',
        r'FieldViolation\([^()]*? else "([A-Z][A-Z_]+)"',
        r'raise ValueError\("([A-Z][A-Z_]+)"\)',
        r'_bad_adjustment\("([A-Z][A-Z_]+)"',
    )
    for path in SERVICES.glob("*/**/*.py"):
        if "tests" not in path.parts:
            text = path.read_text(encoding="utf-8")
            found |= {word for pattern in patterns for word in re.findall(pattern, text)}
    assert found >= {"REQUIRED", "TOO_LONG", "UNKNOWN"}
    assert found <= FIELD_PROBLEMS.keys()
    assert set(errors._PYDANTIC.values()) <= FIELD_PROBLEMS.keys()


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_status_and_words(kind):
    refused = refusal_of(DomainError(kind, "SOMETHING_NEW", metadata={"service": "documents"}))
    assert refused.status in {*STATUS.values()}
    assert describe(refused)["title"]


def test_hidden_and_absent_are_the_same_bytes():
    """AC-03, whichever service says so and whatever it adds."""
    absent = DomainError(Kind.NOT_FOUND, "NOT_FOUND", "no row", metadata={"service": "documents"})
    hidden = DomainError(Kind.NOT_FOUND, "NOT_FOUND", "not for S0042", metadata={"service": "approvals", "why": "no"})
    unknown_address = errors.refusal_of_http(HTTPException(404))
    answers = [
        errors.problem(refused, request()) for refused in (refusal_of(absent), refusal_of(hidden), unknown_address)
    ]
    assert len({answer.body for answer in answers}) == 1
    assert len({tuple(answer.raw_headers) for answer in answers}) == 1


def test_a_problem_says_what_to_do_in_the_language_asked_for():
    refused = refusal_of(invalid(FieldViolation("title", "REQUIRED")))
    japanese = errors.problem(refused, request())
    assert japanese.headers["content-type"] == "application/problem+json"
    assert japanese.headers["content-language"] == "ja"
    body = json.loads(japanese.body)
    assert list(body) == ["type", "title", "status", "detail", "reason", "errors", "trace_id"]
    assert body["errors"] == [{"field": "title", "problem": "REQUIRED", "detail": "必ず入力してください。"}]
    english = json.loads(errors.problem(refused, request(accept_language="en-GB,ja;q=0.5")).body)
    assert english["title"] == "Some fields are wrong"
    assert english["errors"][0]["detail"] == "Required."


@pytest.mark.parametrize(
    ("header", "english"),
    [
        ("", False),
        ("ja", False),
        ("en", True),
        ("en-US,en;q=0.9", True),
        ("ja,en;q=0.9", False),
        ("ja;q=0.1,en;q=0.2", True),
        ("fr", False),
        ("en;q=x", False),
        ("*", False),
    ],
)
def test_the_language(header, english):
    assert errors.prefers_english(header) is english


@pytest.mark.parametrize(("kind", "reason"), [(Kind.DENIED, "CALLER_NOT_ALLOWED"), (Kind.INVALID, "DEADLINE_REQUIRED")])
def test_what_services_refuse_the_gateway_is_not_told_as_the_persons_fault(caplog, kind, reason):
    """Told with the number to report; the log has the reason under the same number."""
    formatter = JsonFormatter("gateway", "i-1")
    with telemetry.span("request"):
        refused = refusal_of(DomainError(kind, reason, metadata={"service": "audit"}))
        told = describe(refused)
        (line,) = [json.loads(formatter.format(one)) for one in caplog.records]
    assert (told["status"], told["reason"]) == (500, "INTERNAL")
    assert "trace_id" in str(told["detail"])
    assert (line["level"], line["by"], line["refused"]) == ("ERROR", "audit", reason)
    assert line["trace_id"] == told["trace_id"] != ""


def test_a_service_that_does_not_believe_our_signature_is_not_signed_in_to_again():
    believed = DomainError(Kind.UNAUTHENTICATED, "UNAUTHENTICATED", metadata={"service": "documents"})
    assert refusal_of(believed).status == 503


def test_fields_are_named_as_in_the_api():
    error = DomainError(
        Kind.PRECONDITION,
        "INCOMPLETE",
        fields=[FieldViolation("enforcement_planned_on", "REQUIRED"), FieldViolation("body", "REQUIRED")],
        metadata={"service": "documents"},
    )
    refused = refusal_of(error)
    assert refused.status == 409
    assert [one.field for one in refused.fields] == ["enforcement.planned_on", "body"]


def refused(reason, **facts):
    """What the approvals service refuses, with its metadata."""
    return describe(refusal_of(DomainError(Kind.PRECONDITION, reason, metadata={"service": "approvals"} | facts)))


def test_a_refusal_tells_who_and_from_which_post():
    """AP-13, AP-32: as far as there are words for it, and only with every fact that they name."""
    told = refused("NOT_ABSENT", post="室長補佐", holder="髙橋 誠司")
    assert str(told["detail"]).startswith("室長補佐の髙橋 誠司さんは、不在として登録されていません。代決は、")
    for reason in ("STALE_VERSION", "ALREADY_ACTED", "TOO_LATE"):
        assert "室長の渡邉 浩さん" in str(refused(reason, post="室長", acted_by="渡邉 浩")["detail"]), reason
    assert "「環境政策室長」" in str(refused("POST_VACANT", post="環境政策室長", post_id="P-1")["detail"])
    assert refused("NOT_ABSENT", post="室長補佐", holder="") == refused("NOT_ABSENT")
    # What has no words stays with the service.
    assert refused("OWN_DRAFT", post="室長補佐", holder="髙橋 誠司") == refused("OWN_DRAFT")
    foreign = {"service": "documents", "post": "室長", "acted_by": "渡邉 浩"}
    assert "渡邉" not in str(describe(refusal_of(DomainError(Kind.CONFLICT, "STALE_VERSION", metadata=foreign))))


@pytest.mark.parametrize(("service", "reason", "why"), BECAUSE)
def test_why_has_words_of_its_own(service, reason, why):
    """AP-12, AP-20: 代決 that is barred says by what."""
    told = refused(reason, why=why)
    assert (told["title"], told["detail"]) == BECAUSE[service, reason, why][:2]
    assert told["detail"] != refused(reason, why="別の理由")["detail"]
    source = "".join(path.read_text(encoding="utf-8") for path in (SERVICES / service).rglob("*.py"))
    assert f'"{why}"' in source, "nobody says so"


def test_waiting_is_announced():
    assert refusal_of(DomainError(Kind.UNAVAILABLE, "STORE_UNAVAILABLE")).headers["Retry-After"]
    assert errors.refusal("SIGN_IN_REQUIRED").headers["WWW-Authenticate"].startswith("Bearer")
    assert refusal_of(DomainError(Kind.OUT_OF_RANGE, "RANGE_NOT_SATISFIABLE", metadata={"size": "7"})).headers == {
        "Content-Range": "bytes */7"
    }


def test_validation_of_the_framework_in_our_words():
    def refused(*found, content_type="application/json"):
        return errors.refusal_of_validation(RequestValidationError(list(found)), content_type)

    assert refused({"type": "json_invalid", "loc": ("body", 3)}).reason == "MALFORMED_BODY"
    assert refused({"type": "model_attributes_type", "loc": ("body",)}, content_type="text/plain").status == 415
    assert refused({"type": "string_pattern_mismatch", "loc": ("path", "document_id")}).status == 404
    many = refused(
        {"type": "extra_forbidden", "loc": ("body", "colour")},
        {"type": "literal_error", "loc": ("body", "enforcement", "method")},
        {"type": "refused", "loc": ("query", "from"), "ctx": {"problem": "MALFORMED"}},
        {"type": "bool_type", "loc": ("body", "urgent")},
    )
    assert [(one.field, one.problem) for one in many.fields] == [
        ("colour", "UNKNOWN_FIELD"),
        ("enforcement.method", "UNKNOWN"),
        ("from", "MALFORMED"),
        ("urgent", "WRONG_TYPE"),
    ]


def test_not_found_is_one_error_for_the_whole_house():
    assert refusal_of(not_found()).sentence() == REFUSALS["", "NOT_FOUND"]
