"""ホーム: what waits for me, per kind, and what my unit is working on. Choosing the post to act from."""

from __future__ import annotations

import asyncio
from datetime import date, datetime

from fastapi import APIRouter
from starlette.responses import Response

from chassis import clock
from chassis.wareki import JST
from services.gateway.actions import cases, documents, organisation
from services.gateway.pages import vocabulary
from services.gateway.pages.desk import AtDesk, Desk
from services.gateway.views import View

router = APIRouter()

# States in which somebody of the unit has something to do, and what that is.
_NEXT = {
    "sent_back": "直して、もう一度回議を始める",
    "decided": "施行または完結を登録する",
    "enforced": "完結を登録する",
    "drafting": "回議を始める",
    "circulating": "処理を待つ",
}
_WANTED = {
    "approve": "承認",
    "decide": "決裁",
    "concur": "同意・不同意",
    "review": "審査",
    "inform": "供覧",
    "provisional": "仮決裁",
}


@router.get("/")
async def home(desk: AtDesk, kind: str = "", cursor: str = "") -> Response:
    """The inbox (UI-01); without a kind also the unit's work."""
    kind = kind if kind in vocabulary.INBOX_KINDS else ""
    acting = desk.caller.acting_post
    waiting = cases.inbox(desk.clients, desk.caller, kinds=[kind] if kind else [], cursor=cursor)
    if kind or acting is None:
        inbox, work = await waiting, None
    else:
        inbox, work = await asyncio.gather(
            waiting,
            documents.list_documents(desk.clients, desk.caller, states=list(_NEXT), unit_id=acting.unit_id, limit=20),
        )
    items = inbox.body["items"]
    working = work.body["items"] if work is not None else []
    names = await organisation.names(
        desk.clients,
        desk.caller,
        [f"staff:{one['drafter']}" for one in (*items, *working)] + [f"unit:{one['unit_id']}" for one in items],
    )
    signs_as = {post.post_id: post.signs_as for post in desk.caller.staff.posts}
    today = clock.today()
    # What may be approved together with others: only what was opened in this session (AP-52).
    session, in_bulk = desk.caller.session, any(one["bulk_action"] for one in items)
    opened = await desk.gateway.openings.of(session) if in_bulk and session is not None else {}
    return desk.draw(
        "home",
        f"inbox-{kind}" if kind else "home",
        access_record=inbox.access_record,
        kind=kind,
        kind_label=vocabulary.INBOX_KINDS.get(kind, ""),
        counts=inbox.body["counts"],
        inbox=[
            _waiting(one, names, today) | {"acting_as": signs_as.get(one["post_id"], one["post_title"])}
            for one in items
        ],
        in_bulk=in_bulk,
        opened=opened,
        many_posts=len(desk.caller.staff.posts) > 1,
        working=[
            one | {"drafter_name": names[f"staff:{one['drafter']}"], "next_step": _NEXT[one["state"]]}
            for one in working
        ],
        notice=_notice(desk),
        pager=desk.pager(inbox.body["next_cursor"]),
    )


@router.get("/overdue")
async def overdue(desk: AtDesk, unit: str = "", cursor: str = "") -> Response:
    """滞留: where the cases of a unit, or of all one answers for, wait beyond their term (LC-13)."""
    answer = await cases.overdue(desk.clients, desk.caller, unit_id=unit, cursor=cursor)
    items, own = answer.body["items"], set(answer.body["unit_ids"])
    units = (await organisation.units(desk.clients, desk.caller)).body["items"]
    everywhere = desk.caller.has_role("records_officer")
    names = await organisation.names(
        desk.clients,
        desk.caller,
        [f"staff:{one['drafter']}" for one in items] + [f"unit:{one['unit_id']}" for one in items],
    )
    return desk.draw(
        "overdue",
        "overdue",
        access_record=answer.access_record,
        overdue=[
            one
            | {
                # Without a title it is not for this reader to see (AC-07): a number, and no way to it.
                "href": f"/documents/{one['document_id']}" if one["title"] else "",
                "title": one["title"] or one["draft_number"],
                "drafter_name": names[f"staff:{one['drafter']}"],
                "unit_name": names[f"unit:{one['unit_id']}"],
            }
            for one in items
        ],
        unit_id=unit,
        unit_choices=[(one["unit_id"], one["name"]) for one in units if everywhere or one["unit_id"] in own],
        all_units="全庁" if everywhere else "担当するすべての所属",
        pager=desk.pager(answer.body["next_cursor"]),
    )


@router.post("/acting-post")
async def choose_post(desk: AtDesk) -> Response:
    """兼務者 choose the post they act from (AP-44)."""
    form = await desk.form()
    await desk.gateway.sign_in.choose_post(desk.caller, form.text("post_id"))
    return desk.go("/", done="post")


def _waiting(one: View, names: dict[str, str], today: date) -> View:
    since = datetime.fromisoformat(one["waiting_since"]).astimezone(JST).date() if one["waiting_since"] else today
    days = (today - since).days
    wanted = "後閲" if one["kind"] == "post_view" else _WANTED.get(one["step_kind"], "")
    return one | {
        # The title arrives with the event that also opens the document; until then there is only the number.
        "title": one["title"] or f"{one['draft_number'] or '案件'}（件名を準備しています）",
        "personal_information": one["personal_information"] or "none",
        "wanted": wanted,
        "drafter_name": names[f"staff:{one['drafter']}"],
        "unit_name": names[f"unit:{one['unit_id']}"],
        "waiting_days": "今日" if days <= 0 else f"{days}日前",
    }


def _notice(desk: Desk) -> View | None:
    """After an act: what was registered, with the way back to the document."""
    found = vocabulary.NOTICES.get(desk.request.query_params.get("done", ""))
    document_id = desk.request.query_params.get("document", "")
    if found is None or not document_id.replace("-", "").isalnum():
        return found
    return found | {"href": f"/documents/{document_id}", "link": "処理した文書を開く"}
