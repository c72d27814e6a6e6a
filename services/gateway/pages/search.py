"""検索 and 簿冊: only what the person may see, never a total (AC-03)."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from chassis import clock
from chassis.errors import DomainError
from services.gateway.actions import documents, filing, organisation
from services.gateway.actions.answer import Answer
from services.gateway.pages import choices
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form

router = APIRouter()

_FILTERS = ("q", "state", "unit", "class", "folder", "number", "from", "to")
# Menu entries that are searches for a state.
_PLACES = frozenset({"drafting", "sent_back", "decided", "enforced"})


@router.get("/documents")
async def search(desk: AtDesk, cursor: Annotated[str, Query(max_length=1000)] = "") -> Response:
    """Search, or the newest documents when no condition is given."""
    form = desk.query()
    since, until = form.filter_day("from"), form.filter_day("to")
    state = form.text("state")
    filters = [
        filing.classes(desk.clients, desk.caller),
        filing.folders(desk.clients, desk.caller),
        organisation.units(desk.clients, desk.caller),
    ]
    status, found = 200, Answer({"items": [], "next_cursor": None})
    if form.errors:
        status = 422
        classes, folders, units = await asyncio.gather(*filters)
    else:
        classes, folders, units, found = await asyncio.gather(
            *filters,
            documents.list_documents(
                desk.clients,
                desk.caller,
                query=form.text("q"),
                states=[state] if state else [],
                unit_id=form.text("unit"),
                folder_id=form.text("folder"),
                class_code=form.text("class"),
                since=since,
                until=until,
                number=form.text("number"),
                cursor=cursor,
            ),
        )
    items = found.body["items"]
    unit_names = {one["unit_id"]: one["name"] for one in units.body["items"]}
    names = await organisation.names(desk.clients, desk.caller, [f"staff:{one['drafter']}" for one in items])
    return desk.draw(
        "search",
        state if state in _PLACES else "search",
        status=status,
        access_record=found.access_record,
        form=form,
        filtered=any(form.text(name) for name in _FILTERS),
        documents=[
            one
            | {
                "unit_name": unit_names.get(one["unit_id"], one["unit_id"]),
                "drafter_name": names[f"staff:{one['drafter']}"],
            }
            for one in items
        ],
        state_choices=choices.states(),
        unit_choices=list(unit_names.items()),
        class_groups=choices.classes(classes.body["items"]),
        folder_groups=choices.folders(folders.body["items"]),
        pager=desk.pager(found.body["next_cursor"]),
    )


@router.get("/folders")
async def folders(desk: AtDesk) -> Response:
    """簿冊 of the person's units."""
    return await _draw_folders(desk, desk.query())


@router.post("/folders")
async def create_folder(desk: AtDesk) -> Response:
    """A new folder; its retention is that of the class (FL-03)."""
    form = await desk.form()
    year = form.number("fiscal_year", "年度を選んでください。")
    name = form.required("name", "簿冊の名称を入力してください。")
    class_code = form.required("class_code", "分類を選んでください。")
    status = 422
    if not form.errors and year is not None:
        try:
            await filing.create_folder(
                desk.clients,
                desk.caller,
                unit_id=form.text("unit_id"),
                fiscal_year=year,
                class_code=class_code,
                name=name,
                request_id=form.text("request_key"),
            )
            return desk.go("/folders", done="folder", year=str(year))
        except DomainError as error:
            status = absorb(form, error)
    return await _draw_folders(desk, form, status)


async def _draw_folders(desk: Desk, form: Form, status: int = 200) -> Response:
    year = desk.request.query_params.get("year", "")
    listed, classes = await asyncio.gather(
        filing.folders(desk.clients, desk.caller, fiscal_year=int(year) if year.isdigit() and len(year) == 4 else 0),
        filing.classes(desk.clients, desk.caller),
    )
    units = dict(desk.unit_choices)
    class_names = {one["class_code"]: choices.class_name(one) for one in classes.body["items"]}
    return desk.draw(
        "folders",
        "folders",
        status=status,
        access_record=listed.access_record,
        form=form,
        folders=[
            one
            | {
                "class_name": class_names.get(one["class_code"], one["class_code"]),
                "unit_name": units.get(one["unit_id"], one["unit_id"]),
            }
            for one in listed.body["items"]
        ],
        year_choices=choices.years(clock.today()),
        class_groups=choices.classes(classes.body["items"]),
        unit_choices=desk.unit_choices,
    )
