"""A fresh log on the real engines, and HTTP to witnesses."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from services.audit.outgoing import Outgoing
from services.audit.tests.conftest import buckets, keys, place, pool, superuser, vault

__all__ = ["buckets", "keys", "place", "pool", "superuser", "vault"]


@pytest_asyncio.fixture(loop_scope="session")
async def http() -> AsyncIterator[Outgoing]:
    """As the service calls others, with less patience."""
    http = Outgoing(None, 2.0)
    yield http
    await http.close()
