"""No event lost, none applied twice (I8): outbox, relay, broker, inbox and receipts against the real servers."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from chassis import clock, outbox, recorder
from chassis.broker import Broker, ensure_streams
from chassis.db import transaction
from chassis.errors import DomainError, Kind
from chassis.events import Consumer, each, receipts_consumer
from chassis.outbox import Relay
from chassis.settings import Secret, ServiceSettings
from deploy.local import system
from kanketsu.event.v1 import envelope_pb2


def settings_for(engines, service, **more):
    certificate = engines.certificate(service)
    return ServiceSettings(
        tenant="minoh",
        instance=f"{service}-1",
        tls_cert_file=Path(certificate.cert_file),
        tls_key_file=Path(certificate.key_file),
        tls_ca_file=engines.authority.ca_file,
        nats_url=engines.nats_url,
        nats_nkey_seed=Secret(engines.keys.read(f"nats-{service}.nkey")),
        **more,
    )


@asynccontextmanager
async def broker_of(engines, service):
    broker = Broker(settings_for(engines, service), service)
    task = asyncio.create_task(broker.run())
    await asyncio.wait_for(broker.ready(), 10)
    try:
        yield broker
    finally:
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def background(*coroutines):
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        running = set(tasks)
        while running:
            for task in running:
                task.cancel()
            # The broker's client swallows a cancellation that meets it while it flushes: then once more.
            _, running = await asyncio.wait(running, timeout=1)


async def until(condition, seconds=20.0):
    """Wait for an awaitable condition, bounded."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


def envelope(number, name="DocumentSubmitted"):
    return envelope_pb2.Envelope(
        event_id=clock.new_id(),
        type=f"kanketsu.documents.v1.{name}",
        action="document.submitted",
        producer="documents",
        aggregate="document",
        aggregate_id="d1",
        aggregate_version=number,
        occurred_at=recorder.timestamp(clock.now()),
    )


async def outbox_rows(pool):
    async with transaction(pool) as conn:
        return await (
            await conn.execute("SELECT event_id::text, awaits, attempts FROM outbox ORDER BY outbox_id")
        ).fetchall()


@dataclass
class Effects:
    """What a consumer did: a table row per applied event, in the consumer's own database."""

    pool: object
    seen: int = 0

    async def apply(self, event):
        self.seen += 1
        async with outbox.once(self.pool, "approvals", event.event_id) as conn:
            if conn is not None:
                await conn.execute("INSERT INTO effects (event_id) VALUES (%s)", (event.event_id,))

    async def applied(self):
        async with transaction(self.pool) as conn:
            rows = await (await conn.execute("SELECT event_id::text FROM effects")).fetchall()
        return [row[0] for row in rows]


@pytest_asyncio.fixture(loop_scope="session")
async def effects(pool, owner):
    await owner.execute("CREATE TABLE effects (event_id uuid NOT NULL)")
    await owner.execute("GRANT SELECT, INSERT ON effects TO documents_app")
    return Effects(pool)


def approvals_consumer(broker, handle, **more):
    return Consumer(
        broker,
        stream="EVENTS",
        durable="approvals",
        subjects=["kanketsu.documents.document.DocumentSubmitted"],
        handle=handle,
        receipt_as="approvals",
        **more,
    )


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def empty_broker(engines):
    """Every test begins with a broker that holds nothing, as after a loss of its disk."""
    engines.stop_one("nats")
    engines.wipe_nats()
    engines.start_one("nats")


async def append(pool, *envelopes, awaits=("approvals",)):
    async with transaction(pool) as conn:
        await outbox.append(conn, envelopes, awaits)


async def test_an_event_travels_once_is_receipted_and_its_row_goes(engines, pool, effects):
    events = [envelope(number) for number in range(1, 51)]
    async with broker_of(engines, "documents") as ours, broker_of(engines, "approvals") as theirs:
        relay = Relay(pool, ours, resend_after=30)
        await append(pool, *events)
        async with background(
            relay.run(),
            receipts_consumer(ours, pool, "documents").run(),
            approvals_consumer(theirs, each(effects.apply)).run(),
        ):
            await until(lambda: _empty(pool))
    assert sorted(await effects.applied()) == sorted(event.event_id for event in events)


async def _empty(pool):
    return not await outbox_rows(pool)


