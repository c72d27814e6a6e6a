"""What the successor of an ended post may not have stays, and is listed (AP-02, AP-41, AP-45)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from chassis import clock
from kanketsu.approvals.v1 import reorganisation_service_pb2 as pb
from services.approvals.changes import midnight, preview
from services.approvals.changes.domain import Change, ChangeKind, Organisation, PostRow
from services.approvals.succession.store import Stranded
from services.approvals.tests.conftest import City, refused
from services.approvals.tests.test_acts import CHIEF, CONTRACT, DEPUTY, HEAD
from services.approvals.tests.test_midnight import at, reassign, reviewed, stranded

FINANCE, CONTRACTS, MERGED = "P-020-04-01", "P-020-05-01", "P-020-04-91"
YEAR = clock.today().year


async def posts_of(city: City, case_id: str) -> list[str]:
    return [post for (post,) in await city.rows("SELECT post_id FROM steps WHERE case_id = %s ORDER BY place", case_id)]


async def listed(city: City, day: dt.date, case_id: str) -> list[Stranded]:
    return [one for one in await stranded(city, day) if one.case_id == case_id]


def wish(step: Stranded) -> dict[str, Any]:
    return {"case_id": step.case_id, "step_id": step.step_id, "reason": "組織改編", "expected_version": step.version}


async def test_a_merged_post_gives_nobody_both_answers_of_a_group(city: City) -> None:
    """AP-45: of two 合議 that became one the first follows and the second is listed; also when the first was given."""
    day = dt.date(YEAR + 1, 4, 1)
    finance = await city.holder(FINANCE)
    both, answered = await city.circulating(**CONTRACT), await city.circulating(**CONTRACT)
    for case_id in (both, answered):
        for post in (CHIEF, DEPUTY, HEAD):
            person = await city.holder(post)
            await person.act(await person.see(case_id), "approve")
    await finance.act(await finance.see(answered), "concur")
    await reviewed(
        city,
        day,
        {"kind": "post_begins", "post_id": MERGED, "unit_id": "U-020-04", "title": "財政契約室長", "rank": "head"},
        {"kind": "appointment_begins", "staff_id": finance.staff_id, "post_id": MERGED, "appointment": "main"},
        {"kind": "post_ends", "post_id": FINANCE, "successor": MERGED},
        {"kind": "post_ends", "post_id": CONTRACTS, "successor": MERGED},
    )
    before = [await posts_of(city, case_id) for case_id in (both, answered)]
    await midnight.turn(city.pool, city.relay, at(day))
    assert await posts_of(city, both) == [MERGED if post == FINANCE else post for post in before[0]]
    assert await posts_of(city, answered) == before[1]
    for case_id, problem in ((both, "POST_TWICE"), (answered, "SAME_PERSON")):
        (step,) = await listed(city, day, case_id)
        assert (step.cause, step.post_id) == ("post_ended", CONTRACTS)
        error = await refused(reassign(city, at(day), post_id=MERGED, **wish(step)))
        assert [(one.field, one.problem) for one in error.fields] == [("post_id", problem)]
        await reassign(city, at(day), post_id="P-020-01-01", **wish(step))
        assert await listed(city, day, case_id) == []


async def test_a_successor_of_lower_rank_takes_no_decision_over(city: City) -> None:
    """AP-02: 室長決裁 stays for the records office, 承認 follows; the plan says so, and may be reviewed all the same."""
    day = dt.date(YEAR + 2, 4, 1)
    decided_there, passing = await city.circulating(), await city.circulating(**CONTRACT)
    planned = await reviewed(city, day, {"kind": "post_ends", "post_id": HEAD, "successor": DEPUTY})
    shown = await (await city.person("S0018")).call("GetChangeSet", change_set_id=planned.change_set_id)
    assert not shown.change_set.findings
    prospects = {one.post.post_id: (one.outcome, one.acts.post_id, one.open_steps) for one in shown.preview.prospects}
    assert prospects[HEAD] == ("lower_successor", DEPUTY, 2)
    await midnight.turn(city.pool, city.relay, at(day))
    assert (await posts_of(city, decided_there))[:3] == [CHIEF, DEPUTY, HEAD]
    assert (await posts_of(city, passing))[:3] == [CHIEF, DEPUTY, DEPUTY]
    assert HEAD not in {one.post_id for one in await listed(city, day, passing)}
    (step,) = await listed(city, day, decided_there)
    assert (step.kind, step.cause, step.post_id) == ("decide", "post_ended", HEAD)
    error = await refused(reassign(city, at(day), post_id=DEPUTY, **wish(step)))
    assert [(one.field, one.problem) for one in error.fields] == [("post_id", "BELOW_RULE")]
    await reassign(city, at(day), post_id="P-040-00-01", **wish(step))
    assert await listed(city, day, decided_there) == []


async def test_a_successor_that_cannot_decide_is_named_although_nothing_waits_there(city: City) -> None:
    """AP-02, AP-41: something may, by the day."""
    day = dt.date(YEAR + 3, 4, 1)
    planned = await reviewed(
        city,
        day,
        {"kind": "post_ends", "post_id": "P-060-01-01", "successor": "P-060-01-03"},
    )
    shown = await (await city.person("S0018")).call("GetChangeSet", change_set_id=planned.change_set_id)
    found: list[pb.Prospect] = list(shown.preview.prospects)
    assert [(one.post.post_id, one.outcome, one.open_steps) for one in found] == [("P-060-01-01", "lower_successor", 0)]


@pytest.mark.parametrize(
    ("ended", "heir", "outcome"),
    [
        ("head", "head", "vacant"),
        ("head", "director", "vacant"),
        ("head", "deputy_head", "lower_successor"),
        # Neither decides.
        ("deputy_head", "chief", "vacant"),
        # 係員 approve nothing.
        ("deputy_head", "member", "unresolved"),
    ],
)
def test_what_the_plan_says_of_a_successor_by_its_rank(ended: str, heir: str, outcome: str) -> None:
    """AP-02, AP-41."""
    old, new = PostRow("P-旧", "U", "環境政策室長", ended), PostRow("P-新", "U", "環境室長", heir)
    changes = [Change(ChangeKind.POST_ENDS, post_id="P-旧", successor="P-新")]
    before = Organisation(posts={"P-旧": old, "P-新": new})
    (found,) = preview.prospects(before, Organisation(posts={"P-新": new}), changes)
    assert (found.post_id, found.outcome) == ("P-旧", outcome)
