"""通知: one's own list, what is read, what goes where; and 滞留の連絡先 of a unit (AP-09, AP-50, AC-14, LC-13)."""

from __future__ import annotations

from collections.abc import Collection

from fastapi import APIRouter
from starlette.responses import Response

from chassis.errors import DomainError
from services.gateway.actions import cases, notices, organisation
from services.gateway.pages import choices, vocabulary
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form, version_of
from services.gateway.views import View

router = APIRouter()

_OF_BREAK_GLASS = ("break_glass", "break_glass_ended")
# Rows of the form of an escalation list: so many free ones, up to as many posts as a list may have.
FREE_POSTS, MOST_POSTS = 5, 20


@router.get("/notices")
async def listed(desk: AtDesk, unread: str = "", cursor: str = "") -> Response:
    """Newest first, all or the unread ones; numbers, no titles (AC-14)."""
    answer = await notices.listed(desk.clients, desk.caller, unread_only=bool(unread), cursor=cursor)
    found = answer.body["items"]
    elsewhere = [one["document_id"] for one in found if one["kind"] == "escalation" and not one["overdue_unit_id"]]
    visible, _ = await cases.summaries_of(desk.clients, desk.caller, elsewhere)
    names = await organisation.names(
        desk.clients, desk.caller, {f"post:{one['post_id']}" for one in found if one["post_id"]}
    )
    return desk.draw(
        "notices",
        "notices",
        access_record=answer.access_record,
        notices=[_shown(one, names, visible) for one in found],
        only_unread=bool(unread),
        unread=answer.body["unread"],
        pager=desk.pager(answer.body["next_cursor"]),
    )


@router.post("/notices/read")
async def mark_read(desk: AtDesk) -> Response:
    """One, or all that the page showed and any before them."""
    form = await desk.form()
    one, up_to = form.text("notice_id"), form.text("up_to")
    answer = await notices.mark_read(
        desk.clients, desk.caller, form.text("request_key"), notice_ids=[one] if one else [], up_to=up_to
    )
    desk.gateway.people.has_read(desk.caller.staff.login, answer.body["unread"])
    return desk.go("/notices", done="notices_read")


@router.get("/notices/settings")
async def settings(desk: AtDesk) -> Response:
    """通知の設定."""
    return await _draw_settings(desk, Form())


@router.post("/notices/settings")
async def choose(desk: AtDesk) -> Response:
    """For notices from now on."""
    form = await desk.form()
    chosen = {
        name: [group for group in vocabulary.NOTICE_GROUPS if form.text(f"{name}_{group}")] for name in ("live", "mail")
    }
    try:
        if not form.text("mail_offered"):
            chosen["mail"] = (await notices.choices(desk.clients, desk.caller)).body["mail"]
        await notices.choose(
            desk.clients, desk.caller, form.text("request_key"), live=chosen["live"], mail=chosen["mail"]
        )
    except DomainError as error:
        return await _draw_settings(desk, form, absorb(form, error))
    return desk.go("/notices/settings", done="notices_chosen")


@router.get("/escalation")
async def escalation(desk: AtDesk, unit: str = "") -> Response:
    """滞留の連絡先 of a unit: one of the caller's own, or any for the records office."""
    return await _draw_escalation(desk, unit, Form())


@router.post("/escalation")
async def save_escalation(desk: AtDesk) -> Response:
    """The next version of the list."""
    form = await desk.form()
    unit_id = form.text("unit_id")
    posts = [post for number in range(1, MOST_POSTS + 1) if (post := form.text(f"post_id_{number}"))]
    try:
        await notices.save_escalation_list(
            desk.clients, desk.caller, form.text("request_key"), unit_id, version_of(form), posts
        )
    except DomainError as error:
        return await _draw_escalation(desk, unit_id, form, absorb(form, error))
    return desk.go("/escalation", unit=unit_id, done="escalation_saved")


