"""The RPCs about witnesses and time-stamps over mTLS with the real guard: who may, what is recorded and what is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest_asyncio

from chassis import clock, db
from chassis.client import call, channel
from chassis.epochs import DatabaseSink
from chassis.errors import Kind
from chassis.identity import IdentityVerifier, Signer
from chassis.interceptors import Guard
from chassis.outbox import Relay
from chassis.recorder import Recorder
from chassis.server import Server
from kanketsu.audit.v1 import timestamp_service_pb2, witness_service_pb2
from kanketsu.audit.v1.timestamp_service_pb2_grpc import TimestampServiceStub, add_TimestampServiceServicer_to_server
from kanketsu.audit.v1.witness_service_pb2_grpc import WitnessServiceStub, add_WitnessServiceServicer_to_server
from kanketsu.event.v1 import envelope_pb2
from services.audit import commands as log_commands
from services.audit import domain, note
from services.audit.cosignatures import commands as cosigning
from services.audit.cosignatures.commands import Cosignature
from services.audit.note import COSIGNATURE_V1, SigningKey
from services.audit.outside import Outside
from services.audit.policy import POLICY
from services.audit.quorum import Policy
from services.audit.sequencer import advance
from services.audit.tests.making import event_leaf
from services.audit.tests.test_api import CLERK, GATEWAY, OFFICER, NoBroker, refused, settings_of
from services.audit.tests.test_processes import free_port
from services.audit.timestamps.api import TimestampApi
from services.audit.witness.api import WitnessApi
from services.audit.witness.tests.other_city import TOYONAKA

SUITA = SigningKey.from_seed("witness.suita.example", bytes(32), COSIGNATURE_V1)
IKEDA = SigningKey.from_seed("witness.ikeda.example", bytes([1]) * 32, COSIGNATURE_V1)
POLICY_FILE = f"""\
witness 吹田市 {SUITA.verifier.vkey} https://suita.example/witness
witness 池田市 {IKEDA.verifier.vkey}
quorum 吹田市
"""


@dataclass
class Running:
    """The service behind its port."""

    pool: db.Pool
    policy: Policy
    stubs: dict[str, Any]
    signer: Signer

    async def ask(self, method: str, request: Any, who: Any = GATEWAY) -> Any:
        stub = next(stub for stub in self.stubs.values() if hasattr(stub, method))
        return await call(method, getattr(stub, method), request, self.signer.identity(who, "audit"), 10)

    async def recorded(self) -> list[tuple[str, str, int]]:
        """Action, object type and outcome of what waits in the outbox, without the epoch's own records."""
        async with db.connection(self.pool) as conn:
            rows = await (await conn.execute("SELECT payload FROM outbox ORDER BY outbox_id")).fetchall()
        batches = [b for (payload,) in rows for b in envelope_pb2.AccessRecordParcel.FromString(payload).batches]
        return [
            (one.action, one.object_type, one.outcome)
            for batch in batches
            for one in batch.records
            if not one.action.startswith("epoch.")
        ]


@pytest_asyncio.fixture(loop_scope="session")
async def running(engines, pool, vault, witness) -> AsyncIterator[Running]:
    address, folder = f"127.0.0.1:{free_port()}", engines.keys.folder
    records = Recorder("audit", "audit-1", DatabaseSink(pool, "audit", Relay(pool, NoBroker(), 30)))
    recording = asyncio.create_task(records.run())
    policy = Policy.parse(POLICY_FILE.encode())
    api = WitnessApi(pool, records, vault, Outside(policy, witness, "", (), None))
    guard = Guard(POLICY, "minoh", IdentityVerifier(folder / "identity-jwks.json", "minoh", "audit"), records)
    servicers = [
        lambda server: add_WitnessServiceServicer_to_server(api, server),
        lambda server: add_TimestampServiceServicer_to_server(TimestampApi(pool), server),
    ]
    server = Server(settings_of(engines, "audit", address), guard, servicers)
    await server.start()
    async with channel(settings_of(engines, "gateway"), address) as connection:
        stubs = {"witness": WitnessServiceStub(connection), "timestamps": TimestampServiceStub(connection)}
        yield Running(pool, policy, stubs, Signer(folder / "identity-signing-key.pem"))
    await server.stop(0, 1)
    recording.cancel()
    await asyncio.wait([recording])


