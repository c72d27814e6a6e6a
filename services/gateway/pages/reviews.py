"""点検: the month's review for audit officers, and the findings assigned to a head of a unit (SC-07)."""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from chassis import clock, wareki
from chassis.errors import DomainError
from services.gateway.actions import organisation, reviews
from services.gateway.api.replies import pdf_reply
from services.gateway.pages import vocabulary
from services.gateway.pages.chart import chart_of
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.documents import actor_labels, actor_names
from services.gateway.pages.forms import Form
from services.gateway.paper import review_report
from services.gateway.views import View

router = APIRouter()

_LISTS = ("closed_days", "staff_file_classes")
_WORDS = ("opens_at", "closes_at", *_LISTS)


@router.get("/reviews")
async def listed(desk: AtDesk, cursor: str = "") -> Response:
    """Reviews, the latest month first."""
    return await _draw_list(desk, Form(), cursor=cursor)


@router.post("/reviews")
async def open_review(desk: AtDesk) -> Response:
    """On demand; the past month's is opened by itself."""
    form = await desk.form()
    month = form.required("month", "点検する月を選んでください。")
    if form.errors:
        return await _draw_list(desk, form, 422)
    try:
        opened = await reviews.open_review(desk.clients, desk.caller, month, form.text("request_key"))
    except DomainError as error:
        return await _draw_list(desk, form, absorb(form, error))
    return desk.go(f"/reviews/{opened.body['review_id']}", done="review_opened")


async def _draw_list(desk: Desk, form: Form, status: int = 200, cursor: str = "") -> Response:
    answer = await reviews.listed(desk.clients, desk.caller, cursor=cursor)
    return desk.draw(
        "reviews",
        "reviews",
        status=status,
        access_record=answer.access_record,
        form=form,
        reviews=[one | {"month_label": month_label(one["month"])} for one in answer.body["items"]],
        month_choices=_months(clock.today()),
        pager=desk.pager(answer.body["next_cursor"]),
    )


@router.get("/reviews/assigned")
async def assigned(desk: AtDesk, cursor: str = "") -> Response:
    """What audit officers ask me about: of my own units only."""
    answer = await reviews.findings(desk.clients, desk.caller, cursor=cursor)
    return desk.draw(
        "review_assigned",
        "assigned",
        access_record=answer.access_record,
        findings=await _findings(desk, answer.body["items"]),
        pager=desk.pager(answer.body["next_cursor"]),
    )


@router.get("/reviews/rules")
async def rules(desk: AtDesk) -> Response:
    """The thresholds, their history, and the form of the next version."""
    return await _draw_rules(desk, None)


@router.post("/reviews/rules")
async def change_rules(desk: AtDesk) -> Response:
    """A new version from a month on."""
    form = await desk.form()
    thresholds: dict[str, Any] = {}
    for name, (label, _) in vocabulary.THRESHOLDS.items():
        field = f"thresholds_{name}"
        if name in _LISTS:
            thresholds[name] = form.text(field).split()
        elif name in _WORDS:
            thresholds[name] = form.text(field)
        else:
            thresholds[name] = form.number(field, f"{label}：数字で入力してください。") or 0
    month = form.required("effective_from", "適用を始める月を選んでください。")
    reason = form.required("reason", "変更の理由を入力してください。")
    if form.errors:
        return await _draw_rules(desk, form, 422)
    try:
        await reviews.change_rules(
            desk.clients,
            desk.caller,
            form.number("version", "") or 0,
            f"{month}-01",
            thresholds,
            reason,
            form.text("request_key"),
        )
    except DomainError as error:
        return await _draw_rules(desk, form, absorb(form, error))
    return desk.go("/reviews/rules", done="rules_changed")


