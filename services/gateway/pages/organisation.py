"""組織・職員 as of a day, and 不在登録."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta

from fastapi import APIRouter
from starlette.responses import Response

from chassis import clock
from chassis.errors import DomainError
from chassis.wareki import JST
from services.gateway.actions import organisation
from services.gateway.pages import choices
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form
from services.gateway.views import View

router = APIRouter()


@router.get("/organisation")
async def show(desk: AtDesk, unit: str = "", cursor: str = "") -> Response:
    """The units of all bodies, or the staff of one."""
    form = desk.query()
    on = form.filter_day("on")
    units = (await organisation.units(desk.clients, desk.caller, on=on)).body["items"]
    chosen = next((one for one in units if one["unit_id"] == unit), None)
    staff, pager = [], desk.pager(None)
    if chosen is not None:
        listed = await organisation.staff(desk.clients, desk.caller, on=on, unit_id=unit, cursor=cursor)
        staff = [_person(one, unit) for one in listed.body["items"]]
        pager = desk.pager(listed.body["next_cursor"])
    return desk.draw(
        "organisation",
        "organisation",
        status=422 if form.errors else 200,
        form=form,
        unit=chosen,
        on=on or clock.today().isoformat(),
        staff=staff,
        bodies=_tree(units),
        unit_choices=[(one["unit_id"], one["name"]) for one in units],
        pager=pager,
    )


@router.get("/absences")
async def absences(desk: AtDesk, unit: str = "") -> Response:
    """My absences, or a unit's: a records manager's own, one of those that a superior or the records office chooses."""
    return await _draw_absences(desk, Form(), unit)


@router.post("/absences")
async def register(desk: AtDesk) -> Response:
    """不在登録, whole days (AP-14, AP-15)."""
    form = await desk.form()
    first = form.day("from", missing="不在になる日を入力してください。")
    last = form.day("to", missing="不在の最後の日を入力してください。")
    reason = form.required("reason_code", "理由を選んでください。")
    if form.text("unit"):
        form.required("staff_id", "不在になる職員を選んでください。")
    if first and last and last < first:
        form.errors.setdefault("to", "最後の日は、不在になる日より後にしてください。")
    status = 422
    if not form.errors:
        until = date.fromisoformat(last) + timedelta(days=1)
        try:
            await organisation.register_absence(
                desk.clients,
                desk.caller,
                staff_id=form.text("staff_id"),
                since=f"{first}T00:00:00+09:00",
                until=f"{until.isoformat()}T00:00:00+09:00",
                reason_code=reason,
                request_id=form.text("request_key"),
            )
            return desk.go("/absences", done="absence", **_of_unit(form))
        except DomainError as error:
            status = absorb(form, error, denials=True)
    return await _draw_absences(desk, form, form.text("unit"), status)


@router.post("/absences/{absence_id}/end")
async def end(desk: AtDesk, absence_id: str) -> Response:
    """Back earlier, or not going at all."""
    form = await desk.form()
    try:
        await organisation.end_absence(desk.clients, desk.caller, absence_id, form.text("request_key"))
    except DomainError as error:
        return await _draw_absences(desk, form, form.text("unit"), absorb(form, error))
    return desk.go("/absences", done="absence_ended", **_of_unit(form))


def _of_unit(form: Form) -> dict[str, str]:
    return {"unit": form.text("unit")} if form.text("unit") else {}


# Ranks that head a unit; who is a superior of whom is for approvals to say.
_HEADING = frozenset({"head", "director", "body_head"})


async def _units_to_choose(desk: Desk) -> list[tuple[str, str]]:
    """Units whose absences the person may register: all for the records office, for a head their own and those below."""
    headed = {post.unit_id for post in desk.caller.staff.posts if post.rank in _HEADING}
    office = desk.caller.has_role("records_officer")
    if not headed and not office:
        return []
    units = (await organisation.units(desk.clients, desk.caller)).body["items"]
    for _ in units:
        below = {one["unit_id"] for one in units if one["parent_id"] in headed} - headed
        if not below:
            break
        headed |= below
    return [(one["unit_id"], one["name"]) for one in units if office or one["unit_id"] in headed]


async def _draw_absences(desk: Desk, form: Form, unit: str = "", status: int = 200) -> Response:
    manages = desk.caller.has_role("records_manager")
    acting = desk.caller.acting_post
    offered = await _units_to_choose(desk)
    own = acting.unit_id if manages and acting is not None else ""
    unit_id = unit if unit in dict(offered) else own
    listing = organisation.absences(
        desk.clients, desk.caller, staff_id="" if unit_id else desk.caller.identity.staff_id, unit_id=unit_id
    )
    if unit_id:
        listed, staff = await asyncio.gather(listing, organisation.staff(desk.clients, desk.caller, unit_id=unit_id))
        people = choices.staff(staff.body["items"])
    else:
        listed = await listing
        people = [(desk.caller.identity.staff_id, desk.caller.staff.name)]
    names = await organisation.names(
        desk.clients,
        desk.caller,
        [f"staff:{one[role]}" for one in listed.body["items"] for role in ("staff_id", "registered_by")],
    )
    myself = desk.caller.identity.staff_id
    values = {"staff_id": myself if myself in dict(people) else "", "unit": unit_id} | dict(form.values)
    return desk.draw(
        "absences",
        "absences",
        status=status,
        access_record=listed.access_record,
        form=Form(values, form.errors, form.request_key),
        absences=[_absence(one, names, clock.now()) for one in listed.body["items"]],
        staff_choices=people,
        unit=unit_id,
        unit_choices=offered,
    )


def _absence(one: View, names: dict[str, str], now: datetime) -> View:
    """An absence in whole days: the end is the midnight after the last one."""
    until = datetime.fromisoformat(one["to"])
    last = (until.astimezone(JST) - timedelta(microseconds=1)).date()
    return one | {
        "staff_name": names[f"staff:{one['staff_id']}"],
        "registered_by_name": names[f"staff:{one['registered_by']}"],
        "last_day": last.isoformat(),
        "can_end": until > now,
    }


def _person(one: View, unit_id: str) -> View:
    here = [post for post in one["posts"] if post["unit_id"] == unit_id]
    others = [post for post in one["posts"] if post["unit_id"] != unit_id]
    return one | {
        "post_title": "・".join(post["title"] for post in here),
        "other_posts": [f"{post['unit_name']} {post['title']}" for post in others],
    }


def _tree(units: list[View]) -> list[View]:
    """Bodies, their departments, and the rooms of each."""
    children: dict[str | None, list[View]] = {}
    for one in units:
        children.setdefault(one["parent_id"], []).append(one)
    return [
        root
        | {
            "units": [
                department | {"children": children.get(department["unit_id"], [])}
                for department in children.get(root["unit_id"], [])
            ]
        }
        for root in children.get(None, [])
    ]
