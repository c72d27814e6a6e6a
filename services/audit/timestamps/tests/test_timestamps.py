"""Time-stamps over archived checkpoints: got, checked by us and by openssl, kept; and everything that is none."""

from __future__ import annotations

import datetime as dt
from hashlib import sha256

import pytest

from chassis import clock, db
from chassis.s3 import StoreError
from services.audit import commands as log_commands
from services.audit import domain, tree_store
from services.audit.export import LogWriter
from services.audit.note import VerifierKey
from services.audit.tests.conftest import open_vault
from services.audit.tests.making import event_leaf
from services.audit.timestamps import store, tokens
from services.audit.timestamps.commands import NotStamped, stamp
from services.audit.timestamps.tests.conftest import Tsa, openssl
from services.audit.timestamps.tokens import TokenError

CONTENT = "audit.minoh.example/2026\n7\n箕面市\n".encode()


# --- tokens -----------------------------------------------------------------------------------------------------


@pytest.fixture
def fresh(authority_folder):
    """A request and its honest answer."""
    request = tokens.request_for(CONTENT)
    return request, Tsa(authority_folder).reply(request.as_bytes())


def test_a_token_is_accepted_by_us_and_by_openssl(authority_folder, fresh, tmp_path):
    request, answer = fresh
    roots = Tsa(authority_folder).authority.roots
    stamped_at = tokens.verify_fresh(answer, CONTENT, roots, request.nonce, clock.now())
    assert abs(stamped_at - clock.now()) < dt.timedelta(minutes=1)
    (tmp_path / "data").write_bytes(CONTENT)
    (tmp_path / "token.tsr").write_bytes(answer)
    said = openssl(
        *("ts", "-verify", "-data", tmp_path / "data", "-in", tmp_path / "token.tsr"),
        *("-CAfile", authority_folder / "ca.pem"),
    )
    assert b"Verification: OK" in said


def test_the_request_has_a_nonce_and_asks_for_the_certificate():
    first, second = tokens.request_for(CONTENT), tokens.request_for(CONTENT)
    assert first.nonce is not None
    assert first.nonce != second.nonce
    assert first.cert_req
    assert first.message_imprint.message == sha256(CONTENT).digest()


def test_a_token_over_other_bytes(authority_folder, fresh):
    with pytest.raises(TokenError):
        tokens.verify(fresh[1], CONTENT + b"x", Tsa(authority_folder).authority.roots)


def test_a_token_of_an_authority_that_is_not_trusted(authority_folder, other_folder, fresh):
    with pytest.raises(TokenError):
        tokens.verify(fresh[1], CONTENT, Tsa(other_folder).authority.roots)
    forged = Tsa(other_folder).reply(fresh[0].as_bytes())
    with pytest.raises(TokenError):
        tokens.verify(forged, CONTENT, Tsa(authority_folder).authority.roots)


def test_an_answer_to_an_older_request(authority_folder, fresh):
    with pytest.raises(TokenError, match=r"(?i)nonce"):
        tokens.verify(fresh[1], CONTENT, Tsa(authority_folder).authority.roots, tokens.request_for(CONTENT).nonce)


def test_a_token_that_is_not_of_now(authority_folder, fresh):
    request, answer = fresh
    roots = Tsa(authority_folder).authority.roots
    for wrong in (dt.timedelta(minutes=6), dt.timedelta(minutes=-6)):
        with pytest.raises(TokenError, match="not now"):
            tokens.verify_fresh(answer, CONTENT, roots, request.nonce, clock.now() + wrong)


def test_every_altered_byte_of_a_token_that_is_signed_is_found(authority_folder, fresh):
    """A changed byte either makes the token invalid or changes nothing that it says."""
    request, answer = fresh
    roots = Tsa(authority_folder).authority.roots
    honest = tokens.verify(answer, CONTENT, roots, request.nonce)
    accepted = []
    for position in range(len(answer)):
        altered = bytearray(answer)
        altered[position] ^= 0x01
        try:
            said = tokens.verify(bytes(altered), CONTENT, roots, request.nonce)
        except TokenError:
            continue
        accepted.append(position)
        assert said == honest, position
    # What is outside of the signature: the root that the authority sends along, and tags that mean the same.
    assert len(accepted) < len(answer) / 2
    for length in (0, 1, 100, len(answer) - 1):
        with pytest.raises(TokenError):
            tokens.verify(answer[:length], CONTENT, roots, request.nonce)


def test_a_sha_512_imprint_is_not_what_was_asked(authority_folder):
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    request = TimestampRequestBuilder(data=CONTENT, hash_algorithm=HashAlgorithm.SHA512).build()
    with pytest.raises(TokenError, match="SHA-256"):
        tokens.verify(Tsa(authority_folder).reply(request.as_bytes()), CONTENT, Tsa(authority_folder).authority.roots)


