"""SCIM's messages ⇄ accounts and memberships, in the shapes that directories send. Pure."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given as given_by
from hypothesis import settings
from hypothesis import strategies as st
from starlette.requests import Request

from kanketsu.approvals.v1.provisioning_service_pb2 import Account, AccountFields, Member, Membership, UnitName
from services.gateway.errors import Refusal
from services.gateway.scim import discovery, groups, users
from services.gateway.scim.filters import terms
from services.gateway.scim.messages import (
    ENTERPRISE,
    GROUP,
    MEDIA_TYPE,
    PREFIX,
    STAFF,
    USER,
    body_of,
    expected_version,
)

URL = "https://bunsho.city.minoh.example"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def patch(*operations, **more):
    return {"schemas": [PATCH], "Operations": list(operations)} | more


def refused(do, *arguments):
    with pytest.raises(Refusal) as caught:
        do(*arguments)
    return caught.value.reason


def given(fields):
    return {descriptor.name: value for descriptor, value in fields.ListFields()}


# --- users -------------------------------------------------------------------------------------------


def test_an_account_as_a_user_and_back():
    account = Account(
        staff_id="S0072",
        login="katsuragi.takuya",
        name="葛󠄀城 拓也",
        kana="カツラギ タクヤ",
        email="k@minoh.example",
        active=True,
        units=[UnitName(unit_id="U-040-03", name="環境政策室")],
        version="0" * 32,
    )
    made = users.resource(account, URL)
    assert (made["id"], made["externalId"], made["userName"]) == ("S0072", "S0072", "katsuragi.takuya")
    assert made["name"] == {"formatted": "葛󠄀城 拓也", "familyName": "葛󠄀城", "givenName": "拓也"}
    assert made["groups"][0]["$ref"] == f"{URL}{PREFIX}/Groups/U-040-03"
    assert made["meta"]["version"] == f'W/"{"0" * 32}"'
    back = given(users.fields_of(made, "S0072"))
    for one in ("login", "name", "kana", "email", "active"):
        assert back[one] == getattr(account, one)


@pytest.mark.parametrize(
    "operations",
    [
        # Entra ID: capital letters, a path, and the word as a text.
        [{"op": "Replace", "path": "active", "value": "False"}],
        # Okta: no path.
        [{"op": "replace", "value": {"active": False}}],
        [{"op": "replace", "path": f"{USER}:active", "value": False}],
        [{"op": "add", "value": {f"{USER}:active": "false"}}],
        [{"op": "replace", "path": "active", "value": True}, {"op": "Add", "path": "ACTIVE", "value": "FALSE"}],
    ],
)
def test_leaving_in_every_shape(operations):
    """AC-16."""
    assert users.fields_of_patch(patch(*operations), "S1") == AccountFields(active=False)


def test_names_come_whole_or_in_halves():
    def entra(*pairs):
        return given(users.fields_of_patch(patch(*({"op": "Add", "path": p, "value": v} for p, v in pairs)), "S1"))

    assert entra(("name.familyName", "森")) == {"family_name": "森"}
    assert entra(("name.familyName", "森"), ("name.formatted", "森 葵")) == {"family_name": "森", "name": "森 葵"}
    assert entra(("displayName", "森　葵"), ("name.formatted", "葵 森"))["name"] == "森　葵"
    assert entra((f"{STAFF}:kana", "モリ アオイ"), ("userName", "mori.aoi")) == {
        "kana": "モリ アオイ",
        "login": "mori.aoi",
    }
    assert entra(('emails[type eq "work"].value', "a@minoh.example")) == {"email": "a@minoh.example"}
    flat = patch({"op": "replace", "value": {"name.givenName": "葵", "name": {"familyName": "森"}, "id": "S1"}})
    assert given(users.fields_of_patch(flat, "S1")) == {"given_name": "葵", "family_name": "森"}


def test_what_nobody_keeps_is_ignored():
    body = {
        "schemas": [USER, ENTERPRISE],
        "userName": "mori.aoi",
        "externalId": "S1",
        "displayName": "森 葵",
        "title": "主任",
        "password": "himitsu",
        "roles": [{"value": "audit_officer"}],
        "phoneNumbers": None,
        "emails": [{"value": "home@x.example", "type": "home"}, {"value": "w@x.example", "type": "work"}],
        ENTERPRISE: {"department": "環境政策室"},
        "favouriteColour": "青",
        "meta": {"version": "x"},
    }
    assert users.external_id(body) == "S1"
    assert given(users.fields_of(body, "S1")) == {"login": "mori.aoi", "name": "森 葵", "email": "w@x.example"}
    ignored = patch(
        {"op": "add", "path": f"{ENTERPRISE}:department", "value": "環境政策室"},
        {"op": "replace", "path": 'phoneNumbers[type eq "work"].value', "value": "072"},
        {"op": "remove", "path": "title"},
        {"op": "replace", "path": "id", "value": "S1"},
    )
    assert given(users.fields_of_patch(ignored, "S1")) == {}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"schemas": [PATCH]}, "SCIM_SYNTAX"),
        ({"schemas": [USER], "Operations": [{"op": "add", "path": "active", "value": True}]}, "SCIM_SYNTAX"),
        (patch({"op": "move", "path": "active", "value": False}), "SCIM_SYNTAX"),
        (patch({"op": "remove"}), "SCIM_SYNTAX"),
        (patch({"op": "remove", "value": {"active": True}}), "SCIM_SYNTAX"),
        (patch({"op": "add", "value": "active"}), "SCIM_SYNTAX"),
        (patch("active"), "SCIM_SYNTAX"),
        (patch(*[{"op": "add", "path": "title", "value": "x"}] * 1001), "SCIM_SYNTAX"),
        (patch({"op": "add", "path": "favouriteColour", "value": "青"}), "SCIM_PATH"),
        (patch({"op": "add", "path": 7, "value": "青"}), "SCIM_PATH"),
        (patch({"op": "add", "path": f"title[{'x' * 1001}]", "value": "青"}), "SCIM_PATH"),
        (patch({"op": "replace", "path": "externalId", "value": "S2"}), "SCIM_MUTABILITY"),
        (patch({"op": "replace", "value": {"externalId": "S2"}}), "SCIM_MUTABILITY"),
        (patch({"op": "replace", "path": "groups", "value": []}), "SCIM_MUTABILITY"),
        (patch({"op": "replace", "path": "active", "value": 0}), "INVALID_FIELDS"),
        (patch({"op": "remove", "path": "active"}), "INVALID_FIELDS"),
        (patch({"op": "replace", "path": "userName", "value": ["a"]}), "INVALID_FIELDS"),
        (patch({"op": "replace", "path": "emails", "value": ["a@b"]}), "INVALID_FIELDS"),
        (patch({"op": "replace", "path": "emails", "value": []}), "INVALID_FIELDS"),
    ],
)
def test_wrong_operations_have_their_reason(body, reason):
    assert refused(users.fields_of_patch, body, "S1") == reason


@pytest.mark.parametrize("body", [{}, {"schemas": USER[:-1]}, {"schemas": [GROUP]}, {"schemas": None}])
def test_a_user_says_what_it_is(body):
    assert refused(users.fields_of, body | {"userName": "x"}, "S1") == "SCIM_SYNTAX"


def test_a_new_user_has_a_personnel_number():
    for wrong in ({}, {"externalId": ""}, {"externalId": None}, {"externalId": 7}):
        assert refused(users.external_id, {"schemas": [USER], "userName": "x"} | wrong) == "INVALID_FIELDS"


# --- groups ------------------------------------------------------------------------------------------


def wish(*operations):
    made = groups.wish_of_patch(patch(*operations), "U1")
    return made.join, made.leave, made.replace


def one(staff_id):
    return {"value": staff_id}


def test_a_unit_as_a_group():
    unit = Membership(unit_id="U1", name="環境政策室", members=[Member(staff_id="S1", name="森 葵")], version="a" * 32)
    made = groups.resource(unit, URL)
    assert (made["id"], made["displayName"], made["members"][0]["value"]) == ("U1", "環境政策室", "S1")
    back = groups.wish_of(made, "U1")
    assert (back.join, back.replace, back.named) == ({"S1"}, True, ["環境政策室"])


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "Add", "path": "members", "value": [one("S1"), one("S2")]}], ({"S1", "S2"}, set(), False)),
        ([{"op": "add", "value": {"members": [one("S1")]}}], ({"S1"}, set(), False)),
        ([{"op": "add", "path": f"{GROUP}:members", "value": one("S1")}], ({"S1"}, set(), False)),
        ([{"op": "Remove", "path": "members", "value": [one("S1")]}], (set(), {"S1"}, False)),
        ([{"op": "remove", "path": 'members[value eq "S1"]'}], (set(), {"S1"}, False)),
        ([{"op": "remove", "path": "members"}], (set(), set(), True)),
        ([{"op": "replace", "path": "members", "value": [one("S1")]}], ({"S1"}, set(), True)),
        (
            [
                {"op": "add", "path": "members", "value": [one("S1"), one("S2")]},
                {"op": "remove", "path": 'members[value eq "S1"]'},
                {"op": "remove", "path": "members", "value": [one("S3")]},
                {"op": "add", "path": "members", "value": [one("S3")]},
            ],
            ({"S2", "S3"}, {"S1"}, False),
        ),
        ([{"op": "replace", "value": {"id": "U1", "displayName": "環境政策室"}}], (set(), set(), False)),
    ],
)
def test_members_in_every_shape(operations, expected):
    assert wish(*operations) == expected


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ({"op": "replace", "path": "externalId", "value": "U2"}, "SCIM_MUTABILITY"),
        ({"op": "remove", "path": "externalId"}, "SCIM_MUTABILITY"),
        ({"op": "remove", "path": "displayName"}, "SCIM_MUTABILITY"),
        ({"op": "remove", "path": "displayName", "value": "環境政策室"}, "SCIM_MUTABILITY"),
        ({"op": "remove", "path": 'members[value eq "\\ud800"]'}, "SCIM_PATH"),
        ({"op": "add", "path": "owners", "value": [one("S1")]}, "SCIM_PATH"),
        ({"op": "replace", "path": 'members[value eq "S1"]', "value": one("S2")}, "SCIM_PATH"),
        ({"op": "remove", "path": 'members[value ne "S1"]'}, "SCIM_PATH"),
        ({"op": "add", "path": "members", "value": [{"value": "U2", "type": "Group"}]}, "INVALID_FIELDS"),
        ({"op": "add", "path": "members", "value": ["S1"]}, "INVALID_FIELDS"),
        ({"op": "add", "path": "members", "value": [{"value": {"$ne": ""}}]}, "INVALID_FIELDS"),
        ({"op": "add", "path": "members"}, "INVALID_FIELDS"),
    ],
)
def test_what_is_no_member_is_refused(operation, reason):
    assert refused(groups.wish_of_patch, patch(operation), "U1") == reason


@pytest.mark.parametrize("body", [{}, {"schemas": [USER]}, {"schemas": None}])
def test_a_group_says_what_it_is(body):
    assert refused(groups.wish_of, body | {"members": [one("S1")]}, "U1") == "SCIM_SYNTAX"


def test_a_put_without_members_says_nothing_of_them():
    made = groups.wish_of({"schemas": [GROUP], "displayName": "環境政策室"}, "U1")
    assert (made.join, made.leave, made.replace) == (set(), set(), False)


NAMES = st.sampled_from(
    [
        *("op", "path", "value", "Operations", "schemas", "active", "members", "name", "emails", "userName", "type"),
        *(
            USER,
            GROUP,
            STAFF,
            PATCH,
            "externalId",
            "displayName",
            'members[value eq "S1"]',
            "emails[x].value",
            "primary",
        ),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | NAMES | st.sampled_from(["add", "remove"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given_by(st.lists(st.dictionaries(st.sampled_from(["op", "path", "value"]), JSON), max_size=3), JSON, st.booleans())
@settings(max_examples=300)
def test_whatever_is_sent_is_a_message_or_a_refusal(operations, other, is_user):
    """Never an error of ours."""
    core = USER if is_user else GROUP
    of, of_patch = (users.fields_of, users.fields_of_patch) if is_user else (groups.wish_of, groups.wish_of_patch)
    bodies = [patch(*operations), {"schemas": other, "Operations": other}, {"schemas": [core], "name": other}]
    bodies += [{"schemas": [core]} | other] if isinstance(other, dict) else []
    for body in bodies:
        for read in (of, of_patch):
            with contextlib.suppress(Refusal):
                read(body, "S1")


# --- filters and what is told ------------------------------------------------------------------------

KNOWN = {"username", "externalid", "active"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('userName eq "mori.aoi"', {"username": "mori.aoi"}),
        ('USERNAME EQ "mori \\"葵\\" and x"', {"username": 'mori "葵" and x'}),
        (f'{USER}:userName eq "a" And active eq TRUE', {"username": "a", "active": "true"}),
        ("  active   eq false ", {"active": "false"}),
    ],
)
def test_filters_that_directories_send(text, expected):
    assert terms(text, KNOWN) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "   ", "userName", 'userName eq ""', "userName eq mori", 'userName co "a"', 'userName eq "a'),
        *('password eq "x"', 'userName eq "a" or active eq true', 'userName eq "a" and', "not (active eq true)"),
        *('active eq "true"', "userName eq true", 'userName eq "a" userName eq "b"', 'userName eq "\\ud800"'),
        *('userName eq "a" and userName eq "b"', "userName eq '1' or 1=1 --", 'userName eq "a\nb"'),
        *('userName eq "a" active eq true', 'userName eq "a" and '),
        'userName eq "' + "x" * 2000 + '"',
        "(" * 100_000,
        'userName eq "a" and ' * 5000,
    ],
)
def test_everything_else_is_refused_and_never_guessed(text):
    assert refused(terms, text, KNOWN) == "SCIM_FILTER"


def sent(body=b"", **headers):
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]

    async def receive():
        return {"type": "http.request", "body": body}

    return Request({"type": "http", "method": "PATCH", "path": "/", "query_string": b"", "headers": raw}, receive)


def test_a_tag_that_is_none_of_ours_is_no_version():
    """Whoever sends one wants a condition kept: without it the change would always be made."""
    assert expected_version(sent()) == expected_version(sent(if_match="*")) == ""
    assert expected_version(sent(if_match=f'W/"{"a" * 32}"')) == "a" * 32
    for wrong in ("", "x", f'"{"a" * 31}"', f'"{"A" * 32}"', f'"{"a" * 32}", "{"b" * 32}"'):
        assert refused(expected_version, sent(if_match=wrong)) == "STALE_VERSION"


@pytest.mark.parametrize(
    ("body", "media_type", "reason"),
    [
        (b"{}", "text/plain", "UNSUPPORTED_MEDIA_TYPE"),
        *((body, MEDIA_TYPE, "MALFORMED_BODY") for body in (b"", b"[]", b"null", b"\xff", b"[" * 100_000)),
        (b'{"x": NaN}', "application/json", "MALFORMED_BODY"),
        (b'{"x": "\\ud800"}', "application/json", "MALFORMED_BODY"),
    ],
)
async def test_what_is_no_json_object_is_refused(body, media_type, reason):
    with pytest.raises(Refusal) as caught:
        await body_of(sent(body, content_type=media_type))
    assert caught.value.reason == reason


def test_every_attribute_that_is_told_is_answered():
    account, unit = users.resource(Account(), URL), groups.resource(Membership(), URL)
    for schema in discovery.schemas(URL):
        shown = {USER: account, GROUP: unit, STAFF: account[STAFF]}[schema["id"]]
        assert {attribute["name"] for attribute in schema["attributes"]} <= set(shown)
    assert [one["endpoint"] for one in discovery.resource_types(URL)] == ["/Users", "/Groups"]
