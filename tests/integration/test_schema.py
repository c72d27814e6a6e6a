"""Generated requests over the whole OpenAPI document: no 5xx, no status or shape that is not documented."""

from __future__ import annotations

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

pytestmark = [pytest.mark.system, pytest.mark.timeout(500)]

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# Requests per operation; the long run sets more (a release is tried with 12 and more). The seed is fixed, so that a run is
# the same everywhere.
EXAMPLES = int(os.environ.get("KANKETSU_TEST_REQUESTS", "5"))


def test_every_operation_answers_as_documented(city):
    described = schemathesis.openapi.from_url(f"{city.stack.url}/api/v1/openapi.json")
    headers = {"Authorization": f"Bearer {city.person('clerk').token}"}
    failures: list[str] = []
    operations = 0
    for found in described.get_all_operations():
        operation = found.ok()
        # A stream of events has no end to wait for; test_notices.py reads it.
        if operation.path == "/api/v1/notices/stream":
            continue
        operations += 1

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def answers_as_documented(case):
            case.call_and_validate(headers=headers, checks=CHECKS, timeout=20)

        try:
            answers_as_documented()
        except Exception as problem:
            failures.append(f"{operation.label}: {problem}")
    assert operations > 30
    assert not failures, "\n\n".join(failures)
