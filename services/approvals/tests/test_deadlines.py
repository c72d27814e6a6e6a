"""What waits beyond its term, as its holders and the head of the unit are told (AP-09, LC-13)."""

from __future__ import annotations

import datetime as dt

from chassis import clock
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from services.approvals.deadlines.domain import Deadlines
from services.approvals.tests.test_acts import CONTRACT, refused

HEAD, CHIEF, FINANCE = "P-040-03-01", "P-040-03-03", "P-020-04-01"


async def waits_since(owner, case_id: str, days: int) -> dt.datetime:
    """The open steps of the case have waited for so many days."""
    since = clock.now() - dt.timedelta(days=days)
    await owner.execute(
        "UPDATE steps SET waiting_since = %s WHERE case_id = %s AND inbox_kind IS NOT NULL", (since, case_id)
    )
    return since


async def test_the_head_sees_what_waits_too_long_in_cases_of_the_unit(city, owner):
    """LC-13: which case, at whose desk, since when; the longest first, and page by page."""
    head, chief = await city.holder(HEAD), await city.holder(CHIEF)
    late, later, new = [await city.circulating() for _ in range(3)]
    since = await waits_since(owner, late, 40)
    await waits_since(owner, later, 30)
    first = await head.call("ListOverdue", limit=1)
    assert [one.case_id for one in first.items] == [late]
    (one,) = first.items
    assert (one.post_id, one.post_title, one.post_unit_name) == (CHIEF, "担当主査", "環境政策室")
    assert one.staff_name == next(s.staff_name for s in (await chief.see(late)).steps if s.post_id == CHIEF)
    assert (one.step_kind, one.step_state) == (pb.STEP_KIND_APPROVE, pb.STEP_STATE_ACTIVE)
    assert one.due_on == Deadlines().due_on("decision", since).isoformat()
    assert one.opening_days == Deadlines().waited(since, clock.today()) > 5
    rest = await head.call("ListOverdue", cursor=first.next_cursor)
    assert [item.case_id for item in rest.items] == [later], "not the new one"
    assert rest.next_cursor == ""
    (*_, record) = await city.records("step.listed")
    assert record.result_count == 1
    items = {item.case_id: item for item in (await chief.inbox()).items}
    assert [items[case].overdue for case in (late, later, new)] == [True, True, False]
    assert items[new].due_on >= clock.today().isoformat()


async def test_a_late_concurrence_is_only_told_never_given(city, owner):
    """AP-09: after three opening days it is overdue for its seat and for the drafting unit; nobody consents for it."""
    case_id = await city.circulating(**CONTRACT)
    for post in (CHIEF, "P-040-03-02", HEAD):
        person = await city.holder(post)
        case = await person.act(await person.see(case_id), "approve")
    await waits_since(owner, case_id, 12)
    finance, head = await city.holder(FINANCE), await city.holder(HEAD)
    (waiting,) = [one for one in (await finance.inbox()).items if one.case_id == case_id]
    assert (waiting.kind, waiting.overdue) == ("concurrence", True)
    found = [one for one in (await head.call("ListOverdue")).items if one.case_id == case_id]
    assert FINANCE in {one.post_id for one in found}
    assert {one.step_kind for one in found} == {pb.STEP_KIND_CONCUR}
    assert (await head.see(case_id)).version == case.version, "nothing happens by itself"


async def test_only_records_managers_are_told_and_only_of_their_own_units(city, owner):
    """LC-13, AC-01: the post is asked, not the name; another unit's head learns nothing."""
    case_id = await city.circulating()
    await waits_since(owner, case_id, 40)
    chief = await city.holder(CHIEF)
    assert "records_manager" not in chief.identity.roles
    assert (await refused(chief.call("ListOverdue"))).reason == "NOT_PERMITTED"
    elsewhere = await city.holder(FINANCE)
    assert "records_manager" in elsewhere.identity.roles
    assert case_id not in {one.case_id for one in (await elsewhere.call("ListOverdue")).items}
    assert (await refused(elsewhere.call("ListOverdue", cursor="x"))).reason == "INVALID_CURSOR"


async def test_what_was_acted_on_or_withdrawn_is_not_overdue(city, owner):
    head, chief = await city.holder(HEAD), await city.holder(CHIEF)
    case_id = await city.circulating()
    await waits_since(owner, case_id, 40)
    await chief.act(await chief.see(case_id), "approve")
    assert case_id not in {one.case_id for one in (await head.call("ListOverdue")).items}
