"""The push against a receiver over HTTPS that fails in every way: nothing is lost, nothing skipped, repeats are marked."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import psycopg
import pytest
import pytest_asyncio

from chassis import clock, db
from chassis.epochs import DatabaseSink
from chassis.outbox import Relay
from chassis.recorder import Recorder
from kanketsu.event.v1 import envelope_pb2
from services.audit import commands
from services.audit.entry import decode
from services.audit.intake import leaves_of_batch
from services.audit.sequencer import advance
from services.audit.siem import push, store
from services.audit.siem.push import Push, Receiver, next_batch
from services.audit.siem.store import Cursor
from services.audit.tests.conftest import buckets, keys, place, pool, superuser, vault
from services.audit.tests.making import event_leaf
from services.audit.tests.test_api import NEXT_YEAR, YEAR, NoBroker

# Fixtures of the audit service's tests.
__all__ = ["buckets", "keys", "place", "pool", "superuser", "vault"]

STEP = 0.02


async def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(STEP)


class Siem:
    """A receiver. Each request is met as `moods` says next, well when nothing is left there."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._server: asyncio.Server | None = None
        self.port = 0
        self.moods: list[str] = []
        self.taken: list[tuple[dict[str, str], list[dict]]] = []
        self.refused = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", self.port, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
                body = await reader.readexactly(int(headers["content-length"]))
                mood = self.moods.pop(0) if self.moods else "well"
                if mood in ("well", "cut"):
                    lines = gzip.decompress(body).splitlines()
                    self.taken.append((headers, [json.loads(line) for line in lines]))
                else:
                    self.refused += 1
                if mood == "hang":
                    await reader.read()
                if mood in ("cut", "hang"):
                    break
                status = {"well": "200 OK", "error": "500 No", "elsewhere": "302 Found\r\nlocation: https://localhost/"}
                answer = b"x" * 5_000_000 if mood == "huge" else b""
                line = status.get(mood, "503 No")
                writer.write(f"HTTP/1.1 {line}\r\ncontent-length: {len(answer)}\r\n\r\n".encode() + answer)
                await writer.drain()
        writer.close()

    @property
    def events(self) -> list[dict]:
        return [event for _, events in self.taken for event in events]

    @property
    def places(self) -> list[tuple[str, int]]:
        return [(event["metadata"]["log_name"], event["metadata"]["sequence"]) for event in self.events]


@pytest_asyncio.fixture(loop_scope="session")
async def siem(engines) -> AsyncIterator[Siem]:
    certificate = engines.certificate("gateway")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.cert_file, certificate.key_file)
    siem = Siem(context)
    await siem.start()
    yield siem
    await siem.stop()


class City:
    """A log, and the push from it."""

    def __init__(self, engines, pool, keys, vault, siem: Siem) -> None:
        self.pool, self.keys, self.vault = pool, keys, vault
        self.receiver = Receiver(
            f"https://localhost:{siem.port}/ocsf?key=hidden", "the token", engines.authority.ca_file, timeout=10
        )
        self._running: list[asyncio.Task[None]] = []

    async def log(self, *leaves, now=None) -> None:
        await commands.append(self.pool, self.keys, leaves, now or clock.now())
        async with db.connection(self.pool) as conn:
            await advance(conn, self.keys, self.vault)

    async def start(self, receiver: Receiver | None = None) -> None:
        """A process that pushes."""
        records = Recorder("audit", "audit-1", DatabaseSink(self.pool, "audit", Relay(self.pool, NoBroker(), 30)))
        one = Push(self.pool, receiver or self.receiver, records, "minoh", patience=STEP)
        self._running += [asyncio.create_task(records.run()), asyncio.create_task(one.run())]

    async def kill(self) -> None:
        """As by SIGKILL: nothing more is written."""
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)
        self._running.clear()

    async def batches(self) -> list[envelope_pb2.AccessRecordBatch]:
        async with db.connection(self.pool) as conn:
            rows = await (await conn.execute("SELECT payload FROM outbox ORDER BY outbox_id")).fetchall()
        return [b for (payload,) in rows for b in envelope_pb2.AccessRecordParcel.FromString(payload).batches]

    async def recorded(self) -> list[envelope_pb2.AccessRecord]:
        """What waits in the outbox, without the epoch's own records."""
        records = [one for batch in await self.batches() for one in batch.records]
        return [one for one in records if not one.action.startswith("epoch.")]

    async def cursor(self) -> Cursor | None:
        async with db.connection(self.pool) as conn:
            return await store.cursor_of(conn, self.receiver.name)


