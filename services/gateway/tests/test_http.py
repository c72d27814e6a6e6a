"""The gateway in front of a running city: who gets in, what leaves, and what is refused before it is read."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import uuid
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import nats
import psycopg
import pytest
import pytest_asyncio

from deploy.walkthrough.client import LoginFailed, Person
from services.gateway.api.shapes.audit import EntryList, ProvenEntry, SourceList
from services.gateway.api.shapes.cases import Inbox
from services.gateway.api.shapes.documents import DocumentList, DocumentRead, History, ViewerList
from services.gateway.api.shapes.filing import ClassList, FolderList
from services.gateway.api.shapes.organisation import Me, PostList, StaffList, UnitList
from services.gateway.signin import REFUSALS_PER_MINUTE

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[3]

CLERK = "katsuragi.takuya"
STRANGER = "hiramatsu.megumi"
AUDITOR = "ogino.yumi"


@pytest.fixture(scope="module")
def bearer(city):
    return {"Authorization": f"Bearer {city.access_token(CLERK)}"}


@pytest_asyncio.fixture
async def http(city, bearer):
    """A program of the clerk at the running gateway."""
    async with httpx2.AsyncClient(base_url=city.url, headers=bearer, timeout=20) as client:
        yield client


@pytest.fixture
def browser(city):
    """The clerk's browser after login: cookies, no token."""
    with Person(city.url, "clerk") as person:
        person.log_in(CLERK)
        person.http.headers.pop("Origin")
        yield person.http


async def records_of(city, count, **query):
    """At least `count` entries of the log, newest first, as the audit officer reads them."""
    headers = {"Authorization": f"Bearer {city.access_token(AUDITOR)}"}
    async with httpx2.AsyncClient(base_url=city.url, headers=headers, timeout=20) as auditor:
        for _ in range(100):
            answer = await auditor.get("/api/v1/audit/entries", params=query)
            assert answer.status_code == 200, answer.text
            if len(answer.json()["items"]) >= count:
                return answer.json()["items"]
            await asyncio.sleep(0.05)
    raise AssertionError(f"fewer than {count} records of {query}")


# --- headers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/healthz", "/api/v1/me", "/api/v1/nothing", "/login", "/log/checkpoint", "/static/app.css", "/"]
)
async def test_every_answer_carries_the_headers_of_a_closed_house(http, path):
    answer = await http.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "object-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "server" not in answer.headers
    assert "x-powered-by" not in answer.headers


async def test_over_https_the_cookie_is_bound_to_the_host_and_https_stays(gateway):
    async with gateway(public_url="https://bunsho.city.minoh.example") as http:
        answer = await http.get("/login", params={"next": "/documents"})
        assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
        (cookie,) = answer.headers.get_list("set-cookie")
        assert cookie.startswith("__Host-login-")
        assert {"Secure", "HttpOnly", "Path=/"} <= {part.strip() for part in cookie.split(";")}
        assert "samesite=lax" in cookie.lower()
        assert "domain" not in cookie.lower()


async def test_the_trace_of_the_caller_goes_on(http):
    trace_id = uuid.uuid4().hex
    answer = await http.get("/api/v1/nothing", headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"})
    assert answer.json()["trace_id"] == trace_id
    assert re.fullmatch("[0-9a-f]{32}", (await http.get("/api/v1/nothing")).json()["trace_id"])


# --- who gets in -------------------------------------------------------------------------------------


async def test_without_a_login_programs_get_a_problem_and_people_the_login(city):
    async with httpx2.AsyncClient(base_url=city.url) as nobody:
        answer = await nobody.get("/api/v1/documents?state=drafting")
        assert (answer.status_code, answer.json()["reason"]) == (401, "SIGN_IN_REQUIRED")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        page = await nobody.get("/documents?state=drafting", headers={"Accept": "text/html"})
        assert page.status_code == 302
        assert parse_qs(urlsplit(page.headers["location"]).query)["next"] == ["/documents?state=drafting"]


def test_a_browser_logs_in_works_and_logs_out(city):
    with Person(city.url, "clerk") as person:
        person.log_in(CLERK)
        cookie = person.http.cookies["sid"]
        assert person.get("/me")["staff_id"] == "S0072"
        page = person.http.get("/", headers={"Accept": "text/html"})
        token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]
        answer = person.http.post("/logout", data={"csrf_token": token})
        assert answer.status_code == 302
        assert answer.headers["location"].startswith(city.issuer)
        person.http.cookies.set("sid", cookie)
        answer = person.http.get("/api/v1/me")
        assert (answer.status_code, answer.json()["reason"]) == (401, "SIGN_IN_REQUIRED")


