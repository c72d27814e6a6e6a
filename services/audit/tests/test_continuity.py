"""A database that was restored, a store that was rolled back, two that sign: never a fork, and always a way back."""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import itertools
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from chassis import clock, db
from chassis.errors import DomainError, Kind
from chassis.s3 import StoreUnavailable
from conftest import Database
from services.audit import commands, continuity, note, store, tree_store
from services.audit.commands import ClockAhead, Fenced, LogBehind, LogDamaged
from services.audit.continuity import NotRestored
from services.audit.entry import decode
from services.audit.export import LogWriter
from services.audit.sequencer import advance
from services.audit.tests.conftest import compared, open_vault
from services.audit.tests.making import NOW, event_leaf, view_leaf
from services.audit.tests.test_commands import advanced, leaves_in, log_of
from services.audit.tests.test_verify import KEY, findings
from services.audit.timestamps import store as timestamp_store
from services.audit.vault import Vault

NEW_YEAR = dt.datetime(2027, 4, 1, 0, 0, 1, tzinfo=clock.JST)
_copies = itertools.count(1)


@pytest_asyncio.fixture(loop_scope="session")
async def back_up(place, open_pool):
    """`await back_up(pool)`: a copy of the database as it is now, and a pool on it, as after a restore.

    PostgreSQL copies only a database without connections, so the original's are closed for the moment.
    """

    async def make(pool: db.Pool) -> db.Pool:
        await pool.close()
        name = f"{place.name}_backup_{next(_copies)}"
        server = place.superuser_url.rsplit("/", 1)[0]
        async with await psycopg.AsyncConnection.connect(f"{server}/postgres", autocommit=True) as conn:
            await conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (place.name,)
            )
            await conn.execute(f"CREATE DATABASE {name} TEMPLATE {place.name}".encode())
        async with await psycopg.AsyncConnection.connect(f"{server}/{name}", autocommit=True) as conn:
            await conn.execute(f"GRANT CONNECT, TEMPORARY ON DATABASE {name} TO audit_app, audit_owner".encode())
        urls = (url.rsplit("/", 1)[0] + f"/{name}" for url in (place.app_url, place.owner_url, place.superuser_url))
        return await open_pool(Database("audit", name, *urls))

    return make


async def leaves(pool, keys, count, start=1, **more):
    await commands.append(pool, keys, [event_leaf(start + n, **more) for n in range(count)], NOW)


async def signed(pool, keys, vault, at):
    """As `advanced`, at a moment one chooses."""
    async with db.connection(pool) as conn:
        while await commands.integrate(conn, 2026):
            pass
        await commands.publish(conn, keys, vault, 2026, at)
        return await tree_store.current_log(conn)


async def everything(pool):
    """All rows that a log consists of."""
    found = {}
    async with db.connection(pool) as conn:
        for table, order in (("entries", "log_year, leaf_index"), ("sources", "epoch"), ("aggregates", "object_id")):
            columns = "*" if table != "sources" else "epoch, service, instance, last_seq, seen, state, direct"
            rows = await conn.execute(f"SELECT {columns} FROM {table} ORDER BY {order}".encode())
            found[table] = await rows.fetchall()
    return found


async def archived(pool):
    """Every archived checkpoint."""
    async with db.connection(pool) as conn:
        rows = await conn.execute("SELECT log_year, size, note FROM checkpoints ORDER BY log_year, size")
        return await rows.fetchall()


async def restored(pool, keys, vault):
    async with db.connection(pool) as conn:
        return await continuity.restore(conn, keys, vault, NOW, clock.new_id)


async def exported(pool, folder: Path):
    async with db.connection(pool) as conn:
        log = await tree_store.current_log(conn)
        writer = LogWriter(folder)
        async for entry in tree_store.all_entries(conn, log.log_year, log.checkpoint_size):
            writer.add(entry)
        writer.finish(lambda _size, _root: log.checkpoint, note.VerifierKey.parse(log.verifier_key))
    return folder


# --- no number before the comparison ----------------------------------------------------------------------------


async def test_no_number_is_given_before_the_comparison(migrated_database, open_pool, keys, vault):
    pool = await open_pool(await migrated_database("audit"))
    with pytest.raises(DomainError) as refused:
        await leaves(pool, keys, 1)
    assert (refused.value.kind, refused.value.reason) == (Kind.UNAVAILABLE, "NOT_RECORDED")
    async with db.connection(pool) as conn:
        await continuity.compare(conn, keys, vault)
    await leaves(pool, keys, 1)
    assert len(await leaves_in(pool)) == 1


