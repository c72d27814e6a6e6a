"""The RPCs over mTLS with the real guard: who may, what is recorded, and proofs that a stranger can check."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from chassis import clock, db
from chassis.client import call, channel
from chassis.db import Pool
from chassis.epochs import DatabaseSink
from chassis.errors import DomainError, Kind
from chassis.identity import Identity, IdentityVerifier, KeyVerifier, Signer
from chassis.interceptors import Guard
from chassis.outbox import Relay
from chassis.recorder import Recorder, timestamp
from chassis.server import Server
from chassis.settings import Secret, ServiceSettings
from kanketsu.audit.v1 import audit_service_pb2 as pb
from kanketsu.audit.v1.audit_service_pb2_grpc import AuditServiceStub, add_AuditServiceServicer_to_server
from kanketsu.event.v1 import envelope_pb2
from services.audit import commands, note, tlog
from services.audit.api import Api
from services.audit.cosignatures import commands as cosignatures
from services.audit.domain import fiscal_year
from services.audit.entry import decode, encode
from services.audit.policy import AUDIT_OFFICER, POLICY, RECORDS_MANAGER
from services.audit.quorum import Policy, Witness
from services.audit.sequencer import advance
from services.audit.tests.making import NOW, batch_of, event_leaf, record, view_leaf
from services.audit.tests.test_verify import KEY
from services.audit.timestamps import store as timestamp_store
from services.audit.vault import Vault

OFFICER = Identity(
    staff_id="S0900",
    tenant="minoh",
    roles=frozenset({AUDIT_OFFICER}),
    posts={"P-900": "U-900"},
    acting_post="P-900",
    terminal="10.90.0.1",
)
CLERK = Identity(staff_id="S0123", tenant="minoh", roles=frozenset({"clerk"}))
MANAGER = Identity(staff_id="S0300", tenant="minoh", roles=frozenset({RECORDS_MANAGER}))
GATEWAY = Identity(staff_id="service:gateway", tenant="minoh")


class NoBroker:
    """The outbox is looked at where it is."""

    async def publish(self, subject: str, payload: bytes, message_id: str, trace_parent: str) -> None:
        raise ConnectionError("no broker in this test")


@dataclass
class Service:
    """The service behind its port, and a gateway in front of it."""

    pool: Pool
    keys: commands.LogKeys
    vault: Vault
    address: str
    stub: AuditServiceStub
    identities: Signer
    receipts: Signer
    appended: list[int]

    async def ask(self, method: str, request: Any, who: Identity = OFFICER) -> Any:
        return await call(method, getattr(self.stub, method), request, self.identities.identity(who, "audit"), 10)

    async def recorded(self) -> list[envelope_pb2.AccessRecord]:
        """What waits in the outbox, without the epoch's own records."""
        async with db.connection(self.pool) as conn:
            rows = await (await conn.execute("SELECT payload FROM outbox ORDER BY outbox_id")).fetchall()
        batches = [b for (payload,) in rows for b in envelope_pb2.AccessRecordParcel.FromString(payload).batches]
        return [one for batch in batches for one in batch.records if not one.action.startswith("epoch.")]

    async def log(self, *leaves: Any) -> None:
        await commands.append(self.pool, self.keys, leaves, clock.now())
        async with db.connection(self.pool) as conn:
            await advance(conn, self.keys, self.vault)

    def receipt(self, document_id: str, staff_id: str, **other: object) -> str:
        claims = {"doc": document_id, "ver": "ab" * 32, "sub": staff_id, "ten": "minoh", "rec": "documents.d/e/1"}
        return self.receipts.sign(claims | {"iat": int(clock.now().timestamp())} | other)


def settings_of(engines, service: str, listen: str = "127.0.0.1:0") -> ServiceSettings:
    certificate = engines.certificate(service)
    return ServiceSettings(
        tenant="minoh",
        instance=f"{service}-1",
        tls_cert_file=Path(certificate.cert_file),
        tls_key_file=Path(certificate.key_file),
        tls_ca_file=engines.authority.ca_file,
        nats_url=engines.nats_url,
        nats_nkey_seed=Secret("unused"),
        grpc_listen=listen,
    )


@pytest_asyncio.fixture(loop_scope="session")
async def service(engines, pool, keys, vault) -> AsyncIterator[Service]:
    async with serving(engines, pool, keys, vault) as service:
        yield service


