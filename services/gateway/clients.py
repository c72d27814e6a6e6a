"""Calls to the three services: the only module that knows stubs, deadlines and signed identities.

Depth one: the gateway calls services, services call nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import grpc
from google.protobuf.message import Message
from opentelemetry.trace import SpanKind

from chassis import client, telemetry
from chassis.errors import DomainError, Kind
from chassis.identity import Identity, Signer
from chassis.tally import Tally
from kanketsu.approvals.v1.approvals_service_pb2_grpc import ApprovalsServiceStub
from kanketsu.approvals.v1.decision_rules_service_pb2_grpc import DecisionRulesServiceStub
from kanketsu.approvals.v1.membership_service_pb2_grpc import MembershipServiceStub
from kanketsu.approvals.v1.notices_service_pb2_grpc import NoticesServiceStub
from kanketsu.approvals.v1.provisioning_service_pb2_grpc import ProvisioningServiceStub
from kanketsu.approvals.v1.reorganisation_service_pb2_grpc import ReorganisationServiceStub
from kanketsu.approvals.v1.route_templates_service_pb2_grpc import RouteTemplatesServiceStub
from kanketsu.approvals.v1.vendors_service_pb2_grpc import VendorsServiceStub
from kanketsu.approvals.v1.walk_around_service_pb2_grpc import WalkAroundServiceStub
from kanketsu.audit.v1.audit_service_pb2 import ReadEntriesRequest, ReadEntriesResponse
from kanketsu.audit.v1.audit_service_pb2_grpc import AuditServiceStub
from kanketsu.audit.v1.review_service_pb2_grpc import ReviewServiceStub
from kanketsu.audit.v1.timestamp_service_pb2_grpc import TimestampServiceStub
from kanketsu.audit.v1.witness_service_pb2_grpc import WitnessServiceStub
from kanketsu.documents.v1.assignments_service_pb2_grpc import AssignmentsServiceStub
from kanketsu.documents.v1.body_templates_service_pb2_grpc import BodyTemplatesServiceStub
from kanketsu.documents.v1.break_glass_service_pb2_grpc import BreakGlassServiceStub
from kanketsu.documents.v1.counts_service_pb2_grpc import CountsServiceStub
from kanketsu.documents.v1.documents_service_pb2 import (
    ReadAttachmentRequest,
    ReadAttachmentResponse,
    UploadAttachmentRequest,
    UploadAttachmentResponse,
    UploadHeader,
)
from kanketsu.documents.v1.documents_service_pb2_grpc import DocumentsServiceStub
from kanketsu.documents.v1.follow_ups_service_pb2_grpc import FollowUpsServiceStub
from kanketsu.documents.v1.memos_service_pb2_grpc import MemosServiceStub
from kanketsu.documents.v1.owners_service_pb2_grpc import OwnersServiceStub
from kanketsu.documents.v1.repeating_service_pb2_grpc import RepeatingServiceStub
from services.gateway.callers import Caller
from services.gateway.settings import Settings

if TYPE_CHECKING:
    from kanketsu.approvals.v1.approvals_service_pb2_grpc import ApprovalsServiceAsyncStub
    from kanketsu.approvals.v1.decision_rules_service_pb2_grpc import DecisionRulesServiceAsyncStub
    from kanketsu.approvals.v1.membership_service_pb2_grpc import MembershipServiceAsyncStub
    from kanketsu.approvals.v1.notices_service_pb2_grpc import NoticesServiceAsyncStub
    from kanketsu.approvals.v1.provisioning_service_pb2_grpc import ProvisioningServiceAsyncStub
    from kanketsu.approvals.v1.reorganisation_service_pb2_grpc import ReorganisationServiceAsyncStub
    from kanketsu.approvals.v1.route_templates_service_pb2_grpc import RouteTemplatesServiceAsyncStub
    from kanketsu.approvals.v1.vendors_service_pb2_grpc import VendorsServiceAsyncStub
    from kanketsu.approvals.v1.walk_around_service_pb2_grpc import WalkAroundServiceAsyncStub
    from kanketsu.audit.v1.audit_service_pb2_grpc import AuditServiceAsyncStub
    from kanketsu.audit.v1.review_service_pb2_grpc import ReviewServiceAsyncStub
    from kanketsu.audit.v1.timestamp_service_pb2_grpc import TimestampServiceAsyncStub
    from kanketsu.audit.v1.witness_service_pb2_grpc import WitnessServiceAsyncStub
    from kanketsu.documents.v1.assignments_service_pb2_grpc import AssignmentsServiceAsyncStub
    from kanketsu.documents.v1.body_templates_service_pb2_grpc import BodyTemplatesServiceAsyncStub
    from kanketsu.documents.v1.break_glass_service_pb2_grpc import BreakGlassServiceAsyncStub
    from kanketsu.documents.v1.counts_service_pb2_grpc import CountsServiceAsyncStub
    from kanketsu.documents.v1.documents_service_pb2_grpc import DocumentsServiceAsyncStub
    from kanketsu.documents.v1.follow_ups_service_pb2_grpc import FollowUpsServiceAsyncStub
    from kanketsu.documents.v1.memos_service_pb2_grpc import MemosServiceAsyncStub
    from kanketsu.documents.v1.owners_service_pb2_grpc import OwnersServiceAsyncStub
    from kanketsu.documents.v1.repeating_service_pb2_grpc import RepeatingServiceAsyncStub

# Seconds a call may take. Files take as long as slow lines need.
DEADLINE = 5.0
DEADLINES = {
    "AppendRecords": 4.0,
    # Counts what came since the last time.
    "Reconcile": 60.0,
    "CreateDraft": 10.0,
    "RepeatDocument": 10.0,
    "SubmitDocument": 10.0,
    "ActOnStep": 10.0,
    "RegisterWalkAround": 10.0,
    "EnforceDocument": 10.0,
    "CompleteDocument": 20.0,
    # These look at the whole organisation.
    "ChangeMembership": 10.0,
    "DraftChangeSet": 10.0,
    "ReviewChangeSet": 20.0,
    "GetChangeSet": 20.0,
    "ReadChanges": 20.0,
    "GetPersonnelFile": 20.0,
    "ReadPersonnelFile": 20.0,
    "ImportPersonnelFile": 20.0,
    # These read a month of the log.
    "OpenReview": 120.0,
    "CompareStaff": 60.0,
    "UploadAttachment": 900.0,
    "ReadAttachment": 900.0,
    "ReadEntries": 900.0,
}
# What grpc says when a call ends under our write: the reason the service gave is lost with it.
_LOST_WHILE_WRITING = "Internal error from Core"
# Answers that show content: counted as they arrive, whatever the service says it recorded.
SHOWING = frozenset(
    {
        *("GetDocument", "ListDocuments", "ReadAttachment", "GetManifest", "ListVersions"),
        *("GetMemo", "GetReceipt", "ListReceipts"),
    }
)
# Signed identities live 60 s; one is used for this long, so that it is never near its end.
TOKEN_SECONDS = 30.0

Stub = TypeVar("Stub")
Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response")


class Peer(Generic[Stub]):
    """One service as the gateway sees it."""

    def __init__(self, audience: str, channel: grpc.aio.Channel, stub: Stub, signer: Signer, answered: Tally) -> None:
        self.audience = audience
        self.channel = channel
        self.rpc = stub
        self._signer = signer
        self._answered = answered

    def over(self, channel: grpc.aio.Channel, stub: Stub) -> Peer[Stub]:
        """The same service over another channel."""
        return Peer(self.audience, channel, stub, self._signer, self._answered)

    async def ask(self, method: client.Unary[Request, Response], request: Request, caller: Caller) -> Response:
        """One call in the name of `caller`; DomainError as the service raised it."""
        name = type(request).__name__.removesuffix("Request")
        deadline = DEADLINES.get(name, DEADLINE)
        answer = await client.call(f"{self.audience}.{name}", method, request, self.token(caller), deadline)
        self.note(name, getattr(answer, "access_record", ""))
        return answer

    def note(self, name: str, access_record: str) -> None:
        """Count an answer that shows content, under the epoch its access record names; "none" without a record."""
        if name in SHOWING:
            epoch = access_record.split("/")[1] if access_record.count("/") == 2 else "none"
            self._answered.add(f"{epoch}.{name}")

    def token(self, caller: Caller) -> str:
        """The caller's signed identity for this service."""
        now = time.time()
        known = caller.tokens.get(self.audience)
        if known is None or known[0] < now:
            known = (now + TOKEN_SECONDS, self._signer.identity(caller.identity, self.audience, now))
            caller.tokens[self.audience] = known
        return known[1]

    @property
    def is_ready(self) -> bool:
        """Whether a connection stands; starts one otherwise."""
        return self.channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY


