"""What is measured. Each scene returns rows; each figure is a median over rounds."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import random
import statistics
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote

from minio import Minio

from chassis import db
from chassis.epochs import DatabaseSink
from chassis.identity import Identity
from chassis.outbox import Relay
from chassis.recorder import Access, Recorder
from tests.load import cases, log, reorganisation, seed
from tests.load.bench import PLAN, SERVICES, Bench
from tests.load.http import CLIENTS, Connection, Run, close, drive, p95
from tests.load.report import Row, budget

SECONDS = 3.0
MIB = 1024 * 1024

Scene = Callable[[Bench], Awaitable[list[Row]]]


async def idle(bench: Bench) -> list[Row]:
    """Resident memory of the four services at rest, and how long they took to be ready."""
    await asyncio.sleep(5)
    resident = {name: bench.resident(f"{name}-1") for name in SERVICES}
    rows = [
        budget(
            "idle: four services resident",
            sum(resident.values()),
            "MiB",
            320,
            least=False,
            note=", ".join(f"{name} {size:.0f}" for name, size in resident.items()),
        ),
        Row("idle: the same, shared libraries once", sum(bench.proportional(f"{name}-1") for name in SERVICES), "MiB"),
        budget("stack: start to ready, first start", bench.started_in["stack"], "s", 10, least=False),
    ]
    for name in SERVICES:
        rows.append(budget(f"{name}: start to ready", _restart(bench, f"{name}-1"), "s", 3, least=False))
    return rows


def _restart(bench: Bench, name: str) -> float:
    bench.stack.stop_one(name)
    began = time.monotonic()
    bench.stack.start_one(name)
    return time.monotonic() - began


async def read(bench: Bench) -> list[Row]:
    """A recorded document through the gateway, beside the floor, in turns."""
    document = bench.draft()
    bench.person("clerk").document(str(document["id"]))
    floor_url = bench.start_floor()
    await seed.floor(bench.stack.database_url("postgres"), str(document["id"]), document)
    ours, theirs = bench.connections(CLIENTS), [Connection(floor_url) for _ in range(CLIENTS)]
    await _until_answers(theirs[0], f"/documents/{document['id']}")

    async def gateway(_: int, connection: Connection) -> bool:
        return (await connection.request("GET", f"/api/v1/documents/{document['id']}")).status == 200

    async def plain(_: int, connection: Connection) -> bool:
        return (await connection.request("GET", f"/documents/{document['id']}")).status == 200

    await drive(ours, gateway, 1)
    await drive(theirs, plain, 1)
    pairs: list[tuple[Run, Run]] = []
    for _ in range(bench.rounds):
        pairs.append((await drive(ours, gateway, SECONDS), await drive(theirs, plain, SECONDS)))
    await close(ours + theirs)
    ratio = statistics.median(a.rate / b.rate for a, b in pairs)
    rate = statistics.median(a.rate for a, _ in pairs)
    floor_rate = statistics.median(b.rate for _, b in pairs)
    errors = sum(a.errors + b.errors for a, b in pairs)
    return [
        budget("read ÷ floor", ratio, "", 0.5, least=True, note=f"{rate:.0f}/s ÷ {floor_rate:.0f}/s, {errors} errors"),
        Row("read p95 at 16 clients", statistics.median(a.percentile(0.95) for a, _ in pairs), "ms"),
        await _cost_of_the_record(bench),
    ]


async def _cost_of_the_record(bench: Bench) -> Row:
    """What waiting for the record adds to a read: `Recorder.record` with 16 callers on the documents database."""
    pool = db.open_pool(bench.stack.database_url("documents_app"), "documents")
    await pool.open(wait=True)

    class NoBroker:
        async def publish(self, subject: str, payload: bytes, message_id: str, trace_parent: str) -> None:
            raise ConnectionError

    recorder = Recorder("documents", "bench", DatabaseSink(pool, "documents", Relay(pool, NoBroker(), 30)))
    task = asyncio.create_task(recorder.run())
    access = Access(actor=Identity(staff_id="S0072", tenant="minoh"), action="document.viewed", object_type="document")
    medians = []
    for _ in range(bench.rounds):
        times: list[float] = []

        async def caller(times: list[float] = times) -> None:
            for _ in range(100):
                started = time.perf_counter()
                await recorder.record(access)
                times.append((time.perf_counter() - started) * 1000)
                # The rest of a request, so that callers do not march in step.
                await asyncio.sleep(0.004)

        await asyncio.gather(*(caller() for _ in range(CLIENTS)))
        medians.append(sorted(times)[int(0.95 * len(times))])
    task.cancel()
    await asyncio.wait([task])
    await recorder.close()
    await pool.close()
    return budget("record: added to a read, p95 at 16", statistics.median(medians), "ms", 5, least=False)


async def transfer(bench: Bench) -> list[Row]:
    """64 MiB in and out, beside the plain client to the same store, and the memory it takes meanwhile."""
    size = 64 * MIB
    content = hashlib.shake_256(b"transfer").digest(size)
    document_id = str(bench.draft()["id"])
    store, bucket = bench.stack.s3(), bench.stack.bucket
    ups, downs, notes = [], [], []
    # What a first small file loads is not what a large one takes.
    small = _upload(bench, document_id, content[:MIB])
    _download(bench, small, MIB)
    with _watch_memory(bench) as grown:
        for number in range(bench.rounds):
            plain_up = _timed(lambda n=number: _plain_put(store, bucket, f"bench-{n}", content))
            paths: list[str] = []
            our_up = _timed(lambda p=paths: p.append(_upload(bench, document_id, content)))
            plain_down = _timed(lambda n=number: _plain_get(store, bucket, f"bench-{n}"))
            our_down = _timed(lambda p=paths: _download(bench, p[0], size))
            ups.append(plain_up / our_up)
            downs.append(plain_down / our_down)
            notes.append((size / MIB / our_up, size / MIB / our_down))
    up_rate, down_rate = (statistics.median(note[i] for note in notes) for i in (0, 1))
    return [
        budget(
            "upload 64 MiB ÷ plain client", statistics.median(ups), "", 0.5, least=True, note=f"{up_rate:.0f} MiB/s"
        ),
        budget(
            "download 64 MiB ÷ plain client",
            statistics.median(downs),
            "",
            0.5,
            least=True,
            note=f"{down_rate:.0f} MiB/s",
        ),
        *(budget(f"{name}: memory grown by transfers", mib, "MiB", 20, least=False) for name, mib in grown.items()),
    ]


def _plain_put(store: Minio, bucket: str, name: str, content: bytes) -> None:
    store.put_object(bucket, name, io.BytesIO(content), len(content))


def _plain_get(store: Minio, bucket: str, name: str) -> None:
    response = store.get_object(bucket, name)
    try:
        for _ in response.stream(256 * 1024):
            pass
    finally:
        response.close()
        response.release_conn()


def _upload(bench: Bench, document_id: str, content: bytes) -> str:
    """Where the new file can be read."""
    response = bench.person("clerk").request(
        "POST",
        f"/documents/{document_id}/attachments",
        params={"filename": "図面.bin"},
        content=content,
        headers={"Content-Type": "application/octet-stream"},
    )
    return f"/api/v1/documents/{document_id}/attachments/{response.json()['id']}/content"


def _download(bench: Bench, path: str, size: int) -> None:
    total = 0
    with bench.person("clerk").http.stream("GET", path) as response:
        for chunk in response.iter_bytes():
            total += len(chunk)
    if total != size:
        raise RuntimeError(f"{total} of {size} bytes arrived")


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@contextmanager
def _watch_memory(bench: Bench) -> Iterator[dict[str, float]]:
    """Fills in, for each service, by how many MiB its resident memory was at most above what it was on entering."""
    grown: dict[str, float] = {}
    highest: dict[str, float] = {}
    before = {name: bench.resident(f"{name}-1") for name in SERVICES}
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            for name in SERVICES:
                highest[name] = max(highest.get(name, 0.0), bench.resident(f"{name}-1"))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield grown
    finally:
        stop.set()
        thread.join()
        grown.update({name: highest.get(name, before[name]) - before[name] for name in SERVICES})


async def mixed(bench: Bench) -> list[Row]:
    """70 % read, 15 % list, 10 % search, 5 % write over many documents, load generator included."""
    template = str(bench.draft()["id"])
    own = await seed.documents(bench.stack.database_url("postgres"), template, bench.documents)
    words = ["浄化槽", "補助金", "交付", "通知", "箕面市", "契約", "点検"]
    connections = bench.connections(CLIENTS)
    runs: list[Run] = []
    kinds: dict[str, list[float]] = {"read": [], "list": [], "search": [], "write": []}
    for number in range(bench.rounds):
        chance = [random.Random(number * 100 + client) for client in range(CLIENTS)]

        async def work(client: int, connection: Connection, chance: list[random.Random] = chance) -> bool:
            dice = chance[client].random()
            started = time.perf_counter()
            if dice < 0.70:
                kind, status = "read", 200
                answer = await connection.request("GET", f"/api/v1/documents/{chance[client].choice(own)}")
            elif dice < 0.85:
                kind, status = "list", 200
                answer = await connection.request("GET", "/api/v1/documents?limit=20")
            elif dice < 0.95:
                kind, status = "search", 200
                word = chance[client].choice(words)
                answer = await connection.request("GET", f"/api/v1/documents?limit=20&q={quote(word)}")
            else:
                kind, status = "write", 201
                body = json.dumps({"title": "軽易な照会について（回答）", "class_code": PLAN["class_code"]}).encode()
                headers = f"Content-Type: application/json\r\nIdempotency-Key: {uuid.uuid4()}\r\n"
                answer = await connection.request("POST", "/api/v1/documents", body, headers)
            kinds[kind].append((time.perf_counter() - started) * 1000)
            return answer.status == status

        if number == 0:
            await drive(connections, work, 2)
        runs.append(await drive(connections, work, SECONDS * 2))
    await close(connections)
    rate = statistics.median(run.rate for run in runs)
    errors = sum(run.errors for run in runs)
    return [
        budget("mixed work", rate, "/s", 500, least=True, note=f"{bench.documents} documents, {errors} errors"),
        budget("mixed: errors", errors, "", 0, least=False),
        *(Row(f"mixed: {kind} p95", p95(times), "ms") for kind, times in kinds.items()),
    ]


async def _until_answers(connection: Connection, path: str) -> None:
    for _ in range(200):
        try:
            if (await connection.request("GET", path)).status == 200:
                return
        except OSError:
            pass
        await asyncio.sleep(0.05)
    raise RuntimeError("the floor does not answer")


SCENES: dict[str, Scene] = {
    "idle": idle,
    "read": read,
    "approve": cases.approve,
    "desk": cases.desk,
    "reorganise": reorganisation.reorganise,
    "transfer": transfer,
    "mixed": mixed,
    **log.SCENES,
}
