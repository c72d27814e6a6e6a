"""A partition for each year's log, and what no constraint reaches across them: every event and number once, for good."""

from __future__ import annotations

import datetime as dt

import psycopg
import pytest

from chassis import clock, db
from services.audit import commands, source_store, store
from services.audit.entry import decode
from services.audit.tests.making import NOW, event_leaf, view_leaf
from services.audit.tests.test_commands import leaves_in

NEW_YEAR = dt.datetime(2027, 4, 1, 0, 0, 1, tzinfo=clock.JST)


async def turn_year(pool, keys, vault):
    async with db.connection(pool) as conn:
        assert await commands.turn_year(conn, keys, vault, NEW_YEAR, clock.new_id) == 2027


async def test_an_event_of_last_year_that_comes_again_is_not_taken_again(pool, keys, vault):
    """I2: each record once, whichever year's log is written when it is delivered again."""
    old, new = event_leaf(1), event_leaf(2)
    await commands.append(pool, keys, [old], NOW)
    await turn_year(pool, keys, vault)
    assert await commands.append(pool, keys, [old, new, old], NEW_YEAR) == 1
    assert [row for row in await leaves_in(pool) if row[2] in (old.event_id, new.event_id)] == [
        (2026, 0, old.event_id),
        (2027, 1, new.event_id),
    ]


async def test_a_number_of_last_year_is_not_taken_by_another_record(pool, keys, vault):
    """I2: a source that lives through the change goes on counting; its numbers of before are taken."""
    epoch = clock.new_id()
    await commands.append(pool, keys, [view_leaf(epoch, seq) for seq in (1, 2, 3)], NOW)
    await turn_year(pool, keys, vault)
    assert await commands.append(pool, keys, [view_leaf(epoch, seq) for seq in (4, 5)], NEW_YEAR) == 2
    forged = view_leaf(epoch, 2, staff_id="S9999")
    assert await commands.append(pool, keys, [view_leaf(epoch, 6), forged], NEW_YEAR) == 2
    async with db.connection(pool) as conn:
        last = decode((await store.entry_at(conn, 2027, 4)).leaf)
        [source] = await source_store.list_sources(conn, 10)
    # It is there, and says which number it claimed.
    assert (last.event_id, last.seq, last.reason) == (forged.event_id, 0, "NUMBER_TAKEN")
    assert last.detail["claimed"].endswith(f"/{epoch}/2")
    assert (source.seen, source.last_seq) == (6, 6)


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM entries_2026", "UPDATE entries_2026 SET leaf = leaf", "TRUNCATE entries_2026", "DELETE FROM entries"],
)
@pytest.mark.parametrize("role", ["app", "owner"])
async def test_a_years_part_is_kept_as_the_whole_is(place, pool, keys, role, statement):
    """I2, SC-03: nothing is removed record by record, by the application or by the owner of the tables."""
    await commands.append(pool, keys, [event_leaf()], NOW)
    url = place.app_url if role == "app" else place.owner_url
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        await conn.execute("SET search_path = audit")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await conn.execute(statement)
    assert len(await leaves_in(pool)) == 1