async def _draw_rules(desk: Desk, form: Form | None, status: int = 200) -> Response:
    answer = await reviews.rules(desk.clients, desk.caller)
    versions = answer.body["items"]
    names = await organisation.names(
        desk.clients, desk.caller, [f"staff:{one['changed_by'] or ''}" for one in versions]
    )
    thresholds = versions[0]["thresholds"]
    shown = {
        f"thresholds_{name}": " ".join(value) if isinstance(value, list) else str(value)
        for name, value in thresholds.items()
    }
    today = clock.today()
    return desk.draw(
        "review_rules",
        "reviews",
        status=status,
        access_record=answer.access_record,
        form=form or Form(shown),
        version=answer.body["version"],
        versions=[one | {"changed_by_name": names.get(f"staff:{one['changed_by']}", "―")} for one in versions],
        rules=_sentences(thresholds),
        month_choices=[(month, month_label(month)) for month in _following(today)],
    )


@router.get("/reviews/{review_id}")
async def review(desk: AtDesk, review_id: str, cursor: str = "") -> Response:
    """Summary, chart, findings, sign-off."""
    return await _draw_review(desk, review_id, desk.query(), cursor=cursor)


async def _draw_review(desk: Desk, review_id: str, form: Form, status: int = 200, cursor: str = "") -> Response:
    answer = await reviews.review(desk.clients, desk.caller, review_id)
    whole = answer.body
    query = desk.query()
    listed = await reviews.findings(
        desk.clients,
        desk.caller,
        review_id,
        rule=query.text("rule") if query.text("rule") in vocabulary.REVIEW_RULES else "",
        state=query.text("state") if query.text("state") in vocabulary.FINDING_STATES else "",
        unit_id=query.text("unit"),
        cursor=cursor,
    )
    people = [whole["opened_by"], whole["signed_by"] or "", *(one["staff_id"] for one in whole["notes"])]
    names = await organisation.names(desk.clients, desk.caller, [f"staff:{one}" for one in people])
    days = whole["days"]
    sentences = _sentences(whole["rules"]["thresholds"])
    return desk.draw(
        "review",
        "reviews",
        status=status,
        access_record=answer.access_record,
        form=form,
        review=whole,
        month_label=month_label(whole["month"]),
        person={one: _person_name(one, names) for one in people},
        chart=chart_of([(str(int(one["day"][8:])), one["accesses"], one["denied"], one["closed"]) for one in days]),
        days=days,
        outcomes=_outcomes(whole["actions"]),
        assurance=[
            review_report.completeness_text(
                whole["completeness"], sum(one["found"] for one in whole["rule_counts"] if one["rule"] == "gap")
            ),
            review_report.outside_text(whole["outside"]),
            review_report.check_text(whole["outside"]["last_check"]),
        ],
        rule_counts=[one | sentences[one["rule"]] for one in whole["rule_counts"]],
        findings=await _findings(desk, listed.body["items"]),
        filtered=any(query.text(name) for name in ("rule", "state", "unit")),
        rule_choices=[(name, word) for name, (word, _) in vocabulary.REVIEW_RULES.items()],
        state_choices=[(name, word) for name, (word, _) in vocabulary.FINDING_STATES.items()],
        pager=desk.pager(listed.body["next_cursor"]),
    )


@router.get("/reviews/{review_id}/report.pdf")
async def report(desk: AtDesk, review_id: str) -> Response:
    """報告書 for the council."""
    tenant = desk.gateway.settings.tenant_name or desk.gateway.settings.tenant
    return pdf_reply(*await review_report.pdf(desk.clients, desk.caller, review_id, tenant))


@router.post("/reviews/{review_id}/staff")
async def compare_staff(desk: AtDesk, review_id: str) -> Response:
    """Who had left, which accounts nobody uses."""
    form = await desk.form()
    whole = (await reviews.review(desk.clients, desk.caller, review_id)).body
    try:
        await reviews.compare_staff(
            desk.clients, desk.caller, review_id, _version(form), whole["month"], form.text("request_key")
        )
    except DomainError as error:
        return await _draw_review(desk, review_id, form, absorb(form, error))
    return desk.go(f"/reviews/{review_id}", done="review_compared")


