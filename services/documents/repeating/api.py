# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPCs of 引用起案: the source is read and recorded like any reading, then the draft is made."""

from __future__ import annotations

from typing import Any, TypeAlias

from chassis import clock, requests
from chassis.db import connection
from chassis.errors import FieldViolation, invalid, not_found
from chassis.identity import Identity
from chassis.interceptors import identity
from chassis.recorder import Access, Recorder, digest_of
from kanketsu.documents.v1 import repeating_service_pb2 as pb
from kanketsu.documents.v1.repeating_service_pb2_grpc import RepeatingServiceServicer
from services.documents import messages, receipt_store, retention, store
from services.documents.commands import Service
from services.documents.follow_ups import store as follow_ups
from services.documents.follow_ups.domain import FollowUp, offered
from services.documents.policy import not_permitted
from services.documents.repeating import commands
from services.documents.repeating import store as citations
from services.documents.repeating.domain import DONE

Context: TypeAlias = Any


class RepeatingApi(RepeatingServiceServicer):
    """kanketsu.documents.v1.RepeatingService."""

    def __init__(self, service: Service, recorder: Recorder) -> None:
        self._service = service
        self._recorder = recorder

    async def RepeatDocument(self, request: pb.RepeatDocumentRequest, context: Context) -> pb.RepeatDocumentResponse:
        """引用起案. The viewing of the source is recorded before anything of it comes over (I1)."""
        messages.check_text(request)
        reader = identity()
        source = await self._see(reader, messages.known_id(request.document_id))
        found = source.document
        if source.context.only_looks:
            raise not_permitted("break-glass is for looking at it, not for a draft from it")
        record = await self._recorder.record(
            Access(
                actor=reader,
                action="document.viewed",
                object_type="document",
                object_id=found.document_id,
                version_digest=found.version_digest,
                detail={"purpose": source.reasons[0], "unit": found.unit_id, "class": found.content.class_code},
            )
        )
        return await requests.carry_out(
            self._recorder,
            request,
            pb.RepeatDocumentResponse,
            lambda call: commands.repeat_document(
                self._service,
                reader,
                call,
                found,
                post_id=request.post_id,
                with_counterparty=request.with_counterparty,
                follow_up_id=request.follow_up_id,
                answer=lambda view: pb.RepeatDocumentResponse(
                    document=messages.document(view), access_record=record
                ).SerializeToString(),
            ),
        )

    async def ListRelated(self, request: pb.ListRelatedRequest, context: Context) -> pb.ListRelatedResponse:
        """引用元, what was drafted from it, and 次にすること. What the reader may not see is not there (AC-03)."""
        reader = identity()
        if bool(request.document_id) == bool(request.receipt_id):
            raise invalid(FieldViolation("document_id", "REQUIRED"))
        answer = pb.ListRelatedResponse()
        if request.document_id:
            object_type, object_id = "document", messages.known_id(request.document_id)
            found = (await self._see(reader, object_id)).document
            async with connection(self._service.pool) as conn:
                answer.source_ids.extend(await citations.sources(conn, object_id, reader.principals))
                answer.repeated_ids.extend(await citations.repeated(conn, object_id, reader.principals))
            if found.state in DONE and found.unit_id in reader.units:
                content = found.content
                answer.follow_ups.extend(
                    await self._follow_ups("draft", content.class_code, content.title, found.unit_id)
                )
        else:
            object_type, object_id = "receipt", messages.known_id(request.receipt_id)
            async with connection(self._service.pool) as conn:
                receipt = await receipt_store.get(conn, object_id, reader.principals)
            if receipt is None:
                raise not_found()
            answer.follow_ups.extend(
                await self._follow_ups("receipt", receipt.class_code, receipt.title, receipt.unit_id)
            )
        ids = [*answer.source_ids, *answer.repeated_ids]
        answer.access_record = await self._recorder.record(
            Access(
                actor=reader,
                action={"document": "document.related_listed", "receipt": "receipt.related_listed"}[object_type],
                object_type=object_type,
                object_id=object_id,
                result_count=len(ids),
                result_digest=digest_of(*ids),
            )
        )
        return answer

    async def _see(self, reader: Identity, document_id: str) -> store.View:
        async with connection(self._service.pool) as conn:
            (view,) = await store.views(conn, [(document_id, reader.principals)])
        if view is None:
            raise not_found()
        return view

    async def _follow_ups(self, kind: str, class_code: str, title: str, unit_id: str) -> list[pb.FollowUp]:
        """What usually follows, with this year's folder of the unit."""
        year = retention.fiscal_year(clock.today())
        async with connection(self._service.pool) as conn:
            rows = offered(await follow_ups.of_class(conn, class_code), kind, title)
            folders = [await citations.folder_of(conn, unit_id, year, row.next_class_code) for row in rows]
        return [
            _follow_up(row, year, folder.folder_id if folder is not None else "")
            for row, folder in zip(rows, folders, strict=True)
        ]


def _follow_up(row: FollowUp, year: int, folder_id: str) -> pb.FollowUp:
    return pb.FollowUp(
        follow_up_id=row.follow_up_id,
        kind=row.kind,
        title=row.titled(year),
        class_code=row.next_class_code,
        folder_id=folder_id,
        body_template_id=row.body_template_id,
    )
