"""組織改編 as documents hears of it (RT-10), and cases of a unit whose work went to another."""

from __future__ import annotations

import datetime as dt

from chassis import clock, db
from kanketsu.approvals.v1 import events_pb2
from services.approvals.cases import store as cases
from services.approvals.changes import commands, domain
from services.approvals.changes.domain import Change, ChangeKind, Finding
from services.approvals.policy import Reader, may_see
from services.approvals.tests.conftest import RECORDS_UNIT, refused
from services.approvals.tests.test_midnight import at, reviewed

DAY = dt.date(clock.today().year + 60, 4, 1)
UNIT = "U-040-03"
NEW = {
    "kind": "unit_begins",
    "unit_id": "U-900-01",
    "parent_id": "U-040",
    "body": "mayor",
    "name": "環境推進課",
    "kana": "かんきょうすいしんか",
    "symbol": "箕環推",
}


def ending(unit_id, rows, successor=""):
    """The unit with its posts ends."""
    return [
        {"kind": "unit_ends", "unit_id": unit_id, "successor": successor},
        *({"kind": "post_ends", "post_id": post_id} for (post_id,) in rows),
    ]


async def posts_of(city, unit_id):
    return await city.rows("SELECT post_id FROM posts WHERE unit_id = %s AND valid_to = 'infinity'", unit_id)


async def announced(city):
    rows = await city.envelopes("directory")
    told = [events_pb2.DirectoryChanged.FromString(one.payload) for one in rows if one.action == "change_set.applied"]
    (awaits,) = await city.rows("SELECT awaits FROM outbox WHERE event_id = %s", rows[-1].event_id)
    return told[-1], awaits[0]


async def test_rt_10_a_reorganisation_tells_which_units_took_over(city):
    """Merged into a new one, renamed, without a successor; the cases of an ended unit are their heir's."""
    case_id = await city.circulating()
    ends = ending(UNIT, await posts_of(city, UNIT), "U-900-01")
    renamed = {
        "kind": "unit_changes",
        "unit_id": "U-040-04",
        "parent_id": "U-040",
        "body": "mayor",
        "name": "環境保全室",
        "kana": "かんきょうほぜんしつ",
        "symbol": "箕環保",
    }
    gone = ending("U-050-02", await posts_of(city, "U-050-02"))
    await reviewed(city, DAY, NEW, renamed, *ends, *gone)
    await commands.apply_due(city.pool, at(DAY), "U-020-01")
    told, awaits = await announced(city)
    assert set(awaits) == {"audit", "documents"}
    assert told.effective_on == DAY.isoformat()
    assert {one.unit_id: (one.symbol, one.ended, one.successor) for one in told.units} == {
        "U-900-01": ("箕環推", False, ""),
        "U-040-04": ("箕環保", False, ""),
        UNIT: (told_symbol(told, UNIT), True, "U-900-01"),
        "U-050-02": (told_symbol(told, "U-050-02"), True, "U-020-01"),
    }
    async with db.connection(city.pool) as conn:
        found = await cases.load(conn, case_id, DAY, at(DAY))
        before = await cases.load(conn, case_id, clock.today(), clock.now())
    assert found is not None
    assert before is not None
    # AC-05: from the day on the new unit's, until then the old one's.
    assert (before[0].unit_id, found[0].unit_id) == (UNIT, "U-900-01")
    assert may_see(found[0], Reader("S0001", {"P-1": "U-900-01"}), shown=False)
    assert not may_see(found[0], Reader("S0001", {"P-1": UNIT}), shown=False)


def told_symbol(told, unit_id):
    """As the sample city has it."""
    return next(one.symbol for one in told.units if one.unit_id == unit_id)


async def test_a_change_of_people_alone_does_not_reach_documents(city):
    day = DAY.replace(year=DAY.year + 1)
    await reviewed(city, day, {"kind": "role_begins", "staff_id": "S0070", "role": "records_manager"})
    await commands.apply_due(city.pool, at(day), "U-020-01")
    told, awaits = await announced(city)
    assert (list(told.units), awaits) == ([], ["audit"])


async def preview_of(city, planned):
    return (await (await city.person("S0018")).call("GetChangeSet", change_set_id=planned.change_set_id)).preview


async def test_rt_10_what_nobody_would_own_refuses_the_review(city):
    """The records office itself ends without a successor: who plans has to say who takes over."""
    day = DAY.replace(year=DAY.year + 2)
    ends = ending(RECORDS_UNIT, await posts_of(city, RECORDS_UNIT))
    error = await refused(reviewed(city, day, *ends))
    assert (error.reason, [(one.field, one.problem) for one in error.fields]) == (
        "CHANGES_REFUSED",
        [("changes.1", "UNOWNED")],
    )
    nobody = [Change(ChangeKind.UNIT_ENDS, unit_id=UNIT), Change(ChangeKind.UNIT_ENDS, unit_id="U-1", successor="U-2")]
    assert domain.unowned(nobody, "") == [Finding(1, "UNOWNED", UNIT)]
    assert domain.unowned(nobody, RECORDS_UNIT) == []


async def test_rt_10_what_took_over_from_the_records_office_is_the_records_office(city):
    """Of the same day, and for ever after: nobody has to change a setting at midnight."""
    first, second = DAY.replace(year=DAY.year + 3), DAY.replace(year=DAY.year + 4)
    gone, later = "U-050-01", "U-060-01"
    ends = ending(RECORDS_UNIT, await posts_of(city, RECORDS_UNIT), "U-020-02")
    for day, unit_id, more in ((first, gone, ends), (second, later, [])):
        planned = await reviewed(city, day, *more, *ending(unit_id, await posts_of(city, unit_id)))
        assert (await preview_of(city, planned)).records_unit == "U-020-02"
        await commands.apply_due(city.pool, at(day), RECORDS_UNIT)
        told, _ = await announced(city)
        assert next(one.successor for one in told.units if one.unit_id == unit_id) == "U-020-02"
