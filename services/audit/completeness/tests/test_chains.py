"""What a source wrote is what the log has: its chain values, compared with the records that arrived (I2)."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio

from chassis import db
from chassis.identity import Identity
from chassis.recorder import Access, Recorder, chain_after
from kanketsu.event.v1 import envelope_pb2
from services.audit import commands as log_commands
from services.audit.completeness import commands, store
from services.audit.completeness.tests.test_commands import logged
from services.audit.intake import leaves_of_parcel, record_of
from services.audit.tests.making import NOW

CLERK = Identity(
    staff_id="S0042",
    tenant="minoh",
    posts={"P-1": "U-040-03"},
    acting_post="P-1",
    terminal="10.40.3.17",
    session_id="席",
)
ACCESSES = [
    Access(actor=CLERK, action="document.viewed", object_type="document", object_id="文書", version_digest="ab" * 32,
           detail={"purpose": "owner_unit", "unit": "U-040-03", "class": "01-02"}),
    Access(actor=CLERK, action="document.searched", object_type="document", query_digest="cd" * 32, result_count=3,
           result_digest="ef" * 32),
    Access(actor=CLERK, action="document.listed", object_type="document", query_digest="01" * 32, result_digest="23" * 32),
    Access(actor=CLERK, action="attachment.read", object_type="attachment", object_id="添付", reason="CONTENT_DAMAGED",
           outcome=envelope_pb2.OUTCOME_FAILED, detail={"document_id": "文書", "purpose": ""}),
]  # fmt: skip


class Sent:
    """What a process commits, batch by batch, as its outbox would hold it."""

    def __init__(self):
        self.batches = []

    async def write(self, batch):
        self.batches.append(envelope_pb2.AccessRecordBatch.FromString(batch.SerializeToString()))
        return batch.chain

    @property
    def records(self):
        return [record for batch in self.batches for record in batch.records]

    def record(self, seq):
        return next(one for one in self.records if one.seq == seq)

    def next_after(self, action, seq):
        return next(one.seq for one in self.records if one.action == action and one.seq > seq)


@pytest_asyncio.fixture(loop_scope="session")
async def sent():
    """A process that recorded forty accesses, beat in between, and ended."""
    sink = Sent()
    records = Recorder("documents", "documents-1", sink, recover_after=0.05)
    task = asyncio.create_task(records.run())
    for number in range(40):
        await records.record(ACCESSES[number % len(ACCESSES)])
    task.cancel()
    await asyncio.wait([task])
    await records.close()
    assert sum(one.action == "epoch.heartbeat" for one in sink.records) >= 2
    return sink


async def carry(pool, keys, batches):
    """As the consumer does."""
    for batch in batches:
        data = envelope_pb2.AccessRecordParcel(batches=[batch]).SerializeToString()
        await log_commands.append(pool, keys, leaves_of_parcel(data), NOW)


async def looked(pool):
    """(first, last) of the alarms that begin at a look, all of the one source."""
    begun = await commands.follow_chains(pool, NOW)
    assert {one.kind for one in begun} <= {"source.altered"}
    return [(one.first, one.last) for one in begun]


def test_the_record_is_made_again_from_its_leaf(sent):
    """Byte for byte, whatever the record says."""
    data = envelope_pb2.AccessRecordParcel(batches=sent.batches).SerializeToString()
    made = [record_of(leaf).SerializeToString(deterministic=True) for leaf in leaves_of_parcel(data)]
    assert made == [record.SerializeToString(deterministic=True) for record in sent.records]


@pytest.mark.parametrize("step", [1, 7, 500])
async def test_what_was_not_altered_agrees(pool, keys, sent, monkeypatch, step):
    monkeypatch.setattr(commands, "CHAIN_STEP", step)
    await carry(pool, keys, sent.batches)
    assert await looked(pool) == []
    async with db.connection(pool) as conn:
        assert await store.to_follow(conn) == []
        _, chain = await store.chain_of(conn, sent.batches[0].epoch)
    last = sent.records[-1]
    assert (chain.seq, chain.value, chain.vouched) == (last.seq, sent.batches[-1].chain, last.seq - 1)


def altered_person(record):
    record.actor.staff_id = "S9999"


def altered_time(record):
    record.occurred_at.seconds -= 3600


def altered_outcome(record):
    record.outcome = envelope_pb2.OUTCOME_DENIED


def altered_object(record):
    record.object_id = "別の文書"


def altered_detail(record):
    record.detail["unit"] = "U-999"


@pytest.mark.parametrize("alter", [altered_person, altered_time, altered_outcome, altered_object, altered_detail])
async def test_a_record_altered_on_its_way_is_an_alarm_that_names_source_and_numbers(pool, keys, sent, alter):
    """By somebody with the service's database or the broker; the batch's own chain value made to fit as well."""
    seq = sent.next_after("epoch.heartbeat", 1) + 1
    batch = next(one for one in sent.batches if any(record.seq == seq for record in one.records))
    alter(sent.record(seq))
    batch.chain = "00" * 32
    await carry(pool, keys, sent.batches)
    begun = await commands.follow_chains(pool, NOW)
    [alarm] = begun
    vouched = [one.seq for one in sent.records if one.action.startswith("epoch.")]
    before, after = max(n for n in vouched if n < seq), min(n for n in vouched if n > seq)
    assert (alarm.kind, alarm.subject) == ("source.altered", f"documents.documents-1/{batch.epoch}")
    assert (alarm.first, alarm.last) == (before, after - 1)
    # Once, and for good.
    assert await looked(pool) == []
    assert await commands.watch(pool, commands.Noticed(NOW - NOW), NOW - NOW, NOW) == ([], [])
    async with db.connection(pool) as conn:
        assert await store.standing(conn, ["source.altered"]) == begun
    [leaf] = await logged(pool, "source.alteration_found")
    assert (leaf.object_id, leaf.detail) == (alarm.subject, {"first": str(before), "last": str(after - 1)})


async def test_two_records_that_change_places_are_found(pool, keys, sent):
    one, other = sent.record(3), sent.record(4)
    one.seq, other.seq = other.seq, one.seq
    await carry(pool, keys, sent.batches)
    assert len(await looked(pool)) == 1


async def test_a_statement_made_to_fit_convicts_the_next(pool, keys, sent):
    """Who alters a record and the heartbeat after it would have to rewrite all that follow, to the last."""
    beat = sent.next_after("epoch.heartbeat", 1)
    following = min(one.seq for one in sent.records if one.action.startswith("epoch.") and one.seq > beat)
    sent.record(2).actor.staff_id = "S9999"
    chain = ""
    for seq in range(1, beat):
        chain = chain_after(chain, sent.record(seq))
    sent.record(beat).detail["chain"] = chain
    await carry(pool, keys, sent.batches)
    assert await looked(pool) == [(beat, following - 1)]


async def test_the_last_records_of_a_process_that_crashed_are_compared_with_its_database(pool, keys, sent):
    """`epoch.recovered` states the chain value that the service's own database holds."""
    last = sent.records[-1]
    last.action = "epoch.recovered"
    sent.record(last.seq - 1).reason = "改ざん"
    await carry(pool, keys, sent.batches)
    [(_, found)] = await looked(pool)
    assert found == last.seq - 1
    assert last.detail["last_seq"] == str(found)


