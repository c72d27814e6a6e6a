"""The page of a route before 回議開始: what it asks for, what it refuses, and that a refusal loses nothing (AP-54)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest

from deploy.local import database
from deploy.local.stack import Stack
from deploy.walkthrough.client import Person
from services.gateway.tests.test_rules import LOGINS, SUBSIDY, send

pytestmark = pytest.mark.system

# The line of 環境政策室, and its clerk, who drafts.
ASKED = {"P-040-03-03", "P-040-03-02", "P-040-03-01"}
OWN = "P-040-03-05"


@pytest.fixture(scope="module")
def clerk(city: Stack) -> Iterator[Person]:
    """Logged in with a browser."""
    found = Person(city.url, "clerk")
    found.log_in(LOGINS["clerk"])
    yield found
    found.http.close()


@pytest.fixture(scope="module")
def page(clerk: Person) -> str:
    """Of a draft that lacks nothing."""
    return f"/documents/{clerk.post('/documents', SUBSIDY)['id']}/route"


def carried(html: str) -> list[str]:
    """The route as the page sends it on."""
    return sorted(set(re.findall(r'<input type="hidden" name="step" value="([^"]+)"', html)))


def found(html: str) -> set[str]:
    """Posts that may be added."""
    return set(re.findall(r'name="post_id" value="([^"]+)"', html))


def test_what_is_missing_stands_there_instead_of_a_route(clerk: Person) -> None:
    """LC-04: and nothing can be submitted."""
    document = clerk.post("/documents", SUBSIDY | {"body": ""})["id"]
    shown = clerk.http.get(f"/documents/{document}/route")
    assert (shown.status_code, "回議を始める前に、次の項目が必要です" in shown.text) == (200, True)
    assert 'name="route_plan_id"' not in shown.text


def test_an_addition_needs_a_post_and_what_is_asked_of_it(clerk: Person, page: str) -> None:
    before = carried(clerk.http.get(page).text)
    bare = send(clerk, page, page, step=before, change="add", place="after:1")
    assert bare.status_code == 422
    assert "加える職を選んでください。" in bare.text
    assert "求める処理を選んでください。" in bare.text
    assert carried(bare.text) == before
    added = send(clerk, page, page, step=before, change="add", place="after:1", post_id="P-020-02-01", kind="review")
    assert (added.status_code, "回議先を加えました。" in added.text) == (200, True)
    assert "2:review:P-020-02-01" in carried(added.text)


@pytest.mark.parametrize(
    ("post_id", "kind", "told"),
    [
        ("P-999-00-01", "concur", "回議の途中の職が空席です"),
        (OWN, "concur", "起案する職を回議に加えることはできません。"),
        ("P-040-03-02", "review", "同じ職が二度入っています。どちらかを外してください。"),
    ],
)
def test_an_addition_that_is_refused_leaves_the_route_as_it_was(
    clerk: Person, page: str, post_id: str, kind: str, told: str
) -> None:
    """A post that is none, the drafter's own, one that is asked already; the reason, and not as done."""
    before = carried(clerk.http.get(page).text)
    refused = send(clerk, page, page, step=before, change="add", place="after:1", post_id=post_id, kind=kind)
    assert refused.status_code in (409, 422)
    assert told in refused.text
    assert "回議先を加えました。" not in refused.text
    assert carried(refused.text) == before
    assert 'name="route_plan_id"' in refused.text


def test_only_held_posts_that_are_not_asked_yet_are_found(city: Stack, clerk: Person, page: str) -> None:
    """Neither who is on the route nor the drafter's own post, nor one that is vacant."""
    with psycopg.connect(city.database_url(database.SUPERUSER), autocommit=True) as conn:
        conn.execute(
            "INSERT INTO approvals.posts (post_id, unit_id, title, rank, covers, valid_from)"
            " SELECT 'P-040-03-90', unit_id, title, rank, covers, valid_from FROM approvals.posts WHERE post_id = %s",
            (OWN,),
        )
    before = carried(clerk.http.get(page).text)
    of_the_room = found(send(clerk, page, page, step=before, query="環境政策室", change="search").text)
    assert of_the_room
    assert not of_the_room & {*ASKED, OWN, "P-040-03-90"}
    without = [one for one in before if not one.endswith("P-040-03-02")]
    assert "P-040-03-02" in found(send(clerk, page, page, step=without, query="環境政策室", change="search").text)


def test_a_refused_submission_shows_the_route_again(clerk: Person, page: str) -> None:
    """The draft was changed elsewhere meanwhile: the reason, and the same route."""
    shown = clerk.http.get(page).text
    plan = re.search(r'name="route_plan_id" value="([^"]+)"', shown)
    assert plan is not None
    refused = send(clerk, page, page.replace("/route", "/submit"), route_plan_id=plan[1], version="99")
    assert refused.status_code == 412
    assert 'name="route_plan_id"' in refused.text
    assert carried(refused.text) == carried(shown)
