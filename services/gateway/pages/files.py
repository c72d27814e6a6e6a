"""添付: the list with its upload form, removing, showing in the browser, downloading."""

from __future__ import annotations

from datetime import datetime, timedelta

from fastapi import APIRouter
from starlette.responses import Response

from chassis.errors import DomainError
from services.gateway.actions import documents, organisation
from services.gateway.api import files
from services.gateway.errors import Refusal
from services.gateway.multipart import form_upload
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form, version_of
from services.gateway.views import View

router = APIRouter()

_KINDS = {
    "application/pdf": "PDF",
    "text/plain": "テキスト",
    "text/csv": "CSV",
    "application/zip": "ZIP",
    "application/msword": "Word",
    "application/vnd.ms-excel": "Excel",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "Word",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "Excel",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "PowerPoint",
}
# What browsers show by themselves without running anything of it.
_VIEWABLE = frozenset({"application/pdf", "text/plain", "image/png", "image/jpeg", "image/gif", "image/webp"})


@router.get("/documents/{document_id}/attachments")
async def listing(desk: AtDesk, document_id: str) -> Response:
    """The files of a draft, or of a decided document for adding to it (LC-17)."""
    return await _draw(desk, document_id, Form())


@router.post("/documents/{document_id}/attachments")
async def upload(desk: AtDesk, document_id: str) -> Response:
    """One file, streamed. The hidden fields stand before it in the form, so the token is checked first."""
    received = await form_upload(desk.request)
    form = Form(received.fields)
    desk.gateway.sign_in.check_form(desk.caller, form.text("csrf_token"))
    if not received.file_name:
        form.errors["file"] = "ファイルを選んでください。"
        return await _draw(desk, document_id, form, 422)
    try:
        await documents.upload(
            desk.clients,
            desk.caller,
            document_id,
            file_name=received.file_name,
            content_type=received.content_type,
            size=None,
            sha256="",
            chunks=files.in_chunks(received.chunks, desk.gateway.settings.upload_limit),
            request_id=form.text("request_key"),
        )
    except (DomainError, Refusal) as error:
        return await _draw(desk, document_id, form, absorb(form, error))
    return desk.go(f"/documents/{document_id}/attachments", done="attached")


@router.post("/documents/{document_id}/attachments/{attachment_id}/remove")
async def remove(desk: AtDesk, document_id: str, attachment_id: str) -> Response:
    """Take a file off a draft."""
    form = await desk.form()
    try:
        await documents.remove_attachment(
            desk.clients, desk.caller, document_id, attachment_id, version_of(form), form.text("request_key")
        )
    except DomainError as error:
        return await _draw(desk, document_id, form, absorb(form, error))
    return desk.go(f"/documents/{document_id}/attachments", done="removed")


@router.get("/documents/{document_id}/attachments/{attachment_id}/view")
async def view(desk: AtDesk, document_id: str, attachment_id: str) -> Response:
    """In the browser, in a tab of its own, with nothing of it running (AC-15)."""
    return await files.content(desk.clients, desk.caller, document_id, attachment_id, desk.request, purpose="inline")


@router.get("/documents/{document_id}/attachments/{attachment_id}/download")
async def download(desk: AtDesk, document_id: str, attachment_id: str) -> Response:
    """As a file."""
    return await files.content(desk.clients, desk.caller, document_id, attachment_id, desk.request, purpose="download")


def shown(file: View, names: dict[str, str], proof: str = "") -> View:
    """A file as the list of attachments shows it; `proof`: the sha256 of the evidence of a 事後登録 (AP-50)."""
    kind = file["content_type"]
    label = _KINDS.get(kind) or ("画像" if kind.startswith("image/") else "ファイル")
    until = file["locked_until"]
    return file | {
        # The lock ends at a midnight: the day before is the last one.
        "locked_last_day": datetime.fromisoformat(until) - timedelta(microseconds=1) if until else None,
        "kind_label": label,
        "viewable": kind in _VIEWABLE,
        "evidence": file["sha256"] == proof,
        "added_by_name": names.get(f"staff:{file['added_by']}", file["added_by"]),
    }


async def _draw(desk: Desk, document_id: str, form: Form, status: int = 200) -> Response:
    answer = await documents.read(desk.clients, desk.caller, document_id)
    document = answer.body
    attached = [file for file in document["attachments"] if not file["sheet"]]
    names = await organisation.names(desk.clients, desk.caller, [f"staff:{file['added_by']}" for file in attached])
    document["attachments"] = [shown(file, names) for file in attached]
    editable = document["state"] in ("drafting", "sent_back")
    return desk.draw(
        "attachments",
        "draft" if editable else "search",
        status=status,
        access_record=answer.access_record,
        form=form,
        document=document,
        after_decision=not editable,
        removable=editable,
        upload_limit=desk.gateway.settings.upload_limit,
    )