async def test_a_missing_number_is_waited_for(pool, keys, sent):
    """Until then the gap is the alarm; the record that comes late is compared like the others."""
    late = sent.batches[2]
    late.records[0].reason = "改ざん"
    await carry(pool, keys, [one for one in sent.batches if one is not late])
    assert await looked(pool) == []
    await carry(pool, keys, [late])
    [(first, last)] = await looked(pool)
    assert first <= late.records[0].seq <= last


async def test_a_value_that_is_none_stops_nothing(pool, keys, sent):
    beat = sent.next_after("epoch.heartbeat", 1)
    sent.record(beat).detail["chain"] = "番号"
    del sent.record(1).detail["last_seq"]
    await carry(pool, keys, sent.batches)
    found = await looked(pool)
    assert found[:2] == [(1, 1), (1, beat - 1)]


async def test_a_record_changed_in_the_log_itself_before_it_was_compared_is_found(pool, keys, sent, superuser):
    await carry(pool, keys, sent.batches)
    await superuser.execute(
        "UPDATE entries SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'), 'S0042', 'S9999'), 'UTF8') WHERE seq = 2"
    )
    assert len(await looked(pool)) == 1


async def test_a_leaf_that_cannot_be_read_is_an_alarm_and_stops_nothing(pool, keys, sent, superuser):
    """The records after it are compared all the same, and the last one of a process is found as well."""
    beat = sent.next_after("epoch.heartbeat", 1)
    last = sent.records[-1].seq
    await carry(pool, keys, sent.batches)
    await superuser.execute(
        "UPDATE entries SET leaf = convert_to('読めない', 'UTF8') WHERE seq = ANY(%s)", ([2, 3, last],)
    )
    assert await looked(pool) == [(2, 3), (1, beat - 1), (last, last)]
    assert await looked(pool) == []


async def test_only_whoever_watches_compares(place, open_pool, keys, sent):
    pools = [await open_pool(place) for _ in range(2)]
    sent.record(2).reason = "改ざん"
    await carry(pools[0], keys, sent.batches)
    found = await asyncio.gather(*(looked(pool) for pool in pools))
    assert sum(map(len, found)) == 1
