"""起案: write, edit, delete a draft."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from chassis.errors import DomainError
from services.gateway.actions import body_templates, documents, filing, receipts
from services.gateway.callers import Caller
from services.gateway.pages import choices, repeating, view_classes, vocabulary
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form, day_values, version_of
from services.gateway.views import View

router = APIRouter()

_TEXTS = ("title", "subtitle", "counterparty")
_CHOICES = ("folder_id", "decision_class", "disclosure", "personal_information", "view_class")


@router.get("/documents/new")
async def new(desk: AtDesk, receipt: str = "", follow_up: str = "") -> Response:
    """An empty draft, or one from a receipt (LC-03): what usually follows it where that was chosen (FL-06)."""
    values = {"enforcement_required": "yes"}
    sources: list[View] = []
    if receipt:
        source = (await receipts.read(desk.clients, desk.caller, receipt)).body
        sources = [source]
        values |= {"title": f"{source['title']}について（伺い）", "counterparty": source["sender_name"]}
        values |= await _following(desk, receipt, follow_up, source["sender_name"]) if follow_up else {}
    acting = desk.caller.acting_post
    return await _draw_form(desk, Form(values | {"post_id": acting.post_id if acting else ""}), None, sources)


@router.post("/documents")
async def create(desk: AtDesk) -> Response:
    """一時保存 for the first time. No number yet (NB-04)."""
    form = await desk.form()
    if form.text("next") == "example":
        receipt_ids = form.all_of("receipt_ids")
        sources = [(await receipts.read(desk.clients, desk.caller, one)).body for one in receipt_ids]
        return await _draw_form(desk, await _with_example(desk, form), None, sources)
    fields = _fields(form) | {"receipt_ids": form.all_of("receipt_ids")}
    status = 422
    if not form.errors:
        try:
            answer = await documents.create(desk.clients, _drafter(desk, form), fields, form.text("request_key"))
            return _after_saving(desk, form, answer.body["document_id"])
        except DomainError as error:
            status = absorb(form, error)
    sources = [(await receipts.read(desk.clients, desk.caller, one)).body for one in fields["receipt_ids"]]
    return await _draw_form(desk, form, None, sources, status)


@router.get("/documents/{document_id}/edit")
async def edit(desk: AtDesk, document_id: str) -> Response:
    """The draft in the form."""
    document = (await documents.read(desk.clients, desk.caller, document_id)).body
    return await _draw_form(desk, Form(_values(document)), document, [])


@router.post("/documents/{document_id}/edit")
async def save(desk: AtDesk, document_id: str) -> Response:
    """Keep the changes if nobody else changed it meanwhile."""
    form = await desk.form()
    if form.text("next") == "example":
        document = (await documents.read(desk.clients, desk.caller, document_id)).body
        return await _draw_form(desk, await _with_example(desk, form), document, [])
    fields = _fields(form)
    status = 422
    if not form.errors:
        try:
            await documents.edit(
                desk.clients, desk.caller, document_id, version_of(form), fields, form.text("request_key")
            )
            return _after_saving(desk, form, document_id)
        except DomainError as error:
            status = absorb(form, error)
    document = (await documents.read(desk.clients, desk.caller, document_id)).body
    return await _draw_form(desk, form, document, [], status)


@router.post("/documents/{document_id}/delete")
async def delete(desk: AtDesk, document_id: str) -> Response:
    """A draft that never circulated (LC-12)."""
    form = await desk.form()
    await documents.delete(desk.clients, desk.caller, document_id, version_of(form), form.text("request_key"))
    return desk.go("/", done="deleted")


async def _draw_form(desk: Desk, form: Form, document: View | None, sources: list[View], status: int = 200) -> Response:
    posts = desk.caller.staff.posts
    unit = (
        document["unit_id"]
        if document
        else next((post.unit_id for post in posts if post.post_id == form.text("post_id")), "")
    )
    folders, classes, examples, colleagues = await asyncio.gather(
        filing.folders(desk.clients, desk.caller),
        filing.classes(desk.clients, desk.caller),
        body_templates.listed(desk.clients, desk.caller),
        view_classes.colleagues(desk, unit),
    )
    widest = [one["view_class"] for one in classes.body["items"]]
    designated = set(form.all_of("designated") or (document or {}).get("designated", []))
    return desk.draw(
        "draft",
        "draft",
        status=status,
        form=form,
        document=document,
        receipts=sources,
        folder_groups=choices.folders(folders.body["items"], classes.body["items"]),
        example_groups=choices.body_templates(examples.body["items"]),
        view_classes=view_classes.of_document(desk, unit, widest, form.text("view_class")),
        colleagues=colleagues,
        designated=designated,
        post_choices=[(post.post_id, vocabulary.post_name(post.unit_name, post.signs_as)) for post in posts],
    )


async def _following(desk: Desk, receipt_id: str, follow_up_id: str, sender_name: str) -> Mapping[str, str]:
    """The fields that the file plan and its 例文 know of what usually follows a receipt."""
    chosen = await repeating.follow_up(desk, follow_up_id, receipt_id=receipt_id)
    if chosen is None:
        return {}
    values = {"title": chosen["title"], "folder_id": chosen["folder_id"] or ""}
    if chosen["body_template_id"]:
        filled = await body_templates.fill(
            desk.clients,
            desk.caller,
            chosen["body_template_id"],
            title=chosen["title"],
            counterparty=sender_name,
        )
        values["body"] = filled.body["body"]
    return values


async def _with_example(desk: Desk, form: Form) -> Form:
    """The form with the chosen 例文 behind what is written already. Nothing is saved."""
    chosen = form.required("body_template_id", "例文を選んでください。")
    if not chosen:
        return form
    filled = await body_templates.fill(
        desk.clients, desk.caller, chosen, title=form.text("title"), counterparty=form.text("counterparty")
    )
    body = "\n\n".join(text for text in (form.lines("body"), filled.body["body"]) if text)
    return replace(form, values={**form.values, "body": body, "body_template_id": ""})


def _after_saving(desk: Desk, form: Form, document_id: str) -> Response:
    page = "attachments" if form.text("next") == "attachments" else "edit"
    return desk.go(f"/documents/{document_id}/{page}", done="saved")


def _drafter(desk: Desk, form: Form) -> Caller:
    chosen = form.text("post_id")
    return desk.gateway.sign_in.acting_from(desk.caller, chosen) if chosen else desk.caller


def _fields(form: Form) -> dict[str, Any]:
    """The form as the action takes it. Only the title is needed to save; the rest before circulation (LC-04)."""
    form.required("title", "件名を入力してください。")
    texts = {name: form.text(name) for name in _TEXTS}
    chosen = {name: form.text(name) or None for name in _CHOICES}
    # The folder brings its class; what the class was before does not hold against another folder.
    filed = {"class_code": None} if chosen["folder_id"] else {}
    return {
        **texts,
        **filed,
        "body": form.lines("body"),
        **chosen,
        "designated": form.all_of("designated"),
        "urgent": form.text("urgent") == "yes",
        "amount": form.number("amount", "金額は円単位の数字で入力してください。"),
        "enforcement": {
            "required": form.text("enforcement_required") == "yes",
            "planned_on": form.day("enforcement_planned_on"),
            "method": form.text("enforcement_method"),
            "addressee": form.text("enforcement_addressee"),
        },
    }


def _values(document: View) -> Mapping[str, str]:
    """A document as the form shows it."""
    enforcement = document["enforcement"]
    planned = date.fromisoformat(enforcement["planned_on"]) if enforcement["planned_on"] else None
    return {
        **{name: document[name] or "" for name in (*_TEXTS, "body", *_CHOICES)},
        "urgent": "yes" if document["urgent"] else "",
        "amount": str(document["amount"]) if document["amount"] is not None else "",
        "enforcement_required": "yes" if enforcement["required"] else "no",
        "enforcement_method": enforcement["method"] or "",
        "enforcement_addressee": enforcement["addressee"],
        "version": str(document["version"]),
        **day_values("enforcement_planned_on", planned),
    }
