"""保守業者: accounts of vendors, the spans of time in which they are open, and who lets them (AC-09)."""

from __future__ import annotations

import re

from fastapi import APIRouter
from starlette.responses import Response

from chassis import clock
from chassis.errors import DomainError
from services.gateway.actions import organisation, vendors
from services.gateway.errors import Refusal
from services.gateway.pages import vocabulary
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form, day_values, version_of

router = APIRouter()

_TIME = re.compile("([01][0-9]|2[0-3]):[0-5][0-9]")
_WRONG_TIME = "時刻は 14:30 のように入力してください。"


@router.get("/vendors")
async def listed(desk: AtDesk) -> Response:
    """Accounts, their windows, and forms for new ones."""
    today = clock.today()
    return await _draw(desk, Form(day_values("opens_at", today) | day_values("closes_at", today)))


@router.post("/vendors")
async def register(desk: AtDesk) -> Response:
    """An account that stays shut."""
    form = await desk.form()
    number = form.required("number", "番号を入力してください。")
    login = form.required("login", "ログイン名を入力してください。")
    full_name = form.required("full_name", "氏名を入力してください。")
    company = form.required("company", "会社名を入力してください。")
    if form.errors:
        return await _draw(desk, form, 422)
    try:
        await vendors.register(
            desk.clients,
            desk.caller,
            number=number,
            login=login,
            full_name=full_name,
            company=company,
            request_id=form.text("request_key"),
        )
    except (DomainError, Refusal) as error:
        return await _draw(desk, form, absorb(form, error))
    return desk.go("/vendors", done="vendor_registered")


@router.post("/vendors/windows")
async def request_window(desk: AtDesk) -> Response:
    """保守時間枠, asked for."""
    form = await desk.form()
    vendor_id = form.required("vendor_id", "保守業者を選んでください。")
    opens_at = _moment(form, "opens_at", "始まりの日を入力してください。")
    closes_at = _moment(form, "closes_at", "終わりの日を入力してください。")
    reason = form.required("reason", "理由を入力してください。")
    ticket = form.required("ticket", "作業番号を入力してください。")
    if form.errors:
        return await _draw(desk, form, 422)
    try:
        await vendors.request_window(
            desk.clients,
            desk.caller,
            vendor_id,
            opens_at=opens_at,
            closes_at=closes_at,
            reason=reason,
            ticket=ticket,
            request_id=form.text("request_key"),
        )
    except (DomainError, Refusal) as error:
        return await _draw(desk, form, absorb(form, error))
    return desk.go("/vendors", done="window_requested")


@router.post("/vendors/windows/{window_id}/confirm")
async def confirm(desk: AtDesk, window_id: str) -> Response:
    """Another person lets it open."""
    form = await desk.form()
    try:
        await vendors.confirm(desk.clients, desk.caller, window_id, version_of(form), form.text("request_key"))
    except DomainError as error:
        return await _draw(desk, form, absorb(form, error, denials=True))
    return desk.go("/vendors", done="window_confirmed")


@router.post("/vendors/windows/{window_id}/end")
async def end(desk: AtDesk, window_id: str) -> Response:
    """It ends now, or is called off."""
    form = await desk.form()
    try:
        await vendors.end(desk.clients, desk.caller, window_id, version_of(form), form.text("request_key"))
    except DomainError as error:
        return await _draw(desk, form, absorb(form, error))
    return desk.go("/vendors", done="window_ended")


def _moment(form: Form, name: str, missing: str) -> str:
    """RFC 3339 of a day and a time of day in Japan; notes what is wrong."""
    day, time = form.day(name, missing=missing), form.required(f"{name}_time", _WRONG_TIME)
    if time and not _TIME.fullmatch(time):
        form.errors[f"{name}_time"] = _WRONG_TIME
    return f"{day}T{time}:00+09:00"


async def _draw(desk: Desk, form: Form, status: int = 200) -> Response:
    answer = await vendors.listed(desk.clients, desk.caller)
    windows = [
        one | {"vendor_name": f"{vendor['full_name']}（{vendor['company']}）"}
        for vendor in answer.body["items"]
        for one in vendor["windows"]
    ]
    people = {person for one in windows for person in (one["requested_by"], one["confirmed_by"], one["ended_by"])}
    names = await organisation.names(
        desk.clients, desk.caller, [f"staff:{one}" for one in people if one and not one.startswith("service:")]
    )
    return desk.draw(
        "vendors",
        "vendors",
        status=status,
        access_record=answer.access_record,
        form=form,
        vendors=answer.body["items"],
        windows=sorted(windows, key=lambda one: vocabulary.WINDOW_ORDER.index(one["state"])),
        names=names,
        max_hours=answer.body["max_hours"],
    )
