# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPC of circulations: all cases of one document, of which the latest alone may still be acted on."""

from __future__ import annotations

from chassis import clock, db
from chassis.errors import not_found
from chassis.interceptors import identity
from chassis.recorder import Access, digest_of
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from services.approvals import policy
from services.approvals.cases import answers, store
from services.approvals.handlers import Context, Handlers, reader_of
from services.approvals.inputs import known_id


class CirculationsApi(Handlers):
    """Of kanketsu.approvals.v1.ApprovalsService: every case of a document."""

    async def ListCases(self, request: pb.ListCasesRequest, context: Context) -> pb.ListCasesResponse:
        """The cases of a document that the caller may see as GetCase shows them, newest first (AP-53).

        NOT_FOUND where there is none for them (AC-03). There are as many as people submitted it, so they come at once.
        """
        caller, now = identity(), clock.now()
        document_id = known_id(request.document_id)
        async with db.connection(self._parts.pool) as conn:
            found = await store.load_of_document(conn, document_id, now.date(), now)
        if not found:
            raise not_found()
        shown = bool(request.read_receipt) and policy.opens(
            await self._parts.receipts.open(request.read_receipt, found[0][0].case_id),
            document_id,
            caller.staff_id,
            self._parts.tenant,
            now,
        )
        seen = [(case, hall) for case, hall in found if policy.may_see(case, reader_of(caller), shown)]
        if not seen:
            raise not_found()
        record = await self._parts.recorder.record(
            Access(
                actor=caller,
                action="case.history_read",
                object_type="document",
                object_id=document_id,
                result_count=len(seen),
                result_digest=digest_of(*(case.case_id for case, _ in seen)),
            )
        )
        cases = [answers.case_for(case, hall, caller.staff_id, self._parts.city) for case, hall in seen]
        return pb.ListCasesResponse(cases=cases, access_record=record)
