"""No access without a record (I1): durable before the answer, numbered without a gap, refused otherwise."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import psycopg
import pytest

from chassis import db, epochs, recorder
from chassis.db import transaction
from chassis.epochs import DatabaseSink
from chassis.errors import DomainError
from chassis.identity import Identity
from chassis.outbox import Relay
from chassis.recorder import Access, Recorder, digest_of
from kanketsu.event.v1 import envelope_pb2

CLERK = Identity(staff_id="S0042", tenant="minoh", posts={"P-1": "U-040-03"}, acting_post="P-1")
VIEW = Access(actor=CLERK, action="document.viewed", object_type="document", object_id="文書")


class NoBroker:
    async def publish(self, subject, payload, message_id, trace_parent):
        raise ConnectionError("no broker in this test")


@asynccontextmanager
async def running(pool, **options):
    relay = Relay(pool, NoBroker(), 30)
    records = Recorder("documents", "documents-1", DatabaseSink(pool, "documents", relay), **options)
    task = asyncio.create_task(records.run())
    try:
        yield records
    finally:
        task.cancel()
        await asyncio.wait([task])


async def stored(pool):
    """All records in the outbox by (epoch, seq)."""
    async with transaction(pool) as conn:
        rows = await (await conn.execute("SELECT payload FROM outbox ORDER BY outbox_id")).fetchall()
    found = {}
    for (payload,) in rows:
        for batch in envelope_pb2.AccessRecordParcel.FromString(payload).batches:
            for record in batch.records:
                assert (batch.epoch, record.seq) not in found
                found[batch.epoch, record.seq] = record
    return found


async def test_a_record_is_durable_when_record_returns(pool):
    async with running(pool) as records:
        reference = await records.record(VIEW)
        source, epoch, seq = reference.split("/")
        found = await stored(pool)
    assert source == "documents.documents-1"
    record = found[epoch, int(seq)]
    assert record.action == "document.viewed"
    assert record.object_id == "文書"
    assert record.actor.staff_id == "S0042"
    assert record.actor.unit_id == "U-040-03"


async def test_a_list_that_nobody_asked_anything_of_has_the_digest_of_the_empty_question(pool):
    """SC-01: the log takes no result without its question; a record it cannot take is a gap."""
    whole = replace(VIEW, action="template.listed", result_count=2, result_digest=digest_of("a", "b"))
    async with running(pool) as records:
        references = [await records.record(one) for one in (whole, VIEW)]
        found = await stored(pool)
    listed, viewed = (found[epoch, int(seq)] for _, epoch, seq in (one.split("/") for one in references))
    assert (listed.query_digest, listed.result_count) == (digest_of(), 2)
    assert viewed.query_digest == ""


async def test_many_at_once_share_commits_and_leave_no_gap(pool):
    async with running(pool) as records:
        references = await asyncio.gather(*(records.record(VIEW) for _ in range(300)))
        found = await stored(pool)
        epoch = records.epoch
    assert len(set(references)) == 300
    assert sorted(seq for at, seq in found if at == epoch) == list(range(1, 302))
    async with transaction(pool) as conn:
        (batches,) = await (await conn.execute("SELECT count(*) FROM outbox")).fetchone()
    assert batches < 100


async def test_the_chain_is_recomputed_by_whoever_has_the_records(pool):
    async with running(pool) as records:
        await asyncio.gather(*(records.record(VIEW) for _ in range(20)))
        epoch = records.epoch
    chain = ""
    found = await stored(pool)
    for seq in range(1, 22):
        chain = recorder.chain_after(chain, found[epoch, seq])
    async with transaction(pool) as conn:
        row = await (
            await conn.execute("SELECT last_seq, chain FROM record_epochs WHERE epoch = %s", (epoch,))
        ).fetchone()
    assert row == (21, chain)


async def test_without_the_right_to_write_the_outbox_nothing_is_granted(pool, owner):
    async with running(pool) as records:
        await records.record(VIEW)
        await owner.execute("REVOKE INSERT ON outbox FROM documents_app")
        with pytest.raises(DomainError) as caught:
            await records.record(VIEW)
        assert caught.value.reason == "NOT_RECORDED"
        await owner.execute("GRANT INSERT ON outbox TO documents_app")
        # It heals by itself. The refused one stands in the log as failed, since nothing was served for it.
        await records.record(VIEW)
        found = await stored(pool)
        epoch = records.epoch
    assert [found[epoch, seq].outcome for seq in range(1, 5)] == [
        envelope_pb2.OUTCOME_GRANTED,
        envelope_pb2.OUTCOME_GRANTED,
        envelope_pb2.OUTCOME_FAILED,
        envelope_pb2.OUTCOME_GRANTED,
    ]


async def test_a_commit_whose_answer_was_lost_is_not_numbered_twice(pool):
    """The connection dies after the commit: the batch is settled from the database before the next is written."""
    relay = Relay(pool, NoBroker(), 30)
    sink = DatabaseSink(pool, "documents", relay)

    class LosesOneAnswer:
        lose = 0

        async def write(self, batch):
            chain = await sink.write(batch)
            if self.lose:
                self.lose -= 1
                raise db.unavailable(psycopg.OperationalError("the connection was lost after the commit"))
            return chain

    flaky = LosesOneAnswer()
    records = Recorder("documents", "documents-1", flaky)
    task = asyncio.create_task(records.run())
    await records.record(VIEW)
    flaky.lose = 1
    with pytest.raises(DomainError):
        await records.record(VIEW)
    await records.record(VIEW)
    task.cancel()
    await asyncio.wait([task])
    found = await stored(pool)
    assert sorted(seq for at, seq in found if at == records.epoch) == [1, 2, 3, 4]


async def test_a_waiting_reader_is_refused_in_time_when_the_database_hangs(pool, owner):
    async with running(pool, timeout=0.5) as records:
        await records.record(VIEW)
        async with owner.transaction():
            await owner.execute("LOCK TABLE record_epochs IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(DomainError) as caught:
                await records.record(VIEW)
            assert caught.value.reason == "NOT_RECORDED"


async def test_a_crashed_epoch_is_recovered_once_and_a_sleeper_opens_a_new_one(pool):
    async with running(pool) as records:
        await records.record(VIEW)
        first = records.epoch
        relay = Relay(pool, NoBroker(), 30)
        assert await epochs.recover_epochs(pool, "documents", relay, after=-1) == 1
        assert await epochs.recover_epochs(pool, "documents", relay, after=-1) == 0
        with pytest.raises(DomainError):
            await records.record(VIEW)
        reference = await records.record(VIEW)
        assert records.epoch != first
        assert reference.split("/")[1] == records.epoch
    found = await stored(pool)
    assert found[first, 3].action == "epoch.recovered"
    assert found[first, 3].detail["last_seq"] == "2"
    assert found[records.epoch, 1].action == "epoch.open"


async def test_an_idle_process_is_not_taken_for_a_crashed_one(pool):
    """However short the silence that counts as a crash is."""
    relay = Relay(pool, NoBroker(), 30)
    async with running(pool, recover_after=3) as records:
        await records.record(VIEW)
        first = records.epoch
        async with asyncio.timeout(20):
            while len(await stored(pool)) < 5:
                assert await epochs.recover_epochs(pool, "documents", relay, after=3) == 0
                await asyncio.sleep(0.1)
        assert records.epoch == first
    assert [record.action for record in (await stored(pool)).values()][2:] == ["epoch.heartbeat"] * 3


async def test_a_busy_process_beats_too_and_states_the_chain_of_what_it_has_written():
    """Or nobody could compare what it sent until it ends."""
    written: list[envelope_pb2.AccessRecord] = []

    class Memory:
        async def write(self, batch):
            written.extend(batch.records)
            return batch.chain

    records = Recorder("documents", "documents-1", Memory(), recover_after=0.3)
    task = asyncio.create_task(records.run())
    async with asyncio.timeout(20):
        while sum(one.action == "epoch.heartbeat" for one in written) < 3:
            await records.record(VIEW)
    task.cancel()
    await asyncio.wait([task])
    chain = ""
    for number, record in enumerate(written, start=1):
        assert record.seq == number
        if record.action.startswith("epoch."):
            assert dict(record.detail) == {"last_seq": str(number - 1), "chain": chain}
        chain = recorder.chain_after(chain, record)


async def test_a_closed_epoch_says_how_many_there_were(pool):
    async with running(pool) as records:
        await records.record(VIEW)
    await records.close()
    found = await stored(pool)
    assert found[records.epoch, 3].action == "epoch.close"
    assert found[records.epoch, 3].detail["last_seq"] == "2"
    async with transaction(pool) as conn:
        (state,) = await (
            await conn.execute("SELECT state FROM record_epochs WHERE epoch = %s", (records.epoch,))
        ).fetchone()
    assert state == "closed"


async def test_the_application_cannot_edit_or_renumber_what_was_recorded(pool):
    async with running(pool) as records:
        await records.record(VIEW)
    for attack in (
        "UPDATE outbox SET payload = ''",
        "UPDATE outbox SET subject = 'elsewhere'",
        "DELETE FROM record_epochs",
        "UPDATE record_epochs SET epoch = uuidv7()",
        "TRUNCATE outbox",
        "DROP TABLE record_epochs",
    ):
        with pytest.raises(DomainError):
            async with transaction(pool) as conn:
                await conn.execute(attack.encode())


async def test_many_readers_share_a_commit_and_a_lone_one_does_not_wait_for_company():
    begun: list[tuple[float, int]] = []

    class Memory:
        async def write(self, batch):
            begun.append((time.monotonic(), len(batch.records)))
            return batch.chain

    records = Recorder("documents", "documents-1", Memory())
    task = asyncio.create_task(records.run())

    async def reader():
        for _ in range(5):
            await records.record(VIEW)

    await records.record(VIEW)
    await records.record(VIEW)
    assert begun[-1][1] == 1
    await asyncio.gather(*(reader() for _ in range(20)))
    task.cancel()
    await asyncio.wait([task])
    times = [moment for moment, _ in begun]
    # The loop's clock may be a millisecond coarse.
    assert all(b - a > recorder.COMMIT_EVERY_SECONDS - 0.002 for a, b in itertools.pairwise(times))
    assert sum(count for _, count in begun) == 1 + 2 + 100
    assert len(begun) < 20
