"""A source's numbers go into the log in their order; what is beyond a gap waits, and waits not for ever."""

from __future__ import annotations

from chassis import clock, db
from chassis.events import Delivery
from services.audit import commands, turns
from services.audit.entry import decode
from services.audit.intake import leaves_of_parcel
from services.audit.tests.making import NOW, batch_of, parcel, record
from services.audit.turns import Turns


def delivery(epoch, *numbers, attempt=1):
    batch = batch_of([record(number) for number in numbers], epoch, service="documents")
    return Delivery("kanketsu.access.documents", parcel(batch), (batch.batch_id,), "documents", "", attempt)


class Log:
    """The log as the consumer writes it."""

    def __init__(self, pool, keys):
        self.pool, self.keys, self.turns = pool, keys, Turns(pool)

    async def offer(self, *deliveries):
        return await self.turns.in_turn(deliveries, self._take)

    async def _take(self, deliveries):
        leaves = [leaf for one in deliveries for leaf in leaves_of_parcel(one.data)]
        await commands.append(self.pool, self.keys, leaves, NOW)

    async def numbers(self, epoch):
        async with db.connection(self.pool) as conn:
            rows = await (await conn.execute("SELECT leaf FROM entries ORDER BY leaf_index")).fetchall()
        return [leaf.seq for leaf in (decode(leaf) for (leaf,) in rows) if leaf.epoch == epoch]


async def test_messages_that_overtook_each_other_are_appended_in_order(pool, keys):
    log, epoch = Log(pool, keys), clock.new_id()
    assert await log.offer(delivery(epoch, 4, 5), delivery(epoch, 1, 2), delivery(epoch, 3)) == []
    assert await log.numbers(epoch) == [1, 2, 3, 4, 5]


async def test_what_is_beyond_a_gap_is_given_back_and_others_are_not(pool, keys):
    log, epoch, other = Log(pool, keys), clock.new_id(), clock.new_id()
    early = delivery(epoch, 3, 4)
    assert await log.offer(early, delivery(other, 1)) == [early]
    assert await log.numbers(epoch) == []
    assert await log.numbers(other) == [1]
    assert await log.offer(delivery(epoch, 1, 2)) == []
    assert await log.offer(early) == []
    assert await log.numbers(epoch) == [1, 2, 3, 4]


async def test_a_gap_that_stays_holds_nothing_up_for_ever(pool, keys, monkeypatch):
    log, epoch = Log(pool, keys), clock.new_id()
    late = delivery(epoch, 3)
    assert await log.offer(late) == [late]
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 0.0)
    assert await log.offer(late) == []
    assert await log.offer(delivery(epoch, 4)) == []
    assert await log.numbers(epoch) == [3, 4]
    assert log.turns._waiting_since == {}


async def test_a_message_that_cannot_be_read_waits_for_nobody(pool, keys):
    taken = []

    async def take(deliveries):
        taken.extend(deliveries)

    bad = Delivery("kanketsu.access.documents", b"\xff\xff", ("x",), "documents", "", 1)
    assert await Turns(pool).in_turn([bad], take) == []
    assert taken == [bad]
