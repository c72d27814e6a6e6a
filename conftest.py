"""Fixtures for all tests: real engines, and a fresh migrated database for whoever asks.

`engines` runs PostgreSQL, NATS and the object store once per test process; nothing is mocked.
"""

from __future__ import annotations

import dataclasses
import io
import itertools
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from hypothesis import settings

from chassis import db
from deploy.local import database, system
from deploy.local.stack import Stack
from deploy.local.system import Part

ROOT = Path(__file__).parent
# These machines are shared: how long an example took says nothing.
settings.register_profile("kanketsu", deadline=None)
settings.load_profile("kanketsu")
_numbers = itertools.count(1)
# Pairs of buckets that are made before somebody asks.
BUCKETS_AHEAD = 4


def hasty(part: Part) -> Part:
    """PostgreSQL that does not wait for the disk: here processes die, the machine does not. Other parts as they are."""
    if part.name != "postgres":
        return part
    return dataclasses.replace(part, command=(*part.command, "-c", "fsync=off", "-c", "full_page_writes=off"))


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """PostgreSQL, NATS and the object store. After a failure they stay, stopped, for whoever looks for the reason."""
    stack = Stack(tmp_path_factory.mktemp("engines") / "state", services=False)
    stack.parts = tuple(hasty(part) for part in stack.parts if part.kind == "engine")
    with stack:
        yield stack
    if not request.session.testsfailed:
        stack.remove()


@dataclass(frozen=True)
class Database:
    """A fresh database with one service's schema and its two roles."""

    schema: str
    name: str
    app_url: str
    owner_url: str
    superuser_url: str


@pytest.fixture(scope="session")
def empty_database(engines: Stack) -> Callable[[str], Database]:
    """`empty_database("documents")`: schema and roles, not migrated."""

    def make(schema: str) -> Database:
        passwords = {kind: engines.keys.read(f"{schema}_{kind}-password") for kind in ("owner", "app")}
        name = f"test_{schema}_{next(_numbers)}"
        server = engines.database_url(database.SUPERUSER).rsplit("/", 1)[0]
        database.provision(f"{server}/postgres", name, {schema: passwords}, system.EXTENSIONS)
        return _database(engines, schema, name)

    return make


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated_database(
    engines: Stack, empty_database: Callable[[str], Database]
) -> Callable[[str], Awaitable[Database]]:
    """`await migrated_database("documents")`: fresh and migrated; copied from one that was migrated once."""
    templates: dict[str, Database] = {}

    async def make(schema: str) -> Database:
        if schema not in templates:
            template = empty_database(schema)
            folders = [db.CHASSIS_MIGRATIONS, ROOT / "services" / schema / "migrations"]
            await db.migrate(template.owner_url, schema, folders)
            templates[schema] = template
        name = f"test_{schema}_{next(_numbers)}"
        server = engines.database_url(database.SUPERUSER).rsplit("/", 1)[0]
        async with await psycopg.AsyncConnection.connect(f"{server}/postgres", autocommit=True) as conn:
            await conn.execute(f"CREATE DATABASE {name} TEMPLATE {templates[schema].name} STRATEGY FILE_COPY".encode())
            await conn.execute(f"GRANT CONNECT, TEMPORARY ON DATABASE {name} TO {schema}_app, {schema}_owner".encode())
        return _database(engines, schema, name)

    return make


@pytest.fixture(scope="session")
def fresh_buckets(engines: Stack) -> Iterator[Callable[[], str]]:
    """`fresh_buckets()`: two new, empty buckets: with object lock, and without under the same name and `-live`.

    The store lets the first object of a bucket wait for a fifth of a second, so the next ones are made ready meanwhile.
    """
    with ThreadPoolExecutor(2) as threads:
        coming: deque[Future[str]] = deque()

        def take() -> str:
            while len(coming) <= BUCKETS_AHEAD:
                coming.append(threads.submit(_make_buckets, engines, f"test-{next(_numbers)}"))
            return coming.popleft().result()

        yield take


def _make_buckets(engines: Stack, name: str) -> str:
    admin = engines.s3("admin")
    for bucket, locked in ((name, True), (f"{name}-live", False)):
        admin.make_bucket(bucket, object_lock=locked)
        first = admin.put_object(bucket, "first", io.BytesIO(b"1"), 1)
        admin.remove_object(bucket, "first", first.version_id)
    return name


@pytest_asyncio.fixture(loop_scope="session")
async def open_pool() -> AsyncIterator[Callable[[Database], Awaitable[db.Pool]]]:
    """`await open_pool(database)`: a pool as the application role; closed after the test."""
    pools: list[db.Pool] = []

    async def make(where: Database, **options: int) -> db.Pool:
        pool = db.open_pool(where.app_url, where.schema, **options)
        await pool.open(wait=True)
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        await pool.close()


def _database(engines: Stack, schema: str, name: str) -> Database:
    def url(role: str) -> str:
        return engines.database_url(role).rsplit("/", 1)[0] + f"/{name}"

    return Database(schema, name, url(f"{schema}_app"), url(f"{schema}_owner"), url(database.SUPERUSER))