async def test_a_lonely_message_does_not_wait_for_its_batch_to_fill(engines, pool):
    """The consumer takes batches of a hundred; three messages, each sent after the one before was handled, are three batches."""
    batches = []

    async def handle(deliveries):
        batches.append(len(deliveries))

    async with broker_of(engines, "documents") as ours, broker_of(engines, "approvals") as theirs:
        consumer = approvals_consumer(theirs, handle, batch=100)
        async with background(consumer.run()):
            for number in range(1, 4):
                event = envelope(number)
                await ours.publish(outbox.subject_of(event), event.SerializeToString(), event.event_id, "")
                await until(lambda n=number: _handled(batches, n), 4)
    assert batches == [1, 1, 1]


async def _handled(batches, number):
    return len(batches) == number


async def test_a_row_stays_until_every_consumer_has_confirmed(pool):
    event = envelope(1)
    await append(pool, event, awaits=("approvals", "audit"))
    await outbox.confirm(pool, "approvals", [event.event_id])
    await outbox.confirm(pool, "approvals", [event.event_id])
    assert [(row[0], row[1]) for row in await outbox_rows(pool)] == [(event.event_id, ["audit"])]
    await outbox.confirm(pool, "audit", [event.event_id])
    assert await outbox_rows(pool) == []


async def test_a_lost_receipt_is_made_good_by_a_resend_the_broker_does_not_swallow(engines, pool, effects):
    """JetStream drops a message id it has seen within two minutes; a resend has another and gets through."""
    event = envelope(1)
    async with broker_of(engines, "documents") as ours, broker_of(engines, "approvals") as theirs:
        relay = Relay(pool, ours, resend_after=0.2)
        await append(pool, event)
        async with background(relay.run(), approvals_consumer(theirs, each(effects.apply)).run()):
            await until(lambda: _seen(effects, 3))
        assert await effects.applied() == [event.event_id]
        async with background(
            relay.run(),
            receipts_consumer(ours, pool, "documents").run(),
            approvals_consumer(theirs, each(effects.apply)).run(),
        ):
            await until(lambda: _empty(pool))
    assert await effects.applied() == [event.event_id]


async def _seen(effects, times):
    return effects.seen >= times


async def test_a_broker_that_comes_back_empty_is_refilled(engines, pool, effects):
    async with broker_of(engines, "documents") as ours, broker_of(engines, "approvals") as theirs:
        relay = Relay(pool, ours, resend_after=0.5)
        first, second = envelope(1), envelope(2)
        await append(pool, first)
        await until(lambda: _relayed(relay))
        engines.stop_one("nats")
        engines.wipe_nats()
        await append(pool, second)
        engines.start_one("nats")
        async with background(
            relay.run(),
            receipts_consumer(ours, pool, "documents").run(),
            approvals_consumer(theirs, each(effects.apply)).run(),
        ):
            await until(lambda: _empty(pool), 40)
    assert sorted(await effects.applied()) == sorted([first.event_id, second.event_id])


async def _relayed(relay):
    return await relay.relay_once() == 0


async def test_two_relays_do_not_publish_the_same_row(pool):
    sent = []

    class Counting:
        async def publish(self, subject, payload, message_id, trace_parent):
            sent.extend(message_id.split(","))
            await asyncio.sleep(0.01)

    await append(pool, *(envelope(number) for number in range(1, 301)))
    relays = [Relay(pool, Counting(), 30) for _ in range(3)]

    async def drain(relay):
        for _ in range(20):
            await relay.relay_once()

    await asyncio.gather(*(drain(relay) for relay in relays))
    assert len(sent) == 300
    assert len(set(sent)) == 300


async def test_what_cannot_be_published_stays_due(pool):
    class Refusing:
        async def publish(self, subject, payload, message_id, trace_parent):
            raise ConnectionError("no broker")

    await append(pool, envelope(1))
    relay = Relay(pool, Refusing(), 30)
    for _ in range(3):
        with pytest.raises(ConnectionError):
            await relay.relay_once()
    ((_, _, attempts),) = await outbox_rows(pool)
    assert attempts == 0


async def test_a_rolled_back_effect_leaves_no_inbox_row(pool, effects):
    event = envelope(1)

    async def fails(event):
        async with outbox.once(pool, "approvals", event.event_id) as conn:
            await conn.execute("INSERT INTO effects (event_id) VALUES (%s)", (event.event_id,))
            raise DomainError(Kind.UNAVAILABLE, "STORE_UNAVAILABLE")

    with pytest.raises(DomainError):
        await fails(event)
    await effects.apply(event)
    await effects.apply(event)
    assert await effects.applied() == [event.event_id]


