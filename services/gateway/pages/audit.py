"""監査ログ for audit officers (SC-06): the list, what is missing, one record with its proof. Itself recorded."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.responses import Response

from chassis.errors import DomainError
from services.gateway.actions import audit
from services.gateway.actions.answer import Answer
from services.gateway.pages import vocabulary
from services.gateway.pages.desk import AtDesk, absorb
from services.gateway.pages.documents import actor_labels, actor_names
from services.gateway.pages.forms import end_of
from services.gateway.views import View

router = APIRouter()

_FILTERS = ("actor", "unit", "document", "action", "outcome", "from", "to", "access_record")
_SOURCE_STATES = {"open": "受信中", "closed": "終了", "recovered": "再開済み"}


@router.get("/audit")
async def entries(desk: AtDesk, cursor: str = "") -> Response:
    """The newest records, filtered; and what has not arrived."""
    form = desk.query()
    since, until = form.filter_day("from"), form.filter_day("to")
    sources = audit.sources(desk.clients, desk.caller)
    status, listed = 200, Answer({"items": [], "next_cursor": None})
    if form.errors:
        status, known = 422, await sources
    else:
        try:
            known, listed = await asyncio.gather(
                sources,
                audit.entries(
                    desk.clients,
                    desk.caller,
                    actor=form.text("actor"),
                    unit_id=form.text("unit"),
                    document_id=form.text("document"),
                    action=form.text("action"),
                    outcome=form.text("outcome"),
                    access_record=form.text("access_record"),
                    since=f"{since}T00:00:00+09:00" if since else "",
                    until=end_of(until) if until else "",
                    cursor=cursor,
                ),
            )
        except DomainError as error:
            status = absorb(form, error)
            known = await audit.sources(desk.clients, desk.caller)
    items = listed.body["items"]
    names = await actor_names(desk, [one["actor"] for one in items])
    missing = [
        {"name": f"{one['source']}（{one['epoch']}）", "missing": one["missing"]}
        for one in known.body["items"]
        if one["missing"]
    ]
    missing += [
        {"name": f"{one['aggregate']} {one['aggregate_id']}", "missing": one["missing"]} for one in known.body["gaps"]
    ]
    return desk.draw(
        "audit",
        "audit",
        status=status,
        access_record=listed.access_record,
        form=form,
        filtered=any(form.text(name) for name in _FILTERS),
        entries=[_entry(one, names) for one in items],
        gaps=missing,
        alarms=known.body["alarms"],
        reconciliation=known.body["reconciliation"],
        sources=[one | {"state_label": _SOURCE_STATES.get(one["state"], one["state"])} for one in known.body["items"]],
        action_choices=list(vocabulary.RECORDED_ACTIONS.items()),
        outcome_choices=[(name, word) for name, (word, _) in vocabulary.OUTCOMES.items()],
        pager=desk.pager(listed.body["next_cursor"]),
    )


@router.post("/audit/reconciliation")
async def reconcile(desk: AtDesk) -> Response:
    """照合: compare the counts now."""
    form = await desk.form()
    await audit.reconcile(desk.clients, desk.caller, form.text("request_key"))
    return desk.go("/audit", done="reconciled")


@router.get("/audit/record")
async def record(desk: AtDesk, access_record: str = "") -> Response:
    """To the record that an act names as its reading, with its proof; to the list where it has not arrived."""
    found = await audit.entries(desk.clients, desk.caller, access_record=access_record)
    for one in found.body["items"]:
        return desk.go(f"/audit/{one['year']}/{one['index']}")
    return desk.go("/audit", access_record=access_record)


@router.get("/audit/{year}/{index}")
async def entry(desk: AtDesk, year: int, index: int) -> Response:
    """One record of a year's log with its inclusion proof, and the proof as files."""
    answer = await audit.entry(desk.clients, desk.caller, index, year)
    found = answer.body["entry"]
    names = await actor_names(desk, [found["actor"]])
    return desk.draw(
        "audit_entry",
        "audit",
        access_record=answer.access_record,
        entry=_entry(found, names),
        proof=answer.body["proof"],
        certificate=f"/api/v1/audit/entries/{index}?year={year}&format=",
    )


def _entry(one: View, names: dict[str, str]) -> View:
    return one | actor_labels(one["actor"], names) | {"terminal": one["actor"]["terminal"]}
