"""回議先の追加 (AP-54): the form of whose turn it is, who has another post asked first."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.responses import Response

from chassis.errors import DomainError
from services.gateway.actions import cases, organisation
from services.gateway.actions import documents as documents_of
from services.gateway.errors import Refusal
from services.gateway.pages import choices, documents
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form, version_of

router = APIRouter()


@router.get("/documents/{document_id}/add-seat")
async def show(desk: AtDesk, document_id: str, unit: str = "") -> Response:
    """Which post, of the department or of a chosen unit; what is asked of it, and why."""
    return await _draw(desk, document_id, unit, Form({"kind": "concur"}))


@router.post("/documents/{document_id}/add-seat")
async def add(desk: AtDesk, document_id: str) -> Response:
    """The post is asked now; the own seat comes back afterwards."""
    form = await desk.form()
    post_id = form.required("post_id", "追加する職を選んでください。")
    kind = form.required("kind", "求める処理を選んでください。")
    comment = form.required("comment", "追加する理由を入力してください。")
    status = 422
    if not form.errors:
        version, key = version_of(form, "case_version"), form.text("request_key")
        try:
            await cases.add_seat(desk.clients, desk.caller, form.text("case_id"), version, post_id, kind, comment, key)
            return desk.go(f"/documents/{document_id}", done="add_seat")
        except (DomainError, Refusal) as error:
            status = absorb(form, error, denials=True)
    return await _draw(desk, document_id, form.text("unit"), form, status)


async def _draw(desk: Desk, document_id: str, unit: str, form: Form, status: int = 200) -> Response:
    document = (await documents_of.read(desk.clients, desk.caller, document_id)).body
    case, units, posts = await asyncio.gather(
        documents.case_of(desk, document),
        organisation.units(desk.clients, desk.caller),
        organisation.posts(desk.clients, desk.caller, unit_id=unit),
    )
    taken = {step["post_id"] for step in case["steps"] if step["kind"] != "inform"} if case is not None else set()
    taken |= {post.post_id for post in desk.caller.staff.posts} | {document["drafter_post"]}
    near = choices.units_near(units.body["items"], unit or document["unit_id"], only=bool(unit))
    free = [one for one in posts.body["items"] if one["post_id"] not in taken and one["holder_staff_ids"]]
    holders = [f"staff:{staff_id}" for one in free if one["unit_id"] in near for staff_id in one["holder_staff_ids"]]
    names = await organisation.names(desk.clients, desk.caller, holders)
    return desk.draw(
        "add_seat",
        "search",
        status=status,
        document=document,
        case=case if case is not None and "add_seat" in case["allowed_actions"] else None,
        form=form,
        unit=Form({"unit": unit}),
        unit_choices=[(one["unit_id"], one["name"]) for one in units.body["items"]],
        post_groups=choices.posts(free, near, names),
    )
