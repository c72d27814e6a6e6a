"""The life of a service process: build the parts, serve, stop gracefully on SIGTERM.

`serve` is what each service's __main__ calls; the service only says what it adds.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field

import grpc
import uvloop

from chassis import db, epochs, outbox, telemetry
from chassis.broker import Broker
from chassis.db import Pool
from chassis.errors import DomainError
from chassis.events import Consumer, receipts_consumer
from chassis.identity import IdentityVerifier
from chassis.interceptors import Guard, Policy
from chassis.outbox import Relay
from chassis.recorder import Recorder
from chassis.server import Server
from chassis.settings import ServiceSettings, SettingsError, describe

log = logging.getLogger(__name__)

HOUSEKEEPING_SECONDS = 60.0
# New objects between two collections. A request makes some hundred that need none; 700, the default, is every other one.
COLLECT_AFTER = 20_000
# How often a task is told to end before the process leaves without it.
CANCELLATIONS = 10


@dataclass(frozen=True)
class Parts:
    """What a service is built from."""

    pool: Pool
    broker: Broker
    relay: Relay
    recorder: Recorder


@dataclass(frozen=True)
class Wiring:
    """What a service adds: RPC servicers, event consumers, background tasks (run until cancelled)."""

    servicers: Sequence[Callable[[grpc.aio.Server], None]]
    consumers: Sequence[Consumer] = ()
    tasks: Sequence[Callable[[], Coroutine[None, None, None]]] = field(default_factory=tuple)


def run(main: Coroutine[None, None, None]) -> None:
    """Run a coroutine to its end on uvloop; a bad configuration is a short report and exit code 2."""
    # Modules live as long as the process: the collector need not walk through them while people wait.
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
    try:
        uvloop.run(main)
    except SettingsError as error:
        sys.stderr.write("configuration refused:\n" + "".join(f"  {line}\n" for line in error.problems))
        sys.exit(2)


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
    for consumer in (*wiring.consumers, receipts_consumer(broker, pool, service)):
        background.start(consumer.run())
    for task in wiring.tasks:
        background.start(task())

    await background.until_signal()
    log.info("stopping")
    await server.stop(drain, grace)
    recording.cancel()
    await asyncio.wait([recording])
    await records.close()
    # The connection last: a consumer whose connection closes under it takes its cancellation for a loss.
    await background.cancel(spare=connection)
    await background.cancel()
    await pool.close()
    telemetry.stop()


class Background:
    """Tasks that live as long as the process. One that ends by itself ends it: better restarted than half alive."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None

    def start(self, coroutine: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Start one."""
        task = asyncio.create_task(coroutine)
        task.add_done_callback(self._ended)
        self._tasks.add(task)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and not self._stop.is_set():
            self._failure = task.exception() or RuntimeError(f"{task.get_coro()} ended")
            self._stop.set()

    async def until_signal(self) -> None:
        """Wait for SIGTERM or SIGINT; raises what ended a task before."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        await self._stop.wait()
        if self._failure is not None:
            log.error("a task ended", exc_info=self._failure)
            raise SystemExit(1)

    async def cancel(self, spare: asyncio.Task[None] | None = None) -> None:
        """Cancel all (but one) and wait for them."""
        tasks = self._tasks - {spare}
        for _ in range(CANCELLATIONS):
            pending = [task for task in tasks if not task.done()]
            if not pending:
                return
            for task in pending:
                task.cancel()
            # A library may swallow a cancellation that meets a message; so it is said again.
            await asyncio.wait(pending, timeout=0.5)


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
        except DomainError as error:
            log.warning("housekeeping waits", extra={"error": error.message})
