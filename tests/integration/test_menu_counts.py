"""The numbers beside the menu are what the lists show, for whoever asks (AC-03, UI-01)."""

from __future__ import annotations

import pytest

from tests.conftest import City
from tests.patience import until

pytestmark = pytest.mark.system

# 室長 of another 室, who sees none of it.
STRANGER = "hino.reina"


def shown(city: City, who: str) -> dict[str, int]:
    """What the person finds in the lists that the numbers stand beside."""
    person = city.person(who)
    sent_back = person.get("/documents", state="sent_back", limit=200)["items"]
    return person.get("/inbox")["counts"] | {"sent_back": len(sent_back)}


def counted(city: City, who: str) -> dict[str, int]:
    return city.person(who).get("/menu-counts")


def test_the_numbers_are_what_the_lists_show(city: City) -> None:
    """AC-03: before and after a 差戻し, for the drafter, who sent it back, the unit, and somebody of another unit."""
    people = ("clerk", "chief", "deputy", STRANGER)
    before = {who: counted(city, who) for who in people}
    _, case_id = city.circulating()
    waiting = counted(city, "chief")
    assert waiting["decision"] == before["chief"]["decision"] + 1
    assert waiting == shown(city, "chief")
    city.act("chief", case_id, "send_back", "添付が足りません。")
    until(lambda: counted(city, "clerk")["sent_back"] == before["clerk"]["sent_back"] + 1)
    for who in people:
        assert counted(city, who) == shown(city, who), who
    assert counted(city, STRANGER) == before[STRANGER]


def test_asking_for_the_numbers_is_not_use_of_the_session(city: City) -> None:
    """A page asks by itself; nothing was shown, so nothing is recorded."""
    answer = city.person("clerk").request("GET", "/menu-counts")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert "x-access-record" not in answer.headers