@router.post("/reviews/{review_id}/sign")
async def sign(desk: AtDesk, review_id: str) -> Response:
    """点検結果・所見."""
    form = await desk.form()
    text = form.lines("text")
    try:
        if not text.strip():
            form.errors["text"] = "点検結果・所見を入力してください。"
            return await _draw_review(desk, review_id, form, 422)
        await reviews.sign_review(desk.clients, desk.caller, review_id, _version(form), text, form.text("request_key"))
    except DomainError as error:
        return await _draw_review(desk, review_id, form, absorb(form, error))
    return desk.go(f"/reviews/{review_id}", done="review_signed")


@router.post("/reviews/{review_id}/remarks")
async def remark(desk: AtDesk, review_id: str) -> Response:
    """After the sign-off."""
    form = await desk.form()
    try:
        await reviews.remark_review(
            desk.clients, desk.caller, review_id, _version(form), form.lines("text"), form.text("request_key")
        )
    except DomainError as error:
        return await _draw_review(desk, review_id, form, absorb(form, error))
    return desk.go(f"/reviews/{review_id}", done="review_remarked")


@router.get("/reviews/{review_id}/findings/{number}")
async def finding(desk: AtDesk, review_id: str, number: int) -> Response:
    """The records behind it, what was written, and the forms."""
    return await _draw_finding(desk, review_id, number, Form())


@router.post("/reviews/{review_id}/findings/{number}")
async def treat(desk: AtDesk, review_id: str, number: int) -> Response:
    """Assign, comment, judge: one form each."""
    form = await desk.form()
    state, assignee = form.text("state"), form.text("assignee_id")
    if form.text("act") == "assign":
        state = ""
        form.required("assignee_id", "確認を依頼する職員を選んでください。")
    else:
        assignee = ""
        form.required("comment", "理由や確認した内容を入力してください。")
    if form.errors:
        return await _draw_finding(desk, review_id, number, form, 422)
    try:
        await reviews.treat_finding(
            desk.clients,
            desk.caller,
            review_id,
            _version(form),
            number,
            assignee_id=assignee,
            state=state,
            comment=form.lines("comment"),
            request_id=form.text("request_key"),
        )
    except DomainError as error:
        return await _draw_finding(desk, review_id, number, form, absorb(form, error, denials=True))
    return desk.go(f"/reviews/{review_id}/findings/{number}", done="finding_treated")


async def _draw_finding(desk: Desk, review_id: str, number: int, form: Form, status: int = 200) -> Response:
    answer = await reviews.finding(desk.clients, desk.caller, review_id, number)
    found = answer.body
    officer = desk.caller.has_role("audit_officer")
    (labelled,) = await _findings(desk, [found])
    names = await actor_names(desk, [one["actor"] for one in found["entries"]])
    people = [f"staff:{one[key] or ''}" for one in found["notes"] for key in ("staff_id", "assignee_id")]
    written = await organisation.names(desk.clients, desk.caller, people)
    staff: list[View] = []
    if officer and found["unit_id"] and found["review_state"] == "open":
        # Who could be asked: the members of the unit it is about, of today.
        listed = await organisation.staff(desk.clients, desk.caller, unit_id=found["unit_id"])
        staff = listed.body["items"]
    return desk.draw(
        "review_finding",
        "reviews" if officer else "assigned",
        status=status,
        access_record=answer.access_record,
        form=form,
        finding=labelled,
        month_label=month_label(found["month"]),
        officer=officer,
        own=found["subject_id"] == desk.caller.identity.staff_id,
        entries=[one | actor_labels(one["actor"], names) for one in found["entries"]],
        notes=[
            one
            | {"staff_name": _person_name(one["staff_id"], written)}
            | {"assignee_name": _person_name(one["assignee_id"] or "", written)}
            for one in found["notes"]
        ],
        staff_choices=[(one["staff_id"], _with_title(one, found["unit_id"])) for one in staff],
        signed=found["review_state"] == "signed",
        version=found["version"],
        judgements=[("explained", "説明がついた"), ("incident", "事案"), ("open", "未回答に戻す")],
    )


