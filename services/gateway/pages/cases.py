"""回議・決裁 from a page: act on a step, recall, withdraw. A refusal is told on the document, opened anew."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from chassis.errors import DomainError
from services.gateway.actions import cases
from services.gateway.errors import Refusal
from services.gateway.pages import documents
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form

router = APIRouter()


@router.post("/cases/{case_id}/steps/{step_id}/act")
async def act(desk: AtDesk, case_id: str, step_id: str) -> Response:
    """One act; afterwards the inbox, where the next case waits."""
    form = await desk.form()
    action = form.text("action")
    post_id = form.text("post_id")
    caller = desk.caller
    if post_id and caller.staff.post(post_id) is not None:
        caller = desk.gateway.sign_in.acting_from(caller, post_id)
    try:
        await cases.act(
            desk.clients,
            caller,
            case_id,
            step_id,
            _case_version(form),
            action=action,
            comment=form.text("comment"),
            version_digest=form.text("version_digest"),
            read_receipt=form.text("read_receipt"),
            request_id=form.text("request_key"),
        )
    except (DomainError, Refusal) as error:
        return await _refused(desk, form, error)
    return desk.go("/", done=action, document=form.text("document_id"))


@router.post("/cases/{case_id}/recall")
async def recall(desk: AtDesk, case_id: str) -> Response:
    """引戻し, while the next has not acted."""
    form = await desk.form()
    try:
        await cases.recall(desk.clients, desk.caller, case_id, _case_version(form), "", form.text("request_key"))
    except (DomainError, Refusal) as error:
        return await _refused(desk, form, error)
    return desk.go(f"/documents/{form.text('document_id')}", done="recall")


@router.post("/cases/{case_id}/withdraw")
async def withdraw(desk: AtDesk, case_id: str) -> Response:
    """取下げ by the drafter, before the decision."""
    form = await desk.form()
    try:
        await cases.withdraw(desk.clients, desk.caller, case_id, _case_version(form), "", form.text("request_key"))
    except (DomainError, Refusal) as error:
        return await _refused(desk, form, error)
    return desk.go(f"/documents/{form.text('document_id')}", done="withdraw")


async def _refused(desk: Desk, form: Form, error: DomainError | Refusal) -> Response:
    status = absorb(form, error, denials=True)
    return await documents.draw(desk, form.text("document_id"), form, status)


def _case_version(form: Form) -> int:
    text = form.text("case_version")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0
