"""No record missing without an alarm: gaps, silence, stuck outboxes, and counts that do not agree."""

from __future__ import annotations

import datetime as dt

import psycopg
import pytest

from chassis import clock, db
from services.audit import commands as log_commands
from services.audit.completeness import commands, store
from services.audit.completeness.commands import Noticed
from services.audit.entry import decode
from services.audit.tests.making import NOW, event_leaf, view_leaf

SILENCE = dt.timedelta(seconds=180)
GRACE = dt.timedelta(seconds=90)
SETTLE = dt.timedelta(minutes=2)
LATER = NOW + dt.timedelta(minutes=10)


async def logged(pool, *actions):
    async with db.connection(pool) as conn:
        rows = await (await conn.execute("SELECT leaf FROM entries ORDER BY leaf_index")).fetchall()
    return [leaf for leaf in (decode(leaf) for (leaf,) in rows) if leaf.action in actions]


class Watch:
    """Looks at moments one chooses."""

    def __init__(self, pool, at=NOW):
        self.pool, self.now, self.noticed = pool, at, Noticed(GRACE)

    async def look(self, seconds):
        self.now += dt.timedelta(seconds=seconds)
        return await commands.watch(self.pool, self.noticed, SILENCE, self.now)


async def append(pool, keys, leaves, at=NOW):
    await log_commands.append(pool, keys, leaves, at)


# --- alarms -----------------------------------------------------------------------------------------------------


async def test_a_gap_of_a_source_is_an_alarm_after_the_time_of_grace_and_ends_when_it_is_filled(pool, keys):
    epoch = clock.new_id()
    await append(pool, keys, [view_leaf(epoch, n) for n in (1, 2, 5)])
    watch = Watch(pool)
    assert await watch.look(0) == ([], [])
    assert await watch.look(89) == ([], [])
    begun, ended = await watch.look(1)
    [alarm] = begun
    assert (alarm.kind, alarm.subject, alarm.first, alarm.last) == (
        "source.gap",
        f"documents.documents-0/{epoch}",
        3,
        4,
    )
    assert ended == []
    # Once, however often one looks, and whoever looks.
    assert await watch.look(20) == ([], [])
    assert await Watch(pool, watch.now).look(20) == ([], [])

    await append(pool, keys, [view_leaf(epoch, 3)])
    assert await watch.look(20) == ([], [])
    await append(pool, keys, [view_leaf(epoch, 4)])
    assert await watch.look(20) == ([], [alarm])
    assert await watch.look(20) == ([], [])
    leaves = await logged(pool, "source.gap_found", "source.gap_filled")
    assert [(leaf.action, leaf.object_id, dict(leaf.detail)) for leaf in leaves] == [
        ("source.gap_found", alarm.subject, {"first": "3", "last": "4"}),
        ("source.gap_filled", alarm.subject, {"first": "3", "last": "4"}),
    ]


async def test_a_missing_version_of_an_object_is_an_alarm(pool, keys):
    await append(pool, keys, [event_leaf(1, "文書"), event_leaf(4, "文書")])
    watch = Watch(pool)
    await watch.look(0)
    [alarm] = (await watch.look(90))[0]
    assert (alarm.kind, alarm.subject, alarm.first, alarm.last) == ("object.gap", "documents.document/文書", 2, 3)
    await append(pool, keys, [event_leaf(2, "文書"), event_leaf(3, "文書")])
    assert await watch.look(1) == ([], [alarm])


async def test_a_source_that_falls_silent_without_closing_is_an_alarm(pool, keys):
    silent, closed = clock.new_id(), clock.new_id()
    await append(pool, keys, [view_leaf(silent, 1), view_leaf(closed, 1), view_leaf(closed, 2, action="epoch.close")])
    watch = Watch(pool)
    assert await watch.look(180) == ([], [])
    assert await watch.look(91) == ([], [])
    [alarm] = (await watch.look(90))[0]
    assert (alarm.kind, alarm.subject) == ("source.overdue", f"documents.documents-0/{silent}")
    await append(pool, keys, [view_leaf(silent, 2)], watch.now)
    assert await watch.look(1) == ([], [alarm])


