"""Appending, integrating and signing on the real database: once each, contiguous, repeatable, and never backwards."""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import random
import time
from pathlib import Path

import psycopg
import pytest

from chassis import clock, db
from chassis.errors import DomainError, Kind
from services.audit import commands, domain, note, source_store, store, tlog, tree_store
from services.audit.commands import DirectBatch, LogDamaged
from services.audit.entry import Leaf, decode, encode
from services.audit.export import LogWriter, write_log
from services.audit.intake import chain_after, leaves_of_batch
from services.audit.sequencer import SIGN_EVERY_SECONDS, Sequencer, advance
from services.audit.tests.making import NOW, batch_of, event_leaf, record, view_leaf
from services.audit.tests.test_verify import KEY, findings


async def leaves_in(pool):
    """(year, index, event id) of the whole log in its order."""
    async with db.connection(pool) as conn:
        rows = await conn.execute(
            "SELECT log_year, leaf_index, event_id::text FROM entries ORDER BY log_year, leaf_index"
        )
        return await rows.fetchall()


async def log_of(pool):
    async with db.connection(pool) as conn:
        return await tree_store.current_log(conn)


async def advanced(pool, keys, vault):
    """Integrates and signs; returns the log."""
    async with db.connection(pool) as conn:
        await advance(conn, keys, vault)
        return await tree_store.current_log(conn)


# --- appending --------------------------------------------------------------------------------------------------


async def test_leaves_get_contiguous_indexes_in_their_order_and_once(pool, keys):
    first = [event_leaf(n) for n in range(1, 4)]
    assert await commands.append(pool, keys, first, NOW) == 3
    assert await commands.append(pool, keys, first, NOW) == 0
    more = [event_leaf(n) for n in range(4, 6)]
    assert await commands.append(pool, keys, [first[1], more[0], more[0], more[1]], NOW) == 2
    expected = [(2026, i, leaf.event_id) for i, leaf in enumerate([*first, *more])]
    assert await leaves_in(pool) == expected


async def test_a_batch_with_one_impossible_leaf_is_refused_whole(pool, keys):
    with pytest.raises(DomainError) as refused:
        await commands.append(pool, keys, [event_leaf(), event_leaf(reason="あ" * 30_000)], NOW)
    assert refused.value.kind is Kind.INVALID
    assert refused.value.fields[0].field == "records[1]"
    assert await leaves_in(pool) == []


