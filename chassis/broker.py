"""The connection to NATS JetStream: streams, publishing, receipts.

The broker is transport only and may lose anything: the outbox is the truth. One that comes
back empty is given its streams again and the outboxes refill it.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext, api

from chassis.settings import ServiceSettings
from kanketsu.event.v1 import envelope_pb2

log = logging.getLogger(__name__)

EVENTS = api.StreamConfig(
    name="EVENTS",
    subjects=["kanketsu.documents.>", "kanketsu.approvals.>"],
    max_age=7 * 86400,
    duplicate_window=120,
    storage=api.StorageType.FILE,
)
ACCESS = api.StreamConfig(
    name="ACCESS",
    subjects=["kanketsu.access.>"],
    retention=api.RetentionPolicy.WORK_QUEUE,
    duplicate_window=120,
    storage=api.StorageType.FILE,
)
RECEIPTS = api.StreamConfig(
    name="RECEIPTS",
    subjects=["kanketsu.receipt.>"],
    retention=api.RetentionPolicy.WORK_QUEUE,
    max_age=86400,
    storage=api.StorageType.FILE,
)
DEADLETTER = api.StreamConfig(
    name="DEADLETTER", subjects=["kanketsu.deadletter.>"], max_age=90 * 86400, storage=api.StorageType.FILE
)
STREAMS = (EVENTS, ACCESS, RECEIPTS, DEADLETTER)


async def connect(settings: ServiceSettings, service: str) -> Client:
    """A connection that never gives up reconnecting; replies go to an inbox prefix of its own."""
    # A service starts and serves without a broker; its outbox waits. So this may take for ever.
    context = ssl.create_default_context(cafile=str(settings.tls_ca_file))
    context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file)

    async def on_error(error: Exception) -> None:
        log.warning("broker", extra={"error": repr(error)})

    return await nats.connect(
        servers=settings.nats_url.split(","),
        name=f"{service}.{settings.instance}",
        tls=context,
        nkeys_seed_str=str(settings.nats_nkey_seed),
        inbox_prefix=f"_INBOX_{service}".encode(),
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.25,
        allow_reconnect=True,
        connect_timeout=5,
        ping_interval=5,
        max_outstanding_pings=2,
        pending_size=0,
        error_cb=on_error,
    )


async def ensure_streams(js: JetStreamContext, streams: Sequence[api.StreamConfig] = STREAMS) -> None:
    """Create the streams that are missing (first start, or the broker's data is gone)."""
    for config in streams:
        try:
            await js.stream_info(str(config.name))
        except nats.js.errors.NotFoundError:
            try:
                await js.add_stream(config)
                log.info("stream created", extra={"stream": config.name})
            except nats.js.errors.BadRequestError:
                # Another process was first.
                await js.stream_info(str(config.name))


class Broker:
    """The connection, made in the background. Publishes; recreates a missing stream and tries once more."""

    def __init__(self, settings: ServiceSettings, service: str) -> None:
        self._settings = settings
        self._service = service
        self._client: Client | None = None
        self._connected = asyncio.Event()

    async def run(self) -> None:
        """Connect, and stay connected until cancelled."""
        self._client = await connect(self._settings, self._service)
        self._connected.set()
        try:
            await asyncio.Event().wait()
        finally:
            await self._client.close()

    async def ready(self) -> None:
        """Wait for the first connection."""
        await self._connected.wait()

    @property
    def is_connected(self) -> bool:
        """Whether the broker answers now."""
        return self._client is not None and self._client.is_connected

    @property
    def client(self) -> Client:
        """The connection; ConnectionError before the first one."""
        if self._client is None:
            raise ConnectionError("no broker yet")
        return self._client

    @property
    def js(self) -> JetStreamContext:
        """JetStream on that connection."""
        return self.client.jetstream(timeout=5)

    async def publish(self, subject: str, payload: bytes, message_id: str, trace_parent: str) -> None:
        """Returns when the broker has it."""
        headers = {"Nats-Msg-Id": message_id}
        if trace_parent:
            headers["traceparent"] = trace_parent
        try:
            await self.js.publish(subject, payload, headers=headers)
        except nats.js.errors.NoStreamResponseError:
            await ensure_streams(self.js)
            await self.js.publish(subject, payload, headers=headers)

    async def receipt(self, consumer: str, producer: str, event_ids: Sequence[str]) -> None:
        """Tell `producer` that `consumer` has these events. If it gets lost, the resend brings another."""
        message = envelope_pb2.Receipt(consumer=consumer, event_ids=event_ids)
        await self.js.publish(f"kanketsu.receipt.{producer}", message.SerializeToString())
