"""組織・職員: posts with their codes and holders as of a day, and the units at every level."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from deploy.local.stack import Stack
from deploy.walkthrough.client import Person
from services.gateway.tests.test_rules import LOGINS

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def clerk(city: Stack) -> Iterator[Person]:
    """Logged in with a browser."""
    found = Person(city.url, "clerk")
    found.log_in(LOGINS["clerk"])
    yield found
    found.http.close()


def row_of(html: str, post_id: str) -> str:
    """What the table says of a post, without tags."""
    (row,) = [row for row in re.findall(r"<tr>.*?</tr>", html, re.DOTALL) if f"post={post_id}" in row]
    return re.sub(r"<[^>]+>", " ", row)


def test_every_post_stands_there_with_its_code_and_who_holds_it_how(clerk: Person) -> None:
    """AP-19: 事務取扱 with what they sign as, and the other post by 本務; the code is what 在職の履歴 asks for."""
    shown = clerk.http.get("/organisation?unit=U-030-02").text
    head = row_of(shown, "P-030-02-01")
    for words in ("室長", "P-030-02-01", "桒野 節子", "事務取扱", "文化国際室長事務取扱人権文化部長"):
        assert words in head, words
    assert "人権文化部　部長（本務）" in head
    assert "空席" not in head
    assert clerk.http.get("/tenures?post=P-030-02-01").text.count("桒野 節子") == 1


@pytest.mark.parametrize("day", ["2026-03-31", "令和8年3月31日"])
def test_a_vacant_post_is_listed_and_a_past_day_stays(clerk: Person, day: str) -> None:
    """AC-05: nobody held it before 2026-04-01; and a link from the units of a day leads to that day."""
    units = clerk.http.get("/organisation", params={"on": day}).text
    (path,) = re.findall(r'href="([^"]+)">文化国際室</a>', units)
    shown = clerk.http.get(path.replace("&amp;", "&")).text
    assert "令和8年3月31日 現在" in shown
    head = row_of(shown, "P-030-02-01")
    assert "空席" in head
    assert "桒野" not in head
    assert ">観光推進室</a>" in units, "a unit that has ended since"


def test_units_of_every_level_are_in_the_tree(clerk: Person) -> None:
    """情報システム運用担当 stands under 情報政策室, which stands under 総務部."""
    tree = clerk.http.get("/organisation").text
    room = tree[tree.index(">情報政策室</a>") :]
    assert room.index('<ul class="tree">') < room.index(">情報システム運用担当</a>") < room.index(">税務室</a>")
    assert ">観光推進室</a>" not in tree