class Chunks(Protocol):
    """The body of an upload."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...


@dataclass(frozen=True)
class Clients:
    """Channels to the three services, open as long as the process."""

    documents: Peer[DocumentsServiceAsyncStub]
    approvals: Peer[ApprovalsServiceAsyncStub]
    audit: Peer[AuditServiceAsyncStub]
    # Further services of documents, over its channel.
    repeating: Peer[RepeatingServiceAsyncStub]
    body_templates: Peer[BodyTemplatesServiceAsyncStub]
    follow_ups: Peer[FollowUpsServiceAsyncStub]
    counts: Peer[CountsServiceAsyncStub]
    memos: Peer[MemosServiceAsyncStub]
    break_glass: Peer[BreakGlassServiceAsyncStub]
    # Further services of approvals, over its channel.
    rules: Peer[DecisionRulesServiceAsyncStub]
    templates: Peer[RouteTemplatesServiceAsyncStub]
    reorganisation: Peer[ReorganisationServiceAsyncStub]
    provisioning: Peer[ProvisioningServiceAsyncStub]
    notices: Peer[NoticesServiceAsyncStub]
    membership: Peer[MembershipServiceAsyncStub]
    # A further service of documents, over its channel.
    assignments: Peer[AssignmentsServiceAsyncStub]
    owners: Peer[OwnersServiceAsyncStub]
    walk_around: Peer[WalkAroundServiceAsyncStub]
    vendors: Peer[VendorsServiceAsyncStub]
    # Further services of audit, over its channel.
    reviews: Peer[ReviewServiceAsyncStub]
    witness: Peer[WitnessServiceAsyncStub]
    timestamps: Peer[TimestampServiceAsyncStub]
    settings: Settings
    # The gateway's own identity, for what no person asks: who is this, and log records.
    itself: Caller
    # Answers that show content, `<epoch>.<RPC>`; the other side of the daily reconciliation.
    answered: Tally

    async def upload(self, header: UploadHeader, chunks: Chunks, caller: Caller) -> UploadAttachmentResponse:
        """Stream a file to `documents`. Each write waits for room, so the sender is slowed down, not buffered.

        If `chunks` raises, the call is cancelled and nothing of the file becomes visible.
        """
        peer = self.documents
        with telemetry.span("documents.UploadAttachment", kind=SpanKind.CLIENT):
            call = peer.rpc.UploadAttachment(
                timeout=DEADLINES["UploadAttachment"], metadata=client.metadata(peer.token(caller))
            )
            try:
                await call.write(UploadAttachmentRequest(header=header))
                # Accepted, or refused: a refusal that met our chunks on the way would lose its reason.
                if ("kanketsu-upload", "accepted") not in tuple(await call.initial_metadata()):
                    return await call
                async for chunk in chunks:
                    if call.done():
                        # Refused early (not found, too large): the answer below says why.
                        break
                    await call.write(UploadAttachmentRequest(chunk=chunk))
                else:
                    await call.done_writing()
                return await call
            except grpc.aio.AioRpcError as error:
                if error.details() == _LOST_WHILE_WRITING:
                    raise DomainError(Kind.UNAVAILABLE, "UNAVAILABLE", "the upload ended early") from None
                raise client.error_of(error) from None
            except asyncio.InvalidStateError:
                # The call ended between the check and the write.
                return await _answer(call)
            finally:
                call.cancel()

    async def download(
        self, request: ReadAttachmentRequest, caller: Caller
    ) -> AsyncGenerator[ReadAttachmentResponse, None]:
        """Header first, then chunks. Close the iterator to stop early."""
        peer = self.documents
        with telemetry.span("documents.ReadAttachment", kind=SpanKind.CLIENT):
            call = peer.rpc.ReadAttachment(
                request, timeout=DEADLINES["ReadAttachment"], metadata=client.metadata(peer.token(caller))
            )
        try:
            async for message in client.stream(aiter(call)):
                if message.WhichOneof("part") == "header":
                    peer.note("ReadAttachment", message.header.access_record)
                yield message
        finally:
            call.cancel()

    async def entries(self, request: ReadEntriesRequest, caller: Caller) -> AsyncGenerator[ReadEntriesResponse, None]:
        """The record of the export first, then lines. Close the iterator to stop early."""
        peer = self.audit
        with telemetry.span("audit.ReadEntries", kind=SpanKind.CLIENT):
            call = peer.rpc.ReadEntries(
                request, timeout=DEADLINES["ReadEntries"], metadata=client.metadata(peer.token(caller))
            )
        try:
            async for message in client.stream(aiter(call)):
                yield message
        finally:
            call.cancel()

    @asynccontextmanager
    async def apart(
        self,
    ) -> AsyncIterator[tuple[Peer[DocumentsServiceAsyncStub], Peer[ApprovalsServiceAsyncStub]]]:
        """Documents and approvals over channels of their own that try nothing again: as many answers as records."""
        documents, approvals = (
            client.channel(self.settings, target, retries=False)
            for target in (self.settings.documents_target, self.settings.approvals_target)
        )
        try:
            yield (
                self.documents.over(documents, DocumentsServiceStub(documents)),
                self.approvals.over(approvals, ApprovalsServiceStub(approvals)),
            )
        finally:
            await documents.close()
            await approvals.close()

    async def close(self) -> None:
        """Close the channels after running calls."""
        for peer in (self.documents, self.approvals, self.audit):
            await peer.channel.close(grace=2.0)


async def _answer(
    call: grpc.aio.StreamUnaryCall[UploadAttachmentRequest, UploadAttachmentResponse],
) -> UploadAttachmentResponse:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise client.error_of(error) from None


def open_clients(settings: Settings) -> Clients:
    """Channels to the configured targets; they connect by themselves and again after a loss."""
    signer = Signer(settings.identity_signing_key_file)
    documents, approvals, audit = (
        client.channel(settings, target)
        for target in (settings.documents_target, settings.approvals_target, settings.audit_target)
    )
    answered = Tally()
    return Clients(
        documents=Peer("documents", documents, DocumentsServiceStub(documents), signer, answered),
        repeating=Peer("documents", documents, RepeatingServiceStub(documents), signer, answered),
        body_templates=Peer("documents", documents, BodyTemplatesServiceStub(documents), signer, answered),
        follow_ups=Peer("documents", documents, FollowUpsServiceStub(documents), signer, answered),
        memos=Peer("documents", documents, MemosServiceStub(documents), signer, answered),
        break_glass=Peer("documents", documents, BreakGlassServiceStub(documents), signer, answered),
        approvals=Peer("approvals", approvals, ApprovalsServiceStub(approvals), signer, answered),
        reorganisation=Peer("approvals", approvals, ReorganisationServiceStub(approvals), signer, answered),
        provisioning=Peer("approvals", approvals, ProvisioningServiceStub(approvals), signer, answered),
        notices=Peer("approvals", approvals, NoticesServiceStub(approvals), signer, answered),
        membership=Peer("approvals", approvals, MembershipServiceStub(approvals), signer, answered),
        assignments=Peer("documents", documents, AssignmentsServiceStub(documents), signer, answered),
        counts=Peer("documents", documents, CountsServiceStub(documents), signer, answered),
        owners=Peer("documents", documents, OwnersServiceStub(documents), signer, answered),
        walk_around=Peer("approvals", approvals, WalkAroundServiceStub(approvals), signer, answered),
        vendors=Peer("approvals", approvals, VendorsServiceStub(approvals), signer, answered),
        audit=Peer("audit", audit, AuditServiceStub(audit), signer, answered),
        rules=Peer("approvals", approvals, DecisionRulesServiceStub(approvals), signer, answered),
        templates=Peer("approvals", approvals, RouteTemplatesServiceStub(approvals), signer, answered),
        reviews=Peer("audit", audit, ReviewServiceStub(audit), signer, answered),
        witness=Peer("audit", audit, WitnessServiceStub(audit), signer, answered),
        timestamps=Peer("audit", audit, TimestampServiceStub(audit), signer, answered),
        answered=answered,
        settings=settings,
        itself=Caller(Identity(staff_id="service:gateway", tenant=settings.tenant)),
    )
