"""No access without a record: the one writer of a process's access records.

A process is a source (service, instance, epoch). Records are numbered 1, 2, 3 … without a
gap and committed in groups, a few milliseconds apart, so that many reads share one commit and
its fsync. `record` returns only after the commit; callers answer only after that.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis import clock, telemetry
from chassis.errors import DomainError, not_recorded
from chassis.identity import Identity
from kanketsu.event.v1 import envelope_pb2

log = logging.getLogger(__name__)

MAX_BATCH = 256
# Two commits begin at least this far apart: a lone reader waits for nobody, many share one commit and its fsync.
COMMIT_EVERY_SECONDS = 0.002
# Waiting longer than this for a commit is a refusal. Shorter than any reader waits, so that it hears why.
TIMEOUT_SECONDS = 4.0
HEARTBEAT_SECONDS = 60.0

GRANTED = envelope_pb2.OUTCOME_GRANTED
DENIED = envelope_pb2.OUTCOME_DENIED
FAILED = envelope_pb2.OUTCOME_FAILED


@dataclass(frozen=True, kw_only=True)
class Access:
    """What is to be recorded. Identifiers, digests and counts only."""

    actor: Identity
    # "document.viewed", …
    action: str
    object_type: str
    object_id: str = ""
    version_digest: str = ""
    outcome: envelope_pb2.Outcome = GRANTED
    reason: str = ""
    # Of what was asked. A list that is always whole leaves it out: it is the question without a condition.
    query_digest: str = ""
    result_count: int = 0
    result_digest: str = ""
    detail: Mapping[str, str] = field(default_factory=dict)


class EpochEnded(Exception):
    """Somebody closed this epoch as crashed; the process goes on in a new one."""


class Sink(Protocol):
    """Where a batch becomes durable."""

    async def write(self, batch: envelope_pb2.AccessRecordBatch) -> str:
        """Make the batch durable and return the chain value now in force; raises DomainError if it may not be.

        Idempotent: the same numbers written twice count once. EpochEnded when the epoch was recovered.
        """


def actor_of(identity: Identity) -> envelope_pb2.Actor:
    """The actor as events and records name it."""
    return envelope_pb2.Actor(
        staff_id=identity.staff_id,
        post_id=identity.acting_post,
        unit_id=identity.acting_unit,
        terminal=identity.terminal,
        session_id=identity.session_id,
    )


def timestamp(moment: dt.datetime) -> Timestamp:
    """A protobuf time from an aware one, exact to the microsecond. `FromDatetime` would say the same at twice the cost."""
    return Timestamp(seconds=math.floor(moment.timestamp()), nanos=moment.microsecond * 1000)


def digest_of(*parts: str) -> str:
    """hex sha256 of the parts joined by newline: for queries and result lists."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def listing(actor: Identity, action: str, object_type: str, request: Message, ids: Sequence[str]) -> Access:
    """A list that is about to be shown: what was asked, how many there are, and a digest of which."""
    return Access(
        actor=actor,
        action=action,
        object_type=object_type,
        query_digest=digest_of(request.SerializeToString(deterministic=True).hex()),
        result_count=len(ids),
        result_digest=digest_of(*ids),
    )


def chain_after(chain: str, record: envelope_pb2.AccessRecord) -> str:
    """SHA-256 (previous chain || record bytes), hex."""
    return hashlib.sha256(bytes.fromhex(chain) + record.SerializeToString(deterministic=True)).hexdigest()