async def _findings(desk: Desk, items: list[View]) -> list[View]:
    """With the names of people and units as of today, and the rule's words."""
    principals = [f"{kind}:{one[key] or ''}" for one in items for kind, key in _PRINCIPALS]
    names = await organisation.names(desk.clients, desk.caller, principals)
    return [
        one
        | {
            "rule_word": vocabulary.REVIEW_RULES.get(one["rule"], (one["rule"], ""))[0],
            "subject_name": _person_name(one["subject_id"] or "", names),
            "unit_name": names.get(f"unit:{one['unit_id']}", ""),
            "assignee_name": _person_name(one["assignee_id"] or "", names),
            "reasons": [
                (vocabulary.VIEW_REASONS.get(name, name) if name else "理由の記録なし", count)
                for name, count in one["purposes"].items()
            ],
            "facts": _facts(one),
        }
        for one in items
    ]


_PRINCIPALS = (("staff", "subject_id"), ("unit", "unit_id"), ("staff", "assignee_id"))


def _facts(one: View) -> str:
    """The numbers of a finding in words."""
    detail: dict[str, str] = one["detail"]
    sayings = {
        "documents": "{documents}件の文書（基準 {limit}件）",
        "others": "ほかの日の合計 {others}件",
        "minutes": "拒否の{minutes}分後",
        "missing": "届いていない番号 {missing}",
        "epoch": "送信元 {epoch}",
        "staff_ids": "職員番号 {staff_ids}",
        "own_files": "所属する課の、職員に関する文書 {own_files}件",
    }
    said = [saying.format(**({"limit": ""} | detail)) for key, saying in sayings.items() if key in detail]
    if "action" in detail:
        said.append(vocabulary.RECORDED_ACTIONS.get(detail["action"], detail["action"]))
    return "、".join(said)


def _person_name(staff_id: str, names: dict[str, str]) -> str:
    if staff_id.startswith("service:"):
        return "システム"
    return {"": "", "unknown": "（不明）"}.get(staff_id, names.get(f"staff:{staff_id}", staff_id))


def _with_title(one: View, unit_id: str) -> str:
    titles = "・".join(post["title"] for post in one["posts"] if post["unit_id"] == unit_id)
    return f"{titles} {one['name']}".strip()


def _sentences(thresholds: View) -> dict[str, View]:
    """Each rule's word and what it says by these thresholds."""
    return {
        name: {"rule": name, "word": word, "sentence": sentence.format(**thresholds)}
        for name, (word, sentence) in vocabulary.REVIEW_RULES.items()
    }


def _outcomes(actions: list[View]) -> list[View]:
    """Counts per action: granted, denied, failed."""
    rows: dict[str, View] = {}
    for one in actions:
        row = rows.setdefault(one["action"], {"action": one["action"], "granted": 0, "denied": 0, "failed": 0})
        row[one["outcome"]] = one["count"]
    return list(rows.values())


def _version(form: Form) -> int:
    """The version that the page was drawn from."""
    return form.number("version", "") or 0


def month_label(month: str) -> str:
    """令和8年10月 for "2026-10"."""
    return wareki.format_date(date(int(month[:4]), int(month[5:7]), 1)).removesuffix("1日")


def _months(today: date) -> list[tuple[str, str]]:
    """This month and the twelve before it."""
    found, day = [], today.replace(day=1)
    for _ in range(13):
        month = day.strftime("%Y-%m")
        found.append((month, month_label(month)))
        day = (day - timedelta(days=1)).replace(day=1)
    return found


def _following(today: date) -> list[str]:
    """This month and the next ones of a year."""
    found, day = [], today.replace(day=1)
    for _ in range(12):
        found.append(day.strftime("%Y-%m"))
        day += timedelta(days=calendar.monthrange(day.year, day.month)[1])
    return found
