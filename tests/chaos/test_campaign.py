"""A campaign of kills while records flow: at the end the log is complete, verifiable, and what the sources hold (I2, I8).

Killed are sources (recorder, relay, receipts), replicas of audit (consumers, sequencer), NATS, PostgreSQL and the object
store, in an order thrown with a fixed seed. KANKETSU_TEST_KILLS says how many; a release is tried with 500 and more.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from minio.error import S3Error

from chassis import db
from deploy.local.stack import Stack
from services.audit import note, tlog
from services.audit.export import write_log
from services.audit.tlog import ENTRIES, Tile
from services.audit.verify import LogFolder, Verification
from tests.chaos.lives import OBJECTS, Lives, Place

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]

KILLS = int(os.environ.get("KANKETSU_TEST_KILLS", "200"))
SEED = 20260401
# What is killed, and how often of a hundred.
TARGETS = {"audit-1": 27, "audit-2": 27, "source-1": 15, "source-2": 15, "nats": 8, "postgres": 7, "store": 1}


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[Stack]:
    """PostgreSQL, NATS and the store of its own: nobody else likes to have them killed."""
    stack = Stack(tmp_path / "state", services=False)
    stack.parts = tuple(part for part in stack.parts if part.kind == "engine")
    with stack:
        yield stack


class Books:
    """What the databases say."""

    def __init__(self, stack: Stack) -> None:
        self._urls = {schema: stack.database_url("postgres").rsplit("?", 1)[0] for schema in ("documents", "audit")}

    def rows(self, schema: str, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._urls[schema], autocommit=True, connect_timeout=5) as conn:
            conn.execute(f"SET search_path = {schema}".encode())
            return conn.execute(statement.encode()).fetchall()

    def one(self, schema: str, statement: str) -> Any:
        return self.rows(schema, statement)[0][0]


async def test_a_campaign_of_kills_leaves_a_complete_log(engines: Stack, tmp_path: Path) -> None:
    await migrate(engines)
    books, dice = Books(engines), random.Random(SEED)
    acknowledged = tmp_path / "acknowledged"
    acknowledged.touch()
    place = Place(
        documents_url=engines.database_url("documents_app"),
        audit_url=engines.database_url("audit_app"),
        nats_url=engines.nats_url,
        s3_url=engines.s3_url,
        bucket=engines.buckets.kept,
        keys=str(engines.keys.folder),
        tls=str(engines.authority.folder),
        acknowledged=str(acknowledged),
    )
    heads: set[bytes] = set()
    with Lives(place, tmp_path / "lives.log") as lives:
        processes = [name for name in TARGETS if "-" in name]
        for name in processes:
            lives.start(name)
        eventually(lambda: books.one("audit", "SELECT count(*) FROM entries") > 20)
        for _ in range(KILLS):
            # How long everything lives before the next blow.
            time.sleep(dice.uniform(0.02, 0.35))
            target = dice.choices(list(TARGETS), list(TARGETS.values()))[0]
            if "-" in target:
                lives.kill(target)
                lives.start(target)
            else:
                engines.kill(target)
                engines.start_one(target)
            heads |= head_of(engines)
        # Calm: nobody writes any more, what is left is carried.
        for name in ("source-1", "source-2"):
            lives.kill(name)
        lives.start("carrier-1")
        epochs_over = "SELECT count(*) FROM record_epochs WHERE state = 'open' AND instance NOT LIKE 'carrier%'"
        eventually(lambda: books.one("documents", epochs_over) == 0)
        lives.kill("carrier-1")
        lives.start("carrier-2")
        eventually(lambda: books.one("documents", epochs_over.replace("carrier%", "carrier-2")) == 0)
        eventually(lambda: books.one("documents", "SELECT count(*) FROM outbox") == 0)
        signed = "SELECT checkpoint_size = (SELECT count(*) FROM entries) FROM logs"
        eventually(lambda: books.one("audit", signed))
    complete(books, acknowledged)
    verifiable(books, engines, heads, tmp_path / "log")


async def migrate(engines: Stack) -> None:
    """Schemas as in production, and the objects that are changed."""
    for schema in ("documents", "audit"):
        folders = [db.CHASSIS_MIGRATIONS, Path("services") / schema / "migrations"]
        await db.migrate(engines.database_url(f"{schema}_owner"), schema, folders)
    with psycopg.connect(engines.database_url("documents_owner"), autocommit=True) as conn:
        conn.execute("CREATE TABLE documents.campaign (object_id text PRIMARY KEY, version bigint NOT NULL)")
        conn.execute("GRANT SELECT, UPDATE ON documents.campaign TO documents_app")
        for number in range(OBJECTS):
            conn.execute("INSERT INTO documents.campaign VALUES (%s, 0)", (f"D-{number}",))


def head_of(engines: Stack) -> set[bytes]:
    """The head of the log as the world sees it now; nothing before the first."""
    try:
        return {engines.s3("audit").get_object(engines.buckets.live, "head").read()}
    except S3Error:
        return set()


def eventually(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Within a bound; a database that is just starting counts as "not yet"."""
    until = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except psycopg.OperationalError:
            pass
        assert time.monotonic() < until, "not within the time"
        time.sleep(0.05)


