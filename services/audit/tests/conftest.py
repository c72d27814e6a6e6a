"""A fresh, migrated log per test, on the real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import psycopg
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chassis import db
from conftest import Database
from services.audit.commands import LogKeys
from services.audit.tests.test_verify import KEY


@pytest.fixture(scope="session")
def keys() -> LogKeys:
    """The key of the tests' log under `audit.minoh.example/<year>`."""
    return LogKeys("audit.minoh.example", KEY.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest_asyncio.fixture(loop_scope="session")
async def place(migrated_database: Callable[[str], Awaitable[Database]]) -> Database:
    """A fresh audit database."""
    return await migrated_database("audit")


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