async def test_replicas_append_at_once_without_gap_or_double(place, open_pool, keys):
    pools = [await open_pool(place) for _ in range(2)]
    batches = [[event_leaf(1, f"D-{b}-{n}") for n in range(20)] for b in range(30)]
    # Every batch comes twice, as messages do, and to either replica.
    orders = [(pools[n % 2], batches[n // 2]) for n in range(60)]
    random.Random(7).shuffle(orders)
    added = await asyncio.gather(*(commands.append(at, keys, batch, NOW) for at, batch in orders))
    assert sum(added) == 600
    rows = await leaves_in(pools[0])
    assert [index for _, index, _ in rows] == list(range(600))
    assert len({event_id for _, _, event_id in rows}) == 600


async def test_a_transaction_cut_off_leaves_nothing(pool, keys, superuser):
    await commands.append(pool, keys, [event_leaf()], NOW)
    async with db.connection(pool) as blocker:
        async with blocker.transaction():
            await store.lock_coordinator(blocker)
            waiting = asyncio.create_task(commands.append(pool, keys, [event_leaf(2), event_leaf(3)], NOW))
            async with asyncio.timeout(10):
                while not await _waiting_backend(superuser):
                    await asyncio.sleep(0.01)
            await superuser.execute("SELECT pg_terminate_backend(%s)", (await _waiting_backend(superuser),))
            with pytest.raises(DomainError) as refused:
                await waiting
    assert refused.value.kind is Kind.UNAVAILABLE
    assert len(await leaves_in(pool)) == 1
    await commands.append(pool, keys, [event_leaf(2)], NOW)
    assert [index for _, index, _ in await leaves_in(pool)] == [0, 1]


async def _waiting_backend(superuser):
    row = await (
        await superuser.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            " AND query LIKE '%coordinator FOR UPDATE%'"
        )
    ).fetchone()
    return row[0] if row else None


async def test_a_number_of_a_source_is_taken_once_and_the_other_record_is_not_lost(pool, keys):
    """The source's database was restored, or somebody with its role writes a second history."""
    epoch = clock.new_id()
    first, second, forged = view_leaf(epoch, 1), view_leaf(epoch, 2), view_leaf(epoch, 1, staff_id="S9999")
    twice = view_leaf(epoch, 2, staff_id="S8888", detail={"purpose": "照会"})
    await commands.append(pool, keys, [first], NOW)
    for added in (3, 0):
        assert await commands.append(pool, keys, [second, forged, twice], NOW) == added
    async with db.connection(pool) as conn:
        found = [decode((await store.entry_at(conn, 2026, index)).leaf) for index in range(4)]
        [source] = await source_store.list_sources(conn, 10)
    assert [leaf.event_id for leaf in found] == [one.event_id for one in (first, second, forged, twice)]
    assert [leaf.seq for leaf in found] == [1, 2, 0, 0]
    assert found[2].detail == {"claimed": f"documents.documents-0/{epoch}/1"}
    assert found[3].detail == {"purpose": "照会", "claimed": f"documents.documents-0/{epoch}/2"}
    assert {leaf.reason for leaf in found[2:]} == {"NUMBER_TAKEN"}
    assert found[2].staff_id == "S9999"
    assert (source.seen, source.last_seq, source.state) == (2, 2, "open")
    # That an epoch is over counts, whatever number the claim came with.
    ending = view_leaf(epoch, 1, action="epoch.recovered", object_type="epoch", object_id=epoch)
    assert await commands.append(pool, keys, [ending], NOW) == 1
    async with db.connection(pool) as conn:
        [source] = await source_store.list_sources(conn, 10)
    assert (source.seen, source.last_seq, source.state) == (2, 2, "recovered")


# --- completeness -----------------------------------------------------------------------------------------------


async def test_missing_numbers_and_versions_are_known_until_they_come(pool, keys):
    epoch = clock.new_id()
    held_back = [view_leaf(epoch, n) for n in (2, 5, 6)]
    late = event_leaf(2, "D-9")
    await commands.append(pool, keys, [view_leaf(epoch, n) for n in (1, 3, 4, 7)], NOW)
    await commands.append(pool, keys, [event_leaf(1, "D-9"), event_leaf(3, "D-9"), event_leaf(1, "D-8")], NOW)
    async with db.connection(pool) as conn:
        [source] = await source_store.list_sources(conn, 10)
        assert (source.last_seq, source.seen, source.state) == (7, 4, "open")
        assert await source_store.missing_numbers(conn, epoch, 20) == [2, 5, 6]
        assert await source_store.missing_numbers(conn, epoch, 2) == [2, 5]
        assert await source_store.aggregates_with_gaps(conn, 10) == [("document", "D-9")]
        assert await source_store.missing_versions(conn, "document", "D-9", 20) == [2]
        await commands.append(pool, keys, [*reversed(held_back), late], NOW)
        assert await source_store.missing_numbers(conn, epoch, 20) == []
        assert await source_store.aggregates_with_gaps(conn, 10) == []
        [source] = await source_store.list_sources(conn, 10)
        assert source.seen == source.last_seq == 7


async def test_the_end_of_an_epoch_is_kept_whatever_arrives_after_it(pool, keys):
    epoch = clock.new_id()
    ending = view_leaf(epoch, 3, action="epoch.close", object_type="epoch", object_id=epoch)
    await commands.append(pool, keys, [ending], NOW)
    await commands.append(pool, keys, [view_leaf(epoch, 1), view_leaf(epoch, 2)], NOW)
    async with db.connection(pool) as conn:
        assert (await source_store.source(conn, epoch)).state == "closed"


# --- sources without a database ---------------------------------------------------------------------------------


def direct(batch):
    return DirectBatch(batch.epoch, leaves_of_batch(batch), batch.chain, lambda before: chain_after(batch, before))


async def test_direct_records_are_in_the_log_when_the_call_returns(pool, keys):
    epoch = clock.new_id()
    opening = batch_of([record(1, "epoch.open"), record(2)], epoch)
    assert await commands.append_direct(pool, keys, direct(opening), NOW) == (1, opening.chain)
    more = batch_of([record(3)], epoch, opening.chain)
    assert await commands.append_direct(pool, keys, direct(more), NOW) == (2, more.chain)
    assert [event_id for _, _, event_id in await leaves_in(pool)] == [
        one.event_id for one in (*opening.records, *more.records)
    ]


async def test_the_same_direct_records_count_once_and_answer_with_the_first_chain(pool, keys):
    epoch = clock.new_id()
    opening = batch_of([record(1), record(2)], epoch)
    await commands.append_direct(pool, keys, direct(opening), NOW)
    # The source lost the answer, marked its records as failed and sent them again.
    for one in opening.records:
        one.reason = "NOT_RECORDED"
    again = batch_of(list(opening.records), epoch)
    assert again.chain != opening.chain
    assert await commands.append_direct(pool, keys, direct(again), NOW) == (1, opening.chain)
    assert len(await leaves_in(pool)) == 2


async def test_broken_sequences_are_refused_and_leave_nothing(pool, keys):
    epoch = clock.new_id()
    opening = batch_of([record(1), record(2)], epoch)
    await commands.append_direct(pool, keys, direct(opening), NOW)
    wrong_chain = batch_of([record(3)], epoch, opening.chain)
    wrong_chain.chain = "00" * 32
    for broken in (
        batch_of([record(4)], epoch, opening.chain),
        batch_of([record(2), record(3)], epoch, opening.chain),
        batch_of([record(2)], epoch),
        batch_of([record(2)], clock.new_id()),
        batch_of([record(3, event_id=opening.records[0].event_id)], epoch, opening.chain),
        wrong_chain,
    ):
        with pytest.raises(DomainError) as refused:
            await commands.append_direct(pool, keys, direct(broken), NOW)
        assert (refused.value.kind, refused.value.reason) == (Kind.PRECONDITION, "SEQUENCE_BROKEN")
    assert len(await leaves_in(pool)) == 2


async def test_a_silent_direct_source_is_recovered_and_its_epoch_over(pool, keys):
    crashed, alive, with_outbox = clock.new_id(), clock.new_id(), clock.new_id()
    await commands.append(pool, keys, [view_leaf(with_outbox, 1)], NOW)
    opening = batch_of([record(1), record(2)], crashed)
    await commands.append_direct(pool, keys, direct(opening), NOW)
    later = NOW + dt.timedelta(minutes=5)
    await commands.append_direct(pool, keys, direct(batch_of([record(1)], alive)), later)
    silence = dt.timedelta(minutes=3)
    assert await commands.recover_sources(pool, keys, silence, later, clock.new_id) == 1
    assert await commands.recover_sources(pool, keys, silence, later, clock.new_id) == 0
    async with db.connection(pool) as conn:
        assert [(await source_store.source(conn, e)).state for e in (crashed, alive, with_outbox)] == [
            "recovered",
            "open",
            "open",
        ]
    with pytest.raises(DomainError, match="ended"):
        await commands.append_direct(pool, keys, direct(batch_of([record(4)], crashed, opening.chain)), later)


# --- the tree ---------------------------------------------------------------------------------------------------


async def test_the_tree_is_the_same_however_it_was_cut(pool, keys, tmp_path: Path, vault):
    """70,000 leaves in random batches, integrated now and then: the folder equals one made in one go, byte for byte."""
    dice = random.Random(2026)
    leaves, made = [], [event_leaf(n + 1, "D-1", event_id=_numbered(n)) for n in range(70_000)]
    while len(leaves) < len(made):
        batch = made[len(leaves) : len(leaves) + dice.randint(1, 9_000)]
        leaves += batch
        await commands.append(pool, keys, batch, NOW)
        if dice.random() < 0.7:
            log = await advanced(pool, keys, vault)
            assert log.size == log.checkpoint_size == len(leaves)
    log = await advanced(pool, keys, vault)
    checkpoint = note.open_checkpoint(log.checkpoint, KEY.verifier)
    assert checkpoint.size == 70_000
    assert log.verifier_key == KEY.verifier.vkey

    write_log(tmp_path / "expected", map(encode, made), lambda _size, _root: log.checkpoint, KEY.verifier)
    writer = LogWriter(tmp_path / "exported")
    async with db.connection(pool) as conn:
        async for entry in tree_store.all_entries(conn, log.log_year, log.checkpoint_size):
            writer.add(entry)
        writer.finish(lambda _size, _root: log.checkpoint, KEY.verifier)
        assert _files(tmp_path / "exported") == _files(tmp_path / "expected")
        for path, content in _files(tmp_path / "expected").items():
            if path.startswith("tile/entries"):
                assert (
                    tlog.encode_bundle(await tree_store.bundle_entries(conn, 2026, tlog.parse_tile_path(path)))
                    == content
                )
            elif path.startswith("tile/"):
                tile = tlog.parse_tile_path(path)
                assert await tree_store.read_tiles(conn, log, [tile]) == {(tile.level, tile.index): content}
    assert findings(tmp_path / "exported") == []


def _numbered(number: int) -> str:
    return f"019ac0de-0000-7000-8000-{number:012x}"


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_proofs_from_the_stored_tiles_verify_at_every_published_size(pool, keys, vault):
    sizes, hashes = (1, 255, 256, 257, 600), []
    for size in sizes:
        batch = [event_leaf(n + 1) for n in range(len(hashes), size)]
        hashes += [tlog.leaf_hash(encode(leaf)) for leaf in batch]
        await commands.append(pool, keys, batch, NOW)
        log = await advanced(pool, keys, vault)
        async with db.connection(pool) as conn:
            for older in (s for s in sizes if s <= size):
                # Partial tiles of every size that was ever published stay available.
                for index in {0, older // 2, older - 1}:
                    ranges = tlog.inclusion_ranges(index, older)
                    tiles = await tree_store.read_tiles(conn, log, tlog.tiles_for(ranges, older))
                    proof = tlog.prove(ranges, tiles)
                    assert tlog.verify_inclusion(hashes[index], index, older, proof, tlog.root_of(hashes[:older]))
                ranges = tlog.consistency_ranges(older, size)
                proof = tlog.prove(ranges, await tree_store.read_tiles(conn, log, tlog.tiles_for(ranges, size)))
                assert tlog.verify_consistency(older, size, proof, tlog.root_of(hashes[:older]), log.root)


async def test_nothing_new_is_signed_over_an_unchanged_tree(pool, keys, vault):
    await commands.append(pool, keys, [event_leaf()], NOW)
    first = await advanced(pool, keys, vault)
    again = await advanced(pool, keys, vault)
    assert again == first
    async with db.connection(pool) as conn:
        assert await commands.publish(conn, keys, vault, 2026, NOW) is None


async def test_a_checkpoint_shows_the_head_and_the_last_bundle_in_the_store(pool, keys, vault, engines, buckets):
    """Two requests; what is full is one in 256, and partial tiles follow from the bundle."""
    await commands.append(pool, keys, [event_leaf(n) for n in range(1, 261)], NOW)
    await advanced(pool, keys, vault)

    def stored(bucket):
        found = engines.s3("admin").list_objects(bucket, recursive=True)
        return {one.object_name for one in found}

    assert stored(f"{buckets}-live") == {"head", "2026/tile/entries/001.p/4"}
    full = ("2026/tile/entries/000", "2026/tile/0/000")
    assert stored(buckets) == {*full, "2026/checkpoints/260"}


async def test_the_first_checkpoint_of_each_hour_is_kept(pool, keys, vault):
    async with db.connection(pool) as conn:
        for number, at in enumerate((NOW, NOW + dt.timedelta(minutes=5), NOW + dt.timedelta(hours=1)), start=1):
            await commands.append(pool, keys, [event_leaf(number)], at)
            await commands.integrate(conn, 2026)
            await commands.publish(conn, keys, vault, 2026, at)
        rows = await (await conn.execute("SELECT size, note FROM checkpoints ORDER BY size")).fetchall()
    assert [note.open_checkpoint(kept, KEY.verifier).size for _, kept in rows] == [1, 3]


async def test_a_clock_that_ran_ahead_leaves_no_hour_without_its_checkpoint(pool, keys, vault):
    """Whatever was signed under a later hour while it was wrong."""
    moments = (NOW, NOW + dt.timedelta(days=30), NOW, *(NOW + dt.timedelta(hours=n) for n in (1, 2)), NOW)
    async with db.connection(pool) as conn:
        for number, at in enumerate(moments, start=1):
            await commands.append(pool, keys, [event_leaf(number)], at)
            await commands.integrate(conn, 2026)
            await commands.publish(conn, keys, vault, 2026, at)
        rows = await (await conn.execute("SELECT size FROM checkpoints ORDER BY size")).fetchall()
    assert rows == [(1,), (2,), (4,), (5,)]


# --- damage -----------------------------------------------------------------------------------------------------


async def test_a_leaf_removed_before_integration_stops_the_sequencer(pool, keys, superuser, vault):
    await commands.append(pool, keys, [event_leaf(n) for n in range(1, 6)], NOW)
    await superuser.execute("DELETE FROM entries WHERE leaf_index = 2")
    with pytest.raises(LogDamaged, match="leaf 2"):
        await advanced(pool, keys, vault)
    assert (await log_of(pool)).checkpoint_size == 0


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE logs SET root = sha256('x')",
        "UPDATE logs SET edge = ARRAY[sha256('x')]",
        "UPDATE logs SET edge = ARRAY[sha256('x') || sha256('y') || sha256('z')]",
        "UPDATE logs SET edge = ARRAY[sha256('x') || sha256('y') || sha256('z')], root ="
        " sha256('\\x01' || sha256('\\x01' || sha256('x') || sha256('y')) || sha256('z'))",
        "UPDATE logs SET verifier_key = 'audit.minoh.example/2026+00000000+x'",
        "UPDATE logs SET checkpoint = replace(encode(checkpoint, 'escape'), '2026', '2027')::bytea",
    ],
)
async def test_a_tampered_tree_is_never_signed(pool, keys, superuser, attack, vault):
    await commands.append(pool, keys, [event_leaf(n) for n in range(1, 4)], NOW)
    before = await advanced(pool, keys, vault)
    await superuser.execute(attack)
    await commands.append(pool, keys, [event_leaf(4)], NOW)
    with pytest.raises(LogDamaged):
        await advanced(pool, keys, vault)
    assert (await log_of(pool)).checkpoint_size == before.checkpoint_size


@pytest.mark.parametrize(("kept_size", "found_by"), [(300, "does not continue"), (0, "0 in the store is not what")])
async def test_the_tree_of_another_history_is_never_signed(pool, keys, vault, superuser, kept_size, found_by):
    """An administrator rewrites leaves, tiles and root to fit each other, but the checkpoint was given out, and the
    tiles lie in the object store."""
    await commands.append(pool, keys, [event_leaf(n) for n in range(1, 301)], NOW)
    await advanced(pool, keys, vault)
    entry = encode(event_leaf(1, staff_id="S9999"))
    await superuser.execute(
        "UPDATE entries SET leaf = %s, leaf_hash = %s WHERE leaf_index = 7", (entry, tlog.leaf_hash(entry))
    )
    await superuser.execute("DELETE FROM tiles")
    await superuser.execute("ALTER TABLE logs DROP CONSTRAINT logs_within_size")
    await superuser.execute(
        "UPDATE logs SET size = 0, edge = '{}', root = %s, kept_size = %s", (tlog.EMPTY_ROOT, kept_size)
    )
    await commands.append(pool, keys, [event_leaf(301)], NOW)
    with pytest.raises(LogDamaged, match=found_by):
        await advanced(pool, keys, vault)


@pytest.mark.parametrize(
    ("statement", "found_by"),
    [
        ("DELETE FROM tiles", "are gone"),
        ("DELETE FROM tiles; UPDATE logs SET kept_size = 260", "tile 0/0 is missing"),
        ("DELETE FROM entries WHERE leaf_index = 7", "are gone"),
        ("DELETE FROM entries WHERE leaf_index = 258", "are gone"),
    ],
)
async def test_what_is_gone_after_integration_stops_the_sequencer(
    pool, keys, vault, superuser, engines, buckets, statement, found_by
):
    """A deleted row is damage like an altered one, and no bundle that lacks a leaf comes under lock."""
    await commands.append(pool, keys, [event_leaf(n) for n in range(1, 251)], NOW)
    await advanced(pool, keys, vault)
    await commands.append(pool, keys, [event_leaf(n) for n in range(251, 261)], NOW)
    async with db.connection(pool) as conn:
        await commands.integrate(conn, 2026)
    await superuser.execute(statement)
    with pytest.raises(LogDamaged, match=found_by):
        await advanced(pool, keys, vault)
    assert (await log_of(pool)).checkpoint_size == 250
    kept = engines.s3("admin").list_objects(buckets, "2026/tile/entries/", recursive=True)
    assert [one.object_name for one in kept] == (["2026/tile/entries/000"] if "258" in statement else [])


async def test_a_checkpoint_that_somebody_kept_in_advance_is_damage_and_ends_nothing(
    pool, keys, vault, engines, buckets
):
    """With audit's key of the object store, for a size to come: an alarm, and the next checkpoint is signed."""
    forged = "偽の署名".encode()
    for size in (3, 5):
        engines.s3("admin").put_object(buckets, f"2026/checkpoints/{size}", io.BytesIO(forged), len(forged))
    async with db.connection(pool) as conn:

        async def signed(leaves: list[Leaf]) -> int | None:
            await commands.append(pool, keys, leaves, NOW)
            await commands.integrate(conn, 2026)
            return await commands.publish(conn, keys, vault, 2026, NOW)

        with pytest.raises(LogDamaged, match="2026/checkpoints/3 in the store is not what"):
            await signed([event_leaf(n) for n in range(1, 4)])
        assert await signed([event_leaf(4)]) == 4
        # The final one of a year is archived whatever its hour.
        assert await signed([event_leaf(5)]) == 5
        april = dt.datetime(2027, 4, 1, tzinfo=clock.JST)
        with pytest.raises(LogDamaged, match="2026/checkpoints/5 in the store is not what"):
            await commands.turn_year(conn, keys, vault, april, clock.new_id)


# --- least power ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET leaf = ''",
        "DELETE FROM entries",
        "TRUNCATE entries",
        "DELETE FROM tiles",
        "UPDATE tiles SET hashes = hashes",
        "DELETE FROM checkpoints",
        "UPDATE checkpoints SET size = 0",
        "DELETE FROM logs",
        "UPDATE logs SET origin = 'x'",
        "DELETE FROM coordinator",
        "INSERT INTO coordinator (only_row, log_year, next_index) VALUES (false, 0, 0)",
        "DELETE FROM sources",
        "DELETE FROM aggregates",
        "ALTER TABLE entries DISABLE TRIGGER entries_are_kept",
        "DROP TABLE entries",
    ],
)
async def test_the_application_cannot_change_or_remove_anything(pool, keys, statement, vault):
    await commands.append(pool, keys, [event_leaf()], NOW)
    await advanced(pool, keys, vault)
    async with pool.connection() as conn:
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.CheckViolation)):
            await conn.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE logs SET size = 1, checkpoint_size = 1",
        "UPDATE logs SET root = sha256('x')",
        "UPDATE logs SET checkpoint_size = 0",
        "UPDATE logs SET checkpoint = 'x'",
        "UPDATE coordinator SET next_index = 0",
        "UPDATE coordinator SET log_year = 2025",
    ],
)
async def test_what_the_application_may_move_only_moves_forward(pool, keys, statement, vault):
    await commands.append(pool, keys, [event_leaf(1), event_leaf(2)], NOW)
    await advanced(pool, keys, vault)
    async with pool.connection() as conn:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only grow"):
            await conn.execute(statement)


