"""Counts beside the records: reported once each, never twice."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from chassis import epochs
from chassis.errors import DomainError
from chassis.tally import MAX_NAMES, Tally
from chassis.tests.test_recorder import VIEW, running, stored


async def reports(pool, what):
    return [dict(one.detail) for one in (await stored(pool)).values() if one.object_id == what]


@asynccontextmanager
async def not_writable(owner):
    await owner.execute("REVOKE INSERT ON outbox FROM documents_app")
    try:
        yield
    finally:
        await owner.execute("GRANT INSERT ON outbox TO documents_app")


async def test_what_was_counted_is_reported_once(pool):
    tally = Tally()
    async with running(pool) as records:
        await tally.report(records, "documents", "opened")
        tally.add("attachment", 2)
        tally.add("attachment")
        await tally.report(records, "documents", "opened")
        await tally.report(records, "documents", "opened")
        tally.add("attachment")
        await tally.report(records, "documents", "opened")
    assert await reports(pool, "opened") == [{"attachment": "3"}, {"attachment": "1"}]


async def test_what_is_counted_while_a_report_is_written_is_in_the_next(pool):
    tally = Tally()
    tally.add("添付", 5)
    async with running(pool) as records:
        writing = asyncio.create_task(tally.report(records, "documents", "opened"))
        await asyncio.sleep(0)
        tally.add("添付")
        await writing
        await tally.report(records, "documents", "opened")
    assert await reports(pool, "opened") == [{"添付": "5"}, {"添付": "1"}]


async def test_a_report_that_failed_is_not_made_again(pool, owner):
    """It may have been written all the same: counted twice it would be a false alarm."""
    tally = Tally()
    async with running(pool) as records:
        await records.record(VIEW)
        tally.add("attachment", 7)
        async with not_writable(owner):
            with pytest.raises(DomainError):
                await tally.report(records, "documents", "opened")
        tally.add("attachment")
        await tally.report(records, "documents", "opened")
    granted = [detail for detail in await reports(pool, "opened") if detail["attachment"] != "7"]
    assert granted == [{"attachment": "1"}]


async def test_more_names_than_a_leaf_holds_are_reported_in_parts(pool):
    tally = Tally()
    for number in range(MAX_NAMES + 5):
        tally.add(f"name-{number}")
    async with running(pool) as records:
        await tally.report(records, "gateway", "answered")
        await tally.report(records, "gateway", "answered")
    parts = await reports(pool, "answered")
    assert [len(part) for part in parts] == [MAX_NAMES, 5]
    assert len({name for part in parts for name in part}) == MAX_NAMES + 5


async def test_the_database_says_what_it_has_committed_and_what_waits(pool, owner):
    async with running(pool) as records:
        reference = await records.record(VIEW)
        epoch = records.epoch
        assert await epochs.committed(pool) == {epoch: reference.rsplit("/", 1)[1], "outbox_overdue": "0"}
        await owner.execute("UPDATE outbox SET created_at = now() - interval '601 seconds'")
        assert int((await epochs.committed(pool))["outbox_overdue"]) >= 1
