"""The review service on the real PostgreSQL and object store, behind its port with mTLS and the guard."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest_asyncio

from chassis import clock, db
from chassis.client import call, channel
from chassis.db import Pool
from chassis.epochs import DatabaseSink
from chassis.identity import Identity, IdentityVerifier, Signer
from chassis.interceptors import Guard
from chassis.outbox import Relay
from chassis.recorder import Recorder
from chassis.server import Server
from kanketsu.audit.v1 import review_service_pb2 as pb
from kanketsu.audit.v1.review_service_pb2_grpc import ReviewServiceStub, add_ReviewServiceServicer_to_server
from kanketsu.event.v1 import envelope_pb2
from services.audit import commands as log_commands
from services.audit.entry import Leaf, decode
from services.audit.policy import AUDIT_OFFICER, POLICY
from services.audit.review.api import Api
from services.audit.sequencer import advance
from services.audit.tests.conftest import buckets, keys, place, pool, superuser, vault
from services.audit.tests.test_api import NoBroker, settings_of
from services.audit.vault import Vault

__all__ = ["buckets", "keys", "place", "pool", "superuser", "vault"]

OFFICER = Identity(
    staff_id="S0225",
    tenant="minoh",
    roles=frozenset({AUDIT_OFFICER}),
    posts={"P-140-03-01": "U-140-03"},
    acting_post="P-140-03-01",
    terminal="10.140.3.1",
)
HEAD = Identity(staff_id="S0300", tenant="minoh", posts={"P-040-03-01": "U-040-03"})
OTHER_HEAD = Identity(staff_id="S0400", tenant="minoh", posts={"P-020-03-01": "U-020-03"})


@dataclass
class Reviews:
    """The service, a gateway in front of it, and the log below it."""

    pool: Pool
    keys: log_commands.LogKeys
    vault: Vault
    stub: ReviewServiceStub
    identities: Signer

    async def ask(self, method: str, request: Any, who: Identity = OFFICER) -> Any:
        return await call(method, getattr(self.stub, method), request, self.identities.identity(who, "audit"), 20)

    async def log(self, *leaves: Leaf) -> None:
        """Into the log by the real path, and under a checkpoint. The year's log follows the leaves' time."""
        now = max((one.time for one in leaves), default=clock.now())
        await log_commands.append(self.pool, self.keys, leaves, now)
        await self.sign()

    async def sign(self) -> None:
        """A checkpoint over everything there is."""
        async with db.connection(self.pool) as conn:
            await advance(conn, self.keys, self.vault)

    async def open(self, month: str, who: Identity = OFFICER) -> pb.Review:
        answer = await self.ask("OpenReview", pb.OpenReviewRequest(request_id=clock.new_id(), month=month), who)
        return answer.review

    async def leaves(self, action: str) -> list[Leaf]:
        """What the log has with this action."""
        async with db.connection(self.pool) as conn:
            cursor = await conn.execute("SELECT leaf FROM entries WHERE action = %s ORDER BY leaf_index", (action,))
            return [decode(leaf) for (leaf,) in await cursor.fetchall()]

    async def recorded(self) -> list[envelope_pb2.AccessRecord]:
        """Access records of this service that wait in the outbox."""
        async with db.connection(self.pool) as conn:
            rows = await (await conn.execute("SELECT payload FROM outbox ORDER BY outbox_id")).fetchall()
        batches = [b for (payload,) in rows for b in envelope_pb2.AccessRecordParcel.FromString(payload).batches]
        return [one for batch in batches for one in batch.records if not one.action.startswith("epoch.")]


@pytest_asyncio.fixture(loop_scope="session")
async def reviews(engines, pool, keys, vault) -> AsyncIterator[Reviews]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    folder = engines.keys.folder
    records = Recorder("audit", "audit-1", DatabaseSink(pool, "audit", Relay(pool, NoBroker(), 30)))
    recording = asyncio.create_task(records.run())
    api = Api(pool, keys, records, lambda: None)
    guard = Guard(POLICY, "minoh", IdentityVerifier(folder / "identity-jwks.json", "minoh", "audit"), records)
    server = Server(
        settings_of(engines, "audit", address), guard, [lambda s: add_ReviewServiceServicer_to_server(api, s)]
    )
    await server.start()
    async with channel(settings_of(engines, "gateway"), address) as connection:
        identities = Signer(folder / "identity-signing-key.pem")
        yield Reviews(pool, keys, vault, ReviewServiceStub(connection), identities)
    await server.stop(0, 1)
    recording.cancel()
    await asyncio.wait([recording])