async def test_an_older_backup_gives_no_number_signs_nothing_and_says_what_to_do(
    pool, back_up, keys, vault, open_pool, place
):
    await leaves(pool, keys, 300)
    await advanced(pool, keys, vault)
    old = await back_up(pool)
    pool = await open_pool(place)
    await leaves(pool, keys, 50, 301)
    await advanced(pool, keys, vault)

    with pytest.raises(DomainError, match="compared"):
        await leaves(old, keys, 1, 900)
    async with db.connection(old) as conn:
        with pytest.raises(LogBehind, match="audit restore"):
            await continuity.compare(conn, keys, open_vault_like(vault))
    with pytest.raises(DomainError, match="compared"):
        await leaves(old, keys, 1, 900)


@pytest.mark.parametrize(("forged", "found_by"), [(10, LogBehind), (80, LogDamaged)])
async def test_a_fork_is_not_signed_even_if_the_comparison_is_faked(
    pool, back_up, keys, vault, open_pool, place, forged, found_by
):
    """An administrator restores an older copy, says it was compared, and lets other records take the numbers."""
    await leaves(pool, keys, 300)
    await advanced(pool, keys, vault)
    old = await back_up(pool)
    pool = await open_pool(place)
    await leaves(pool, keys, 50, 301)
    await advanced(pool, keys, vault)
    async with db.connection(old) as conn:
        await store.mark_compared(conn)
    await leaves(old, keys, forged, 301, staff_id="S9999")
    with pytest.raises(found_by):
        await advanced(old, keys, open_vault_like(vault))
    assert (await log_of(old)).checkpoint_size == 300
    assert note.open_checkpoint((await vault.head(fresh=True)).note, KEY.verifier).size == 350


def open_vault_like(vault: Vault) -> Vault:
    """Another process: it knows nothing of the head."""
    other = object.__new__(Vault)
    other.__dict__ = vault.__dict__ | {"_head": None}
    return other


# --- the way back -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at_backup", "more"), [(0, 1), (0, 700), (5, 300), (255, 1), (256, 256), (257, 600)])
async def test_restore_brings_back_every_leaf_that_was_signed(
    pool, back_up, keys, vault, open_pool, place, tmp_path, at_backup, more
):
    epoch = clock.new_id()
    if at_backup:
        await leaves(pool, keys, at_backup)
        await advanced(pool, keys, vault)
    old = await back_up(pool)
    pool = await open_pool(place)
    await leaves(pool, keys, more, at_backup + 1)
    await commands.append(pool, keys, [view_leaf(epoch, n, reason="照会") for n in (1, 2)], NOW)
    signed = await advanced(pool, keys, vault)

    answer = await restored(old, keys, vault)
    assert answer == continuity.Restored(more + 2, False)
    expected, found = await everything(pool), await everything(old)
    record = found["entries"].pop()
    assert found == expected
    # With the archived checkpoints that the backup did not know.
    assert await archived(old) == await archived(pool)
    # The restore is itself in the log, which goes on where it was.
    log = await advanced(old, keys, vault)
    assert log.checkpoint_size == signed.checkpoint_size + 1
    async with db.connection(old) as conn:
        last = decode((await store.entry_at(conn, 2026, signed.checkpoint_size)).leaf)
    assert (last.action, last.event_id) == ("backup.restored", str(record[2]))
    assert last.detail["leaves"] == str(more + 2)
    assert findings(await exported(old, tmp_path / "log"), since=signed.checkpoint) == []


async def test_a_database_that_lost_everything_comes_back_over_two_years(
    pool, keys, vault, migrated_database, open_pool
):
    await leaves(pool, keys, 300)
    await advanced(pool, keys, vault)
    async with db.connection(pool) as conn:
        assert await commands.turn_year(conn, keys, vault, NEW_YEAR, clock.new_id) == 2027
        await commands.keep_final(conn, vault, 2026)
    await leaves(pool, keys, 20, 301)
    await advanced(pool, keys, vault)

    empty = await open_pool(await migrated_database("audit"))
    async with db.connection(empty) as conn:
        with pytest.raises(LogBehind, match="has no log"):
            await continuity.compare(conn, keys, open_vault_like(vault))
    assert (await restored(empty, keys, vault)).leaves == 321
    expected, found = await everything(pool), await everything(empty)
    found["entries"].pop()
    assert found == expected
    assert [(year, size) for year, size, _ in await archived(empty)] == [(2026, 300), (2027, 21)]
    assert await archived(empty) == await archived(pool)
    async with db.connection(empty) as conn:
        assert (await tree_store.log_of(conn, 2026)).closed
    assert (await advanced(empty, keys, vault)).checkpoint_size == 22


