"""The log under load: from outbox rows of a service to the signed checkpoint, questions to a log that has grown, and
its verification.

The bench process stands in for documents here: it has that service's database role, broker user, relay and receipts,
so what is measured is the whole way of a record and not a loop around one function.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from chassis import clock, db
from chassis.broker import Broker
from chassis.events import receipts_consumer
from chassis.outbox import Relay
from chassis.recorder import chain_after, timestamp
from chassis.settings import load
from deploy.local import database, system
from deploy.local.stack import ROOT
from kanketsu.event.v1 import envelope_pb2
from services.audit import store, tlog
from services.audit.entry import decode, encode
from services.audit.export import KEY_FILE, write_log
from services.audit.note import SigningKey, sign_checkpoint
from services.audit.store import LEAF_COLUMNS
from services.audit.tests import making
from services.documents.settings import Settings
from tests.load.bench import Bench
from tests.load.report import Row, budget

# Records of one outbox row: what a recorder commits at once under load.
BATCH = 64
STAFF, UNITS, DOCUMENTS = 2_000, 72, 50_000


@dataclass(frozen=True)
class OutboxRow:
    """A batch of access records as documents' recorder writes it."""

    event_id: str
    payload: bytes
    last_seq: int


def outbox_rows(count: int, epoch: str, seed: int = 1) -> list[OutboxRow]:
    """`count` rows of one epoch, BATCH records each, spread over staff, units and documents."""
    chance = random.Random(seed)
    documents = [clock.new_id() for _ in range(DOCUMENTS)]
    rows, chain, seq = [], "", 0
    for _ in range(count):
        batch = envelope_pb2.AccessRecordBatch(
            batch_id=clock.new_id(), service="documents", instance="documents-bench", epoch=epoch
        )
        for _ in range(BATCH):
            seq += 1
            staff = chance.randrange(STAFF)
            record = envelope_pb2.AccessRecord(
                seq=seq,
                event_id=clock.new_id(),
                occurred_at=timestamp(clock.now()),
                actor=envelope_pb2.Actor(
                    staff_id=f"S{staff:04d}",
                    post_id=f"P-{staff % UNITS:03d}-01",
                    unit_id=f"U-{staff % UNITS:03d}",
                    terminal=f"10.40.{staff % 250}.17",
                    session_id=f"{staff:032x}",
                ),
                action="document.viewed",
                object_type="document",
                object_id=chance.choice(documents),
                version_digest=f"{seq:064x}",
                outcome=envelope_pb2.OUTCOME_GRANTED,
                trace_id=f"{seq:032x}",
                detail={"purpose": "業務", "basis": "owner_unit"},
            )
            chain = chain_after(chain, record)
            batch.records.append(record)
        batch.chain = chain
        parcel = envelope_pb2.AccessRecordParcel(batches=[batch])
        rows.append(OutboxRow(batch.batch_id, parcel.SerializeToString(), seq))
    return rows


class Producer:
    """Documents' outbox, relay and receipts, in this process."""

    def __init__(self, pool: db.Pool, relay: Relay) -> None:
        self._pool = pool
        self._relay = relay

    async def write(self, rows: Sequence[OutboxRow]) -> None:
        """Commit the rows, as that many commits of the recorder would leave them."""
        async with db.transaction(self._pool) as conn:
            await conn.execute(
                "INSERT INTO outbox (event_id, subject, payload, awaits)"
                " SELECT e.event_id, 'kanketsu.access.documents', e.payload, '{audit}'"
                " FROM unnest(%s::uuid[], %s::bytea[]) AS e (event_id, payload)",
                ([row.event_id for row in rows], [row.payload for row in rows]),
                binary=True,
            )
        for row in rows:
            self._relay.wake_soon(row.event_id)

    async def unconfirmed(self) -> int:
        """Rows whose receipt has not come yet."""
        async with db.connection(self._pool) as conn:
            row = await (await conn.execute("SELECT count(*) FROM outbox")).fetchone()
        return int(row[0]) if row else 0


@asynccontextmanager
async def producer(bench: Bench) -> AsyncIterator[Producer]:
    """In the place of the documents process, which is stopped meanwhile."""
    environment = bench.stack.environment("documents-1")
    bench.stack.stop_one("documents-1")
    settings = load(Settings, environment)
    pool = db.open_pool(bench.stack.database_url("documents_app"), "documents")
    await pool.open(wait=True)
    broker = Broker(settings, "documents")
    relay = Relay(pool, broker, settings.resend_after)
    connection = asyncio.create_task(broker.run())
    await broker.ready()
    tasks = [asyncio.create_task(relay.run()), asyncio.create_task(receipts_consumer(broker, pool, "documents").run())]
    try:
        yield Producer(pool, relay)
    finally:
        for task in (*tasks, connection):
            task.cancel()
            await asyncio.wait([task])
        await pool.close()
        bench.stack.start_one("documents-1")


