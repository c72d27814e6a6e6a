"""組織・職員 as of a day, and 不在登録."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from fastapi import APIRouter
from starlette.responses import Response

from chassis import clock
from chassis.errors import DomainError
from chassis.wareki import JST
from services.gateway.actions import organisation
from services.gateway.pages import choices, vocabulary
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form, end_of
from services.gateway.views import View

router = APIRouter()


@router.get("/organisation")
async def show(desk: AtDesk, unit: str = "") -> Response:
    """The units of all bodies, or the posts of one with who holds them, as of a day."""
    form = desk.query()
    on = form.filter_day("on")
    units = (await organisation.units(desk.clients, desk.caller, on=on)).body["items"]
    chosen = next((one for one in units if one["unit_id"] == unit), None)
    posts: list[View] = []
    if chosen is not None:
        listed, people = await asyncio.gather(
            organisation.posts(desk.clients, desk.caller, on=on, unit_id=unit), _people(desk, unit, on)
        )
        posts = [_post(one, people) for one in listed.body["items"]]
    return desk.draw(
        "organisation",
        "organisation",
        status=422 if form.errors else 200,
        form=form,
        unit=chosen,
        on=on or clock.today().isoformat(),
        # What links keep of the day that was asked for.
        asked_on=f"&on={on}" if on else "",
        posts=posts,
        bodies=_tree(units),
        unit_choices=[(one["unit_id"], one["name"]) for one in units],
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
        try:
            await organisation.register_absence(
                desk.clients,
                desk.caller,
                staff_id=form.text("staff_id"),
                since=f"{first}T00:00:00+09:00",
                until=end_of(last),
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


async def _people(desk: Desk, unit_id: str, on: str) -> dict[str, View]:
    """Everybody of the unit, by id."""
    found: dict[str, View] = {}
    cursor: str | None = ""
    while cursor is not None:
        page = await organisation.staff(desk.clients, desk.caller, on=on, unit_id=unit_id, cursor=cursor, limit=500)
        found |= {one["staff_id"]: one for one in page.body["items"]}
        cursor = page.body["next_cursor"]
    return found


def _post(post: View, people: Mapping[str, View]) -> View:
    """A post with each of its holders: by which kind of appointment, as what they act (AP-19), what else they hold."""
    holders = [people[one] for one in post["holder_staff_ids"] if one in people]
    return post | {"holders": [_holder(one, post["post_id"]) for one in holders]}


def _holder(one: View, post_id: str) -> View:
    held = {post["post_id"]: post for post in one["posts"]}
    here = held.pop(post_id)
    others = [
        f"{vocabulary.post_name(post['unit_name'], post['title'])}（{vocabulary.APPOINTMENTS[post['kind']]}）"
        for post in held.values()
    ]
    return one | {"kind": here["kind"], "signs_as": here["signs_as"], "other_posts": others}


def _tree(units: list[View]) -> list[View]:
    """Bodies and all that is below them, level by level."""
    children: dict[str | None, list[View]] = {}
    for one in units:
        children.setdefault(one["parent_id"], []).append(one)

    def below(unit_id: str | None) -> list[View]:
        return [one | {"children": below(one["unit_id"])} for one in children.get(unit_id, [])]

    return below(None)
