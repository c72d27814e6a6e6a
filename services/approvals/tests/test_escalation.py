"""滞留の連絡先 after a 組織改編: who has the document now is told, by posts that exist and are held (LC-13, RT-10, AP-41)."""

from __future__ import annotations

import datetime as dt

from chassis import clock, db
from services.approvals import consumer
from services.approvals.changes import commands as changes
from services.approvals.deadlines.domain import Deadlines
from services.approvals.notices import commands
from services.approvals.notices.commands import Reminding
from services.approvals.notices.escalation import lists_on
from services.approvals.tests.test_midnight import at, reviewed
from services.approvals.tests.test_owners import ending, posts_of
from services.approvals.tests.test_splits import moved

UNIT, DEPARTMENT, ROOM_HEAD = "U-040-03", "U-040", "P-040-03-01"
# In the list of a unit above.
NEIGHBOUR = "P-040-01-01"
HEIR, HEIR_HEAD = "U-020-04", "P-020-04-01"
OTHER, OTHER_HEAD = "U-020-05", "P-020-05-01"
RECORDS_UNIT = "U-020-01"


def opening_day(year: int) -> dt.date:
    """The first in April, so many years ahead: each test has its own."""
    first = dt.date(clock.today().year + year, 4, 1)
    return next(day for n in range(14) if Deadlines().is_open(day := first + dt.timedelta(days=n)))


async def keep(city, unit_id, *post_ids):
    """The unit's list, by the records office."""
    officer = await city.person("S0018")
    shown = await officer.call("GetEscalationList", unit_id=unit_id)
    await officer.call(
        "SaveEscalationList",
        request_id=clock.new_id(),
        unit_id=unit_id,
        expected_version=shown.list.version,
        post_ids=post_ids,
    )


async def escalated(city, owner, day, *case_ids):
    """Posts told of each of these cases on the day, when they have waited far too long."""
    since = at(day) - dt.timedelta(days=60)
    await owner.execute(
        "UPDATE steps SET waiting_since = %s WHERE case_id = ANY(%s) AND inbox_kind IS NOT NULL", (since, [*case_ids])
    )
    await commands.remind(city.pool, Deadlines(), Reminding(), at(day, hours=9))
    rows = await city.rows(
        "SELECT case_id::text, post_id FROM notices WHERE kind = 'escalation' AND case_id = ANY(%s::uuid [])"
        " AND created_at = %s",
        [*case_ids],
        at(day, hours=9),
    )
    return [{post for case, post in rows if case == one} for one in case_ids]


async def lists(city, day):
    async with db.connection(city.pool) as conn:
        return await lists_on(conn, day)


async def test_rt_10_a_case_of_an_ended_unit_is_told_to_whose_document_it_is_now(city, owner):
    """LC-13: merged, then by 所管替え another's; until then the drafting unit's own list is told."""
    for unit_id, post_id in ((DEPARTMENT, NEIGHBOUR), (HEIR, HEIR_HEAD), (OTHER, OTHER_HEAD)):
        await keep(city, unit_id, post_id)
    merged, elsewhere = await city.circulating(), await city.circulating()
    document_id = (await (await city.person("S0072")).see(elsewhere)).document_id
    assert await escalated(city, owner, opening_day(1), merged, elsewhere) == [{NEIGHBOUR}, {NEIGHBOUR}]
    day = opening_day(61)
    await reviewed(city, day, *ending(UNIT, await posts_of(city, UNIT), HEIR))
    await changes.apply_due(city.pool, at(day), RECORDS_UNIT)
    await consumer.apply(city.pool, city.relay, moved(document_id, OTHER, 9))
    assert await escalated(city, owner, day, merged, elsewhere) == [{HEIR_HEAD}, {OTHER_HEAD}]


async def test_an_escalation_leads_to_the_overdue_of_who_answers_for_the_unit(city, owner):
    """LC-13, AC-10: another unit's records manager is told a number and finds the case nowhere by it."""
    await keep(city, UNIT, ROOM_HEAD, HEIR_HEAD, "P-020-01-03")
    case_id = await city.circulating()
    day = opening_day(2)
    assert await escalated(city, owner, day, case_id) == [{ROOM_HEAD, HEIR_HEAD, "P-020-01-03"}]
    for post_id, unit_id in ((ROOM_HEAD, UNIT), (HEIR_HEAD, ""), ("P-020-01-03", UNIT)):
        told = (await (await city.holder(post_id)).call("ListNotices", limit=200)).notices
        assert [one.overdue_unit_id for one in told if (one.case_id, one.kind) == (case_id, "escalation")] == [unit_id]
    assert {one.overdue_unit_id for one in told if one.kind != "escalation"} <= {""}
    await keep(city, UNIT)