@pytest.mark.parametrize("table", ["entries", "tiles", "checkpoints", "logs"])
async def test_even_the_owner_is_refused(pool, keys, place, table, vault):
    await commands.append(pool, keys, [event_leaf(n) for n in range(1, 258)], NOW)
    await advanced(pool, keys, vault)
    async with await psycopg.AsyncConnection.connect(place.owner_url, autocommit=True) as owner:
        for statement in (f"DELETE FROM audit.{table}", f"TRUNCATE audit.{table} CASCADE"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="never allowed"):
                await owner.execute(statement)


# --- one leads --------------------------------------------------------------------------------------------------


async def test_when_the_leader_is_lost_the_other_takes_over(place, open_pool, keys, superuser, vault):
    pools = [await open_pool(place) for _ in range(2)]
    running = [asyncio.create_task(Sequencer(pool, keys, vault, 0.05, 180).run()) for pool in pools]
    try:
        leaders = []
        for number in range(1, 4):
            await commands.append(pools[number % 2], keys, [event_leaf(number)], clock.now())
            await _until_signed(pools[0], number)
            [leader] = await _leaders(superuser)
            leaders.append(leader)
            await superuser.execute("SELECT pg_terminate_backend(%s)", (leader,))
        assert len(set(leaders)) == 3
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def test_a_leader_that_stops_leaves_the_lock_free(pool, keys, superuser, vault):
    running = asyncio.create_task(Sequencer(pool, keys, vault, 0.05, 180).run())
    await commands.append(pool, keys, [event_leaf()], clock.now())
    await _until_signed(pool, 1)
    running.cancel()
    await asyncio.wait([running])
    # The backend ends a moment after its connection was closed.
    async with asyncio.timeout(10):
        while await _leaders(superuser):
            await asyncio.sleep(0.01)


