"""AC-09 at the running system: a vendor outside a 保守時間枠, in it, at its end, and when it is ended early."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.walkthrough.client import Person, Refused
from tests.conftest import City
from tests.integration.test_directory import token
from tests.patience import until

pytestmark = pytest.mark.system

ADMINISTRATOR, RECORDS_OFFICER = "S0051", "S0018"


@pytest.fixture
def vendor(city: City) -> Iterator[tuple[str, list[Person]]]:
    """(id, the vendor at two replicas) of an account that is shut."""
    number, login = f"V{uuid.uuid4().hex[:8]}", f"vendor.{uuid.uuid4().hex[:8]}"
    city.person(city.login(ADMINISTRATOR)).post(
        "/vendors", {"number": number, "login": login, "full_name": "東 一郎", "company": "北摂システム保守"}
    )
    urls = city.stack.gateway_urls[:2]
    replicas = [Person(url, login, token=token(city, sub=login, aud="kanketsu-api")) for url in urls]
    yield f"vendor:{number}", replicas
    for one in replicas:
        one.http.close()


def granted(city: City, vendor_id: str, seconds: float) -> dict[str, Any]:
    """A window that is open for so long, of which somebody else than its granter has been convinced."""
    now = dt.datetime.now(dt.UTC)
    body = {
        "opens_at": (now - dt.timedelta(hours=1)).isoformat(),
        "closes_at": (now + dt.timedelta(seconds=seconds)).isoformat(),
        "reason": "夜間バッチの障害対応",
        "ticket": "INC-0042",
    }
    granter = city.person(city.login(ADMINISTRATOR))
    window = granter.post(f"/vendors/{vendor_id}/windows", body)
    path, etag = f"/maintenance-windows/{window['id']}/confirm", f'"{window["version"]}"'
    with pytest.raises(Refused) as caught:
        granter.post(path, etag=etag)
    assert caught.value.reason == "OWN_WINDOW"
    return city.person(city.login(RECORDS_OFFICER)).post(path, etag=etag)


def statuses(replicas: list[Person], path: str = "/me") -> list[int]:
    return [one.http.get(f"/api/v1{path}").status_code for one in replicas]


def test_a_vendor_is_nobody_until_two_persons_say_so_and_sees_no_document(
    city: City, vendor: tuple[str, list[Person]]
) -> None:
    """In its window it is answered as for what does not exist, and is nobody again at once when the window is ended."""
    document_id, case_id = city.circulating()
    vendor_id, replicas = vendor
    assert statuses(replicas) == [403, 403]
    window = granted(city, vendor_id, 600)
    until(lambda: statuses(replicas) == [200, 200])
    me = replicas[0].get("/me")
    assert (me["staff_id"], me["posts"], me["roles"]) == (vendor_id, [], ["maintainer"])
    absent = str(uuid.uuid4())
    for path in ("/documents/{}", "/documents/{}/viewers", "/documents/{}/history", "/cases/{}"):
        known = document_id if path.startswith("/documents") else case_id
        answers = [replicas[0].http.get(f"/api/v1{path.format(one)}") for one in (known, absent)]
        assert [one.status_code for one in answers] == [404, 404], path
        assert answers[0].json()["reason"] == answers[1].json()["reason"]
    assert replicas[0].get("/documents", q="浄化槽")["items"] == []
    for path in ("/audit/entries", "/vendors"):
        assert statuses(replicas, path) == [403, 403], path
    assert statuses(replicas, "/change-sets") == [200, 200], "users and organisation, as far as another person reviews"

    etag = f'"{window["version"]}"'
    city.person(city.login(RECORDS_OFFICER)).post(f"/maintenance-windows/{window['id']}/end", etag=etag)
    until(lambda: statuses(replicas) == [403, 403])
    actions = {
        "vendor.registered",
        "maintenance.requested",
        "maintenance.confirmed",
        "maintenance.ended",
        "session.login",
    }

    def told() -> list[dict[str, Any]]:
        log = [one for one in city.person("auditor").items("/audit/entries") if vendor_id in str(one)]
        return log if actions <= {one["action"] for one in log} else []

    log = until(told)
    assert not [one for one in log if any(word in str(one) for word in ("障害", "一郎", "北摂"))]


def test_a_window_runs_out_to_the_second_in_the_middle_of_a_session(
    city: City, vendor: tuple[str, list[Person]]
) -> None:
    """What the gateway remembers of a person does not outlive it: not one answer that was asked for after the end."""
    vendor_id, replicas = vendor
    # Less than the gateway remembers anybody after the last look, more than a slow machine needs for the first.
    window = granted(city, vendor_id, 6)
    closes = dt.datetime.fromisoformat(window["closes_at"]).timestamp()
    served, late = 0, 0
    while late < 5:
        asked_at = time.time()
        status = replicas[served % 2].http.get("/api/v1/me").status_code
        if asked_at >= closes:
            assert status == 403, f"{asked_at - closes:.3f} s after the end"
            late += 1
        elif status == 200:
            served += 1
    assert served > 0