async def test_restore_refuses_records_that_were_never_signed(pool, back_up, keys, vault, open_pool, place):
    await leaves(pool, keys, 10)
    await advanced(pool, keys, vault)
    old = await back_up(pool)
    pool = await open_pool(place)
    await leaves(pool, keys, 300, 11)
    await advanced(pool, keys, vault)
    async with db.connection(old) as conn:
        await store.mark_compared(conn)
    await leaves(old, keys, 5, 900, staff_id="S9999")
    before = await everything(old)
    with pytest.raises(NotRestored, match="not those the log signed"):
        await restored(old, keys, vault)
    assert await everything(old) == before


async def test_restore_refuses_a_bundle_that_is_not_what_was_signed(
    pool, back_up, keys, vault, open_pool, place, engines, buckets
):
    old = await back_up(pool)
    pool = await open_pool(place)
    await leaves(pool, keys, 300)
    await advanced(pool, keys, vault)
    forged = bytearray(await vault.kept(2026, "tile/entries/000"))
    forged[forged.index(b"S0123")] = ord("T")
    engines.s3("admin").put_object(buckets, "2026/tile/entries/000", io.BytesIO(bytes(forged)), len(forged))
    with pytest.raises(NotRestored, match="not those the log signed"):
        await restored(old, keys, vault)
    assert await leaves_in(old) == []


@pytest.mark.parametrize("loss", ["lost", "rolled back"])
async def test_a_head_that_is_lost_or_rolled_back_stops_the_signing_and_is_put_back(
    pool, keys, vault, engines, buckets, loss
):
    await leaves(pool, keys, 10)
    older = await advanced(pool, keys, vault)
    await leaves(pool, keys, 10, 11)
    log = await advanced(pool, keys, vault)
    if loss == "lost":
        engines.s3("admin").remove_object(f"{buckets}-live", "head")
    else:
        overwrite(engines, buckets, older.checkpoint)
    other = open_vault_like(vault)
    async with db.connection(pool) as conn:
        with pytest.raises(LogDamaged, match=r"lost the head|older than the database"):
            await continuity.compare(conn, keys, other)
    assert await restored(pool, keys, other) == continuity.Restored(0, True)
    assert (await other.head(fresh=True)).note == log.checkpoint
    assert (await advanced(pool, keys, other)).checkpoint_size == 21


async def test_the_head_of_another_history_is_never_followed(pool, keys, vault, engines, buckets):
    """Who can write to the live bucket can stop the signing, and nothing else."""
    await leaves(pool, keys, 10)
    await advanced(pool, keys, vault)
    forged = note.sign_checkpoint("audit.minoh.example/2026", 5, b"\x07" * 32, KEY)
    for wrong in (forged, b"x", forged.replace(b"\n5\n", b"\n6\n")):
        overwrite(engines, buckets, wrong)
        other = open_vault_like(vault)
        with pytest.raises((LogDamaged, NotRestored)):
            await restored(pool, keys, other)
        async with db.connection(pool) as conn:
            with pytest.raises((LogDamaged, note.NoteError)):
                await continuity.compare(conn, keys, other)


def overwrite(engines, buckets, head: bytes) -> None:
    """With the administrator's key and without a condition."""
    engines.s3("admin").put_object(f"{buckets}-live", "head", io.BytesIO(head), len(head))