def complete(books: Books, acknowledged: Path) -> None:
    """Every record and event is there, once, in one order."""
    count, events, last = books.rows(
        "audit", "SELECT count(*), count(DISTINCT event_id), max(leaf_index) FROM entries"
    )[0]
    assert count == events == last + 1
    # Whatever was acknowledged to a reader or writer is a leaf (I1).
    told = set(acknowledged.read_text("utf-8").split())
    known = {one for (one,) in books.rows("audit", "SELECT epoch::text || '/' || seq FROM entries WHERE seq > 0")}
    known |= {one for (one,) in books.rows("audit", "SELECT event_id::text FROM entries WHERE seq IS NULL")}
    assert len(told) > KILLS
    assert told <= known, sorted(told - known)[:5]
    # Each source's numbers are exactly those its own database says it wrote.
    theirs = dict(books.rows("documents", "SELECT epoch::text, last_seq FROM record_epochs WHERE last_seq > 0"))
    ours = books.rows(
        "audit", "SELECT epoch::text, count(*), max(seq) FROM entries WHERE epoch IS NOT NULL GROUP BY epoch"
    )
    assert {epoch: n for epoch, n, _ in ours} == {epoch: top for epoch, _, top in ours} == theirs
    # Each object's versions are exactly those it has.
    versions = dict(books.rows("documents", "SELECT object_id, version FROM campaign WHERE version > 0"))
    seen = books.rows(
        "audit",
        "SELECT object_id, count(DISTINCT object_version), max(object_version) FROM entries"
        " WHERE object_version IS NOT NULL GROUP BY object_id",
    )
    assert {one: n for one, n, _ in seen} == {one: top for one, _, top in seen} == versions


def verifiable(books: Books, engines: Stack, heads: set[bytes], folder: Path) -> None:
    """A stranger accepts the log; every head that was ever shown is a beginning of it; the store has the same bytes."""
    [(log_year, checkpoint, vkey)] = books.rows("audit", "SELECT log_year, checkpoint, verifier_key FROM logs")
    key = note.VerifierKey.parse(vkey)
    entries = [leaf for (leaf,) in books.rows("audit", "SELECT leaf FROM entries ORDER BY leaf_index")]
    write_log(folder, entries, lambda _size, _root: checkpoint, key)
    found: list[str] = []
    Verification(LogFolder(folder), key, lambda finding: found.append(str(finding))).run()
    assert found == []
    hashes = [tlog.leaf_hash(entry) for entry in entries]
    assert len(heads) > 5
    for head in heads:
        shown = note.open_checkpoint(head, key)
        assert tlog.root_of(hashes[: shown.size]) == shown.root
    store = engines.s3("audit")
    assert store.get_object(engines.buckets.live, "head").read() == checkpoint
    for index in range(len(entries) // tlog.TILE_WIDTH):
        for tile in (Tile(ENTRIES, index), Tile(0, index)):
            kept = store.get_object(engines.buckets.kept, f"{log_year}/{tile.path}").read()
            assert kept == (folder / tile.path).read_bytes(), tile.path
