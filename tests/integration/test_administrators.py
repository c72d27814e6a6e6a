"""AC-08: administrators keep users and configuration, and no address shows them content of a document.

Every address of the API and of the pages is asked for, with the ids of a document full of words that stand nowhere else.
The same is asked as a clerk of the owner unit, who is shown the words: so what is looked for is there to be found.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from fastapi.routing import APIRoute

from deploy.walkthrough.client import Person
from services.gateway import pages
from services.gateway.api.openapi import document
from tests.conftest import PLAN, City

pytestmark = pytest.mark.system

ADMINISTRATOR = "S0051"
# Open for as long as the reader listens; it tells of the reader's own notices, by number (AC-14).
STREAMS = {"/api/v1/notices/stream"}


@dataclass(frozen=True)
class Marked:
    """A circulating document whose words are searched for in every answer."""

    mark: str
    ids: dict[str, str]

    @property
    def words(self) -> list[str]:
        """Of its title, body, counterparty and file name. The mark itself is what readers search by."""
        return [f"{word}{self.mark}" for word in ("浄化槽補助", "交付決定の伺い", "髙﨑邦夫", "申請書")]

    def shown_in(self, content: bytes) -> list[str]:
        """Those of its words that an answer shows."""
        text = content.decode(errors="replace")
        return [word for word in self.words if word in text]


@pytest.fixture(scope="module")
def marked(city: City) -> Marked:
    mark = uuid.uuid4().hex[:10]
    title, body, counterparty, file = Marked(mark, {}).words
    made = city.draft(title=title, body=body, counterparty=counterparty)
    document_id = made["id"]
    uploaded = city.person("clerk").request(
        "POST",
        f"/documents/{document_id}/attachments",
        params={"filename": f"{file}.txt"},
        content="申請のとおり交付してよろしいか。".encode(),
        headers={"Content-Type": "text/plain"},
    )
    case_id = city.person("clerk").submit(document_id)["case_id"]
    ids = {"document_id": document_id, "case_id": case_id, "attachment_id": uploaded.json()["attachment_id"]}
    return Marked(mark, ids | {"unit_id": made["unit_id"], "number": "1", "year": "2026", "index": "0"})


def api(methods: set[str]) -> list[tuple[str, str]]:
    """(method, path) of the API."""
    return [
        (method.upper(), path)
        for path, item in document()["paths"].items()
        for method in item
        if method.upper() in methods and path not in STREAMS
    ]


def page_paths() -> list[str]:
    """Paths of pages, those that are looked at."""
    routers = (*pages._ROUTERS, *pages._ROUTERS_WITH_IDS)
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    return sorted({route.path for route in routes if "GET" in (route.methods or ())})


def shown(person: Person, marked: Marked, requests: list[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """(method and path, words shown) of every address that shows one, also in a refusal."""
    for method, path in requests:
        filled = re.sub(r"{(\w+)(:path)?}", lambda found: marked.ids.get(found[1], marked.ids["document_id"]), path)
        if method == "GET":
            answer = person.http.get(filled, params={"q": marked.mark})
        else:
            answer = person.http.request(method, filled, json={}, headers={"If-Match": '"1"'})
        assert answer.status_code < 500, f"{method} {filled}: {answer.text}"
        if words := marked.shown_in(answer.content):
            yield f"{method} {path}", words


@pytest.fixture(scope="module")
def administrator(city: City) -> Iterator[Person]:
    """By token."""
    login = city.login(ADMINISTRATOR)
    with Person(city.stack.gateway_urls[0], login, token=city.stack.access_token(login)) as person:
        assert "system_admin" in person.get("/me")["roles"]
        yield person


def test_no_address_of_the_api_shows_an_administrator_content(
    city: City, marked: Marked, administrator: Person
) -> None:
    everything = api({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
    assert dict(shown(administrator, marked, everything)) == {}
    found = dict(shown(city.person("clerk"), marked, api({"GET"})))
    assert {"GET /api/v1/documents", "GET /api/v1/documents/{document_id}"} <= found.keys()
    assert {word for words in found.values() for word in words} == set(marked.words)


def test_no_page_shows_an_administrator_content(city: City, marked: Marked) -> None:
    requests = [("GET", path) for path in page_paths()]
    with Person(city.stack.gateway_urls[0], "administrator") as browser:
        browser.log_in(city.login(ADMINISTRATOR))
        assert dict(shown(browser, marked, requests)) == {}
    with Person(city.stack.gateway_urls[0], "clerk") as browser:
        browser.log_in(PLAN["people"]["clerk"]["login"])
        found = dict(shown(browser, marked, requests))
    assert {"GET /documents", "GET /documents/{document_id}"} <= found.keys()
    assert {word for words in found.values() for word in words} == set(marked.words)
