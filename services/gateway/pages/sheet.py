"""起案用紙 as a page shows it: the seats of the 決裁欄, what was said, where the document stands, what comes next.

Pure: from the dicts of `views` to the dicts of the templates. What is offered is a courtesy; the services decide.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final

from chassis import wareki
from chassis.wareki import JST
from services.gateway.pages import vocabulary
from services.gateway.sentences import REFUSALS
from services.gateway.views import View

# Steps whose window carries a seal: the person acted.
_SEALED: Final = frozenset(
    {"approved", "decided", "concurred", "dissented", "substituted", "pulled_up", "postviewed", "sent_back", "rejected"}
)
# Characters of a post that a window of the usual width has room for.
_NARROW: Final = 14
_WAITING_FOR_SOMEBODY: Final = frozenset({"active", "held"})
# In the order in which the form offers them; the first one present is the main button.
_ORDER: Final = (
    *("decide", "substitute", "approve", "concur", "post_view", "confirm", "pull_up"),
    *("decide_conditionally", "dissent", "send_back", "hold", "restart", "reject"),
)
_MAIN: Final = frozenset({"decide", "approve", "concur", "post_view", "confirm", "substitute", "pull_up"})
# Done on somebody else's step, so offered only when no step of one's own waits.
_FOR_OTHERS: Final = frozenset({"pull_up", "substitute"})
_LABELS: Final[Mapping[str, str]] = {
    "approve": "承認する",
    "decide": "決裁する",
    "concur": "同意する",
    "post_view": "後閲する",
    "substitute": "代決する",
    "pull_up": "引き上げて処理する",
    "confirm": "確認した",
    "decide_conditionally": "条件を付けて決裁",
    "restart": "最初から回議",
}
_UNPROVEN: Final = (
    "持回りの決裁が事後登録されました。登録した証拠書類がまだ添付されていません。追加するまで、施行も完結もできません。"
)
# Acts that end a case, as 差戻し to the drafter does, and the events by which the document follows: one fact, one row.
_ENDING: Final = frozenset({"decide", "substitute", "reject", "withdraw"})
_FOLLOWING: Final = frozenset({"document.decided", "document.rejected", "document.withdrawn", "document.sent_back"})
# Identifiers in the detail of an event that people know.
_DETAILS: Final[Mapping[str, str]] = {
    "draft_number": "起案番号",
    "dispatch_number": "施行番号",
    "number": "番号",
    "enforced_on": "施行日",
    "completed_on": "完結日",
    "retention_until": "満了日",
    "previous": "前の担当者",
    "assignee": "新しい担当者",
    "staff_id": "緊急閲覧する人",
    "reason": "理由",
    "previous_unit": "旧所管",
    "unit": "新しい所管",
    "wider_than_receipts": "元の収受より広い閲覧区分",
}
# Those of them that name somebody, with the kind of principal.
_NAMED: Final[Mapping[str, str]] = {
    "previous": "staff",
    "assignee": "staff",
    "staff_id": "staff",
    "previous_unit": "unit",
    "unit": "unit",
}
_REGISTERS: Final[Mapping[str, str]] = {"receipt": "収受番号", "draft": "起案番号", "dispatch": "施行番号"}
_DAYS: Final = frozenset({"enforced_on", "completed_on", "retention_until"})
# By the reason of a case that its drafter took back.
_TAKEN_BACK: Final[Mapping[str, str]] = {
    "recalled": "引き戻しました。",
    "replacing": "差替えのため、手元に戻しました。",
}
_CASE_ACTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "recall": ("引き戻す", "次の人が処理するまでの間、自分の処理を取り消せます。"),
    "ask_substitute": ("代決を依頼する", "決裁者が不在です。代決の順位にある人に、この案件を見せて依頼します。"),
}


def seats(document: View, case: View | None, drafter_name: str) -> list[View]:
    """The 判窓 in the order of work, the drafter first (UI-03, AP-16). Empty before circulation."""
    if case is None:
        return []
    drafted = _stamp("起案", document["submitted_at"] or case["opened_at"], drafter_name)
    drafter = _seat("起案者", drafter_name, [drafted])
    conditional = {one["step_id"] for one in case["decisions"] if one["action"] == "decide_conditionally"}
    in_bulk = {one["step_id"]: one["bulk"] for one in case["decisions"] if one["action"] in ("approve", "concur")}
    viewed = {one["step_id"]: one["acted_at"] for one in case["decisions"] if one["action"] == "post_view"}
    registered = registration(case)
    return [
        drafter,
        *(
            _registered_seat(step, registered, viewed)
            if registered is not None and step["kind"] == "decide"
            else _step_seat(_let_go(step, case), step["step_id"] in conditional, viewed, in_bulk)
            for step in case["steps"]
            if step["kind"] != "inform"
        ),
    ]


def registration(case: View | None) -> View | None:
    """The 事後登録 that decided the case (AP-50), None where it was decided in the system."""
    return next((one for one in case["decisions"] if one["walk_around"]), None) if case is not None else None


def evidence_missing(document: View, case: View | None) -> bool:
    """Whether what a 事後登録 named by its digest is no file of the document yet."""
    registered = registration(case)
    files = {one["sha256"] for one in document["attachments"]}
    return registered is not None and registered["walk_around"]["evidence_sha256"] not in files


def _registered_seat(step: View, registered: View, viewed: Mapping[str, str]) -> View:
    """Decided outside the system: 「事後登録」 with who registered it, the seal of who decided (AP-50)."""
    walk = registered["walk_around"]
    own = walk["post_id"] == step["post_id"]
    word = vocabulary.STEP_STATES["decided" if own else "substituted"]
    return _seat(
        step["post_title"],
        step["staff_name"] or "",
        [_stamp(word, step["acted_at"], walk["staff_name"]), *_view_stamp(step, viewed)],
        mark="後閲",
        others=[("事後登録", registered["staff_name"]), *([] if own else [("代", walk["staff_name"])])],
    )


def _let_go(step: View, case: View) -> View:
    """Struck through, as on the 鑑, where others' answers were enough (AP-08); 取消 is what ends with its case."""
    goes_on = case["state"] in ("circulating", "decided")
    return step | {"state": "struck"} if goes_on and step["state"] == "cancelled" else step


