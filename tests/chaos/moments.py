"""The moments of a crash, made from outside: signals, locks, and commits whose answer does not come.

An operator's session could hold each of them as well: the product has no switch for its tests.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import psycopg

from deploy.walkthrough.client import Refused
from tests.conftest import City
from tests.patience import until

SERVICES = ("documents", "approvals", "audit")
# What a client may be told while something is down or has not travelled yet. Never a wrong answer.
NOT_NOW = (404, 409, 412, 503, 504)


def rows(town: City, service: str, query: str, *arguments: object) -> list[tuple[Any, ...]]:
    """All rows of a query, as the owner of the service's schema."""
    url = town.stack.database_url(f"{service}_owner")
    with psycopg.connect(url, autocommit=True, options=f"-c search_path={service}") as conn:
        return conn.execute(query.encode(), arguments).fetchall()


def one(town: City, service: str, query: str, *arguments: object) -> Any:
    """The first value of the first row."""
    return rows(town, service, query, *arguments)[0][0]


def eventually(probe: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true answer of a probe that meets parts of the city which are not there."""

    def patient() -> Any:
        try:
            return probe()
        except (httpx2.TransportError, psycopg.OperationalError):
            return None

    return until(patient, seconds, patient_with=NOT_NOW)


def answer_of(ask: Callable[[], httpx2.Response]) -> httpx2.Response | None:
    """The answer, None when the connection broke."""
    try:
        return ask()
    except httpx2.TransportError:
        return None


def is_done(answer: httpx2.Response) -> bool:
    """Whether it is a success; a refusal that asking again cannot cure fails the test."""
    assert answer.is_success or answer.status_code in (503, 504), (answer.status_code, answer.text)
    return answer.is_success


def assert_refused(answer: httpx2.Response | None) -> None:
    """A refusal that says: not now. Nothing else is in it."""
    assert answer is not None, "the connection broke"
    assert answer.status_code in (503, 504), (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "x-access-record" not in answer.headers
    assert Refused(answer).reason in (
        "UNAVAILABLE",
        "NOT_RECORDED",
        "DATABASE_UNAVAILABLE",
        "STORE_UNAVAILABLE",
        "DEADLINE_EXCEEDED",
    )


def after_its_beat(town: City, service: str) -> None:
    """Wait until a recorder has just beaten: its next commit, for seconds, is that of whom it serves.

    A beat that hangs in its commit keeps the records that come after it from being sent at all.
    """
    database, numbers = {
        "gateway": ("audit", "SELECT last_seq FROM sources WHERE service = 'gateway' ORDER BY opened_at DESC LIMIT 1"),
        "audit": ("audit", "SELECT last_seq FROM record_epochs WHERE state = 'open' ORDER BY opened_at DESC LIMIT 1"),
    }[service]
    # Nobody is served meanwhile, so whatever has a number is a beat.
    before = one(town, database, numbers)
    until(lambda: one(town, database, numbers) != before)


# --- signals --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def broker_paused(town: City) -> Iterator[Callable[[], None]]:
    """The broker stands still, its connections stay; yields what lets it go on before the end of the block.

    Not before all that was committed has been sent: a relay that stands with something else in its hands would not
    come to what the test is about.
    """
    unsent = "SELECT count(*) FROM outbox WHERE attempts = 0"
    until(lambda: all(one(town, service, unsent) == 0 for service in SERVICES))
    town.stack.send("nats", signal.SIGSTOP)
    try:
        yield lambda: town.stack.send("nats", signal.SIGCONT)
    finally:
        town.stack.send("nats", signal.SIGCONT)


# --- locks ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def locked(town: City, table: str) -> Iterator[None]:
    """Hold a lock on "schema.table" that lets others read it and makes every writer wait."""
    with psycopg.connect(town.stack.database_url(f"{table.split('.')[0]}_owner")) as conn:
        conn.execute(f"LOCK TABLE {table} IN SHARE MODE".encode())
        yield
        conn.rollback()


def waits_for(town: City, table: str, *, holding: str = "") -> bool:
    """Whether a transaction waits for a lock on the table, and has one on the table `holding`."""
    query = (
        "SELECT EXISTS (SELECT FROM pg_locks AS w JOIN pg_locks AS h USING (pid)"
        " WHERE NOT w.granted AND w.relation = %s::regclass AND h.granted AND h.relation = %s::regclass)"
        if holding
        else "SELECT EXISTS (SELECT FROM pg_locks AS w WHERE NOT w.granted AND w.relation = %s::regclass)"
    )
    return bool(_as_superuser(town, query, *filter(None, (table, holding))))


# --- commits --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def commits_hang(town: City) -> Iterator[None]:
    """Commits are durable, and until the end of the block nobody is told so and nobody sees them.

    PostgreSQL waits for a standby that does not exist. Who is killed meanwhile died after the commit
    and before everything that comes after it; when the block ends, the commit is there.
    """
    try:
        _wait_for_standby(town, "nobody")
        with psycopg.connect(town.stack.database_url("postgres"), autocommit=True) as conn:
            process = conn.info.backend_pid
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                try:
                    # The setting needs a moment to arrive: from the first commit that hangs on, all do.
                    for _ in range(100):
                        probe = pool.submit(conn.execute, "SELECT pg_logical_emit_message(true, 'probe', '')")
                        until(lambda p=probe: p.done() or _hangs(town, process))
                        if not probe.done():
                            break
                    assert not probe.done()
                    yield
                finally:
                    _wait_for_standby(town, "")
    finally:
        _wait_for_standby(town, "")


def _wait_for_standby(town: City, name: str) -> None:
    with psycopg.connect(town.stack.database_url("postgres"), autocommit=True) as conn:
        conn.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'".encode())
        conn.execute("SELECT pg_reload_conf()")


def _hangs(town: City, process: int) -> bool:
    query = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = 'SyncRep')"
    return bool(_as_superuser(town, query, process))


def committing(town: City, table: str) -> bool:
    """Whether a transaction that wrote to the table has committed and does not know it yet."""
    return bool(
        _as_superuser(
            town,
            "SELECT EXISTS (SELECT FROM pg_stat_activity AS a JOIN pg_locks AS l USING (pid)"
            " WHERE a.wait_event = 'SyncRep' AND l.relation = %s::regclass AND l.mode = 'RowExclusiveLock')",
            table,
        )
    )


def held_up(town: City, service: str) -> bool:
    """Whether a transaction of the service waits for a lock of one that has committed and does not know it yet."""
    return bool(
        _as_superuser(
            town,
            "SELECT EXISTS (SELECT FROM pg_stat_activity AS a, unnest(pg_blocking_pids(a.pid)) AS blocking"
            " JOIN pg_stat_activity AS b ON b.pid = blocking"
            " WHERE a.application_name = %s AND b.wait_event = 'SyncRep')",
            service,
        )
    )


def is_gone(town: City, service: str) -> bool:
    """Whether the database has noticed that the service died: nothing of it goes on."""
    query = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = %s)"
    return bool(_as_superuser(town, query, service))


def _as_superuser(town: City, query: str, *arguments: object) -> Any:
    with psycopg.connect(town.stack.database_url("postgres"), autocommit=True) as conn:
        row = conn.execute(query.encode(), arguments).fetchone()
    return row[0] if row else None
