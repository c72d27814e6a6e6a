"""Builds the running service and the export of its log from their parts."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psycopg

from chassis import clock, db, serving
from chassis.broker import Broker
from chassis.epochs import DatabaseSink
from chassis.errors import DomainError
from chassis.identity import Identity, IdentityVerifier, KeyVerifier
from chassis.outbox import Relay
from chassis.recorder import Access, Recorder
from chassis.s3 import StoreError
from chassis.serving import Parts, Wiring
from chassis.settings import SettingsError
from kanketsu.audit.v1.audit_service_pb2_grpc import add_AuditServiceServicer_to_server
from kanketsu.audit.v1.review_service_pb2_grpc import add_ReviewServiceServicer_to_server
from kanketsu.audit.v1.timestamp_service_pb2_grpc import add_TimestampServiceServicer_to_server
from kanketsu.audit.v1.witness_service_pb2_grpc import add_WitnessServiceServicer_to_server
from services.audit import continuity, outside, self_check, settings, tree_store
from services.audit.api import Api
from services.audit.commands import LogKeys
from services.audit.completeness.checker import Checker
from services.audit.completeness.watcher import Watcher
from services.audit.consumer import consumers
from services.audit.cosignatures import commands as cosignatures
from services.audit.export import ExportError, LogWriter
from services.audit.note import NoteError, VerifierKey
from services.audit.outside import Task
from services.audit.policy import POLICY
from services.audit.retention import commands as retention
from services.audit.retention import store as retention_store
from services.audit.retention.commands import NotDropped
from services.audit.review.api import Api as ReviewApi
from services.audit.review.opener import Opener
from services.audit.sequencer import Sequencer
from services.audit.settings import Settings
from services.audit.siem import lines
from services.audit.timestamps import store as timestamp_store
from services.audit.timestamps.api import TimestampApi
from services.audit.witness.api import WitnessApi


async def serve() -> None:
    """Serve until SIGTERM."""
    configured = settings.read()
    keys = _keys(configured)
    others = outside.read(configured, keys.of(2000))
    pushing = _pushing(configured)

    async def build(parts: Parts) -> Wiring:
        vault = configured.vault()
        sequencer = Sequencer(parts.pool, keys, vault, configured.checkpoint_interval, configured.recover_after)
        receipts = KeyVerifier(configured.receipt_jwks_file)
        watcher = Watcher(parts.pool, configured.recover_after, sequencer.wake)
        api = Api(parts.pool, keys, parts.recorder, receipts, sequencer.wake, others.policy)
        witness_api = WitnessApi(parts.pool, parts.recorder, vault, others)
        reviewing = ReviewApi(parts.pool, keys, parts.recorder, sequencer.wake)
        return Wiring(
            servicers=[
                partial(add_AuditServiceServicer_to_server, api),
                partial(add_ReviewServiceServicer_to_server, reviewing),
                partial(add_WitnessServiceServicer_to_server, witness_api),
                partial(add_TimestampServiceServicer_to_server, TimestampApi(parts.pool)),
            ],
            consumers=consumers(parts.broker, parts.pool, keys, sequencer.wake, sequencer.leads),
            tasks=[
                sequencer.run,
                watcher.run,
                Checker(parts.pool, vault, sequencer.leads, sequencer.wake).run,
                Opener(parts.pool, keys, sequencer.wake).run,
                *others.tasks(parts.pool, vault),
                *pushing(parts),
            ],
        )

    await serving.serve(
        configured,
        POLICY,
        database_url=configured.database_url,
        verifier=IdentityVerifier(configured.identity_jwks_file, configured.tenant, POLICY.service),
        build=build,
        pool_size=configured.pool_size,
    )


def _keys(configured: Settings) -> LogKeys:
    """The log's keys; a key that cannot be used is a bad configuration, found at start."""
    try:
        keys = LogKeys(configured.log_origin, configured.log_signing_key_file.read_bytes())
        keys.of(2000)
    except (OSError, NoteError) as error:
        raise SettingsError([f"KANKETSU_LOG_SIGNING_KEY_FILE or KANKETSU_LOG_ORIGIN: {error}"]) from error
    return keys


def _pushing(configured: Settings) -> Callable[[Parts], list[Task]]:
    """What hands the log to a receiver, if there is one; an address that cannot be used is found at start."""
    if not configured.siem_url:
        return lambda _: []
    # Loaded only where it is used: an HTTP client is a quarter of what an idle process weighs.
    from services.audit.siem.push import Push, Receiver

    try:
        receiver = Receiver(configured.siem_url, str(configured.siem_token or ""), configured.siem_ca_file)
    except ValueError as error:
        raise SettingsError([f"KANKETSU_SIEM_URL: {error}"]) from error
    return lambda parts: [Push(parts.pool, receiver, parts.recorder, configured.tenant).run]