@pytest_asyncio.fixture(loop_scope="session")
async def city(engines, pool, keys, vault, siem) -> AsyncIterator[City]:
    city = City(engines, pool, keys, vault, siem)
    yield city
    await city.kill()


def some(count: int, document: str = "D-1") -> list:
    return [event_leaf(n, document, detail={"note": "備考"}) for n in range(1, count + 1)]


ORIGIN = f"audit.minoh.example/{YEAR}"


async def test_everything_that_is_signed_arrives_once_in_order_and_is_recorded(city, siem):
    await city.log(*some(3))
    await city.start()
    await until(lambda: len(siem.events) >= 3)
    await city.log(*some(1300, "D-2"))
    await until(lambda: len(siem.events) >= 1303)
    assert siem.places == [(ORIGIN, n) for n in range(1303)]
    headers = siem.taken[0][0]
    assert headers["authorization"] == "Bearer the token"
    assert (headers["content-type"], headers["content-encoding"]) == ("application/x-ndjson", "gzip")
    await until_cursor(city, Cursor(YEAR, 1303))
    records = await city.recorded()
    assert {(one.action, one.object_type, one.object_id) for one in records} == {
        ("audit.exported", "siem", city.receiver.name)
    }
    assert "hidden" not in city.receiver.name
    spans = [(one.detail["first"], one.detail.get("last", "begun")) for one in records]
    assert spans[:2] == [("0", "begun"), ("0", "2")]
    assert spans[-1][1] == "1302"
    assert len(records) == len(siem.taken) + 1


async def until_cursor(city: City, wanted: Cursor) -> None:
    async with asyncio.timeout(20):
        while await city.cursor() != wanted:
            await asyncio.sleep(STEP)


@pytest.mark.parametrize("mood", ["error", "hang", "huge", "elsewhere", "cut"])
async def test_a_receiver_in_trouble_gets_the_same_again_and_the_log_goes_on(city, siem, mood):
    siem.moods = [mood] * 3
    await city.log(*some(5))
    # Only who hangs is left soon: a slow answer of the others would have the batch sent twice.
    await city.start(replace(city.receiver, timeout=0.5) if mood == "hang" else None)
    await until(lambda: siem.refused + len(siem.taken) >= 1)
    await city.log(*some(5, "D-2"))
    await until_cursor(city, Cursor(YEAR, 10))
    # What was taken without an answer came again: the same leaves under the same key.
    repeats = 3 if mood == "cut" else 0
    assert len(siem.events) == 10 + 5 * repeats
    assert list(dict.fromkeys(siem.places)) == [(ORIGIN, n) for n in range(10)]
    keys = [headers["idempotency-key"] for headers, _ in siem.taken]
    assert keys == [f"{ORIGIN}/0-4"] * (1 + repeats) + [f"{ORIGIN}/5-9"]
    uids = {event["metadata"]["uid"] for event in siem.events}
    assert len(uids) == 10
    # Recorded once a batch and once at the beginning, however many tries it took.
    assert len(await city.recorded()) == 3


async def test_a_receiver_that_is_away_and_a_process_that_dies_lose_nothing(city, siem):
    await siem.stop()
    await city.log(*some(4))
    await city.start()
    async with asyncio.timeout(20):
        while len(await city.recorded()) < 2:
            await asyncio.sleep(STEP)
    await city.kill()
    assert await city.cursor() == Cursor(YEAR, 0)
    siem.moods = ["cut"]
    await siem.start()
    await city.start()
    await until(lambda: bool(siem.taken))
    await city.kill()
    await city.log(*some(2, "D-2"))
    await city.start()
    await until_cursor(city, Cursor(YEAR, 6))
    assert list(dict.fromkeys(siem.places)) == [(ORIGIN, n) for n in range(6)]
    assert len(siem.events) <= 4 + 4 + 6


async def test_a_leaf_that_cannot_be_read_is_not_passed_over_and_ends_nothing(
    city, siem, superuser, monkeypatch, caplog
):
    """Nothing is handed over and nothing recorded until it is what was signed; then all of it."""
    monkeypatch.setattr(push, "RETRY_SECONDS", STEP)
    await city.log(*some(3))
    await superuser.execute("CREATE TEMPORARY TABLE was AS SELECT leaf_index, leaf FROM entries")
    await superuser.execute("UPDATE entries SET leaf = convert_to('読めない', 'UTF8') WHERE leaf_index = 1")
    await city.start()
    await until(lambda: caplog.text.count("the log is damaged") >= 3)
    assert (siem.taken, [one.detail.get("begun") for one in await city.recorded()]) == ([], ["true"])
    await superuser.execute("UPDATE entries AS e SET leaf = w.leaf FROM was AS w WHERE e.leaf_index = w.leaf_index")
    await until_cursor(city, Cursor(YEAR, 3))
    assert siem.places == [(ORIGIN, n) for n in range(3)]