async def test_a_clock_that_is_years_ahead_is_told_and_the_log_of_before_is_signed_on(pool, keys, vault, caplog):
    """Here it is the log that is of years ago."""
    before = clock.now().replace(year=clock.now().year - 3, day=1)
    await commands.append(pool, keys, [event_leaf(1)], before)
    running = asyncio.create_task(Sequencer(pool, keys, vault, 0.05, 180).run())
    try:
        await _until_signed(pool, 1)
        async with asyncio.timeout(20):
            while "no new fiscal year's log is opened" not in caplog.text:
                await asyncio.sleep(0.01)
        await commands.append(pool, keys, [event_leaf(2)], clock.now())
        await _until_signed(pool, 2)
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert (await log_of(pool)).log_year == domain.fiscal_year(before.date())


async def test_what_is_appended_within_half_a_second_shares_a_checkpoint(pool, keys, vault):
    sequencer = Sequencer(pool, keys, vault, 0.05, 180)
    running = asyncio.create_task(sequencer.run())
    try:
        sizes: set[int] = set()
        began, appended = time.monotonic(), 0
        while time.monotonic() < began + 1.5:
            appended += 1
            await commands.append(pool, keys, [event_leaf(appended)], clock.now())
            sequencer.wake()
            if (log := await log_of(pool)) is not None:
                sizes.add(log.checkpoint_size)
        assert appended > len(sizes) - 1 <= (time.monotonic() - began) / SIGN_EVERY_SECONDS + 1
        await _until_signed(pool, appended)
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_two_that_both_believe_to_lead_make_one_tree(place, open_pool, keys, vault):
    pools = [await open_pool(place) for _ in range(2)]
    appended = 0
    for size in (1, 300, 9000):
        batch = [event_leaf(appended + n + 1) for n in range(size)]
        appended += size
        await commands.append(pools[0], keys, batch, NOW)
        await asyncio.gather(*(advanced(pool, keys, vault) for pool in pools for _ in range(2)))
    log = await log_of(pools[0])
    assert log.size == log.checkpoint_size == appended


async def _until_signed(pool, size):
    async with asyncio.timeout(20):
        while (log := await log_of(pool)) is None or log.checkpoint_size < size:
            await asyncio.sleep(0.01)


async def _leaders(superuser):
    rows = await superuser.execute(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND database ="
        " (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return [pid for (pid,) in await rows.fetchall()]
