"""Access records of a process without a database: sent to the audit service, which answers when they are in the log."""

from __future__ import annotations

from chassis.errors import DomainError
from chassis.recorder import EpochEnded
from kanketsu.audit.v1.audit_service_pb2 import AppendRecordsRequest
from kanketsu.event.v1 import envelope_pb2
from services.gateway.clients import Clients


class AuditSink:
    """Where the gateway's recorder writes: login, logout, refusals."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def write(self, batch: envelope_pb2.AccessRecordBatch) -> str:
        """Returns the chain after the batch. The same batch sent again counts once, so a lost answer costs nothing."""
        audit = self._clients.audit
        try:
            answer = await audit.ask(audit.rpc.AppendRecords, AppendRecordsRequest(batch=batch), self._clients.itself)
        except DomainError as error:
            if error.reason == "SEQUENCE_BROKEN":
                raise EpochEnded from None
            raise
        return answer.chain
