"""付箋: what the caller notes for themself on a document that circulates (AP-53)."""

from __future__ import annotations

from kanketsu.documents.v1 import memos_service_pb2 as pb
from services.gateway.actions.answer import Answer
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.views import moment


async def read(clients: Clients, caller: Caller, document_id: str) -> Answer:
    """The caller's own: {text, version, saved_at, may_save}; version 0 where there is none."""
    answer = await clients.memos.ask(clients.memos.rpc.GetMemo, pb.GetMemoRequest(document_id=document_id), caller)
    body = {
        "text": answer.text,
        "version": answer.version,
        "saved_at": moment(answer, "saved_at"),
        "may_save": answer.may_save,
    }
    return Answer(body, answer.access_record)


async def save(
    clients: Clients, caller: Caller, document_id: str, version: int, *, text: str, request_id: str
) -> Answer:
    """Stick one (version 0) or change it: {version}."""
    request = pb.SaveMemoRequest(request_id=request_id, document_id=document_id, expected_version=version, text=text)
    answer = await clients.memos.ask(clients.memos.rpc.SaveMemo, request, caller)
    return Answer({"version": answer.version})


async def delete(clients: Clients, caller: Caller, document_id: str, version: int, request_id: str) -> None:
    """Take it off."""
    request = pb.DeleteMemoRequest(request_id=request_id, document_id=document_id, expected_version=version)
    await clients.memos.ask(clients.memos.rpc.DeleteMemo, request, caller)
