"""The service itself on local gRPC, over a database with the file plan of the sample city and a real bucket.

Nothing is replaced: mTLS, the guard, the recorder, PostgreSQL and the object store are the real ones.
Only the broker is absent, so that events can be looked at where they wait, in the outbox.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import grpc
import pytest_asyncio
from joserfc.jwk import KeySet, OKPKey

from chassis import client, clock, db, sealing
from chassis.epochs import DatabaseSink
from chassis.identity import Identity, IdentityVerifier, KeyVerifier, Signer
from chassis.interceptors import Guard
from chassis.outbox import Relay
from chassis.recorder import Recorder, timestamp
from chassis.server import Server
from chassis.settings import Secret, ServiceSettings
from conftest import Database
from deploy.local.stack import Stack
from kanketsu.approvals.v1 import events_pb2 as approvals_pb2
from kanketsu.documents.v1 import assignments_service_pb2 as assignments_pb
from kanketsu.documents.v1 import assignments_service_pb2_grpc as assignments_grpc
from kanketsu.documents.v1 import (
    body_templates_service_pb2,
    body_templates_service_pb2_grpc,
    follow_ups_service_pb2,
    follow_ups_service_pb2_grpc,
    memos_service_pb2,
    memos_service_pb2_grpc,
    repeating_service_pb2,
    repeating_service_pb2_grpc,
)
from kanketsu.documents.v1 import break_glass_service_pb2 as break_glass_pb
from kanketsu.documents.v1 import break_glass_service_pb2_grpc as break_glass_grpc
from kanketsu.documents.v1 import documents_service_pb2 as pb
from kanketsu.documents.v1 import documents_service_pb2_grpc as service_grpc
from kanketsu.documents.v1 import events_pb2 as documents_events
from kanketsu.documents.v1 import owners_service_pb2 as owners_pb
from kanketsu.documents.v1 import owners_service_pb2_grpc as owners_grpc
from kanketsu.event.v1 import envelope_pb2
from services.documents import consumer, loader, policy
from services.documents.api import Api
from services.documents.assignments.api import AssignmentsApi
from services.documents.blobs import MountedKeys, ObjectStore, StoreConfig
from services.documents.bodies.api import BodyTemplatesApi
from services.documents.breakglass.api import BreakGlassApi
from services.documents.commands import Service
from services.documents.content_locks import Locker
from services.documents.follow_ups.api import FollowUpsApi
from services.documents.memos.api import MemosApi
from services.documents.owners.api import OwnersApi
from services.documents.owners.commands import Mover
from services.documents.repeating.api import RepeatingApi
from services.documents.rights import Rights
from services.documents.sheets.drawing import Drawer

SAMPLES = Path(__file__).parents[3] / "samples" / "minoh"
TENANT = "minoh"
UPLOAD_LIMIT = 3 * 1024 * 1024
TITLE = "令和8年度箕面市合併処理浄化槽設置整備事業補助金の交付決定について（伺い）"
BODY = "標記の件について、交付申請がありました。下記のとおり交付を決定してよろしいか伺います。\n\n記\n\n1 交付決定額　金332,000円"
CLASS, FOLDER = "0403-02-01", "F-2026-0403-02-01"


class Nowhere:
    """The broker is away: what is published stays in the outbox."""

    async def publish(self, subject: str, payload: bytes, message_id: str, trace_parent: str) -> None:
        raise ConnectionError("no broker here")


def new_key(folder: Path, name: str) -> tuple[Path, Path]:
    """A private key (PEM) and its JWKS, as the stack makes them."""
    key = OKPKey.generate_key("Ed25519", parameters=None, auto_kid=True)
    private, public = folder / f"{name}.pem", folder / f"{name}-jwks.json"
    private.write_bytes(key.as_pem(private=True))
    public.write_text(json.dumps(KeySet([key]).as_dict(private=False)))
    return private, public


def fields(**given: Any) -> pb.DraftFields:
    """A complete draft of 環境政策室, changed by what is given."""
    values: dict[str, Any] = {
        "title": TITLE,
        "body": BODY,
        "folder_id": FOLDER,
        "class_code": CLASS,
        "decision_class": "head",
        "disclosure": pb.DISCLOSURE_PARTIAL,
        "view_class": pb.VIEW_CLASS_UNIT,
        "personal_information": pb.PERSONAL_INFORMATION_PERSONAL,
        "counterparty": "髙﨑 邦夫",
        "amount": 332_000,
        "enforcement_required": True,
        "enforcement_planned_on": "2026-11-30",
        "enforcement_method": "post",
        "enforcement_addressee": "申請者",
    }
    return pb.DraftFields(**(values | given))


@dataclass
class House:
    """The running service and everything around it that a test touches."""

    stub: service_grpc.DocumentsServiceStub
    repeating: repeating_service_pb2_grpc.RepeatingServiceStub
    body_templates: body_templates_service_pb2_grpc.BodyTemplatesServiceStub
    follow_ups: follow_ups_service_pb2_grpc.FollowUpsServiceStub
    assigning: assignments_grpc.AssignmentsServiceStub
    memos: memos_service_pb2_grpc.MemosServiceStub
    owning: owners_grpc.OwnersServiceStub
    glass: break_glass_grpc.BreakGlassServiceStub
    service: Service
    recorder: Recorder
    identities: Signer
    receipts: KeyVerifier
    # Signs as approvals does who belongs to a unit.
    attesting: Signer
    where: Database
    engines: Stack
    api: Api
    upload_limit: int = UPLOAD_LIMIT

    @property
    def pool(self) -> db.Pool:
        return self.service.pool

    def person(self, staff_id: str, *posts: str, beside: Sequence[str] = (), **given: Any) -> Person:
        """Somebody with posts ("P-040-03-05" is of unit "U-040-03"), and what they are beside their unit (AC-02)."""
        units = {post: "U" + post[1:].rsplit("-", 1)[0] for post in posts}
        managed = units.values() if "records_manager" in given.get("roles", ()) else ()
        principals = (
            f"staff:{staff_id}",
            *(f"post:{post}" for post in posts),
            *(f"unit:{unit}" for unit in units.values()),
            *(f"member:{staff_id}@{unit}" for unit in units.values()),
            *(f"manager:{unit}" for unit in managed),
            *beside,
        )
        identity = Identity(
            staff_id=staff_id,
            tenant=TENANT,
            principals=principals,
            posts=units,
            acting_post=posts[0] if posts else "",
            terminal="10.20.0.7",
            session_id="session-1",
            **given,
        )
        return Person(self, identity)

    @property
    def drafter(self) -> Person:
        return self.person("S0072", "P-040-03-05")

    @property
    def colleague(self) -> Person:
        return self.person("S0073", "P-040-03-06")

    @property
    def chief(self) -> Person:
        return self.person("S0070", "P-040-03-03")

    @property
    def stranger(self) -> Person:
        """Of 競艇事業局."""
        return self.person("S0160", "P-120-02-05")

    async def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows as the application role sees them."""
        async with db.connection(self.pool) as conn:
            cursor = await conn.execute(statement.encode(), values or None)
            return await cursor.fetchall()

    async def envelopes(self, aggregate_id: str) -> list[envelope_pb2.Envelope]:
        """Events of an aggregate that wait in the outbox, in order."""
        rows = await self.rows(
            "SELECT payload FROM outbox WHERE subject LIKE 'kanketsu.documents.%' ORDER BY outbox_id"
        )
        found = [envelope_pb2.Envelope.FromString(row[0]) for row in rows]
        return [envelope for envelope in found if envelope.aggregate_id == aggregate_id]

    async def record(self, reference: str) -> envelope_pb2.AccessRecord:
        """The access record of a reference, as it waits in the outbox."""
        _, epoch, seq = reference.split("/")
        rows = await self.rows("SELECT payload FROM outbox WHERE subject = 'kanketsu.access.documents'")
        for (payload,) in rows:
            for batch in envelope_pb2.AccessRecordParcel.FromString(payload).batches:
                for record in batch.records:
                    if batch.epoch == epoch and record.seq == int(seq):
                        return record
        raise LookupError(reference)

    async def records(self) -> list[envelope_pb2.AccessRecord]:
        """All access records."""
        rows = await self.rows(
            "SELECT payload FROM outbox WHERE subject = 'kanketsu.access.documents' ORDER BY outbox_id"
        )
        parcels = [envelope_pb2.AccessRecordParcel.FromString(payload) for (payload,) in rows]
        return [record for parcel in parcels for batch in parcel.batches for record in batch.records]

    async def announce(self, message: str, case: approvals_pb2.CaseSnapshot, *, event_id: str = "") -> None:
        """What approvals announces, consumed."""
        await consumer.apply(self.service, [announced(message, case, event_id=event_id)])

    async def decide(
        self,
        document: pb.Document,
        version: int = 9,
        acted: Sequence[str] = ("S0070", "S0068"),
        opinions: Sequence[str] = (),
    ) -> None:
        """The case of a circulating document is decided."""
        case = snapshot(document, version, "decided", acted=acted, opinions=opinions)
        await self.seal(case, opinions)
        await self.announce("CaseDecided", case)

    async def seal(self, case: approvals_pb2.CaseSnapshot, opinions: Sequence[str]) -> None:
        """What was written with its acts, as approvals seals it with the key of the submission."""
        *_, told = [one for one in await self.envelopes(case.document_id) if one.action == "document.submitted"]
        key = documents_events.DocumentSubmitted.FromString(told.payload).opinions_key
        words = {act.decision_id: text for act, text in zip(case.decisions, opinions, strict=False)}
        case.sealed_opinions = sealing.seal(
            approvals_pb2.Opinions(texts=words).SerializeToString(), key, case.case_id.encode()
        )

    async def locked(self) -> None:
        """Apply every wanted lock."""
        for _ in range(20):
            if not await self.service.locker.apply_once():
                return
        raise AssertionError("the locker never ends")

    async def drawn(self) -> None:
        """Draw every wanted sheet."""
        for _ in range(20):
            if not await self.service.drawer.draw_once():
                return
        raise AssertionError("the drawer never ends")

    async def circulating(self, person: Person | None = None, **given: Any) -> pb.Document:
        """A document in circulation."""
        person = person or self.drafter
        document = await person.draft(**given)
        return await person.submit(document)

    async def decided(self, **given: Any) -> pb.Document:
        """A decided document, its sheet drawn, its content locked."""
        document = await self.circulating(**given)
        await self.decide(document)
        await self.drawn()
        await self.locked()
        return await self.drafter.see(document.document_id)

    async def completed(self, **given: Any) -> pb.Document:
        """A completed one."""
        document = await self.decided(**({"enforcement_required": False} | given))
        answer = await self.drafter.call(
            "CompleteDocument", document_id=document.document_id, expected_version=document.version
        )
        await self.locked()
        return await self.drafter.see(answer.document.document_id)


