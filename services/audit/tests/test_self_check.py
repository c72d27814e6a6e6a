"""An administrator changes what was signed, in the database or in the object store: each is found, at its place (I2)."""

from __future__ import annotations

import asyncio
import datetime as dt
import io

import pytest
import pytest_asyncio

from chassis import clock, db
from services.audit import commands, self_check, tlog, tree_store
from services.audit.entry import encode
from services.audit.note import sign_checkpoint
from services.audit.sequencer import Sequencer
from services.audit.tests.making import NOW, event_leaf, view_leaf
from services.audit.tests.test_commands import advanced
from services.audit.tests.test_continuity import signed, turned
from services.audit.timestamps import store as archive_store

FORGED = encode(event_leaf(1, staff_id="S9999", object_id="別の文書"))


async def findings_of(pool, vault, log_year=2026):
    found: list[str] = []
    async with db.connection(pool) as conn:
        done = await self_check.check(conn, vault, log_year, lambda place, problem: found.append(f"{place}: {problem}"))
    assert done.findings == len(found)
    return found


@pytest_asyncio.fixture(loop_scope="session")
async def log(pool, keys, vault):
    """600 leaves of a source and of documents, signed and kept."""
    epoch = clock.new_id()
    leaves = [view_leaf(epoch, n, reason="窓口での照会") for n in range(1, 301)]
    leaves += [event_leaf(n, "D-1") for n in range(1, 301)]
    await commands.append(pool, keys, leaves, NOW)
    return await advanced(pool, keys, vault)


async def test_nothing_is_found_where_nothing_was_changed(pool, keys, vault, log):
    assert await findings_of(pool, vault) == []
    await turned(pool, keys, vault)
    async with db.connection(pool) as conn:
        await commands.keep_final(conn, vault, 2026)
    await advanced(pool, keys, vault)
    assert await findings_of(pool, vault, 2026) == []
    assert await findings_of(pool, vault, 2027) == []


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("DELETE FROM entries WHERE leaf_index = 7", "leaf 7: is gone"),
        ("DELETE FROM entries WHERE leaf_index = 599", "leaf 599: is gone"),
        ("UPDATE entries SET staff_id = 'S0001' WHERE leaf_index = 12", "leaf 12: columns that repeat it say something else: staff_id"),
        ("UPDATE entries SET document_id = NULL WHERE leaf_index = 12", "leaf 12: columns that repeat it say something else: document_id"),
        ("UPDATE entries SET occurred_at = now() WHERE leaf_index = 300", "leaf 300: columns"),
        ("UPDATE entries SET leaf_hash = sha256('x') WHERE leaf_index = 30", "leaf 30: leaf_hash"),
        ("UPDATE tiles SET hashes = set_byte(hashes, 32, 0) WHERE level = 0 AND tile_index = 1", "leaf 257: is not what tile/0/001"),
        ("DELETE FROM tiles WHERE level = 0 AND tile_index = 0", "leaf 0: is not what tile/0/000"),
        ("UPDATE logs SET checkpoint = replace(encode(checkpoint, 'escape'), E'\\n600\\n', E'\\n599\\n')::bytea", "checkpoint in the database: "),
        ("UPDATE logs SET edge[1] = set_byte(edge[1], 0, 0)", "leaf 512: is not what tile/0/002.p/88"),
    ],
)  # fmt: skip
async def test_what_was_changed_in_the_database_is_named(pool, vault, log, superuser, statement, named):
    await superuser.execute(statement)
    found = await findings_of(pool, vault)
    assert any(line.startswith(named) for line in found), found


async def test_a_leaf_replaced_with_everything_that_follows_from_it_differs_from_its_copy(pool, vault, log, superuser):
    """Leaf, hash, columns and tile fit each other; copy and root do not."""
    await superuser.execute(
        "UPDATE entries SET leaf = %s, leaf_hash = %s WHERE leaf_index = 310", (FORGED, tlog.leaf_hash(FORGED))
    )
    await superuser.execute(
        "UPDATE tiles SET hashes = overlay(hashes PLACING %s FROM 54 * 32 + 1) WHERE level = 0 AND tile_index = 1",
        (tlog.leaf_hash(FORGED),),
    )
    found = await findings_of(pool, vault)
    assert "tile/entries/001 in the object store: is not what the database holds" in found
    assert "tile/0/001 in the object store: is not what the database holds" in found
    assert "checkpoint in the database: its root is not that of the 600 leaves" in found


async def test_something_huge_in_place_of_a_copy_is_named(pool, vault, engines, buckets, log):
    """It ends no check."""
    huge = bytes(tlog.MAX_BUNDLE_BYTES + 1)
    engines.s3("admin").put_object(buckets, "2026/tile/0/000", io.BytesIO(huge), len(huge))
    assert await findings_of(pool, vault) == ["tile/0/000 in the object store: is not what the database holds"]


# --- the archive ------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="session")
async def archived(pool, keys, vault, log):
    """Three archived checkpoints, of 600, 601 and 602 leaves; the first two have a time-stamp."""
    for number in (1, 2):
        await commands.append(pool, keys, [event_leaf(300 + number, "D-1")], NOW)
        await signed(pool, keys, vault, NOW + dt.timedelta(hours=number))
    async with db.connection(pool) as conn:
        for size in (600, 601):
            await vault.keep(2026, f"timestamps/{size}.tsr", TOKEN)
            await archive_store.insert_token(conn, 2026, size, TOKEN, NOW)