async def test_one_poisonous_message_goes_to_the_dead_letters_and_stops_no_other(engines, pool, effects):
    poison, good = envelope(1), envelope(2)

    async def handle(event):
        if event.event_id == poison.event_id:
            raise ValueError("cannot be understood")
        await effects.apply(event)

    async with broker_of(engines, "documents") as ours, broker_of(engines, "approvals") as theirs:
        await append(pool, poison, good)
        relay = Relay(pool, ours, resend_after=60)

        async def dead():
            info = await theirs.js.stream_info("DEADLETTER")
            return info.state.messages == 1

        async with background(relay.run(), approvals_consumer(theirs, each(handle), batch=10, max_failures=3).run()):
            await until(lambda: _applied(effects, good), 20)
            await until(dead, 40)
    assert await effects.applied() == [good.event_id]
    assert poison.event_id in [row[0] for row in await outbox_rows(pool)]


async def _applied(effects, event):
    return event.event_id in await effects.applied()


async def test_a_consumer_waits_out_an_outage_of_its_own_database_without_dead_letters(engines, pool, effects):
    event = envelope(1)
    attempts = 0

    async def handle(event):
        nonlocal attempts
        attempts += 1
        if attempts <= 10:
            raise DomainError(Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE")
        await effects.apply(event)

    class Message:
        """The broker's side of one message, to drive many redeliveries without their delays."""

        subject = "kanketsu.documents.document.DocumentSubmitted"
        data = event.SerializeToString()
        headers = {"Nats-Msg-Id": event.event_id}
        acknowledged = False

        class metadata:  # noqa: N801
            num_delivered = 50

        async def ack(self):
            self.acknowledged = True

        async def nak(self, delay):
            pass

    async with broker_of(engines, "approvals") as theirs:
        await ensure_streams(theirs.js)
        consumer = approvals_consumer(theirs, each(handle))
        message = Message()
        for _ in range(11):
            await consumer.process([message])
    assert message.acknowledged
    assert await effects.applied() == [event.event_id]


def test_every_consumer_in_the_permissions_table_names_its_service():
    for service in system.NATS_PERMISSIONS:
        assert f"_INBOX_{service}.>" in system.NATS_PERMISSIONS[service].subscribe


async def test_access_records_travel_many_in_one_message_and_again_alone(pool):
    """A record may not cost a message; one that has to be repeated holds up no other."""
    sent = []

    class Counting:
        async def publish(self, subject, payload, message_id, trace_parent):
            sent.append((subject, message_id, envelope_pb2.AccessRecordParcel.FromString(payload)))

    ids = [clock.new_id() for _ in range(20)]
    async with transaction(pool) as conn:
        for event_id in ids:
            batch = envelope_pb2.AccessRecordBatch(batch_id=event_id, records=[envelope_pb2.AccessRecord(seq=1)])
            await outbox.insert(
                conn,
                event_id=event_id,
                subject="kanketsu.access.documents",
                payload=envelope_pb2.AccessRecordParcel(batches=[batch]).SerializeToString(),
                trace_parent="",
                awaits=["audit"],
            )
    relay = Relay(pool, Counting(), resend_after=0)
    for event_id in ids:
        relay.wake_soon(event_id)
    assert await relay.relay_once() == 20
    ((_, message_id, parcel),) = sent
    assert message_id.split(",") == ids
    assert [batch.batch_id for batch in parcel.batches] == ids
    sent.clear()
    assert await relay.relay_once() == 20
    assert sorted(message_id for _, message_id, _ in sent) == sorted(f"{event_id}.1" for event_id in ids)


async def test_events_that_the_same_consumers_read_travel_in_one_message_and_again_alone(pool):
    """An event may not cost a message; one for other consumers begins another, so that each object's versions keep their order."""
    sent = []

    class Counting:
        async def publish(self, subject, payload, message_id, trace_parent):
            sent.append((subject, payload, message_id))

    first, second, third = ([envelope(number) for number in range(n, n + 3)] for n in (1, 4, 7))
    await append(pool, *first, awaits=("audit",))
    await append(pool, *second, awaits=("audit", "approvals"))
    await append(pool, *third, awaits=("audit",))
    relay = Relay(pool, Counting(), resend_after=0)
    assert await relay.relay_once() == 9
    for (_, payload, message_id), events in zip(sent, (first, second, third), strict=True):
        assert message_id.split(",") == [event.event_id for event in events]
        parcel = envelope_pb2.EventParcel.FromString(payload)
        assert [envelope_pb2.Envelope.FromString(one) for one in parcel.envelopes] == events
    sent.clear()
    assert await relay.relay_once() == 9
    assert [message_id for _, _, message_id in sent] == [f"{event.event_id}.1" for event in first + second + third]
    assert [envelope_pb2.Envelope.FromString(payload) for _, payload, _ in sent] == first + second + third


async def test_a_parcel_that_cannot_be_opened_goes_to_the_dead_letters_and_stops_no_other(engines, pool, effects):
    good = envelope(1)
    async with broker_of(engines, "documents") as ours, broker_of(engines, "approvals") as theirs:

        async def dead():
            return (await theirs.js.stream_info("DEADLETTER")).state.messages == 1

        async with background(approvals_consumer(theirs, each(effects.apply), max_failures=2).run()):
            await ours.publish(outbox.subject_of(good), b"\xff\xff", f"{clock.new_id()},{clock.new_id()}", "")
            await ours.publish(outbox.subject_of(good), good.SerializeToString(), good.event_id, "")
            await until(lambda: _applied(effects, good))
            await until(dead)


async def test_an_event_travels_at_once_and_leaves_access_records_to_gather(pool):
    sent = []

    class Counting:
        async def publish(self, subject, payload, message_id, trace_parent):
            sent.append(subject)

    relay = Relay(pool, Counting(), resend_after=0)
    record = clock.new_id()
    async with transaction(pool) as conn:
        for event_id, subject in (
            (record, "kanketsu.access.documents"),
            (clock.new_id(), "kanketsu.documents.document.DocumentChanged"),
        ):
            await outbox.insert(
                conn, event_id=event_id, subject=subject, payload=b"", trace_parent="", awaits=["audit"]
            )
    relay.wake_soon(record)
    assert await relay.relay_once(everything=False) == 1
    assert sent == ["kanketsu.documents.document.DocumentChanged"]
    # A record that was sent before and is not confirmed waits for nobody.
    assert await relay.relay_once() == 2
    assert await relay.relay_once(everything=False) == 2


async def test_gathered_records_leave_without_another_event(pool, monkeypatch):
    """Nobody waits for them, but they do not wait for the next look or event either."""
    monkeypatch.setattr(outbox, "POLL_SECONDS", 3600.0)
    sent: asyncio.Queue[str] = asyncio.Queue()

    class Counting:
        async def publish(self, subject, payload, message_id, trace_parent):
            sent.put_nowait(subject)

    async def commit(subject):
        event_id = clock.new_id()
        async with transaction(pool) as conn:
            await outbox.insert(
                conn, event_id=event_id, subject=subject, payload=b"", trace_parent="", awaits=["audit"]
            )
        return event_id

    relay = Relay(pool, Counting(), resend_after=30)
    await commit("kanketsu.documents.document.DocumentChanged")
    async with background(relay.run()), asyncio.timeout(30):
        assert await sent.get() == "kanketsu.documents.document.DocumentChanged"
        relay.wake_soon(await commit("kanketsu.access.documents"))
        assert await sent.get() == "kanketsu.access.documents"


async def test_a_process_carries_its_own_access_records_and_those_of_the_dead(pool, owner):
    """So the numbers of a source stay in their order; another's records go only when it has not sent them itself."""
    sent = []

    class Counting:
        async def publish(self, subject, payload, message_id, trace_parent):
            sent.extend(message_id.split(","))

    ours, theirs, orphaned = (clock.new_id() for _ in range(3))
    async with transaction(pool) as conn:
        for event_id in (theirs, ours, orphaned):
            await outbox.insert(
                conn,
                event_id=event_id,
                subject="kanketsu.access.documents",
                payload=b"",
                trace_parent="",
                awaits=["audit"],
            )
    await owner.execute("UPDATE outbox SET created_at = now() - interval '4 seconds' WHERE event_id = %s", (orphaned,))
    relay = Relay(pool, Counting(), resend_after=30)
    relay.wake_soon(ours)
    assert await relay.relay_once() == 2
    assert sorted(sent) == sorted([ours, orphaned])
    assert await relay.relay_once() == 0


async def test_what_nobody_confirms_is_sent_again_less_and_less_often(pool, owner):
    """A consumer that is away for a day finds each row a few times, and not thousands of times."""

    class Counting:
        async def publish(self, subject, payload, message_id, trace_parent):
            pass

    await append(pool, envelope(1))
    relay = Relay(pool, Counting(), resend_after=30)
    waits = []
    for _ in range(8):
        assert await relay.relay_once() == 1
        assert await relay.relay_once() == 0
        row = await (await owner.execute("SELECT extract(epoch FROM next_attempt_at - now()) FROM outbox")).fetchone()
        waits.append(round(row[0] / 30))
        await owner.execute("UPDATE outbox SET next_attempt_at = now()")
    assert waits == [1, 2, 4, 8, 16, 20, 20, 20]