@pytest.mark.parametrize("answer", [b"", b"0", "時刻".encode(), b"\x30\x03\x02\x01\x02", bytes(70_000)])
def test_what_is_no_token_at_all(authority_folder, answer):
    with pytest.raises(TokenError):
        tokens.verify(answer, CONTENT, Tsa(authority_folder).authority.roots)


# --- getting one ------------------------------------------------------------------------------------------------


@pytest.fixture
def signed(pool, keys, vault):
    """Append `leaves` and sign at `now`: the first checkpoint of an hour is archived."""

    async def sign(leaves: int, now: dt.datetime) -> None:
        await log_commands.append(pool, keys, [event_leaf() for _ in range(leaves)], now)
        async with db.connection(pool) as conn:
            for log_year in await tree_store.pending_logs(conn):
                await log_commands.integrate(conn, log_year)
                await log_commands.publish(conn, keys, vault, log_year, now)

    return sign


YEAR = domain.fiscal_year(clock.today())


async def stamped(pool) -> list[int]:
    async with db.connection(pool) as conn:
        return [size async for size, _, token in store.archive_of(conn, YEAR, 10**6) if token is not None]


async def archived(pool) -> list[int]:
    async with db.connection(pool) as conn:
        return [size async for size, _, _ in store.archive_of(conn, YEAR, 10**6)]


async def test_the_first_checkpoint_of_each_hour_is_stamped_once(pool, vault, http, tsa, signed, tmp_path):
    noon = clock.now().replace(hour=12, minute=0, second=1)
    assert await stamp(pool, vault, http, tsa.authority, clock.now) is None
    for minutes, expected in ((0, 3), (30, None), (59, None), (60, 12)):
        await signed(3, noon + dt.timedelta(minutes=minutes))
        assert await stamp(pool, vault, http, tsa.authority, clock.now) == expected
    assert await archived(pool) == await stamped(pool) == [3, 12]
    assert len(tsa.asked) == 2
    # In the object store, under lock, the same bytes.
    async with db.connection(pool) as conn:
        token = await store.token_at(conn, YEAR, 12)
        note = await store.archived_at(conn, YEAR, 12)
    assert await vault.kept(YEAR, "timestamps/12.tsr") == token
    assert await vault.kept(YEAR, "checkpoints/12") == note


async def test_the_first_after_midnight_closes_the_day(pool, vault, http, tsa, signed):
    late = clock.now().replace(hour=23, minute=1)
    await signed(1, late)
    await signed(1, late + dt.timedelta(minutes=58))
    await signed(1, late + dt.timedelta(minutes=60))
    assert await stamp(pool, vault, http, tsa.authority, clock.now) == 3


async def test_the_final_checkpoint_of_a_year_is_stamped(pool, vault, keys, http, tsa, signed):
    """It is archived whatever its hour, and no checkpoint of the new year comes between it and its time-stamp."""
    noon = clock.now().replace(hour=12, minute=0, second=1)
    await signed(3, noon)
    await signed(2, noon + dt.timedelta(minutes=30))
    new_year = dt.datetime(YEAR + 1, 4, 1, 0, 0, 1, tzinfo=clock.JST)
    async with db.connection(pool) as conn:
        assert await log_commands.turn_year(conn, keys, vault, new_year, clock.new_id) == YEAR + 1
    await signed(1, new_year)
    assert await archived(pool) == [3, 5]
    assert [await stamp(pool, vault, http, tsa.authority, clock.now) for _ in range(3)] == [5, 2, None]
    assert await stamped(pool) == [5]
    async with db.connection(pool) as conn:
        final = await tree_store.log_of(conn, YEAR)
    assert await checkpoint_of(pool, 5) == await vault.kept(YEAR, "checkpoints/5") == final.checkpoint
    assert await vault.kept(YEAR, "timestamps/5.tsr") is not None


async def test_a_token_whose_row_was_lost_gets_it_back_before_the_next(pool, vault, http, tsa, signed, superuser):
    """Killed before the commit, and the next hour began before the next run; or the database was put back."""
    noon = clock.now().replace(hour=12, minute=0, second=1)
    for hours, size in ((0, 1), (1, 2), (2, 3)):
        await signed(1, noon + dt.timedelta(hours=hours))
        assert await stamp(pool, vault, http, tsa.authority, clock.now) == size
    async with db.connection(pool) as conn:
        before = await store.token_at(conn, YEAR, 2)
    await superuser.execute("DELETE FROM timestamps WHERE size > 1")
    # And one that is no token: it gets no row, and stops nothing.
    await vault.keep(YEAR, "timestamps/4.tsr", "時刻".encode())
    await signed(1, noon + dt.timedelta(hours=3))
    await signed(1, noon + dt.timedelta(hours=4))
    assert await stamp(pool, vault, http, tsa.authority, clock.now) == 5
    assert await stamped(pool) == [1, 2, 3, 5]
    async with db.connection(pool) as conn:
        assert await store.token_at(conn, YEAR, 2) == before
    assert len(tsa.asked) == 4


