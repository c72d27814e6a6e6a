"""Migrations run once, forward, and are never edited; the pool bounds every statement."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from chassis import db
from chassis.errors import DomainError, Kind


def write(folder, name, sql):
    folder.mkdir(exist_ok=True, parents=True)
    (folder / name).write_text(sql, encoding="utf-8")
    return folder


async def test_migrations_apply_once_in_order(empty_database, tmp_path):
    fresh = empty_database("documents")
    folder = write(
        tmp_path / "example" / "migrations", "0001_a.sql", "CREATE TABLE a (n int); GRANT SELECT ON a TO ${app};"
    )
    write(folder, "0002_b.sql", "ALTER TABLE a ADD COLUMN 件名 text;")
    assert await db.migrate(fresh.owner_url, "documents", [folder]) == ["example/0001_a.sql", "example/0002_b.sql"]
    assert await db.migrate(fresh.owner_url, "documents", [folder]) == []


async def test_a_changed_migration_is_refused(empty_database, tmp_path):
    fresh = empty_database("documents")
    folder = write(tmp_path / "example" / "migrations", "0001_a.sql", "CREATE TABLE a (n int);")
    await db.migrate(fresh.owner_url, "documents", [folder])
    write(folder, "0001_a.sql", "CREATE TABLE a (n bigint);")
    with pytest.raises(db.MigrationError, match="changed after"):
        await db.migrate(fresh.owner_url, "documents", [folder])


async def test_a_failing_migration_leaves_nothing_of_itself(empty_database, tmp_path):
    fresh = empty_database("documents")
    folder = write(tmp_path / "example" / "migrations", "0001_a.sql", "CREATE TABLE a (n int);")
    write(folder, "0002_b.sql", "CREATE TABLE b (n int); SELECT 1/0;")
    with pytest.raises(Exception, match="division"):
        await db.migrate(fresh.owner_url, "documents", [folder])
    write(folder, "0002_b.sql", "CREATE TABLE b (n int);")
    assert await db.migrate(fresh.owner_url, "documents", [folder]) == ["example/0002_b.sql"]


async def test_the_application_role_cannot_make_or_drop_anything(place, pool):
    for attack in ("CREATE TABLE mine (n int)", "DROP TABLE inbox", "ALTER TABLE outbox DISABLE TRIGGER ALL"):
        with pytest.raises(DomainError):
            async with db.transaction(pool) as conn:
                await conn.execute(attack.encode())


async def test_a_slow_statement_is_ended_and_says_unavailable(place, open_pool):
    pool = await open_pool(place, statement_timeout_ms=100)
    with pytest.raises(DomainError) as caught:
        async with db.connection(pool) as conn:
            await conn.execute("SELECT pg_sleep(5)")
    assert caught.value.reason == "DATABASE_UNAVAILABLE"


async def test_a_transaction_is_all_or_nothing(pool):
    with pytest.raises(ZeroDivisionError):
        async with db.transaction(pool) as conn:
            await conn.execute("INSERT INTO inbox (consumer, event_id) VALUES ('箕面', uuidv7())")
            raise ZeroDivisionError
    async with db.connection(pool) as conn:
        assert await (await conn.execute("SELECT count(*) FROM inbox")).fetchone() == (0,)


async def test_statements_of_a_pipeline_are_one_transaction_and_wait_only_for_a_fetch(place, pool, owner, monkeypatch):
    await owner.execute("CREATE TABLE lines (n int PRIMARY KEY)")
    await owner.execute("GRANT SELECT, INSERT ON lines TO documents_app")
    fetched = []
    fetch = psycopg.AsyncCursor.fetchall

    async def listening(self):
        found = await fetch(self)
        fetched.append(self._conn.info.transaction_status)
        return found

    monkeypatch.setattr(psycopg.AsyncCursor, "fetchall", listening)
    async with db.pipelined(pool) as conn:
        await conn.execute("INSERT INTO lines VALUES (1)")
        assert conn.info.transaction_status is TransactionStatus.ACTIVE, "nothing has come back yet, of BEGIN neither"
        assert await (await conn.execute("SELECT n FROM lines")).fetchall() == [(1,)]
        await conn.execute("INSERT INTO lines VALUES (2)")
        assert (await (await owner.execute("SELECT count(*) FROM lines")).fetchone()) == (0,)
    assert fetched == [TransactionStatus.INTRANS]
    assert (await (await owner.execute("SELECT count(*) FROM lines")).fetchone()) == (2,)


@pytest.mark.parametrize("is_fetched", [True, False])
async def test_an_error_in_a_pipeline_leaves_nothing_behind_and_the_connection_usable(
    place, owner, open_pool, is_fetched
):
    await owner.execute("CREATE TABLE IF NOT EXISTS keys (n int PRIMARY KEY)")
    await owner.execute("GRANT SELECT, INSERT ON keys TO documents_app")
    pool = await open_pool(place, size=2)
    for _ in range(4):
        with pytest.raises(psycopg.errors.UniqueViolation):
            async with db.pipelined(pool) as conn:
                await conn.execute("INSERT INTO keys VALUES (1)")
                cursor = await conn.execute("INSERT INTO keys VALUES (1) RETURNING n")
                if is_fetched:
                    await cursor.fetchall()
        assert conn.info.transaction_status is TransactionStatus.IDLE
    with pytest.raises(DomainError):
        async with db.pipelined(pool) as conn:
            await conn.execute("INSERT INTO keys VALUES (2)")
            raise DomainError(Kind.CONFLICT, "STALE_VERSION")
    assert conn.info.transaction_status is TransactionStatus.IDLE
    assert (await (await owner.execute("SELECT count(*) FROM keys")).fetchone()) == (0,)