# --- two that sign ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [3, 4])
async def test_two_sequencers_on_two_copies_of_the_database_make_no_fork(
    pool, back_up, keys, vault, open_pool, place, engines, buckets, more
):
    """The advisory lock cannot know of the other database; the head in the object store does. Both race for the first
    checkpoint of an hour: the loser's lies nowhere, so that no fork stays under lock for years."""
    await leaves(pool, keys, 10)
    await signed(pool, keys, vault, NOW)
    twin = await back_up(pool)
    pool = await open_pool(place)
    theirs = open_vault_like(vault)
    async with db.connection(twin) as conn:
        # Made at the same size, so the comparison finds nothing.
        await continuity.compare(conn, keys, theirs)
    await leaves(twin, keys, more, 11, staff_id="S0002")
    await leaves(pool, keys, 3, 11, staff_id="S0001")
    later = NOW + dt.timedelta(hours=1)
    results = await asyncio.gather(
        signed(pool, keys, vault, later), signed(twin, keys, theirs, later), return_exceptions=True
    )
    [winner] = [one for one in results if not isinstance(one, BaseException)]
    [loser] = [one for one in results if isinstance(one, BaseException)]
    assert isinstance(loser, (Fenced, LogDamaged))
    assert (await vault.head(fresh=True)).note == winner.checkpoint
    archived = engines.s3("admin").list_objects(buckets, "2026/checkpoints/")
    last = f"2026/checkpoints/{winner.checkpoint_size}"
    assert {one.object_name for one in archived} == {"2026/checkpoints/10", last}
    assert await vault.kept(2026, f"checkpoints/{winner.checkpoint_size}") == winner.checkpoint
    # And it stays stopped, whoever looks anew.
    beaten, at = (twin, theirs) if results[0] is winner else (pool, vault)
    with pytest.raises(LogDamaged):
        await advanced(beaten, keys, open_vault_like(at))


# --- killed anywhere --------------------------------------------------------------------------------------------


class Killed(Vault):
    """The store answers `calls` requests; at the next the process dies, before the request or after it."""

    def __init__(self, vault: Vault, calls: int, after: bool) -> None:
        self.__dict__ = vault.__dict__ | {"_head": None, "left": calls, "after": after}

    async def _run(self, call, *arguments):
        if self.left == 0 and not self.after:
            raise StoreUnavailable("killed before")
        self.left -= 1
        answer = await super()._run(call, *arguments)
        if self.left < 0:
            raise StoreUnavailable("killed after")
        return answer


async def test_publishing_killed_at_every_request_and_run_again_gives_the_same_bytes(
    pool, keys, vault, engines, buckets, fresh_buckets, migrated_database, open_pool
):
    """Before and after each request to the object store, in turn; the tree grows over two tile boundaries. Each is the
    first of its hour: it is archived, however often the process died before."""
    made = [event_leaf(n + 1, event_id=f"019ac0de-0000-7000-8000-{n:012x}") for n in range(600)]
    sizes = (200, 256, 257, 520, 600)
    kills, done = 0, 0
    for hour, size in enumerate(sizes):
        at = NOW + dt.timedelta(hours=hour)
        await commands.append(pool, keys, made[done:size], NOW)
        done = size
        for calls, after in itertools.product(range(40), (False, True)):
            dying = Killed(vault, calls, after)
            try:
                await signed(pool, keys, dying, at)
                if dying.left > 0 or (dying.left == 0 and after):
                    break
            except StoreUnavailable:
                kills += 1
        log = await signed(pool, keys, open_vault_like(vault), at)
        assert log.checkpoint_size == size
        assert await vault.kept(2026, f"checkpoints/{size}") == log.checkpoint
    assert kills > 30
    async with db.connection(pool) as conn:
        assert [size for size, _ in await timestamp_store.sizes_of(conn, 2026)] == list(sizes)

    # The same in one go, with nothing killed.
    name = fresh_buckets()
    calm_vault, calm_place = open_vault(engines, name), await migrated_database("audit")
    await compared(calm_place)
    calm = await open_pool(calm_place)
    await commands.append(calm, keys, made, NOW)
    await advanced(calm, keys, calm_vault)
    admin = engines.s3("admin")
    kept = {one.object_name for one in admin.list_objects(buckets, "2026/tile/", recursive=True)}
    assert kept == {one.object_name for one in admin.list_objects(name, "2026/tile/", recursive=True)}
    for path in kept:
        assert admin.get_object(buckets, path).read() == admin.get_object(name, path).read(), path
        assert len(list(admin.list_objects(buckets, path, include_version=True))) == 1
    assert (await vault.head(fresh=True)).note == (await calm_vault.head()).note
    calm_vault.close()


# --- the year's change ------------------------------------------------------------------------------------------


async def turned(pool, keys, vault, now=NEW_YEAR):
    async with db.connection(pool) as conn:
        return await commands.turn_year(conn, keys, vault, now, clock.new_id)