@dataclass(frozen=True)
class Carried:
    """One run: how fast, and how long a record was on its way to a checkpoint (seconds)."""

    rate: float
    latencies: list[float]
    seconds: float


async def carry(bench: Bench, producer: Producer, rows: Sequence[OutboxRow], epoch: str, per_second: float) -> Carried:
    """Write rows at a pace of `per_second` records (0: all at once), and wait until a checkpoint covers them."""
    async with await psycopg.AsyncConnection.connect(bench.stack.database_url("postgres"), autocommit=True) as conn:
        watching = asyncio.create_task(_watch(conn, len(rows) * BATCH, await _size(conn)))
        written: list[tuple[float, int]] = []
        step = max(1, round(per_second * 0.05 / BATCH)) if per_second else len(rows)
        began = time.monotonic()
        for first in range(0, len(rows), step):
            part = rows[first : first + step]
            await producer.write(part)
            written.append((time.monotonic(), part[-1].last_seq))
            due = began + (first + step) * BATCH / per_second if per_second else 0.0
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        seen = await watching
        latencies = []
        for at, last_seq in written:
            cursor = await conn.execute(
                "SELECT leaf_index FROM audit.entries WHERE epoch = %s AND seq = %s", (epoch, last_seq)
            )
            row = await cursor.fetchone()
            assert row is not None
            latencies.append(next(when for when, size in seen if size > row[0]) - at)
        return Carried(len(rows) * BATCH / (seen[-1][0] - began), latencies, seen[-1][0] - began)


async def _size(conn: psycopg.AsyncConnection) -> int:
    row = await (await conn.execute("SELECT max(checkpoint_size) FROM audit.logs")).fetchone()
    return int(row[0] or 0) if row else 0


async def _watch(conn: psycopg.AsyncConnection, more: int, base: int) -> list[tuple[float, int]]:
    """(when, size) of each checkpoint seen, until there are `more` leaves than `base`; RuntimeError after 300 s."""
    seen: list[tuple[float, int]] = []
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        size = await _size(conn)
        if not seen or size > seen[-1][1]:
            seen.append((time.monotonic(), size))
        if size >= base + more:
            return seen
        await asyncio.sleep(0.01)
    raise RuntimeError(f"{seen[-1][1] - base} of {more} leaves after 300 s")


# --- scenes -----------------------------------------------------------------------------------------------------

RATE = 10_000
# Records of one round.
LOAD = 60_000


