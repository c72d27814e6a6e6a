"""Consuming events: pull consumers that acknowledge after their commit and then send a receipt; dead letters."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import nats.errors
import nats.js.errors
import psycopg
from google.protobuf.message import DecodeError
from nats.aio.msg import Msg
from nats.js import JetStreamContext, api
from opentelemetry.trace import SpanKind

from chassis import outbox, telemetry
from chassis.broker import Broker, ensure_streams
from chassis.db import Pool
from chassis.errors import DomainError, Kind
from kanketsu.event.v1 import envelope_pb2

log = logging.getLogger(__name__)

# A message that failed this often for a reason of its own goes to the dead-letter stream.
MAX_FAILURES = 8
ACK_WAIT_SECONDS = 30
# What a handler gave back comes again after this long.
HOLD_SECONDS = 0.2
# An ordered consumer that cannot work waits this long before it looks again.
RETRY_SECONDS = 0.5
# How long the first message of a batch waits for more.
GATHER_SECONDS = 0.05
_LOST = (nats.errors.Error, OSError, asyncio.TimeoutError)


@dataclass(frozen=True)
class Delivery:
    """One event for a handler, or one message of access records."""

    subject: str
    data: bytes
    # The outbox rows it carries: its own, or those of several batches of access records.
    event_ids: tuple[str, ...]
    producer: str
    trace_parent: str
    # 1 on the first delivery.
    attempt: int

    @property
    def event_id(self) -> str:
        """The first, for logs."""
        return self.event_ids[0]


# Gives back what it did not take yet: that is delivered again soon.
Handler = Callable[[Sequence[Delivery]], Awaitable[Sequence[Delivery] | None]]


class Consumer:
    """A durable pull consumer shared by the replicas of a service.

    `handle` gets up to `batch` deliveries and returns after its commit; then they are
    acknowledged and receipted, but for those it gives back. Crash before the acknowledgement: delivered again, and the
    handler's inbox makes it a no-op that is receipted again.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        stream: str,
        durable: str,
        subjects: Sequence[str],
        handle: Handler,
        batch: int = 1,
        receipt_as: str = "",
        max_failures: int = MAX_FAILURES,
        ack_wait: float = ACK_WAIT_SECONDS,
        turn: asyncio.Event | None = None,
    ) -> None:
        self._broker = broker
        self._stream = stream
        self._durable = durable
        self._subjects = list(subjects)
        self._handle = handle
        self._batch = batch
        # Name in receipts; "" for streams whose messages are not outbox rows.
        self._receipt_as = receipt_as
        self._max_failures = max_failures
        # Seconds after which a message that somebody took and did not settle comes to somebody else.
        self._ack_wait = ack_wait
        # Where order matters one replica at a time consumes: while this is set.
        self._turn = turn

    async def run(self) -> None:
        """Until cancelled."""
        await self._broker.ready()
        while True:
            try:
                if self._turn is not None:
                    await self._turn.wait()
                subscription = await self._bind()
                quiet = 0
                while quiet < 6 and (self._turn is None or self._turn.is_set()):
                    try:
                        messages = await self._fetch(subscription)
                        quiet = 0
                    except (nats.errors.TimeoutError, asyncio.TimeoutError):
                        # Subscriptions can go deaf when the server is lost: bind anew after half a minute.
                        quiet += 1
                        if not await self._exists():
                            break
                        continue
                    await self.process(messages)
                await subscription.unsubscribe()
            except _LOST as error:
                log.warning("consumer waits", extra={"consumer": self._durable, "error": repr(error)})
                await asyncio.sleep(0.5)

    async def _fetch(self, subscription: JetStreamContext.PullSubscription) -> list[Msg]:
        """Wait for one message, then take what else is there.

        Not `fetch(batch)`: after the first message it waits out its whole time for the batch to fill.
        """
        messages: list[Msg] = await subscription.fetch(1, timeout=5)
        if self._batch > 1:
            try:
                messages += await subscription.fetch(self._batch - 1, timeout=GATHER_SECONDS)
            except (nats.errors.TimeoutError, asyncio.TimeoutError):
                pass
        return messages

    async def _exists(self) -> bool:
        try:
            await self._broker.js.consumer_info(self._stream, self._durable)
        except nats.js.errors.NotFoundError:
            return False
        return True

    async def _bind(self) -> JetStreamContext.PullSubscription:
        await ensure_streams(self._broker.js)
        await self._broker.js.add_consumer(
            self._stream,
            api.ConsumerConfig(
                durable_name=self._durable,
                filter_subjects=self._subjects,
                ack_policy=api.AckPolicy.EXPLICIT,
                ack_wait=self._ack_wait,
                max_ack_pending=2000,
                deliver_policy=api.DeliverPolicy.ALL,
            ),
        )
        return await self._broker.js.pull_subscribe_bind(durable=self._durable, stream=self._stream)

    async def process(self, messages: Sequence[Msg]) -> None:
        """Handle a batch; when it fails, handle each message alone, and then each of its events, so that a bad one stops no
        other."""
        carried = [_deliveries(message) for message in messages]
        deliveries = [delivery for some in carried for delivery in some]
        try:
            held = await self._guarded(deliveries)
        except _Failed as failure:
            if failure.transient and self._turn is not None:
                # Back to the broker in their order, which gives them out again before anything newer.
                log.warning("will try again", extra={"consumer": self._durable, "error": repr(failure.cause)})
                for message in messages:
                    await message.nak()
                await asyncio.sleep(RETRY_SECONDS)
                return
            if len(deliveries) == 1 or (failure.transient and len(messages) == 1):
                await self._failed(messages[0], [(deliveries[0], failure)])
            elif len(messages) == 1:
                await self._process_apart(messages[0], deliveries)
            else:
                for message in messages:
                    await self.process([message])
            return
        taken: list[Delivery] = []
        for message, some in zip(messages, carried, strict=True):
            if any(delivery is one for delivery in some for one in held):
                await message.nak(delay=HOLD_SECONDS)
                continue
            await message.ack()
            taken += some
        await self._confirm(taken)

    async def _process_apart(self, message: Msg, deliveries: Sequence[Delivery]) -> None:
        """The events of one message, each alone; the message is settled when all are."""
        taken: list[Delivery] = []
        failed: list[tuple[Delivery, _Failed]] = []
        for delivery in deliveries:
            try:
                await self._guarded([delivery])
                taken.append(delivery)
            except _Failed as failure:
                failed.append((delivery, failure))
                if failure.transient:
                    break
        if failed:
            await self._failed(message, failed)
        else:
            await message.ack()
        await self._confirm(taken)

    async def _confirm(self, deliveries: Sequence[Delivery]) -> None:
        """Receipts for what was taken, to those who sent it."""
        receipts: dict[str, list[str]] = {}
        for delivery in deliveries:
            if self._receipt_as and delivery.producer:
                receipts.setdefault(delivery.producer, []).extend(delivery.event_ids)
        for producer, event_ids in receipts.items():
            await self._broker.receipt(self._receipt_as, producer, event_ids)

    async def _guarded(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        parent = deliveries[0].trace_parent if len(deliveries) == 1 else ""
        started = time.perf_counter()
        with telemetry.span(f"consume {self._durable}", kind=SpanKind.CONSUMER, parent=parent):
            try:
                held = await self._handle(deliveries)
            except (psycopg.OperationalError, *_LOST) as error:
                raise _Failed(error, transient=True) from error
            except DomainError as error:
                raise _Failed(error, transient=error.kind is Kind.UNAVAILABLE) from error
            except Exception as error:
                # The consumer loop is one of the three places that catch everything: a bug must not
                # stop the stream; the message goes to the dead letters and the outbox keeps its row.
                log.exception("handler failed", extra={"consumer": self._durable})
                raise _Failed(error, transient=False) from error
        telemetry.observe_request(self._durable, "ok", (time.perf_counter() - started) * 1000)
        return held or ()

    async def _failed(self, message: Msg, failed: Sequence[tuple[Delivery, _Failed]]) -> None:
        """Back to the broker; to the dead letters what failed too often for a reason of its own."""
        attempt = failed[0][0].attempt
        again = attempt < self._max_failures or any(failure.transient for _, failure in failed)
        for delivery, failure in failed:
            extra = {"consumer": self._durable, "event_id": delivery.event_id, "attempt": attempt}
            extra["error"] = repr(failure.cause)
            if again:
                log.warning("will try again", extra=extra)
                continue
            log.error("to the dead letters", extra=extra)
            telemetry.count("deadletters", consumer=self._durable)
            subject, message_id = f"kanketsu.deadletter.{self._durable}", f"{self._durable}.{delivery.event_id}"
            await self._broker.publish(subject, delivery.data, message_id, delivery.trace_parent)
        if again:
            await message.nak(delay=min(0.2 * 2**attempt, 10))
        else:
            await message.term()


class _Failed(Exception):
    def __init__(self, cause: Exception, *, transient: bool) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.transient = transient


def _deliveries(message: Msg) -> list[Delivery]:
    """What a message carries: each of its events, or the access records of all its rows as one."""
    headers = message.headers or {}
    event_ids = tuple(headers.get("Nats-Msg-Id", "").split(".")[0].split(","))
    parts = message.subject.split(".")
    is_access = parts[1] == "access"
    whole = Delivery(
        subject=message.subject,
        data=message.data,
        event_ids=event_ids,
        producer=parts[2] if is_access else parts[1],
        trace_parent=headers.get("traceparent", ""),
        attempt=message.metadata.num_delivered or 1,
    )
    if is_access or len(event_ids) == 1:
        return [whole]
    try:
        envelopes = envelope_pb2.EventParcel.FromString(message.data).envelopes
        return [
            replace(
                whole,
                data=data,
                event_ids=(event_id,),
                trace_parent=envelope_pb2.Envelope.FromString(data).trace_parent,
            )
            for event_id, data in zip(event_ids, envelopes, strict=True)
        ]
    except (DecodeError, ValueError):
        # Nothing of ours: the handler will say so.
        return [whole]


def each(handle: Callable[[envelope_pb2.Envelope], Awaitable[None]]) -> Handler:
    """A handler of single events: parses the envelope."""

    async def handle_all(deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            await handle(envelope_pb2.Envelope.FromString(delivery.data))

    return handle_all


def receipts_consumer(broker: Broker, pool: Pool, service: str) -> Consumer:
    """Receives what consumers confirm and lets the outbox rows go."""

    async def handle(deliveries: Sequence[Delivery]) -> None:
        confirmed: dict[str, list[str]] = {}
        for delivery in deliveries:
            try:
                receipt = envelope_pb2.Receipt.FromString(delivery.data)
            except DecodeError:
                log.error("unreadable receipt dropped; the resend brings another")
                continue
            confirmed.setdefault(receipt.consumer, []).extend(receipt.event_ids)
        for consumer, event_ids in confirmed.items():
            await outbox.confirm(pool, consumer, event_ids)

    return Consumer(
        broker,
        stream="RECEIPTS",
        durable=f"{service}-receipts",
        subjects=[f"kanketsu.receipt.{service}"],
        handle=handle,
        batch=100,
    )
