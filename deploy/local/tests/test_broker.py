"""NATS: each service reaches its own subjects, and nobody else's."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator

import nats
import nats.errors
import nats.js.errors
import nkeys
import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.js import api

from deploy.local.stack import Stack


class Connected:
    """A connection of one user, and what the server complained about."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.client: Client | None = None

    async def hear(self, error: Exception) -> None:
        """The error callback."""
        self.complaints.append(str(error))

    async def refuses_to_subscribe(self, subject: str) -> bool:
        """Whether the server refuses."""
        assert self.client is not None
        await self.client.subscribe(subject)
        return await self._complains(f'permissions violation for subscription to "{subject}"'.lower())

    async def refuses_to_publish(self, subject: str) -> bool:
        """Whether the server refuses."""
        assert self.client is not None
        await self.client.publish(subject, b"{}")
        return await self._complains(f'permissions violation for publish to "{subject}"'.lower())

    async def _complains(self, text: str) -> bool:
        """The complaint comes before the answer to a flush, but is handed to us by a task of its own."""
        assert self.client is not None
        await self.client.flush()
        deadline = asyncio.get_running_loop().time() + 1
        while not any(text in complaint.lower() for complaint in self.complaints):
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(0.01)
        return True


async def _connect(engines: Stack, user: str) -> Connected:
    connected = Connected()
    connected.client = await nats.connect(
        **engines.nats_options(user), error_cb=connected.hear, max_reconnect_attempts=0
    )
    return connected


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def users(engines: Stack) -> AsyncIterator[dict[str, Connected]]:
    """Every user, connected; the streams exist."""
    found = {user: await _connect(engines, user) for user in ("documents", "approvals", "audit", "gateway", "admin")}
    assert found["admin"].client is not None
    js = found["admin"].client.jetstream()
    await js.add_stream(name="EVENTS", subjects=["kanketsu.documents.>", "kanketsu.approvals.>"])
    await js.add_stream(name="ACCESS", subjects=["kanketsu.access.>"])
    await js.create_key_value(bucket="sessions")
    yield found
    for connected in found.values():
        assert connected.client is not None
        await connected.client.close()


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("documents", "$KV.sessions.>"),
        ("documents", "_INBOX_gateway.>"),
        ("documents", "_INBOX.>"),
        ("documents", "kanketsu.access.>"),
        ("documents", "kanketsu.approvals.>"),
        ("documents", ">"),
        ("approvals", "$KV.sessions.>"),
        ("approvals", "kanketsu.documents.>"),
        ("approvals", "_INBOX_documents.>"),
        ("audit", "$KV.sessions.>"),
        ("audit", "_INBOX_gateway.>"),
        ("gateway", "kanketsu.documents.>"),
        ("gateway", "kanketsu.access.>"),
        ("gateway", "kanketsu.approvals.case.>"),
        ("gateway", "$JS.EVENT.ADVISORY.>"),
    ],
)
async def test_nobody_listens_to_others(users: dict[str, Connected], user: str, subject: str) -> None:
    assert await users[user].refuses_to_subscribe(subject)


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("documents", "kanketsu.approvals.case.CaseDecided"),
        ("documents", "kanketsu.access.approvals"),
        ("documents", "kanketsu.receipt.documents"),
        ("documents", "kanketsu.deadletter.audit-events"),
        ("documents", "$KV.sessions.他人"),
        ("documents", "$JS.API.STREAM.DELETE.EVENTS"),
        ("documents", "$JS.API.STREAM.PURGE.EVENTS"),
        ("documents", "$JS.API.STREAM.UPDATE.EVENTS"),
        ("documents", "$JS.API.STREAM.MSG.DELETE.EVENTS"),
        ("documents", "$JS.API.STREAM.MSG.GET.KV_sessions"),
        ("documents", "$JS.API.DIRECT.GET.KV_sessions.$KV.sessions.x"),
        ("documents", "$JS.API.CONSUMER.CREATE.KV_sessions.x"),
        ("documents", "$JS.API.CONSUMER.DURABLE.CREATE.ACCESS.documents"),
        ("documents", "$JS.API.CONSUMER.MSG.NEXT.EVENTS.audit-events"),
        ("documents", "$JS.API.CONSUMER.DELETE.EVENTS.audit-events"),
        ("documents", "$JS.ACK.EVENTS.audit-events.1.1.1.1.0"),
        ("approvals", "kanketsu.documents.document.DocumentCompleted"),
        ("approvals", "kanketsu.access.documents"),
        ("audit", "kanketsu.documents.document.DocumentCompleted"),
        ("audit", "kanketsu.approvals.case.CaseDecided"),
        ("audit", "$JS.API.STREAM.DELETE.ACCESS"),
        ("gateway", "kanketsu.documents.document.DocumentCompleted"),
        ("gateway", "kanketsu.access.gateway"),
        ("gateway", "kanketsu.receipt.documents"),
        ("gateway", "$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.gateway"),
        ("gateway", "$JS.API.STREAM.DELETE.KV_sessions"),
    ],
)
async def test_nobody_speaks_for_others(users: dict[str, Connected], user: str, subject: str) -> None:
    assert await users[user].refuses_to_publish(subject)


