"""収受: the register, registering, one receipt."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from chassis import clock
from chassis.errors import DomainError
from services.gateway.actions import documents, filing, organisation, receipts
from services.gateway.actions import repeating as related
from services.gateway.pages import choices, repeating, view_classes
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form, day_values

router = APIRouter()


@router.get("/receipts")
async def register(desk: AtDesk, q: str = "", unit: str = "", cursor: str = "") -> Response:
    """収受簿, newest first."""
    answer = await receipts.list_receipts(desk.clients, desk.caller, query=q, unit_id=unit, cursor=cursor)
    return desk.draw(
        "receipts",
        "receipts",
        access_record=answer.access_record,
        form=desk.query(),
        filtered=bool(q or unit),
        unit_choices=desk.unit_choices,
        receipts=answer.body["items"],
        pager=desk.pager(answer.body["next_cursor"]),
    )


@router.get("/receipts/new")
async def new(desk: AtDesk, document: str = "", follow_up: str = "") -> Response:
    """The form, both days today; with what usually follows a document where that was chosen (FL-06)."""
    today = clock.today()
    values = day_values("arrived_on", today) | day_values("received_on", today)
    chosen = await repeating.follow_up(desk, follow_up, document_id=document) if document and follow_up else None
    if chosen is not None:
        source = (await documents.read(desk.clients, desk.caller, document)).body
        values |= {"title": chosen["title"], "class_code": chosen["class_code"], "sender_name": source["counterparty"]}
    return await _draw_form(desk, Form(values | {"unit_id": next(iter(desk.unit_ids), "")}))


@router.post("/receipts")
async def create(desk: AtDesk) -> Response:
    """Register; the number is issued there (NB-04)."""
    form = await desk.form()
    fields: dict[str, Any] = {
        "title": form.required("title", "件名を入力してください。"),
        "sender_kind": form.required("sender_kind", "相手方の区分を選んでください。"),
        "sender_name": form.text("sender_name"),
        "sender_reference": form.text("sender_reference"),
        "medium": form.required("medium", "受領方法を選んでください。"),
        "arrived_on": form.day("arrived_on", missing="到達日を入力してください。"),
        "received_on": form.day("received_on", missing="収受日を入力してください。"),
        "backdated_reason": form.text("backdated_reason"),
        "due_on": form.day("due_on"),
        "unit_id": form.text("unit_id"),
        "class_code": form.text("class_code"),
        "view_class": form.text("view_class") or None,
        "designated": form.all_of("designated"),
    }
    _check_days(form, fields["arrived_on"], fields["received_on"], clock.today())
    if form.errors:
        return await _draw_form(desk, form, 422)
    try:
        answer = await receipts.register(desk.clients, desk.caller, fields, form.text("request_key"))
    except DomainError as error:
        return await _draw_form(desk, form, absorb(form, error))
    return desk.go(f"/receipts/{answer.body['receipt_id']}", done="received")


@router.get("/receipts/{receipt_id}")
async def show(desk: AtDesk, receipt_id: str) -> Response:
    """One receipt, with the sender's name."""
    answer = await receipts.read(desk.clients, desk.caller, receipt_id)
    receipt = answer.body
    names, classes, drafts, found_next = await asyncio.gather(
        organisation.names(
            desk.clients, desk.caller, [f"staff:{receipt['registered_by']}", f"unit:{receipt['unit_id']}"]
        ),
        filing.classes(desk.clients, desk.caller),
        documents.list_documents(desk.clients, desk.caller, number=receipt["receipt_number"]),
        related.related(desk.clients, desk.caller, receipt_id=receipt_id),
    )
    found = next((one for one in classes.body["items"] if one["class_code"] == receipt["class_code"]), None)
    return desk.draw(
        "receipt",
        "receipts",
        access_record=answer.access_record,
        receipt=receipt
        | {
            "unit_name": names[f"unit:{receipt['unit_id']}"],
            "registered_by_name": names[f"staff:{receipt['registered_by']}"],
            "class_name": choices.class_name(found) if found is not None else receipt["class_code"],
        },
        follow_ups=[one for one in found_next.body["follow_ups"] if one["kind"] == "draft"],
        documents=[one for one in drafts.body["items"] if one["document_id"] in receipt["document_ids"]],
    )


async def _draw_form(desk: Desk, form: Form, status: int = 200) -> Response:
    classes, colleagues = await asyncio.gather(
        filing.classes(desk.clients, desk.caller), view_classes.colleagues(desk, form.text("unit_id"))
    )
    return desk.draw(
        "receipt_new",
        "receipts",
        status=status,
        form=form,
        unit_choices=desk.unit_choices,
        class_groups=choices.classes(classes.body["items"]),
        view_classes=view_classes.of_receipt(desk),
        colleagues=colleagues,
        designated=set(form.all_of("designated")),
    )


def _check_days(form: Form, arrived_on: str, received_on: str, today: date) -> None:
    """LC-01 in words, beside the field; the service checks it again."""
    if arrived_on and received_on and received_on < arrived_on:
        form.errors.setdefault("received_on", "収受日は到達日より前にできません。")
    if received_on and received_on < today.isoformat() and not form.text("backdated_reason"):
        form.errors.setdefault("backdated_reason", "収受日が今日より前のときは、理由を書いてください。")