async def test_after_the_authority_was_away_only_the_newest_is_asked_for(pool, vault, http, tsa, signed):
    noon = clock.now().replace(hour=12, minute=0, second=1)
    tsa.lie = lambda query, answer: (503, b"")
    for hours in range(3):
        await signed(1, noon + dt.timedelta(hours=hours))
        with pytest.raises(NotStamped, match="503"):
            await stamp(pool, vault, http, tsa.authority, clock.now)
    tsa.lie = None
    assert await stamp(pool, vault, http, tsa.authority, clock.now) == 3
    assert await archived(pool) == [1, 2, 3]
    assert await stamped(pool) == [3]


async def test_killed_before_the_commit_the_token_is_found_in_the_object_store(
    pool, vault, http, tsa, signed, monkeypatch
):
    await signed(5, clock.now())

    async def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "insert_token", killed)
        with pytest.raises(KeyboardInterrupt):
            await stamp(pool, vault, http, tsa.authority, clock.now)
    assert await stamped(pool) == []
    assert await stamp(pool, vault, http, tsa.authority, clock.now) == 5
    assert len(tsa.asked) == 1


async def test_answers_that_are_no_token_are_not_kept(pool, vault, http, tsa, signed, other_folder):
    """Another authority, other content, an answer to an older request, an altered or huge one, an error page."""
    await signed(5, clock.now())

    def alter(query: bytes, answer: bytes) -> tuple[int, bytes]:
        return 200, answer[:-1] + bytes([answer[-1] ^ 1])

    lies = [
        lambda query, answer: (200, Tsa(other_folder).reply(query)),
        lambda query, answer: (200, tsa.reply(tokens.request_for("別の内容".encode()).as_bytes())),
        alter,
        lambda query, answer: (200, b"<html>"),
        lambda query, answer: (200, answer * 100),
        lambda query, answer: (302, answer),
        lambda query, answer: (500, answer),
    ]
    for lie in lies:
        tsa.lie = lie
        with pytest.raises(NotStamped) as refused:
            await stamp(pool, vault, http, tsa.authority, clock.now)
        assert "secret" not in str(refused.value)
    assert await stamped(pool) == []
    assert await vault.kept(YEAR, "timestamps/5.tsr") is None
    # A replayed answer over the very checkpoint: good once, for its own request.
    first = tokens.request_for(await checkpoint_of(pool, 5))
    old = tsa.reply(first.as_bytes())
    tsa.lie = lambda query, answer: (200, old)
    with pytest.raises(NotStamped, match=r"(?i)nonce"):
        await stamp(pool, vault, http, tsa.authority, clock.now)


async def checkpoint_of(pool, size: int) -> bytes:
    async with db.connection(pool) as conn:
        found = await store.archived_at(conn, YEAR, size)
    assert found is not None
    return found


async def test_without_the_object_store_no_token_is_kept(pool, engines, http, tsa, signed):
    await signed(5, clock.now())
    nowhere = open_vault(engines, "no-such-bucket")
    try:
        with pytest.raises(StoreError):
            await stamp(pool, nowhere, http, tsa.authority, clock.now)
    finally:
        nowhere.close()
    assert await stamped(pool) == []


async def test_an_exported_folder_has_what_openssl_needs(pool, vault, keys, http, tsa, signed, tmp_path):
    await signed(5, clock.now())
    assert await stamp(pool, vault, http, tsa.authority, clock.now) == 5
    writer = LogWriter(tmp_path / "log")
    async with db.connection(pool) as conn:
        log = await tree_store.current_log(conn)
        async for entry in tree_store.all_entries(conn, YEAR, 5):
            writer.add(entry)
        async for archived_size, note, token in store.archive_of(conn, YEAR, 5):
            writer.add_archived(archived_size, note, token)
    writer.finish(lambda size, root: log.checkpoint, VerifierKey.parse(log.verifier_key))
    said = openssl(
        *("ts", "-verify", "-data", tmp_path / "log/checkpoints/5", "-in", tmp_path / "log/timestamps/5.tsr"),
        *("-CAfile", tsa.folder / "ca.pem"),
    )
    assert b"Verification: OK" in said
    (tmp_path / "log/checkpoints/5").write_bytes(log.checkpoint + b"x")
    with pytest.raises(Exception, match="non-zero"):
        openssl(
            *("ts", "-verify", "-data", tmp_path / "log/checkpoints/5", "-in", tmp_path / "log/timestamps/5.tsr"),
            *("-CAfile", tsa.folder / "ca.pem"),
        )
