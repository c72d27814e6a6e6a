"""引上げ依頼 (AP-17): the form by which the drafter, or whom the case waits for, asks a later seat to act over that one."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from chassis.errors import DomainError
from services.gateway.actions import cases
from services.gateway.actions import documents as documents_of
from services.gateway.errors import Refusal
from services.gateway.pages import documents, sheet
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form, version_of

router = APIRouter()


@router.get("/documents/{document_id}/ask-pull-up")
async def show(desk: AtDesk, document_id: str) -> Response:
    """Which later seat, and why."""
    return await _draw(desk, document_id, Form())


@router.post("/documents/{document_id}/ask-pull-up")
async def ask(desk: AtDesk, document_id: str) -> Response:
    """From now on the asked seat sees the document."""
    form = await desk.form()
    post_id = form.required("post_id", "引上げを依頼する職を選んでください。")
    comment = form.required("comment", "依頼する理由を入力してください。")
    status = 422
    if not form.errors:
        version, key = version_of(form, "case_version"), form.text("request_key")
        try:
            await cases.ask_pull_up(desk.clients, desk.caller, form.text("case_id"), version, post_id, comment, key)
            return desk.go(f"/documents/{document_id}", done="ask_pull_up")
        except (DomainError, Refusal) as error:
            status = absorb(form, error, denials=True)
    return await _draw(desk, document_id, form, status)


async def _draw(desk: Desk, document_id: str, form: Form, status: int = 200) -> Response:
    document = (await documents_of.read(desk.clients, desk.caller, document_id)).body
    case = await documents.case_of(desk, document)
    may = case is not None and "ask_pull_up" in case["allowed_actions"]
    return desk.draw(
        "ask_pull_up",
        "search",
        status=status,
        document=document,
        case=case if may else None,
        form=form,
        seat_choices=sheet.later_seats(case) if case is not None and may else [],
    )