def _step_seat(step: View, conditional: bool, viewed: Mapping[str, str], in_bulk: Mapping[str, bool]) -> View:
    kind = vocabulary.STEP_KINDS[step["kind"]] if step["kind"] in ("concur", "review", "provisional") else ""
    title = f"{step['post_title']}（{kind}）" if kind else step["post_title"]
    foreign = (kind or step["added_by"]) and step["unit_name"] and step["unit_name"] not in step["post_title"]
    state: str = step["state"]
    name = step["staff_name"] or ""
    instead = step["acted_for"]["name"] if step["acted_for"] else ""
    if instead:
        # The 後閲 that follows changes nothing of it.
        state = "substituted" if step["kind"] == "decide" else "pulled_up"
    word: str = vocabulary.STEP_STATES.get("decided_conditionally" if conditional else state, state)
    acted = state in _SEALED and state != "postviewed"
    stamps = [_stamp(word, step["acted_at"], instead or name)] if acted else []
    return _seat(
        f"{step['unit_name']}\n{title}" if foreign else title,
        "" if state == "struck" else name,
        [*stamps, *_view_stamp(step, viewed)],
        word="" if state in ("waiting", "struck") else word,
        mark="・".join(_marks(step, in_bulk)),
        others=[("代" if state == "substituted" else "引上げ", instead)] if instead else [],
        current=state in _WAITING_FOR_SOMEBODY,
        struck=state == "struck",
    )


