"""SC-03: a year's entries leave the database after their retention, by two people's word, and in no other way."""

from __future__ import annotations

import asyncio
import datetime as dt
import io

import psycopg
import pytest

from chassis import clock, db
from chassis.errors import Kind
from kanketsu.audit.v1 import audit_service_pb2 as pb
from services.audit import commands as log_commands
from services.audit import store, tlog, tree_store
from services.audit.completeness.checker import Checker
from services.audit.entry import decode
from services.audit.note import open_checkpoint
from services.audit.retention import copies
from services.audit.retention import store as retention_store
from services.audit.retention.commands import NotDropped, drop_year
from services.audit.retention.tests.conftest import COMPLETED, ENDED, NEW_YEAR
from services.audit.tests.conftest import open_vault
from services.audit.tests.making import event_leaf
from services.audit.tests.test_api import refused, serving
from services.audit.tests.test_commands import advanced, leaves_in
from services.audit.tests.test_processes import Replica, run

TWO = ("S0225", "S0041")


async def drop(owner, keys, vault, log_year=2026, agreed_by=TWO, now=ENDED, new_id=clock.new_id):
    return await drop_year(owner, keys, vault, log_year, agreed_by, now, new_id)


async def is_whole(pool, log_year=2026, size=600) -> bool:
    """All entries are there, and nothing says that they are not."""
    there = [index for year, index, _ in await leaves_in(pool) if year == log_year]
    async with db.connection(pool) as conn:
        cursor = await conn.execute("SELECT count(*) FROM entries WHERE action = 'log.dropped'")
        said = (await cursor.fetchone())[0]
        return there == list(range(size)) and said == 0 and await retention_store.dropped(conn, log_year) is None


async def test_after_its_retention_a_year_leaves_and_the_log_says_by_whom(pool, owner, keys, vault, closed):
    """What remains proves completed documents; the tree stays, so that every proof verifies as before."""
    done = await drop(owner, keys, vault)
    assert (done.log_year, done.agreed_by, done.remaining) == (2026, ["S0041", "S0225"], 1)
    assert [(year, index) for year, index, _ in await leaves_in(pool)] == [(2026, 300), (2027, 0), (2027, 1)]
    async with db.connection(pool) as conn:
        leaf = decode((await store.entry_at(conn, 2027, 1)).leaf)
        old = await tree_store.log_of(conn, 2026)
        found = await store.last_event_of_document(conn, COMPLETED, "document.completed")
        tiles = await tree_store.read_tiles(conn, old, tlog.tiles_for([(0, 600)], 600))
        assert await retention_store.dropped(conn, 2026) == done
    assert (leaf.action, leaf.object_id, leaf.time) == ("log.dropped", "audit.minoh.example/2026", ENDED)
    assert (leaf.detail["agreed_by.1"], leaf.detail["agreed_by.2"]) == ("S0041", "S0225")
    assert (leaf.detail["size"], leaf.detail["remaining"], leaf.detail["root"]) == ("600", "1", old.root.hex())
    assert (found.log_year, found.leaf_index) == (2026, 300)
    assert tlog.root_at(600, tiles) == open_checkpoint(old.checkpoint, keys.of(2026).verifier).root
    # The year goes on, is signed, and its entries are as guarded as before.
    assert await log_commands.append(pool, keys, [event_leaf(1, "D-9")], ENDED) == 1
    assert (await advanced(pool, keys, vault)).checkpoint_size == 3
    for statement in ("DELETE FROM entries_2026", "TRUNCATE entries_2026", "DELETE FROM dropped_years"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await owner.execute(statement)


async def test_the_copies_verify_without_the_entries(pool, owner, keys, vault, closed):
    """The full log is in the object store before and after."""
    await drop(owner, keys, vault)
    async with db.connection(pool) as conn:
        log = await tree_store.log_of(conn, 2026)
    assert [one async for one in copies.problems(vault, log)] == []


async def test_a_day_too_early_is_too_early(pool, owner, keys, vault, closed):
    with pytest.raises(NotDropped, match="kept until 2032-04-01"):
        await drop(owner, keys, vault, now=ENDED - dt.timedelta(microseconds=1))
    assert await is_whole(pool)


async def test_a_shorter_setting_does_not_shorten_the_lock(pool, owner, keys, vault, engines, buckets, closed):
    """Whoever sets one year instead of five meets what the store was told when the year was closed."""
    short = open_vault(engines, buckets, retention_years=1)
    try:
        with pytest.raises(NotDropped, match="kept until 2032-04-01"):
            await drop(owner, keys, short, now=dt.datetime(2029, 4, 1, tzinfo=clock.JST))
    finally:
        short.close()
    assert await is_whole(pool)


async def test_a_year_that_is_not_closed_stays(pool, owner, keys, vault, closed):
    for log_year, why in ((2027, "not closed"), (2025, "no log of 2025")):
        with pytest.raises(NotDropped, match=why):
            await drop(owner, keys, vault, log_year, now=ENDED.replace(year=2040))
    assert await is_whole(pool)


async def test_a_year_whose_last_checkpoint_is_not_kept_yet_stays(pool, owner, keys, vault):
    await log_commands.append(pool, keys, [event_leaf(1)], NEW_YEAR - dt.timedelta(days=1))
    async with db.connection(pool) as conn:
        await log_commands.turn_year(conn, keys, vault, NEW_YEAR, clock.new_id)
    with pytest.raises(NotDropped, match="not in the object store yet"):
        await drop(owner, keys, vault)
    assert await is_whole(pool, size=1)


@pytest.mark.parametrize("how", ["altered", "hidden"])
@pytest.mark.parametrize(
    "path", ["tile/entries/001", "tile/entries/002.p/88", "tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2", "final"]
)
async def test_a_log_that_is_not_whole_in_the_store_stays(
    pool, owner, keys, vault, engines, buckets, closed, path, how
):
    """With the administrator's key: another version on top, or a delete marker."""
    admin, name = engines.s3("admin"), f"2026/{path}"
    content = bytearray(await vault.kept(2026, path))
    if how == "altered":
        content[-1] ^= 1
        admin.put_object(buckets, name, io.BytesIO(bytes(content)), len(content))
    else:
        admin.remove_object(buckets, name)
    with pytest.raises(NotDropped, match="object lock" if path == "final" else path.split("/", 2)[2]):
        await drop(owner, keys, vault)
    assert await is_whole(pool)


@pytest.mark.parametrize(
    "agreed_by", [(), ("S0225",), ("S0225", "S0225"), ("S0225", "s0225"), ("S0225", "S0041", "S0301"), ("S0225", "")]
)
async def test_two_different_people_answer_for_it(pool, owner, keys, vault, closed, agreed_by):
    with pytest.raises(NotDropped, match=r"two different people|is not a staff number"):
        await drop(owner, keys, vault, agreed_by=agreed_by)
    assert await is_whole(pool)


async def test_a_year_is_dropped_once(owner, keys, vault, closed):
    await drop(owner, keys, vault)
    with pytest.raises(NotDropped, match="already"):
        await drop(owner, keys, vault)


async def test_it_and_its_leaf_are_one(pool, owner, keys, vault, closed):
    """Crash between the two: neither."""

    def crash() -> str:
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        await drop(owner, keys, vault, new_id=crash)
    assert await is_whole(pool)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE entries_2026",
        "ALTER TABLE entries DETACH PARTITION entries_2026",
        "ALTER TABLE entries_2026 DISABLE TRIGGER ALL",
        "INSERT INTO dropped_years VALUES (2026, now(), ARRAY['S0225', 'S0041'], 0)",
    ],
)
async def test_the_application_cannot_drop_it_by_itself(pool, closed, statement):
    async with pool.connection() as conn:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await conn.execute(statement)
    assert await is_whole(pool)