TOKEN = "時刻の証明".encode()


async def test_an_archive_that_is_what_it_was_is_no_finding(pool, vault, archived):
    assert await findings_of(pool, vault) == []


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE checkpoints SET note = note || 'x' WHERE size = 601", [
            "checkpoints/601 in the database: ", "checkpoints/601 in the object store: is not what the database holds"]),
        ("UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 600) WHERE size = 601", [
            "checkpoints/601 in the database: is of 600 leaves",
            "checkpoints/601 in the object store: is not what the database holds"]),
        ("DELETE FROM checkpoints WHERE size = 600", ["checkpoints/600 in the object store: is not in the database",
            "timestamps/600.tsr in the object store: is not in the database"]),
        ("UPDATE timestamps SET token = 'x' WHERE size = 600", [
            "timestamps/600.tsr in the object store: is not what the database holds"]),
        ("DELETE FROM timestamps WHERE size = 600", ["timestamps/600.tsr in the object store: is not in the database"]),
        ("INSERT INTO checkpoints SELECT log_year, 300, note, signed_at FROM checkpoints WHERE size = 600", [
            "checkpoints/300 in the database: is of 600 leaves", "checkpoints/300 in the object store: is missing"]),
    ],
)  # fmt: skip
async def test_a_row_of_the_archive_that_was_changed_or_removed_is_named(
    pool, vault, archived, superuser, statement, found
):
    """Export and `/log/archive` read the database alone: nobody else would miss it."""
    await superuser.execute(statement)
    named = await findings_of(pool, vault)
    assert len(named) == len(found)
    assert all(line.startswith(start) for line, start in zip(named, found, strict=True)), named


@pytest.mark.parametrize("path", ["checkpoints/601", "timestamps/601.tsr"])
async def test_a_copy_of_the_archive_that_is_hidden_is_named(pool, vault, engines, buckets, archived, path):
    engines.s3("admin").remove_object(buckets, f"2026/{path}")
    assert await findings_of(pool, vault) == [f"{path} in the object store: is missing"]


@pytest.mark.parametrize("size", [5, 700])
async def test_a_checkpoint_that_the_log_did_not_sign_is_named(pool, keys, vault, engines, buckets, archived, size):
    """Written by somebody with the store's key, for a size to come or gone by; and one that the log's key signed over
    another history."""
    forged = [
        f"偽の署名 {size}".encode(),
        sign_checkpoint("audit.minoh.example/2026", size, b"\x07" * 32, keys.of(2026)),
    ]
    for content in forged:
        engines.s3("admin").put_object(buckets, f"2026/checkpoints/{size}", io.BytesIO(content), len(content))
        assert await findings_of(pool, vault) == [f"checkpoints/{size} in the object store: is not in the database"]


async def test_what_a_run_kept_that_was_killed_is_no_finding_and_gets_its_row(pool, keys, vault, archived, superuser):
    """Or a database that was put back: what is newer than its newest row."""
    await superuser.execute("DELETE FROM checkpoints WHERE size = 602")
    assert await findings_of(pool, vault) == []
    leader = asyncio.create_task(Sequencer(pool, keys, vault, 0.05, 180).run())
    try:
        async with asyncio.timeout(20):
            while 602 not in await sizes(pool):
                await asyncio.sleep(0.01)
    finally:
        leader.cancel()
        await asyncio.wait([leader])
    async with db.connection(pool) as conn:
        assert await archive_store.archived_at(conn, 2026, 602) == await vault.kept(2026, "checkpoints/602")


async def sizes(pool):
    async with db.connection(pool) as conn:
        return [size for size, _ in await archive_store.sizes_of(conn, 2026)]


# --- the object store -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["tile/entries/001", "tile/0/000"])
@pytest.mark.parametrize("how", ["altered", "hidden"])
async def test_what_was_changed_in_the_object_store_is_named(pool, vault, engines, buckets, log, path, how):
    """With the administrator's key: another version on top, or a delete marker. The version that is kept stays."""
    admin, name = engines.s3("admin"), f"2026/{path}"
    if how == "altered":
        content = bytearray(await vault.kept(2026, path))
        content[100] ^= 1
        admin.put_object(buckets, name, io.BytesIO(bytes(content)), len(content))
    else:
        admin.remove_object(buckets, name)
    [found] = await findings_of(pool, vault)
    assert found == f"{path} in the object store: " + (
        "is not what the database holds" if how == "altered" else "is missing"
    )
    original = await held(pool, path)
    versions = [one for one in admin.list_objects(buckets, name, include_version=True) if not one.is_delete_marker]
    assert original in [admin.get_object(buckets, name, version_id=one.version_id).read() for one in versions]


async def held(pool, path):

    tile = tlog.parse_tile_path(path)
    async with db.connection(pool) as conn:
        if tile.level == tlog.ENTRIES:
            return tlog.encode_bundle(await tree_store.bundle_entries(conn, 2026, tile))
        log = await tree_store.log_of(conn, 2026)
        return (await tree_store.read_tiles(conn, log, [tile]))[tile.level, tile.index]
