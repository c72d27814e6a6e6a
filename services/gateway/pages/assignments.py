"""引き継ぐ案件: what leavers of the unit left, given to its members by the 所属長 (AC-16, AP-42)."""

from __future__ import annotations

import uuid

from fastapi import APIRouter
from starlette.responses import Response

from chassis.errors import DomainError
from services.gateway.actions import assignments, organisation
from services.gateway.errors import Refusal
from services.gateway.pages import choices
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form, version_in

router = APIRouter()


@router.get("/unattended")
async def unattended(desk: AtDesk, cursor: str = "") -> Response:
    """What waits to be taken over, and the form for it."""
    return await _draw(desk, Form(), cursor)


@router.post("/unattended")
async def assign(desk: AtDesk) -> Response:
    """The chosen documents to one member. What was given before a refusal stays given and is not listed any more."""
    form = await desk.form()
    chosen = form.all_of("documents")
    if not chosen:
        form.errors["documents"] = "引き継ぐ案件を選んでください。"
    assignee = form.required("assignee", "引き継ぐ職員を選んでください。")
    form.required("assignment_reason", "引き継ぐ理由を入力してください。")
    if form.errors:
        return await _draw(desk, form, "", 422)
    try:
        for one in chosen:
            document_id, _, version = one.partition("/")
            await assignments.assign(
                desk.clients,
                desk.caller,
                document_id,
                version_in(version),
                assignee=assignee,
                reason=form.lines("assignment_reason"),
                request_id=_key(form, document_id),
            )
    except (DomainError, Refusal) as error:
        return await _draw(desk, form, "", absorb(form, error))
    return desk.go("/unattended", done="assigned")


def _key(form: Form, document_id: str) -> str:
    """A key for each document out of the form's one: sent again, the form is the same requests again."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{form.text('request_key')} {document_id}"))


async def _draw(desk: Desk, form: Form, cursor: str, status: int = 200) -> Response:
    answer = await assignments.unattended(desk.clients, desk.caller, cursor=cursor)
    items, members = answer.body["items"], answer.body["members"]
    people = [*members, *(one[who] for one in items for who in ("drafter", "assignee"))]
    names = await organisation.names(desk.clients, desk.caller, [f"staff:{staff_id}" for staff_id in people])
    acting = desk.caller.acting_post
    return desk.draw(
        "unattended",
        "unattended",
        status=status,
        access_record=answer.access_record,
        form=form,
        unit_name=acting.unit_name if acting is not None else "",
        documents=[
            one
            | {
                "drafter_name": names[f"staff:{one['drafter']}"],
                "assignee_name": names[f"staff:{one['assignee']}"],
                "value": f"{one['document_id']}/{one['version']}",
            }
            for one in items
        ],
        chosen=form.all_of("documents"),
        member_choices=choices.people(members, names, first=desk.caller.identity.staff_id),
        pager=desk.pager(answer.body["next_cursor"]),
    )