async def test_refusals_are_about_the_subject_and_not_about_everything(users: dict[str, Connected]) -> None:
    assert not await users["documents"].refuses_to_publish("kanketsu.documents.document.DocumentSubmitted")
    assert not await users["documents"].refuses_to_subscribe("_INBOX_documents.>")


async def test_services_consume_what_others_publish(users: dict[str, Connected]) -> None:
    producer, consumer = users["approvals"].client, users["documents"].client
    assert producer is not None
    assert consumer is not None
    js = consumer.jetstream()
    config = api.ConsumerConfig(
        durable_name="documents", filter_subjects=["kanketsu.approvals.>"], ack_policy="explicit"
    )
    await js.add_consumer("EVENTS", config)
    subscription = await js.pull_subscribe_bind(durable="documents", stream="EVENTS")
    await producer.jetstream().publish("kanketsu.approvals.case.CaseDecided", "決裁".encode())
    [message] = await subscription.fetch(1, timeout=5)
    await message.ack_sync()
    assert message.data.decode() == "決裁"


async def test_the_gateway_keeps_sessions(users: dict[str, Connected]) -> None:
    client = users["gateway"].client
    assert client is not None
    sessions = await client.jetstream().key_value("sessions")
    await sessions.put("abc", "森".encode())
    entry = await sessions.get("abc")
    assert entry.value is not None
    assert entry.value.decode() == "森"
    await sessions.delete("abc")
    with pytest.raises(nats.js.errors.KeyNotFoundError):
        await sessions.get("abc")


async def test_a_client_needs_a_certificate_and_a_key(engines: Stack) -> None:
    options = engines.nats_options("documents")
    without_certificate = ssl.create_default_context(cafile=str(engines.authority.ca_file))
    refusals = [
        {**options, "tls": without_certificate},
        {name: value for name, value in options.items() if name != "nkeys_seed_str"},
        {**options, "nkeys_seed_str": _strangers_seed()},
    ]
    for refused in refusals:
        with pytest.raises((nats.errors.Error, OSError)):
            await nats.connect(**refused, allow_reconnect=False, connect_timeout=3, max_reconnect_attempts=0)


def _strangers_seed() -> str:
    return bytes(nkeys.encode_seed(bytes(range(32)), nkeys.PREFIX_BYTE_USER)).decode()


async def test_what_was_acknowledged_survives_a_kill(engines: Stack, users: dict[str, Connected]) -> None:
    admin = users["admin"].client
    assert admin is not None
    acknowledged = await admin.jetstream().publish("kanketsu.documents.document.DocumentSubmitted", "起案".encode())
    engines.kill("nats")
    engines.start_one("nats")
    again = await nats.connect(**engines.nats_options())
    message = await again.jetstream().get_msg("EVENTS", acknowledged.seq)
    await again.close()
    assert message.data is not None
    assert message.data.decode() == "起案"
