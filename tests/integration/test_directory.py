"""AC-16 over SCIM: a city's directory at the running system. People of its own come, move, and are gone at the end."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from deploy.walkthrough.client import Person
from tests.conftest import City, access_record
from tests.patience import until

pytestmark = pytest.mark.system

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
STAFF = "urn:kanketsu:params:scim:schemas:extension:staff:2.0:User"
OFFICE, OTHER = "U-040-03", "U-050-02"


def token(city: City, **claims: Any) -> str:
    """An access token as the city's issuer signs it."""
    key = RSAKey.import_key((city.stack.keys.folder / "oidc-signing-key.pem").read_bytes())
    good = {
        "iss": city.stack.issuer,
        "sub": "entra-provisioning",
        "aud": "kanketsu-scim",
        "exp": int(time.time()) + 600,
    }
    header = {"alg": "RS256", "typ": "at+jwt", "kid": key.thumbprint()}
    return jwt.encode(header, good | {"jti": uuid.uuid4().hex} | claims, key)


class Scim:
    """A program of the directory at one replica."""

    def __init__(self, url: str, bearer: str) -> None:
        headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/scim+json"}
        self.http = httpx2.Client(base_url=f"{url}/scim/v2", headers=headers, timeout=30)

    def __call__(self, method: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        answer = self.http.request(method, path, json=body, headers=headers)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        if answer.content:
            assert answer.headers["content-type"] == "application/scim+json"
        return answer.json() if answer.content else answer

    def patch(self, path: str, *operations: dict[str, Any], status: int = 200, **headers: str) -> Any:
        return self("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)}, status, **headers)

    def new(self, staff_id: str, login: str, **more: Any) -> dict[str, Any]:
        body = {
            "schemas": [USER, STAFF],
            "externalId": staff_id,
            "userName": login,
            "name": {"familyName": "新井", "givenName": "葵"},
            "emails": [{"value": f"{login}@city.minoh.example", "type": "work", "primary": True}],
            "active": True,
            STAFF: {"kana": "アライ アオイ"},
        }
        made: dict[str, Any] = self("POST", "/Users", body | more, 201)
        return made

    def leave(self, staff_id: str) -> None:
        self("DELETE", f"/Users/{staff_id}", status=204)


@pytest.fixture(scope="module")
def scim(city: City) -> Iterator[Scim]:
    program = Scim(city.stack.gateway_urls[0], token(city, roles=["directory_writer"]))
    yield program
    program.http.close()


@pytest.fixture
def newcomer(scim: Scim) -> Iterator[tuple[str, str]]:
    """(personnel number, login) of a person who is on the staff for this test."""
    staff_id, login = f"D{uuid.uuid4().hex[:8]}", f"arai.{uuid.uuid4().hex[:8]}"
    scim.new(staff_id, login)
    yield staff_id, login
    scim.leave(staff_id)


def member(staff_id: str) -> list[dict[str, str]]:
    return [{"value": staff_id}]


def log_of(city: City, **query: str) -> list[dict[str, Any]]:
    return list(city.person("auditor").items("/audit/entries", **query))


def test_a_persons_life_in_the_directory(city: City, scim: Scim) -> None:
    """Comes, joins, sees the unit's documents; moves, sees them no more; leaves, and nothing opens at once (AC-05, AC-16)."""
    document_id, _ = city.circulating()
    staff_id, login = f"D{uuid.uuid4().hex[:8]}", f"arai.{uuid.uuid4().hex[:8]}"
    made = scim.new(staff_id, login)
    assert (made["id"], made["displayName"], made["active"], made["groups"]) == (staff_id, "新井 葵", True, [])
    assert made["meta"]["location"].endswith(f"/scim/v2/Users/{staff_id}")
    # The second replica hears of every change from the broker.
    replicas = [
        Person(url, login, token=token(city, sub=login, aud="kanketsu-api")) for url in city.stack.gateway_urls[:2]
    ]

    def statuses() -> list[int]:
        return [one.http.get(f"/api/v1/documents/{document_id}").status_code for one in replicas]

    assert statuses() == [404, 404]
    scim.patch(f"/Groups/{OFFICE}", {"op": "Add", "path": "members", "value": member(staff_id)}, status=204)
    until(lambda: statuses() == [200, 200])
    shown = scim("GET", f"/Users/{staff_id}")
    assert [(one["value"], one["display"]) for one in shown["groups"]] == [(OFFICE, "環境政策室")]

    scim.patch(f"/Groups/{OTHER}", {"op": "add", "value": {"members": member(staff_id)}}, status=204)
    scim.patch(f"/Groups/{OFFICE}", {"op": "remove", "path": f'members[value eq "{staff_id}"]'}, status=204)
    assert replicas[0].http.get(f"/api/v1/documents/{document_id}").status_code == 404, "at once at this replica"
    until(lambda: statuses() == [404, 404])
    (post,) = replicas[0].get("/me")["posts"]
    assert (post["unit_id"], post["kind"]) == (OTHER, "main")

    over = scim.patch(f"/Users/{staff_id}", {"op": "Replace", "path": "active", "value": "False"})
    assert (over["active"], over["groups"]) == (False, [])
    assert replicas[0].http.get("/api/v1/me").json()["reason"] == "UNKNOWN_STAFF", "at once"
    until(lambda: statuses() == [403, 403])
    assert staff_id not in [one["value"] for one in scim("GET", f"/Groups/{OTHER}")["members"]]
    # Who held what, and everything that was done, stands for ever; by number, never by name.
    told = until(
        lambda: (lambda found: found if len(found) >= 5 else None)(
            [one for one in log_of(city, actor="service:directory") if one["detail"].get("about") == staff_id]
        )
    )
    assert [one["action"] for one in reversed(told)] == [
        *("account.begun", "membership.begun", "membership.begun", "membership.ended", "account.ended"),
    ]
    assert not [one for one in told if "新井" in str(one) or login in str(one)]
    for one in replicas:
        one.http.close()


def test_a_session_ends_with_the_account_and_does_not_come_back(city: City, scim: Scim) -> None:
    """A login known to the local provider is lent to a newcomer, who logs in as in a browser."""
    lender, login = "S0230", "directory.lender"
    kept = scim("GET", f"/Users/{lender}")
    staff_id = f"D{uuid.uuid4().hex[:8]}"
    scim.patch(f"/Users/{lender}", {"op": "replace", "path": "userName", "value": login})
    try:
        scim.new(staff_id, kept["userName"])
        with Person(city.stack.gateway_urls[0], "newcomer") as browser:
            browser.log_in(kept["userName"])
            assert browser.get("/me")["staff_id"] == staff_id
            scim.leave(staff_id)
            assert browser.http.get("/api/v1/me").status_code == 403
            back = scim.patch(f"/Users/{staff_id}", {"op": "replace", "value": {"active": True}})
            assert (back["active"], back["groups"]) == (True, [])
            answer = browser.http.get("/api/v1/me")
            assert (answer.status_code, answer.json()["reason"]) == (401, "SIGN_IN_REQUIRED")
            scim.leave(staff_id)
    finally:
        scim.patch(f"/Users/{lender}", {"op": "replace", "path": "userName", "value": kept["userName"]})


def test_the_same_again_changes_nothing_and_says_nothing(city: City, scim: Scim, newcomer: tuple[str, str]) -> None:
    staff_id, _ = newcomer
    put = scim("GET", f"/Users/{staff_id}") | {"displayName": "荒井 葵"}
    first = scim("PUT", f"/Users/{staff_id}", put)
    assert scim("PUT", f"/Users/{staff_id}", put) == first
    join = {"op": "add", "path": "members", "value": member(staff_id)}
    etags = {scim.patch(f"/Groups/{OFFICE}", join, status=204).headers["etag"] for _ in range(2)}
    assert etags == {scim("GET", f"/Groups/{OFFICE}")["meta"]["version"]}
    whole = scim("GET", f"/Groups/{OFFICE}")
    assert scim("PUT", f"/Groups/{OFFICE}", whole)["members"] == whole["members"], "the heads stay, too"
    told = until(
        lambda: (lambda found: found if len(found) >= 3 else None)(
            [one for one in log_of(city, actor="service:directory") if one["detail"].get("about") == staff_id]
        )
    )
    assert [one["action"] for one in reversed(told)] == ["account.begun", "account.changed", "membership.begun"]


def test_etags_uniqueness_and_absence(scim: Scim, newcomer: tuple[str, str]) -> None:
    staff_id, login = newcomer
    answer = scim.http.get(f"/Users/{staff_id}")
    tag = answer.headers["etag"]
    assert tag == answer.json()["meta"]["version"]
    assert scim.http.get(f"/Users/{staff_id}", headers={"If-None-Match": tag}).status_code == 304
    rename = {"op": "replace", "path": "name.givenName", "value": "蒼"}
    assert scim.patch(f"/Users/{staff_id}", rename, **{"If-Match": tag})["displayName"] == "新井 蒼"
    stale = scim.patch(f"/Users/{staff_id}", rename, status=412, **{"If-Match": tag})
    assert stale["status"] == "412"
    for twice in (staff_id, f"D{uuid.uuid4().hex[:8]}"):
        body = {"schemas": [USER], "externalId": twice, "userName": login, "displayName": "森 葵"}
        body["emails"] = [{"value": "a@city.minoh.example"}]
        error = scim("POST", "/Users", body, 409)
        assert (error["scimType"], error["status"], bool(error["detail"])) == ("uniqueness", "409", True)
    for path in ("/Users/D-nobody", "/Groups/U-999", "/Users/%00", "/Nothing", "/Schemas/urn:x"):
        error = scim("GET", path, status=404)
        assert error["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]


def test_lists_filters_and_pages(scim: Scim, newcomer: tuple[str, str]) -> None:
    staff_id, login = newcomer

    def ids(path: str, **params: Any) -> tuple[list[str], int]:
        answer = scim.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["itemsPerPage"] == len(found["Resources"])
        return [one["id"] for one in found["Resources"]], found["totalResults"]

    for text in (f'userName eq "{login}"', f'externalId eq "{staff_id}" and active eq true', f'id eq "{staff_id}"'):
        assert ids("/Users", filter=text) == ([staff_id], 1)
    assert ids("/Users", filter=f'userName eq "{login}" and active eq false') == ([], 0)
    assert ids("/Groups", filter='displayName eq "環境政策室"') == ([OFFICE], 1)
    assert ids("/Groups", filter='members eq "S0072"', excludedAttributes="members") == ([OFFICE], 1)
    first, total = ids("/Users", count=3)
    second, _ = ids("/Users", startIndex=4, count=3)
    assert (len(first), len(second), set(first) & set(second)) == (3, 3, set())
    assert ids("/Users", startIndex=total + 1) == ([], total)
    assert ids("/Users", startIndex=2**40, count=0) == ([], total)
    assert ids("/Users", startIndex=-5, count=10**6)[0][:3] == first
    group = scim.http.get(f"/Groups/{OFFICE}", params={"excludedAttributes": "members"}).json()
    assert ("members" in group, group["displayName"]) == (False, "環境政策室")
    user = scim.http.get(f"/Users/{staff_id}", params={"attributes": "userName,name.familyName"}).json()
    assert set(user) == {"schemas", "id", "userName", "name"}
    config = scim("GET", "/ServiceProviderConfig")
    assert (config["patch"]["supported"], config["bulk"]["supported"]) == (True, False)
    assert scim("GET", "/Schemas")["totalResults"] == 3
    assert scim("GET", "/ResourceTypes/Group")["endpoint"] == "/Groups"


def test_units_and_deciding_posts_are_personnels(scim: Scim, newcomer: tuple[str, str]) -> None:
    staff_id, _ = newcomer
    before = scim("GET", f"/Groups/{OFFICE}")
    body = {"schemas": [GROUP], "displayName": "新設室", "members": member(staff_id)}
    assert "組織改編" in scim("POST", "/Groups", body, 403)["detail"]
    scim("DELETE", f"/Groups/{OFFICE}", status=403)
    error = scim.patch(f"/Groups/{OFFICE}", {"op": "replace", "value": {"displayName": "別の室"}}, status=400)
    assert error["scimType"] == "mutability"
    head = {"op": "remove", "path": 'members[value eq "S0068"]'}
    error = scim.patch(f"/Groups/{OFFICE}", head, status=400)
    assert (error["scimType"], "人事" in error["detail"]) == ("mutability", True)
    assert scim("GET", f"/Groups/{OFFICE}") == before


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({}, 403),
        ({"roles": ["records_officer", "system_admin"], "scope": "openid profile"}, 403),
        ({"roles": ["directory_writer"], "aud": "kanketsu-api"}, 401),
        ({"scope": "directory_writer", "exp": 1}, 401),
        ({"scope": "directory_writer", "iss": "https://login.city.ikeda.example"}, 401),
    ],
)
def test_without_the_audience_and_the_role_nobody_gets_in(city: City, claims: dict[str, Any], status: int) -> None:
    """SC-01: and each refusal is in the log before it is told."""
    program = Scim(city.stack.gateway_urls[0], token(city, **claims))
    before = len(log_of(city, actor="unknown", action="session.denied"))
    for method, path in (("GET", "/Users"), ("DELETE", "/Users/S0072"), ("GET", "/Schemas"), ("POST", "/Groups")):
        error = program(method, path, status=status)
        assert error["status"] == str(status)
    program.http.close()
    until(lambda: len(log_of(city, actor="unknown", action="session.denied")) >= before + 4)


def test_the_directorys_token_opens_nothing_else(city: City, scim: Scim) -> None:
    bearer = scim.http.headers["authorization"]
    answer = httpx2.get(f"{city.stack.gateway_urls[0]}/api/v1/staff", headers={"Authorization": bearer})
    assert (answer.status_code, answer.json()["reason"]) == (401, "TOKEN_INVALID")
    clerk = Scim(city.stack.gateway_urls[0], city.stack.access_token("katsuragi.takuya"))
    clerk("GET", "/Users", status=401)
    clerk.http.close()


def test_hostile_input_gets_a_clear_error_and_changes_nothing(scim: Scim, newcomer: tuple[str, str]) -> None:
    staff_id, _ = newcomer
    before = scim("GET", f"/Users/{staff_id}"), scim("GET", f"/Groups/{OFFICE}")
    many = [{"value": f"X{number}"} for number in range(10_000)]
    for operation in (
        {"op": "add", "path": "members", "value": many},
        {"op": "replace", "path": "members", "value": many},
        {"op": "add", "path": "members", "value": member("S0072'; DROP TABLE staff; --")},
        {"op": "add", "path": "members", "value": member("S00\x0072")},
        {"op": "add", "path": "members", "value": member("S9999")},
        {"op": "remove", "path": 'members[value eq "' + "x" * 900 + '" or true]'},
    ):
        assert scim.patch(f"/Groups/{OFFICE}", operation, status=400)["scimType"] in ("invalidValue", "invalidPath")
    for name in ("長" * 10_000, "改\x00ざん", "", "改\n行", ["配列"], {"値": 1}, 7):
        wrong = {"op": "replace", "path": "displayName", "value": name}
        assert scim.patch(f"/Users/{staff_id}", wrong, status=400)["scimType"] == "invalidValue"
    for service in ("service:gateway", "unknown/../S0072", "S" * 65):
        body = {"schemas": [USER], "externalId": service, "userName": service, "displayName": "影"}
        assert scim("POST", "/Users", body | {"emails": [{"value": "a@b.example"}]}, 400)["scimType"] == "invalidValue"
    for text in ("userName eq '1' or 1=1 --", "(" * 5000, 'userName eq "a" and ' * 500, 'userName sw "k"', ""):
        answer = scim.http.get("/Users", params={"filter": text})
        assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidFilter"), text
    for raw, status in (
        (b"{", 400),
        (b"[" * 100_000, 400),
        (b"[]", 400),
        (b'{"schemas": NaN}', 400),
        (b'{"x": "\\ud800"}', 400),
        (b"\xff\xfe", 400),
        (b" " * 2_000_000, 413),
    ):
        answer = scim.http.patch(f"/Users/{staff_id}", content=raw)
        assert answer.status_code == status, raw[:20]
        assert answer.json()["status"] == str(status)
    answer = scim.http.patch(f"/Users/{staff_id}", content=b"{}", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
    answer = scim.http.get("/Users", params={"startIndex": "x"})
    assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidValue")
    assert (scim("GET", f"/Users/{staff_id}"), scim("GET", f"/Groups/{OFFICE}")) == before


def test_reading_is_recorded(city: City, scim: Scim, newcomer: tuple[str, str]) -> None:
    """I1: by number of the person, with the digest of what was asked in a list."""
    staff_id, _ = newcomer
    record = scim.http.get(f"/Users/{staff_id}").headers["x-access-record"]
    listed = scim.http.get("/Users", params={"count": 2}).headers["x-access-record"]

    def records() -> set[str]:
        return {access_record(one) for one in log_of(city, actor="service:directory") if "seq" in one}

    until(lambda: {record, listed} <= records())