def announced(
    message: str,
    case: approvals_pb2.CaseSnapshot,
    *,
    event_id: str = "",
    staff_id: str = "S0068",
    occurred_at: dt.datetime | None = None,
) -> envelope_pb2.Envelope:
    """An event of approvals; the events of one act have their time in common."""
    return envelope_pb2.Envelope(
        event_id=event_id or clock.new_id(),
        type=f"kanketsu.approvals.v1.{message}",
        producer="approvals",
        aggregate="case",
        aggregate_id=case.case_id,
        aggregate_version=case.case_version,
        occurred_at=timestamp(occurred_at or clock.now()),
        actor=envelope_pb2.Actor(staff_id=staff_id, post_id="P-040-03-01", unit_id="U-040-03"),
        detail={"document_id": case.document_id},
        payload=getattr(approvals_pb2, message)(snapshot=case).SerializeToString(),
    )


def snapshot(
    document: pb.Document,
    case_version: int,
    state: str,
    *,
    active: Iterable[str] = (),
    acted: Iterable[str] = (),
    case_id: str = "",
    reason: str = "",
    opinions: Sequence[str] = (),
) -> approvals_pb2.CaseSnapshot:
    """A case as approvals would announce it: posts whose step is active, staff who have acted, `opinions` what they wrote."""
    now = timestamp(clock.now())
    case = approvals_pb2.CaseSnapshot(
        case_id=case_id or document.case_id,
        document_id=document.document_id,
        case_version=case_version,
        state=state,
        version_digest=document.version_digest,
        reason=reason,
    )
    for post in active:
        getattr(case.leases.add(step_id=f"step-{post}", principal=f"post:{post}"), "from").CopyFrom(now)
    for staff, text in zip_longest(acted, opinions, fillvalue=""):
        getattr(case.leases.add(step_id=f"step-{staff}", principal=f"staff:{staff}", acted=True), "from").CopyFrom(now)
        case.decisions.add(
            decision_id=clock.new_id(),
            step_id=f"step-{staff}",
            action="approve",
            staff_id=staff,
            post_id="P-040-03-03",
            unit_id="U-040-03",
            acted_at=now,
            version_digest=document.version_digest,
            access_record="documents.1/x/1",
            comment_digest=hashlib.sha256(text.encode()).hexdigest() if text else "",
            staff_name="髙橋 一郎",
            post_title="担当主査",
            unit_name="環境政策室",
        )
    if state == "decided":
        case.decided_at.CopyFrom(now)
        case.decided_by = "S0068"
        seats = [
            ("draft", "submitted", "主事", "葛󠄀城 拓也"),
            ("approve", "approved", "担当主査", "髙橋 一郎"),
            ("decide", "decided", "室長", "𠮷田 恵美子"),
            ("approve", "struck", "部長", "辻󠄀 邦夫"),
        ]
        for kind, seat_state, post, name in seats:
            seat = case.seats.add(kind=kind, state=seat_state, post_title=post, unit_name="環境政策室", staff_name=name)
            if seat_state != "struck":
                seat.acted_at.CopyFrom(now)
    return case


