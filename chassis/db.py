"""PostgreSQL: the pool, one visible transaction, forward-only migrations.

A service has one schema and two roles: `<schema>_owner` runs migrations, `<schema>_app`
serves and has only the grants that migrations name. Nothing is done as superuser.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from chassis.errors import DomainError, Kind

log = logging.getLogger(__name__)

Connection: TypeAlias = AsyncConnection[TupleRow]
Pool: TypeAlias = AsyncConnectionPool[Connection]

# Key of the advisory lock that lets one migration run at a time.
_MIGRATION_LOCK = 0x4B414E4B
CHASSIS_MIGRATIONS = Path(__file__).parent / "migrations"


def open_pool(url: str, schema: str, *, size: int = 8, statement_timeout_ms: int = 5000) -> Pool:
    """An unopened pool on one schema. Statements and lock waits are bounded; autocommit outside transaction()."""
    options = (
        f"-c search_path={schema} -c statement_timeout={statement_timeout_ms} -c lock_timeout=3000 "
        "-c idle_in_transaction_session_timeout=30000 -c timezone=Asia/Tokyo "
        # Short statements only: compiling them or starting workers costs more than they do.
        "-c jit=off -c max_parallel_workers_per_gather=0"
    )
    return AsyncConnectionPool(
        url,
        min_size=2,
        max_size=size,
        open=False,
        # Shorter than any caller waits, so that it hears why.
        timeout=3.0,
        max_lifetime=1800,
        reconnect_timeout=60,
        kwargs={"options": options, "autocommit": True, "application_name": schema, "connect_timeout": 5},
    )


# Away, too slow, full, read-only after a failover, or a grant taken away: the caller serves nothing.
_AWAY = (
    PoolTimeout,
    psycopg.OperationalError,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.ReadOnlySqlTransaction,
)


@asynccontextmanager
async def connection(pool: Pool) -> AsyncIterator[Connection]:
    """One connection in autocommit, for a read of one statement. UNAVAILABLE when the database is away."""
    try:
        async with pool.connection() as conn:
            yield conn
    except _AWAY as error:
        raise unavailable(error) from error


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """One transaction: commits at the end of the block, rolls back on any exception.

    If we crash inside, nothing happened; after the block, everything is durable.
    """
    async with connection(pool) as conn, conn.transaction():
        yield conn


@asynccontextmanager
async def pipelined(pool: Pool) -> AsyncIterator[Connection]:
    """The same, with statements that do not wait for each other: only a fetch waits, and all before it come with it.

    BEGIN travels with the first statement and COMMIT with the last ones, so an error of a statement that nothing was
    fetched from is raised at the end of the block. Count rows with RETURNING: `rowcount` does not wait.
    """
    # After an error of the database a pipeline skips the ROLLBACK as well: the pool makes good for it.
    async with connection(pool) as conn, conn.pipeline(), conn.transaction():
        yield conn


def unavailable(error: Exception) -> DomainError:
    """The database is away, too slow or will not write: retry later."""
    log.warning("database unavailable", extra={"error": f"{type(error).__name__}: {error}".strip()})
    return DomainError(Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE", type(error).__name__)


class MigrationError(Exception):
    """A migration file was changed after it ran, or is missing."""


async def migrate(url: str, schema: str, folders: Sequence[Path]) -> list[str]:
    """Apply the pending migrations of the folders in order; returns the names applied.

    `url` is the owner role's. In the SQL, `${app}` is the application role and `${schema}` the
    schema. Each file runs in its own transaction, with its line in the ledger: a crash in the
    middle leaves the ones before it applied and the rest pending.
    """
    applied: list[str] = []
    async with await AsyncConnection.connect(
        url, autocommit=True, options=f"-c search_path={schema} -c lock_timeout=4000 -c client_min_messages=warning"
    ) as conn:
        await conn.execute("SELECT pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
        await conn.execute(
            "CREATE TABLE IF NOT EXISTS migrations ("
            " name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        cursor = await conn.execute("SELECT name, sha256 FROM migrations")
        ledger = {str(name): str(digest) for name, digest in await cursor.fetchall()}
        for folder in folders:
            for path in sorted(folder.glob("*.sql")):
                name = f"{folder.parent.name}/{path.name}"
                text = path.read_text(encoding="utf-8")
                digest = hashlib.sha256(text.encode()).hexdigest()
                if name in ledger:
                    if ledger[name] != digest:
                        raise MigrationError(f"{name} was changed after it had been applied")
                    continue
                sql = text.replace("${app}", f"{schema}_app").replace("${schema}", schema)
                async with conn.transaction():
                    await conn.execute(sql.encode())
                    await conn.execute("INSERT INTO migrations (name, sha256) VALUES (%s, %s)", (name, digest))
                applied.append(name)
                log.info("migration applied", extra={"migration": name})
    return applied
