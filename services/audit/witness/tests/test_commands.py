"""Cosigning for another city: the protocol's verdicts, lying logs, races, crashes, and a restored database."""

from __future__ import annotations

import asyncio
import datetime as dt
from hashlib import sha256

import psycopg
import pytest

from chassis import clock, db
from chassis.errors import DomainError
from services.audit import note, tlog
from services.audit.note import SigningKey
from services.audit.tests.conftest import open_vault
from services.audit.witness import store
from services.audit.witness.commands import add_checkpoint
from services.audit.witness.domain import Rejected, Verdict
from services.audit.witness.protocol import Submission, encode_submission, parse_submission
from services.audit.witness.tests.other_city import SEED, TOYONAKA, log_of

HASH = sha256(b"audit.toyonaka.example/2026").hexdigest()


@pytest.fixture
def submit(pool, vault, witness):
    """Submit a body; the cosignature line, or the verdict that it was not cosigned with."""

    async def submit(body: bytes) -> bytes | tuple[Verdict, int]:
        try:
            return await add_checkpoint(pool, vault, witness, body, clock.now())
        except Rejected as rejected:
            return rejected.verdict, rejected.size

    return submit


async def latest(pool) -> bytes:
    async with db.connection(pool) as conn:
        return await store.latest(conn, HASH)


async def history(pool) -> list[tuple[int, bytes]]:
    async with db.connection(pool) as conn:
        cursor = await conn.execute("SELECT size, root FROM witnessed_checkpoints ORDER BY size")
        return await cursor.fetchall()


def with_text(text: str, key: SigningKey = TOYONAKA.key) -> bytes:
    """A submission of whatever the log signs."""
    return encode_submission(Submission(0, (), note.sign_note(text.encode(), key.sign(text.encode()))))


async def test_what_continues_is_cosigned_kept_and_shown_with_both_signatures(submit, pool, witness):
    for old, size in ((0, 3), (3, 256), (256, 257), (257, 257), (257, 700)):
        line = await submit(TOYONAKA.submission(old, size))
        assert isinstance(line, bytes), (old, size, line)
        text, (signature,) = note.open_note(TOYONAKA.checkpoint(size) + line, [witness.key.verifier])
        assert abs(signature.timestamp - clock.now().timestamp()) < 5
        shown = await latest(pool)
        assert len(note.open_note(shown, [witness.key.verifier, TOYONAKA.key.verifier])[1]) == 2
        assert note.parse_note(shown).text == text
    assert await history(pool) == [(size, TOYONAKA.tree(size)[1]) for size in (3, 256, 257, 700)]


async def test_the_empty_log_is_cosigned(submit):
    assert isinstance(await submit(TOYONAKA.submission(0, 0)), bytes)
    assert isinstance(await submit(TOYONAKA.submission(0, 5)), bytes)


async def test_signatures_of_strangers_are_not_passed_on(submit, pool):
    stranger = SigningKey.from_seed("stranger.example", bytes(32))
    signed = TOYONAKA.checkpoint(3)
    body = encode_submission(Submission(0, (), signed + stranger.sign(note.parse_note(signed).text)))
    assert isinstance(await submit(body), bytes)
    assert b"stranger" not in await latest(pool)


WRONG = SigningKey.from_seed("audit.toyonaka.example/2026", bytes(32))
ROOT = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b"", Verdict.MALFORMED),
        (b"old 0\n\nno note", Verdict.MALFORMED),
        (with_text("audit.toyonaka.example/2026\n7\n"), Verdict.MALFORMED),
        (with_text(f"audit.toyonaka.example/2026\n07\n{ROOT}\n"), Verdict.MALFORMED),
        (encode_submission(Submission(9, (), TOYONAKA.checkpoint(7))), Verdict.MALFORMED),
        (log_of(2025).submission(0, 3), Verdict.UNKNOWN_LOG),
        (log_of(2099).submission(0, 3), Verdict.UNKNOWN_LOG),
        (with_text(f"audit.suita.example/2026\n7\n{ROOT}\n"), Verdict.UNKNOWN_LOG),
        (log_of(2026, bytes(32)).submission(0, 3), Verdict.UNTRUSTED),
        (with_text(f"audit.toyonaka.example/2026\n7\n{ROOT}\n", WRONG), Verdict.UNTRUSTED),
        (TOYONAKA.submission(0, 3).replace(b"\n3\n", b"\n4\n"), Verdict.UNTRUSTED),
        (with_text(f"audit.toyonaka.example/2026\n0\n{ROOT}\n"), Verdict.INCONSISTENT),
        (TOYONAKA.submission(0, 3, proof=[bytes(32)]), Verdict.INCONSISTENT),
    ],
)
async def test_the_verdicts_of_the_protocol_on_a_first_submission(submit, pool, body, verdict):
    """c2sp.org/tlog-witness; and nothing is remembered of what was not cosigned."""
    assert await submit(body) == (verdict, 0)
    assert await history(pool) == []
    assert await latest(pool) == b""