async def test_only_one_of_two_replicas_hands_over(city, siem):
    await city.log(*some(600))
    await city.start()
    await city.start()
    await until_cursor(city, Cursor(YEAR, 600))
    assert siem.places == [(ORIGIN, n) for n in range(600)]


async def test_leaves_that_no_checkpoint_covers_stay_in_the_house(city, siem):
    await city.log(*some(2))
    await commands.append(city.pool, city.keys, some(3, "D-2"), clock.now())
    async with db.connection(city.pool) as conn:
        batch = await next_batch(conn, Cursor(YEAR, 0))
        assert batch is not None
        assert [one.leaf_index for one in batch.leaves] == [0, 1]
        assert await next_batch(conn, Cursor(YEAR, 2)) is None
        assert await store.behind(conn, Cursor(YEAR, 1)) == 1


async def test_the_record_of_handing_over_is_no_reason_to_hand_over(city, siem):
    """Otherwise each batch would bring the next one, for ever."""
    await city.log(*some(2))
    await city.start()
    await until_cursor(city, Cursor(YEAR, 2))
    await city.kill()
    own = [leaf for batch in await city.batches() for leaf in leaves_of_batch(batch)]
    own = [leaf for leaf in own if leaf.object_type == "siem"]
    assert len(own) == 2
    await city.log(*own)
    async with db.connection(city.pool) as conn:
        assert await next_batch(conn, Cursor(YEAR, 2)) is None
        await city.log(*some(1, "D-9"))
        batch = await next_batch(conn, Cursor(YEAR, 2))
    assert batch is not None
    assert [decode(one.leaf).object_type for one in batch.leaves] == ["siem", "siem", "document"]


async def test_after_the_years_change_the_rest_of_the_old_log_comes_first(city, siem):
    await city.log(*some(3))
    async with db.connection(city.pool) as conn:
        await commands.turn_year(conn, city.keys, city.vault, NEXT_YEAR, clock.new_id)
    await city.log(*some(2, "D-2"), now=NEXT_YEAR)
    async with db.connection(city.pool) as conn:
        await store.insert_receiver(conn, city.receiver.name, Cursor(YEAR, 1), clock.now())
    await city.start()
    await until_cursor(city, Cursor(YEAR + 1, 3))
    new = f"audit.minoh.example/{YEAR + 1}"
    assert siem.places == [(ORIGIN, 1), (ORIGIN, 2), (new, 0), (new, 1), (new, 2)]


async def test_a_receiver_with_a_certificate_nobody_vouches_for_gets_nothing(city, siem, caplog):
    await city.log(*some(1))
    await city.start(Receiver(f"https://localhost:{siem.port}/", ca_file=None, timeout=0.5))
    # Three tries that came to their end.
    await until(lambda: bool(siem.taken) or caplog.text.count("the receiver did not take it") >= 3)
    assert siem.taken == []


async def test_nobody_moves_a_receiver_back(city, place):
    await city.log(*some(3))
    name = city.receiver.name
    async with db.connection(city.pool) as conn:
        await store.insert_receiver(conn, name, Cursor(YEAR, 0), clock.now())
        assert await store.move(conn, name, Cursor(YEAR, 0), Cursor(YEAR, 2), clock.now())
        assert not await store.move(conn, name, Cursor(YEAR, 0), Cursor(YEAR, 3), clock.now())
    async with await psycopg.AsyncConnection.connect(place.app_url, autocommit=True) as conn:
        for statement in (
            "UPDATE audit.siem_receivers SET next_index = 1",
            "UPDATE audit.siem_receivers SET log_year = 2000",
            "UPDATE audit.siem_receivers SET receiver = 'x'",
            "DELETE FROM audit.siem_receivers",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await conn.execute(statement)


@pytest.mark.parametrize(
    "url", ["http://siem.example/", "https:///x", "https://user:pass@siem.example/", "siem.example", "https://a/#b"]
)
def test_an_address_that_would_leak_is_refused(url):
    with pytest.raises(ValueError, match="https"):
        Receiver(url)


def test_a_batch_is_bounded():
    assert push.BATCH_LEAVES * 65_535 < 64 << 20
