"""A User is a staff member: SCIM's attributes ⇄ the fields of an account. Pure.

`id` and `externalId` are the personnel number, `userName` the login. Attributes of the standard schemas that nobody here
keeps (titles, telephones, roles, …) are ignored; the answer shows what is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from kanketsu.approvals.v1.provisioning_service_pb2 import Account, AccountFields
from services.gateway.errors import invalid, refusal
from services.gateway.scim.messages import ENTERPRISE, PREFIX, STAFF, USER, etag, listed
from services.gateway.scim.patch import Operation, members, operations

_KANA: Final = f"{STAFF}:kana".lower()
# Path → field of the account.
_TEXTS: Final[Mapping[str, str]] = {
    "username": "login",
    "displayname": "display_name",
    "name.formatted": "formatted",
    "name.familyname": "family_name",
    "name.givenname": "given_name",
    _KANA: "kana",
    "emails.value": "email",
}
_READ_ONLY: Final = frozenset({"id", "meta", "schemas", "groups"})
_NOT_KEPT: Final = frozenset(
    {
        *("name", "name.middlename", "name.honorificprefix", "name.honorificsuffix", "nickname", "profileurl", "title"),
        *("usertype", "preferredlanguage", "locale", "timezone", "password", "phonenumbers", "ims", "photos"),
        *("addresses", "entitlements", "roles", "x509certificates"),
    }
)
_EMAIL: Final = re.compile(r"emails(\[[^\]]*\])?\.value")


def resource(account: Account, public_url: str) -> dict[str, Any]:
    """The account as a User."""
    base = public_url.rstrip("/") + PREFIX
    family, _, given = account.name.replace("\u3000", " ").partition(" ")
    return {
        "schemas": [USER, STAFF],
        "id": account.staff_id,
        "externalId": account.staff_id,
        "userName": account.login,
        "name": {"formatted": account.name, "familyName": family, "givenName": given},
        "displayName": account.name,
        "emails": [{"value": account.email, "type": "work", "primary": True}],
        "active": account.active,
        "groups": [
            {"value": unit.unit_id, "$ref": f"{base}/Groups/{unit.unit_id}", "display": unit.name}
            for unit in account.units
        ],
        STAFF: {"kana": account.kana},
        "meta": {
            "resourceType": "User",
            "location": f"{base}/Users/{account.staff_id}",
            "version": etag(account.version),
        },
    }


def external_id(body: Mapping[str, Any]) -> str:
    """The personnel number of a new User. INVALID_FIELDS without one."""
    for path, value in members(body):
        if path == "externalid" and isinstance(value, str) and value:
            return value
    raise invalid("externalId", "REQUIRED")


def fields_of(body: Mapping[str, Any], staff_id: str) -> AccountFields:
    """What a User to create or to put says. SCIM_MUTABILITY for another id, INVALID_FIELDS for a wrong type."""
    if USER not in listed(body.get("schemas")):
        raise refusal("SCIM_SYNTAX")
    return _fields([Operation("replace", path, value, named=False) for path, value in members(body)], staff_id)


def fields_of_patch(body: Mapping[str, Any], staff_id: str) -> AccountFields:
    """What a PatchOp says; later operations win. SCIM_PATH for a path of no schema."""
    return _fields(operations(body), staff_id)


def _fields(done: list[Operation], staff_id: str) -> AccountFields:
    found: dict[str, Any] = {}
    for one in done:
        path = "emails.value" if _EMAIL.fullmatch(one.path) else one.path
        value = "" if one.op == "remove" else one.value
        if value is None:
            continue
        if path == "externalid" or (path == "id" and one.named):
            if value != staff_id:
                raise refusal("SCIM_MUTABILITY")
        elif path in _TEXTS:
            found[_TEXTS[path]] = _text(path, value)
        elif path == "emails":
            found["email"] = "" if value == "" else _email(value)
        elif path == "active":
            found["active"] = _boolean(value)
        elif one.named and path in _READ_ONLY:
            raise refusal("SCIM_MUTABILITY")
        elif one.named and not _is_not_kept(path):
            raise refusal("SCIM_PATH")
    whole = [found.pop(name, None) for name in ("display_name", "formatted")]
    name = next((one for one in whole if one is not None), None)
    return AccountFields(**found) if name is None else AccountFields(name=name, **found)


def _is_not_kept(path: str) -> bool:
    first = re.split(r"[\[.]", path, maxsplit=1)[0]
    return path in _NOT_KEPT or first in _NOT_KEPT - {"name"} or path.startswith(ENTERPRISE.lower())


def _text(path: str, value: Any) -> str:
    if not isinstance(value, str):
        raise invalid(path, "WRONG_TYPE")
    return value


def _email(value: Any) -> str:
    """The primary address, else the one for work, else the first."""
    given = value if isinstance(value, list) else [value]
    if not given or not all(isinstance(one, dict) and isinstance(one.get("value"), str) for one in given):
        raise invalid("emails", "WRONG_TYPE")
    best = next((one for one in given if one.get("primary") is True), None)
    best = best or next((one for one in given if one.get("type") == "work"), given[0])
    return str(best["value"])


def _boolean(value: Any) -> bool:
    """true, or "True" as some directories write it."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise invalid("active", "WRONG_TYPE")
    return value
