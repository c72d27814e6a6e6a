"""監査: the log's entries, proofs and sources for audit officers; the log itself for verifiers."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from chassis.errors import DomainError, Kind
from kanketsu.audit.v1 import audit_service_pb2 as pb
from services.gateway.actions.answer import Answer, page_of
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.errors import refusal
from services.gateway.views import View, stamp_of
from services.gateway.views import audit as views

COMPLETED: Final = "document.completed"


@dataclass(frozen=True)
class Certificate:
    """証明書: a leaf, and the proof that the signed log of its year has it."""

    year: int
    leaf: bytes
    proof: pb.InclusionProof
    verifier_key: str
    access_record: str
    # The same by the first checkpoint with a time-stamp, and that time-stamp; None and empty while there is none.
    stamped: pb.InclusionProof | None = None
    timestamp: bytes = b""

    @property
    def name(self) -> str:
        """For its files."""
        return f"{self.year}-{self.proof.index}"

    @property
    def file(self) -> bytes:
        """As c2sp.org/tlog-proof writes it."""
        return proof_file(self.proof)

    @property
    def view(self) -> View:
        """As JSON: the same, and the leaf as the text that was hashed."""
        return {
            "year": self.year,
            "leaf": self.leaf.decode(),
            "proof": views.proof(self.proof),
            "verifier_key": self.verifier_key,
        }


def proof_file(proof: pb.InclusionProof) -> bytes:
    """An inclusion proof as c2sp.org/tlog-proof writes it."""
    hashes = "".join(f"{base64.b64encode(one).decode()}\n" for one in proof.hashes)
    return f"c2sp.org/tlog-proof@v1\nindex {proof.index}\n{hashes}\n{proof.checkpoint}".encode()


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
        getattr(request, "from").CopyFrom(stamp_of(since))
    if until:
        request.to.CopyFrom(stamp_of(until))
    answer = await clients.audit.ask(rpc.ListEntries, request, caller)
    return page_of((views.entry(one) for one in answer.entries), answer.next_cursor, answer.access_record)


async def entry(clients: Clients, caller: Caller, index: int, year: int = 0) -> Answer:
    """One entry with its inclusion proof in the latest checkpoint of its year's log, the current one's if 0."""
    found = await _entry(clients, caller, index, year)
    return Answer({"entry": views.entry(found.entry), "proof": views.proof(found.proof)}, found.access_record)


async def entry_proof(clients: Clients, caller: Caller, index: int, year: int = 0) -> Certificate:
    """The same as files. NOT_YET_IN_CHECKPOINT in the second before a checkpoint covers it."""
    found = await _entry(clients, caller, index, year)
    if not found.proof.checkpoint:
        raise DomainError(Kind.UNAVAILABLE, "NOT_YET_IN_CHECKPOINT", metadata={"service": "audit"})
    return Certificate(found.entry.log_year, found.entry.leaf, found.proof, found.verifier_key, found.access_record)


async def _entry(clients: Clients, caller: Caller, index: int, year: int) -> pb.GetEntryResponse:
    rpc = clients.audit.rpc
    return await clients.audit.ask(rpc.GetEntry, pb.GetEntryRequest(index=index, log_year=year), caller)


async def record_proof(clients: Clients, caller: Caller, record: str) -> Certificate:
    """The proof of one access record, by its X-Access-Record: any for officers, one's own for everybody."""
    rpc = clients.audit.rpc
    found = await clients.audit.ask(rpc.FindProof, pb.FindProofRequest(record=record), caller)
    return Certificate(found.log_year, found.leaf, found.proof, found.verifier_key, found.access_record)


async def completion_proof(clients: Clients, caller: Caller, document_id: str, read_receipt: str) -> Certificate:
    """The proof that a document was completed, for whoever has read it. PROOF_PENDING for seconds after completion."""
    request = pb.FindProofRequest(document_id=document_id, action=COMPLETED, read_receipt=read_receipt)
    try:
        found = await clients.audit.ask(clients.audit.rpc.FindProof, request, caller)
    except DomainError as error:
        # The document is completed, so its record is on its way.
        if error.kind is Kind.NOT_FOUND:
            raise refusal("PROOF_PENDING") from None
        raise
    stamped = found.stamped if found.HasField("stamped") else None
    return Certificate(
        found.log_year, found.leaf, found.proof, found.verifier_key, found.access_record, stamped, found.timestamp
    )


async def export(clients: Clients, caller: Caller, since: str, until: str) -> tuple[str, AsyncGenerator[bytes, None]]:
    """The access record of an export and its lines: OCSF events, oldest first. Times are RFC 3339, "" for no limit."""
    request = pb.ReadEntriesRequest()
    if since:
        getattr(request, "from").CopyFrom(stamp_of(since))
    if until:
        request.to.CopyFrom(stamp_of(until))
    pieces = clients.entries(request, caller)
    try:
        first = await anext(pieces)
    except BaseException:
        await pieces.aclose()
        raise

    async def lines() -> AsyncGenerator[bytes, None]:
        try:
            async for piece in pieces:
                yield piece.lines
        finally:
            await pieces.aclose()

    return first.access_record, lines()


async def logs(clients: Clients) -> list[View]:
    """One log per fiscal year, the newest first."""
    answer = await clients.audit.ask(clients.audit.rpc.ListLogs, pb.ListLogsRequest(), clients.itself)
    return [views.log(one) for one in answer.logs]


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


async def checkpoint(clients: Clients, year: int = 0) -> tuple[bytes, str]:
    """The published checkpoint, empty before the first, and the log's verifier key. Whoever reaches the log may read it:
    no person asks."""
    rpc = clients.audit.rpc
    answer = await clients.audit.ask(rpc.GetCheckpoint, pb.GetCheckpointRequest(log_year=year), clients.itself)
    return answer.checkpoint, answer.verifier_key


async def tile(clients: Clients, path: str, year: int = 0) -> bytes:
    """A hash tile or entry bundle by its tlog-tiles path."""
    rpc = clients.audit.rpc
    answer = await clients.audit.ask(rpc.GetTile, pb.GetTileRequest(path=path, log_year=year), clients.itself)
    return bytes(answer.tile)