@dataclass
class Person:
    """Somebody who calls the service."""

    house: House
    identity: Identity
    seen: dict[str, str] = field(default_factory=dict)

    def token(self) -> str:
        return self.house.identities.identity(self.identity, "documents")

    async def call(self, method: str, /, **given: Any) -> Any:
        """One unary RPC with a fresh identity, and a fresh request id where there is one."""
        name = f"{method}Request"
        parts = (
            (pb, self.house.stub),
            (repeating_service_pb2, self.house.repeating),
            (body_templates_service_pb2, self.house.body_templates),
            (follow_ups_service_pb2, self.house.follow_ups),
            (assignments_pb, self.house.assigning),
            (memos_service_pb2, self.house.memos),
            (owners_pb, self.house.owning),
            (break_glass_pb, self.house.glass),
        )
        messages, of = next((module, stub) for module, stub in parts if hasattr(module, name))
        request_type = getattr(messages, name)
        if "request_id" in request_type.DESCRIPTOR.fields_by_name and "request_id" not in given:
            given["request_id"] = clock.new_id()
        return await client.call(method, getattr(of, method), request_type(**given), self.token(), 10.0)

    async def draft(self, post_id: str = "", **given: Any) -> pb.Document:
        """A new draft."""
        return (await self.call("CreateDraft", fields=fields(**given), post_id=post_id)).document

    async def submit(self, document: pb.Document, **given: Any) -> pb.Document:
        """回議開始."""
        current = await self.see(document.document_id)
        values = {"route_plan_id": clock.new_id(), "expected_version": current.version} | given
        return (await self.call("SubmitDocument", document_id=document.document_id, **values)).document

    async def see(self, document_id: str) -> pb.Document:
        """The document now."""
        return (await self.call("GetDocument", document_id=document_id)).document

    async def upload(
        self,
        document_id: str,
        content: bytes | AsyncIterator[bytes],
        name: str = "申請書.pdf",
        content_type: str = "application/pdf",
        *,
        request_id: str = "",
        **given: Any,
    ) -> pb.UploadAttachmentResponse:
        """An attachment, in chunks of 64 KiB."""

        async def messages() -> AsyncIterator[pb.UploadAttachmentRequest]:
            yield pb.UploadAttachmentRequest(
                header=pb.UploadHeader(
                    request_id=request_id or clock.new_id(),
                    document_id=document_id,
                    file_name=name,
                    content_type=content_type,
                    **given,
                )
            )
            if isinstance(content, bytes):
                for start in range(0, len(content), 65536):
                    yield pb.UploadAttachmentRequest(chunk=content[start : start + 65536])
            else:
                async for chunk in content:
                    yield pb.UploadAttachmentRequest(chunk=chunk)

        try:
            return await self.house.stub.UploadAttachment(
                messages(), timeout=20.0, metadata=client.metadata(self.token())
            )
        except grpc.aio.AioRpcError as error:
            raise client.error_of(error) from None

    async def read(
        self, document_id: str, attachment_id: str, offset: int = 0, length: int = 0, purpose: str = "inline"
    ) -> tuple[pb.ReadHeader, bytes]:
        """An attachment, or a part of it."""
        request = pb.ReadAttachmentRequest(
            document_id=document_id, attachment_id=attachment_id, offset=offset, length=length, purpose=purpose
        )
        call = self.house.stub.ReadAttachment(request, timeout=20.0, metadata=client.metadata(self.token()))
        header, content = pb.ReadHeader(), b""
        async for message in client.stream(call):
            if message.WhichOneof("part") == "header":
                header = message.header
            else:
                content += message.chunk
        return header, content

    async def search(self, query: str = "", **given: Any) -> list[str]:
        """Ids of what is found."""
        answer = await self.call("ListDocuments", query=query, **given)
        return [d.document_id for d in answer.documents]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def blobs(engines: Stack) -> AsyncIterator[ObjectStore]:
    """The real bucket with the application's key."""
    store = ObjectStore(
        StoreConfig(
            endpoint=engines.s3_url,
            bucket=engines.bucket,
            access_key=engines.keys.read("s3-app-access-key"),
            secret_key=engines.keys.read("s3-app-secret-key"),
        )
    )
    yield store
    await store.close()


