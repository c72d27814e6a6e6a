"""A service with a database: build the parts, serve RPCs, stop gracefully on SIGTERM.

`serve` is what each service's __main__ calls; the service only says what it adds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field

import grpc

from chassis import db, epochs, outbox, requests, tally, telemetry
from chassis.broker import Broker
from chassis.db import Pool
from chassis.errors import DomainError
from chassis.events import Consumer, receipts_consumer
from chassis.identity import IdentityVerifier
from chassis.interceptors import Guard, Policy
from chassis.outbox import Relay
from chassis.process import Background
from chassis.recorder import Recorder
from chassis.server import Server
from chassis.settings import ServiceSettings, describe
from chassis.tally import Tally

log = logging.getLogger(__name__)

HOUSEKEEPING_SECONDS = 60.0


@dataclass(frozen=True)
class Parts:
    """What a service is built from."""

    pool: Pool
    broker: Broker
    relay: Relay
    recorder: Recorder


@dataclass(frozen=True)
class Wiring:
    """What a service adds: RPC servicers, event consumers, background tasks (run until cancelled), and its own count of
    the objects it opened."""

    servicers: Sequence[Callable[[grpc.aio.Server], None]]
    consumers: Sequence[Consumer] = ()
    tasks: Sequence[Callable[[], Coroutine[None, None, None]]] = field(default_factory=tuple)
    opened: Tally = field(default_factory=Tally)


async def serve(
    settings: ServiceSettings,
    policy: Policy,
    *,
    database_url: str,
    verifier: IdentityVerifier,
    build: Callable[[Parts], Awaitable[Wiring]],
    drain: float = 0.0,
    grace: float = 10.0,
    pool_size: int = 8,
) -> None:
    """Serve until SIGTERM or SIGINT. Starts without broker or database and becomes ready when they answer."""
    service = policy.service
    telemetry.start(service, settings)
    log.info("starting", extra={"settings": describe(settings)})
    pool = db.open_pool(database_url, service, size=pool_size)
    await pool.open(wait=False)
    broker = Broker(settings, service)
    relay = Relay(pool, broker, settings.resend_after)
    sink = epochs.DatabaseSink(pool, service, relay)
    records = Recorder(service, settings.instance, sink, recover_after=settings.recover_after)
    wiring = await build(Parts(pool, broker, relay, records))
    guard = Guard(policy, settings.tenant, verifier, records)
    server = Server(settings, guard, wiring.servicers)
    await server.start()

    background = Background()
    connection = background.start(broker.run())
    recording = background.start(records.run())
    background.start(relay.run())
    background.start(_watch(pool, server))
    background.start(_housekeeping(pool, service, relay, settings.recover_after))
    background.start(_report(pool, service, records, wiring.opened))
    for consumer in (*wiring.consumers, receipts_consumer(broker, pool, service)):
        background.start(consumer.run())
    for task in wiring.tasks:
        background.start(task())

    await background.until_signal()
    log.info("stopping")
    await server.stop(drain, grace)
    await _report_once(pool, service, records, wiring.opened)
    recording.cancel()
    await asyncio.wait([recording])
    await records.close()
    # The connection last: a consumer whose connection closes under it takes its cancellation for a loss.
    await background.cancel(spare=connection)
    await background.cancel()
    await pool.close()
    telemetry.stop()


async def _watch(pool: Pool, server: Server) -> None:
    """Ready while the database answers."""
    ready = False
    while True:
        try:
            async with db.connection(pool) as conn:
                await conn.execute("SELECT 1")
            now = True
        except DomainError:
            now = False
        if now != ready:
            if now:
                # After a restart of the database every connection is dead: better found out here than by callers.
                await pool.check()
            await server.health.ready(now)
            log.info("ready" if now else "not ready")
            ready = now
        await asyncio.sleep(2.0 if ready else 0.1)


async def _housekeeping(pool: Pool, service: str, relay: Relay, recover_after: float) -> None:
    while True:
        await asyncio.sleep(min(HOUSEKEEPING_SECONDS, recover_after / 3))
        try:
            await epochs.recover_epochs(pool, service, relay, recover_after)
            await outbox.forget_inbox(pool)
            await requests.forget(pool)
        except DomainError as error:
            log.warning("housekeeping waits", extra={"error": error.message})


async def _report(pool: Pool, service: str, records: Recorder, opened: Tally) -> None:
    while True:
        await asyncio.sleep(tally.REPORT_SECONDS)
        await _report_once(pool, service, records, opened)


async def _report_once(pool: Pool, service: str, records: Recorder, opened: Tally) -> None:
    """What the database says it has committed, and what was handed out of the store, into the log."""
    try:
        await opened.report(records, service, "opened")
        await tally.report(records, service, "committed", await epochs.committed(pool))
    except DomainError as error:
        log.warning("counts are reported later", extra={"error": error.message})