def submission(old: int, size: int) -> Any:
    return witness_service_pb2.AddCheckpointRequest(submission=TOYONAKA.submission(old, size))


async def test_submissions_are_answered_with_verdicts_and_leave_no_record(running, witness):
    """A stranger must not be able to fill our log with refusals."""
    answer = await running.ask("AddCheckpoint", submission(0, 5))
    assert answer.verdict == witness_service_pb2.SUBMISSION_VERDICT_COSIGNED
    note.open_note(TOYONAKA.checkpoint(5) + answer.cosignatures, [witness.key.verifier])
    answer = await running.ask("AddCheckpoint", submission(0, 9))
    assert (answer.verdict, answer.size) == (witness_service_pb2.SUBMISSION_VERDICT_STALE, 5)
    answer = await running.ask("AddCheckpoint", witness_service_pb2.AddCheckpointRequest(submission=b"x"))
    assert answer.verdict == witness_service_pb2.SUBMISSION_VERDICT_MALFORMED
    assert answer.problem
    request = witness_service_pb2.GetCosignedCheckpointRequest(origin_hash="0" * 64)
    assert (await running.ask("GetCosignedCheckpoint", request)).checkpoint == b""
    key = await running.ask("GetWitnessKey", witness_service_pb2.GetWitnessKeyRequest())
    assert key.verifier_key == witness.key.verifier.vkey
    assert await running.recorded() == []


async def test_audit_officers_see_how_witnesses_fare_and_that_is_recorded(running, keys, vault):
    await log_commands.append(running.pool, keys, [event_leaf() for _ in range(3)], clock.now())
    async with db.connection(running.pool) as conn:
        await advance(conn, keys, vault)
    request = witness_service_pb2.ListWitnessesRequest()
    answer = await running.ask("ListWitnesses", request, OFFICER)
    assert (answer.signed_size, answer.published_size, answer.access_record != "") == (3, 0, True)
    assert [(one.name, one.size, one.problem != "") for one in answer.witnesses] == [
        ("吹田市", 0, True),
        ("池田市", 0, True),
    ]
    # The leaves are of days ago, and nobody cosigned them.
    assert answer.lagging

    year = domain.fiscal_year(clock.today())
    signed = note.sign_checkpoint(keys.of(year).name, 3, bytes(32), keys.of(year))
    line = SUITA.sign(note.parse_note(signed).text, 1)
    kept = Cosignature(year, 3, signed, running.policy.witnesses["吹田市"], line, clock.now())
    assert await cosigning.keep(running.pool, running.policy, kept, clock.now())
    answer = await running.ask("ListWitnesses", request, OFFICER)
    assert (answer.published_size, answer.lagging) == (3, False)
    assert (answer.witnesses[0].size, answer.witnesses[0].problem) == (3, "")
    assert answer.witnesses[0].HasField("answered_at")

    error = await refused(running.ask("ListWitnesses", request, CLERK))
    assert error.kind is Kind.DENIED
    granted, denied = envelope_pb2.OUTCOME_GRANTED, envelope_pb2.OUTCOME_DENIED
    assert await running.recorded() == [
        ("audit.read", "witness", granted),
        ("audit.read", "witness", granted),
        ("audit.read", "witness", denied),
    ]


async def test_archived_checkpoints_by_year_and_size(running, keys, vault):
    await log_commands.append(running.pool, keys, [event_leaf() for _ in range(3)], clock.now())
    async with db.connection(running.pool) as conn:
        await advance(conn, keys, vault)
    year = domain.fiscal_year(clock.today())
    for log_year in (0, year):
        request = timestamp_service_pb2.GetArchivedCheckpointRequest(log_year=log_year, size=3)
        found = (await running.ask("GetArchivedCheckpoint", request)).checkpoint
        assert note.open_checkpoint(found, keys.of(year).verifier).size == 3
        listed = await running.ask("ListArchived", timestamp_service_pb2.ListArchivedRequest(log_year=log_year))
        assert [(one.size, one.stamped) for one in listed.archived] == [(3, False)]
    assert not (await running.ask("ListArchived", timestamp_service_pb2.ListArchivedRequest(log_year=1999))).archived
    for log_year, size in ((year - 1, 3), (0, 2), (0, -1)):
        request = timestamp_service_pb2.GetTimestampRequest(log_year=log_year, size=size)
        assert (await refused(running.ask("GetTimestamp", request))).kind is Kind.NOT_FOUND
