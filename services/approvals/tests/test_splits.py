"""Cases of a unit that was split: whose they are is what documents says of their document (RT-10, AC-05, AC-10)."""

from __future__ import annotations

import datetime as dt

from chassis import clock, db
from kanketsu.approvals.v1 import events_pb2
from kanketsu.documents.v1 import events_pb2 as documents_pb2
from kanketsu.event.v1 import envelope_pb2
from services.approvals import consumer
from services.approvals.cases import store as cases
from services.approvals.changes import commands
from services.approvals.deadlines import store as deadlines
from services.approvals.policy import Reader, may_see
from services.approvals.tests.test_midnight import at, reviewed
from services.approvals.tests.test_owners import NEW, UNIT, ending, posts_of

DAY = dt.date(clock.today().year + 60, 4, 1)
REST, SHARE = "U-900-01", "U-900-02"


def moved(document_id, unit_id, version, kind="document"):
    """OwnerChanged, as documents announces it for each document."""
    event = documents_pb2.OwnerChanged(kind=kind, object_id=document_id, previous_unit=UNIT, unit_id=unit_id)
    return envelope_pb2.Envelope(
        event_id=clock.new_id(),
        type="kanketsu.documents.v1.OwnerChanged",
        action="document.moved",
        aggregate=kind,
        aggregate_id=document_id,
        aggregate_version=version,
        payload=event.SerializeToString(),
    )


async def owner(city, case_id, day):
    async with db.connection(city.pool) as conn:
        found = await cases.load(conn, case_id, day, at(day))
    assert found is not None
    return found[0]


async def overdue(city, unit):
    long_ago = {"decision": at(DAY), "concurrence": at(DAY)}
    async with db.connection(city.pool) as conn:
        return {one.case_id for one in await deadlines.overdue(conn, [unit], long_ago, DAY, limit=200)}


async def test_rt_10_a_case_follows_its_document_to_the_unit_that_has_it(city):
    """Nobody of another successor sees it, not even in the moment before documents has moved it; late news change nothing."""
    mine, other = await city.circulating(), await city.circulating()
    (here,) = [(await owner(city, mine, clock.today())).document_id]
    there = (await owner(city, other, clock.today())).document_id
    await reviewed(
        city,
        DAY,
        NEW,
        NEW | {"unit_id": SHARE, "name": "補助金課", "symbol": "箕補"},
        *ending(UNIT, await posts_of(city, UNIT), REST),
        {"kind": "unit_shares", "unit_id": UNIT, "class_code": "0403-02-01", "successor": SHARE},
    )
    await commands.apply_due(city.pool, at(DAY), "U-020-01")
    told = [events_pb2.DirectoryChanged.FromString(one.payload) for one in await city.envelopes("directory")][-1]
    (ended,) = [one for one in told.units if one.ended]
    assert (ended.successor, [(one.class_code, one.successor) for one in ended.shares]) == (
        REST,
        [("0403-02-01", SHARE)],
    )
    waiting = await owner(city, mine, DAY)
    assert waiting.unit_id == UNIT
    assert not any(may_see(waiting, Reader("S0001", {"P-1": unit}), shown=False) for unit in (REST, SHARE))

    for document_id, unit in ((here, SHARE), (there, REST)):
        await consumer.apply(city.pool, city.relay, moved(document_id, unit, 9))
    await consumer.apply(city.pool, city.relay, moved(here, REST, 3))
    found = await owner(city, mine, DAY)
    assert (found.unit_id, (await owner(city, other, DAY)).unit_id) == (SHARE, REST)
    assert may_see(found, Reader("S0001", {"P-1": SHARE}), shown=False)
    assert not any(may_see(found, Reader("S0001", {"P-1": unit}), shown=False) for unit in (REST, UNIT))
    # LC-13: and the 滞留 of a unit is of what is its own.
    assert (mine in await overdue(city, SHARE), other in await overdue(city, SHARE)) == (True, False)
    assert (mine in await overdue(city, REST), other in await overdue(city, REST)) == (False, True)
