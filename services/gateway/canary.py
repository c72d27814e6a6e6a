"""The canary: a reader that is nobody, whose readings the log must hold, exactly.

Every few minutes it reads over the same RPCs as people: the list of what it may see, its one document, its empty inbox.
Before, it announces to audit what it is about to read; after, it tells which records the answers named. Audit compares
that with what arrived the other way, over outbox and broker (`services/audit/completeness/canary.py`). No setting turns it
off: an interval longer than five minutes is refused, and audit alarms when a gateway's canary is silent.

It gives nobody a view. It may see its own draft and nothing else: it has no role and is in no unit; the draft stands in
a unit that no organisation has, and nobody else sees a draft.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from chassis import clock
from chassis.errors import DomainError
from chassis.identity import Identity
from chassis.recorder import Access, Recorder
from kanketsu.approvals.v1.approvals_service_pb2 import ListInboxRequest
from kanketsu.documents.v1.documents_service_pb2 import (
    CreateDraftRequest,
    DraftFields,
    GetDocumentRequest,
    ListDocumentsRequest,
)
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.settings import Settings

log = logging.getLogger(__name__)

# Staff id, post and unit: no organisation can have ids of this form.
CANARY = "service:canary"
# What a round reads, as the services record it, and how often.
READINGS = ("document.listed", "document.viewed", "inbox.listed")
DRAFT = DraftFields(
    title="監査ログの試験閲覧用の文書",
    body="記録が漏れなく届くことを確かめるため、システムが数分ごとに開く文書です。職員には表示されません。",
)


class Canary:
    """Runs in every gateway process."""

    def __init__(self, settings: Settings, clients: Clients, recorder: Recorder) -> None:
        self._tenant = settings.tenant
        self._interval = settings.canary_interval
        self._clients = clients
        self._recorder = recorder

    async def run(self) -> None:
        """Until cancelled. A round that does not come to its end is not told of: audit hears the silence."""
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self.read()
            except DomainError as error:
                log.warning("the canary did not return", extra={"reason": error.reason, "error": error.message})

    async def read(self) -> None:
        """One round. DomainError of the reading that failed; what was read before it is explained by the announcement."""
        # The round's own name stands in each of its records as the session.
        identity = Identity(
            staff_id=CANARY,
            tenant=self._tenant,
            # Its draft is seen as any draft is: while whose it is belongs to the unit, here one of its own.
            principals=(f"staff:{CANARY}", f"member:{CANARY}@{CANARY}"),
            posts={CANARY: CANARY},
            session_id=clock.new_id(),
        )
        await self._record(identity, "canary.announced", dict.fromkeys(READINGS, "1"))
        records = await self._read(Caller(identity))
        await self._record(identity, "canary.returned", records | {"interval": f"{self._interval}"})

    async def _read(self, caller: Caller) -> dict[str, str]:
        """Action → the record that the answer named, "" for none."""
        async with self._clients.apart() as (documents, approvals):
            listed = await documents.ask(documents.rpc.ListDocuments, ListDocumentsRequest(limit=1), caller)
            if listed.documents:
                document_id = listed.documents[0].document_id
            else:
                # The first time in this municipality; another gateway that is as early gets the same draft.
                request = CreateDraftRequest(request_id=CANARY, fields=DRAFT)
                made = await documents.ask(documents.rpc.CreateDraft, request, caller)
                document_id = made.document.document_id
            viewed = await documents.ask(documents.rpc.GetDocument, GetDocumentRequest(document_id=document_id), caller)
            inbox = await approvals.ask(approvals.rpc.ListInbox, ListInboxRequest(limit=1), caller)
        return dict(zip(READINGS, (listed.access_record, viewed.access_record, inbox.access_record), strict=True))

    async def _record(self, identity: Identity, action: str, detail: Mapping[str, str]) -> None:
        await self._recorder.record(
            Access(actor=identity, action=action, object_type="canary", object_id=identity.session_id, detail=detail)
        )
