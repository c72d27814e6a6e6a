"""The ground of a campaign: engines of its own, what the databases say, and what must hold at the end."""

from __future__ import annotations

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
from services.audit.verify import Finding, LogFolder, Verification
from tests.chaos.lives import OBJECTS, Lives, Place

SIGNED = "SELECT checkpoint_size = (SELECT count(*) FROM entries) FROM logs"


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


def place_of(engines: Stack, acknowledged: Path) -> Place:
    """Where the lives find everything."""
    acknowledged.touch()
    return Place(
        documents_url=engines.database_url("documents_app"),
        audit_url=engines.database_url("audit_app"),
        nats_url=engines.nats_url,
        s3_url=engines.s3_url,
        bucket=engines.buckets.kept,
        keys=str(engines.keys.folder),
        tls=str(engines.authority.folder),
        acknowledged=str(acknowledged),
    )


def calm(lives: Lives, books: Books, *sources: str) -> None:
    """Nobody writes any more; what is left is carried and signed."""
    for name in sources:
        lives.kill(name)
    lives.start("carrier-1")
    for service, condition in (
        ("documents", "SELECT count(*) = 0 FROM record_epochs WHERE state = 'open'"),
        ("documents", "SELECT count(*) = 0 FROM outbox"),
        ("audit", SIGNED),
    ):
        eventually(lambda s=service, c=condition: books.one(s, c), 120)


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


def verifiable(books: Books, engines: Stack, heads: set[bytes], folder: Path) -> None:
    """A stranger accepts the log; every head that was ever shown is a beginning of it; the store has the same bytes."""
    [(log_year, checkpoint, vkey)] = books.rows("audit", "SELECT log_year, checkpoint, verifier_key FROM logs")
    key = note.VerifierKey.parse(vkey)
    entries = [leaf for (leaf,) in books.rows("audit", "SELECT leaf FROM entries ORDER BY leaf_index")]
    write_log(folder, entries, lambda _size, _root: checkpoint, key)
    said: list[Finding] = []
    Verification(LogFolder(folder), key, said.append).run()
    found = [str(finding) for finding in said if not finding.remark]
    assert not found, found[:5]
    hashes = [tlog.leaf_hash(entry) for entry in entries]
    for head in heads:
        shown = note.open_checkpoint(head, key)
        assert tlog.root_of(hashes[: shown.size]) == shown.root
    store = engines.s3("audit")
    assert store.get_object(engines.buckets.live, "head").read() == checkpoint
    for index in range(len(entries) // tlog.TILE_WIDTH):
        for tile in (Tile(ENTRIES, index), Tile(0, index)):
            kept = store.get_object(engines.buckets.kept, f"{log_year}/{tile.path}").read()
            assert kept == (folder / tile.path).read_bytes(), tile.path
