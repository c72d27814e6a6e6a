"""PostgreSQL: Japanese, durability, and what each role may do before any migration ran."""

from __future__ import annotations

import os
import stat

import psycopg
import pytest

from deploy.local import database
from deploy.local.stack import Stack
from deploy.local.system import EXTENSIONS


@pytest.mark.parametrize("role", ["documents_app", "documents_owner", "postgres"])
def test_roles_log_in_with_their_passwords_only(engines: Stack, role: str) -> None:
    url = engines.database_url(role)
    with psycopg.connect(url) as conn:
        assert conn.execute("SELECT current_user").fetchone() == (role,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url, password="ちがう合言葉")
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(host="127.0.0.1", port=engines.port("postgres"), user=role, dbname="kanketsu")


def test_the_socket_asks_for_a_password_too(engines: Stack) -> None:
    folder = engines.installation.socket_folder
    assert folder is not None
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(host=str(folder), port=engines.port("postgres"), user="postgres", dbname="kanketsu")


def test_an_application_role_starts_with_usage_and_nothing_else(engines: Stack) -> None:
    with psycopg.connect(engines.database_url("documents_owner"), autocommit=True) as owner:
        owner.execute("CREATE TABLE IF NOT EXISTS 収受簿 (番号 integer)")
    with psycopg.connect(engines.database_url("documents_app"), autocommit=True) as app:
        assert app.execute("SHOW search_path").fetchone() == ("documents",)
        for statement in (
            "SELECT 番号 FROM 収受簿",
            "INSERT INTO 収受簿 VALUES (1)",
            "CREATE TABLE 抜け道 (x integer)",
            "CREATE TABLE public.抜け道 (x integer)",
            "CREATE SCHEMA 抜け道",
            "SELECT pg_read_file('PG_VERSION')",
            "COPY (SELECT 1) TO PROGRAM 'cat'",
            "SET ROLE documents_owner",
            "ALTER SYSTEM SET fsync = off",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(statement)


def test_a_service_cannot_reach_into_another_schema(engines: Stack) -> None:
    with psycopg.connect(engines.database_url("approvals_owner"), autocommit=True) as owner:
        owner.execute("CREATE TABLE IF NOT EXISTS 決裁 (番号 integer)")
    for role in ("documents_owner", "documents_app"):
        with psycopg.connect(engines.database_url(role), autocommit=True) as conn:
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="schema approvals"):
                conn.execute("SELECT 番号 FROM approvals.決裁")


def test_japanese_is_searchable_and_writes_are_durable(engines: Stack) -> None:
    with psycopg.connect(engines.database_url("documents_app")) as conn:
        found = conn.execute(
            "SELECT to_tsvector('simple', '浄化槽 補助金') @@ to_tsquery('simple', '補助金')"
        ).fetchone()
        assert found == (True,)
        assert conn.execute("SELECT array_length(public.show_trgm('交付決定'), 1) > 0").fetchone() == (True,)
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert conn.execute("SELECT current_setting(%s)", (setting,)).fetchone() == ("on",)
        assert conn.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        extensions = conn.execute("SELECT extname FROM pg_extension").fetchall()
    assert {name for (name,) in extensions} >= set(EXTENSIONS)


def test_connections_come_from_loopback_only(engines: Stack) -> None:
    with psycopg.connect(engines.database_url("postgres")) as conn:
        assert conn.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
        methods = conn.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules").fetchall()
    assert methods == [("scram-sha-256",)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another account")
def test_root_and_unknown_accounts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("root", "だれでもない"):
        monkeypatch.setenv(database.ACCOUNT_VARIABLE, name)
        with pytest.raises(database.DatabaseError, match=name):
            database.account()