async def test_the_command_is_nothing_without_the_owner(pool, keys, vault, closed):
    async with pool.connection() as conn:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await drop(conn, keys, vault)
    assert await is_whole(pool)


async def test_what_is_asked_of_a_dropped_year(engines, pool, owner, keys, vault, closed):
    """Hashes as ever, the completion of a document with its proof, and no part of a bundle."""
    await drop(owner, keys, vault)
    async with serving(engines, pool, keys, vault) as service:

        async def tile(path: str) -> bytes:
            return (await service.ask("GetTile", pb.GetTileRequest(path=path, log_year=2026))).tile

        assert len(await tile("0/000")) == 8192
        for path in ("entries/000", "entries/001", "entries/002.p/88"):
            assert (await refused(tile(path))).kind is Kind.NOT_FOUND
        found = await service.ask("FindProof", pb.FindProofRequest(document_id=COMPLETED))
    assert (found.log_year, found.proof.index, found.proof.tree_size) == (2026, 300, 600)
    checkpoint = open_checkpoint(found.proof.checkpoint.encode(), keys.of(2026).verifier)
    assert tlog.verify_inclusion(tlog.leaf_hash(found.leaf), 300, 600, found.proof.hashes, checkpoint.root)


async def test_the_daily_check_leaves_a_dropped_year_alone(pool, owner, keys, vault, engines, buckets, closed):
    """Its copies may be removed now: that is no alarm."""
    await drop(owner, keys, vault)
    engines.s3("admin").remove_object(buckets, "2026/tile/entries/000")
    await Checker(pool, vault, asyncio.Event(), lambda: None).check()
    async with db.connection(pool) as conn:
        cursor = await conn.execute("SELECT leaf FROM entries WHERE action = 'log.checked'")
        checked = [decode(leaf) for (leaf,) in await cursor.fetchall()]
    assert [(one.object_id, one.detail["findings"]) for one in checked] == [("audit.minoh.example/2027", "0")]


async def test_the_commands_say_why_and_what_became_of_a_year(
    engines, place, buckets, tmp_path, owner, keys, vault, closed
):
    replica = Replica(engines, place, buckets, 1, tmp_path)
    as_owner = {"KANKETSU_MIGRATE_DATABASE_URL": place.owner_url}
    command = ("drop-year", "--year", "2026", "--agreed-by", "S0225", "--agreed-by", "S0041")
    assert await run(replica, *command, **as_owner) == (
        2,
        "drop-year failed: the log of 2026 is kept until 2032-04-01\n",
    )
    code, output = await run(replica, *command)
    assert (code, "KANKETSU_MIGRATE_DATABASE_URL: required" in output) == (2, True)
    await drop(owner, keys, vault)
    code, output = await run(replica, *command, **as_owner)
    assert (code, output) == (2, "drop-year failed: the entries of 2026 have been dropped already\n")
    for name in ("export", "ocsf"):
        code, output = await run(replica, name, "--year", "2026", "--out", str(tmp_path / name))
        assert (code, "the entries of 2026 were dropped on 2032-04-01" in output) == (2, True), output
    code, output = await run(replica, "check", "--year", "2026")
    assert (code, output) == (0, "600 leaves of audit.minoh.example/2026: 0 finding(s)\n")
    engines.s3("admin").remove_object(buckets, "2026/tile/0/001")
    code, output = await run(replica, "check", "--year", "2026")
    assert (code, output.splitlines()[0]) == (1, "copies in the object store: tile/0/001 is missing")
