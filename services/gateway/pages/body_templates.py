"""例文: look at them, keep one, change it, let it go."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from chassis.errors import DomainError
from services.gateway.actions import body_templates, organisation
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form, version_of
from services.gateway.views import View

router = APIRouter()


@router.get("/body-templates")
async def listed(desk: AtDesk) -> Response:
    """What may be used, and the form of a new one."""
    return await _draw(desk, Form())


@router.get("/body-templates/{body_template_id}")
async def edit(desk: AtDesk, body_template_id: str) -> Response:
    """The form of the next version."""
    found = (await body_templates.listed(desk.clients, desk.caller)).body["items"]
    chosen = next((one for one in found if one["body_template_id"] == body_template_id), None)
    if chosen is None:
        return desk.go("/body-templates")
    names = ("body_template_id", "version", "name", "body")
    return await _draw(desk, Form({name: str(chosen[name]) for name in names}))


@router.post("/body-templates")
async def save(desk: AtDesk) -> Response:
    """A new template, or the next version."""
    form = await desk.form()
    name = form.required("name", "名称を入力してください。")
    form.required("body", "本文を入力してください。")
    status = 422
    if not form.errors:
        try:
            await body_templates.save(
                desk.clients,
                desk.caller,
                name=name,
                body=form.lines("body"),
                request_id=form.text("request_key"),
                scope=form.text("scope") or "personal",
                unit_id=next(iter(desk.unit_ids), "") if form.text("scope") == "unit" else "",
                body_template_id=form.text("body_template_id"),
                version=version_of(form),
            )
            return desk.go("/body-templates", done="body_template_saved")
        except DomainError as error:
            status = absorb(form, error, denials=True)
    return await _draw(desk, form, status)


@router.post("/body-templates/{body_template_id}/retire")
async def retire(desk: AtDesk, body_template_id: str) -> Response:
    """Offered no more."""
    form = await desk.form()
    try:
        await body_templates.retire(
            desk.clients, desk.caller, body_template_id, version_of(form), form.text("request_key")
        )
    except DomainError as error:
        return await _draw(desk, Form(errors=form.errors), absorb(form, error, denials=True))
    return desk.go("/body-templates", done="body_template_retired")


async def _draw(desk: Desk, form: Form, status: int = 200) -> Response:
    answer = await body_templates.listed(desk.clients, desk.caller)
    found = answer.body["items"]
    units = {f"unit:{one['unit_id']}" for one in found if one["unit_id"]}
    names = await organisation.names(desk.clients, desk.caller, units)
    scopes = [("personal", "自分")]
    if desk.caller.has_role("records_manager") and desk.unit_choices:
        scopes.append(("unit", desk.unit_choices[0][1]))
    if desk.caller.has_role("records_officer"):
        scopes.append(("city", "全庁"))
    return desk.draw(
        "body_templates",
        "body-templates",
        status=status,
        access_record=answer.access_record,
        form=form,
        templates=[_shown(one, names, {scope for scope, _ in scopes}) for one in found],
        scope_choices=scopes,
    )


def _shown(one: View, names: dict[str, str], scopes: set[str]) -> View:
    whose = {"personal": "自分", "city": "全庁"}.get(one["scope"]) or names[f"unit:{one['unit_id']}"]
    return one | {"whose": whose, "mine": one["scope"] in scopes}
