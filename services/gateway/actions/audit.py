"""監査: the log's entries, proofs and sources for audit officers; the log itself for verifiers."""

from __future__ import annotations

from kanketsu.audit.v1 import audit_service_pb2 as pb
from services.gateway import views
from services.gateway.actions.answer import Answer, page_of
from services.gateway.callers import Caller
from services.gateway.clients import Clients


async def entries(
    clients: Clients,
    caller: Caller,
    *,
    actor: str = "",
    document_id: str = "",
    action: str = "",
    outcome: str = "",
    unit_id: str = "",
    access_record: str = "",
    since: str = "",
    until: str = "",
    cursor: str = "",
    limit: int = 100,
) -> Answer:
    """Entries, newest first, for audit officers (SC-06). `since` and `until` are RFC 3339 times."""
    rpc = clients.audit.rpc
    request = pb.ListEntriesRequest(
        actor=actor,
        document_id=document_id,
        action=action,
        outcome=outcome,
        unit_id=unit_id,
        access_record=access_record,
        cursor=cursor,
        limit=limit,
    )
    if since:
        getattr(request, "from").CopyFrom(views.stamp_of(since))
    if until:
        request.to.CopyFrom(views.stamp_of(until))
    answer = await clients.audit.ask(rpc.ListEntries, request, caller)
    return page_of((views.entry(one) for one in answer.entries), answer.next_cursor, answer.access_record)


async def entry(clients: Clients, caller: Caller, index: int) -> Answer:
    """One entry with its inclusion proof in the latest checkpoint."""
    rpc = clients.audit.rpc
    answer = await clients.audit.ask(rpc.GetEntry, pb.GetEntryRequest(index=index), caller)
    return Answer({"entry": views.entry(answer.entry), "proof": views.proof(answer.proof)}, answer.access_record)


async def sources(clients: Clients, caller: Caller) -> Answer:
    """What arrived from each process, and what is missing."""
    rpc = clients.audit.rpc
    answer = await clients.audit.ask(rpc.ListSources, pb.ListSourcesRequest(), caller)
    return page_of(
        (views.source(one) for one in answer.sources),
        "",
        answer.access_record,
        gaps=[views.gap(one) for one in answer.gaps],
        alarms=[views.alarm(one) for one in answer.alarms],
        reconciliation=views.reconciliation(answer.reconciliation) if answer.HasField("reconciliation") else None,
    )


async def reconcile(clients: Clients, caller: Caller, request_id: str) -> Answer:
    """Compare the counts now; what does not agree is an alarm."""
    rpc = clients.audit.rpc
    answer = await clients.audit.ask(rpc.Reconcile, pb.ReconcileRequest(request_id=request_id), caller)
    return Answer(views.reconciliation(answer.reconciliation))


async def checkpoint(clients: Clients) -> tuple[bytes, str]:
    """The published checkpoint, empty before the first, and the log's verifier key. Whoever reaches the log may read it:
    no person asks."""
    rpc = clients.audit.rpc
    answer = await clients.audit.ask(rpc.GetCheckpoint, pb.GetCheckpointRequest(), clients.itself)
    return answer.checkpoint, answer.verifier_key


async def tile(clients: Clients, path: str) -> bytes:
    """A hash tile or entry bundle by its tlog-tiles path."""
    rpc = clients.audit.rpc
    answer = await clients.audit.ask(rpc.GetTile, pb.GetTileRequest(path=path), clients.itself)
    return bytes(answer.tile)
