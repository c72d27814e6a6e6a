"""The OpenAPI document as two sets of lines, so that a breaking change is a set difference.

Promises must stay: an operation, a parameter it takes, a body member it takes, a member of its answer and the type.
Demands must not grow: what a request must contain, and how narrow a value must be.
`python -m tests.contract.surface` writes the lines of the current document.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from services.gateway.api.openapi import document

METHODS = ("get", "put", "post", "delete", "patch", "head")
LIMITS = ("pattern", "maxLength", "minLength", "maxItems", "minItems", "maximum", "minimum")
Json = Mapping[str, Any]


def lines_of(described: Json) -> set[str]:
    """`PROMISE …` and `DEMAND …` lines."""
    return set(_lines(described))


def broken(before: set[str], after: set[str]) -> list[str]:
    """What a client of `before` may stumble over in `after`, one line each."""
    operations = {_operation(line) for line in before}
    gone = [f"gone: {line}" for line in before - after if line.startswith("PROMISE")]
    # A new operation may demand what it likes: nobody relies on it yet.
    grown = [f"new: {line}" for line in after - before if line.startswith("DEMAND") and _operation(line) in operations]
    return sorted(gone + grown)


def _operation(line: str) -> str:
    return " ".join(line.split(" ")[1:3])


def _lines(described: Json) -> Iterator[str]:
    for path, item in described["paths"].items():
        for method in METHODS:
            if method in item:
                yield from _operation_lines(described, f"{method.upper()} {path}", item[method])


def _operation_lines(described: Json, name: str, operation: Json) -> Iterator[str]:
    yield f"PROMISE {name}"
    for scheme in operation.get("security", ()):
        yield f"PROMISE {name} security {'+'.join(scheme)}"
    for parameter in operation.get("parameters", ()):
        place = f"{parameter['in']}:{parameter['name']}"
        yield f"PROMISE {name} takes {place}"
        if parameter.get("required") and parameter["in"] != "path":
            yield f"DEMAND {name} requires {place}"
        yield from _demands(described, name, place, parameter["schema"])
    body = operation.get("requestBody", {})
    if body.get("required"):
        yield f"DEMAND {name} requires body"
    for media_type, content in body.get("content", {}).items():
        yield f"PROMISE {name} takes {media_type}"
        yield from _demands(described, name, "body", content["schema"])
        for place, _ in _members(described, "body", content["schema"]):
            yield f"PROMISE {name} takes {place}"
    for status, answer in operation["responses"].items():
        if not status.startswith("2") and not status.startswith("3"):
            continue
        yield f"PROMISE {name} answers {status}"
        for header in answer.get("headers", {}):
            yield f"PROMISE {name} answers {status} header {header}"
        for media_type, content in answer.get("content", {}).items():
            yield f"PROMISE {name} answers {status} {media_type}"
            for place, types in _members(described, "body", content.get("schema", {})):
                yield f"PROMISE {name} answers {status} {place}: {types}"


def _members(described: Json, place: str, schema: Json, depth: int = 0) -> Iterator[tuple[str, str]]:
    """(path, types) of a schema and everything in it."""
    schema = _resolve(described, schema)
    arms = [_resolve(described, arm) for arm in schema.get("anyOf", ())] or [schema]
    yield place, "|".join(sorted(str(arm.get("type", "any")) for arm in arms))
    if depth > 8:
        return
    for arm in arms:
        for name, member in arm.get("properties", {}).items():
            yield from _members(described, f"{place}.{name}", member, depth + 1)
        if "items" in arm:
            yield from _members(described, f"{place}[]", arm["items"], depth + 1)


def _demands(described: Json, name: str, place: str, schema: Json, depth: int = 0) -> Iterator[str]:
    schema = _resolve(described, schema)
    arms = [_resolve(described, arm) for arm in schema.get("anyOf", ())] or [schema]
    types = "|".join(sorted(str(arm.get("type", "any")) for arm in arms))
    yield f"DEMAND {name} {place} is {types}"
    if depth > 8:
        return
    for arm in arms:
        for limit in LIMITS:
            if limit in arm:
                yield f"DEMAND {name} {place} {limit} {arm[limit]}"
        if "enum" in arm or "const" in arm:
            allowed = arm.get("enum", [arm.get("const")])
            for word in allowed:
                yield f"PROMISE {name} takes {place}={word}"
        for member in arm.get("required", ()):
            yield f"DEMAND {name} requires {place}.{member}"
        for member, inner in arm.get("properties", {}).items():
            yield from _demands(described, name, f"{place}.{member}", inner, depth + 1)
        if "items" in arm:
            yield from _demands(described, name, f"{place}[]", arm["items"], depth + 1)


def _resolve(described: Json, schema: Json) -> Json:
    found: Json = schema
    while "$ref" in found:
        found = described["components"]["schemas"][found["$ref"].rsplit("/", 1)[1]]
    return found


if __name__ == "__main__":
    current = document() if len(sys.argv) == 1 else json.load(sys.stdin)
    sys.stdout.write("".join(f"{line}\n" for line in sorted(lines_of(current))))
