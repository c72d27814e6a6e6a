"""A schema with the chassis's own tables and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import psycopg
import pytest_asyncio

from chassis import db
from conftest import Database


@pytest_asyncio.fixture(loop_scope="session")
async def place(empty_database: Callable[[str], Database]) -> Database:
    """A fresh database of the documents schema with outbox, inbox and record_epochs."""
    fresh = empty_database("documents")
    await db.migrate(fresh.owner_url, "documents", [db.CHASSIS_MIGRATIONS])
    return fresh


@pytest_asyncio.fixture(loop_scope="session")
async def pool(place: Database, open_pool: Callable[[Database], Awaitable[db.Pool]]) -> db.Pool:
    """A pool on it, as the application role."""
    return await open_pool(place)


@pytest_asyncio.fixture(loop_scope="session")
async def owner(place: Database) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection as the schema's owner, for tampering and for waiting on locks."""
    async with await psycopg.AsyncConnection.connect(place.owner_url, autocommit=True) as conn:
        await conn.execute("SET search_path = documents")
        yield conn