async def test_the_verdicts_of_the_protocol_on_a_later_submission(submit, pool):
    await submit(TOYONAKA.submission(0, 5))
    assert await submit(TOYONAKA.submission(0, 9)) == (Verdict.STALE, 5)
    assert await submit(TOYONAKA.submission(4, 9)) == (Verdict.STALE, 5)
    assert await submit(TOYONAKA.submission(5, 9, proof=[])) == (Verdict.INCONSISTENT, 0)
    assert await submit(TOYONAKA.submission(5, 9, proof=TOYONAKA.proof(4, 9))) == (Verdict.INCONSISTENT, 0)
    assert await submit(TOYONAKA.submission(5, 5, proof=[bytes(32)])) == (Verdict.INCONSISTENT, 0)
    # Smaller than what it has, in every spelling.
    assert await submit(TOYONAKA.submission(5, 4, proof=[])) == (Verdict.MALFORMED, 0)
    assert await submit(TOYONAKA.submission(3, 4)) == (Verdict.STALE, 5)
    assert await submit(TOYONAKA.submission(0, 0)) == (Verdict.STALE, 5)
    assert [size for size, _ in await history(pool)] == [5]


# --- logs that lie ----------------------------------------------------------------------------------------------


async def test_a_forked_log_is_not_cosigned(submit, pool):
    """I2: whoever holds the log's key can sign another history, and finds no witness for it."""
    fork = log_of(2026, forked_at=2)
    await submit(TOYONAKA.submission(0, 5))
    assert await submit(fork.submission(5, 5)) == (Verdict.INCONSISTENT, 0)
    assert await submit(fork.submission(5, 9)) == (Verdict.INCONSISTENT, 0)
    assert await submit(fork.submission(0, 9)) == (Verdict.STALE, 5)
    # The proof of the honest tree does not help it.
    assert await submit(fork.submission(5, 9, proof=TOYONAKA.proof(5, 9))) == (Verdict.INCONSISTENT, 0)
    # Beyond what was seen it may still choose.
    assert isinstance(await submit(log_of(2026, forked_at=5).submission(5, 9)), bytes)
    assert (await history(pool))[0] == (5, TOYONAKA.tree(5)[1])


async def test_of_two_roots_at_the_same_size_at_the_same_time_one_is_cosigned(submit, pool):
    fork = log_of(2026, forked_at=0)
    for size in range(1, 12):
        seen = (await history(pool))[-1:] or [(0, tlog.EMPTY_ROOT)]
        base = TOYONAKA if seen[0][1] in (tlog.EMPTY_ROOT, TOYONAKA.tree(seen[0][0])[1]) else fork
        other = fork if base is TOYONAKA else TOYONAKA
        old = seen[0][0]
        rivals = [base.submission(old, size), log_of(2026, forked_at=old).submission(old, size)]
        if old == 0:
            rivals.append(other.submission(0, size))
        answers = await asyncio.gather(*(submit(body) for body in rivals * 3))
        roots = {
            note.parse_checkpoint(note.parse_note(parse_submission(body).note).text).root
            for body, answer in zip(rivals * 3, answers, strict=True)
            if isinstance(answer, bytes)
        }
        assert len(roots) == 1, size
        assert (await history(pool))[-1] == (size, roots.pop())
        if base is TOYONAKA and (await history(pool))[-1][1] != TOYONAKA.tree(size)[1]:
            break


# --- what the database refuses, even to the owner ---------------------------------------------------------------


@pytest.mark.parametrize("role", ["app", "owner"])
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM witnessed_checkpoints",
        "UPDATE witnessed_checkpoints SET size = 1",
        "TRUNCATE witnessed_checkpoints",
        "DELETE FROM witnessed_logs",
        "UPDATE witnessed_logs SET size = 4",
        "UPDATE witnessed_logs SET root = decode(repeat('00', 32), 'hex')",
        "UPDATE witnessed_logs SET note = ''",
        "DELETE FROM cosignatures",
        "UPDATE published_checkpoints SET size = 1",
        "DELETE FROM cosigned_checkpoints",
        "DELETE FROM timestamps",
    ],
)
async def test_what_was_cosigned_cannot_be_changed(submit, place, role, statement):
    await submit(TOYONAKA.submission(0, 5))
    url = place.app_url if role == "app" else place.owner_url
    async with await psycopg.AsyncConnection.connect(url, options="-c search_path=audit", autocommit=True) as conn:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await conn.execute(statement)


# --- crashes and restored databases -----------------------------------------------------------------------------


