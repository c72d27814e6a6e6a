"""回議・決裁: what waits, a case, acting on a step, and the acts on the case itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from kanketsu.documents.v1 import documents_service_pb2 as documents_pb
from services.gateway.actions.answer import Answer, page_of
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.views import cases as views
from services.gateway.views.routes import explanation

INBOX_KINDS = ("decision", "concurrence", "post_view", "circulation")
_ADDED_KINDS = {"approve": pb.STEP_KIND_APPROVE, "concur": pb.STEP_KIND_CONCUR}


async def inbox(
    clients: Clients,
    caller: Caller,
    *,
    kinds: Sequence[str] = (),
    post_id: str = "",
    cursor: str = "",
    limit: int = 50,
) -> Answer:
    """What waits for the caller, per post; urgent first, then oldest. Titles are joined from documents.

    `counts` is the caller's own work per kind, not a search total.
    """
    rpc = clients.approvals.rpc
    answer = await clients.approvals.ask(
        rpc.ListInbox, pb.ListInboxRequest(kinds=kinds, post_id=post_id, cursor=cursor, limit=limit), caller
    )
    summaries, shown = await summaries_of(clients, caller, (item.document_id for item in answer.items))
    counts = {kind: answer.counts.get(kind, 0) for kind in INBOX_KINDS}
    return page_of(
        (views.inbox_item(item, summaries.get(item.document_id)) for item in answer.items),
        answer.next_cursor,
        shown or answer.access_record,
        counts=counts,
    )


async def overdue(clients: Clients, caller: Caller, *, unit_id: str = "", cursor: str = "", limit: int = 50) -> Answer:
    """滞留 of one unit, or of all that the caller answers for, the longest first; titles are joined from documents (LC-13)."""
    rpc = clients.approvals.rpc
    request = pb.ListOverdueRequest(unit_id=unit_id, cursor=cursor, limit=limit)
    answer = await clients.approvals.ask(rpc.ListOverdue, request, caller)
    summaries, shown = await summaries_of(clients, caller, (item.document_id for item in answer.items))
    items = (views.overdue_step(item, summaries.get(item.document_id)) for item in answer.items)
    return page_of(items, answer.next_cursor, shown or answer.access_record, unit_ids=list(answer.unit_ids))


async def summaries_of(
    clients: Clients, caller: Caller, document_ids: Iterable[str]
) -> tuple[dict[str, documents_pb.DocumentSummary], str]:
    """These documents as far as the caller may see them, and the record that they were shown; "" for none."""
    wanted = sorted(set(document_ids))
    if not wanted:
        return {}, ""
    listed = await clients.documents.ask(
        clients.documents.rpc.ListDocuments,
        documents_pb.ListDocumentsRequest(document_ids=wanted, limit=len(wanted)),
        caller,
    )
    return {summary.document_id: summary for summary in listed.documents}, listed.access_record


async def read(
    clients: Clients, caller: Caller, *, case_id: str = "", document_id: str = "", read_receipt: str = ""
) -> Answer:
    """A case by its id, or the latest of a document; a read receipt of the document opens it as well."""
    rpc = clients.approvals.rpc
    request = pb.GetCaseRequest(case_id=case_id, document_id=document_id, read_receipt=read_receipt)
    answer = await clients.approvals.ask(rpc.GetCase, request, caller)
    return Answer(views.case(answer.case), answer.access_record)


async def of_document(clients: Clients, caller: Caller, document_id: str, *, read_receipt: str = "") -> Answer:
    """Every circulation of a document that the caller may see, newest first (AP-53)."""
    rpc = clients.approvals.rpc
    request = pb.ListCasesRequest(document_id=document_id, read_receipt=read_receipt)
    answer = await clients.approvals.ask(rpc.ListCases, request, caller)
    return page_of((views.case(one) for one in answer.cases), "", answer.access_record)


async def decider(
    clients: Clients, caller: Caller, *, case_id: str = "", document_id: str = "", read_receipt: str = ""
) -> Answer:
    """Why a case has its decider and what would change it (AP-02); seen by who sees the case."""
    rpc = clients.approvals.rpc
    request = pb.DescribeDeciderRequest(case_id=case_id, document_id=document_id, read_receipt=read_receipt)
    answer = await clients.approvals.ask(rpc.DescribeDecider, request, caller)
    return Answer(explanation(answer.explanation), answer.access_record)


async def act(
    clients: Clients,
    caller: Caller,
    case_id: str,
    step_id: str,
    version: int,
    *,
    action: str,
    comment: str,
    version_digest: str,
    read_receipt: str,
    request_id: str,
    acknowledged: Sequence[str] = (),
    target_step_id: str = "",
    bulk: bool = False,
    also: Sequence[str] = (),
) -> Answer:
    """One act of the caller on one step, from the acting post; the body is the new case (AP-31, AP-32).

    `bulk`: one of several that the caller confirmed together (AP-52). `also`: seats right after it that an approve
    closes too (AP-43).
    """
    rpc = clients.approvals.rpc
    request = pb.ActOnStepRequest(
        request_id=request_id,
        case_id=case_id,
        step_id=step_id,
        action=action,
        comment=comment,
        version_digest=version_digest,
        read_receipt=read_receipt,
        expected_version=version,
        post_id=caller.identity.acting_post,
        acknowledged=acknowledged,
        target_step_id=target_step_id,
        bulk=bulk,
        also_step_ids=also,
    )
    answer = await clients.approvals.ask(rpc.ActOnStep, request, caller)
    return Answer(views.case(answer.case))


async def recall(clients: Clients, caller: Caller, case_id: str, version: int, comment: str, request_id: str) -> Answer:
    """引戻し, while the next has not acted."""
    rpc = clients.approvals.rpc
    request = pb.RecallCaseRequest(request_id=request_id, case_id=case_id, expected_version=version, comment=comment)
    answer = await clients.approvals.ask(rpc.RecallCase, request, caller)
    return Answer(views.case(answer.case))


async def withdraw(
    clients: Clients, caller: Caller, case_id: str, version: int, comment: str, request_id: str
) -> Answer:
    """取下げ by the drafter, before the decision."""
    rpc = clients.approvals.rpc
    request = pb.WithdrawCaseRequest(request_id=request_id, case_id=case_id, expected_version=version, comment=comment)
    answer = await clients.approvals.ask(rpc.WithdrawCase, request, caller)
    return Answer(views.case(answer.case))


async def replace(
    clients: Clients, caller: Caller, case_id: str, version: int, comment: str, request_id: str
) -> Answer:
    """差替え: the document comes back to its drafter to be revised (AP-30)."""
    rpc = clients.approvals.rpc
    request = pb.ReplaceVersionRequest(
        request_id=request_id, case_id=case_id, expected_version=version, comment=comment
    )
    answer = await clients.approvals.ask(rpc.ReplaceVersion, request, caller)
    return Answer(views.case(answer.case))


async def circulate(
    clients: Clients,
    caller: Caller,
    case_id: str,
    version: int,
    post_ids: Sequence[str],
    comment: str,
    request_id: str,
) -> Answer:
    """供覧 to more posts (AP-10, AC-12)."""
    rpc = clients.approvals.rpc
    request = pb.CirculateCaseRequest(
        request_id=request_id, case_id=case_id, expected_version=version, comment=comment, post_ids=post_ids
    )
    answer = await clients.approvals.ask(rpc.CirculateCase, request, caller)
    return Answer(views.case(answer.case))


async def add_seat(
    clients: Clients,
    caller: Caller,
    case_id: str,
    version: int,
    post_id: str,
    kind: str,
    comment: str,
    request_id: str,
) -> Answer:
    """回議先の追加: the post is asked before the caller's own seat (AP-54). `kind`: "approve" or "concur"."""
    rpc = clients.approvals.rpc
    request = pb.AddSeatRequest(
        request_id=request_id,
        case_id=case_id,
        expected_version=version,
        comment=comment,
        post_id=post_id,
        kind=_ADDED_KINDS.get(kind, pb.STEP_KIND_UNSPECIFIED),
    )
    answer = await clients.approvals.ask(rpc.AddSeat, request, caller)
    return Answer(views.case(answer.case))


async def ask_substitute(
    clients: Clients, caller: Caller, case_id: str, version: int, comment: str, request_id: str
) -> Answer:
    """代決依頼, while the decider is away (AP-17)."""
    rpc = clients.approvals.rpc
    request = pb.AskSubstituteRequest(request_id=request_id, case_id=case_id, expected_version=version, comment=comment)
    answer = await clients.approvals.ask(rpc.AskSubstitute, request, caller)
    return Answer(views.case(answer.case))


async def ask_pull_up(
    clients: Clients, caller: Caller, case_id: str, version: int, post_id: str, comment: str, request_id: str
) -> Answer:
    """引上げ依頼: a later seat of the own line is asked to act over the one that the case waits for (AP-17)."""
    rpc = clients.approvals.rpc
    request = pb.AskPullUpRequest(
        request_id=request_id, case_id=case_id, expected_version=version, comment=comment, post_id=post_id
    )
    answer = await clients.approvals.ask(rpc.AskPullUp, request, caller)
    return Answer(views.case(answer.case))
