"""The route before circulation: what the decision rules give, the drafter's changes to it (AP-54), 回議開始."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.responses import Response

from chassis import clock
from chassis.errors import DomainError
from services.gateway.actions import documents, organisation, templates
from services.gateway.pages import own_route, sheet, vocabulary
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form, version_of
from services.gateway.pages.own_route import Route, Seat
from services.gateway.views import View

router = APIRouter()

# What the drafter may add (AP-54).
_ADDED_KINDS = ("concur", "approve", "review")
# Posts shown for one search.
_MOST_FOUND = 30
_TOLD = {
    "add": "回議先を加えました。",
    "remove": "回議先を外しました。",
    "up": "回議の順番を変えました。",
    "down": "回議の順番を変えました。",
}
# Fields of this page; those of a refused document are on the page that edits it.
_HERE = frozenset({"", "post_id", "kind", "exception", "exception_reason", "route_template_id", "replacement"})


@router.get("/documents/{document_id}/route")
async def route(desk: AtDesk, document_id: str) -> Response:
    """What is missing, or the route that the decision rules give (AP-02)."""
    return await _draw(desk, document_id, Form())


@router.post("/documents/{document_id}/route")
async def route_anew(desk: AtDesk, document_id: str) -> Response:
    """The route of an exception, with its reason (AP-03), with the seats of a template or the drafter's own (AP-54)."""
    return await _draw(desk, document_id, await desk.form())


@router.post("/documents/{document_id}/submit")
async def submit(desk: AtDesk, document_id: str) -> Response:
    """回議開始."""
    form = await desk.form()
    try:
        await documents.submit(
            desk.clients,
            desk.caller,
            document_id,
            version_of(form),
            form.text("route_plan_id"),
            form.text("request_key"),
            replacement=form.text("replacement"),
            wider_than_receipts_confirmed=form.text("wider_than_receipts") == "yes",
        )
    except DomainError as error:
        return await _draw(desk, document_id, form, absorb(form, error))
    return desk.go(f"/documents/{document_id}", done="submitted")


async def _draw(desk: Desk, document_id: str, form: Form, status: int = 200) -> Response:
    answer = await documents.read(desk.clients, desk.caller, document_id)
    document = answer.body
    missing = sheet.missing_for_circulation(document)
    plan: View | None = None
    own: Route = ()
    told = ""
    if not missing:
        sent = own_route.read(form.all_of("step"))
        own, told = _changed(form, sent)
        try:
            plan = await _planned(desk, document_id, form, own)
        except DomainError as error:
            status, told = absorb(form, error), ""
            if own != sent:
                # The change is refused: the route as it was, with the reason.
                own, plan = sent, await _planned(desk, document_id, form, sent)
    offered = (await templates.listed(desk.clients, desk.caller)).body["items"] if not missing else []
    found, more = await _found(desk, document, form, plan) if plan is not None and form.text("query") else ([], False)
    post = desk.caller.staff.post(document["drafter_post"]) or desk.caller.acting_post
    return desk.draw(
        "route",
        "draft",
        status=422 if form.errors and status == 200 else status,
        access_record=answer.access_record,
        form=form,
        errors_at="" if _HERE.issuperset(form.errors) else f"/documents/{document_id}/edit",
        document=document,
        missing=missing,
        plan=plan,
        told=told,
        own=bool(own),
        steps=own_route.carried(own_route.of_plan(plan["steps"])) if plan is not None else [],
        place_choices=own_route.places(plan["steps"]) if plan is not None else [],
        kind_choices=[(kind, vocabulary.STEP_KINDS[kind], _KIND_HINTS[kind]) for kind in _ADDED_KINDS],
        found=found,
        more=more,
        template_choices=[(one["route_template_id"], one["name"]) for one in offered],
        resubmission=document["state"] == "sent_back",
        drafter={
            "unit_name": post.unit_name if post else "",
            "post_title": post.signs_as if post else "",
            "name": desk.caller.staff.name,
        },
    )


_KIND_HINTS = {
    "concur": "同意または不同意の意見を求めます。",
    "approve": "承認を求めます。",
    "review": "書式や法令との適合を見てもらいます。",
}


def _changed(form: Form, route: Route) -> tuple[Route, str]:
    """The route with the change whose button was pressed, and what the page says of it."""
    change, _, post_id = form.text("change").partition(":")
    if change == "remove":
        return own_route.without(route, post_id), _TOLD[change]
    if change in ("up", "down"):
        return own_route.moved(route, post_id, -1 if change == "up" else 1), _TOLD[change]
    if change == "add":
        post_id = form.required("post_id", "加える職を選んでください。")
        kind = form.required("kind", "求める処理を選んでください。")
        if not form.errors:
            return own_route.added(route, Seat(kind, post_id), form.text("place")), _TOLD[change]
    return route, ""


async def _planned(desk: Desk, document_id: str, form: Form, own: Route) -> View:
    # A key of its own: looking at the route twice plans it twice, which changes nothing.
    planned = await documents.plan_route(
        desk.clients,
        desk.caller,
        document_id,
        clock.new_id(),
        steps=own_route.steps(own),
        exception=form.text("exception"),
        exception_reason=form.text("exception_reason"),
        route_template_id=form.text("route_template_id"),
    )
    plan = planned.body
    return plan | {"steps": own_route.rows(sheet.route_rows(plan["steps"]), plan["basis"])}


async def _found(desk: Desk, document: View, form: Form, plan: View) -> tuple[list[tuple[str, str]], bool]:
    """Held posts that the query means and that are not asked yet; whether there are more."""
    units, posts = await asyncio.gather(
        organisation.units(desk.clients, desk.caller), organisation.posts(desk.clients, desk.caller)
    )
    taken = {step["post_id"] for step in plan["steps"]} | {document["drafter_post"]}
    free = [one for one in posts.body["items"] if one["holder_staff_ids"] and one["post_id"] not in taken]
    holders = [f"staff:{staff_id}" for one in free for staff_id in one["holder_staff_ids"]]
    names = await organisation.names(desk.clients, desk.caller, holders)
    of_units = {one["unit_id"]: one["name"] for one in units.body["items"]}
    return own_route.found(form.text("query"), free, of_units, names, _MOST_FOUND)
