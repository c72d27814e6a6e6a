"""The numbers beside the menu: what waits for the caller (UI-01)."""

from __future__ import annotations

import asyncio

from kanketsu.approvals.v1 import approvals_service_pb2 as approvals_pb
from kanketsu.documents.v1 import counts_service_pb2 as documents_pb
from kanketsu.documents.v1 import documents_service_pb2
from services.gateway.actions.answer import Answer
from services.gateway.actions.cases import INBOX_KINDS
from services.gateway.callers import Caller
from services.gateway.clients import Clients


async def counts(clients: Clients, caller: Caller) -> Answer:
    """By menu entry: the kinds of the inbox, and `sent_back`, at most 100. What the lists show (AC-03)."""
    waiting, sent_back = await asyncio.gather(
        clients.approvals.ask(clients.approvals.rpc.CountInbox, approvals_pb.CountInboxRequest(), caller),
        clients.counts.ask(
            clients.counts.rpc.CountDocuments,
            documents_pb.CountDocumentsRequest(state=documents_service_pb2.DOCUMENT_STATE_SENT_BACK),
            caller,
        ),
    )
    found = {kind: waiting.counts.get(kind, 0) for kind in INBOX_KINDS}
    return Answer(found | {"sent_back": sent_back.count})
