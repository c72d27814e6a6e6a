"""人事異動・組織改編, 宛先のない回議, 在職の履歴."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from fastapi import APIRouter
from starlette.datastructures import UploadFile
from starlette.responses import Response

from chassis import clock
from chassis.errors import DomainError
from services.gateway.actions import organisation, reorganisation
from services.gateway.api.replies import csv_reply
from services.gateway.errors import Refusal
from services.gateway.pages import choices, vocabulary
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form, version_in, version_of
from services.gateway.sentences import FIELD_PROBLEMS
from services.gateway.views import View

router = APIRouter()


@router.get("/changes")
async def listed(desk: AtDesk) -> Response:
    """Planned and past sets, and a form for a new one."""
    return await _draw_list(desk, Form({"source": "personnel"}))


@router.post("/changes")
async def draft(desk: AtDesk) -> Response:
    """Compare a file with what is, or keep a plan made of it."""
    form = await desk.form()
    day = form.day("effective_on", missing="実施日を入力してください。")
    comparing = form.text("do") == "compare"
    title = form.text("title") if comparing else form.required("title", "名称を入力してください。")
    content = await _file(desk, form)
    if form.errors:
        return await _draw_list(desk, form, 422)
    late_reason = form.text("late_reason")
    try:
        if form.text("source") == "personnel":
            compared = await reorganisation.compare_personnel(
                desk.clients, desk.caller, effective_on=day, content=content
            )
            if comparing or compared.body["bad_lines"]:
                return await _draw_list(desk, form, 422 if compared.body["bad_lines"] else 200, compared.body)
            made = await reorganisation.import_personnel(
                desk.clients,
                desk.caller,
                title=title,
                effective_on=day,
                content=content,
                late_reason=late_reason,
                request_id=form.text("request_key"),
            )
        else:
            changes = reorganisation.changes_of(content)
            if comparing:
                previewed = await reorganisation.preview(desk.clients, desk.caller, effective_on=day, changes=changes)
                shown = await _preview(desk, previewed.body | {"changes": changes})
                return await _draw_list(desk, form, previewed=shown)
            made = await reorganisation.draft(
                desk.clients,
                desk.caller,
                title=title,
                effective_on=day,
                changes=changes,
                late_reason=late_reason,
                request_id=form.text("request_key"),
            )
    except (DomainError, Refusal) as error:
        return await _draw_list(desk, form, absorb(form, error))
    return desk.go(f"/changes/{made.body['id']}", done="change_set_drafted")


@router.get("/changes/personnel.csv")
async def personnel_file(desk: AtDesk) -> Response:
    """The staff of a day as the file that can be compared again."""
    form = desk.query()
    day = form.filter_day("on") or clock.today().isoformat()
    if form.errors:
        return await _draw_list(desk, form, 422)
    return csv_reply(*await reorganisation.export_personnel(desk.clients, desk.caller, day), f"staff-{day}")


@router.get("/changes/{change_set_id}")
async def show(desk: AtDesk, change_set_id: str) -> Response:
    """One set: who moves, what stays vacant, what becomes of open steps; review and undo."""
    return await _draw_set(desk, change_set_id, Form())


@router.post("/changes/{change_set_id}/review")
async def review(desk: AtDesk, change_set_id: str) -> Response:
    """Another person has looked at it."""
    form = await desk.form()
    try:
        made = await reorganisation.review(
            desk.clients, desk.caller, change_set_id, version_of(form), form.text("request_key")
        )
    except DomainError as error:
        return await _draw_set(desk, change_set_id, form, absorb(form, error, denials=True))
    return desk.go(f"/changes/{change_set_id}", done=f"change_set_{made.body['state']}")


@router.post("/changes/{change_set_id}/undo")
async def undo(desk: AtDesk, change_set_id: str) -> Response:
    """Called off, with a reason."""
    form = await desk.form()
    reason = form.required("reason", "取りやめる理由を入力してください。")
    if form.errors:
        return await _draw_set(desk, change_set_id, form, 422)
    try:
        await reorganisation.undo(
            desk.clients, desk.caller, change_set_id, version_of(form), reason, form.text("request_key")
        )
    except DomainError as error:
        return await _draw_set(desk, change_set_id, form, absorb(form, error))
    return desk.go(f"/changes/{change_set_id}", done="change_set_undone")


@router.get("/stranded")
async def stranded(desk: AtDesk, cursor: str = "") -> Response:
    """宛先のない回議 (AP-41)."""
    return await _draw_stranded(desk, Form(), cursor)


@router.post("/stranded")
async def reassign(desk: AtDesk) -> Response:
    """The records office names the post that acts."""
    form = await desk.form()
    step = form.required("step", "回議を選んでください。")
    post_id = form.required("post_id", "宛先の職を選んでください。")
    reason = form.required("reason", "宛先を変える理由を入力してください。")
    if not form.errors:
        case_id, _, rest = step.partition("/")
        step_id, _, version = rest.partition("/")
        try:
            await reorganisation.reassign(
                desk.clients,
                desk.caller,
                case_id=case_id,
                step_id=step_id,
                post_id=post_id,
                reason=reason,
                version=version_in(version),
                request_id=form.text("request_key"),
            )
            return desk.go("/stranded", done="step_reassigned")
        except DomainError as error:
            return await _draw_stranded(desk, form, "", absorb(form, error))
    return await _draw_stranded(desk, form, "", 422)


@router.get("/tenures")
async def tenures(desk: AtDesk, staff: str = "", post: str = "") -> Response:
    """Who held a post and who its substitutes were, or which posts somebody held: ever or on a day."""
    form = desk.query()
    on = form.filter_day("on")
    found: list[View] = []
    ranks: list[View] = []
    record = ""
    if staff and post:
        form.errors[""] = "職員番号と職のコードは、どちらか一方だけ入力してください。"
    elif (staff or post) and not form.errors:
        try:
            answer = await reorganisation.tenures(desk.clients, desk.caller, staff_id=staff, post_id=post, on=on)
            found, record = answer.body["items"], answer.access_record
            if post:
                listed = await reorganisation.substitutes(desk.clients, desk.caller, post_id=post, on=on)
                ranks = listed.body["items"]
        except DomainError as error:
            absorb(form, error)
    return desk.draw(
        "tenures",
        "tenures",
        status=422 if form.errors else 200,
        access_record=record,
        form=form,
        asked=bool(staff or post),
        on=on,
        tenures=found,
        ranks=ranks,
    )


async def _file(desk: Desk, form: Form) -> bytes:
    """The file that was sent with the form; an empty choice is noted."""
    sent = (await desk.request.form()).get("file")
    content = await sent.read() if isinstance(sent, UploadFile) else b""
    if not content:
        form.errors.setdefault("file", "ファイルを選んでください。")
    return content


async def _draw_list(
    desk: Desk, form: Form, status: int = 200, compared: View | None = None, previewed: View | None = None
) -> Response:
    answer = await reorganisation.listed(desk.clients, desk.caller)
    return desk.draw(
        "changes",
        "changes",
        status=status,
        access_record=answer.access_record,
        form=form,
        sets=answer.body["items"],
        bad_lines=[one | {"sentence": problem(one["problem"])} for one in compared["bad_lines"]] if compared else [],
        compared=compared if compared and not compared["bad_lines"] else None,
        counts_of=_counts(compared["moves"]) if compared else [],
        previewed=previewed,
    )


async def _draw_set(desk: Desk, change_set_id: str, form: Form, status: int = 200) -> Response:
    answer = await reorganisation.change_set(desk.clients, desk.caller, change_set_id)
    shown = answer.body
    people = [f"staff:{shown[name]}" for name in ("author", "reviewed_by", "closed_by") if shown[name]]
    names = await organisation.names(desk.clients, desk.caller, people)
    return desk.draw(
        "change_set",
        "changes",
        status=status,
        access_record=answer.access_record,
        form=form,
        planned=shown
        | {name: names.get(f"staff:{shown[name]}", "") for name in ("author", "reviewed_by", "closed_by")},
        begun=shown["effective_on"] <= clock.today().isoformat(),
        previewed=await _preview(desk, shown),
    )


async def _preview(desk: Desk, shown: View) -> View:
    """What a set with `changes`, `findings` and `preview` would do, in words."""
    preview = shown["preview"] or {}
    owned = preview.get("owned", [])
    units = sorted({f"unit:{one[name]}" for one in owned for name in ("unit_id", "successor") if one[name]})
    names = await organisation.names(desk.clients, desk.caller, units)
    # Those that begin with the set have no name yet but there.
    begun = {one["unit_id"]: one["name"] for one in shown["changes"] if one["kind"] == "unit_begins" and "name" in one}
    return {
        **preview,
        "shown": bool(preview),
        "findings": [one | {"sentence": problem(one["problem"])} for one in shown["findings"]],
        "warnings": [one | {"sentence": problem(one["problem"])} for one in preview.get("warnings", [])],
        "owned": owned,
        "unit_names": {one.removeprefix("unit:"): names[one] for one in units if names.get(one)} | begun,
        "counts_of": _counts(preview.get("moves", [])),
    }


async def _draw_stranded(desk: Desk, form: Form, cursor: str, status: int = 200) -> Response:
    answer = await reorganisation.stranded(desk.clients, desk.caller, cursor=cursor)
    steps = answer.body["items"]
    units, posts = await asyncio.gather(
        organisation.units(desk.clients, desk.caller), organisation.posts(desk.clients, desk.caller)
    )
    names = {one["unit_id"]: one["name"] for one in units.body["items"]}
    return desk.draw(
        "stranded",
        "stranded",
        status=status,
        access_record=answer.access_record,
        form=form,
        steps=[one | {"owner": names.get(one["unit_id"], one["unit_id"])} for one in steps],
        step_choices=[
            (
                f"{one['case_id']}/{one['step_id']}/{one['version']}",
                f"{one['draft_number']}　{one['unit_name']}{one['post_title']}",
            )
            for one in steps
        ],
        post_groups=_post_groups(units.body["items"], posts.body["items"]),
        pager=desk.pager(answer.body["next_cursor"]),
    )


def _post_groups(units: Iterable[View], posts: Iterable[View]) -> choices.Groups:
    """Posts that may approve and are held today, by unit in the order of the units."""
    by_unit: dict[str, choices.Choices] = {}
    for post in posts:
        if post["rank"] != "member" and post["holder_staff_ids"]:
            by_unit.setdefault(post["unit_id"], []).append((post["post_id"], post["title"]))
    return [(unit["name"], by_unit[unit["unit_id"]]) for unit in units if unit["unit_id"] in by_unit]


def _counts(moves: Iterable[View]) -> list[tuple[str, int]]:
    """How many join, leave, move and get another name."""
    kinds = [one["kind"] for one in moves]
    return [(word, kinds.count(kind)) for kind, word in vocabulary.MOVES.items()]


def problem(word: str) -> str:
    """What is wrong with a change or a line, for people."""
    return FIELD_PROBLEMS.get(word, FIELD_PROBLEMS["INVALID"])[0]
