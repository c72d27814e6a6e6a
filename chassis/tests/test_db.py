"""Migrations run once, forward, and are never edited; the pool bounds every statement."""

from __future__ import annotations

import pytest

from chassis import db
from chassis.errors import DomainError


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
