# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPCs: a message in, a command or one read, a message out. No rules here.

Reads record the access and only then answer (I1); their answer carries the record. Writes are
recorded by the event that commits with them.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeAlias, TypeVar

from google.protobuf.message import Message

from chassis import clock, requests
from chassis.db import connection
from chassis.errors import DomainError, FieldViolation, Kind, invalid, not_found
from chassis.identity import Identity, Signer
from chassis.interceptors import identity
from chassis.recorder import FAILED, Access, Recorder, digest_of, timestamp
from chassis.requests import Call
from chassis.shared_read import SharedRead
from kanketsu.documents.v1 import documents_service_pb2 as pb
from kanketsu.documents.v1 import documents_service_pb2_grpc
from services.documents import (
    attachment_store,
    attachments,
    commands,
    domain,
    messages,
    plan_store,
    receipt_store,
    rights,
    search_store,
    store,
    textkey,
    textrules,
)
from services.documents.attachments import Announced
from services.documents.blobs import BlobError, open_document_key
from services.documents.breakglass import store as break_glass
from services.documents.commands import Service
from services.documents.domain import Enforcement, Folder
from services.documents.rights import Rights
from services.documents.search_store import Listing

M = TypeVar("M", bound=Message)
Context: TypeAlias = Any

MAX_QUERY = 200
MAX_IDS = 200
# Of a document; who sends one back twenty times looks at paper.
MAX_VERSIONS = 20
PURPOSES = {"inline": "attachment.read", "download": "attachment.downloaded", "": "attachment.read"}
SHOWN_AS = {"": "document.viewed", "print": "document.printed", "export": "document.exported"}