async def log(bench: Bench) -> list[Row]:
    """Leaves a second from outbox rows to the signed checkpoint; at that pace, how far a checkpoint is behind."""
    rates, shares, used = [], [], []
    paced: dict[int, list[float]] = {RATE // 2: [], RATE: []}
    copied = 0.0
    async with producer(bench) as writer:
        # What a first load brings into memory is not what it grows by.
        await _round(bench, writer, LOAD // BATCH // 4, 0)
        before = bench.resident("audit-1")
        for _ in range(min(bench.rounds, 3)):
            epoch = clock.new_id()
            rows = outbox_rows(LOAD // BATCH, epoch)
            cpu = _cpu(bench)
            run = await carry(bench, writer, rows, epoch, 0)
            used.append((_cpu(bench) - cpu) / LOAD * 1e6)
            rates.append(run.rate)
            copied = await _plain_copy(bench, LOAD)
            shares.append(run.rate / copied)
            for pace, latencies in paced.items():
                latencies.append(_p95((await _round(bench, writer, LOAD // BATCH, pace)).latencies))
        grown = bench.resident("audit-1") - before
    return [
        budget("log: outbox to checkpoint", statistics.median(rates), "leaves/s", RATE, least=True),
        Row("log: the same ÷ plain COPY of its rows", statistics.median(shares), "", note=f"COPY {copied:.0f} rows/s"),
        Row("log: processor time of all of it", statistics.median(used), "µs/leaf"),
        *(
            budget(f"log: record to checkpoint at {pace}/s, p95", statistics.median(latencies), "s", 2, least=False)
            for pace, latencies in paced.items()
        ),
        budget("log: memory of audit grown by it", grown, "MiB", 20, least=False),
    ]


async def _round(bench: Bench, writer: Producer, count: int, per_second: float) -> Carried:
    epoch = clock.new_id()
    return await carry(bench, writer, outbox_rows(count, epoch), epoch, per_second)


def _cpu(bench: Bench) -> float:
    """Seconds of processor that the log's processes have used, the database's with those of its ended children."""
    parts = {bench.stack.pid(name) for name in ("audit-1", "nats", "store", "postgres")}
    total = time.process_time()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text("utf-8").rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(folder.name) in parts or int(fields[1]) == bench.stack.pid("postgres"):
                total += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return total


async def _plain_copy(bench: Bench, count: int) -> float:
    """Rows a second when the newest `count` rows of entries go into a table without indexes by one COPY."""
    async with await psycopg.AsyncConnection.connect(bench.stack.database_url("postgres"), autocommit=True) as conn:
        await conn.execute("DROP TABLE IF EXISTS public.plain_entries")
        await conn.execute("CREATE TABLE public.plain_entries (LIKE audit.entries)")
        columns = ", ".join(("log_year", "leaf_index", "leaf", "leaf_hash", *LEAF_COLUMNS))
        query = f"SELECT {columns} FROM audit.entries ORDER BY log_year DESC, leaf_index DESC LIMIT {count}"
        async with conn.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT binary)".encode()) as out:
            rows = [bytes(part) async for part in out]
        began = time.perf_counter()
        async with conn.cursor().copy(
            f"COPY public.plain_entries ({columns}) FROM STDIN (FORMAT binary)".encode()
        ) as copy:
            for first in range(0, len(rows), 512):
                await copy.write(b"".join(rows[first : first + 512]))
        return count / (time.perf_counter() - began)


async def questions(bench: Bench) -> list[Row]:
    """Questions of an audit officer to logs of 10^5, 10^6 … `--entries` entries: the cost is that of the page."""
    rows: list[Row] = []
    urls = await _growing_database(bench)
    pool = db.open_pool(urls["app"], "audit", statement_timeout_ms=60_000)
    await pool.open(wait=True)
    sizes = [size for size in (10**5, 10**6, 10**7, 10**8) if size < bench.entries] + [bench.entries]
    own = Path("/proc/self/statm")
    for year, size in enumerate(sizes, start=2030):
        began = time.monotonic()
        async with await psycopg.AsyncConnection.connect(urls["superuser"], autocommit=True) as conn:
            await _grow(conn, year, size)
            took = time.monotonic() - began
            before = int(own.read_text("utf-8").split()[1])
            for name, ask in QUESTIONS.items():
                times = await _asked(pool, ask, size, 40 * bench.rounds)
                limit = 50
                rows.append(
                    budget(f"questions: {name}, of {size:.0e} entries, p95", _p95(times), "ms", limit, least=False)
                )
            grown = (int(own.read_text("utf-8").split()[1]) - before) * 4096 / 2**20
            rows.append(Row(f"questions: memory grown, of {size:.0e}", grown, "MiB", note=f"made in {took:.0f} s"))
            # One log at a time: the next one is not a part more of this one.
            await conn.execute(f"DROP TABLE entries_{year}".encode())
    await pool.close()
    return rows


Ask = Callable[[random.Random, int], dict[str, object]]


def _day(chance: random.Random, size: int) -> dict[str, object]:
    day = making.NOW + dt.timedelta(seconds=3 * chance.randrange(size))
    return {"from_time": day, "to_time": day + dt.timedelta(days=1)}


def _person(chance: random.Random) -> dict[str, object]:
    return {"staff_id": f"S{chance.randrange(2000):04d}"}


def _unit(chance: random.Random) -> dict[str, object]:
    return {"unit_id": f"U-{chance.randrange(72)}"}


def _document(chance: random.Random) -> dict[str, object]:
    return {"document_id": f"D-{chance.randrange(50_000)}"}


_PRINTED: dict[str, object] = {"action": "document.printed"}
_DENIED: dict[str, object] = {"outcome": "denied"}

QUESTIONS: dict[str, Ask] = {
    "who saw this document": lambda chance, _: _document(chance),
    "what did this person see": lambda chance, _: _person(chance),
    "person and time": lambda chance, size: _person(chance) | _day(chance, size),
    "person and denied": lambda chance, _: _person(chance) | _DENIED,
    "unit": lambda chance, _: _unit(chance),
    "unit and time": lambda chance, size: _unit(chance) | _day(chance, size),
    "unit and denied": lambda chance, _: _unit(chance) | _DENIED,
    "unit and action": lambda chance, _: _unit(chance) | _PRINTED,
    "action and time": lambda chance, size: _PRINTED | _day(chance, size),
    "document and action": lambda chance, _: _document(chance) | _PRINTED,
    "denied and time": lambda chance, size: _DENIED | _day(chance, size),
    "time": _day,
}


async def _asked(pool: db.Pool, ask: Ask, size: int, count: int) -> list[float]:
    """Milliseconds of each of `count` questions, every third for a page in the middle; leaves are read, as to answer."""
    chance = random.Random(count)
    times = []
    async with pool.connection() as conn:
        for number in range(count):
            filters = ask(chance, size)
            before = None
            if number % 3 == 0:
                middle = chance.randrange(size)
                before = store.Position(making.NOW + dt.timedelta(seconds=3 * middle), 2000, middle)
            started = time.perf_counter()
            for found in await store.find_entries(conn, filters, before, 101):
                decode(found.leaf)
            times.append((time.perf_counter() - started) * 1000)
    return times


async def _growing_database(bench: Bench) -> dict[str, str]:
    """A database beside the log's own, migrated, without leaves."""
    name = "growth"
    passwords = {kind: bench.stack.keys.read(f"audit_{kind}-password") for kind in ("owner", "app")}
    server = bench.stack.database_url("postgres").rsplit("/", 1)[0]
    database.provision(f"{server}/postgres", name, {"audit": passwords}, system.EXTENSIONS)
    urls = {
        role: bench.stack.database_url(user).rsplit("/", 1)[0] + f"/{name}"
        for role, user in (("app", "audit_app"), ("owner", "audit_owner"), ("superuser", "postgres"))
    }
    await db.migrate(urls["owner"], "audit", [db.CHASSIS_MIGRATIONS, ROOT / "services" / "audit" / "migrations"])
    return urls


async def _grow(conn: psycopg.AsyncConnection, year: int, size: int) -> None:
    """A year's log of `size` entries: filled first, then attached, which builds the indexes that the others have."""
    await conn.execute("SET search_path = audit")
    await conn.execute("SET maintenance_work_mem = '512MB'")
    table = f"entries_{year}"
    await conn.execute(
        f"CREATE UNLOGGED TABLE {table} (LIKE entries INCLUDING CONSTRAINTS, CHECK (log_year = {year}))".encode()
    )
    for first in range(0, size, 10**6):
        await making.insert_many(conn, table, year, first, min(10**6, size - first))
    await conn.execute(f"ALTER TABLE entries ATTACH PARTITION {table} FOR VALUES IN ({year})".encode())
    await conn.execute("GRANT SELECT ON entries TO audit_app")
    await conn.execute(f"VACUUM ANALYZE {table}".encode())


async def verify(bench: Bench) -> list[Row]:
    """Leaves a second of `verify` over a whole exported log, beside what the hashes alone would take on one core."""
    count = 200_000
    epoch = clock.new_id()
    entries = [
        encode(making.view_leaf(epoch, seq, time=making.NOW + dt.timedelta(seconds=seq))) for seq in range(1, count + 1)
    ]
    key = SigningKey.from_seed(f"audit.{bench.stack.tenant}.localhost/2026", os.urandom(32))
    with tempfile.TemporaryDirectory(prefix="kanketsu-log-") as folder:
        write_log(
            Path(folder) / "log",
            entries,
            lambda size, root: sign_checkpoint(key.verifier.name, size, root, key),
            key.verifier,
        )
        command = [sys.executable, "-m", "services.audit", "verify", "--log", f"{folder}/log", "--key"]
        command.append(f"{folder}/log/{KEY_FILE}")
        pairs, largest = [], 0
        for _ in range(bench.rounds):
            began = time.process_time()
            tlog.root_of([tlog.leaf_hash(entry) for entry in entries])
            hashing = time.process_time() - began
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            if done.returncode > 1:
                raise RuntimeError(done.stderr[-500:])
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            pairs.append((count / used, hashing / used))
            largest = max(largest, after.ru_maxrss)
    rate, share = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
    return [
        Row("verify: leaves a second of one core's time", rate, "leaves/s", note=f"{count} leaves"),
        Row("verify ÷ hashing alone", share, "", note="reading, parsing and signatures included"),
        Row("verify: largest resident memory", largest / 1024, "MiB", note="of all children of the bench so far"),
    ]


def _p95(times: list[float]) -> float:
    return sorted(times)[int(0.95 * len(times))] if times else float("nan")


SCENES: dict[str, Callable[[Bench], Awaitable[list[Row]]]] = {"log": log, "questions": questions, "verify": verify}
