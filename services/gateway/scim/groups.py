"""A Group is a unit: SCIM's members ⇄ who joins and who is lost. Pure.

The unit itself is personnel's: its name and number are compared, never changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kanketsu.approvals.v1.provisioning_service_pb2 import Membership
from services.gateway.errors import invalid, refusal
from services.gateway.scim.messages import GROUP, PREFIX, etag, listed
from services.gateway.scim.patch import Operation, members, operations

_ONE: Final = re.compile(r'members\[\s*value\s+eq\s+("(?:[^"\\]|\\.)*")\s*\]', re.I)


@dataclass
class Wish:
    """Who joins, who is lost, and whether the list is the whole of it; the last word on each person counts."""

    join: set[str] = field(default_factory=set)
    leave: set[str] = field(default_factory=set)
    replace: bool = False
    # What the unit must be called, for a message that repeats it.
    named: list[str] = field(default_factory=list)


def resource(unit: Membership, public_url: str) -> dict[str, Any]:
    """The unit as a Group."""
    base = public_url.rstrip("/") + PREFIX
    return {
        "schemas": [GROUP],
        "id": unit.unit_id,
        "externalId": unit.unit_id,
        "displayName": unit.name,
        "members": [
            {
                "value": one.staff_id,
                "$ref": f"{base}/Users/{one.staff_id}",
                "display": one.name,
                "type": "User",
            }
            for one in unit.members
        ],
        "meta": {"resourceType": "Group", "location": f"{base}/Groups/{unit.unit_id}", "version": etag(unit.version)},
    }


def wish_of(body: Mapping[str, Any], unit_id: str) -> Wish:
    """What a Group to put says; without `members` nothing about them."""
    if GROUP not in listed(body.get("schemas")):
        raise refusal("SCIM_SYNTAX")
    return _wish([Operation("replace", path, value, named=False) for path, value in members(body)], unit_id)


def wish_of_patch(body: Mapping[str, Any], unit_id: str) -> Wish:
    """What a PatchOp says. SCIM_PATH for what is no member, SCIM_MUTABILITY for another number."""
    return _wish(operations(body), unit_id)


def _wish(done: list[Operation], unit_id: str) -> Wish:
    wish = Wish()
    for one in done:
        single = _ONE.fullmatch(one.path)
        if single is not None and one.op == "remove":
            _remove(wish, {_quoted(single[1])})
        elif one.path == "members":
            _take(wish, one)
        elif one.path in ("id", "externalid"):
            if one.value not in (None, unit_id) or one.op == "remove":
                raise refusal("SCIM_MUTABILITY")
        elif one.path == "displayname":
            if not isinstance(one.value, str) or one.op == "remove":
                raise refusal("SCIM_MUTABILITY")
            wish.named.append(one.value)
        elif one.named:
            raise refusal("SCIM_PATH")
    return wish


def _take(wish: Wish, one: Operation) -> None:
    if one.op == "remove" and one.value is None:
        wish.join, wish.leave, wish.replace = set(), set(), True
    elif one.op == "remove":
        _remove(wish, _ids(one.value))
    elif one.op == "replace":
        wish.join, wish.leave, wish.replace = _ids(one.value), set(), True
    else:
        joining = _ids(one.value)
        wish.join |= joining
        wish.leave -= joining


def _remove(wish: Wish, leaving: set[str]) -> None:
    wish.join -= leaving
    wish.leave |= leaving


def _ids(value: Any) -> set[str]:
    given = value if isinstance(value, list) else [value]
    found = set[str]()
    for one in given:
        if not isinstance(one, dict) or not isinstance(one.get("value"), str):
            raise invalid("members", "WRONG_TYPE")
        # Units below a unit are personnel's too.
        if str(one.get("type") or "User").lower() != "user":
            raise invalid("members", "NOT_ALLOWED")
        found.add(one["value"])
    return found


def _quoted(text: str) -> str:
    try:
        value = str(json.loads(text))
        value.encode()
    except ValueError:
        raise refusal("SCIM_PATH") from None
    return value
