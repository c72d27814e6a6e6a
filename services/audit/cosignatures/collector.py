"""Collects cosignatures for our checkpoints. Runs in every replica, works in one, and is never waited for.

Rounds: all witnesses that are free are asked for the same checkpoint at the same time, so that their cosignatures meet
at one size. At most one request per witness is under way, and at most one begins per second. A round waits until enough
witnesses are free to meet the policy, or HOLD_SECONDS; a witness that fails is left alone for longer each time.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from dataclasses import dataclass, field

from chassis import clock, db, telemetry
from chassis.db import Connection, Pool
from chassis.errors import DomainError
from services.audit import tlog, tree_store
from services.audit.cosignatures import commands, store
from services.audit.cosignatures.client import Disputed, Line, Stale, Unanswered, ask
from services.audit.cosignatures.commands import Cosignature
from services.audit.outgoing import Outgoing
from services.audit.quorum import Policy, Witness
from services.audit.tlog import TreeError
from services.audit.tree_store import Log
from services.audit.witness.protocol import Submission

log = logging.getLogger(__name__)

# Key of the advisory lock of the one replica that asks.
LOCK = 0x5749544E
ROUND_SECONDS = 1.0
HOLD_SECONDS = 5.0
RETRY_SECONDS = 2.0
MAX_RETRY_SECONDS = 60.0


@dataclass(slots=True)
class _State:
    """What the collector knows of one witness. Sizes by fiscal year."""

    witness: Witness
    sizes: dict[int, int] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    failures: int = 0
    # Monotonic; not asked before.
    free_at: float = 0.0

    def is_free(self, now: float) -> bool:
        return self.task is None and now >= self.free_at


class Collector:
    """Owns the requests to witnesses of this process."""

    def __init__(self, pool: Pool, policy: Policy, http: Outgoing) -> None:
        self._pool = pool
        self._policy = policy
        self._http = http
        self._states = {one.name: _State(one) for one in policy.witnesses.values() if one.url}
        self._round_at = 0.0
        self._rounds = 0
        self._lagging = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with db.connection(self._pool) as conn:
                    if await store.try_lead(conn, LOCK):
                        try:
                            await self._lead(conn)
                        finally:
                            # The lock lives as long as the connection: it must not go back to the pool.
                            await conn.close()
            except DomainError as error:
                log.warning("cosignatures wait", extra={"error": error.message})
            await asyncio.sleep(ROUND_SECONDS)

    async def _lead(self, conn: Connection) -> None:
        for state in self._states.values():
            state.sizes.clear()
        try:
            while True:
                await self.step(conn)
                await asyncio.sleep(ROUND_SECONDS / 4)
        finally:
            running = [state.task for state in self._states.values() if state.task is not None]
            for task in running:
                task.cancel()
            if running:
                await asyncio.wait(running)

    async def step(self, conn: Connection) -> None:
        """Begin a round if it is time for one and there is something to cosign; watch how far behind we are."""
        years = await store.unpublished_years(conn)
        await self._watch(conn, years)
        now = time.monotonic()
        for state in self._states.values():
            if state.task is not None and state.task.done():
                # What it could expect it has handled: anything else ends this process.
                state.task.result()
                state.task = None
        free = [state for state in self._states.values() if state.is_free(now)]
        enough = self._policy.is_met({state.witness.name for state in free}) or now >= self._round_at + HOLD_SECONDS
        if not years or not free or not enough or now < self._round_at + ROUND_SECONDS:
            return
        year = years[self._rounds % len(years)]
        current = await tree_store.log_of(conn, year)
        if current is None:
            return
        self._round_at, self._rounds = now, self._rounds + 1
        known = await store.cosigned_sizes(conn, year)
        for state in free:
            state.sizes[year] = max(state.sizes.get(year, 0), known.get(state.witness.key.vkey, 0))
            state.free_at = now + ROUND_SECONDS
            state.task = asyncio.create_task(self._ask(state, current))

    async def _ask(self, state: _State, current: Log) -> None:
        """One witness, one checkpoint. A size that is news to us is tried once more at once (the protocol wants that)."""
        witness, problem = state.witness, ""
        try:
            line = await self._submit(state, current)
        except TreeError as error:
            # A tile is not what the log signed: no witness can be shown that it continues, and all else goes on.
            problem = f"our log is damaged: {error}"
            log.error("the log is damaged", extra={"witness": witness.name, "problem": problem})
            telemetry.count("log.damaged")
        except Unanswered as error:
            problem = str(error)
            if isinstance(error, Disputed):
                # One of us has another history. If it is our database, the head in the object store says so as well.
                log.error("a witness disputes our log", extra={"witness": witness.name, "problem": problem})
                telemetry.count("witness.disputes", witness=witness.name)
        try:
            if problem:
                state.free_at = time.monotonic() + min(RETRY_SECONDS * 2 ** min(state.failures, 8), MAX_RETRY_SECONDS)
                state.failures += 1
                telemetry.count("witness.failures", witness=witness.name)
                size = state.sizes.get(current.log_year, 0)
                await commands.keep_problem(self._pool, witness, current.log_year, size, problem)
                log.warning("no cosignature", extra={"witness": witness.name, "problem": problem})
            else:
                state.failures = 0
                state.sizes[current.log_year] = current.checkpoint_size
                at = dt.datetime.fromtimestamp(line.timestamp, clock.JST)
                kept = Cosignature(
                    current.log_year, current.checkpoint_size, current.checkpoint, witness, line.line, at
                )
                if await commands.keep(self._pool, self._policy, kept, clock.now()):
                    telemetry.count("checkpoints.published")
        except DomainError as error:
            log.warning("a cosignature was not kept", extra={"witness": witness.name, "error": error.message})

    async def _submit(self, state: _State, current: Log) -> Line:
        year, size = current.log_year, current.checkpoint_size
        for last_try in (False, True):
            old = state.sizes.get(year, 0)
            if old > size:
                raise Disputed(f"has cosigned {old} leaves of our log, we signed {size}")
            submission = Submission(old, await self._proof(current, old), current.checkpoint)
            try:
                return await ask(self._http, state.witness, submission, int(time.time()))
            except Stale as stale:
                state.sizes[year] = stale.size
                if last_try or stale.size == old:
                    raise
        raise AssertionError("two tries")

    async def _proof(self, current: Log, old: int) -> tuple[bytes, ...]:
        ranges = tlog.consistency_ranges(old, current.checkpoint_size)
        async with db.connection(self._pool) as conn:
            # `current` may have leaves beyond its checkpoint; tiles of any later size do as well.
            tiles = await tree_store.read_tiles(conn, current, tlog.tiles_for(ranges, current.checkpoint_size))
        return tuple(tlog.prove(ranges, tiles))

    async def _watch(self, conn: Connection, years: list[int]) -> None:
        lagging = self._policy.demands and await commands.is_lagging(conn, years, clock.now())
        if lagging:
            telemetry.count("witness.lagging")
        if lagging and not self._lagging:
            log.error("what is published is far behind what is signed", extra={"seconds": commands.LAG.total_seconds()})
        elif self._lagging and not lagging:
            log.info("what is published has caught up")
        self._lagging = lagging
