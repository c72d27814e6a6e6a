# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPCs of 付箋: proto in, command or recorded reading, proto out."""

from __future__ import annotations

from typing import Any, TypeAlias

from chassis import requests
from chassis.db import connection
from chassis.errors import not_found
from chassis.interceptors import identity
from chassis.recorder import Access, Recorder, timestamp
from kanketsu.documents.v1 import memos_service_pb2 as pb
from kanketsu.documents.v1.memos_service_pb2_grpc import MemosServiceServicer
from services.documents import messages
from services.documents.blobs import open_document_key
from services.documents.commands import Service
from services.documents.memos import commands, store

Context: TypeAlias = Any


class MemosApi(MemosServiceServicer):
    """kanketsu.documents.v1.MemosService."""

    def __init__(self, service: Service, recorder: Recorder) -> None:
        self._service = service
        self._recorder = recorder

    async def GetMemo(self, request: pb.GetMemoRequest, context: Context) -> pb.GetMemoResponse:
        """The caller's own memo. NOT_FOUND: the document is absent or not for this reader (AC-03)."""
        caller, document_id = identity(), messages.known_id(request.document_id)
        async with connection(self._service.pool) as conn:
            found = await store.read(conn, document_id, caller.staff_id, caller.principals)
        if found is None:
            raise not_found()
        memo, wrapped, may_save = found
        record = await self._recorder.record(
            Access(
                actor=caller,
                action="memo.viewed",
                object_type="memo",
                object_id=memo.memo_id if memo is not None else "",
            )
        )
        if memo is None:
            return pb.GetMemoResponse(may_save=may_save, access_record=record)
        key = await open_document_key(self._service.keys, wrapped, document_id)
        text = key.unseal(commands.item_id(document_id, caller.staff_id), memo.sealed).decode()
        return pb.GetMemoResponse(
            text=text,
            version=memo.version,
            saved_at=timestamp(memo.saved_at),
            may_save=may_save,
            access_record=record,
        )

    async def SaveMemo(self, request: pb.SaveMemoRequest, context: Context) -> pb.SaveMemoResponse:
        """Sticks one, or changes it; the answer does not repeat it."""
        messages.check_text(request)
        return await requests.carry_out(
            self._recorder,
            request,
            pb.SaveMemoResponse,
            lambda call: commands.save(
                self._service,
                identity(),
                call,
                messages.known_id(request.document_id),
                request.expected_version,
                request.text,
                lambda memo: pb.SaveMemoResponse(version=memo.version).SerializeToString(),
            ),
        )

    async def DeleteMemo(self, request: pb.DeleteMemoRequest, context: Context) -> pb.DeleteMemoResponse:
        """Takes the caller's own off."""
        return await requests.carry_out(
            self._recorder,
            request,
            pb.DeleteMemoResponse,
            lambda call: commands.delete(
                self._service,
                identity(),
                call,
                messages.known_id(request.document_id),
                request.expected_version,
                pb.DeleteMemoResponse().SerializeToString(),
            ),
        )
