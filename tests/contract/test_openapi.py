"""The HTTP API: committed as it is, and never narrower than what clients rely on."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from services.gateway.api.openapi import document
from tests.contract.surface import broken, lines_of

ROOT = Path(__file__).resolve().parents[2]
SURFACE = Path(__file__).parent / "surface.txt"


@pytest.fixture(scope="module")
def described():
    return document()


def test_the_committed_document_is_the_one_that_is_served(described):
    committed = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(described)), (
        "the API changed: python -m services.gateway openapi > docs/openapi.json"
    )


def test_nothing_that_clients_rely_on_is_gone_or_narrower(described):
    before = set(SURFACE.read_text(encoding="utf-8").splitlines())
    assert broken(before, lines_of(described)) == [], (
        "this breaks clients. If nobody can rely on it yet: python -m tests.contract.surface > tests/contract/surface.txt"
    )


def test_additions_are_written_down(described):
    """Otherwise the next change could take them away unnoticed."""
    before = set(SURFACE.read_text(encoding="utf-8").splitlines())
    assert lines_of(described) - before == set(), "python -m tests.contract.surface > tests/contract/surface.txt"


def test_every_operation_says_what_it_refuses(described):
    for path, item in described["paths"].items():
        for method, operation in item.items():
            name = f"{method} {path}"
            assert operation["summary"], name
            statuses = set(operation["responses"])
            assert "500" in statuses, name
            if operation["security"]:
                assert {"401", "403", "422", "503", "504"} <= statuses, name
            for status, answer in operation["responses"].items():
                # What a witness answers is laid down by c2sp.org/tlog-witness.
                if status.startswith(("4", "5")) and path not in ("/readyz", "/witness/add-checkpoint"):
                    assert list(answer["content"]) == ["application/problem+json"], f"{name} {status}"
            if any(parameter["name"] == "if-match" for parameter in operation.get("parameters", ())):
                assert {"412", "428"} <= statuses, name


def change(described, edit):
    changed = copy.deepcopy(described)
    edit(changed)
    return broken(lines_of(described), lines_of(changed))


def operation(described, path="/api/v1/documents", method="post"):
    return described["paths"][path][method]


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d["paths"].pop("/api/v1/inbox"),
        lambda d: d["paths"]["/api/v1/documents/{document_id}"].pop("delete"),
        lambda d: d["components"]["schemas"]["Document"]["properties"].pop("draft_number"),
        lambda d: d["components"]["schemas"]["Document"]["properties"].update(version={"type": "string"}),
        lambda d: d["components"]["schemas"]["DraftIn"]["properties"].pop("counterparty"),
        lambda d: d["components"]["schemas"]["DraftIn"]["required"].append("body"),
        lambda d: d["components"]["schemas"]["ActIn"]["properties"]["action"]["enum"].remove("substitute"),
        lambda d: operation(d)["responses"].pop("201"),
        lambda d: operation(d)["responses"]["201"]["headers"].pop("ETag"),
        lambda d: operation(d, method="get")["parameters"][0].update(required=True),
        lambda d: operation(d, method="get")["parameters"].pop(0),
        lambda d: operation(d).update(security=[{"session": []}]),
    ],
    ids=range(12),
)
def test_a_breaking_change_is_seen(described, edit):
    assert change(described, edit)


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d["components"]["schemas"]["Document"]["properties"].update(colour={"type": "string"}),
        lambda d: d["components"]["schemas"]["DraftIn"]["properties"].update(colour={"type": "string"}),
        lambda d: d["components"]["schemas"]["DraftIn"]["required"].remove("title"),
        lambda d: d["paths"].update({"/api/v1/holds": copy.deepcopy(d["paths"]["/api/v1/folders"])}),
        lambda d: operation(d, method="get")["parameters"].append(
            {"name": "colour", "in": "query", "schema": {"type": "string"}}
        ),
    ],
    ids=range(5),
)
def test_an_addition_breaks_nobody(described, edit):
    gone = [line for line in change(described, edit) if line.startswith("gone") or "requires" in line]
    assert gone == []