class Recorder:
    """One per process. Owns the sequence numbers of this process's epoch."""

    def __init__(
        self,
        service: str,
        instance: str,
        sink: Sink,
        *,
        timeout: float = TIMEOUT_SECONDS,
        recover_after: float = 3 * HEARTBEAT_SECONDS,
    ) -> None:
        self.source = f"{service}.{instance}"
        self.epoch = clock.new_id()
        self._service = service
        self._instance = instance
        self._sink = sink
        self._timeout = timeout
        # Three chances to be heard before others take the silence for a crash.
        self._heartbeat = min(HEARTBEAT_SECONDS, recover_after / 3)
        self._seq = 0
        self._chain = ""
        self._queue: asyncio.Queue[tuple[envelope_pb2.AccessRecord, asyncio.Future[str]]] = asyncio.Queue(4096)
        # A batch whose fate is unknown: it is settled before any other is written, so that no
        # number is used twice for different records.
        self._unsettled: envelope_pb2.AccessRecordBatch | None = None

    async def record(self, access: Access) -> str:
        """Durably record, then return "<source>/<epoch>/<seq>". UNAVAILABLE NOT_RECORDED otherwise."""
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((self._message(access), future))
            async with asyncio.timeout(self._timeout):
                return await future
        except (asyncio.QueueFull, TimeoutError):
            raise not_recorded() from None

    async def run(self) -> None:
        """Until cancelled: open the epoch, commit batches, beat whether there was something to commit or not."""
        opened, began, next_beat = False, 0.0, 0.0
        while True:
            await asyncio.sleep(max(0.0, began + COMMIT_EVERY_SECONDS - time.monotonic()))
            batch: list[tuple[envelope_pb2.AccessRecord, asyncio.Future[str]]] = []
            own = "epoch.heartbeat" if opened else "epoch.open"
            if opened and (pause := next_beat - time.monotonic()) > 0:
                try:
                    async with asyncio.timeout(pause):
                        batch.append(await self._queue.get())
                    own = ""
                except TimeoutError:
                    pass
            began = time.monotonic()
            if own:
                # First in its batch: the chain value that it states is the one before the batch.
                batch.append((self._own(own), asyncio.get_running_loop().create_future()))
                next_beat = began + self._heartbeat
            while len(batch) < MAX_BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            # Who gave up waiting got a refusal: nothing was served, so nothing is recorded.
            batch = [(record, future) for record, future in batch if not future.cancelled()]
            try:
                await self._settle()
                await self._commit(batch)
                opened = True
            except EpochEnded:
                log.warning("epoch was recovered by another process; opening a new one", extra={"epoch": self.epoch})
                _refuse(batch)
                self.epoch, self._seq, self._chain, self._unsettled, opened = clock.new_id(), 0, "", None, False
            except (DomainError, OSError, asyncio.TimeoutError) as error:
                log.warning("access records not written", extra={"error": str(error), "records": len(batch)})
                _refuse(batch)
                if not opened:
                    await asyncio.sleep(0.5)

    async def close(self) -> None:
        """Close the epoch: the last record says how many there were. Call after `run` was cancelled."""
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        try:
            await self._settle()
            await self._commit([(self._own("epoch.close"), future)])
        except (EpochEnded, DomainError, OSError, asyncio.TimeoutError) as error:
            log.warning("epoch left open; it will be recovered", extra={"error": str(error)})

    async def _settle(self) -> None:
        if self._unsettled is None:
            return
        # Its requests were refused, so whatever happens nothing was served for them.
        for record in self._unsettled.records:
            if not record.action.startswith("epoch."):
                record.outcome = FAILED
                record.reason = "NOT_RECORDED"
        await self._write(self._unsettled)

    async def _commit(self, batch: list[tuple[envelope_pb2.AccessRecord, asyncio.Future[str]]]) -> None:
        if not batch:
            return
        message = envelope_pb2.AccessRecordBatch(
            batch_id=clock.new_id(), service=self._service, instance=self._instance, epoch=self.epoch
        )
        for number, (record, _) in enumerate(batch, start=self._seq + 1):
            record.seq = number
            if record.action.startswith("epoch."):
                record.detail.update({"last_seq": str(number - 1), "chain": self._chain})
            message.records.append(record)
        await self._write(message)
        for record, future in batch:
            if not future.done():
                future.set_result(f"{self.source}/{self.epoch}/{record.seq}")

    async def _write(self, message: envelope_pb2.AccessRecordBatch) -> None:
        chain = self._chain
        for record in message.records:
            chain = chain_after(chain, record)
        message.chain = chain
        self._unsettled = message
        self._chain = await self._sink.write(message)
        self._seq = message.records[-1].seq
        self._unsettled = None

    def _message(self, access: Access) -> envelope_pb2.AccessRecord:
        return envelope_pb2.AccessRecord(
            event_id=clock.new_id(),
            occurred_at=timestamp(clock.now()),
            actor=actor_of(access.actor),
            action=access.action,
            object_type=access.object_type,
            object_id=access.object_id,
            version_digest=access.version_digest,
            outcome=access.outcome,
            reason=access.reason,
            query_digest=access.query_digest or (digest_of() if access.result_digest else ""),
            result_count=access.result_count,
            result_digest=access.result_digest,
            trace_id=telemetry.current_trace_id(),
            detail=access.detail,
        )

    def _own(self, action: str) -> envelope_pb2.AccessRecord:
        return self._message(
            Access(
                actor=Identity(staff_id=f"service:{self._service}", tenant=""),
                action=action,
                object_type="epoch",
                object_id=self.epoch,
            )
        )


def _refuse(batch: list[tuple[envelope_pb2.AccessRecord, asyncio.Future[str]]]) -> None:
    telemetry.count("records.refused", len(batch))
    for _, future in batch:
        if not future.done():
            future.set_exception(not_recorded())
            # Read it once: nobody waits for the recorder's own records.
            future.exception()