def test_a_login_replaces_the_session_before_it(city):
    """A cookie planted before the login is worth nothing afterwards."""
    with Person(city.url, "clerk") as person:
        person.log_in(CLERK)
        before = person.http.cookies["sid"]
        person.log_in(CLERK)
        after = person.http.cookies["sid"]
        assert before != after
    assert httpx2.get(f"{city.url}/api/v1/me", cookies={"sid": before}).status_code == 401
    assert httpx2.get(f"{city.url}/api/v1/me", cookies={"sid": after}).status_code == 200


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "/\\evil.example", "x", "/\n/evil"])
def test_a_login_never_leads_elsewhere(city, target):
    with Person(city.url, "clerk") as person:
        answer = person.http.get("/login", params={"next": target})
        assert answer.status_code == 302
        assert urlsplit(answer.headers["location"]).netloc == urlsplit(city.issuer).netloc
        person.http.headers.pop("Origin")
        person.log_in(CLERK)
    assert answer.status_code == 302


async def test_an_answer_of_the_provider_that_nobody_asked_for_is_no_login(city):
    async with httpx2.AsyncClient(base_url=city.url) as nobody:
        answer = await nobody.get("/callback", params={"code": "stolen", "state": "x", "iss": city.issuer})
        assert (answer.status_code, answer.json()["reason"]) == (400, "LOGIN_FAILED")
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("authorization", ["Bearer x.y.z", "Basic a2F0c3VyYWdpOng=", "bearer", ""])
async def test_other_credentials_are_refused_and_a_cookie_does_not_help(city, browser, authorization):
    answer = browser.get("/api/v1/me", headers={"Authorization": authorization})
    assert (answer.status_code, answer.json()["reason"]) == (401, "TOKEN_INVALID")


# --- what is recorded --------------------------------------------------------------------------------


async def test_logins_logouts_and_refusals_are_in_the_log(city):
    """SC-01. The record is there when the browser gets its cookie."""
    with Person(city.url, "deputy") as person:
        person.log_in("yamasaki.yukiko")
        staff_id = person.get("/me")["staff_id"]
        (login, *_) = await records_of(city, 1, actor=staff_id, action="session.login")
        assert login["outcome"] == "granted"
        assert login["detail"]["method"] == "oidc"
        assert login["actor"]["terminal"] == "127.0.0.1"
        assert login["source"] == "gateway.gateway-1"
        answer = person.http.post("/api/v1/documents", json={}, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403
        (denied, *_) = await records_of(city, 1, actor=staff_id, action="request.denied")
        assert (denied["outcome"], denied["reason"]) == ("denied", "CROSS_SITE")
        page = person.http.get("/", headers={"Accept": "text/html"})
        token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]
        person.http.post("/logout", data={"csrf_token": token})
        (logout, *_) = await records_of(city, 1, actor=staff_id, action="session.logout")
        assert logout["object_id"] == login["object_id"] == login["actor"]["session_id"]


async def test_a_token_is_a_login_once(city):
    headers = {"Authorization": f"Bearer {city.access_token('kobayashi.miho')}"}
    async with httpx2.AsyncClient(base_url=city.url, headers=headers, timeout=20) as program:
        answers = await asyncio.gather(*(program.get("/api/v1/me") for _ in range(5)))
        assert {answer.status_code for answer in answers} == {200}
        staff_id = answers[0].json()["staff_id"]
    logins = await records_of(city, 1, actor=staff_id, action="session.login")
    assert [login["detail"]["method"] for login in logins] == ["bearer"]