@asynccontextmanager
async def serving(engines, pool, keys, vault, cosigning: Policy = Policy()) -> AsyncIterator[Service]:  # noqa: B008
    """The service with these demands on cosignatures."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    folder = engines.keys.folder
    appended: list[int] = []
    records = Recorder("audit", "audit-1", DatabaseSink(pool, "audit", Relay(pool, NoBroker(), 30)))
    recording = asyncio.create_task(records.run())
    api = Api(pool, keys, records, KeyVerifier(folder / "receipt-jwks.json"), lambda: appended.append(1), cosigning)
    guard = Guard(POLICY, "minoh", IdentityVerifier(folder / "identity-jwks.json", "minoh", "audit"), records)
    server = Server(
        settings_of(engines, "audit", address), guard, [lambda s: add_AuditServiceServicer_to_server(api, s)]
    )
    await server.start()
    async with channel(settings_of(engines, "gateway"), address) as connection:
        yield Service(
            pool,
            keys,
            vault,
            address,
            AuditServiceStub(connection),
            Signer(folder / "identity-signing-key.pem"),
            Signer(folder / "receipt-signing-key.pem"),
            appended,
        )
    await server.stop(0, 1)
    recording.cancel()
    await asyncio.wait([recording])


async def refused(coroutine: Any) -> DomainError:
    with pytest.raises(DomainError) as error:
        await coroutine
    return error.value


# --- who may ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("ListEntries", pb.ListEntriesRequest(document_id="D-1")),
        ("ListDocumentEntries", pb.ListDocumentEntriesRequest(document_id="D-1")),
        ("GetEntry", pb.GetEntryRequest(index=0)),
        ("FindProof", pb.FindProofRequest(document_id="D-1")),
        ("ListSources", pb.ListSourcesRequest()),
    ],
)
@pytest.mark.parametrize(
    "who", [CLERK, dataclasses.replace(CLERK, roles=frozenset({"system_admin", "records_officer"}))]
)
async def test_only_audit_officers_read_the_log_and_the_attempt_is_recorded(service, method, request_, who):
    await service.log(event_leaf())
    error = await refused(service.ask(method, request_, who))
    assert error.kind is Kind.DENIED
    assert error.reason in ("NOT_PERMITTED", "READ_RECEIPT_INVALID")
    [attempt] = await service.recorded()
    assert (attempt.action, attempt.outcome, attempt.reason) == (
        "audit.read",
        envelope_pb2.OUTCOME_DENIED,
        error.reason,
    )
    assert attempt.actor.staff_id == "S0123"


async def test_only_the_gateway_may_call(service, engines):
    request, token = pb.ListEntriesRequest(), service.identities.identity(OFFICER, "audit")
    async with channel(settings_of(engines, "documents"), service.address) as connection:
        method = AuditServiceStub(connection).ListEntries
        assert (await refused(call("ListEntries", method, request, token, 10))).reason == "CALLER_NOT_ALLOWED"


async def test_identities_of_others_count_for_nothing(service):
    for token in (
        service.identities.identity(dataclasses.replace(OFFICER, tenant="toyonaka"), "audit"),
        service.identities.identity(OFFICER, "documents"),
        service.identities.identity(OFFICER, "audit", now=clock.now().timestamp() - 120),
        service.receipts.sign({"sub": "S0900", "aud": "audit", "tenant": "minoh", "roles": [AUDIT_OFFICER]}),
    ):
        error = await refused(call("ListEntries", service.stub.ListEntries, pb.ListEntriesRequest(), token, 10))
        assert error.kind is Kind.UNAUTHENTICATED


async def test_every_reading_is_recorded_before_it_is_answered(service):
    await service.log(*(event_leaf(n, "D-1") for n in (1, 2)), event_leaf(1, "D-2"))
    answer = await service.ask("ListEntries", pb.ListEntriesRequest(document_id="D-1"))
    entry = await service.ask("GetEntry", pb.GetEntryRequest(index=2))
    sources = await service.ask("ListSources", pb.ListSourcesRequest())
    listed, single, looked = await service.recorded()
    assert [one.outcome for one in (listed, single, looked)] == [envelope_pb2.OUTCOME_GRANTED] * 3
    assert (listed.object_type, listed.result_count, dict(listed.detail)) == ("log", 2, {"document_id": "D-1"})
    assert len(listed.query_digest) == len(listed.result_digest) == 64
    assert (single.object_type, single.object_id, dict(single.detail)) == (
        "entry",
        "2",
        {"document_id": "D-2", "log_year": str(fiscal_year(clock.today()))},
    )
    assert looked.object_type == "source"
    for given, kept in ((answer, listed), (entry, single), (sources, looked)):
        assert given.access_record.startswith("audit.audit-1/")
        assert given.access_record.endswith(f"/{kept.seq}")
    assert (listed.actor.staff_id, listed.actor.unit_id, listed.actor.terminal) == ("S0900", "U-900", "10.90.0.1")


async def test_what_cannot_be_recorded_is_not_shown(service, superuser):
    await service.log(event_leaf())
    await superuser.execute("REVOKE INSERT ON outbox FROM audit_app")
    for method, request in (
        ("ListEntries", pb.ListEntriesRequest()),
        ("GetEntry", pb.GetEntryRequest(index=0)),
        ("ListSources", pb.ListSourcesRequest()),
        ("GetTile", pb.GetTileRequest(path="entries/000.p/1")),
    ):
        error = await refused(service.ask(method, request))
        assert (error.kind, error.reason) == (Kind.UNAVAILABLE, "NOT_RECORDED")


# --- looking things up ------------------------------------------------------------------------------------------


async def test_entries_are_found_by_each_filter_newest_first(service):
    epoch = clock.new_id()
    leaves = [
        view_leaf(epoch, 1, time=NOW, staff_id="S0001", unit_id="U-1", object_id="D-1"),
        view_leaf(epoch, 2, time=NOW + dt.timedelta(hours=1), staff_id="S0002", outcome="denied", object_id="D-1"),
        view_leaf(
            epoch,
            3,
            time=NOW + dt.timedelta(hours=2),
            staff_id="S0001",
            action="document.downloaded",
            object_type="attachment",
            object_id="A-1",
            detail={"document_id": "D-1"},
        ),
        view_leaf(epoch, 4, time=NOW + dt.timedelta(hours=3), staff_id="S0003", object_id="D-2"),
    ]
    await service.log(*leaves)

    async def seqs(**filters: Any) -> list[int]:
        answer = await service.ask("ListEntries", pb.ListEntriesRequest(**filters))
        return [entry.seq for entry in answer.entries]

    assert await seqs() == [4, 3, 2, 1]
    assert await seqs(actor="S0001") == [3, 1]
    assert await seqs(document_id="D-1") == [3, 2, 1]
    assert await seqs(document_id="D-1", actor="S0001") == [3, 1]
    assert await seqs(action="document.downloaded") == [3]
    assert await seqs(unit_id="U-1") == [1]
    assert await seqs(outcome="denied") == [2]
    assert await seqs(access_record=f"documents.documents-0/{epoch}/4") == [4]
    hours = {n: timestamp(NOW + dt.timedelta(hours=n)) for n in range(4)}
    assert await seqs(**{"from": hours[1], "to": hours[3]}) == [3, 2]
    assert await seqs(actor="S9999") == []


async def test_pages_follow_each_other_while_the_log_grows(service):
    epoch = clock.new_id()
    await service.log(*(view_leaf(epoch, n, time=NOW + dt.timedelta(seconds=n // 3)) for n in range(1, 51)))
    seen, cursor = [], ""
    for page in range(20):
        answer = await service.ask("ListEntries", pb.ListEntriesRequest(limit=7, cursor=cursor, document_id="D-1"))
        seen += [entry.seq for entry in answer.entries]
        await service.log(view_leaf(epoch, 51 + page, time=NOW + dt.timedelta(days=1, seconds=page)))
        cursor = answer.next_cursor
        if not cursor:
            break
    assert seen == list(range(50, 0, -1))


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (pb.ListEntriesRequest(limit=501), "INVALID_FIELDS"),
        (pb.ListEntriesRequest(limit=-1), "INVALID_FIELDS"),
        (pb.ListEntriesRequest(outcome="maybe"), "INVALID_FIELDS"),
        (pb.ListEntriesRequest(access_record="x/y/z"), "INVALID_FIELDS"),
        (pb.ListEntriesRequest(access_record=f"d/{'0' * 36}/1"), "INVALID_FIELDS"),
        (pb.ListEntriesRequest(cursor="起案"), "INVALID_CURSOR"),
        (pb.ListEntriesRequest(cursor="AAAA"), "INVALID_CURSOR"),
        (pb.ListEntriesRequest(cursor="MjAyNi0xMS0yM1QwMDowMDowMHwyMDI2fDE="), "INVALID_CURSOR"),
    ],
)
async def test_malformed_requests_are_named(service, request_, reason):
    error = await refused(service.ask("ListEntries", request_))
    assert (error.kind, error.reason) == (Kind.INVALID, reason)


async def test_an_entry_shows_what_the_leaf_says(service):
    leaf = view_leaf(
        clock.new_id(), 1, outcome="denied", reason="NOT_FOUND", trace_id="ab" * 16, detail={"range": "0-9"}
    )
    await service.log(leaf)
    entry = (await service.ask("GetEntry", pb.GetEntryRequest(index=0))).entry
    assert entry.leaf == encode(leaf)
    assert (entry.source, entry.epoch, entry.seq) == ("documents.documents-0", leaf.epoch, 1)
    assert (entry.actor.staff_id, entry.actor.unit_id) == ("S0123", "U-040-03")
    assert (entry.outcome, entry.reason, entry.trace_id) == (envelope_pb2.OUTCOME_DENIED, "NOT_FOUND", "ab" * 16)
    assert (entry.object_type, entry.object_id, dict(entry.detail)) == ("document", "D-1", {"range": "0-9"})
    assert entry.occurred_at == timestamp(NOW)


# --- proofs and the log itself ----------------------------------------------------------------------------------


def check(leaf: bytes, proof: pb.InclusionProof) -> None:
    """As a stranger who has only the verifier key."""
    checkpoint = note.open_checkpoint(proof.checkpoint.encode(), KEY.verifier)
    assert checkpoint.size == proof.tree_size
    assert tlog.verify_inclusion(
        tlog.leaf_hash(leaf), proof.index, proof.tree_size, list(proof.hashes), checkpoint.root
    )


async def test_entries_come_with_proofs_once_a_checkpoint_covers_them(service):
    await service.log(*(event_leaf(n) for n in range(1, 301)))
    for index in (0, 17, 255, 256, 299):
        answer = await service.ask("GetEntry", pb.GetEntryRequest(index=index))
        check(answer.entry.leaf, answer.proof)
    await commands.append(service.pool, service.keys, [event_leaf(301)], NOW)
    answer = await service.ask("GetEntry", pb.GetEntryRequest(index=300))
    assert not answer.HasField("proof")
    for index in (301, -1, 2**40):
        assert (await refused(service.ask("GetEntry", pb.GetEntryRequest(index=index)))).kind is Kind.NOT_FOUND


async def test_who_has_read_a_document_gets_the_proof_of_its_completion(service):
    completed = event_leaf(3, "D-7", action="document.completed", detail={"manifest_digest": "ab" * 32})
    await service.log(
        event_leaf(1, "D-7"), event_leaf(2, "D-7"), completed, view_leaf(clock.new_id(), 1, object_id="D-7")
    )
    request = pb.FindProofRequest(document_id="D-7", read_receipt=service.receipt("D-7", "S0123"))
    answer = await service.ask("FindProof", request, CLERK)
    assert decode(answer.leaf).detail == {"manifest_digest": "ab" * 32}
    check(answer.leaf, answer.proof)
    assert answer.verifier_key == KEY.verifier.vkey
    [kept] = await service.recorded()
    assert (kept.action, kept.actor.staff_id, dict(kept.detail)) == (
        "audit.read",
        "S0123",
        {"document_id": "D-7", "log_year": str(YEAR)},
    )
    error = await refused(service.ask("FindProof", pb.FindProofRequest(document_id="D-8"), OFFICER))
    assert error.kind is Kind.NOT_FOUND


async def test_a_proof_that_no_checkpoint_covers_yet_is_asked_for_again(service):
    await service.log(event_leaf(1, "D-7"))
    await commands.append(service.pool, service.keys, [event_leaf(2, "D-7", action="document.completed")], NOW)
    error = await refused(service.ask("FindProof", pb.FindProofRequest(document_id="D-7")))
    assert (error.kind, error.reason) == (Kind.UNAVAILABLE, "NOT_YET_IN_CHECKPOINT")


async def test_a_read_receipt_counts_for_its_reader_its_document_and_half_a_day(service):
    await service.log(event_leaf(1, "D-7", action="document.completed"))
    now = int(clock.now().timestamp())
    for receipt in (
        "",
        "not a token",
        service.receipt("D-8", "S0123"),
        service.receipt("D-7", "S0124"),
        service.receipt("D-7", "S0123", ten="toyonaka"),
        service.receipt("D-7", "S0123", iat=now - 13 * 3600),
        service.receipt("D-7", "S0123", iat=now + 3600),
        service.receipt("D-7", "S0123", iat="now"),
        service.identities.sign({"doc": "D-7", "sub": "S0123", "ten": "minoh", "iat": now}),
    ):
        request = pb.FindProofRequest(document_id="D-7", read_receipt=receipt)
        error = await refused(service.ask("FindProof", request, CLERK))
        assert (error.kind, error.reason) == (Kind.DENIED, "READ_RECEIPT_INVALID")


async def test_the_history_of_a_document_is_for_officers_and_managers_who_have_read_it(service):
    await service.log(event_leaf(1, "D-7"), event_leaf(1, "D-8"), view_leaf(clock.new_id(), 1, object_id="D-7"))
    request = pb.ListDocumentEntriesRequest(document_id="D-7")
    answer = await service.ask("ListDocumentEntries", request)
    assert {entry.object_id for entry in answer.entries} == {"D-7"}
    assert len(answer.entries) == 2
    assert (await refused(service.ask("ListDocumentEntries", request, MANAGER))).reason == "READ_RECEIPT_INVALID"
    request.read_receipt = service.receipt("D-7", MANAGER.staff_id)
    assert len((await service.ask("ListDocumentEntries", request, MANAGER)).entries) == 2
    request.read_receipt = service.receipt("D-7", CLERK.staff_id)
    assert (await refused(service.ask("ListDocumentEntries", request, CLERK))).reason == "NOT_PERMITTED"
    error = await refused(service.ask("ListDocumentEntries", pb.ListDocumentEntriesRequest()))
    assert error.fields[0].field == "document_id"


async def test_the_log_is_served_as_tiles_that_make_its_root(service):
    leaves = [event_leaf(n) for n in range(1, 301)]
    assert (await refused(service.ask("GetCheckpoint", pb.GetCheckpointRequest(), GATEWAY))).kind is Kind.NOT_FOUND
    await service.log(*leaves)
    answer = await service.ask("GetCheckpoint", pb.GetCheckpointRequest(), GATEWAY)
    checkpoint = note.open_checkpoint(answer.checkpoint, note.VerifierKey.parse(answer.verifier_key))
    assert checkpoint.size == 300

    async def tile(path: str) -> bytes:
        return (await service.ask("GetTile", pb.GetTileRequest(path=path), GATEWAY)).tile

    entries = tlog.decode_bundle(await tile("entries/000")) + tlog.decode_bundle(await tile("entries/001.p/44"))
    assert entries == [encode(leaf) for leaf in leaves]
    hashes = tlog.split_hashes(await tile("0/000") + await tile("0/001.p/44"))
    assert tlog.root_of(hashes) == checkpoint.root
    assert hashes == [tlog.leaf_hash(entry) for entry in entries]
    assert await tile("1/000.p/1") == tlog.perfect_root(hashes[:256])
    assert await tile("0/001.p/7") == b"".join(hashes[256:263])
    exported = [(one.action, one.object_id, one.result_count) for one in await service.recorded() if one.outcome == 1]
    assert exported == [("audit.exported", "entries/000", 256), ("audit.exported", "entries/001.p/44", 44)]


@pytest.mark.parametrize(
    "path", ["0/001", "0/001.p/45", "0/002.p/1", "1/000", "2/000.p/1", "entries/001", "x", "", "../a"]
)
async def test_what_the_checkpoint_does_not_cover_is_not_served(service, path):
    await service.log(*(event_leaf(n) for n in range(1, 301)))
    await commands.append(service.pool, service.keys, [event_leaf(n) for n in range(301, 303)], NOW)
    assert (await refused(service.ask("GetTile", pb.GetTileRequest(path=path), GATEWAY))).kind is Kind.NOT_FOUND


COMPLETED = "document.completed"

# --- earlier years ----------------------------------------------------------------------------------------------

YEAR = fiscal_year(clock.today())
NEXT_YEAR = dt.datetime(YEAR + 1, 4, 1, 0, 0, 1, tzinfo=clock.JST)


async def turn(service: Service) -> None:
    """1 April comes."""
    async with db.connection(service.pool) as conn:
        assert await commands.turn_year(conn, service.keys, service.vault, NEXT_YEAR, clock.new_id) == YEAR + 1
        await advance(conn, service.keys, service.vault)


async def log_next_year(service: Service, *leaves: Any) -> None:
    await commands.append(service.pool, service.keys, leaves, NEXT_YEAR)
    async with db.connection(service.pool) as conn:
        await advance(conn, service.keys, service.vault)


def proven(leaf: bytes, proof: pb.InclusionProof, verifier_key: str) -> note.Checkpoint:
    """The checkpoint that proves the leaf; fails if it does not."""
    checkpoint = note.open_checkpoint(proof.checkpoint.encode(), note.VerifierKey.parse(verifier_key))
    assert tlog.verify_inclusion(tlog.leaf_hash(leaf), proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    return checkpoint


async def test_every_years_log_is_read_and_proven_by_its_own_final_checkpoint(service):
    epoch = clock.new_id()
    completed = event_leaf(3, "D-7", action="document.completed")
    await service.log(*(event_leaf(n, "D-1") for n in (1, 2)), completed, view_leaf(epoch, 1))
    await turn(service)
    await log_next_year(service, event_leaf(1, "D-2"), view_leaf(epoch, 2))

    logs = (await service.ask("ListLogs", pb.ListLogsRequest(), GATEWAY)).logs
    assert [(one.log_year, one.size, one.closed) for one in logs] == [(YEAR + 1, 3, False), (YEAR, 4, True)]
    old = await service.ask("GetCheckpoint", pb.GetCheckpointRequest(log_year=YEAR), GATEWAY)
    now = await service.ask("GetCheckpoint", pb.GetCheckpointRequest(), GATEWAY)
    named = await service.ask("GetCheckpoint", pb.GetCheckpointRequest(log_year=YEAR + 1), GATEWAY)
    assert old.checkpoint.startswith(f"audit.minoh.example/{YEAR}\n4\n".encode())
    assert now == named
    assert now.checkpoint.startswith(f"audit.minoh.example/{YEAR + 1}\n3\n".encode())

    receipt = service.receipt("D-7", CLERK.staff_id)
    for request, who, index in (
        (pb.FindProofRequest(document_id="D-7", read_receipt=receipt), CLERK, 2),
        (pb.FindProofRequest(record=f"documents.documents-0/{epoch}/1"), OFFICER, 3),
    ):
        answer = await service.ask("FindProof", request, who)
        assert (answer.log_year, answer.proof.index) == (YEAR, index)
        assert proven(answer.leaf, answer.proof, answer.verifier_key).text == note.parse_note(old.checkpoint).text
    for year, index, document in ((YEAR, 0, "D-1"), (YEAR + 1, 1, "D-2"), (0, 1, "D-2")):
        answer = await service.ask("GetEntry", pb.GetEntryRequest(index=index, log_year=year))
        assert (answer.entry.log_year, answer.entry.object_id) == (year or YEAR + 1, document)
        proven(answer.entry.leaf, answer.proof, answer.verifier_key)
    bundle = await service.ask("GetTile", pb.GetTileRequest(path="entries/000.p/4", log_year=YEAR), GATEWAY)
    assert tlog.decode_bundle(bundle.tile)[2] == encode(completed)
    for method, request in (
        ("GetCheckpoint", pb.GetCheckpointRequest(log_year=YEAR - 1)),
        ("GetTile", pb.GetTileRequest(path="0/000.p/1", log_year=YEAR - 1)),
        ("GetTile", pb.GetTileRequest(path="0/000.p/5", log_year=YEAR)),
        ("GetEntry", pb.GetEntryRequest(index=0, log_year=YEAR - 1)),
        ("GetEntry", pb.GetEntryRequest(index=4, log_year=YEAR)),
    ):
        assert (await refused(service.ask(method, request))).kind is Kind.NOT_FOUND


# --- the proof of one record ------------------------------------------------------------------------------------


async def test_an_access_record_is_proven_to_officers_and_to_whom_it_is_about(service):
    """SC-06: what is not for somebody is the same as what does not exist, and the attempt is recorded."""
    epoch = clock.new_id()
    await service.log(event_leaf(), view_leaf(epoch, 1), view_leaf(epoch, 2, staff_id="S0300"))
    record = f"documents.documents-0/{epoch}/1"
    for who in (OFFICER, CLERK):
        answer = await service.ask("FindProof", pb.FindProofRequest(record=record), who)
        assert decode(answer.leaf).seq == 1
        assert proven(answer.leaf, answer.proof, answer.verifier_key).size == 3
    kept = await service.recorded()
    assert [(one.action, one.actor.staff_id, one.object_id) for one in kept] == [
        ("audit.read", who.staff_id, "1") for who in (OFFICER, CLERK)
    ]
    errors = [
        await refused(service.ask("FindProof", pb.FindProofRequest(record=of), who))
        for of, who in (
            (record, MANAGER),
            (f"documents.documents-0/{epoch}/2", CLERK),
            (f"documents.documents-0/{epoch}/3", CLERK),
            (f"documents.documents-9/{epoch}/1", CLERK),
            (f"documents.documents-0/{clock.new_id()}/1", OFFICER),
            ("nonsense", OFFICER),
        )
    ]
    assert {(error.kind, error.reason, error.message) for error in errors} == {
        (Kind.NOT_FOUND, errors[0].reason, errors[0].message)
    }
    assert [one.outcome for one in await service.recorded()][2:] == [envelope_pb2.OUTCOME_DENIED] * 6


async def test_a_proof_is_of_a_document_or_of_a_record(service):
    for request in (pb.FindProofRequest(), pb.FindProofRequest(document_id="D-1", record="documents.d/e/1")):
        assert (await refused(service.ask("FindProof", request))).kind is Kind.INVALID


# --- what others say about a proof's checkpoint -----------------------------------------------------------------


async def test_a_proof_chains_to_what_witnesses_have_cosigned_and_to_what_was_stamped(engines, pool, keys, vault):
    """A record that no cosigned checkpoint covers yet is proven by the last signed one."""
    key = note.SigningKey.from_seed("witness.toyonaka.example", bytes(32), note.COSIGNATURE_V1)
    witness = Witness("toyonaka", key.verifier)
    demand = Policy(witnesses={"toyonaka": witness}, quorum="toyonaka")
    request = pb.FindProofRequest(document_id="D-7")
    async with serving(engines, pool, keys, vault, demand) as service:
        await service.log(*(event_leaf(n, "D-1") for n in range(1, 300)), event_leaf(1, "D-7", action=COMPLETED))
        alone = await service.ask("FindProof", request)
        assert proven(alone.leaf, alone.proof, alone.verifier_key).size == 300
        assert len(note.parse_note(alone.proof.checkpoint.encode()).signatures) == 1
        assert (alone.HasField("stamped"), alone.timestamp) == (False, b"")

        # Three hundred leaves are the first checkpoint, so they are archived; then others come.
        first = alone.proof.checkpoint.encode()
        line = key.sign(note.parse_note(first).text, int(clock.now().timestamp()))
        kept = cosignatures.Cosignature(YEAR, 300, first, witness, line, clock.now())
        assert await cosignatures.keep(pool, demand, kept, clock.now())
        async with db.connection(pool) as conn:
            await timestamp_store.insert_token(conn, YEAR, 300, b"the token", clock.now())
        await service.log(*(event_leaf(n, "D-2") for n in range(1, 400)), event_leaf(1, "D-8", action=COMPLETED))
        both = await service.ask("FindProof", request)
        assert proven(both.leaf, both.proof, both.verifier_key).size == 300
        assert both.proof.checkpoint.encode() == first + line
        note.open_note(both.proof.checkpoint.encode(), [key.verifier])
        assert proven(both.leaf, both.stamped, both.verifier_key).size == 300
        assert (both.stamped.checkpoint.encode(), both.timestamp) == (first, b"the token")
        later = await service.ask("FindProof", pb.FindProofRequest(document_id="D-8"))
        assert proven(later.leaf, later.proof, later.verifier_key).size == 700
        assert (later.HasField("stamped"), later.timestamp) == (False, b"")
        entry = await service.ask("GetEntry", pb.GetEntryRequest(index=5))
        assert proven(entry.entry.leaf, entry.proof, entry.verifier_key).size == 300


# --- direct records and completeness ----------------------------------------------------------------------------


async def test_the_gateways_records_are_in_the_log_when_the_call_returns(service):
    epoch = clock.new_id()
    batch = batch_of([record(1, "epoch.open"), record(2, "session.login")], epoch)
    answer = await service.ask("AppendRecords", pb.AppendRecordsRequest(batch=batch), GATEWAY)
    assert (answer.last_index, answer.chain) == (1, batch.chain)
    assert service.appended == [1]
    assert await service.ask("AppendRecords", pb.AppendRecordsRequest(batch=batch), GATEWAY) == answer
    listed = await service.ask("ListEntries", pb.ListEntriesRequest(access_record=f"gateway.gateway-1/{epoch}/2"))
    assert [entry.action for entry in listed.entries] == ["session.login"]


async def test_direct_records_out_of_order_or_of_others_are_refused(service):
    epoch = clock.new_id()
    for batch, kind, reason in (
        (batch_of([record(2)], epoch), Kind.PRECONDITION, "SEQUENCE_BROKEN"),
        (batch_of([record(1), record(3)], epoch), Kind.PRECONDITION, "SEQUENCE_BROKEN"),
        (batch_of([record(1)], epoch, service="documents"), Kind.DENIED, "NOT_PERMITTED"),
        (batch_of([record(1, outcome=0)], epoch), Kind.INVALID, "INVALID_FIELDS"),
        (batch_of([record(1, action="ログイン")], epoch), Kind.INVALID, "INVALID_FIELDS"),
        (batch_of([record(1)], "epoch"), Kind.INVALID, "INVALID_FIELDS"),
        (batch_of([], epoch), Kind.INVALID, "INVALID_FIELDS"),
        (batch_of([record(1)], ""), Kind.INVALID, "INVALID_FIELDS"),
    ):
        error = await refused(service.ask("AppendRecords", pb.AppendRecordsRequest(batch=batch), GATEWAY))
        assert (error.kind, error.reason) == (kind, reason)
    listed = await service.ask("ListEntries", pb.ListEntriesRequest())
    assert list(listed.entries) == []


async def test_only_officers_reconcile_and_everybody_who_asks_again_gets_the_same(service):
    """SC-06. What was counted is not counted twice."""
    with pytest.raises(DomainError) as refused:
        await service.ask("Reconcile", pb.ReconcileRequest(request_id="照合-1"), who=CLERK)
    assert refused.value.reason == "NOT_PERMITTED"
    assert not (await service.ask("ListSources", pb.ListSourcesRequest())).HasField("reconciliation")

    epoch = clock.new_id()
    await service.log(view_leaf(epoch, 1), view_leaf(epoch, 2))
    for _ in range(2):
        answer = await service.ask("Reconcile", pb.ReconcileRequest(request_id="照合-2"))
        assert answer.reconciliation.agreed
    assert (await service.ask("ListSources", pb.ListSourcesRequest())).reconciliation == answer.reconciliation


async def test_sources_show_what_is_missing(service):
    whole, holed = clock.new_id(), clock.new_id()
    await service.log(
        *(view_leaf(whole, n) for n in (1, 2, 3)),
        *(view_leaf(holed, n, instance="documents-1") for n in (1, *range(30, 60))),
        event_leaf(1, "D-1"),
        event_leaf(4, "D-1"),
        event_leaf(1, "D-2"),
    )
    answer = await service.ask("ListSources", pb.ListSourcesRequest())
    by_epoch = {source.epoch: source for source in answer.sources}
    assert (by_epoch[whole].source, by_epoch[whole].last_seq) == ("documents.documents-0", 3)
    assert list(by_epoch[whole].missing) == []
    assert list(by_epoch[holed].missing) == list(range(2, 22))
    assert answer.sources[0].epoch == holed
    assert [(gap.aggregate, gap.aggregate_id, list(gap.missing)) for gap in answer.gaps] == [
        ("document", "D-1", [2, 3])
    ]