def _view_stamp(step: View, viewed: Mapping[str, str]) -> list[View]:
    """The seal of a 後閲 that is done, beside that of who acted before (AP-16)."""
    if step["state"] != "postviewed":
        return []
    return [_stamp(vocabulary.STEP_STATES["postviewed"], viewed[step["step_id"]], step["staff_name"] or "")]


def _stamp(act: str, acted_at: str | None, name: str) -> View:
    return {"act": act, "acted_at": acted_at, "name": name}


def _marks(step: View, in_bulk: Mapping[str, bool]) -> list[str]:
    """What stands beside the name (AP-16, AP-52, AP-54)."""
    consented = step["state"] in ("approved", "concurred")
    marks = {
        "追加": step["added_by"],
        "一括": consented and in_bulk.get(step["step_id"]),
        "後閲": step["post_view"],
    }
    return [mark for mark, holds in marks.items() if holds]


def _seat(
    post_title: str,
    name: str,
    stamps: Sequence[View],
    *,
    word: str = "",
    mark: str = "",
    others: Sequence[tuple[str, str]] = (),
    current: bool = False,
    struck: bool = False,
) -> View:
    """`others`: who acted there beside whose seat it is, each with a mark."""
    return {
        "post_lines": post_title.split("\n"),
        "names": [{"mark": beside, "name": who} for beside, who in (*others, (mark, name))],
        "stamps": stamps,
        "wide": len(stamps) > 1 or len(post_title) > _NARROW,
        "word": word,
        "current": current,
        "struck": struck,
    }


def opinions(case: View | None) -> list[View]:
    """Every act that said something, oldest first; a bare approval is seen in its seat."""
    if case is None:
        return []
    return [
        one | {"added": _added(one, case)}
        for one in case["decisions"]
        if one["comment"] or one["carried_from"] or one["action"] in vocabulary.ACTIONS_WITH_REASON
    ]


def _added(act: View, case: View) -> str:
    """The seat that an act put on the route (AP-54)."""
    seats = (step for step in case["steps"] if step["added_by"] == act["decision_id"])
    return "・".join(f"{_post(one)}　{vocabulary.STEP_KINDS[one['kind']]}" for one in seats)


def _post(one: View) -> str:
    """A post with its unit."""
    return vocabulary.post_name(one["unit_name"], one["post_title"])


def later_seats(case: View) -> list[tuple[str, str]]:
    """The seats of the own line after the one that it waits for, as choices: who may be asked for 引上げ (AP-17)."""
    now = min((one["group"] for one in case["steps"] if one["state"] in _WAITING_FOR_SOMEBODY), default=0)
    return [
        (one["post_id"], f"{_post(one)}　{one['staff_name']}")
        for one in case["steps"]
        if one["group"] > now
        and one["state"] == "waiting"
        and one["kind"] in ("approve", "decide")
        and one["staff_name"]
    ]


def _asked(case: View) -> str | None:
    """What was asked of whom, and waits for them (AP-17)."""
    asked = next(
        (one for one in case["steps"] if one["asked_post_title"] and one["state"] in _WAITING_FOR_SOMEBODY), None
    )
    if asked is None:
        return None
    return f"{'代決' if asked['kind'] == 'decide' else '引上げ'}を{asked['asked_post_title']}に依頼しています。"


def reassigned(case: View | None) -> list[View]:
    """Seats that the records office gave to another post, with its reason (AP-41); successions need no word."""
    return [one for one in case["moves"] if one["reason"]] if case is not None else []


def conditions(case: View | None) -> list[View]:
    """The condition of a 条件付決裁, which 施行 has to follow (AP-22)."""
    return [one for one in case["decisions"] if one["action"] == "decide_conditionally"] if case is not None else []