async def test_a_new_year_opens_with_a_leaf_that_names_the_final_checkpoint_of_the_old_one(pool, keys, vault):
    await leaves(pool, keys, 3)
    assert await turned(pool, keys, vault, NEW_YEAR - dt.timedelta(seconds=2)) is None
    # Not signed yet when the year ends: the change signs it.
    assert await turned(pool, keys, vault) == 2027
    assert await turned(pool, keys, vault) is None
    async with db.connection(pool) as conn:
        await commands.keep_final(conn, vault, 2026)
        old = await tree_store.log_of(conn, 2026)
        opening = decode((await store.entry_at(conn, 2027, 0)).leaf)
    final = note.open_checkpoint(old.checkpoint, keys.of(2026).verifier)
    assert (final.size, old.closed, old.final_kept) == (3, True, True)
    assert opening.action == "log.opened"
    assert opening.object_id == "audit.minoh.example/2027"
    assert opening.detail["previous"] == "audit.minoh.example/2026"
    assert opening.detail["previous_size"] == "3"
    assert bytes.fromhex(opening.detail["previous_root"]) == final.root
    assert await vault.kept(2026, "final") == old.checkpoint
    assert await vault.kept(2026, "tile/entries/000.p/3") is not None
    # Whoever appends goes on in the new log, also with a clock that was set back.
    await leaves(pool, keys, 1, 4)
    log = await advanced(pool, keys, vault)
    assert (log.origin, log.checkpoint_size) == ("audit.minoh.example/2027", 2)
    assert await turned(pool, keys, vault, NOW) is None
    assert (await vault.head(fresh=True)).note == log.checkpoint
    assert keys.of(2026).verifier.vkey != keys.of(2027).verifier.vkey


async def test_a_clock_that_is_years_ahead_turns_no_year(pool, keys, vault):
    """It could never be taken back: the log goes on in its year, and the next one opens when it is time."""
    await leaves(pool, keys, 3)
    with pytest.raises(ClockAhead, match="2028-04-01"):
        await turned(pool, keys, vault, NEW_YEAR.replace(year=2028))
    assert not (await log_of(pool)).closed
    await leaves(pool, keys, 1, 4)
    assert (await advanced(pool, keys, vault)).checkpoint_size == 4
    assert await turned(pool, keys, vault) == 2027


async def test_the_same_event_after_the_year_has_changed_is_still_known(pool, keys, vault):
    leaf = event_leaf()
    await commands.append(pool, keys, [leaf], NOW)
    await turned(pool, keys, vault)
    assert await commands.append(pool, keys, [leaf], NEW_YEAR) == 0


async def test_records_that_come_while_the_year_turns_are_in_one_log_each(place, open_pool, pool, keys, vault):
    await leaves(pool, keys, 5)
    batches = [[event_leaf(1, f"D-{n}-{m}") for m in range(20)] for n in range(40)]
    turning = asyncio.gather(*(turned(pool, keys, open_vault_like(vault)) for _ in range(3)), return_exceptions=True)
    other = await open_pool(place)
    added = await asyncio.gather(*(commands.append(other, keys, batch, NEW_YEAR) for batch in batches))
    years = [year for year in await turning if isinstance(year, int)]
    assert years == [2027]
    assert sum(added) == 800
    async with db.connection(pool) as conn:
        await advance(conn, keys, open_vault_like(vault))
        old, new = await tree_store.log_of(conn, 2026), await tree_store.log_of(conn, 2027)
    rows = await leaves_in(pool)
    assert [i for y, i, _ in rows if y == 2026] == list(range(old.size))
    assert [i for y, i, _ in rows if y == 2027] == list(range(new.size))
    assert old.size + new.size == 806
    assert old.checkpoint_size == old.size


async def test_a_closed_log_takes_nothing_and_opens_never_again(pool, keys, vault):
    await leaves(pool, keys, 3)
    await turned(pool, keys, vault)
    for statement in (
        "UPDATE logs SET closed = false WHERE log_year = 2026",
        "UPDATE logs SET size = 4 WHERE log_year = 2026",
        "UPDATE coordinator SET log_year = 2026, next_index = 3",
    ):
        async with pool.connection() as conn:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await conn.execute(statement)


async def test_the_year_does_not_turn_on_a_database_that_is_behind(pool, back_up, keys, vault, open_pool, place):
    await leaves(pool, keys, 3)
    old = await back_up(pool)
    pool = await open_pool(place)
    await leaves(pool, keys, 3, 4)
    await advanced(pool, keys, vault)
    assert await turned(old, keys, open_vault_like(vault)) is None
    async with db.connection(old) as conn:
        await store.mark_compared(conn)
    with pytest.raises(LogBehind):
        await turned(old, keys, open_vault_like(vault))
