"""引用起案: a draft from a document that is there; what it came from and what usually follows (FL-06)."""

from __future__ import annotations

from kanketsu.documents.v1 import repeating_service_pb2 as pb
from services.gateway.actions.answer import Answer
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.views import documents as document_views
from services.gateway.views import repeating as views


async def repeat(
    clients: Clients,
    caller: Caller,
    document_id: str,
    request_id: str,
    *,
    with_counterparty: bool = False,
    follow_up_id: str = "",
) -> Answer:
    """A draft of the acting post's; `follow_up_id` makes it the one that usually comes next."""
    request = pb.RepeatDocumentRequest(
        request_id=request_id,
        document_id=document_id,
        post_id=caller.identity.acting_post,
        with_counterparty=with_counterparty,
        follow_up_id=follow_up_id,
    )
    answer = await clients.repeating.ask(clients.repeating.rpc.RepeatDocument, request, caller)
    return Answer(document_views.document(answer.document), answer.access_record)


async def related(clients: Clients, caller: Caller, *, document_id: str = "", receipt_id: str = "") -> Answer:
    """Of a document or a receipt: `source_ids`, `repeated_ids` (only what the caller may see), `follow_ups`."""
    request = pb.ListRelatedRequest(document_id=document_id, receipt_id=receipt_id)
    answer = await clients.repeating.ask(clients.repeating.rpc.ListRelated, request, caller)
    return Answer(views.related(answer), answer.access_record)