def my_step(case: View | None) -> View | None:
    """The form for what waits for this person, or None. A step of one's own before somebody else's."""
    if case is None:
        return None
    mine = [step for step in case["steps"] if step["allowed_actions"]]
    mine.sort(key=lambda step: (set(step["allowed_actions"]) <= _FOR_OTHERS, step["kind"] == "inform"))
    if not mine:
        return None
    step = mine[0]
    allowed = sorted(step["allowed_actions"], key=_place)
    reasons = [vocabulary.ACTIONS[name] for name in allowed if name in vocabulary.ACTIONS_WITH_REASON]
    also = [one for one in case["steps"] if one["step_id"] in step["consecutive_step_ids"]]
    return {
        "step_id": step["step_id"],
        "post_id": step["post_id"],
        "kind_label": "後閲" if "post_view" in allowed else vocabulary.STEP_KINDS[step["kind"]],
        "post_title": step["post_title"],
        "unit_name": step["unit_name"],
        "for_other": set(allowed) <= _FOR_OTHERS,
        "decides": bool({"decide", "substitute"} & set(allowed)) or any(one["kind"] == "decide" for one in also),
        "opinions": [one for one in case["decisions"] if one["decision_id"] in case["opinions"]]
        if "decide" in allowed
        else [],
        "send_back_targets": [
            (one["step_id"], f"{_post(one)}　{one['staff_name']}")
            for one in case["steps"]
            if one["step_id"] in step["send_back_targets"]
        ],
        "also": also,
        "comment_hint": f"{'・'.join(reasons)}のときは必ず書いてください。" if reasons else None,
        "actions": [
            {
                "name": name,
                "label": _LABELS.get(name, vocabulary.ACTIONS.get(name, name)),
                "primary": name in _MAIN,
                "tone": "danger" if name == "reject" else None,
            }
            for name in allowed
        ],
    }


def is_on_route(case: View | None, staff_id: str, posts: Collection[str]) -> bool:
    """Whether the case circulates and has come to this person, or they have acted on it."""
    if case is None or case["state"] != "circulating":
        return False
    reached = [step for step in case["steps"] if step["state"] in ("active", "held", "informed")]
    acted = any(one["staff_id"] == staff_id and one["step_id"] for one in case["decisions"])
    return acted or any(step["post_id"] in posts for step in reached)


def _place(action: str) -> int:
    return _ORDER.index(action) if action in _ORDER else len(_ORDER)


def now(document: View, case: View | None, *, is_drafter: bool, is_member: bool) -> View:
    """One sentence, who has it, and what this person may do next (LC states)."""
    holders = [
        {
            "unit_name": step["unit_name"],
            "post_title": step["post_title"],
            "staff_name": step["staff_name"] or "",
            "since": step["activated_at"],
        }
        for step in (case["steps"] if case is not None else ())
        if step["state"] in _WAITING_FOR_SOMEBODY and step["kind"] != "inform"
    ]
    state = document["state"]
    unproven = state in ("decided", "enforced") and evidence_missing(document, case)
    return {
        "sentence": _UNPROVEN if unproven else _sentence(document, case, [holder["post_title"] for holder in holders]),
        "holders": holders if state == "circulating" else [],
        "links": _links(document, is_drafter=is_drafter, is_member=is_member, unproven=unproven)
        + _case_links(document, case, is_drafter=is_drafter),
        "case_actions": [
            {"name": name, "label": _CASE_ACTIONS[name][0], "hint": _CASE_ACTIONS[name][1]}
            for name in (case["allowed_actions"] if case is not None else ())
            if name in _CASE_ACTIONS
        ],
        "asked": _asked(case) if case is not None and case["state"] == "circulating" else None,
        "deletable": is_drafter and state == "drafting" and document["draft_number"] is None,
    }