async def test_a_forged_token_is_recorded_with_where_it_came_from(city):
    answer = httpx2.get(f"{city.url}/api/v1/me", headers={"Authorization": "Bearer x.y.z"})
    assert answer.status_code == 401
    (denied, *_) = await records_of(city, 1, actor="unknown", action="session.denied")
    assert (denied["reason"], denied["actor"]["terminal"]) == ("TOKEN_INVALID", "127.0.0.1")


async def test_other_networks_are_refused_and_the_refusal_is_recorded(city, gateway, bearer):
    """SC-21; health is open to the machinery."""
    async with gateway(bearer, allowed_networks="10.20.0.0/16,192.0.2.0/24") as http:
        assert (await http.get("/healthz")).status_code == 200
        for path in ("/api/v1/me", "/login", "/log/checkpoint", "/static/app.css"):
            answer = await http.get(path)
            assert (answer.status_code, answer.json()["reason"]) == (403, "NETWORK_NOT_ALLOWED"), path
        answer = await http.get("/scim/v2/Users")
        assert (answer.status_code, answer.json()["status"]) == (403, "403"), "in the form that SCIM gives its errors"
    (denied, *_) = await records_of(city, 1, actor="unknown", action="request.denied")
    assert denied["reason"] == "NETWORK_NOT_ALLOWED"
    async with gateway(bearer, allowed_networks="10.20.0.0/16,127.0.0.0/8") as http:
        assert (await http.get("/api/v1/me")).status_code == 200


async def test_who_is_refused_too_often_has_to_wait(gateway, bearer):
    """So that nobody without a login can fill the log."""
    async with gateway() as http:
        statuses = []
        for _ in range(REFUSALS_PER_MINUTE // 20 + 1):
            answers = await asyncio.gather(
                *(http.get("/api/v1/me", headers={"Authorization": "Bearer x"}) for _ in range(20))
            )
            statuses += [answer.status_code for answer in answers]
        assert statuses.count(401) == REFUSALS_PER_MINUTE
        assert set(statuses) == {401, 429}
        assert int(answers[-1].headers["retry-after"]) <= 61
        assert (await http.get("/api/v1/me", headers=bearer)).status_code == 200


async def test_without_the_log_nobody_gets_in_and_whoever_is_in_is_served_by_the_others(city, gateway):
    """SC-05: a login that cannot be recorded is none."""
    token = city.access_token("takahashi.seiji")
    async with gateway() as http:
        with Person(city.url, "head") as person:
            person.log_in("takahashi.seiji")
            cookies = dict(person.http.cookies)
            city.stop_one("audit-1")
            try:
                answer = await http.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})
                assert (answer.status_code, answer.json()["reason"]) == (503, "NOT_RECORDED")
                assert answer.headers["retry-after"]
                with Person(city.url, "deputy") as late, pytest.raises(LoginFailed, match="503"):
                    late.log_in("yamasaki.yukiko")
                # A session that stands is served: its accesses are recorded by the services themselves.
                assert (await http.get("/api/v1/inbox", headers={"Cookie": f"sid={cookies['sid']}"})).status_code == 200
            finally:
                city.start_one("audit-1")
        for url in ("", city.url):
            for _ in range(100):
                answer = await http.get(f"{url}/api/v1/me", headers={"Authorization": f"Bearer {token}"})
                if answer.status_code == 200:
                    break
                await asyncio.sleep(0.1)
            assert answer.status_code == 200