async def test_two_replicas_that_look_at_once_alarm_once(place, open_pool, keys):
    pools = [await open_pool(place) for _ in range(2)]
    await append(pools[0], keys, [view_leaf(clock.new_id(), 2)])
    watches = [Watch(pool) for pool in pools]
    for watch in watches:
        await watch.look(0)
    for watch in watches:
        await watch.look(90)
    assert len(await logged(pools[0], "source.gap_found")) == 1


async def test_an_alarm_is_neither_removed_nor_begun_again(pool, keys, place):
    await append(pool, keys, [view_leaf(clock.new_id(), 2)])
    watch = Watch(pool)
    await watch.look(0)
    await watch.look(90)
    async with db.connection(pool) as conn:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await conn.execute("DELETE FROM alarms")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await conn.execute("UPDATE alarms SET subject = 'なし'")
        await conn.execute("UPDATE alarms SET until = since")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await conn.execute("UPDATE alarms SET until = NULL")


async def test_an_outbox_that_nobody_empties_is_an_alarm(pool, keys):
    watch = Watch(pool)
    reporter = Source(pool, keys)
    await reporter.add("count.reported", object_type="count", object_id="committed", detail={"outbox_overdue": "3"})
    await watch.look(0)
    [alarm] = (await watch.look(90))[0]
    assert (alarm.kind, alarm.subject) == ("outbox.overdue", "documents")
    await reporter.add("count.reported", object_type="count", object_id="committed", detail={"outbox_overdue": "0"})
    assert await watch.look(1) == ([], [alarm])


# --- the daily reconciliation -----------------------------------------------------------------------------------


class Source:
    """A process of documents whose records reach the log as they are told to."""

    def __init__(self, pool, keys, service="documents"):
        self.pool, self.keys, self.service = pool, keys, service
        self.epoch, self.seq = clock.new_id(), 0

    @property
    def name(self):
        return f"{self.service}.{self.service}-0/{self.epoch}"

    async def add(self, action, *, arrives=True, **more):
        self.seq += 1
        leaf = view_leaf(
            self.epoch, self.seq, action=action, service=self.service, instance=f"{self.service}-0", **more
        )
        if arrives:
            await append(self.pool, self.keys, [leaf])

    async def report(self, what, **counts):
        detail = {name: str(number) for name, number in counts.items()}
        await self.add("count.reported", object_type="count", object_id=what, detail=detail)


async def standing(pool):
    async with db.connection(pool) as conn:
        return [alarm.subject for alarm in await store.standing(conn, [commands.RECONCILIATION])]


async def test_counts_that_agree_are_a_leaf(pool, keys):
    documents, gateway = Source(pool, keys), Source(pool, keys, "gateway")
    for _ in range(3):
        await documents.add("document.viewed")
    await documents.add("attachment.downloaded", object_type="attachment")
    await gateway.report("answered", **{f"{documents.epoch}.GetDocument": 3, f"{documents.epoch}.ReadAttachment": 1})
    await documents.report("opened", attachment=1)
    await documents.report("committed", **{documents.epoch: documents.seq, "outbox_overdue": 0})
    assert await commands.reconcile(pool, SETTLE, LATER)
    [leaf] = await logged(pool, "reconciliation.done", "reconciliation.failed")
    assert (leaf.action, leaf.object_id) == ("reconciliation.done", "2026-11-23")
    assert {leaf.detail[f"GetDocument.{name}"] for name in ("recorded", "answered")} == {"3"}
    assert leaf.detail["ReadAttachment.opened"] == "1"
    # The same again counts nothing twice.
    assert await commands.reconcile(pool, SETTLE, LATER)
    assert (await logged(pool, "reconciliation.done"))[1].detail["GetDocument.recorded"] == "3"


async def test_an_answer_that_was_lost_is_explained(pool, keys):
    documents, gateway = Source(pool, keys), Source(pool, keys, "gateway")
    for _ in range(3):
        await documents.add("document.viewed")
    await gateway.report("answered", **{f"{documents.epoch}.GetDocument": 2})
    assert await commands.reconcile(pool, SETTLE, LATER)


