"""PatchOp messages (RFC 7644, 3.5.2) as a flat list of (what is done, to which path, with which value). Pure.

Directories differ: names of operations in any case, a path or an object of paths, names with or without their schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.gateway.errors import refusal
from services.gateway.scim.messages import GROUP, STAFF, USER, bare, listed

MAX_OPERATIONS: Final = 1000
_SCHEMA: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass(frozen=True)
class Operation:
    """One thing to do. `named` when the path was given, and not only a member of an object."""

    op: str
    path: str
    value: Any
    named: bool


def operations(body: Mapping[str, Any]) -> list[Operation]:
    """In order. SCIM_SYNTAX for what is no PatchOp or too long."""
    if _SCHEMA not in listed(body.get("schemas")):
        raise refusal("SCIM_SYNTAX")
    entries = listed(next((value for key, value in body.items() if key.lower() == "operations"), None))
    if not 0 < len(entries) <= MAX_OPERATIONS:
        raise refusal("SCIM_SYNTAX")
    return [one for entry in entries for one in _operation(entry)]


def _operation(entry: Any) -> Iterator[Operation]:
    if not isinstance(entry, dict):
        raise refusal("SCIM_SYNTAX")
    given = {key.lower(): value for key, value in entry.items()}
    op, path, value = given.get("op"), given.get("path"), given.get("value")
    if not isinstance(op, str) or op.lower() not in ("add", "replace", "remove"):
        raise refusal("SCIM_SYNTAX")
    if path is None:
        # Without a path the value names them; nothing can be removed so.
        if not isinstance(value, dict) or op.lower() == "remove":
            raise refusal("SCIM_SYNTAX")
        for name, inner in members(value):
            yield Operation(op.lower(), name, inner, named=False)
    elif not isinstance(path, str) or len(path) > 1000:
        raise refusal("SCIM_PATH")
    elif isinstance(value, dict) and bare(path) in ("name", STAFF.lower()):
        for name, inner in members({path: value}):
            yield Operation(op.lower(), name, inner, named=True)
    else:
        yield Operation(op.lower(), bare(path), value, named=True)


def members(resource: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(path in lower case, value) of a resource, one level into `name` and into the schemas' own objects."""
    for key, value in resource.items():
        lower = bare(key)
        if isinstance(value, dict) and lower in (USER.lower(), GROUP.lower()):
            yield from ((bare(inner), one) for inner, one in value.items())
        elif isinstance(value, dict) and lower == STAFF.lower():
            yield from ((f"{lower}:{inner.lower()}", one) for inner, one in value.items())
        elif isinstance(value, dict) and lower == "name":
            yield from ((f"name.{inner.lower()}", one) for inner, one in value.items())
        else:
            yield lower, value
