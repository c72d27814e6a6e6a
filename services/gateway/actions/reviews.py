"""点検: reviews of the log, their findings, thresholds, and the staff list that a review is compared with."""

from __future__ import annotations

import calendar
import datetime as dt
from typing import Any

from kanketsu.approvals.v1 import approvals_service_pb2 as approvals_pb
from kanketsu.audit.v1 import review_service_pb2 as pb
from services.gateway.actions.answer import Answer, page_of
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.views import View
from services.gateway.views import reviews as views
from services.gateway.views.audit import entry

# Pages of the staff list; a city with more people than these hold would be a mistake in the cursor.
MAX_PAGES = 100


async def listed(clients: Clients, caller: Caller, *, cursor: str = "", limit: int = 50) -> Answer:
    """Reviews, the latest month first (SC-07)."""
    rpc = clients.reviews.rpc
    answer = await clients.reviews.ask(rpc.ListReviews, pb.ListReviewsRequest(cursor=cursor, limit=limit), caller)
    return page_of((views.review(one) for one in answer.reviews), answer.next_cursor, answer.access_record)


async def review(clients: Clients, caller: Caller, review_id: str, purpose: str = "") -> Answer:
    """One review with its counts; `purpose` "report" when it is printed."""
    rpc = clients.reviews.rpc
    request = pb.GetReviewRequest(review_id=review_id, purpose=purpose)
    answer = await clients.reviews.ask(rpc.GetReview, request, caller)
    return Answer(views.whole_review(answer), answer.access_record)


async def findings(
    clients: Clients,
    caller: Caller,
    review_id: str = "",
    *,
    rule: str = "",
    state: str = "",
    unit_id: str = "",
    cursor: str = "",
    limit: int = 50,
) -> Answer:
    """Findings of a review; without one those assigned to the caller, of the caller's own units."""
    rpc = clients.reviews.rpc
    request = pb.ListFindingsRequest(
        review_id=review_id, rule=rule, state=state, unit_id=unit_id, cursor=cursor, limit=limit
    )
    answer = await clients.reviews.ask(rpc.ListFindings, request, caller)
    return page_of((views.finding(one) for one in answer.findings), answer.next_cursor, answer.access_record)


async def finding(clients: Clients, caller: Caller, review_id: str, number: int) -> Answer:
    """One finding with the entries behind it and what was written about it."""
    rpc = clients.reviews.rpc
    answer = await clients.reviews.ask(rpc.GetFinding, pb.GetFindingRequest(review_id=review_id, number=number), caller)
    body = {
        **views.finding(answer.finding),
        "entries": [entry(one) for one in answer.entries],
        "notes": [views.review_note(one) for one in answer.notes],
        "review_state": answer.review_state,
        "version": answer.version,
    }
    return Answer(body, answer.access_record)


async def open_review(clients: Clients, caller: Caller, month: str, request_id: str) -> Answer:
    """Examine a month, "YYYY-MM"."""
    rpc = clients.reviews.rpc
    answer = await clients.reviews.ask(rpc.OpenReview, pb.OpenReviewRequest(request_id=request_id, month=month), caller)
    return Answer(views.review(answer.review))


async def compare_staff(
    clients: Clients, caller: Caller, review_id: str, version: int, month: str, request_id: str
) -> Answer:
    """Bring into a review when everybody was on the staff and when absent: approvals has it, audit compares it."""
    members = [_fact(one) for one in await _presence(clients, caller, month)]
    request = pb.CompareStaffRequest(
        request_id=request_id, review_id=review_id, expected_version=version, members=members
    )
    answer = await clients.reviews.ask(clients.reviews.rpc.CompareStaff, request, caller)
    return Answer(views.review(answer.review))


async def _presence(clients: Clients, caller: Caller, month: str) -> list[approvals_pb.Presence]:
    """Everybody who was on the staff on a day of the month."""
    first = dt.date.fromisoformat(f"{month}-01")
    after = first + dt.timedelta(days=calendar.monthrange(first.year, first.month)[1])
    request = approvals_pb.ListPresenceRequest(to=after.isoformat(), limit=500, **{"from": first.isoformat()})
    found: list[approvals_pb.Presence] = []
    for _ in range(MAX_PAGES):
        answer = await clients.approvals.ask(clients.approvals.rpc.ListPresence, request, caller)
        found += answer.people
        if not answer.next_cursor:
            break
        request.cursor = answer.next_cursor
    return found


def _fact(one: approvals_pb.Presence) -> pb.StaffFact:
    fact = pb.StaffFact(staff_id=one.staff_id, unit_id=one.unit_id)
    for days in one.employed:
        fact.employed.add(to=days.to, **{"from": getattr(days, "from")})
    for times in one.absent:
        fact.absent.add(to=times.to, **{"from": getattr(times, "from")})
    return fact


async def treat_finding(
    clients: Clients,
    caller: Caller,
    review_id: str,
    version: int,
    number: int,
    *,
    assignee_id: str = "",
    state: str = "",
    comment: str = "",
    request_id: str,
) -> Answer:
    """Assign a finding, comment on it, judge it."""
    request = pb.TreatFindingRequest(
        request_id=request_id,
        review_id=review_id,
        expected_version=version,
        number=number,
        assignee_id=assignee_id,
        state=state,
        comment=comment,
    )
    answer = await clients.reviews.ask(clients.reviews.rpc.TreatFinding, request, caller)
    return Answer(views.finding(answer.finding) | {"version": answer.version})


async def sign_review(
    clients: Clients, caller: Caller, review_id: str, version: int, text: str, request_id: str
) -> Answer:
    """点検結果・所見: the review is signed and ends."""
    request = pb.SignReviewRequest(request_id=request_id, review_id=review_id, expected_version=version, text=text)
    answer = await clients.reviews.ask(clients.reviews.rpc.SignReview, request, caller)
    return Answer(views.review(answer.review))


async def remark_review(
    clients: Clients, caller: Caller, review_id: str, version: int, text: str, request_id: str
) -> Answer:
    """Something more about a signed review."""
    request = pb.RemarkReviewRequest(request_id=request_id, review_id=review_id, expected_version=version, text=text)
    answer = await clients.reviews.ask(clients.reviews.rpc.RemarkReview, request, caller)
    return Answer(views.review(answer.review))


async def rules(clients: Clients, caller: Caller) -> Answer:
    """Every version of the thresholds, newest first; how many there are is the ETag of the next change."""
    answer = await clients.reviews.ask(clients.reviews.rpc.GetRules, pb.GetRulesRequest(), caller)
    versions = [views.rules_version(one) for one in answer.versions]
    return page_of(versions, "", answer.access_record, version=len(versions))


async def change_rules(
    clients: Clients,
    caller: Caller,
    version: int,
    effective_from: str,
    thresholds: View,
    reason: str,
    request_id: str,
) -> Answer:
    """The next version of the thresholds, from a month on."""
    given: dict[str, Any] = dict(thresholds)
    request = pb.ChangeRulesRequest(
        request_id=request_id,
        # The version that nobody set counts as one of `version`.
        expected_version=version - 1,
        effective_from=effective_from,
        thresholds=pb.Thresholds(**given),
        reason=reason,
    )
    answer = await clients.reviews.ask(clients.reviews.rpc.ChangeRules, request, caller)
    return Answer(views.rules_version(answer.rules))
