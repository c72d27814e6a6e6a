"""回議・決裁 from a page: act on a step, and the acts on the case itself.

A refusal is told on the document, opened anew, or on the form that it answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from starlette.responses import Response

from chassis.errors import DomainError
from services.gateway.actions import cases, organisation
from services.gateway.actions import documents as documents_of
from services.gateway.actions.answer import Answer
from services.gateway.errors import Refusal
from services.gateway.pages import choices, documents
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form, version_of

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
            version_of(form, "case_version"),
            action=action,
            comment=form.text("comment"),
            version_digest=form.text("version_digest"),
            read_receipt=form.text("read_receipt"),
            request_id=form.text("request_key"),
            acknowledged=form.all_of("acknowledged"),
            target_step_id=form.text("target") if action == "send_back" else "",
            also=form.text("also").split() if action == "approve" else (),
        )
    except (DomainError, Refusal) as error:
        return await _refused(desk, form, error)
    return desk.go("/", done=action, document=form.text("document_id"))


@router.post("/cases/{case_id}/recall")
async def recall(desk: AtDesk, case_id: str) -> Response:
    """引戻し, while the next has not acted."""
    return await _on_case(desk, case_id, cases.recall, "recall")


@router.post("/cases/{case_id}/ask_substitute")
async def ask_substitute(desk: AtDesk, case_id: str) -> Response:
    """代決依頼 by the drafter, while the decider is away (AP-17)."""
    return await _on_case(desk, case_id, cases.ask_substitute, "ask_substitute")


async def _on_case(desk: Desk, case_id: str, action: Callable[..., Awaitable[Answer]], done: str) -> Response:
    """An act on the case that needs no more than a button."""
    form = await desk.form()
    try:
        await action(desk.clients, desk.caller, case_id, version_of(form, "case_version"), "", form.text("request_key"))
    except (DomainError, Refusal) as error:
        return await _refused(desk, form, error)
    return desk.go(f"/documents/{form.text('document_id')}", done=done)


@router.get("/documents/{document_id}/replace")
async def replacement(desk: AtDesk, document_id: str) -> Response:
    """The form of 差替え: why."""
    return await _draw_taking_back(desk, document_id, "replace", Form())


@router.post("/documents/{document_id}/replace")
async def replace(desk: AtDesk, document_id: str) -> Response:
    """差替え: the document comes back to its drafter (AP-30)."""
    return await _take_back(desk, document_id, cases.replace, "replace", "差し替える理由を入力してください。")


@router.get("/documents/{document_id}/withdraw")
async def withdrawal(desk: AtDesk, document_id: str) -> Response:
    """The form of 取下げ: why."""
    return await _draw_taking_back(desk, document_id, "withdraw", Form())


@router.post("/documents/{document_id}/withdraw")
async def withdraw(desk: AtDesk, document_id: str) -> Response:
    """取下げ by the drafter, before the decision; nothing brings it back."""
    return await _take_back(desk, document_id, cases.withdraw, "withdraw", "取り下げる理由を入力してください。")


async def _take_back(
    desk: Desk, document_id: str, action: Callable[..., Awaitable[Answer]], page: str, missing: str
) -> Response:
    """What ends the case for a reason, from the form that asks for it."""
    form = await desk.form()
    comment = form.required("comment", missing)
    status = 422
    if not form.errors:
        version, key = version_of(form, "case_version"), form.text("request_key")
        try:
            await action(desk.clients, desk.caller, form.text("case_id"), version, comment, key)
            return desk.go(f"/documents/{document_id}", done=page)
        except (DomainError, Refusal) as error:
            status = absorb(form, error, denials=True)
    return await _draw_taking_back(desk, document_id, page, form, status)


async def _draw_taking_back(desk: Desk, document_id: str, page: str, form: Form, status: int = 200) -> Response:
    document = (await documents_of.read(desk.clients, desk.caller, document_id)).body
    case = await documents.case_of(desk, document)
    return desk.draw(page, "search", status=status, document=document, case=case, form=form)


@router.get("/documents/{document_id}/circulate")
async def circulation(desk: AtDesk, document_id: str, unit: str = "") -> Response:
    """The form of 供覧: which posts, of the department or of a chosen unit."""
    return await _draw_circulation(desk, document_id, unit, Form())


@router.post("/documents/{document_id}/circulate")
async def circulate(desk: AtDesk, document_id: str) -> Response:
    """供覧 to more posts (AP-10, AC-12)."""
    form = await desk.form()
    posts = form.all_of("post_ids")
    if not posts:
        form.errors["post_ids"] = "供覧先の職を選んでください。"
    status = 422
    if not form.errors:
        version, key, comment = version_of(form, "case_version"), form.text("request_key"), form.text("comment")
        try:
            await cases.circulate(desk.clients, desk.caller, form.text("case_id"), version, posts, comment, key)
            return desk.go(f"/documents/{document_id}", done="circulate")
        except (DomainError, Refusal) as error:
            status = absorb(form, error, denials=True)
    return await _draw_circulation(desk, document_id, form.text("unit"), form, status)


async def _draw_circulation(desk: Desk, document_id: str, unit: str, form: Form, status: int = 200) -> Response:
    document = (await documents_of.read(desk.clients, desk.caller, document_id)).body
    case, units, posts = await asyncio.gather(
        documents.case_of(desk, document),
        organisation.units(desk.clients, desk.caller),
        organisation.posts(desk.clients, desk.caller, unit_id=unit),
    )
    # Who asks sees it already; who is struck through (AP-04) does not.
    steps = case["steps"] if case is not None else ()
    taken = {step["post_id"] for step in steps if step["state"] != "struck"}
    taken |= {post.post_id for post in desk.caller.staff.posts}
    near = choices.units_near(units.body["items"], unit or document["unit_id"], only=bool(unit))
    free = [one for one in posts.body["items"] if one["post_id"] not in taken and one["holder_staff_ids"]]
    holders = [f"staff:{staff_id}" for one in free if one["unit_id"] in near for staff_id in one["holder_staff_ids"]]
    names = await organisation.names(desk.clients, desk.caller, holders)
    return desk.draw(
        "circulate",
        "search",
        status=status,
        document=document,
        case=case,
        form=form,
        unit=Form({"unit": unit}),
        unit_choices=[(one["unit_id"], one["name"]) for one in units.body["items"]],
        post_groups=choices.posts(free, near, names),
        chosen=form.all_of("post_ids"),
    )


async def _refused(desk: Desk, form: Form, error: DomainError | Refusal) -> Response:
    status = absorb(form, error, denials=True)
    return await documents.draw(desk, form.text("document_id"), form, status)