async def test_a_record_dropped_on_the_way_is_found_with_its_source_and_kind(pool, keys):
    """The last number too, after which nothing comes: no gap shows it."""
    documents, gateway = Source(pool, keys), Source(pool, keys, "gateway")
    await documents.add("document.viewed")
    await documents.report("committed", **{documents.epoch: 3})
    documents.seq = 1
    await gateway.report("answered", **{f"{documents.epoch}.GetDocument": 2})
    assert not await commands.reconcile(pool, SETTLE, LATER)
    assert await standing(pool) == [f"{documents.name} GetDocument", f"{documents.name} records"]
    [leaf] = await logged(pool, "reconciliation.failed")
    assert leaf.outcome == "failed"
    words = [leaf.detail[f"disagreement.{n}"] for n in (1, 2)]
    assert words == [
        f"{documents.name} GetDocument: recorded 1, answered 2, opened 0",
        f"{documents.name} records: committed 3, in the log 2 up to number 2",
    ]
    # It arrives after all: both agree, and the alarms end.
    documents.seq = 2
    await documents.add("document.viewed")
    assert await commands.reconcile(pool, SETTLE, LATER)
    assert await standing(pool) == []


@pytest.mark.parametrize("number", ["三", "", "-1", "1e3", "9" * 40])
async def test_a_report_of_what_is_no_number_counts_nothing_and_stops_nothing(pool, keys, number):
    documents, gateway = Source(pool, keys), Source(pool, keys, "gateway")
    await documents.add("document.viewed")
    await gateway.report("answered", **{f"{documents.epoch}.GetDocument": number})
    await documents.report("opened", attachment=number)
    await documents.report("committed", **{documents.epoch: number})
    assert await commands.reconcile(pool, SETTLE, LATER)


async def test_a_report_that_cannot_be_read_stops_neither_the_looks_nor_the_reconciliation(pool, keys, superuser):
    documents, gateway = Source(pool, keys), Source(pool, keys, "gateway")
    await documents.report("committed", outbox_overdue=3)
    await gateway.report("answered", **{"none.GetDocument": 1})
    await superuser.execute(
        "UPDATE entries SET leaf = convert_to('読めない', 'UTF8') WHERE epoch = %s", (documents.epoch,)
    )
    assert await Watch(pool).look(0) == ([], [])
    assert not await commands.reconcile(pool, SETTLE, LATER)
    assert await standing(pool) == ["none GetDocument"]


async def test_an_answer_without_a_record_is_found(pool, keys):
    """A service that serves without recording (I1)."""
    gateway = Source(pool, keys, "gateway")
    await gateway.report("answered", **{"none.GetDocument": 1})
    assert not await commands.reconcile(pool, SETTLE, LATER)
    assert await standing(pool) == ["none GetDocument"]


async def test_an_object_opened_without_a_record_is_found(pool, keys):
    documents = Source(pool, keys)
    await documents.add("attachment.read", object_type="attachment", outcome="denied")
    await documents.report("opened", attachment=1)
    assert not await commands.reconcile(pool, SETTLE, LATER)
    assert await standing(pool) == [f"{documents.name} ReadAttachment"]


async def test_a_whole_process_that_never_arrived_is_found(pool, keys):
    documents, lost = Source(pool, keys), clock.new_id()
    await documents.report("committed", **{lost: 7})
    assert not await commands.reconcile(pool, SETTLE, LATER)
    assert await standing(pool) == [f"documents/{lost} records"]


async def test_a_report_waits_until_what_it_speaks_of_can_have_arrived(pool, keys):
    documents, gateway = Source(pool, keys), Source(pool, keys, "gateway")
    await gateway.report("answered", **{f"{documents.epoch}.GetDocument": 1})
    assert await commands.reconcile(pool, SETTLE, NOW + dt.timedelta(minutes=1))
    await documents.add("document.viewed")
    assert await commands.reconcile(pool, SETTLE, LATER)
    assert (await logged(pool, "reconciliation.done"))[1].detail["GetDocument.answered"] == "1"


async def test_it_is_done_once_on_each_japanese_day(pool, keys):
    await append(pool, keys, [event_leaf()])
    midnight = dt.datetime(2026, 11, 24, tzinfo=clock.JST)
    assert await commands.reconcile_if_due(pool, SETTLE, midnight - dt.timedelta(seconds=1)) is True
    assert await commands.reconcile_if_due(pool, SETTLE, midnight - dt.timedelta(seconds=1)) is None
    assert await commands.reconcile_if_due(pool, SETTLE, midnight) is True
    assert [leaf.object_id for leaf in await logged(pool, "reconciliation.done")] == ["2026-11-23", "2026-11-24"]
