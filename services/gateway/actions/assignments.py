"""引継ぎ: approvals attests who heads a unit and who belongs to it, documents believes it (AC-16, AP-42)."""

from __future__ import annotations

from kanketsu.approvals.v1 import membership_service_pb2 as membership_pb
from kanketsu.documents.v1 import assignments_service_pb2 as pb
from kanketsu.documents.v1 import documents_service_pb2 as documents_pb
from services.gateway.actions.answer import Answer, page_of
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.views import View
from services.gateway.views import assignments as views


async def unattended(
    clients: Clients, caller: Caller, *, unit_id: str = "", cursor: str = "", limit: int = 50
) -> Answer:
    """引き継ぐ案件 of a unit, the acting one when empty; for its 所属長. Titles only of what they may see already.

    `members` of the body: who may take them over.
    """
    members = await attested(clients, caller, unit_id)
    answer = await clients.assignments.ask(
        clients.assignments.rpc.ListUnattended,
        pb.ListUnattendedRequest(attestation=members.attestation, cursor=cursor, limit=limit),
        caller,
    )
    titles, access_record = {}, answer.access_record
    if answer.documents:
        ids = [one.document_id for one in answer.documents]
        seen = await clients.documents.ask(
            clients.documents.rpc.ListDocuments,
            documents_pb.ListDocumentsRequest(document_ids=ids, limit=len(ids)),
            caller,
        )
        titles, access_record = {one.document_id: one.title for one in seen.documents}, seen.access_record
    items = (views.unattended_document(one, titles.get(one.document_id)) for one in answer.documents)
    return page_of(items, answer.next_cursor, access_record, members=list(members.member_staff_ids))


async def assign(
    clients: Clients,
    caller: Caller,
    document_id: str,
    version: int,
    *,
    assignee: str,
    reason: str,
    request_id: str,
    unit_id: str = "",
) -> Answer:
    """Another 担当者, a member of the owner unit (the acting one when `unit_id` is empty), with a reason."""
    members = await attested(clients, caller, unit_id)
    answer = await clients.assignments.ask(
        clients.assignments.rpc.AssignDocument,
        pb.AssignDocumentRequest(
            request_id=request_id,
            document_id=document_id,
            expected_version=version,
            attestation=members.attestation,
            assignee=assignee,
            reason=reason,
        ),
        caller,
    )
    body: View = {"document_id": answer.document_id, "assignee": answer.assignee, "version": answer.version}
    return Answer(body)


async def attested(clients: Clients, caller: Caller, unit_id: str) -> membership_pb.DescribeMembersResponse:
    """Approvals' word on who heads a unit, the acting one when empty, and who belongs to it."""
    request = membership_pb.DescribeMembersRequest(unit_id=unit_id or caller.identity.acting_unit)
    return await clients.membership.ask(clients.membership.rpc.DescribeMembers, request, caller)
