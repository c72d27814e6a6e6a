"""引用起案: the button on a document, and what pages show of related documents and of 次にすること."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from services.gateway.actions import documents, repeating
from services.gateway.pages.desk import AtDesk, Desk
from services.gateway.views import View

router = APIRouter()


@router.post("/documents/{document_id}/repeat")
async def repeat(desk: AtDesk, document_id: str) -> Response:
    """A draft from the document, open for editing."""
    form = await desk.form()
    answer = await repeating.repeat(
        desk.clients,
        desk.caller,
        document_id,
        form.text("request_key"),
        with_counterparty=form.text("with_counterparty") == "yes",
        follow_up_id=form.text("follow_up_id"),
    )
    return desk.go(f"/documents/{answer.body['document_id']}/edit", done="repeated")


async def related(desk: Desk, document_id: str) -> View:
    """{sources, repeats, follow_ups}: the documents as summaries, where there are any."""
    found = (await repeating.related(desk.clients, desk.caller, document_id=document_id)).body
    ids = [*found["source_ids"], *found["repeated_ids"]]
    shown: dict[str, View] = {}
    if ids:
        answer = await documents.list_documents(desk.clients, desk.caller, document_ids=ids, limit=len(ids))
        shown = {one["document_id"]: one for one in answer.body["items"]}
    return {
        "sources": [shown[one] for one in found["source_ids"] if one in shown],
        "repeats": [shown[one] for one in found["repeated_ids"] if one in shown],
        "follow_ups": found["follow_ups"],
    }


async def follow_up(desk: Desk, follow_up_id: str, *, document_id: str = "", receipt_id: str = "") -> View | None:
    """The row of the file plan that the person chose on a page, as it is offered now."""
    found = await repeating.related(desk.clients, desk.caller, document_id=document_id, receipt_id=receipt_id)
    return next((one for one in found.body["follow_ups"] if one["follow_up_id"] == follow_up_id), None)
