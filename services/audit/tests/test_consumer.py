"""Records and events through the real broker: each a leaf once, receipted, and one bad message stops no other."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import pytest_asyncio
from nats.js.errors import NotFoundError

from chassis import clock, db, outbox
from chassis.broker import Broker, ensure_streams
from chassis.db import transaction
from chassis.epochs import DatabaseSink
from chassis.events import receipts_consumer
from chassis.identity import Identity
from chassis.outbox import Relay
from chassis.recorder import Access, Recorder
from chassis.settings import Secret, ServiceSettings
from kanketsu.event.v1 import envelope_pb2
from services.audit.consumer import consumers
from services.audit.entry import decode
from services.audit.tests.making import batch_of, envelope, parcel, record

CLERK = Identity(staff_id="S0042", tenant="minoh", posts={"P-1": "U-040-03"}, acting_post="P-1", terminal="10.40.3.17")


@asynccontextmanager
async def broker_of(engines, service):
    certificate = engines.certificate(service)
    settings = ServiceSettings(
        tenant="minoh",
        instance=f"{service}-1",
        tls_cert_file=Path(certificate.cert_file),
        tls_key_file=Path(certificate.key_file),
        tls_ca_file=engines.authority.ca_file,
        nats_url=engines.nats_url,
        nats_nkey_seed=Secret(engines.keys.read(f"nats-{service}.nkey")),
    )
    broker = Broker(settings, service)
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


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def empty_broker(engines):
    """A broker that holds nothing."""
    engines.stop_one("nats")
    engines.wipe_nats()
    engines.start_one("nats")


@pytest_asyncio.fixture(loop_scope="session")
async def documents(migrated_database, empty_database, open_pool):
    """A service with an outbox, standing for documents."""
    place = empty_database("documents")
    await db.migrate(place.owner_url, "documents", [db.CHASSIS_MIGRATIONS])
    return await open_pool(place)


async def logged(pool):
    async with db.connection(pool) as conn:
        rows = await (await conn.execute("SELECT leaf FROM entries ORDER BY leaf_index")).fetchall()
    return [decode(leaf) for (leaf,) in rows]


async def until(condition, seconds=30.0):
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def test_what_services_commit_becomes_leaves_and_their_outboxes_empty(engines, pool, documents, keys):
    appended = []
    events = [envelope(n, trace_parent=f"00-{n:032x}-00000000000000ff-01") for n in range(1, 41)]
    async with broker_of(engines, "documents") as theirs, broker_of(engines, "audit") as ours:
        relay = Relay(documents, theirs, resend_after=30)
        records = Recorder("documents", "documents-1", DatabaseSink(documents, "documents", relay))

        async def outbox_is_empty():
            async with db.connection(documents) as conn:
                row = await (await conn.execute("SELECT count(*) FROM outbox")).fetchone()
            return row == (0,)

        async with background(
            relay.run(),
            records.run(),
            receipts_consumer(theirs, documents, "documents").run(),
            *(consumer.run() for consumer in consumers(ours, pool, keys, lambda: appended.append(1))),
        ):
            async with transaction(documents) as conn:
                await outbox.append(conn, events, awaits=["audit"])
            relay.wake()
            view = Access(actor=CLERK, action="document.viewed", object_type="document", object_id="D-1")
            references = await asyncio.gather(*(records.record(view) for _ in range(300)))
            await until(outbox_is_empty)
    leaves = await logged(pool)
    assert appended
    assert sorted(leaf.event_id for leaf in leaves if leaf.object_version) == sorted(e.event_id for e in events)
    assert {leaf.trace_id for leaf in leaves if leaf.object_version} == {f"{n:032x}" for n in range(1, 41)}
    viewed = [leaf for leaf in leaves if leaf.action == "document.viewed"]
    assert {f"{leaf.service}.{leaf.instance}/{leaf.epoch}/{leaf.seq}" for leaf in viewed} == set(references)
    assert {(leaf.staff_id, leaf.unit_id, leaf.terminal) for leaf in viewed} == {("S0042", "U-040-03", "10.40.3.17")}
    assert [leaf.action for leaf in leaves if leaf.seq == 1] == ["epoch.open"]


async def test_redelivered_and_resent_messages_are_leaves_once_and_receipted_again(engines, pool, keys):
    batch = batch_of([record(n) for n in range(1, 4)], clock.new_id(), service="documents")
    event = envelope()
    receipts = []
    async with broker_of(engines, "documents") as theirs, broker_of(engines, "audit") as ours:
        await ensure_streams(theirs.js)
        watcher = await nats.connect(**engines.nats_options())
        subscription = await watcher.subscribe("kanketsu.receipt.documents")
        async with background(*(c.run() for c in consumers(ours, pool, keys, lambda: None))):
            for attempt in range(3):
                # As the relay does: a resend has a new message id.
                suffix = f".{attempt}" if attempt else ""
                await theirs.publish("kanketsu.access.documents", parcel(batch), batch.batch_id + suffix, "")
                await theirs.publish(
                    "kanketsu.documents.document.DocumentSubmitted",
                    event.SerializeToString(),
                    event.event_id + suffix,
                    "",
                )
            async with asyncio.timeout(30):
                while len(receipts) < 6:
                    message = await subscription.next_msg(timeout=30)
                    receipts += envelope_pb2.Receipt.FromString(message.data).event_ids
        await watcher.close()
    assert sorted(receipts) == sorted([batch.batch_id, event.event_id] * 3)
    assert len(await logged(pool)) == 4


async def test_a_message_that_cannot_be_a_leaf_goes_to_the_dead_letters_alone(engines, pool, keys):
    good = [envelope(n) for n in (1, 2, 3)]
    bad = [
        ("not protobuf", b"\xff\xff\xff"),
        ("no action", envelope(9, action="").SerializeToString()),
        ("too long", envelope(9, detail={"note": "あ" * 30_000}).SerializeToString()),
    ]
    receipts = []
    async with broker_of(engines, "documents") as theirs, broker_of(engines, "audit") as ours:
        await ensure_streams(theirs.js)
        watcher = await nats.connect(**engines.nats_options())
        dead = await watcher.subscribe("kanketsu.deadletter.audit-events")
        confirmed = await watcher.subscribe("kanketsu.receipt.documents")
        subject = "kanketsu.documents.document.DocumentSubmitted"
        for (_, data), event in zip(bad, good, strict=True):
            await theirs.publish(subject, data, clock.new_id(), "")
            await theirs.publish(subject, event.SerializeToString(), event.event_id, "")
        async with background(*(c.run() for c in consumers(ours, pool, keys, lambda: None, max_failures=3))):
            async with asyncio.timeout(90):
                while len(receipts) < 3:
                    message = await confirmed.next_msg(timeout=60)
                    receipts += envelope_pb2.Receipt.FromString(message.data).event_ids
                letters = [(await dead.next_msg(timeout=80)).data for _ in bad]
        await watcher.close()
    assert sorted(letters) == sorted(data for _, data in bad)
    assert sorted(receipts) == sorted(event.event_id for event in good)
    assert sorted(leaf.event_id for leaf in await logged(pool)) == sorted(event.event_id for event in good)


async def test_records_wait_while_the_log_cannot_be_written(engines, pool, keys, superuser):
    batch = batch_of([record(1)], clock.new_id(), service="documents")
    async with broker_of(engines, "documents") as theirs, broker_of(engines, "audit") as ours:
        await ensure_streams(theirs.js)
        await superuser.execute("REVOKE INSERT ON entries FROM audit_app")
        async with background(*(c.run() for c in consumers(ours, pool, keys, lambda: None))):
            await theirs.publish("kanketsu.access.documents", parcel(batch), batch.batch_id, "")

            async def was_tried():
                try:
                    info = await ours.js.consumer_info("ACCESS", "audit-access")
                except NotFoundError:
                    return False
                return (info.num_redelivered or 0) > 0 and await logged(pool) == []

            await until(was_tried)
            await superuser.execute("GRANT INSERT ON entries TO audit_app")

            async def is_logged():
                return len(await logged(pool)) == 1

            await until(is_logged)
