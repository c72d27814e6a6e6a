"""収受: register, read, list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kanketsu.documents.v1 import documents_service_pb2 as pb
from services.gateway.actions.answer import Answer, enum_of, page_of
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.views import VIEW_CLASSES
from services.gateway.views import receipts as views


async def register(clients: Clients, caller: Caller, fields: Mapping[str, Any], request_id: str) -> Answer:
    """Register a receipt; its number is issued in the same transaction (NB-04).

    `fields`: title, sender_kind, sender_name, sender_reference, received_on, arrived_on (ISO dates), medium,
    unit_id, due_on, class_code, backdated_reason, view_class (unit, section, designated), designated (staff ids).
    What is None or missing is not given.
    """
    rpc = clients.documents.rpc
    given = {name: value for name, value in fields.items() if value is not None}
    if "view_class" in given:
        given["view_class"] = enum_of(VIEW_CLASSES, "view_class", given["view_class"])
    answer = await clients.documents.ask(
        rpc.RegisterReceipt, pb.RegisterReceiptRequest(request_id=request_id, **given), caller
    )
    return Answer(views.receipt(answer.receipt))


async def read(clients: Clients, caller: Caller, receipt_id: str) -> Answer:
    """One receipt, with the sender's name (a protected field)."""
    rpc = clients.documents.rpc
    answer = await clients.documents.ask(rpc.GetReceipt, pb.GetReceiptRequest(receipt_id=receipt_id), caller)
    return Answer(views.receipt(answer.receipt), answer.access_record)


async def list_receipts(
    clients: Clients, caller: Caller, *, query: str = "", unit_id: str = "", cursor: str = "", limit: int = 50
) -> Answer:
    """収受簿 of the reader's units, newest first."""
    rpc = clients.documents.rpc
    answer = await clients.documents.ask(
        rpc.ListReceipts, pb.ListReceiptsRequest(cursor=cursor, limit=limit, unit_id=unit_id, query=query), caller
    )
    return page_of((views.receipt(one) for one in answer.receipts), answer.next_cursor, answer.access_record)
