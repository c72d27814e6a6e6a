"""A fresh, migrated log per test, on the real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import psycopg
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chassis import db
from chassis.s3 import StoreConfig
from conftest import Database
from deploy.local.stack import Stack
from services.audit import store
from services.audit.commands import LogKeys
from services.audit.tests.test_verify import KEY
from services.audit.vault import Vault


@pytest.fixture(scope="session")
def keys() -> LogKeys:
    """The key of the tests' log under `audit.minoh.example/<year>`."""
    return LogKeys("audit.minoh.example", KEY.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest_asyncio.fixture(loop_scope="session")
async def place(migrated_database: Callable[[str], Awaitable[Database]]) -> Database:
    """A fresh audit database, its empty log compared with an empty object store."""
    place = await migrated_database("audit")
    await compared(place)
    return place


async def compared(place: Database) -> None:
    """As after the comparison that a leader makes first."""
    async with await psycopg.AsyncConnection.connect(place.superuser_url, autocommit=True) as conn:
        await conn.execute("SET search_path = audit")
        await store.mark_compared(conn)


@pytest.fixture
def buckets(fresh_buckets: Callable[[], str]) -> str:
    """Two fresh buckets: with object lock, and without under the same name and `-live`."""
    return fresh_buckets()


@pytest.fixture
def vault(engines: Stack, buckets: str) -> Iterator[Vault]:
    """The log's copies in them, with the administrator's key."""
    vault = open_vault(engines, buckets)
    yield vault
    vault.close()


def open_vault(engines: Stack, bucket: str, retention_years: int = 5) -> Vault:
    """Another process's view of the same buckets."""
    access, secret = (engines.keys.read(f"s3-admin-{part}-key") for part in ("access", "secret"))
    return Vault(StoreConfig(engines.s3_url, bucket, access, secret), f"{bucket}-live", retention_years)


@pytest_asyncio.fixture(loop_scope="session")
async def pool(place: Database, open_pool: Callable[[Database], Awaitable[db.Pool]]) -> db.Pool:
    """A pool on it, as the application role."""
    return await open_pool(place)


@pytest_asyncio.fixture(loop_scope="session")
async def superuser(place: Database) -> AsyncIterator[psycopg.AsyncConnection]:
    """An administrator who switches the guards off."""
    async with await psycopg.AsyncConnection.connect(place.superuser_url, autocommit=True) as conn:
        await conn.execute("SET search_path = audit")
        await conn.execute("SET session_replication_role = replica")
        yield conn