async def test_the_log_answers_what_this_unit_and_this_person_saw(city, http):
    """SC-06: by unit and by person, in the API and on the page, where people and acts have names."""
    document_id = await draft(http)
    me = (await http.get("/api/v1/me")).json()
    assert (await http.get(f"/api/v1/documents/{document_id}")).status_code == 200
    [viewed, *_] = await records_of(city, 1, document=document_id, action="document.viewed")
    unit, staff = viewed["actor"]["unit_id"], viewed["actor"]["staff_id"]
    assert staff == me["staff_id"]
    ours = await records_of(city, 1, unit=unit, action="document.viewed", outcome="granted")
    assert viewed["index"] in {one["index"] for one in ours}
    assert {one["actor"]["unit_id"] for one in ours} == {unit}
    assert viewed["index"] in {one["index"] for one in await records_of(city, 1, actor=staff, unit=unit)}
    assert await records_of(city, 0, unit=unit + "-99") == []
    with Person(city.url, "auditor") as auditor:
        auditor.log_in(AUDITOR)
        page = auditor.http.get("/audit", params={"unit": unit, "actor": staff, "document": document_id}).text
        other = auditor.http.get("/audit", params={"unit": unit + "-99", "document": document_id}).text
    assert document_id in page
    assert "閲覧" in page
    assert me["name"] in page
    assert f'/{viewed["index"]}">' in page
    assert f'/{viewed["index"]}">' not in other
    assert "条件に合う記録はありません。" in other


async def test_a_document_is_printed_from_a_page_of_its_own(city, http):
    """AC-15: recorded as printed before it is served, marked with person and time; the page to read stays off paper."""
    document_id = await draft(http)
    with Person(city.url, "clerk") as person:
        person.log_in(CLERK)
        page = person.http.get(f"/documents/{document_id}").text
        assert f'href="/documents/{document_id}/print"' in page
        assert '<div class="two-column no-print">' in page
        assert "print-mark" not in page
        assert await records_of(city, 0, document=document_id, action="document.printed") == []
        answer = person.http.get(f"/documents/{document_id}/print")
    assert answer.status_code == 200
    assert "two-column" not in answer.text
    me = (await http.get("/api/v1/me")).json()
    assert f'<p class="print-mark">印刷　{me["name"]}（{me["staff_id"]}）　令和' in answer.text
    [printed] = await records_of(city, 1, record=answer.headers["x-access-record"])
    assert (printed["action"], printed["object_id"]) == ("document.printed", document_id)
    assert printed["actor"]["staff_id"] == me["staff_id"]
    with Person(city.url, "stranger") as stranger:
        stranger.log_in(STRANGER)
        assert stranger.http.get(f"/documents/{document_id}/print").status_code == 404


# --- what answers look like --------------------------------------------------------------------------


async def test_answers_have_exactly_the_documented_members(city, http):
    """`views` and `shapes` say the same."""
    auditor = {"Authorization": f"Bearer {city.access_token(AUDITOR)}"}
    document_id = await draft(http)
    pairs = {
        "/me": Me,
        "/units": UnitList,
        "/posts": PostList,
        "/staff": StaffList,
        "/classes": ClassList,
        "/folders": FolderList,
        "/documents": DocumentList,
        f"/documents/{document_id}": DocumentRead,
        f"/documents/{document_id}/viewers": ViewerList,
        f"/documents/{document_id}/history": History,
        "/inbox": Inbox,
        "/audit/entries": EntryList,
        "/audit/entries/0": ProvenEntry,
        "/audit/sources": SourceList,
    }
    for path, shape in pairs.items():
        answer = await http.get(f"/api/v1{path}", headers=auditor if path.startswith("/audit") else {})
        assert answer.status_code == 200, answer.text
        same(answer.json(), shape.model_validate(answer.json()).model_dump(by_alias=True), path)


def same(given, documented, where):
    """Not a member more or less, at any depth."""
    if isinstance(documented, dict):
        assert given.keys() == documented.keys(), where
        for name in documented:
            same(given[name], documented[name], f"{where}.{name}")
    elif isinstance(documented, list):
        for one, other in zip(given, documented, strict=True):
            same(one, other, f"{where}[]")


async def test_the_described_api_is_the_one_that_answers(http):
    answer = await http.get("/api/v1/openapi.json")
    described = answer.json()
    assert described["openapi"].startswith("3.1")
    committed = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    assert described == committed