async def _draw_settings(desk: Desk, form: Form, status: int = 200) -> Response:
    answer = await notices.choices(desk.clients, desk.caller)
    values = form.values or {f"{name}_{group}": "yes" for name in ("live", "mail") for group in answer.body[name]}
    return desk.draw(
        "notice_settings",
        "notice-settings",
        status=status,
        access_record=answer.access_record,
        form=Form(values, form.errors, form.request_key),
        address=answer.body["address"],
        mail_possible=answer.body["mail_possible"],
    )


async def _draw_escalation(desk: Desk, unit_id: str, form: Form, status: int = 200) -> Response:
    units = (await organisation.units(desk.clients, desk.caller)).body["items"]
    everywhere = desk.caller.has_role("records_officer")
    own = [(one["unit_id"], one["name"]) for one in units if everywhere or one["unit_id"] in desk.unit_ids]
    unit_id = unit_id or next(iter(desk.unit_ids), "")
    answer = await notices.escalation_list(desk.clients, desk.caller, unit_id)
    kept = answer.body
    posts = (await organisation.posts(desk.clients, desk.caller)).body["items"]
    heirs = {one["post_id"]: one["successor_post_id"] for one in kept["ended"]}
    # Who took over stands in the form in place of what has ended.
    living = [post for post in dict.fromkeys(heirs.get(post, post) for post in kept["post_ids"]) if post]
    names = await organisation.names(
        desk.clients,
        desk.caller,
        [f"post:{one}" for one in (*kept["holds_post_ids"], *living)]
        + [f"unit:{kept['holds_unit_id'] or ''}", f"unit:{unit_id}"],
    )
    values = form.values or {f"post_id_{number}": post for number, post in enumerate(living, start=1)} | {
        "version": str(kept["version"])
    }
    filled = max((number for number in range(1, MOST_POSTS + 1) if values.get(f"post_id_{number}")), default=0)
    groups = choices.post_groups(units, posts)
    offered = {post for _, members in groups for post, _ in members}
    if others := [post for post in living if post not in offered]:
        groups.append(("そのほかの職", [(post, names[f"post:{post}"]) for post in others]))
    return desk.draw(
        "escalation",
        "escalation",
        status=status,
        access_record=answer.access_record,
        form=Form(values, form.errors, form.request_key),
        unit_id=unit_id,
        unit_name=names[f"unit:{unit_id}"],
        unit_choices=own,
        holds=[names[f"post:{one}"] for one in kept["holds_post_ids"]],
        holds_unit="" if kept["holds_unit_id"] in (None, unit_id) else names[f"unit:{kept['holds_unit_id']}"],
        listed=bool(kept["post_ids"]),
        ended=[
            (one["name"], names[f"post:{heir}"] if (heir := one["successor_post_id"]) else "") for one in kept["ended"]
        ],
        post_groups=groups,
        numbers=range(1, min(MOST_POSTS, filled + FREE_POSTS) + 1),
    )


def _shown(one: View, names: dict[str, str], visible: Collection[str]) -> View:
    """With the way to the document, to 所属の緊急閲覧 or to the planned set; what is escalated need not be visible (AC-10): it
    leads to the 滞留 of who answers for its unit, to the document for who sees that, else nowhere."""
    href, number = f"/documents/{one['document_id']}", one["draft_number"] or "（起案番号なし）"
    if one["change_set_id"]:
        href, number = f"/changes/{one['change_set_id']}", "人事異動・組織改編の案"
    elif one["kind"] in _OF_BREAK_GLASS:
        href = "/break-glass/unit"
    elif one["overdue_unit_id"]:
        href = f"/overdue?unit={one['overdue_unit_id']}"
    elif one["kind"] == "escalation" and one["document_id"] not in visible:
        href = ""
    return one | {
        "word": vocabulary.NOTICE_KINDS[one["kind"]],
        "href": href,
        "number": number,
        "post": names[f"post:{one['post_id']}"] if one["post_id"] else "",
    }