def _sentence(document: View, case: View | None, titles: Sequence[str]) -> str:
    state = document["state"]
    if document.get("break_glass_until"):
        # The case is not for who looks at the document for some hours (AC-08).
        return "緊急閲覧では、決裁欄と意見は表示されません。"
    if state == "circulating" and titles:
        return f"{'・'.join(titles)}の処理を待っています。"
    if state == "circulating" and case is not None and case["state"] == "decided":
        return "決裁されました。内容を固定しています。"
    if state == "sent_back" and case is not None and case["reason"] in _TAKEN_BACK:
        return f"{_TAKEN_BACK[case['reason']]}直してから、もう一度回議を始めます。"
    if state == "sent_back" and case is not None and case["state"] == "refused":
        # It never circulated: its plan was not taken.
        return REFUSALS["approvals", case["reason"]].detail
    sends = document["enforcement"]["required"]
    sentences = {
        "drafting": "下書きです。回議を始めるまで、担当者だけに見えます。",
        "circulating": "回議を始めました。決裁欄はまもなく表示されます。",
        "sent_back": "差し戻されました。直してから、もう一度回議を始めます。",
        "withdrawn": "取り下げられました。もう一度進めるときは、新しく起案します。",
        "rejected": "否決されました。もう一度進めるときは、新しく起案します。",
        "decided": "決裁されました。次は施行の登録です。" if sends else "決裁されました。次は完結の登録です。",
        "enforced": "施行されました。次は完結の登録です。",
        "completed": "完結しました。この文書はだれにも変更できません。",
    }
    return sentences.get(state, vocabulary.STATES.get(state, (state, ""))[0])


def _links(document: View, *, is_drafter: bool, is_member: bool, unproven: bool) -> list[View]:
    base = f"/documents/{document['document_id']}"
    state = document["state"]
    if state in ("drafting", "sent_back") and is_drafter:
        return [
            _link("内容を編集する", f"{base}/edit", "outline"),
            _link("添付を編集する", f"{base}/attachments", "outline"),
            _link("回議ルートを確認する", f"{base}/route", "solid"),
        ]
    if state not in ("decided", "enforced") or not is_member:
        return []
    if unproven:
        return [_link("証拠書類を追加する", f"{base}/attachments", "solid")]
    if state == "decided" and document["enforcement"]["required"]:
        first = _link("施行を登録する", f"{base}/enforce", "solid")
    else:
        first = _link("完結を登録する", f"{base}/complete", "solid")
    return [
        first,
        _link("添付を追加する", f"{base}/attachments", "outline"),
        _link("追記する", f"{base}/annotations/new", "outline"),
    ]


def _case_links(document: View, case: View | None, *, is_drafter: bool) -> list[View]:
    """Acts on the case that need a form of their own. While nobody has acted, 引戻し does what 差替え would."""
    allowed = set(case["allowed_actions"]) if case is not None else set()
    base = f"/documents/{document['document_id']}"
    links = []
    if "replace" in allowed and not (is_drafter and "recall" in allowed):
        links.append(_link("差し替える", f"{base}/replace", "outline"))
    if "ask_pull_up" in allowed:
        links.append(_link("引上げを依頼する", f"{base}/ask-pull-up", "outline"))
    if "add_seat" in allowed:
        links.append(_link("回議先を追加する", f"{base}/add-seat", "outline"))
    if "register_walk_around" in allowed:
        links.append(_link("持回りの決裁を登録する", f"{base}/walk-around", "outline"))
    if "circulate" in allowed:
        links.append(_link("供覧先を追加する", f"{base}/circulate", "outline"))
    if "withdraw" in allowed:
        links.append(_link("取り下げる", f"{base}/withdraw", "outline"))
    return links


def _link(label: str, href: str, kind: str) -> View:
    return {"label": label, "href": href, "type": kind}


def principals_in(detail: Mapping[str, str]) -> list[str]:
    """Whom the detail of an event names, as "staff:…" and "unit:…"."""
    return [f"{kind}:{detail[name]}" for name, kind in _NAMED.items() if name in detail]