class Api(documents_service_pb2_grpc.DocumentsServiceServicer):
    """DocumentsService."""

    def __init__(self, service: Service, recorder: Recorder, signer: Signer, upload_limit: int, rights: Rights) -> None:
        self._service = service
        self._recorder = recorder
        self._signer = signer
        self._upload_limit = upload_limit
        self._rights = rights
        self._views = SharedRead(self._load_views)

    # ------------------------------------------------------------ receipts

    async def RegisterReceipt(self, request: pb.RegisterReceiptRequest, context: Context) -> pb.RegisterReceiptResponse:
        """収受 (LC-01, NB-04). INVALID_FIELDS, REQUEST_ID_REUSED."""
        arrival = messages.arrival(request)
        return await self._write(
            request,
            pb.RegisterReceiptResponse,
            lambda call: commands.register_receipt(
                self._service,
                identity(),
                call,
                arrival,
                lambda row: _bytes(pb.RegisterReceiptResponse(receipt=messages.receipt(row, protected=True))),
            ),
        )

    async def GetReceipt(self, request: pb.GetReceiptRequest, context: Context) -> pb.GetReceiptResponse:
        """One receipt with the sender's name. NOT_FOUND for other units."""
        receipt_id = messages.known_id(request.receipt_id)
        async with connection(self._service.pool) as conn:
            row = await receipt_store.get(conn, receipt_id, identity().principals)
        if row is None:
            raise not_found()
        record = await self._recorded("receipt.viewed", "receipt", receipt_id)
        return pb.GetReceiptResponse(receipt=messages.receipt(row, protected=True), access_record=record)

    async def ListReceipts(self, request: pb.ListReceiptsRequest, context: Context) -> pb.ListReceiptsResponse:
        """収受簿, newest first. INVALID_CURSOR."""
        messages.check_text(request)
        limit, words = messages.page_size(request.limit), _words(request.query)
        async with connection(self._service.pool) as conn:
            rows = await receipt_store.newest(
                conn,
                identity().principals,
                limit=limit + 1,
                before=messages.position(request.cursor),
                unit_id=request.unit_id,
                words=words,
            )
        rows, cursor = _page(rows, limit, lambda row: row.receipt_id)
        query = messages.canonical(q=request.query, unit=request.unit_id, cursor=request.cursor, limit=limit)
        action = "receipt.searched" if words else "receipt.listed"
        record = await self._listed(action, "receipt", query, [row.receipt_id for row in rows])
        receipts = [messages.receipt(row, protected=False) for row in rows]
        return pb.ListReceiptsResponse(receipts=receipts, next_cursor=cursor, access_record=record)

    # ------------------------------------------------------------ drafts

    async def CreateDraft(self, request: pb.CreateDraftRequest, context: Context) -> pb.CreateDraftResponse:
        """起案. INVALID_FIELDS, PAPER_ONLY, REQUEST_ID_REUSED."""
        content = messages.content(request.fields)
        return await self._write(
            request,
            pb.CreateDraftResponse,
            lambda call: commands.create_draft(
                self._service,
                identity(),
                call,
                content,
                request.post_id,
                lambda view: _bytes(pb.CreateDraftResponse(document=messages.document(view))),
            ),
        )

    async def UpdateDraft(self, request: pb.UpdateDraftRequest, context: Context) -> pb.UpdateDraftResponse:
        """Edit while drafting or sent back. WRONG_STATE, STALE_VERSION, NOT_PERMITTED, IMMUTABLE, PAPER_ONLY."""
        change = messages.change(request.fields, request.changed)
        return await self._write(
            request,
            pb.UpdateDraftResponse,
            lambda call: commands.update_draft(
                self._service,
                identity(),
                call,
                messages.known_id(request.document_id),
                request.expected_version,
                change,
                lambda view: _bytes(pb.UpdateDraftResponse(document=messages.document(view))),
            ),
        )

    async def DeleteDraft(self, request: pb.DeleteDraftRequest, context: Context) -> pb.DeleteDraftResponse:
        """Remove a draft that never circulated (LC-12). WRONG_STATE, STALE_VERSION, NOT_PERMITTED."""
        return await self._write(
            request,
            pb.DeleteDraftResponse,
            lambda call: commands.delete_draft(
                self._service,
                identity(),
                call,
                messages.known_id(request.document_id),
                request.expected_version,
                _bytes(pb.DeleteDraftResponse()),
            ),
        )

    async def GetDocument(self, request: pb.GetDocumentRequest, context: Context) -> pb.GetDocumentResponse:
        """The current version with a signed read receipt for it. NOT_FOUND: absent or not for this reader (AC-03).

        What it is for (to look at, to print, to export) is the action of its record, and a right of its own (AC-15):
        PRINT_NOT_PERMITTED, DOWNLOAD_NOT_PERMITTED.
        """
        domain.check_one_of("purpose", request.purpose, SHOWN_AS)
        document_id, reader = messages.known_id(request.document_id), identity()
        view = await self._views.ask((document_id, reader.principals))
        if view is None:
            raise not_found()
        document = view.document
        digest = document.version_digest
        if request.purpose == "print":
            self._rights.check_print(view.context)
        elif request.purpose == "export":
            self._rights.check_download(view.context)
        detail = _context(view.context)
        record = await self._recorded(SHOWN_AS[request.purpose], "document", document_id, digest, detail)
        until = await self._shown_until(reader, document_id) if view.context.only_looks else None
        # A receipt outlives the span: none for who acts on nothing, so that it opens no case afterwards.
        proves = bool(digest) and not view.context.only_looks
        receipt = self._read_receipt(reader, document_id, digest, record) if proves else ""
        return pb.GetDocumentResponse(
            document=messages.document(view),
            read_receipt=receipt,
            access_record=record,
            may_download=self._rights.may_download(view.context),
            may_print=self._rights.may_print(view.context),
            break_glass_until=timestamp(until) if until is not None else None,
        )

    async def _shown_until(self, reader: Identity, document_id: str) -> dt.datetime | None:
        async with connection(self._service.pool) as conn:
            return await break_glass.until(conn, document_id, reader.staff_id)

    async def _load_views(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[store.View | None]:
        async with connection(self._service.pool) as conn:
            return await store.views(conn, asked)

    def _read_receipt(self, reader: Identity, document_id: str, digest: str, record: str) -> str:
        return self._signer.sign(
            {
                "ten": reader.tenant,
                "doc": document_id,
                "ver": digest,
                "sub": reader.staff_id,
                "rec": record,
                "iat": int(time.time()),
            }
        )

    async def ListDocuments(self, request: pb.ListDocumentsRequest, context: Context) -> pb.ListDocumentsResponse:
        """Lists and searches what the reader may see, newest first; never a total (AC-03, AC-04). INVALID_CURSOR."""
        messages.check_text(request)
        limit = messages.page_size(request.limit)
        listing = _listing(request, identity().principals, limit + 1)
        rows: list[search_store.Summary] = []
        # A query of nothing but spaces and a list of ids that are none find nothing; that is recorded like the rest.
        if not (request.query and not listing.words) and not (request.document_ids and not listing.document_ids):
            async with connection(self._service.pool) as conn:
                rows = await search_store.summaries(conn, listing)
        rows, cursor = _page(rows, limit, lambda row: row.document_id)
        query = messages.canonical(
            q=request.query,
            states=sorted(request.states),
            unit=request.unit_id,
            folder=request.folder_id,
            class_code=request.class_code,
            made_from=getattr(request, "from"),
            made_to=request.to,
            number=request.number,
            ids=list(request.document_ids),
            cursor=request.cursor,
            limit=limit,
        )
        action = "document.searched" if request.query or request.number else "document.listed"
        record = await self._listed(action, "document", query, [row.document_id for row in rows])
        documents = [messages.summary(row) for row in rows]
        return pb.ListDocumentsResponse(documents=documents, next_cursor=cursor, access_record=record)

    # ------------------------------------------------------------ attachments

    async def UploadAttachment(
        self, parts: AsyncIterator[pb.UploadAttachmentRequest], context: Context
    ) -> pb.UploadAttachmentResponse:
        """Header, then chunks. TOO_LARGE, TRUNCATED, DIGEST_MISMATCH, PAPER_ONLY, WRONG_STATE, STORE_UNAVAILABLE."""
        first = await anext(aiter(parts), None)
        if first is None or first.WhichOneof("part") != "header":
            raise invalid(FieldViolation("header", "REQUIRED"))
        header = first.header
        given = Announced(
            document_id=messages.known_id(header.document_id),
            file_name=header.file_name,
            content_type=header.content_type,
            size=header.size if header.HasField("size") else None,
            sha256=header.sha256,
        )

        def answer(attachment_id: str) -> commands.Answer:
            return lambda view: _bytes(
                pb.UploadAttachmentResponse(
                    attachment=next(
                        messages.attachment(a) for a in view.attachments if a.attachment_id == attachment_id
                    ),
                    version=view.document.version,
                )
            )

        return await self._write(
            header,
            pb.UploadAttachmentResponse,
            lambda call: attachments.add(
                self._service, identity(), call, given, _chunks(parts, context), self._upload_limit, answer
            ),
        )

    async def RemoveAttachment(
        self, request: pb.RemoveAttachmentRequest, context: Context
    ) -> pb.RemoveAttachmentResponse:
        """While drafting or sent back. WRONG_STATE after the decision (LC-17)."""
        return await self._write(
            request,
            pb.RemoveAttachmentResponse,
            lambda call: commands.remove_attachment(
                self._service,
                identity(),
                call,
                messages.known_id(request.document_id),
                messages.known_id(request.attachment_id),
                request.expected_version,
                lambda view: _bytes(pb.RemoveAttachmentResponse(version=view.document.version)),
            ),
        )

    async def ReadAttachment(
        self, request: pb.ReadAttachmentRequest, context: Context
    ) -> AsyncIterator[pb.ReadAttachmentResponse]:
        """Header once the access is recorded, then chunks. RANGE_NOT_SATISFIABLE, CONTENT_DAMAGED.

        DOWNLOAD_NOT_PERMITTED to who may only look (AC-15), also for what browsers do not show.
        """
        domain.check_one_of("purpose", request.purpose, PURPOSES)
        document_id = messages.known_id(request.document_id)
        attachment_id = messages.known_id(request.attachment_id)
        async with connection(self._service.pool) as conn:
            stored = await attachment_store.get(conn, document_id, attachment_id, identity().principals)
        if stored is None:
            raise not_found()
        opened_as = rights.opened_as(request.purpose, stored.attachment.content_type)
        if opened_as == "download":
            self._rights.check_download(stored.context)
        part = attachments.range_of(stored.attachment.size, request.offset, request.length)
        action = PURPOSES[opened_as]
        detail = {"document_id": document_id, "offset": str(part.offset), "length": str(part.length)}
        detail |= _context(stored.context)
        try:
            async with attachments.opened(self._service, document_id, stored, part) as chunks:
                record = await self._recorded(action, "attachment", attachment_id, stored.attachment.sha256, detail)
                header = pb.ReadHeader(
                    attachment=messages.attachment(stored.attachment),
                    offset=part.offset,
                    length=part.length,
                    access_record=record,
                )
                yield pb.ReadAttachmentResponse(header=header)
                async for chunk in chunks:
                    if chunk:
                        yield pb.ReadAttachmentResponse(chunk=chunk)
        except DomainError as error:
            if error.kind is Kind.DATA_LOSS:
                await self._recorder.record(
                    Access(
                        actor=identity(),
                        action=action,
                        object_type="attachment",
                        object_id=attachment_id,
                        outcome=FAILED,
                        reason=error.reason,
                        detail=detail,
                    )
                )
            raise

    # ------------------------------------------------------------ circulation and after

    async def SubmitDocument(self, request: pb.SubmitDocumentRequest, context: Context) -> pb.SubmitDocumentResponse:
        """回議開始. INCOMPLETE lists what is missing (LC-04); WIDER_THAN_RECEIPTS until that is confirmed (AC-02).

        WRONG_STATE, STALE_VERSION, NOT_PERMITTED, PAPER_ONLY.
        """
        return await self._write(
            request,
            pb.SubmitDocumentResponse,
            lambda call: commands.submit_document(
                self._service,
                identity(),
                call,
                messages.known_id(request.document_id),
                request.expected_version,
                request.route_plan_id,
                request.replacement,
                request.wider_than_receipts_confirmed,
                lambda view: _bytes(
                    pb.SubmitDocumentResponse(document=messages.document(view), case_id=view.document.case_id)
                ),
            ),
        )

    async def EnforceDocument(self, request: pb.EnforceDocumentRequest, context: Context) -> pb.EnforceDocumentResponse:
        """施行 (LC-06, LC-07). WRONG_STATE unless decided and to be sent."""
        sent = Enforcement(
            enforced_on=domain.parse_date("enforced_on", request.enforced_on),
            method=request.method,
            addressee=request.addressee,
            collated_by=request.collated_by,
        )
        return await self._write(
            request,
            pb.EnforceDocumentResponse,
            lambda call: commands.enforce_document(
                self._service,
                identity(),
                call,
                messages.known_id(request.document_id),
                request.expected_version,
                sent,
                lambda view: _bytes(pb.EnforceDocumentResponse(document=messages.document(view))),
            ),
        )

    async def CompleteDocument(
        self, request: pb.CompleteDocumentRequest, context: Context
    ) -> pb.CompleteDocumentResponse:
        """完結 (LC-09, RT-02). VIEW_CLASS_NOT_ADMITTED (AC-02), PAPER_ONLY; STORE_UNAVAILABLE when the manifest cannot be kept; nothing has changed then."""
        completed_on = domain.parse_date("completed_on", request.completed_on)
        return await self._write(
            request,
            pb.CompleteDocumentResponse,
            lambda call: commands.complete_document(
                self._service,
                identity(),
                call,
                messages.known_id(request.document_id),
                request.expected_version,
                completed_on,
                request.folder_id,
                lambda view: _bytes(pb.CompleteDocumentResponse(document=messages.document(view))),
            ),
        )

    async def AnnotateDocument(
        self, request: pb.AnnotateDocumentRequest, context: Context
    ) -> pb.AnnotateDocumentResponse:
        """追記 (LC-16). WRONG_STATE before the decision, IMMUTABLE after 完結."""
        return await self._write(
            request,
            pb.AnnotateDocumentResponse,
            lambda call: commands.annotate_document(
                self._service,
                identity(),
                call,
                messages.known_id(request.document_id),
                request.expected_version,
                request.text,
                lambda view: _bytes(pb.AnnotateDocumentResponse(document=messages.document(view))),
            ),
        )

    # ------------------------------------------------------------ who, what happened, proof

    async def ListViewers(self, request: pb.ListViewersRequest, context: Context) -> pb.ListViewersResponse:
        """Who may see it now, and why (AC-10)."""
        document_id = messages.known_id(request.document_id)
        async with connection(self._service.pool) as conn:
            found = await store.viewers(conn, document_id, identity().principals)
        if found is None:
            raise not_found()
        why, digest, rows = found
        record = await self._recorded("document.viewers_read", "document", document_id, digest, _context(why))
        viewers = [messages.viewer(row, *self._rights.beyond_looking(row)) for row in rows]
        return pb.ListViewersResponse(viewers=viewers, access_record=record)

    async def ListHistory(self, request: pb.ListHistoryRequest, context: Context) -> pb.ListHistoryResponse:
        """Every event, oldest first (LC-11)."""
        document_id = messages.known_id(request.document_id)
        async with connection(self._service.pool) as conn:
            found = await store.history(conn, document_id, identity().principals)
        if found is None:
            raise not_found()
        why, digest, rows = found
        record = await self._recorded("document.history_read", "document", document_id, digest, _context(why))
        return pb.ListHistoryResponse(events=[messages.history_event(row) for row in rows], access_record=record)

    async def ListVersions(self, request: pb.ListVersionsRequest, context: Context) -> pb.ListVersionsResponse:
        """What circulated before and now, newest first; who sees the document sees its versions (AP-30)."""
        document_id = messages.known_id(request.document_id)
        async with connection(self._service.pool) as conn:
            found = await store.versions(conn, document_id, identity().principals, MAX_VERSIONS)
        if found is None:
            raise not_found()
        why, versions = found
        newest = versions[0].version_digest if versions else ""
        record = await self._recorded("document.versions_viewed", "document", document_id, newest, _context(why))
        return pb.ListVersionsResponse(versions=map(messages.version, versions), access_record=record)

    async def GetManifest(self, request: pb.GetManifestRequest, context: Context) -> pb.GetManifestResponse:
        """The manifest's exact bytes. NOT_FOUND before 完結, CONTENT_DAMAGED when they are not what was sealed."""
        document_id = messages.known_id(request.document_id)
        async with connection(self._service.pool) as conn:
            stored = await store.stored_manifest(conn, document_id, identity().principals)
        if stored is None:
            raise not_found()
        if stored.context.only_looks:
            self._rights.check_download(stored.context)
        try:
            key = await open_document_key(self._service.keys, stored.wrapped_key, document_id)
            sealed = await self._service.blobs.get_small(stored.object_key, stored.version_id)
            text = key.unseal(stored.item_id, sealed)
        except BlobError as error:
            raise commands.store_error(error) from error
        detail = _context(stored.context)
        record = await self._recorded("manifest.read", "document", document_id, stored.version_digest, detail)
        return pb.GetManifestResponse(manifest=text, manifest_digest=stored.manifest_digest, access_record=record)

    # ------------------------------------------------------------ file plan

    async def ListClasses(self, request: pb.ListClassesRequest, context: Context) -> pb.ListClassesResponse:
        """Common classes and those of the reader's units."""
        async with connection(self._service.pool) as conn:
            rows = await plan_store.classes(conn, sorted(identity().units))
        record = await self._listed("class.listed", "class", "", [row.class_code for row in rows])
        return pb.ListClassesResponse(classes=[messages.class_(row) for row in rows], access_record=record)

    async def ListFolders(self, request: pb.ListFoldersRequest, context: Context) -> pb.ListFoldersResponse:
        """Folders of the reader's units."""
        messages.check_text(request)
        async with connection(self._service.pool) as conn:
            rows = await plan_store.folders(conn, sorted(identity().units), request.fiscal_year, request.class_code)
        query = messages.canonical(year=request.fiscal_year, class_code=request.class_code)
        record = await self._listed("folder.listed", "folder", query, [row.folder_id for row in rows])
        return pb.ListFoldersResponse(folders=[messages.folder(row) for row in rows], access_record=record)

    async def CreateFolder(self, request: pb.CreateFolderRequest, context: Context) -> pb.CreateFolderResponse:
        """A folder of the caller's unit (FL-03, FL-04). INVALID_FIELDS."""
        folder = Folder(
            folder_id=clock.new_id(),
            unit_id=request.unit_id,
            fiscal_year=request.fiscal_year,
            class_code=request.class_code,
            name=request.name,
            retention="",
        )
        return await self._write(
            request,
            pb.CreateFolderResponse,
            lambda call: commands.create_folder(
                self._service,
                identity(),
                call,
                folder,
                lambda row: _bytes(pb.CreateFolderResponse(folder=messages.folder(row))),
            ),
        )

    # ------------------------------------------------------------ what they share

    async def _write(self, request: Any, answer: type[M], command: Callable[[Call], Any]) -> M:
        """Run a command once for its request_id."""
        messages.check_text(request)
        return await requests.carry_out(self._recorder, request, answer, command)

    async def _recorded(
        self, action: str, object_type: str, object_id: str, digest: str = "", detail: dict[str, str] | None = None
    ) -> str:
        return await self._recorder.record(
            Access(
                actor=identity(),
                action=action,
                object_type=object_type,
                object_id=object_id,
                version_digest=digest,
                detail=detail or {},
            )
        )

    async def _listed(self, action: str, object_type: str, query: str, ids: Sequence[str]) -> str:
        return await self._recorder.record(
            Access(
                actor=identity(),
                action=action,
                object_type=object_type,
                query_digest=digest_of(query),
                result_count=len(ids),
                result_digest=digest_of(*ids),
            )
        )


R = TypeVar("R")


def _page(rows: list[R], limit: int, key: Callable[[R], str]) -> tuple[list[R], str]:
    """The page and the cursor of the next; one row more was asked for to know whether there is one."""
    more = len(rows) > limit
    rows = rows[:limit]
    return rows, messages.cursor(key(rows[-1])) if more else ""


def _context(context: store.ReadContext) -> dict[str, str]:
    """Why the reader may see the document, whose it is and of which class, as the record says it; never a title."""
    members = {"purpose": next(iter(context.reasons), ""), "unit": context.unit, "class": context.class_code}
    return {name: value for name, value in members.items() if value}


def _bytes(message: Message) -> bytes:
    return message.SerializeToString()


def _words(query: str) -> list[str]:
    if len(query) > MAX_QUERY:
        raise invalid(FieldViolation("query", "TOO_LONG"))
    return textkey.words(query)


def _listing(request: pb.ListDocumentsRequest, principals: Sequence[str], limit: int) -> Listing:
    if len(request.document_ids) > MAX_IDS:
        raise invalid(FieldViolation("document_ids", "TOO_MANY"))
    first = domain.parse_date("from", getattr(request, "from"))
    last = domain.parse_date("to", request.to)
    return Listing(
        principals=principals,
        limit=limit,
        before=messages.position(request.cursor),
        words=_words(request.query),
        states=[int(state) for state in request.states],
        unit_id=request.unit_id,
        folder_id=request.folder_id,
        class_code=request.class_code,
        made_from=dt.datetime.combine(first, dt.time(), clock.JST) if first else None,
        made_before=dt.datetime.combine(last, dt.time(), clock.JST) + dt.timedelta(days=1) if last else None,
        number=textkey.number(request.number),
        document_ids=[i for i in request.document_ids if textrules.is_uuid(i)],
    )


async def _chunks(parts: AsyncIterator[pb.UploadAttachmentRequest], context: Context) -> AsyncIterator[bytes]:
    # The sender waits for this: nothing is sent that is going to be refused anyway.
    await context.send_initial_metadata((("kanketsu-upload", "accepted"),))
    async for message in parts:
        if message.WhichOneof("part") != "chunk":
            raise invalid(FieldViolation("chunk", "REQUIRED"))
        yield message.chunk