async def test_a_restored_database_does_not_make_the_witness_cosign_a_fork(submit, pool, vault, witness, superuser):
    """The database forgets 5 … 9; the object store does not. Without it, the fork at 6 would be cosigned."""
    await submit(TOYONAKA.submission(0, 5))
    async with db.connection(pool) as conn:
        row = await (await conn.execute("SELECT size, root, note FROM witnessed_logs")).fetchone()
    await submit(TOYONAKA.submission(5, 9))
    await superuser.execute("UPDATE witnessed_logs SET size = %s, root = %s, note = %s", row)
    await superuser.execute("DELETE FROM witnessed_checkpoints WHERE size > 5")

    fork = log_of(2026, forked_at=6)
    assert await submit(fork.submission(5, 9)) == (Verdict.STALE, 9)
    assert await submit(fork.submission(9, 9)) == (Verdict.INCONSISTENT, 0)
    assert await submit(fork.submission(9, 12)) == (Verdict.INCONSISTENT, 0)
    # It goes on by itself with the log as it was seen.
    assert isinstance(await submit(TOYONAKA.submission(9, 12)), bytes)
    assert [size for size, _ in await history(pool)] == [5, 12]


async def test_a_lost_memory_in_the_store_comes_back_with_the_next_checkpoint(submit, engines, buckets, vault):
    await submit(TOYONAKA.submission(0, 5))
    engines.s3("admin").remove_object(f"{buckets}-live", f"witness/{HASH}")
    assert await vault.remembered(f"witness/{HASH}") is None
    assert await submit(log_of(2026, forked_at=2).submission(5, 9)) == (Verdict.INCONSISTENT, 0)
    assert isinstance(await submit(TOYONAKA.submission(5, 9)), bytes)
    memory = await vault.remembered(f"witness/{HASH}")
    assert memory is not None
    assert b"\n9\n" in memory.note


async def test_two_memories_that_contradict_each_other_stop_the_cosigning(submit, vault, witness):
    await submit(TOYONAKA.submission(0, 5))
    memory = await vault.remembered(f"witness/{HASH}")
    fork = log_of(2026, forked_at=2).checkpoint(5)
    await vault.remember(f"witness/{HASH}", memory, fork)
    with pytest.raises(DomainError, match="remember different trees") as refused:
        await submit(TOYONAKA.submission(5, 9))
    assert refused.value.reason == "WITNESS_UNAVAILABLE"


async def test_a_memory_that_a_stranger_wrote_stops_the_cosigning(submit, vault):
    await submit(TOYONAKA.submission(0, 5))
    memory = await vault.remembered(f"witness/{HASH}")
    await vault.remember(f"witness/{HASH}", memory, log_of(2026, bytes(32)).checkpoint(2))
    with pytest.raises(DomainError) as refused:
        await submit(TOYONAKA.submission(5, 9))
    assert refused.value.reason == "WITNESS_UNAVAILABLE"


async def test_killed_after_the_memory_and_before_the_commit_nothing_inconsistent_is_cosigned(
    pool, vault, witness, submit, monkeypatch
):
    """The outer memory is ahead by a cosignature that nobody has; the log hears so and goes on."""
    await submit(TOYONAKA.submission(0, 5))

    async def killed(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(store, "save_seen", killed)
        with pytest.raises(asyncio.CancelledError):
            await add_checkpoint(pool, vault, witness, TOYONAKA.submission(5, 9), clock.now())
    assert [size for size, _ in await history(pool)] == [5]
    assert await submit(log_of(2026, forked_at=6).submission(5, 9)) == (Verdict.STALE, 9)
    assert isinstance(await submit(TOYONAKA.submission(9, 9)), bytes)
    assert [size for size, _ in await history(pool)] == [5, 9]


async def test_without_the_object_store_nothing_is_cosigned(pool, engines, witness):
    nowhere = open_vault(engines, "no-such-bucket")
    try:
        with pytest.raises(DomainError) as refused:
            await add_checkpoint(pool, nowhere, witness, TOYONAKA.submission(0, 5), clock.now())
    finally:
        nowhere.close()
    assert refused.value.reason == "WITNESS_UNAVAILABLE"
    assert await history(pool) == []


async def test_another_copy_of_the_database_loses_the_race_for_the_memory(
    submit, pool, vault, witness, migrated_database, open_pool
):
    """Two databases, one object store: a clone of the city's system does not cosign its own history."""
    other = await open_pool(await migrated_database("audit"))
    await submit(TOYONAKA.submission(0, 5))
    with pytest.raises(Rejected) as rejected:
        await add_checkpoint(other, vault, witness, log_of(2026, forked_at=0).submission(0, 7), clock.now())
    assert (rejected.value.verdict, rejected.value.size) == (Verdict.STALE, 5)


async def test_next_year_the_log_is_cosigned_without_anybodys_hands(pool, vault, witness):
    new = log_of(2027)
    april = dt.datetime(2027, 4, 1, 0, 0, 1, tzinfo=clock.JST)
    assert await add_checkpoint(pool, vault, witness, new.submission(0, 1), april)
    with pytest.raises(Rejected) as rejected:
        await add_checkpoint(pool, vault, witness, log_of(2027, SEED[::-1]).submission(1, 2), april)
    assert rejected.value.verdict is Verdict.UNTRUSTED
