"""A closed year on the real PostgreSQL and object store, and the owner role that may drop its entries."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator

import psycopg
import pytest_asyncio

from chassis import clock, db
from services.audit import commands
from services.audit.tests.conftest import buckets, keys, place, pool, vault
from services.audit.tests.making import NOW, event_leaf
from services.audit.tests.test_commands import advanced

__all__ = ["buckets", "keys", "place", "pool", "vault"]

NEW_YEAR = dt.datetime(2027, 4, 1, 0, 0, 1, tzinfo=clock.JST)
# Five years after the last day of fiscal year 2026.
ENDED = dt.datetime(2032, 4, 1, tzinfo=clock.JST)
COMPLETED = "完結した文書"


@pytest_asyncio.fixture(loop_scope="session")
async def owner(place) -> AsyncIterator[db.Connection]:
    """As `drop-year` connects."""
    options = "-c search_path=audit -c lock_timeout=4000"
    async with await psycopg.AsyncConnection.connect(place.owner_url, autocommit=True, options=options) as conn:
        yield conn


@pytest_asyncio.fixture(loop_scope="session")
async def closed(pool, keys, vault) -> None:
    """600 leaves of 2026, one of which completes a document, closed and kept; 2027 is written."""
    leaves = [event_leaf(n) for n in range(1, 600)]
    leaves.insert(300, event_leaf(1, COMPLETED, action="document.completed"))
    await commands.append(pool, keys, leaves, NOW)
    await advanced(pool, keys, vault)
    async with db.connection(pool) as conn:
        assert await commands.turn_year(conn, keys, vault, NEW_YEAR, clock.new_id) == 2027
        await commands.keep_final(conn, vault, 2026)
    await advanced(pool, keys, vault)
