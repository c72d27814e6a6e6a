"""What waits beyond its term, as its holders and the head of the unit are told (AP-09, LC-13)."""

from __future__ import annotations

import datetime as dt

from chassis import clock
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from services.approvals.deadlines.domain import Deadlines
from services.approvals.tests.test_acts import CONTRACT, appointed, refused, transferred

# A 係, the 課 above it, and the 部長 above that.
SECTION, ROOM, ROOM_HEAD, DIRECTOR = "U-020-09", "U-020-06", "P-020-06-01", "P-020-00-01"
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


async def listed(person, **asked):
    return {one.case_id for one in (await person.call("ListOverdue", limit=200, **asked)).items}


async def section_case(city, owner):
    """Of a 係 below a 課, waiting far too long; in the sample city its only member is no records manager."""
    case_id = await city.circulating("S0051", unit_id=SECTION)
    await waits_since(owner, case_id, 40)
    return case_id


async def test_the_overdue_of_a_section_is_listed_to_those_of_its_room(city, owner):
    """LC-13: the 文書管理責任者 of the 課 answers for its 係; a 部長 for no 課 below (AC-07), another 課 for nothing of it."""
    case_id = await section_case(city, owner)
    head = await city.holder(ROOM_HEAD)
    assert case_id in await listed(head)
    assert case_id in await listed(head, unit_id=SECTION)
    assert case_id not in await listed(head, unit_id=ROOM)
    assert set((await head.call("ListOverdue")).unit_ids) == {ROOM, SECTION}
    director = await city.holder(DIRECTOR)
    assert (await refused(director.call("ListOverdue", unit_id=SECTION))).reason == "NOT_PERMITTED"
    async with transferred(city, head.staff_id, ROOM_HEAD), appointed(city, "S0040", ROOM_HEAD) as acting:
        assert "records_manager" not in acting.identity.roles
        assert case_id in await listed(acting), "as 所属長, without the role (AP-19)"
    finance = await city.holder(FINANCE)
    assert case_id not in await listed(finance)
    assert (await refused(finance.call("ListOverdue", unit_id=SECTION))).reason == "NOT_PERMITTED"


async def test_who_stands_in_for_a_vacant_head_is_told_of_the_room_and_its_sections(city, owner):
    """AP-19, LC-13: a 部長 as 事務取扱 of a 室, or while nobody holds its post; not one whose 室 has its 室長 (AC-07)."""
    case_id = await section_case(city, owner)
    head, director = await city.holder(ROOM_HEAD), await city.holder(DIRECTOR)
    assert "records_manager" not in director.identity.roles
    assert (await director.call("ListOverdue")).unit_ids == ["U-020"]
    async with transferred(city, head.staff_id, ROOM_HEAD):
        assert set((await director.call("ListOverdue")).unit_ids) == {"U-020", ROOM, SECTION}
        async with appointed(city, director.staff_id, ROOM_HEAD) as acting:
            assert case_id in await listed(acting, unit_id=SECTION)
    assert (await refused(director.call("ListOverdue", unit_id=ROOM))).reason == "NOT_PERMITTED"


async def test_the_records_office_lists_the_whole_city_or_one_unit(city, owner):
    """LC-13: so nothing waits unseen, whoever answers for the unit; and no title by it (AC-10)."""
    of_section, other = await section_case(city, owner), await city.circulating()
    await waits_since(owner, other, 40)
    officer = await city.person("S0018")
    assert {of_section, other} <= await listed(officer)
    assert await listed(officer, unit_id="U-040-03") >= {other}
    assert of_section not in await listed(officer, unit_id="U-040-03")
    assert (await refused(officer.see(of_section))).reason == "NOT_FOUND"


async def test_what_was_acted_on_or_withdrawn_is_not_overdue(city, owner):
    head, chief = await city.holder(HEAD), await city.holder(CHIEF)
    case_id = await city.circulating()
    await waits_since(owner, case_id, 40)
    await chief.act(await chief.see(case_id), "approve")
    assert case_id not in {one.case_id for one in (await head.call("ListOverdue")).items}