@contextlib.asynccontextmanager
async def running(
    engines: Stack, blobs: ObjectStore, where: Database, folder: Path, samples: Path
) -> AsyncIterator[House]:
    """The service over the file plan in `samples`, keys and socket in `folder`."""
    identity_key, identity_jwks = new_key(folder, "identity")
    receipt_key, receipt_jwks = new_key(folder, "receipt")
    membership_key, membership_jwks = new_key(folder, "membership")
    (folder / "kek").write_text(engines.keys.read("kek"))
    settings = ServiceSettings(
        tenant=TENANT,
        instance="documents-1",
        tls_cert_file=engines.certificate("documents").cert_file,
        tls_key_file=engines.certificate("documents").key_file,
        tls_ca_file=engines.authority.ca_file,
        nats_url=engines.nats_url,
        nats_nkey_seed=Secret("unused: there is no broker in these tests"),
        grpc_listen=f"unix:{folder}/grpc.sock",
    )
    pool = db.open_pool(where.app_url, "documents", size=8)
    await pool.open(wait=True)
    await loader.load(pool, loader.read(samples))
    relay = Relay(pool, Nowhere(), 30.0)
    recorder = Recorder("documents", "documents-1", DatabaseSink(pool, "documents", relay))
    locker = Locker(pool, relay, blobs)
    keys = MountedKeys.load(folder / "kek")
    service = Service(
        pool, relay, blobs, keys, locker, Drawer(pool, relay, blobs, keys, locker), Mover(pool, relay, batch=3)
    )
    api = Api(service, recorder, Signer(receipt_key), UPLOAD_LIMIT, Rights())
    guard = Guard(policy.CALLS, TENANT, IdentityVerifier(identity_jwks, TENANT, "documents"), recorder)
    servicers = [
        partial(service_grpc.add_DocumentsServiceServicer_to_server, api),
        partial(repeating_service_pb2_grpc.add_RepeatingServiceServicer_to_server, RepeatingApi(service, recorder)),
        partial(
            body_templates_service_pb2_grpc.add_BodyTemplatesServiceServicer_to_server,
            BodyTemplatesApi(service, recorder),
        ),
        partial(follow_ups_service_pb2_grpc.add_FollowUpsServiceServicer_to_server, FollowUpsApi(service, recorder)),
        partial(
            assignments_grpc.add_AssignmentsServiceServicer_to_server,
            AssignmentsApi(service, recorder, KeyVerifier(membership_jwks)),
        ),
        partial(memos_service_pb2_grpc.add_MemosServiceServicer_to_server, MemosApi(service, recorder)),
        partial(owners_grpc.add_OwnersServiceServicer_to_server, OwnersApi(service, recorder)),
        partial(
            break_glass_grpc.add_BreakGlassServiceServicer_to_server,
            BreakGlassApi(service, recorder, KeyVerifier(membership_jwks), 4),
        ),
    ]
    server = Server(settings, guard, servicers)
    await server.start()
    recording = asyncio.create_task(recorder.run())
    credentials = grpc.ssl_channel_credentials(
        engines.authority.ca_file.read_bytes(),
        engines.certificate("gateway").key_file.read_bytes(),
        engines.certificate("gateway").cert_file.read_bytes(),
    )
    channel = grpc.aio.secure_channel(
        f"unix:{folder}/grpc.sock", credentials, options=[("grpc.ssl_target_name_override", "localhost")]
    )
    yield House(
        service_grpc.DocumentsServiceStub(channel),
        repeating_service_pb2_grpc.RepeatingServiceStub(channel),
        body_templates_service_pb2_grpc.BodyTemplatesServiceStub(channel),
        follow_ups_service_pb2_grpc.FollowUpsServiceStub(channel),
        assignments_grpc.AssignmentsServiceStub(channel),
        memos_service_pb2_grpc.MemosServiceStub(channel),
        owners_grpc.OwnersServiceStub(channel),
        break_glass_grpc.BreakGlassServiceStub(channel),
        service,
        recorder,
        Signer(identity_key),
        KeyVerifier(receipt_jwks),
        Signer(membership_key),
        where,
        engines,
        api,
    )
    await channel.close()
    await server.stop(0, 1)
    recording.cancel()
    await asyncio.wait([recording])
    await pool.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(
    engines: Stack,
    blobs: ObjectStore,
    migrated_database: Callable[[str], Awaitable[Database]],
    tmp_path_factory: Any,
) -> AsyncIterator[House]:
    """The service with the sample city's file plan, one per test module."""
    where = await migrated_database("documents")
    async with running(engines, blobs, where, tmp_path_factory.mktemp("documents"), SAMPLES) as house:
        yield house


def sha256(content: bytes) -> str:
    """hex."""
    return hashlib.sha256(content).hexdigest()


def today() -> dt.date:
    """In Japan."""
    return clock.today()