def course(events: Iterable[View], cases: Sequence[View], names: Mapping[str, str]) -> list[View]:
    """What happened to the document, oldest first: its own events, the acts of every circulation with what was written
    and which reading each rests on, moves of seats (LC-11, AP-53).

    An act that a minor 差替え carries on (AP-30) stands where it was done, once. `names`: of the principals in the details.
    """
    told = {case["case_id"] for case in cases if any(_ends(act, case) for act in case["decisions"])}
    rows = [
        _row(one, one["action"], _detail(one["action"], one["detail"], names))
        for one in events
        if not (one["action"] in _FOLLOWING and one["detail"].get("case_id") in told)
    ]
    acts = {act["decision_id"]: act for case in cases for act in case["decisions"]}
    for act in acts.values():
        if act["carried_from"] not in acts:
            action = vocabulary.ACTIONS.get(act["action"], act["action"]) + ("（一括）" if act["bulk"] else "")
            detail = f"{_post(act)}として{_decided_by(act['walk_around'])}"
            row = _row(act | {"occurred_at": act["acted_at"]}, action, detail)
            rows.append(row | {"comment": act["comment"], "access_record": act["access_record"]})
    for move in (move for case in cases for move in case["moves"]):
        reason = f"　理由：{move['reason']}" if move["reason"] else "（引継先の職）"
        by = {"occurred_at": move["moved_at"], "staff_id": move["moved_by"]}
        rows.append(_row(by, "宛先の変更", f"{move['from_post']}から{move['to_post']}へ{reason}"))
    return sorted(rows, key=lambda row: str(row["occurred_at"]))


def _ends(act: View, case: View) -> bool:
    return act["action"] in _ENDING or (act["action"] == "send_back" and act["step_id"] == case["reason"])


def _row(one: View, action: str, detail: str) -> View:
    return {
        "occurred_at": one["occurred_at"],
        "staff_id": one["staff_id"],
        "unit_id": one.get("unit_id"),
        "action": action,
        "detail_text": detail,
        "comment": "",
        "access_record": None,
    }


def _decided_by(walk: View | None) -> str:
    if walk is None:
        return ""
    moment = datetime.fromisoformat(walk["decided_at"]).astimezone(JST)
    when = f"{wareki.format_date(moment.date())} {moment:%H:%M}"
    return f"、{_post(walk)}　{walk['staff_name']}が{when}に決裁"


def _detail(action: str, detail: Mapping[str, str], names: Mapping[str, str]) -> str:
    words = []
    for name, label in _DETAILS.items():
        value = detail.get(name, "")
        # Elsewhere it is a word for programs: the step that sent it back.
        if name == "reason" and action != "document.assigned":
            continue
        if name in _NAMED:
            value = names.get(f"{_NAMED[name]}:{value}", value)
        if name == "wider_than_receipts" and value:
            value = "確認済み"
        if name == "number":
            label = _REGISTERS.get(detail.get("register", ""), label)
        if value:
            words.append(f"{label} {wareki.format_date(date.fromisoformat(value)) if name in _DAYS else value}")
    return "　".join(words)


def missing_for_circulation(document: View) -> list[tuple[str, str]]:
    """What LC-04 asks for and is not there yet, with the field to go to: (sentence, address)."""
    wanted = ("title", "body", "folder_id", "decision_class", "disclosure", "personal_information")
    missing = [name for name in wanted if document[name] in (None, "", "unspecified")]
    if document["enforcement"]["required"] and not document["enforcement"]["planned_on"]:
        missing.append("enforcement_planned_on")
    base = f"/documents/{document['document_id']}/edit#f-"
    return [(f"{vocabulary.FIELDS[name]}がまだありません。", base + name) for name in missing]


def route_rows(steps: Iterable[View]) -> list[View]:
    """The planned steps numbered after the drafter; steps of one group stand beside each other (AP-08)."""
    listed = list(steps)
    groups = list(dict.fromkeys(step["group"] for step in listed))
    counts = {group: sum(step["group"] == group for step in listed) for group in groups}
    return [step | {"order": groups.index(step["group"]) + 2, "parallel": counts[step["group"]] > 1} for step in listed]
