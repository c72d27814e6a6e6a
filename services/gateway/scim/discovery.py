"""What of SCIM is here, as a directory asks for it: ServiceProviderConfig, ResourceTypes, Schemas (RFC 7643, 5 to 7)."""

from __future__ import annotations

from typing import Any, Final

from services.gateway.scim.messages import GROUP, PREFIX, STAFF, USER

MAX_PAGE: Final = 200
_CORE: Final = "urn:ietf:params:scim:schemas:core:2.0"


def service_provider(public_url: str) -> dict[str, Any]:
    """Patch, filters and ETags; no bulk, no sorting, no passwords."""
    return {
        "schemas": [f"{_CORE}:ServiceProviderConfig"],
        "patch": {"supported": True},
        "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": MAX_PAGE},
        "changePassword": {"supported": False},
        "sort": {"supported": False},
        "etag": {"supported": True},
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "OAuth Bearer Token",
                "description": "An access token of the city's OIDC issuer, audience kanketsu-scim, role directory_writer.",
                "specUri": "https://www.rfc-editor.org/info/rfc6750",
                "primary": True,
            }
        ],
        "meta": _meta("ServiceProviderConfig", "/ServiceProviderConfig", public_url),
    }


def resource_types(public_url: str) -> list[dict[str, Any]]:
    """User and Group."""
    return [
        {
            "schemas": [f"{_CORE}:ResourceType"],
            "id": "User",
            "name": "User",
            "endpoint": "/Users",
            "description": "職員",
            "schema": USER,
            "schemaExtensions": [{"schema": STAFF, "required": False}],
            "meta": _meta("ResourceType", "/ResourceTypes/User", public_url),
        },
        {
            "schemas": [f"{_CORE}:ResourceType"],
            "id": "Group",
            "name": "Group",
            "endpoint": "/Groups",
            "description": "所属",
            "schema": GROUP,
            "schemaExtensions": [],
            "meta": _meta("ResourceType", "/ResourceTypes/Group", public_url),
        },
    ]


def schemas(public_url: str) -> list[dict[str, Any]]:
    """The attributes that are kept, and no others."""
    return [
        _schema(
            USER,
            "User",
            "職員",
            [
                _attribute("userName", "OIDC のログイン", required=True, exact=True, uniqueness="server"),
                _attribute(
                    "externalId", "職員番号", required=True, exact=True, mutability="immutable", uniqueness="server"
                ),
                _attribute(
                    "name",
                    "氏名",
                    kind="complex",
                    parts=[
                        _attribute("formatted", "氏名"),
                        _attribute("familyName", "氏"),
                        _attribute("givenName", "名"),
                    ],
                ),
                _attribute("displayName", "氏名"),
                _attribute(
                    "emails",
                    "電子メールの宛先（一つ）",
                    kind="complex",
                    many=True,
                    parts=[
                        _attribute("value", "宛先"),
                        _attribute("type", "work", mutability="readOnly"),
                        _attribute("primary", "true", kind="boolean", mutability="readOnly"),
                    ],
                ),
                _attribute("active", "在職。false は退職：アカウント、職、役割がその日に終わる", kind="boolean"),
                _attribute(
                    "groups",
                    "職に就いている所属",
                    kind="complex",
                    many=True,
                    mutability="readOnly",
                    parts=[
                        _attribute("value", "所属の番号", mutability="readOnly", exact=True),
                        _attribute("$ref", "所属", kind="reference", mutability="readOnly", refers=["Group"]),
                        _attribute("display", "所属の名称", mutability="readOnly"),
                    ],
                ),
            ],
            public_url,
        ),
        _schema(
            GROUP,
            "Group",
            "所属",
            [
                _attribute("displayName", "所属の名称", mutability="readOnly"),
                _attribute("externalId", "所属の番号", mutability="readOnly", exact=True, uniqueness="server"),
                _attribute(
                    "members",
                    "職に就いている職員。加わる人は係員になる",
                    kind="complex",
                    many=True,
                    parts=[
                        _attribute("value", "職員番号", mutability="immutable", exact=True),
                        _attribute("$ref", "職員", kind="reference", mutability="immutable", refers=["User"]),
                        _attribute("display", "氏名", mutability="readOnly"),
                        _attribute("type", "User", mutability="immutable"),
                    ],
                ),
            ],
            public_url,
        ),
        _schema(STAFF, "Staff", "氏名の読み", [_attribute("kana", "氏名の読み")], public_url),
    ]


def _schema(
    schema: str, name: str, description: str, attributes: list[dict[str, Any]], public_url: str
) -> dict[str, Any]:
    return {
        "schemas": [f"{_CORE}:Schema"],
        "id": schema,
        "name": name,
        "description": description,
        "attributes": attributes,
        "meta": _meta("Schema", f"/Schemas/{schema}", public_url),
    }


def _attribute(
    name: str,
    description: str,
    *,
    kind: str = "string",
    many: bool = False,
    required: bool = False,
    exact: bool = False,
    mutability: str = "readWrite",
    uniqueness: str = "none",
    parts: list[dict[str, Any]] | None = None,
    refers: list[str] | None = None,
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": name,
        "type": kind,
        "multiValued": many,
        "description": description,
        "required": required,
        "caseExact": exact,
        "mutability": mutability,
        "returned": "default",
        "uniqueness": uniqueness,
    }
    if parts is not None:
        made["subAttributes"] = parts
    if refers is not None:
        made["referenceTypes"] = refers
    return made


def _meta(kind: str, path: str, public_url: str) -> dict[str, Any]:
    return {"resourceType": kind, "location": f"{public_url.rstrip('/')}{PREFIX}{path}"}
