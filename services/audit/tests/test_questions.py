"""Questions to a log of 200,000 entries: each walks one index from where its page begins, and the page is its cost."""

from __future__ import annotations

import datetime as dt
import json
import re

import psycopg
import pytest
import pytest_asyncio

from chassis import db
from services.audit import commands, store, tlog
from services.audit.entry import decode
from services.audit.tests.conftest import compared
from services.audit.tests.making import NOW, event_leaf, insert_many, view_leaf

ENTRIES = 200_000
YEAR = 2026
DAY = {"from_time": NOW + dt.timedelta(days=2), "to_time": NOW + dt.timedelta(days=3)}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def many_entries(migrated_database, keys):
    """Entries of a week, of two years' logs, as the application role reads them."""
    place = await migrated_database("audit")
    await compared(place)
    pool = db.open_pool(place.app_url, "audit")
    await pool.open(wait=True)
    await commands.append(pool, keys, [event_leaf(time=NOW - dt.timedelta(days=300))], NOW - dt.timedelta(days=300))
    async with pool.connection() as conn, conn.transaction():
        await commands.open_log(conn, keys, YEAR, NOW)
    async with await psycopg.AsyncConnection.connect(place.superuser_url, autocommit=True) as conn:
        await conn.execute("SET search_path = audit")
        await insert_many(conn, "entries", YEAR, 0, ENTRIES)
        await conn.execute("VACUUM ANALYZE entries")
    yield pool
    await pool.close()


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "occurred_at_log_year"),
        ({"staff_id": "S0007"}, "staff_id_occurred_at"),
        ({"document_id": "D-7"}, "document_id_occurred_at"),
        ({"unit_id": "U-7"}, "unit_id_occurred_at"),
        ({"action": "document.printed"}, "action_occurred_at"),
        ({"outcome": "denied"}, "outcome_occurred_at"),
        (DAY, "occurred_at_log_year"),
        ({"unit_id": "U-7", **DAY}, "unit_id_occurred_at"),
        ({"unit_id": "U-7", "action": "document.printed"}, "unit_id_action"),
        ({"unit_id": "U-7", "action": "document.viewed"}, "unit_id_occurred_at"),
        ({"staff_id": "S0007", **DAY}, "staff_id_occurred_at"),
        ({"document_id": "D-7", **DAY}, "document_id_occurred_at"),
        ({"action": "document.printed", **DAY}, "action_occurred_at"),
        ({"outcome": "denied", **DAY}, "outcome_occurred_at"),
        ({"staff_id": "S0007", "outcome": "denied"}, "staff_id_outcome"),
        ({"unit_id": "U-7", "outcome": "denied"}, "unit_id_outcome"),
        ({"document_id": "D-7", "action": "document.printed"}, "document_id_occurred_at"),
        ({"document_id": "D-7", "staff_id": "S0007"}, "(document_id|staff_id)_occurred_at"),
    ],
)
@pytest.mark.parametrize("page", ["first", "later"])
async def test_a_question_walks_one_index_and_reads_what_it_shows(many_entries, filters, index, page):
    """SC-06: no scan of the table, no sort of more than is shown, and not many more blocks than entries shown."""
    before = None if page == "first" else store.Position(NOW + dt.timedelta(days=2, hours=20), YEAR, 5)
    statement, values = store.entries_query(filters, before, 101)
    async with db.connection(many_entries) as conn:
        cursor = await conn.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}".encode(), values)
        [(plan,)] = await cursor.fetchall()
    root = plan[0]["Plan"]
    nodes = list(_nodes(root))
    text = json.dumps([{key: node[key] for key in node if key != "Plans"} for node in nodes], indent=1)
    # The other year's log holds one entry: how that is read does not matter.
    walked = [node for node in nodes if f"entries_{YEAR}" in node.get("Relation Name", node.get("Index Name", ""))]
    assert all("Index" in node["Node Type"] or node["Node Type"] == "Bitmap Heap Scan" for node in walked), text
    assert any(re.search(index, node.get("Index Name", "")) for node in walked), text
    # What matches is put in order only where it is no more than a page or two.
    assert all(node["Actual Rows"] <= 202 for node in nodes if "Sort" in node["Node Type"]), text
    # Two walks down an index and a block for each of 101 entries, with room for what a filter passes over.
    assert root["Shared Hit Blocks"] + root["Shared Read Blocks"] < 400, text


def _nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


async def test_all_pages_together_are_all_entries_across_the_years(many_entries):
    """Who saw this document, page by page, against the same question asked without any index."""
    filters = {"document_id": "D-7"}
    found, before = [], None
    async with db.connection(many_entries) as conn:
        for _ in range(100):
            page = await store.find_entries(conn, filters, before, 2)
            if not page:
                break
            found += page
            last = decode(page[-1].leaf)
            before = store.Position(last.time, page[-1].log_year, page[-1].leaf_index)
        await conn.execute("SET enable_indexscan = off")
        await conn.execute("SET enable_bitmapscan = off")
        cursor = await conn.execute("SELECT leaf_index FROM entries WHERE document_id = 'D-7' ORDER BY leaf_index DESC")
        expected = [index for (index,) in await cursor.fetchall()]
        await conn.execute("RESET ALL")
    assert expected
    assert [entry.leaf_index for entry in found] == expected


async def test_what_is_asked_for_is_what_the_leaves_say(many_entries):
    async with db.connection(many_entries) as conn:
        refused = await store.find_entries(conn, {"unit_id": "U-7", "outcome": "denied", **DAY}, None, 500)
    leaves = [decode(entry.leaf) for entry in refused]
    assert leaves
    assert all((leaf.unit_id, leaf.outcome) == ("U-7", "denied") for leaf in leaves)
    assert all(DAY["from_time"] <= leaf.time < DAY["to_time"] for leaf in leaves)
    assert leaves == sorted(leaves, key=lambda leaf: leaf.time, reverse=True)


async def test_the_columns_repeat_the_leaf(pool, keys):
    """What is looked for is what was signed: each column against the leaf beside it, written by our own COPY rows."""
    epoch = "01a0c0de-1111-7222-8333-944455556666"
    leaves = [
        view_leaf(epoch, 1, unit_id="環境政策室", reason='\u0001 "閲覧"', time=NOW.replace(microsecond=123_456)),
        view_leaf(epoch, 2, object_type="attachment", object_id="A-1", detail={"document_id": "D-9"}, outcome="denied"),
        view_leaf(epoch, 3, object_type="session", object_id="", staff_id="", unit_id=""),
        event_leaf(2**40, time=dt.datetime(1999, 1, 1, tzinfo=dt.UTC)),
    ]
    await commands.append(pool, keys, leaves, NOW)
    async with db.connection(pool) as conn:
        cursor = await conn.execute(
            "SELECT leaf, leaf_hash, event_id::text, occurred_at, coalesce(epoch::text, ''), coalesce(seq, 0), staff_id,"
            " unit_id, action, outcome, object_type, object_id, coalesce(object_version, 0), coalesce(document_id, ''),"
            " log_year, leaf_index FROM entries ORDER BY leaf_index"
        )
        rows = await cursor.fetchall()
    for index, (leaf, row) in enumerate(zip(leaves, rows, strict=True)):
        said = decode(row[0])
        assert said.event_id == leaf.event_id
        assert row[1:] == (
            *(tlog.leaf_hash(row[0]), said.event_id, said.time, said.epoch, said.seq, said.staff_id, said.unit_id),
            *(said.action, said.outcome, said.object_type, said.object_id, said.object_version, said.document_id),
            *(YEAR, index),
        )
