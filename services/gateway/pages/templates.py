"""ルートのひな形: look at them, keep one, change it, let it go (AP-54)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from chassis.errors import DomainError
from services.gateway.actions import organisation, templates
from services.gateway.pages import choices, vocabulary
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form, version_of
from services.gateway.views import View

router = APIRouter()

# Rows of the form; a longer template is kept by a program.
SEATS = 5


@router.get("/route-templates")
async def listed(desk: AtDesk) -> Response:
    """What may be used, and the form of a new one."""
    return await _draw(desk, Form())


@router.get("/route-templates/{route_template_id}")
async def edit(desk: AtDesk, route_template_id: str) -> Response:
    """The form of the next version."""
    found = (await templates.listed(desk.clients, desk.caller)).body["items"]
    chosen = next((one for one in found if one["route_template_id"] == route_template_id), None)
    if chosen is None:
        return desk.go("/route-templates")
    values = {"name": chosen["name"], "version": str(chosen["version"]), "route_template_id": route_template_id}
    for number, step in enumerate(chosen["steps"][:SEATS], start=1):
        values |= {f"{field}_{number}": step[field] for field in ("kind", "post_id", "after")}
    return await _draw(desk, Form(values))


@router.post("/route-templates")
async def save(desk: AtDesk) -> Response:
    """A new template, or the next version."""
    form = await desk.form()
    name = form.required("name", "名称を入力してください。")
    steps = _steps(form)
    if not steps:
        form.errors.setdefault("post_id_1", "加える職を選んでください。")
    status = 422
    if not form.errors:
        try:
            await templates.save(
                desk.clients,
                desk.caller,
                name=name,
                steps=steps,
                request_id=form.text("request_key"),
                scope=form.text("scope") or "personal",
                unit_id=desk.unit_ids[0] if form.text("scope") == "unit" and desk.unit_ids else "",
                route_template_id=form.text("route_template_id"),
                version=version_of(form),
            )
            return desk.go("/route-templates", done="template_saved")
        except DomainError as error:
            status = absorb(form, error, denials=True)
    return await _draw(desk, form, status)


@router.post("/route-templates/{route_template_id}/retire")
async def retire(desk: AtDesk, route_template_id: str) -> Response:
    """Offered no more."""
    form = await desk.form()
    try:
        await templates.retire(desk.clients, desk.caller, route_template_id, version_of(form), form.text("request_key"))
    except DomainError as error:
        return await _draw(desk, Form(errors=form.errors), absorb(form, error, denials=True))
    return desk.go("/route-templates", done="template_retired")


async def _draw(desk: Desk, form: Form, status: int = 200) -> Response:
    answer = await templates.listed(desk.clients, desk.caller)
    found = answer.body["items"]
    units = (await organisation.units(desk.clients, desk.caller)).body["items"]
    posts = (await organisation.posts(desk.clients, desk.caller)).body["items"]
    principals = {f"post:{step['post_id']}" for one in found for step in one["steps"]}
    principals |= {f"unit:{one['unit_id']}" for one in found if one["unit_id"]}
    names = await organisation.names(desk.clients, desk.caller, principals)
    scopes = [("personal", "自分")]
    if desk.caller.has_role("records_manager") and desk.unit_choices:
        scopes.append(("unit", desk.unit_choices[0][1]))
    if desk.caller.has_role("records_officer"):
        scopes.append(("city", "全庁"))
    return desk.draw(
        "route_templates",
        "templates",
        status=status,
        access_record=answer.access_record,
        form=form,
        templates=[_shown(one, names, [scope for scope, _ in scopes]) for one in found],
        scope_choices=scopes,
        kind_choices=[(kind, vocabulary.STEP_KINDS[kind]) for kind in ("approve", "concur", "review")],
        place_choices=list(vocabulary.PLACES.items()),
        post_groups=choices.post_groups(units, posts),
        numbers=range(1, SEATS + 1),
    )


def _steps(form: Form) -> list[dict[str, Any]]:
    """The rows in which a post was chosen."""
    return [
        {
            "kind": form.text(f"kind_{number}") or "concur",
            "post_id": form.text(f"post_id_{number}"),
            "after": form.text(f"after_{number}") or "head",
        }
        for number in range(1, SEATS + 1)
        if form.text(f"post_id_{number}")
    ]


def _shown(one: View, names: dict[str, str], scopes: list[str]) -> View:
    return one | {
        "whose": names[f"unit:{one['unit_id']}"]
        if one["unit_id"]
        else {"personal": "自分", "city": "全庁"}[one["scope"]],
        "seats": [
            {
                "kind": vocabulary.STEP_KINDS[step["kind"]],
                "post": names[f"post:{step['post_id']}"],
                "after": vocabulary.PLACES[step["after"]],
            }
            for step in one["steps"]
        ],
        "mine": one["scope"] in scopes and len(one["steps"]) <= SEATS,
    }