# --- acting post, cross-site requests ----------------------------------------------------------------


async def test_a_post_that_is_not_held_cannot_be_acted_from(http):
    answer = await http.get("/api/v1/me", headers={"Kanketsu-Post": "P-040-03-05"})
    assert answer.json()["acting_post"]["post_id"] == "P-040-03-05"
    answer = await http.get("/api/v1/me", headers={"Kanketsu-Post": "P-000-00-01"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Kanketsu-Post"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "SELF"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 422),
        ({"Sec-Fetch-Site": "none"}, 422),
        ({"Origin": "SELF"}, 422),
    ],
    ids=str,
)
def test_a_session_is_not_used_by_other_sites(city, browser, headers, status):
    headers = {name: value.replace("SELF", city.url) for name, value in headers.items()}
    answer = browser.post("/api/v1/documents", json={"title": ""}, headers=headers)
    assert answer.status_code == status, answer.text
    if status == 403:
        assert answer.json()["reason"] == "CROSS_SITE"


async def test_programs_with_a_token_need_no_origin(http):
    answer = await http.post("/api/v1/documents", json={"title": ""}, headers={"Origin": "https://e-shinsei.example"})
    assert answer.status_code == 422


def test_a_form_needs_the_token_of_its_session(browser):
    for data in ({}, {"csrf_token": ""}, {"csrf_token": "x" * 43}, {"csrf_token": "ü"}):
        answer = browser.post("/logout", data=data, headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status_code == 403
    assert browser.get("/api/v1/me").status_code == 200


# --- sizes and shapes --------------------------------------------------------------------------------


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(city, bearer):
    """The head alone is sent; the answer comes although no byte of the body ever does."""
    host, port = urlsplit(city.url).netloc.split(":")
    for path, length in (
        ("/api/v1/documents", 2_000_000),
        ("/api/v1/documents/x/attachments?filename=a", 104_857_601 + 65_536),
        ("/api/v1/documents/x/attachments?filename=a", 10**17),
    ):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer['Authorization']}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode()
        )
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert head.startswith(b"HTTP/1.1 413"), head
        writer.close()