async def export(folder: Path, log_year: int = 0) -> None:
    """Write a year's log, up to its last checkpoint, as a folder. Recorded first: the export is itself a leaf.

    ExportError if the folder is not empty or there is no checkpoint yet. Crash in between: a folder without checkpoint.
    """
    configured = settings.read()
    pool = db.open_pool(configured.database_url, POLICY.service, size=2)
    await pool.open(wait=True)
    try:
        await _record_export(configured, pool, log_year)
        async with db.connection(pool) as conn:
            log = await _exportable(conn, log_year)
            policy = outside.read(configured, _keys(configured).of(2000)).policy
            published = await cosignatures.published(conn, log, policy)
            if published is None:
                raise ExportError("there is no checkpoint with the cosignatures it needs yet")
            size, checkpoint = published
            writer = LogWriter(folder)
            async for entry in tree_store.all_entries(conn, log.log_year, size):
                writer.add(entry)
            async for archived_size, note, token in timestamp_store.archive_of(conn, log.log_year, size):
                writer.add_archived(archived_size, note, token)
            # Nothing is signed here: LogWriter refuses if this checkpoint is not of exactly these entries.
            writer.finish(partial(_as_signed, checkpoint), VerifierKey.parse(log.verifier_key))
        print(f"{size} leaves of {log.origin} in {folder}")
    finally:
        await pool.close()


async def ocsf(out: Path | None, since: int, log_year: int = 0) -> None:
    """Write a year's log from leaf `since` on as OCSF events, one JSON object a line, to a file or standard output.

    Recorded first. ExportError if there is no checkpoint yet or the file exists.
    """
    configured = settings.read()
    pool = db.open_pool(configured.database_url, POLICY.service, size=2)
    await pool.open(wait=True)
    try:
        async with db.connection(pool) as conn:
            log = await _exportable(conn, log_year)
            try:
                target = sys.stdout.buffer if out is None else out.open("xb")
            except FileExistsError as error:
                raise ExportError(f"{out} exists already") from error
            await _record_export(configured, pool, log_year, format="ocsf", first=str(since))
            async for page in lines.year_pages(conn, log.log_year, since):
                target.write(page)
            target.flush()
            if out is not None:
                target.close()
    finally:
        await pool.close()


async def _exportable(conn: db.Connection, log_year: int) -> tree_store.Log:
    """The log of a year, 0 for the one that is written now. ExportError if it has no checkpoint."""
    log = await tree_store.log_of(conn, log_year) if log_year else await tree_store.current_log(conn)
    if log is None or not log.checkpoint:
        raise ExportError(f"there is no checkpoint of {log_year or 'this year'} yet")
    if (gone := await retention_store.dropped(conn, log.log_year)) is not None:
        day = gone.dropped_at.astimezone(clock.JST).date().isoformat()
        raise ExportError(f"the entries of {log_year} were dropped on {day}, when their retention had ended")
    return log


async def restore() -> None:
    """Bring the database up to the head in the object store after a backup was put back. NotRestored."""
    configured = settings.read()
    pool = db.open_pool(configured.database_url, POLICY.service, size=2)
    await pool.open(wait=True)
    try:
        async with db.connection(pool) as conn:
            restored = await continuity.restore(conn, _keys(configured), configured.vault(), clock.now(), clock.new_id)
    finally:
        await pool.close()
    print(f"{restored.leaves} leaves brought back; the head was {'put back' if restored.head else 'in place'}")


async def check(log_year: int | None) -> int:
    """Compare what the service holds with itself and with what was signed; prints findings, returns how many.

    The current log, or the one of a year. ExportError if there is none.
    """
    configured = settings.read()
    pool = db.open_pool(configured.database_url, POLICY.service, size=2)
    await pool.open(wait=True)
    try:
        async with db.connection(pool) as conn:
            log = await (tree_store.current_log(conn) if log_year is None else tree_store.log_of(conn, log_year))
            if log is None or not log.checkpoint:
                raise ExportError("there is no checkpoint yet")
            done = await self_check.check(conn, configured.vault(), log.log_year, _print_finding)
    finally:
        await pool.close()
    print(f"{done.leaves} leaves of {done.origin}: {done.findings} finding(s)")
    return done.findings


async def drop_year(log_year: int, agreed_by: list[str]) -> None:
    """Drop the entries of a year whose retention has ended, as the owner role (SC-03). NotDropped says why not."""
    configured, owner = settings.read_drop()
    try:
        async with await psycopg.AsyncConnection.connect(
            owner.migrate_database_url, autocommit=True, options=f"-c search_path={POLICY.service} -c lock_timeout=4000"
        ) as conn:
            done = await retention.drop_year(
                conn, _keys(configured), configured.vault(), log_year, agreed_by, clock.now(), clock.new_id
            )
    except DomainError as error:
        raise NotDropped(error.message) from error
    except StoreError as error:
        raise NotDropped(f"the object store does not answer as it should: {error}") from error
    print(f"the entries of {log_year} are dropped; {done.remaining} remain that prove completed documents")


def _print_finding(place: str, problem: str) -> None:
    print(f"{place}: {problem}", flush=True)


def _as_signed(checkpoint: bytes, _size: int, _root: bytes) -> bytes:
    return checkpoint


async def _record_export(configured: Settings, pool: db.Pool, log_year: int, **detail: str) -> None:
    """One access record, as an epoch of its own. The outbox takes it; a running replica carries it into the log."""
    relay = Relay(pool, Broker(configured, POLICY.service), configured.resend_after)
    sink = DatabaseSink(pool, POLICY.service, relay)
    records = Recorder(POLICY.service, f"{configured.instance}-export", sink)
    running = asyncio.create_task(records.run())
    operator = Identity(staff_id="service:audit", tenant=configured.tenant)
    detail |= {"uid": str(os.getuid())} | ({"log_year": str(log_year)} if log_year else {})
    await records.record(Access(actor=operator, action="audit.exported", object_type="log", detail=detail))
    running.cancel()
    await asyncio.wait([running])
    await records.close()
