"""一括承認 (AP-52): what was chosen in the inbox is shown once more, approved case by case, and answered for each."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter
from starlette.responses import Response

from services.gateway.actions import bulk, cases
from services.gateway.actions.bulk import BulkAct, Outcome
from services.gateway.errors import describe
from services.gateway.openings import Opening
from services.gateway.pages.desk import AtDesk, Desk

router = APIRouter()


@router.get("/bulk-approval")
async def confirm(desk: AtDesk) -> Response:
    """What would be approved, as it was opened."""
    chosen = desk.request.query_params.getlist("step")
    return await _draw(desk, chosen, await _opened(desk, chosen), None)


@router.post("/bulk-approval")
async def approve(desk: AtDesk) -> Response:
    """Each case by itself; one that is refused leaves the others alone, and sending it again does nothing twice."""
    form = await desk.form()
    chosen = form.all_of("step")
    found = await _opened(desk, chosen)
    outcomes = await bulk.approve(desk.clients, [_act(desk, one) for one in found], form.text("request_key"))
    return await _draw(desk, chosen, found, outcomes)


async def _draw(desk: Desk, chosen: list[str], found: list[Opening], outcomes: list[Outcome] | None) -> Response:
    """The cases by title, or by nothing but that they are one where the title cannot be seen any more."""
    ids = [one.document_id for one in found]
    shown, access_record = await cases.summaries_of(desk.clients, desk.caller, ids)
    titles = {key: f"{one.title}（{one.draft_number}）" for key, one in shown.items()}
    refused = {one.act.step_id: one.refused for one in outcomes or () if one.refused is not None}
    return desk.draw(
        "bulk_approval",
        "home",
        access_record=access_record,
        rows=[
            {
                "opening": one,
                "title": titles.get(one.document_id, "案件"),
                "problem": describe(refused[one.step_id]) if one.step_id in refused else None,
            }
            for one in found
        ],
        unopened=len(set(chosen)) - len(found),
        outcomes=outcomes is not None,
    )


async def _opened(desk: Desk, step_ids: Iterable[str]) -> list[Opening]:
    """Of these, what was opened in this session while it waited."""
    session = desk.caller.session
    known = await desk.gateway.openings.of(session) if session is not None else {}
    return [known[step_id] for step_id in dict.fromkeys(step_ids) if step_id in known]


def _act(desk: Desk, one: Opening) -> BulkAct:
    caller = desk.caller
    if caller.staff.post(one.post_id) is not None:
        caller = desk.gateway.sign_in.acting_from(caller, one.post_id)
    return BulkAct(caller, one.case_id, one.step_id, one.action, one.case_version, one.version_digest, one.read_receipt)
