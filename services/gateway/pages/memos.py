"""付箋 on the page of a document: a panel for the person's own memo (AP-53)."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from chassis.errors import DomainError
from services.gateway.actions import memos
from services.gateway.errors import Refusal
from services.gateway.pages import documents
from services.gateway.pages.desk import AtDesk, absorb
from services.gateway.pages.forms import version_of

router = APIRouter()


@router.post("/documents/{document_id}/memo")
async def save(desk: AtDesk, document_id: str) -> Response:
    """Stick it, or change it."""
    form = await desk.form()
    form.required("text", "付箋の内容を入力してください。")
    status = 422
    if not form.errors:
        try:
            version, key = version_of(form, "memo_version"), form.text("request_key")
            await memos.save(desk.clients, desk.caller, document_id, version, text=form.lines("text"), request_id=key)
            return desk.go(f"/documents/{document_id}", done="memo_saved")
        except (DomainError, Refusal) as error:
            status = absorb(form, error, denials=True)
    return await documents.draw(desk, document_id, form, status)


@router.post("/documents/{document_id}/memo/delete")
async def delete(desk: AtDesk, document_id: str) -> Response:
    """Take it off."""
    form = await desk.form()
    try:
        await memos.delete(
            desk.clients, desk.caller, document_id, version_of(form, "memo_version"), form.text("request_key")
        )
    except (DomainError, Refusal) as error:
        return await documents.draw(desk, document_id, form, absorb(form, error, denials=True))
    return desk.go(f"/documents/{document_id}", done="memo_deleted")
