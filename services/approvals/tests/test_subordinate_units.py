"""A city where a 部長 sees what the units below theirs see (AC-07). Where nothing is set they see it by a route only."""

from __future__ import annotations

from services.approvals.tests.conftest import City
from services.approvals.tests.test_organisation import GATEWAY, resolve

MANAGERS_SEE_BELOW = True


async def units_seen(city: City, post: str) -> tuple[set[str], set[str]]:
    """Units whose documents the holder of a post sees, and those they belong to."""
    [(login,)] = await city.rows(
        "SELECT s.login FROM staff AS s INNER JOIN appointments AS a ON a.staff_id = s.staff_id"
        " WHERE a.post_id = %s AND s.valid_to = 'infinity' AND a.valid_to = 'infinity'",
        post,
    )
    answer = await resolve(city, login, GATEWAY)
    seen = {one.removeprefix("unit:") for one in answer.principals if one.startswith("unit:")}
    return seen, {one.unit_id for one in answer.posts}


async def test_a_director_sees_what_the_units_below_see(city: City) -> None:
    """AC-07: and belongs to none of them: no membership, no management, no post of theirs."""
    seen, own = await units_seen(city, "P-040-00-01")
    below = {row[0] for row in await city.rows("SELECT unit_id FROM units WHERE parent_id = 'U-040'")}
    assert own == {"U-040"}
    assert len(below) > 2
    assert seen == own | below


async def test_a_head_sees_only_their_own_unit(city: City) -> None:
    """AC-07: 室長 and clerks have nobody below; another department is nobody's."""
    for post in ("P-040-03-01", "P-040-03-05"):
        assert await units_seen(city, post) == ({"U-040-03"}, {"U-040-03"})
