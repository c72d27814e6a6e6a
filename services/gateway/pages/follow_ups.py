"""文書分類 → 次にすること: the records office edits what usually follows in each class (FL-06).

Each press saves the whole list under the version that the page showed; nothing is held between two of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fastapi import APIRouter
from starlette.responses import Response

from chassis.errors import DomainError, FieldViolation
from services.gateway.actions import body_templates, follow_ups, organisation
from services.gateway.pages import choices, vocabulary
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form, version_of
from services.gateway.views import View

router = APIRouter()

# What a line is called in the form, where other forms call something else so.
_FORM_NAMES = {"kind": "next_kind", "title": "next_title"}
_TEXTS = ("after_kind", "after_words", "kind", "title", "next_class_code", "body_template_id")


@router.get("/classes")
async def classes(desk: AtDesk) -> Response:
    """Every class, with how much its list holds."""
    answer = await follow_ups.classes(desk.clients, desk.caller)
    found = answer.body["items"]
    principals = {f"unit:{one['unit_id']}" for one in found if one["unit_id"]}
    principals |= {f"staff:{one['edited_by']}" for one in found if one["edited_by"]}
    names = await organisation.names(desk.clients, desk.caller, principals)
    return desk.draw(
        "classes",
        "classes",
        access_record=answer.access_record,
        classes=[
            one
            | {
                "name": choices.class_name(one),
                "unit_name": names.get(f"unit:{one['unit_id']}", "共通"),
                "edited_by_name": names.get(f"staff:{one['edited_by']}", ""),
            }
            for one in found
        ],
    )


@router.get("/classes/{class_code}/follow-ups")
async def listed(desk: AtDesk, class_code: str, line: str = "") -> Response:
    """The list, and the form of a new line or of the chosen one."""
    return await _draw(desk, class_code, Form(), line=line)


@router.post("/classes/{class_code}/follow-ups")
async def save(desk: AtDesk, class_code: str) -> Response:
    """A line more, another one, another order, or one less."""
    form = await desk.form()
    change, _, follow_up_id = form.text("change").partition(":")
    if change == "line":
        form.required("after_kind", "何の後に行うかを選んでください。")
        form.required("next_kind", "次にすることを選んでください。")
        form.required("next_title", "次の件名を入力してください。")
        form.required("next_class_code", "次の分類を選んでください。")
    status = 422
    if not form.errors:
        found = (await follow_ups.read(desk.clients, desk.caller, class_code)).body["follow_ups"]
        wanted = _changed(found, change, follow_up_id, form)
        try:
            await follow_ups.save(
                desk.clients, desk.caller, class_code, version_of(form), wanted, form.text("request_key")
            )
            return desk.go(f"/classes/{class_code}/follow-ups", done="follow_ups_saved")
        except DomainError as error:
            status = absorb(form, _of_the_line(error))
    return await _draw(desk, class_code, form, line=form.text("follow_up_id"), status=status)


def _changed(found: Sequence[View], change: str, follow_up_id: str, form: Form) -> list[View]:
    """The list with what was pressed; the service refuses it when the page had shown another list."""
    lines = list(found)
    place = next((at for at, one in enumerate(lines) if one["follow_up_id"] == follow_up_id), None)
    if change == "line":
        line = {name: form.text(_FORM_NAMES.get(name, name)) for name in _TEXTS} | {"follow_up_id": follow_up_id}
        lines[len(lines) if place is None else place : len(lines) if place is None else place + 1] = [line]
    elif place is not None:
        line = lines.pop(place)
        if change in ("up", "down"):
            lines.insert(max(place + (-1 if change == "up" else 1), 0), line)
    return lines


def _of_the_line(error: DomainError) -> DomainError:
    """The refusal with the names of the form: only the line of the form can be wrong, for the others stay as they were."""
    fields = [
        FieldViolation(_FORM_NAMES.get(name, name), one.problem)
        for one in error.fields
        for name in (one.field.rpartition(".")[2],)
    ]
    return DomainError(error.kind, error.reason, error.message, fields, error.metadata)


async def _draw(desk: Desk, class_code: str, form: Form, *, line: str, status: int = 200) -> Response:
    answer, known, templates = await asyncio.gather(
        follow_ups.read(desk.clients, desk.caller, class_code),
        follow_ups.classes(desk.clients, desk.caller),
        body_templates.listed(desk.clients, desk.caller),
    )
    found = answer.body
    classes = {one["class_code"]: one for one in known.body["items"]}
    of_city = [one for one in templates.body["items"] if one["scope"] == "city"]
    template_names = {one["body_template_id"]: one["name"] for one in of_city}
    edited_by = f"staff:{found['edited_by']}"
    names = await organisation.names(desk.clients, desk.caller, [edited_by]) if found["edited_by"] else {}
    chosen = next((one for one in found["follow_ups"] if one["follow_up_id"] == line), None)
    if chosen is not None and not form.values:
        form = Form({_FORM_NAMES.get(name, name): chosen[name] or "" for name in ("follow_up_id", *_TEXTS)})
    return desk.draw(
        "follow_ups",
        "classes",
        status=status,
        access_record=answer.access_record,
        form=form,
        class_code=class_code,
        version=found["version"],
        edited_at=found["edited_at"],
        editing=chosen,
        class_name=choices.class_name(classes[class_code]),
        edited_by_name=names.get(edited_by, ""),
        lines=[
            one
            | {
                "after": vocabulary.FOLLOW_UP_KINDS[one["after_kind"]],
                "next": vocabulary.FOLLOW_UP_KINDS[one["kind"]],
                "next_class_name": choices.class_name(classes[one["next_class_code"]]),
                "template_name": template_names.get(one["body_template_id"]),
            }
            for one in found["follow_ups"]
        ],
        kind_choices=list(vocabulary.FOLLOW_UP_KINDS.items()),
        class_groups=choices.classes(classes.values()),
        template_choices=list(template_names.items()),
    )
