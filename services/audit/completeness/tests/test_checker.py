"""The log is checked every day by the service itself: what an administrator changed is an alarm (I2)."""

from __future__ import annotations

import asyncio
import datetime as dt
from contextlib import asynccontextmanager

import pytest

from chassis import clock, db
from chassis.s3 import StoreError
from kanketsu.audit.v1 import audit_service_pb2 as pb
from services.audit import commands as log_commands
from services.audit.completeness import checker, commands, store
from services.audit.completeness.checker import Checker
from services.audit.completeness.tests.test_commands import logged
from services.audit.tests.conftest import open_vault
from services.audit.tests.making import NOW, batch_of, event_leaf, record
from services.audit.tests.test_commands import advanced
from services.audit.tests.test_consumer import until
from services.audit.tests.test_continuity import turned
from services.audit.tests.test_processes import Replica, checkpoint_of
from services.audit.tests.test_self_check import FORGED, log

__all__ = ["log"]

ORIGIN = "audit.minoh.example/2026"


@pytest.fixture
def check(pool, vault):
    """Checks once."""
    return Checker(pool, vault, asyncio.Event(), lambda: None).check


async def standing(pool):
    async with db.connection(pool) as conn:
        return sorted(one.subject for one in await store.standing(conn, ["log.altered"]))


async def test_a_log_that_is_what_it_was_is_a_leaf_that_says_so(pool, check, log):
    await check()
    [leaf] = await logged(pool, "log.checked")
    assert (leaf.outcome, leaf.object_id, leaf.staff_id) == ("granted", ORIGIN, "service:audit")
    assert leaf.detail == {"leaves": "600", "findings": "0"}
    assert await standing(pool) == []


async def test_what_was_tampered_with_is_an_alarm_once_until_it_is_put_right(pool, keys, vault, check, log, superuser):
    """A hidden row: it stays under the tree that was signed, and only a search would miss it."""
    await superuser.execute("UPDATE entries SET staff_id = 'S0001' WHERE leaf_index IN (12, 300)")
    await superuser.execute("UPDATE entries SET document_id = NULL WHERE leaf_index = 12")
    await check()
    await check()
    assert await standing(pool) == [f"{ORIGIN} leaf 12", f"{ORIGIN} leaf 300"]
    alarms = await logged(pool, "log.alteration_found")
    assert [leaf.object_id for leaf in alarms] == [f"{ORIGIN} leaf 12", f"{ORIGIN} leaf 300"]
    [first, second] = await logged(pool, "log.checked")
    assert (first.outcome, first.detail["findings"]) == ("failed", "2")
    assert second.detail["finding.2"] == "leaf 300: columns that repeat it say something else: staff_id"

    await superuser.execute("UPDATE entries SET staff_id = 'S0123' WHERE leaf_index = 300")
    await check()
    assert await standing(pool) == [f"{ORIGIN} leaf 12"]
    assert [leaf.object_id for leaf in await logged(pool, "log.alteration_gone")] == [f"{ORIGIN} leaf 300"]


async def test_the_log_goes_on_while_it_is_found_altered(pool, keys, vault, check, log, superuser):
    await superuser.execute("DELETE FROM entries WHERE leaf_index = 7")
    await check()
    assert f"{ORIGIN} leaf 7" in await standing(pool)
    await log_commands.append(pool, keys, [event_leaf(301, "D-1")], NOW)
    signed = await advanced(pool, keys, vault)
    assert signed.checkpoint_size == signed.size > 601


async def test_a_destroyed_log_is_a_hundred_alarms_and_not_a_thousand(pool, check, log, superuser):
    await superuser.execute("UPDATE entries SET leaf = %s", (FORGED,))
    await check()
    assert len(await standing(pool)) == commands.MOST_FOUND
    await superuser.execute("UPDATE entries SET staff_id = ''")
    await check()
    # Nobody saw that one of them was put right.
    assert await logged(pool, "log.alteration_gone") == []


async def test_what_cannot_even_be_read_is_an_alarm_and_ends_nothing(pool, check, log, superuser):
    await superuser.execute("ALTER TABLE entries DROP CONSTRAINT entries_leaf_check")
    await superuser.execute("UPDATE entries SET leaf = decode(repeat('00', 70000), 'hex') WHERE leaf_index = 3")
    await check()
    assert f"{ORIGIN} log" in await standing(pool)


async def test_earlier_years_are_checked_too(pool, keys, vault, check, log, superuser):
    await turned(pool, keys, vault)
    async with db.connection(pool) as conn:
        await log_commands.keep_final(conn, vault, 2026)
    await advanced(pool, keys, vault)
    await superuser.execute("DELETE FROM tiles WHERE log_year = 2026")
    await check()
    assert [leaf.object_id for leaf in await logged(pool, "log.checked")] == ["audit.minoh.example/2027", ORIGIN]
    assert all(subject.startswith(f"{ORIGIN} ") for subject in await standing(pool))


async def test_a_store_that_does_not_answer_is_no_finding(pool, engines, log):
    elsewhere = open_vault(engines, "no-such-bucket")
    with pytest.raises(StoreError):
        await Checker(pool, elsewhere, asyncio.Event(), lambda: None).check()
    elsewhere.close()
    assert await standing(pool) == []


@asynccontextmanager
async def running(pool, vault):
    leads = asyncio.Event()
    task = asyncio.create_task(Checker(pool, vault, leads, lambda: None).run())
    try:
        yield leads
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_the_leader_checks_after_its_start_and_then_once_a_day(pool, vault, log, monkeypatch):
    monkeypatch.setattr(checker, "LOOK_SECONDS", 0.02)
    looks = []

    def today():
        looks.append(None)
        return today.day

    today.day = dt.date(2026, 11, 27)
    monkeypatch.setattr(clock, "today", today)

    async def looked(times):
        before = len(looks)
        await until(lambda: asyncio.sleep(0.01, len(looks) >= before + times), 20)
        return len(await logged(pool, "log.checked"))

    async with running(pool, vault) as leads:
        # Who does not lead does not check.
        await asyncio.sleep(0.1)
        assert looks == []
        leads.set()
        assert await looked(5) == 1
        today.day = dt.date(2026, 11, 28)
        assert await looked(5) == 2


async def test_a_service_that_starts_finds_what_was_done_to_its_store_meanwhile(
    engines, place, buckets, tmp_path, pool, superuser
):
    """As operations run it: the alarm stands, and the log is signed on."""
    replica, epoch = Replica(engines, place, buckets, 1, tmp_path), clock.new_id()
    await replica.start()
    try:
        first = batch_of([record(seq) for seq in range(1, 31)], epoch)
        await replica.ask("AppendRecords", pb.AppendRecordsRequest(batch=first))

        async def is_covered(size=30) -> bool:
            checkpoint = await checkpoint_of(replica)
            return checkpoint is not None and checkpoint.size >= size

        await until(is_covered, 20)
        await replica.end()
        await superuser.execute("UPDATE entries SET staff_id = 'S0001' WHERE epoch = %s AND seq = 12", (epoch,))
        await replica.start()

        async def alarmed() -> bool:
            return len(await standing(pool)) == 1

        await until(alarmed, 30)
        second = batch_of([record(31)], epoch, first.chain)
        answer = await replica.ask("AppendRecords", pb.AppendRecordsRequest(batch=second))
        await until(lambda: is_covered(answer.last_index + 1), 10)
    finally:
        await replica.end()