async def test_an_abolished_unit_gives_way_to_what_stood_above_it(city):
    """LC-13: nobody took over and no records office is named: who was above it is told, not nobody."""
    above, unit_id, head = "U-050", "U-050-02", "P-050-02-01"
    await keep(city, above, NEIGHBOUR)
    await keep(city, unit_id, head)
    day = opening_day(62)
    assert (await lists(city, day)).told()[unit_id] == (head,)
    await reviewed(city, day, *ending(unit_id, await posts_of(city, unit_id)))
    await changes.apply_due(city.pool, at(day), "")
    assert (await lists(city, day)).told()[unit_id] == (NEIGHBOUR,)


async def test_ap_41_a_listed_post_that_ended_is_told_by_its_successor(city):
    """As the steps of an ended post: through as many successors as there are; once, where two became one."""
    unit_id, one, two = "U-020-04", "P-020-04-01", "P-020-04-02"
    await keep(city, unit_id, one, two)
    day, later = opening_day(63), opening_day(64)
    await reviewed(city, day, {"kind": "post_ends", "post_id": two, "successor": one})
    await changes.apply_due(city.pool, at(day), RECORDS_UNIT)
    assert (await lists(city, day)).told()[unit_id] == (one,)
    holder = (await city.holder(one)).staff_id
    new = {"kind": "post_begins", "post_id": "P-900-04-01", "unit_id": unit_id, "title": "室長", "rank": "head"}
    held = {
        "kind": "appointment_begins",
        "staff_id": holder,
        "post_id": "P-900-04-01",
        "appointment": "main",
    }
    await reviewed(city, later, new, held, {"kind": "post_ends", "post_id": one, "successor": "P-900-04-01"})
    await changes.apply_due(city.pool, at(later), RECORDS_UNIT)
    found = await lists(city, later)
    assert found.told()[unit_id] == ("P-900-04-01",)
    assert found.heirs == {**found.heirs, one: "P-900-04-01", two: "P-900-04-01"}


async def test_a_list_that_reaches_nobody_counts_as_empty(city):
    """LC-13: posts that ended without a successor, or that nobody holds, do not stand before the list above."""
    unit_id, ended, vacant = "U-020-03", "P-020-03-02", "P-020-03-03"
    await keep(city, "U-020", NEIGHBOUR)
    await keep(city, unit_id, ended, vacant)
    day = opening_day(65)
    assert (await lists(city, day)).told()[unit_id] == (ended, vacant)
    holder = (await city.holder(vacant)).staff_id
    await reviewed(
        city,
        day,
        {"kind": "post_ends", "post_id": ended},
        {"kind": "appointment_ends", "staff_id": holder, "post_id": vacant},
    )
    await changes.apply_due(city.pool, at(day), RECORDS_UNIT)
    found = await lists(city, day)
    assert (found.holding(unit_id), found.told()[unit_id]) == ("U-020", (NEIGHBOUR,))


async def test_who_keeps_a_list_is_shown_what_has_ended_of_it(city, owner):
    """AP-41: an ended post by its last name with who took over, and those that are told today."""
    unit_id, one, two = "U-020-02", "P-020-02-01", "P-020-02-02"
    await keep(city, unit_id, one, two)
    today = clock.today()
    names = dict(
        await city.rows(
            "SELECT p.post_id, u.name || '|' || p.title FROM posts AS p INNER JOIN units AS u ON u.unit_id = p.unit_id"
        )
    )
    await owner.execute("UPDATE posts SET valid_to = %s WHERE post_id = %s", (today, two))
    await owner.execute("UPDATE appointments SET valid_to = %s WHERE post_id = %s", (today, two))
    try:
        shown = await (await city.person("S0018")).call("GetEscalationList", unit_id=unit_id)
    finally:
        for table in ("posts", "appointments"):
            await owner.execute(f"UPDATE {table} SET valid_to = 'infinity' WHERE post_id = %s", (two,))
    assert (list(shown.list.post_ids), list(shown.holds_post_ids)) == ([one, two], [one])
    ((post_id, name, successor),) = [(e.post_id, e.name, e.successor) for e in shown.ended]
    unit_name, title = names[two].split("|")
    assert (post_id, successor) == (two, "")
    assert name in (unit_name + title, unit_name + title[1:])
