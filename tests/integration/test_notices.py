"""通知 across replicas: made by one process, shown by another; on the page, on open pages, never with a title."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from deploy.walkthrough.client import Person, Refused
from services.gateway.live import MOST_STREAMS
from tests.conftest import PLAN, City

pytestmark = pytest.mark.system

HTML = {"Accept": "text/html"}
TITLE = "髙﨑邸の補助金の交付決定について（伺い）"


@contextlib.contextmanager
def stream(http: httpx2.Client, **headers: str) -> Iterator[Iterator[dict[str, Any]]]:
    """Events of an open page as they come; each with its id."""
    with http.stream("GET", "/api/v1/notices/stream", headers=headers) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.iter_lines()
        assert next(lines) == "retry: 5000"
        yield _events(lines)


def _events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    found: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line and name:
            found[name] = value
        elif "data" in found:
            yield json.loads(found["data"]) | {"position": found["id"]}
            found = {}


def test_a_notice_reaches_an_open_page_of_another_replica(city: City) -> None:
    """AC-14, AP-50: number, kind and ids; where a stream broke off the next one goes on, at any replica."""
    chief, elsewhere = city.person("chief", 2), city.person("chief", 1)
    with stream(chief.http) as events:
        _, case_id = city.circulating(title=TITLE, urgent=True)
        first = next(one for one in events if one["case_id"] == case_id)
    assert first["kind"] == "urgent_turn"
    assert re.search(r"[0-9]", first["draft_number"])
    assert TITLE not in json.dumps(first, ensure_ascii=False)
    assert first["unread"] > 0
    _, later = city.circulating()
    with stream(elsewhere.http, **{"Last-Event-ID": first["position"]}) as events:
        again = next(events)
    assert (again["case_id"], again["kind"]) == (later, "turn")
    answer = chief.http.get("/api/v1/notices/stream", headers={"Last-Event-ID": "x"})
    assert (answer.status_code, answer.json()["reason"]) == (422, "INVALID_CURSOR")


def test_only_ones_own_and_only_who_is_signed_in(city: City) -> None:
    """SC-01, AC-03: another's notice never comes; without a login there is no stream; a person has six of them."""
    head, chief = city.person("head", 2), city.person("chief", 2)
    with stream(head.http) as events:
        _, case_id = city.circulating()
        city.act("chief", case_id, "approve")
        city.act("deputy", case_id, "approve")
        assert {one["case_id"]: one["kind"] for one in [next(events)]} == {case_id: "turn"}
    with httpx2.Client(base_url=city.stack.gateway_urls[1]) as nobody:
        assert nobody.get("/api/v1/notices/stream").status_code == 401
    with contextlib.ExitStack() as opened:
        for _ in range(MOST_STREAMS):
            opened.enter_context(stream(chief.http))
        refused = chief.http.get("/api/v1/notices/stream")
        assert (refused.status_code, refused.json()["reason"]) == (429, "TOO_MANY_STREAMS")


def test_a_stream_ends_after_the_logout_and_does_not_keep_the_session_alive(city: City) -> None:
    """AC-16: within a heartbeat nothing more comes; what a page asks by itself is no use of the session."""
    with Person(city.stack.gateway_urls[0], "chief") as person:
        person.log_in(PLAN["people"]["chief"]["login"])
        page = person.http.get("/notices", headers=HTML).text
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert token is not None
        with stream(person.http) as events:
            with httpx2.Client(
                base_url=person.url, cookies=dict(person.http.cookies), headers={"Origin": person.url}
            ) as same:
                same.post("/logout", data={"csrf_token": token[1]})
            _, case_id = city.circulating()
            assert [one for one in events if one["case_id"] == case_id] == []


def test_the_page_counts_lists_and_marks_as_read(city: City) -> None:
    """The page works without script: the count is in the header of every page; the kind and the number, no title."""
    _, case_id = city.circulating(title=TITLE)
    with Person(city.stack.url, "chief") as person:
        person.log_in(PLAN["people"]["chief"]["login"])
        page = person.http.get("/notices", headers=HTML)
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert page.headers["x-access-record"]
        listed = person.get("/notices")
        mine = next(one for one in listed["items"] if one["case_id"] == case_id)
        assert mine["draft_number"] in page.text
        assert "未処理" in page.text
        assert TITLE not in page.text
        count = re.search(r'data-notices=.*?<span class="count" data-some>([0-9+]+)</span>', page.text)
        assert count is not None
        assert count[1] == (str(listed["unread"]) if listed["unread"] < 100 else "99+")
        hidden = dict(re.findall(r'name="(csrf_token|request_key|up_to)" value="([^"]+)"', page.text))
        newest = re.search(r'name="up_to" value="([^"]+)"', page.text)
        assert newest is not None
        assert newest[1] == listed["items"][0]["id"]
        answer = person.http.post("/notices/read", data=hidden | {"up_to": newest[1]}, headers=HTML)
        assert (answer.status_code, answer.headers["location"]) == (303, "/notices?done=notices_read")
        assert person.get("/notices")["unread"] == 0
        assert "既読にしました。" in person.http.get("/notices?done=notices_read", headers=HTML).text
        assert "未読の通知はありません。" in person.http.get("/notices?unread=1", headers=HTML).text


def test_choices_and_escalation_lists_over_the_api(city: City) -> None:
    """LC-13: who may, and that each is one's own."""
    chief, head, stranger = city.person("chief"), city.person("head"), city.person("stranger")
    before = chief.get("/notice-choices")
    assert "@" in before["address"]
    assert before["mail_possible"] is False, "here is no mail server"
    changed = chief.post("/notice-choices", {"live": ["urgent"], "mail": []})
    assert (changed["live"], changed["mail"]) == (["urgent"], [])
    assert stranger.get("/notice-choices")["address"] != before["address"]
    chief.post("/notice-choices", {"live": before["live"], "mail": before["mail"]})
    unit = head.get("/me")["acting_post"]["unit_id"]
    shown = head.get(f"/escalation-lists/{unit}")
    post = head.get("/me")["acting_post"]["post_id"]
    kept = head.post(f"/escalation-lists/{unit}", {"post_ids": [post], "version": shown["version"]})
    assert kept["post_ids"] == [post]
    with pytest.raises(Refused) as stale:
        head.post(f"/escalation-lists/{unit}", {"post_ids": [], "version": shown["version"]})
    assert stale.value.reason == "STALE_VERSION"
    with pytest.raises(Refused) as denied:
        stranger.get(f"/escalation-lists/{unit}")
    assert denied.value.reason == "NOT_PERMITTED"
    page = head.http.get("/escalation", headers=HTML).text
    assert "滞留の連絡先" in page
    head.post(f"/escalation-lists/{unit}", {"post_ids": [], "version": kept["version"]})
