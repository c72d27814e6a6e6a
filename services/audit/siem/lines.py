"""Leaves as lines: a page at a time out of the database, in order, so that memory holds one page."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence

from chassis.db import Connection
from services.audit.siem import domain, store
from services.audit.siem.store import Covered

PAGE = 512


def lines_of(leaves: Sequence[Covered]) -> bytes:
    """Their OCSF events, one JSON object a line."""
    return b"".join(domain.line(one.leaf, one.origin, one.leaf_index) for one in leaves)


async def export_pages(conn: Connection, since: dt.datetime | None, until: dt.datetime | None) -> AsyncIterator[bytes]:
    """Everything of a time that signed checkpoints cover, oldest first. A reader who is slow slows this down."""
    last: Covered | None = None
    while leaves := await store.leaves_of_time(conn, since, until, last, PAGE):
        yield lines_of(leaves)
        last = leaves[-1]


async def year_pages(conn: Connection, log_year: int, first: int) -> AsyncIterator[bytes]:
    """A year's log from leaf `first` on, in its order, as far as its checkpoint covers it."""
    while leaves := await store.leaves_from(conn, log_year, first, PAGE):
        yield lines_of(leaves)
        first = leaves[-1].leaf_index + 1