async def test_a_body_without_a_size_is_cut_at_the_limit(http):
    async def endless():
        for _ in range(3000):
            yield b" " * 1024

    answer = await http.post("/api/v1/documents", content=endless(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["reason"]) == (413, "TOO_LARGE")


async def draft(http, title="添付の試験について（伺い）"):
    answer = await http.post("/api/v1/documents", json={"title": title})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def test_an_upload_without_a_size_is_cut_at_the_limit_and_leaves_nothing(gateway, bearer):
    async with gateway(bearer, upload_limit="300000") as http:
        document_id = await draft(http)

        async def endless():
            for _ in range(1000):
                yield b"x" * 1024

        path = f"/api/v1/documents/{document_id}/attachments"
        answer = await http.post(path, params={"filename": "大きい.bin"}, content=endless())
        assert (answer.status_code, answer.json()["reason"]) == (413, "TOO_LARGE")
        answer = await http.post(path, params={"filename": "大きい.bin"}, content=b"x" * 300_001)
        assert answer.status_code == 413
        answer = await http.post(path, params={"filename": "丁度.bin"}, content=b"x" * 300_000)
        assert answer.status_code == 201, answer.text
        document = (await http.get(f"/api/v1/documents/{document_id}")).json()
        assert [file["file_name"] for file in document["attachments"]] == ["丁度.bin"]


@pytest.mark.parametrize(
    ("headers", "content", "status", "reason"),
    [
        ({"Content-Type": "application/json"}, b"{", 400, "MALFORMED_BODY"),
        ({"Content-Type": "application/json"}, b"\xff\xfe\x00", 400, "MALFORMED_BODY"),
        ({"Content-Type": "application/json"}, b"[" * 100_000, 400, "MALFORMED_BODY"),
        ({"Content-Type": "application/json"}, b'{"title": "\xed\xa0\x80"}', 422, "INVALID_FIELDS"),
        ({"Content-Type": "application/json"}, b'{"title": "\\ud800"}', 422, "INVALID_FIELDS"),
        ({"Content-Type": "application/json"}, b'{"title": "a\\u0000b"}', 422, "INVALID_FIELDS"),
        ({"Content-Type": "application/json"}, b'{"title": "x", "amount": 1e400}', 422, "INVALID_FIELDS"),
        ({"Content-Type": "application/json"}, b'{"title": "x", "amount": "332000"}', 422, "INVALID_FIELDS"),
        ({"Content-Type": "application/json"}, b'{"title": "x", "urgent": 1}', 422, "INVALID_FIELDS"),
        ({"Content-Type": "text/plain"}, b'{"title": "x"}', 415, "UNSUPPORTED_MEDIA_TYPE"),
        ({"Content-Type": "multipart/form-data"}, b'{"title": "x"}', 415, "UNSUPPORTED_MEDIA_TYPE"),
        ({}, b'{"title": "x"}', 415, "UNSUPPORTED_MEDIA_TYPE"),
        ({"Content-Type": "application/json", "Idempotency-Key": "a b"}, b'{"title": "x"}', 422, "INVALID_FIELDS"),
        ({"Content-Type": "application/json", "Idempotency-Key": "k" * 129}, b'{"title": "x"}', 422, "INVALID_FIELDS"),
    ],
)
async def test_malformed_requests_are_named(http, headers, content, status, reason):
    answer = await http.post("/api/v1/documents", content=content, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason), answer.text


async def test_unknown_addresses_and_methods(http):
    assert (await http.get("/api/v1/holds")).status_code == 404
    answer = await http.put("/api/v1/documents", json={})
    assert (answer.status_code, answer.json()["reason"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"]


async def test_versions(http):
    document_id = await draft(http)
    path = f"/api/v1/documents/{document_id}"
    etag = (await http.get(path)).headers["etag"]
    for header, status in ((None, 428), ("*", 428), ('W/"1"', 412), ("1", 412), ('"999"', 412), ('"0"', 412)):
        headers = {} if header is None else {"If-Match": header}
        answer = await http.patch(path, json={"subtitle": "第2次"}, headers=headers)
        assert answer.status_code == status, header
    answer = await http.patch(path, json={"subtitle": "第2次", "amount": None}, headers={"If-Match": etag})
    assert answer.status_code == 200
    assert answer.json()["subtitle"] == "第2次"
    assert answer.headers["etag"] != etag


async def test_the_same_key_does_it_once(http):
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first, second = [
        await http.post("/api/v1/documents", json={"title": "一度だけの起案について（伺い）"}, headers=key)
        for _ in range(2)
    ]
    assert first.json() == second.json()
    other = await http.post("/api/v1/documents", json={"title": "別の起案について（伺い）"}, headers=key)
    assert (other.status_code, other.json()["reason"]) == (422, "REQUEST_ID_REUSED")


async def test_hidden_and_absent_are_the_same_answer(city, http):
    """AC-03: to the byte, apart from the trace id and the date."""
    document_id = await draft(http)
    stranger = {"Authorization": f"Bearer {city.access_token(STRANGER)}"}

    def bare(answer):
        headers = {name: value for name, value in answer.headers.items() if name != "date"}
        return answer.status_code, headers, re.sub(rb'"trace_id": "\w+"', b"", answer.content)

    paths = ("", "/viewers", "/history", "/evidence", "/attachments/{}/content")
    for path in paths:
        answers = [
            bare(await http.get(f"/api/v1/documents/{one}{path.format(uuid.uuid4())}", headers=stranger))
            for one in (document_id, uuid.uuid4(), "nonsense")
        ]
        assert answers[0][0] == 404
        assert answers[0] == answers[1] == answers[2], path


# --- files -------------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def file(http):
    """An uploaded file: (path of its content, bytes)."""
    document_id = await draft(http)
    content = bytes(range(256)) * 4000
    digest = hashlib.sha256(content).digest()
    answer = await http.post(
        f"/api/v1/documents/{document_id}/attachments",
        params={"filename": "申請書（髙﨑邦夫）.pdf"},
        content=content,
        headers={
            "Content-Type": "application/pdf",
            "Repr-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
        },
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["sha256"] == digest.hex()
    return f"/api/v1/documents/{document_id}/attachments/{answer.json()['id']}/content", content


@pytest.mark.parametrize(
    ("header", "status", "first", "last"),
    [
        ("bytes=0-0", 206, 0, 0),
        ("bytes=0-", 206, 0, 1023999),
        ("bytes=1000000-1000099", 206, 1000000, 1000099),
        ("bytes=1023999-2000000", 206, 1023999, 1023999),
        ("bytes=-1", 206, 1023999, 1023999),
        ("bytes=-2000000", 206, 0, 1023999),
        ("bytes=5-2", 200, 0, 1023999),
        ("bytes=0-1,5-6", 200, 0, 1023999),
        ("pages=1-2", 200, 0, 1023999),
        ("bytes=a-b", 200, 0, 1023999),
        ("bytes=1024000-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
    ],
)
async def test_ranges(http, file, header, status, first, last):
    path, content = file
    answer = await http.get(path, headers={"Range": header})
    assert answer.status_code == status, answer.text
    if status == 416:
        assert answer.json()["reason"] == "RANGE_NOT_SATISFIABLE"
        return
    assert answer.content == content[first : last + 1]
    assert answer.headers["content-length"] == str(last - first + 1)
    assert answer.headers["accept-ranges"] == "bytes"
    assert re.fullmatch(r"documents\.[\w-]+/[0-9a-f-]{36}/\d+", answer.headers["x-access-record"])
    expected = f"bytes {first}-{last}/1024000" if status == 206 else None
    assert answer.headers.get("content-range") == expected


async def test_a_range_of_another_file_is_answered_with_the_whole(http, file):
    path, content = file
    etag = (await http.get(path, headers={"Range": "bytes=0-9"})).headers["etag"]
    good = await http.get(path, headers={"Range": "bytes=0-9", "If-Range": etag})
    other = await http.get(path, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (good.status_code, other.status_code) == (206, 200)
    assert other.content == content


async def test_content_is_shown_only_where_that_is_safe(http, file):
    path, _ = file
    download = await http.get(path)
    assert download.headers["content-disposition"].startswith("attachment; filename=")
    assert "filename*=UTF-8''%E7%94%B3" in download.headers["content-disposition"]
    assert download.headers["cache-control"] == "no-store"
    assert download.headers["content-security-policy"].startswith("sandbox;")
    inline = await http.get(path, params={"disposition": "inline"})
    assert inline.headers["content-disposition"].startswith("inline;")
    assert "default-src 'none'" in inline.headers["content-security-policy"]

    document_id = path.split("/")[4]
    page = await http.post(
        f"/api/v1/documents/{document_id}/attachments",
        params={"filename": "偽装.html"},
        content=b"<script>alert(1)</script>",
        headers={"Content-Type": "text/html"},
    )
    shown = await http.get(
        f"/api/v1/documents/{document_id}/attachments/{page.json()['id']}/content", params={"disposition": "inline"}
    )
    assert shown.headers["content-disposition"].startswith("attachment;")
    assert shown.headers["content-security-policy"].startswith("sandbox;")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Repr-Digest": "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"}, 422),
        ({"Digest": "SHA-256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}, 422),
        ({"Repr-Digest": "sha-256=:short:"}, 422),
        ({"Repr-Digest": "md5=:AAAAAAAAAAAAAAAAAAAAAA==:"}, 201),
        ({"Content-Type": "no type"}, 422),
        ({"Content-Encoding": "gzip"}, 415),
    ],
    ids=str,
)
async def test_announcements_of_an_upload_are_checked(http, headers, status):
    document_id = await draft(http)
    path = f"/api/v1/documents/{document_id}/attachments"
    answer = await http.post(path, params={"filename": "調書.bin"}, content=b"abc", headers=headers)
    assert answer.status_code == status, answer.text
    files = (await http.get(f"/api/v1/documents/{document_id}")).json()["attachments"]
    assert len(files) == (1 if status == 201 else 0)


async def test_an_upload_that_breaks_off_leaves_nothing(city, http, bearer):
    document_id = await draft(http)
    host, port = urlsplit(city.url).netloc.split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST /api/v1/documents/{document_id}/attachments?filename=a HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: {bearer['Authorization']}\r\nContent-Length: 1000000\r\n\r\n".encode()
        + b"x" * 500_000
    )
    await writer.drain()
    await asyncio.sleep(0.3)
    writer.transport.abort()
    await asyncio.sleep(0.5)
    assert (await http.get(f"/api/v1/documents/{document_id}")).json()["attachments"] == []
    assert (await http.get("/healthz")).status_code == 200


# --- people ------------------------------------------------------------------------------------------


async def test_a_change_of_the_organisation_is_known_at_once(city, gateway, bearer):
    """Principals are remembered for seconds, and forgotten when approvals announces a change."""

    def rename(name):
        with psycopg.connect(city.database_url("postgres")) as conn:
            conn.execute("UPDATE approvals.staff SET name = %s WHERE staff_id = 'S0072'", (name,))

    async with gateway(bearer, principals_memory="3600") as http:
        before = (await http.get("/api/v1/me")).json()["name"]
        rename("葛󠄀城 拓也（旧姓）")
        try:
            assert (await http.get("/api/v1/me")).json()["name"] == before
            broker = await nats.connect(**city.nats_options())
            await broker.publish("kanketsu.approvals.directory.DirectoryChanged", b"")
            await broker.flush()
            await broker.close()
            for _ in range(100):
                name = (await http.get("/api/v1/me")).json()["name"]
                if name != before:
                    break
                await asyncio.sleep(0.02)
            assert name == "葛󠄀城 拓也（旧姓）"
        finally:
            rename(before)


async def test_who_left_is_nobody(city, gateway):
    """AC-16: the provider still knows the login, the organisation does not."""
    login = "hiramatsu.megumi"
    headers = {"Authorization": f"Bearer {city.access_token(login)}"}

    def until(day):
        with psycopg.connect(city.database_url("postgres")) as conn:
            conn.execute("UPDATE approvals.staff SET valid_to = %s::date WHERE login = %s", (day, login))

    async with gateway(headers, principals_memory="0") as http:
        assert (await http.get("/api/v1/me")).status_code == 200
        until("2026-04-01")
        try:
            answer = await http.get("/api/v1/me")
            assert (answer.status_code, answer.json()["reason"]) == (403, "UNKNOWN_STAFF")
        finally:
            until("infinity")
    (denied, *_) = await records_of(city, 1, actor="unknown", action="session.denied")
    assert denied["reason"] == "UNKNOWN_STAFF"


async def test_many_questions_about_one_person_are_asked_once(city, gateway, bearer):
    async with gateway(bearer, principals_memory="0") as http:
        answers = await asyncio.gather(*(http.get("/api/v1/me") for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}


async def test_without_the_organisation_nobody_gets_in(city, gateway, bearer):
    """What is remembered ends after seconds: rights that cannot be checked are none."""
    async with gateway(bearer, principals_memory="0.2") as http:
        assert (await http.get("/api/v1/me")).status_code == 200
        city.stop_one("approvals-1")
        try:
            await asyncio.sleep(0.3)
            answer = await http.get("/api/v1/documents")
            assert (answer.status_code, answer.json()["reason"]) == (503, "UNAVAILABLE")
        finally:
            city.start_one("approvals-1")
        for _ in range(100):
            if (await http.get("/api/v1/me")).status_code == 200:
                break
            await asyncio.sleep(0.1)
        assert (await http.get("/readyz")).json()["status"] == "ready"
