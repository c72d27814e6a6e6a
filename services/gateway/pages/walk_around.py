"""持回りの事後登録 from a page: who decided on paper or by word, when, and the scan (AP-50)."""

from __future__ import annotations

import hashlib
import re

from fastapi import APIRouter
from starlette.responses import Response

from chassis import clock
from chassis.errors import DomainError
from services.gateway.actions import documents as documents_of
from services.gateway.actions import walk_around
from services.gateway.api.files import in_chunks
from services.gateway.errors import Refusal
from services.gateway.multipart import FormUpload, form_upload
from services.gateway.pages import documents, vocabulary
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form, day_values, version_of

router = APIRouter()

_TIME = re.compile("([01][0-9]|2[0-3]):[0-5][0-9]")


@router.get("/documents/{document_id}/walk-around")
async def form_of(desk: AtDesk, document_id: str) -> Response:
    """The form of 事後登録, for the drafter of an urgent case."""
    return await _draw(desk, document_id, Form(day_values("decided_at", clock.today())))


@router.post("/documents/{document_id}/walk-around")
async def register(desk: AtDesk, document_id: str) -> Response:
    """事後登録. Of the scan only the digest is taken here; the file itself becomes 決裁後追加 of the document (LC-17)."""
    received = await form_upload(desk.request)
    form = Form(received.fields)
    desk.gateway.sign_in.check_form(desk.caller, form.text("csrf_token"))
    status = 422
    try:
        digest = await _digest(desk, received)
        staff_id = form.text("staff_number") or form.required("staff_id", "決裁した人を選んでください。")
        day = form.day("decided_at", missing="決裁した日を入力してください。")
        time = form.required("decided_at_time", "決裁した時刻を入力してください。")
        if time and not _TIME.fullmatch(time):
            form.errors["decided_at_time"] = "時刻は 14:30 のように入力してください。"
        comment = form.required("comment", "持回りとした理由を入力してください。")
        if not digest:
            form.errors["file"] = "決裁を証する書類のファイルを選んでください。"
        if not form.errors:
            await walk_around.register(
                desk.clients,
                desk.caller,
                form.text("case_id"),
                version_of(form, "case_version"),
                version_digest=form.text("version_digest"),
                read_receipt=form.text("read_receipt"),
                staff_id=staff_id,
                decided_at=f"{day}T{time}:00+09:00",
                evidence_sha256=digest,
                comment=comment,
                request_id=form.text("request_key"),
            )
            return desk.go(f"/documents/{document_id}", done="register_walk_around")
    except (DomainError, Refusal) as error:
        status = absorb(form, error, denials=True)
    return await _draw(desk, document_id, form, status)


async def _digest(desk: Desk, received: FormUpload) -> str:
    """hex sha256 of the file of the form; "" when none was chosen. TOO_LARGE for what could not be attached."""
    if not received.file_name:
        return ""
    digest = hashlib.sha256()
    async for chunk in in_chunks(received.chunks, desk.gateway.settings.upload_limit):
        digest.update(chunk)
    return digest.hexdigest()


async def _draw(desk: Desk, document_id: str, form: Form, status: int = 200) -> Response:
    answer = await documents_of.read(desk.clients, desk.caller, document_id)
    case = await documents.case_of(desk, answer.body)
    may = case is not None and "register_walk_around" in case["allowed_actions"]
    deciders = case["walk_around_deciders"] if case is not None else []
    return desk.draw(
        "walk_around",
        "search",
        status=status,
        access_record=answer.access_record,
        document=answer.body,
        case=case if may else None,
        form=form,
        staff_choices=[
            (
                one["staff_id"],
                f"{vocabulary.post_name(one['unit_name'], one['post_title'])}　{one['staff_name']}"
                f"{'（代決）' if one['substitute'] else ''}",
            )
            for one in deciders
        ],
        read_receipt=answer.body["read_receipt"] or "",
    )
