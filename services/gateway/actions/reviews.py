"""点検: reviews of the log, their findings, thresholds, and the staff list that a review is compared with."""

from __future__ import annotations

import asyncio
import calendar
from typing import Any

from kanketsu.audit.v1 import review_service_pb2 as pb
from services.gateway import views
from services.gateway.actions import organisation
from services.gateway.actions.answer import Answer, page_of
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.views import View

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
        "entries": [views.entry(one) for one in answer.entries],
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
    """Bring the staff list of the month's first and last day into a review: approvals has it, audit compares it."""
    last = calendar.monthrange(int(month[:4]), int(month[5:7]))[1]
    start, end = await asyncio.gather(
        *(_staff_on(clients, caller, f"{month}-{day:02}") for day in (1, last)),
    )
    members = [
        pb.StaffFact(
            staff_id=staff_id,
            unit_id=end.get(staff_id) or start.get(staff_id) or "",
            at_start=staff_id in start,
            at_end=staff_id in end,
        )
        for staff_id in sorted(start.keys() | end.keys())
    ]
    request = pb.CompareStaffRequest(
        request_id=request_id, review_id=review_id, expected_version=version, members=members
    )
    answer = await clients.reviews.ask(clients.reviews.rpc.CompareStaff, request, caller)
    return Answer(views.review(answer.review))


async def _staff_on(clients: Clients, caller: Caller, day: str) -> dict[str, str]:
    """Staff id → unit of the main post on a day."""
    found: dict[str, str] = {}
    cursor = ""
    for _ in range(MAX_PAGES):
        listed = await organisation.staff(clients, caller, on=day, cursor=cursor, limit=500)
        for one in listed.body["items"]:
            found[one["staff_id"]] = next((post["unit_id"] for post in one["posts"]), "")
        cursor = listed.body["next_cursor"] or ""
        if not cursor:
            break
    return found


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
