"""緊急閲覧: asked for, consented to, ended; and what the 所属長 sees of it (AC-08)."""

from __future__ import annotations

import uuid

from fastapi import APIRouter
from starlette.responses import Response

from chassis.errors import DomainError
from services.gateway.actions import breakglass, organisation
from services.gateway.errors import Refusal
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form, version_of
from services.gateway.views import View

router = APIRouter()


@router.get("/break-glass")
async def listed(desk: AtDesk) -> Response:
    """All of them, and the form for another."""
    return await _draw(desk, Form())


@router.post("/break-glass")
async def ask(desk: AtDesk) -> Response:
    """Asked for; another person consents."""
    form = await desk.form()
    named = form.required("named", "文書の番号を入力してください。")
    form.required("reason", "理由を入力してください。")
    hours = form.text("hours")
    if not hours.isascii() or not hours.isdigit():
        form.errors["hours"] = "時間を選んでください。"
    if form.errors:
        return await _draw(desk, form, 422)
    try:
        await breakglass.request(
            desk.clients,
            desk.caller,
            named=named,
            reason=form.lines("reason"),
            hours=min(int(hours), 99),
            request_id=form.text("request_key"),
        )
    except (DomainError, Refusal) as error:
        return await _draw(desk, form, absorb(form, error))
    return desk.go("/break-glass", done="break_glass_requested")


@router.post("/break-glass/{break_glass_id}/consent")
async def consent(desk: AtDesk, break_glass_id: str) -> Response:
    """Another person lets it open."""
    form = await desk.form()
    try:
        await breakglass.consent(desk.clients, desk.caller, break_glass_id, version_of(form), form.text("request_key"))
    except DomainError as error:
        return await _draw(desk, form, absorb(form, error, denials=True))
    return desk.go("/break-glass", done="break_glass_consented")


@router.post("/break-glass/{break_glass_id}/end")
async def end(desk: AtDesk, break_glass_id: str) -> Response:
    """It ends now, by one of the two."""
    form = await desk.form()
    try:
        await breakglass.end(desk.clients, desk.caller, break_glass_id, version_of(form), form.text("request_key"))
    except DomainError as error:
        return await _draw(desk, form, absorb(form, error))
    return desk.go("/break-glass", done="break_glass_ended")


@router.get("/break-glass/unit")
async def of_unit(desk: AtDesk) -> Response:
    """For the 所属長: who saw which document of the unit, and why."""
    return await _draw(desk, Form(), unit_id=desk.caller.identity.acting_unit)


@router.post("/break-glass/unit/{break_glass_id}/end")
async def end_as_head(desk: AtDesk, break_glass_id: str) -> Response:
    """It ends now, by the 所属長."""
    form, unit_id = await desk.form(), desk.caller.identity.acting_unit
    try:
        await breakglass.end(
            desk.clients, desk.caller, break_glass_id, version_of(form), form.text("request_key"), unit_id=unit_id
        )
    except DomainError as error:
        return await _draw(desk, form, absorb(form, error), unit_id=unit_id)
    return desk.go("/break-glass/unit", done="break_glass_ended")


async def _draw(desk: Desk, form: Form, status: int = 200, *, unit_id: str = "") -> Response:
    answer = await breakglass.listed(desk.clients, desk.caller, unit_id=unit_id)
    found = answer.body["items"]
    people = {one[name] for one in found for name in ("requested_by", "consented_by", "ended_by")}
    names = await organisation.names(
        desk.clients, desk.caller, [f"staff:{one}" for one in people if one and not one.startswith("service:")]
    )
    return desk.draw(
        "break_glass",
        "unit-break-glass" if unit_id else "break-glass",
        status=status,
        access_record=answer.access_record,
        form=form,
        found=[one | {"href": _href(one, desk)} for one in found],
        names=names,
        hours=[(str(hour), f"{hour}時間") for hour in range(1, answer.body["max_hours"] + 1)],
        of_unit=bool(unit_id),
        at="/break-glass/unit" if unit_id else "/break-glass",
    )


def _href(one: View, desk: Desk) -> str:
    """The way to the document for its one reader; only going there tells whether there is one (AC-03)."""
    if one["state"] != "open" or one["requested_by"] != desk.caller.identity.staff_id:
        return ""
    try:
        return f"/documents/{uuid.UUID(one['named'])}"
    except ValueError:
        return f"/documents?number={one['named']}"
