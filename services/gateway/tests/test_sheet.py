"""The 決裁欄, the act form, what comes next and the course of a document, from cases as the API gives them."""

from __future__ import annotations

from typing import Any

import pytest

from services.gateway.pages import choices, sheet, vocabulary


def step(kind: str, state: str, **more: Any) -> dict[str, Any]:
    return {
        "step_id": more.pop("step_id", "st-1"),
        "kind": kind,
        "state": state,
        "group": 1,
        "post_id": "P-040-03-01",
        "post_title": "室長",
        "unit_name": "環境政策室",
        "staff_name": "髙橋 誠司",
        "activated_at": "2026-11-20T09:00:00+09:00",
        "acted_at": None,
        "acted_for": None,
        "post_view": False,
        "asked_post_title": None,
        "added_by": None,
        "bulk_action": None,
        "send_back_targets": [],
        "consecutive_step_ids": [],
        "allowed_actions": [],
    } | more


def case(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "case_id": "c-1",
        "state": "circulating",
        "opened_at": "2026-11-18T09:20:00+09:00",
        "steps": list(steps),
        "decisions": [],
        "opinions": [],
        "moves": [],
        "allowed_actions": [],
        "reason": None,
    } | more


def document(state: str, **more: Any) -> dict[str, Any]:
    return {
        "document_id": "d-1",
        "state": state,
        "title": "補助金の交付決定について（伺い）",
        "body": "伺います。",
        "folder_id": "F-1",
        "decision_class": "head",
        "disclosure": "partial",
        "personal_information": "personal",
        "draft_number": "箕市第1号",
        "submitted_at": "2026-11-18T09:20:00+09:00",
        "enforcement": {"required": True, "planned_on": "2026-11-30"},
        "attachments": [],
    } | more


def test_an_added_seat_says_so_and_its_reason_names_it() -> None:
    """AP-54: 追加 in the window, and in the opinion which seat it was."""
    act = {"decision_id": "a-1", "action": "add_seat", "comment": "残額の確認", "carried_from": None, "step_id": "st-2"}
    act |= {"walk_around": None}
    found = case(
        step("concur", "active", unit_name="財政経営室", added_by="a-1"),
        step("decide", "waiting", step_id="st-2"),
        decisions=[act],
    )
    _, finance, head = sheet.seats(document("circulating"), found, "葛󠄀城 拓也")
    assert (finance["post_lines"], finance["names"][0]["mark"]) == (["財政経営室", "室長（合議）"], "追加")
    assert head["names"][0]["mark"] == ""
    assert [one["added"] for one in sheet.opinions(found)] == ["財政経営室　室長　合議"]


def test_what_was_approved_together_with_others_says_so() -> None:
    """AP-52: 一括 beside the name, only for the act that stands."""
    act = {"action": "approve", "bulk": True, "comment": "", "carried_from": None, "walk_around": None}
    acts = [act | {"step_id": one} for one in "ab"]
    found = case(step("approve", "approved", step_id="a"), step("approve", "active", step_id="b"), decisions=acts)
    _, first, again = sheet.seats(document("circulating"), found, "葛󠄀城 拓也")
    assert [one["names"][0]["mark"] for one in (first, again)] == ["一括", ""]


def test_every_seat_says_what_happened_there() -> None:
    seats = sheet.seats(
        document("circulating"),
        case(
            step("approve", "approved", post_title="担当主査", acted_at="2026-11-19T10:00:00+09:00"),
            step("approve", "postview_due", post_title="室長補佐", post_view=True),
            step("concur", "concurred", unit_name="財政経営室", acted_at="2026-11-19T11:00:00+09:00"),
            step("decide", "active"),
            step("approve", "struck", post_title="部長", staff_name="𠮷田 恵美子"),
        ),
        "葛󠄀城 拓也",
    )
    drafter, chief, deputy, finance, head, director = seats
    assert drafter["stamps"] == [{"act": "起案", "acted_at": "2026-11-18T09:20:00+09:00", "name": "葛󠄀城 拓也"}]
    assert ([one["act"] for one in chief["stamps"]], chief["current"]) == (["承認"], False)
    assert (deputy["stamps"], deputy["word"]) == ([], "後閲待ち")
    assert deputy["names"] == [{"mark": "後閲", "name": "髙橋 誠司"}]
    assert finance["post_lines"] == ["財政経営室", "室長（合議）"]
    assert (head["word"], head["current"]) == ("処理待ち", True)
    assert director["struck"]
    assert director["names"] == [{"mark": "", "name": ""}]
    assert sheet.seats(document("drafting"), None, "葛󠄀城 拓也") == []


def test_who_was_not_needed_any_more_is_struck_through() -> None:
    """AP-08: of a 合議 of which one answer is enough; what ends with its case is 取消."""
    let_go = step("concur", "cancelled", unit_name="契約検査室")
    assert [seat["struck"] for seat in sheet.seats(document("circulating"), case(let_go), "葛󠄀城 拓也")] == [False, True]
    ended = case(let_go) | {"state": "withdrawn"}
    seat = sheet.seats(document("withdrawn"), ended, "葛󠄀城 拓也")[1]
    assert (seat["struck"], seat["word"]) == (False, "取消")


def test_substitution_and_post_view_are_marked_beside_both_names() -> None:
    """AP-16: the seal of a 代決 or 引上げ is that of who acted; the 後閲 of who was away has one beside it once it is done."""
    instead = {"staff_id": "S0069", "name": "髙﨑 邦夫", "post_title": "室長補佐"}
    at, later = "2026-11-21T10:00:00+09:00", "2026-11-22T10:00:00+09:00"
    viewings = [
        {"action": "post_view", "step_id": step_id, "acted_at": later, "comment": "", "walk_around": None}
        for step_id in ("s-2", "s-3", "s-5")
    ]
    substituted, viewed_after, viewed, pulled, viewed_again = sheet.seats(
        document("decided"),
        case(
            step("decide", "substituted", acted_at=at, post_view=True, acted_for=instead),
            step("decide", "postviewed", step_id="s-2", acted_at=at, post_view=True, acted_for=instead),
            step("approve", "postviewed", step_id="s-3", acted_at=later, post_view=True),
            step("approve", "pulled_up", step_id="s-4", acted_at=at, post_view=True, acted_for=instead),
            step("approve", "postviewed", step_id="s-5", acted_at=at, post_view=True, acted_for=instead),
            decisions=viewings,
        ),
        "葛󠄀城 拓也",
    )[1:]
    seen = {"act": "後閲", "acted_at": later, "name": "髙橋 誠司"}
    for due, done, act, mark in ((substituted, viewed_after, "代決", "代"), (pulled, viewed_again, "引上げ", "引上げ")):
        first = {"act": act, "acted_at": at, "name": "髙﨑 邦夫"}
        assert (due["stamps"], done["stamps"]) == ([first], [first, seen])
        assert (due["wide"], done["wide"]) == (False, True)
        for seat in (due, done):
            assert seat["names"] == [{"mark": mark, "name": "髙﨑 邦夫"}, {"mark": "後閲", "name": "髙橋 誠司"}]
    assert viewed["stamps"] == [seen]


def test_who_acts_in_anothers_place_is_named_with_both_posts() -> None:
    """AP-19: as signed; the unit is not said twice."""
    label = "環境政策室長事務取扱市民部長"
    act = {"action": "decide", "step_id": "st-1", "comment": "", "bulk": False, "carried_from": None}
    act |= {"post_title": label, "unit_name": "環境政策室", "staff_name": "𠮷田 恵美子", "walk_around": None}
    found = case(step("concur", "concurred", post_title=label, acted_at="2026-11-21T10:00:00+09:00"), decisions=[act])
    assert sheet.seats(document("circulating"), found, "葛󠄀城 拓也")[1]["post_lines"] == [f"{label}（合議）"]
    mine = sheet.now(
        document("circulating"), case(step("decide", "active", post_title=label)), is_drafter=True, is_member=True
    )
    assert label in mine["sentence"]
    assert vocabulary.post_name("環境政策室", label) == label
    assert vocabulary.post_name("環境政策室", "室長") == "環境政策室　室長"


def test_a_decision_on_paper_is_marked_and_its_evidence_comes_first() -> None:
    """AP-50: 「事後登録」 with who registered, the seal of who decided; nothing else is offered before the evidence."""
    walk = {"staff_id": "S0068", "staff_name": "髙橋 誠司", "post_id": "P-040-03-01", "post_title": "室長"}
    walk |= {"unit_name": "環境政策室", "decided_at": "2026-11-20T18:30:00+09:00", "evidence_sha256": "5" * 64}
    act = {"action": "register_walk_around", "step_id": "", "acted_at": "2026-11-24T08:45:00+09:00", "comment": "停電"}
    act |= {"staff_id": "S0072", "staff_name": "葛󠄀城 拓也", "unit_name": "環境政策室", "post_title": "係員"}
    act |= {"decision_id": "d-9", "carried_from": None, "walk_around": walk, "bulk": False, "access_record": None}
    own = step("decide", "registered", acted_at="2026-11-20T18:30:00+09:00", post_view=True)
    known = case(own, state="decided", decisions=[act])
    (seat,) = sheet.seats(document("decided"), known, "葛󠄀城 拓也")[1:]
    decided = {"act": "決裁", "acted_at": "2026-11-20T18:30:00+09:00", "name": "髙橋 誠司"}
    assert seat["stamps"] == [decided]
    assert seat["names"] == [{"mark": "事後登録", "name": "葛󠄀城 拓也"}, {"mark": "後閲", "name": "髙橋 誠司"}]
    assert sheet.opinions(known) == [act | {"added": ""}]
    (row,) = sheet.course([], [known], {})
    assert row["detail_text"].endswith("室長　髙橋 誠司が令和8年11月20日 18:30に決裁")

    other = act | {"walk_around": walk | {"staff_name": "髙﨑 邦夫", "post_id": "P-040-03-02"}}
    (seat,) = sheet.seats(document("decided"), case(own, state="decided", decisions=[other]), "葛󠄀城 拓也")[1:]
    assert [(one["act"], one["name"]) for one in seat["stamps"]] == [("代決", "髙﨑 邦夫")]
    assert [name["mark"] for name in seat["names"]] == ["事後登録", "代", "後閲"]

    viewing = {"action": "post_view", "step_id": "st-1", "acted_at": "2026-11-25T09:00:00+09:00", "comment": ""}
    viewed = case(own | {"state": "postviewed"}, state="decided", decisions=[act, viewing | {"walk_around": None}])
    (seat,) = sheet.seats(document("decided"), viewed, "葛󠄀城 拓也")[1:]
    assert seat["stamps"] == [decided, {"act": "後閲", "acted_at": "2026-11-25T09:00:00+09:00", "name": "髙橋 誠司"}]

    unproven = sheet.now(document("decided"), known, is_drafter=True, is_member=True)
    assert [link["label"] for link in unproven["links"]] == ["証拠書類を追加する"]
    assert "証拠書類がまだ添付されていません" in unproven["sentence"]
    proven = document("decided", attachments=[{"sha256": "5" * 64}])
    assert sheet.now(proven, known, is_drafter=True, is_member=True)["links"][0]["label"] == "施行を登録する"


def test_the_form_offers_the_main_act_first_and_asks_for_reasons() -> None:
    mine = sheet.my_step(case(step("decide", "active", allowed_actions=["hold", "reject", "send_back", "decide"])))
    assert mine is not None
    assert [action["name"] for action in mine["actions"]] == ["decide", "send_back", "hold", "reject"]
    assert [action["primary"] for action in mine["actions"]] == [True, False, False, False]
    assert mine["decides"]
    assert mine["comment_hint"] == "差戻し・保留・否認のときは必ず書いてください。"


def test_a_step_of_ones_own_comes_before_somebody_elses() -> None:
    lower = step("approve", "active", step_id="st-lower", allowed_actions=["pull_up"])
    own = step("concur", "active", step_id="st-own", allowed_actions=["concur", "dissent"])
    mine = sheet.my_step(case(lower, own))
    assert mine is not None
    assert (mine["step_id"], mine["for_other"]) == ("st-own", False)
    other = sheet.my_step(case(lower))
    assert other is not None
    assert other["for_other"]
    assert sheet.my_step(case(step("approve", "waiting"))) is None


@pytest.mark.parametrize(
    ("state", "is_drafter", "is_member", "labels"),
    [
        ("drafting", True, True, ["内容を編集する", "添付を編集する", "回議ルートを確認する"]),
        ("drafting", False, True, []),
        ("circulating", True, True, []),
        ("decided", False, True, ["施行を登録する", "添付を追加する", "追記する"]),
        ("decided", True, False, []),
        ("enforced", True, True, ["完結を登録する", "添付を追加する", "追記する"]),
        ("completed", True, True, []),
    ],
)
def test_only_what_may_come_next_is_offered(state: str, is_drafter: bool, is_member: bool, labels: list[str]) -> None:
    now = sheet.now(document(state), None, is_drafter=is_drafter, is_member=is_member)
    assert [link["label"] for link in now["links"]] == labels
    assert now["sentence"].endswith("。")


def test_a_decision_without_dispatch_leads_to_completion() -> None:
    internal = document("decided", enforcement={"required": False, "planned_on": None})
    now = sheet.now(internal, None, is_drafter=True, is_member=True)
    assert now["links"][0]["label"] == "完結を登録する"


def test_what_is_missing_before_circulation_leads_to_its_field() -> None:
    draft = document(
        "drafting", folder_id=None, disclosure="unspecified", enforcement={"required": True, "planned_on": None}
    )
    assert sheet.missing_for_circulation(draft) == [
        ("簿冊がまだありません。", "/documents/d-1/edit#f-folder_id"),
        ("公開区分がまだありません。", "/documents/d-1/edit#f-disclosure"),
        ("施行予定日がまだありません。", "/documents/d-1/edit#f-enforcement_planned_on"),
    ]
    assert sheet.missing_for_circulation(document("drafting")) == []


def test_the_course_joins_events_and_acts_in_order() -> None:
    event = {"staff_id": "S0072", "unit_id": "U-040-03", "detail": {}}
    events = [
        event | {"occurred_at": "2026-11-18T09:20:00+09:00", "action": "document.submitted"},
        event
        | {
            "occurred_at": "2026-11-24T10:00:00+09:00",
            "action": "document.completed",
            "detail": {"completed_on": "2026-11-24", "case_id": "c-1"},
        },
    ]
    acts = [
        act_of("d-1", "approve", "2026-11-19T10:00:00+09:00", bulk=True),
        act_of("d-2", "decide", "2026-11-20T10:00:00+09:00"),
    ]
    rows = sheet.course(events, [case(decisions=acts)], {})
    assert [row["action"] for row in rows] == ["document.submitted", "承認（一括）", "決裁", "document.completed"]
    assert rows[3]["detail_text"] == "完結日 令和8年11月24日"


def act_of(decision_id: str, action: str, acted_at: str, **fields: Any) -> dict[str, Any]:
    """An act of the 担当主査."""
    act = {"staff_id": "S0070", "unit_name": "環境政策室", "post_title": "担当主査", "walk_around": None}
    act |= {"decision_id": decision_id, "action": action, "acted_at": acted_at, "step_id": f"s-{decision_id}"}
    return act | {"bulk": False, "carried_from": None, "comment": "", "access_record": "documents.1/e/4"} | fields


def test_the_course_tells_every_circulation_with_its_reasons_and_each_act_once() -> None:
    """AP-53, AP-30: the 差戻し with its reason, and what was carried on where it was done."""
    follows = {"staff_id": "S0069", "unit_id": None, "occurred_at": "2026-11-19T11:00:01+09:00"}
    events = [follows | {"action": "document.sent_back", "detail": {"case_id": "c-1", "reason": "s-d-2"}}]
    kept = act_of("d-1", "approve", "2026-11-19T10:00:00+09:00", comment="確認しました。")
    reason = act_of("d-2", "send_back", "2026-11-19T11:00:00+09:00", comment="同意書の写しがありません。")
    first = case(decisions=[kept, reason], state="sent_back", reason="s-d-2", case_id="c-1")
    carried = kept | {"decision_id": "d-3", "carried_from": "d-1"}
    second = case(decisions=[carried, act_of("d-4", "decide", "2026-11-20T10:00:00+09:00")], case_id="c-2")
    rows = sheet.course(events, [second, first], {})
    assert [(row["action"], row["comment"]) for row in rows] == [
        ("承認", "確認しました。"),
        ("差戻し", "同意書の写しがありません。"),
        ("決裁", ""),
    ]
    assert {row["access_record"] for row in rows} == {"documents.1/e/4"}
    # Who may not see the cases is told by the document's own events; an act whose first form is not shown stands itself.
    assert [row["action"] for row in sheet.course(events, [], {})] == ["document.sent_back"]
    assert [row["action"] for row in sheet.course(events, [second], {})] == ["承認", "document.sent_back", "決裁"]


def test_a_seat_that_went_to_another_post_says_why() -> None:
    """AP-41: the reason of the records office; a succession is told in the course alone."""
    move = {"step_id": "s-1", "from_post": "観光推進室長", "to_post": "環境政策室長補佐", "moved_by": "S0018"}
    move |= {"reason": "室の統合により", "moved_by_name": "西村 薫", "moved_at": "2026-11-19T10:00:00+09:00"}
    followed = move | {"reason": None, "moved_by": "service:approvals", "moved_by_name": None}
    known = case(moves=[followed, move])
    assert sheet.reassigned(known) == [move]
    assert [row["detail_text"] for row in sheet.course([], [known], {})] == [
        "観光推進室長から環境政策室長補佐へ（引継先の職）",
        "観光推進室長から環境政策室長補佐へ　理由：室の統合により",
    ]


def test_parallel_steps_share_their_number() -> None:
    rows = sheet.route_rows([{"group": 1}, {"group": 5}, {"group": 5}, {"group": 9}])
    assert [(row["order"], row["parallel"]) for row in rows] == [(2, False), (3, True), (3, True), (4, False)]


def test_folders_are_offered_by_year_the_latest_first() -> None:
    folders = [
        {"folder_id": "F-1", "name": "令和7年度浄化槽綴", "fiscal_year": 2025, "retention": "5"},
        {"folder_id": "F-2", "name": "給水台帳", "fiscal_year": 2026, "retention": "perpetual_use"},
    ]
    assert choices.folders(folders) == [
        ("令和8年度", [("F-2", "給水台帳（常用）")]),
        ("令和7年度", [("F-1", "令和7年度浄化槽綴（5年）")]),
    ]


def test_ac_02_a_folder_says_what_its_class_admits() -> None:
    folders = [
        {"folder_id": f"F-{name}", "name": name, "fiscal_year": 2026, "retention": "5", "class_code": name}
        for name in ("庶務綴", "採用試験綴", "例規綴")
    ]
    widest = {"庶務綴": "unit", "採用試験綴": "designated", "例規綴": "city"}
    classes = [{"class_code": code, "view_class": view_class} for code, view_class in widest.items()]
    assert choices.folders(folders, classes) == [
        (
            "令和8年度",
            [
                ("F-庶務綴", "庶務綴（5年）"),
                ("F-採用試験綴", "採用試験綴（5年・閲覧区分は「指定者のみ」まで）"),
                ("F-例規綴", "例規綴（5年）"),
            ],
        )
    ]


def test_a_case_waits_for_nobody_whom_it_is_only_shown_to() -> None:
    """AP-10: 供覧 stops nothing, so it is not what a case waits for."""
    shown = case(
        step("approve", "active", post_title="室長補佐"),
        step("inform", "active", step_id="st-2", post_title="担当主査"),
    )
    now = sheet.now(document("circulating"), shown, is_drafter=True, is_member=True)
    assert now["sentence"] == "室長補佐の処理を待っています。"
    assert [holder["post_title"] for holder in now["holders"]] == ["室長補佐"]


@pytest.mark.parametrize(
    ("reason", "told"),
    [("PLAN_OUTDATED", "専決規程または組織が変わりました"), ("PLAN_MISMATCH", "金額や決裁区分などが変わりました")],
)
def test_a_plan_that_was_not_taken_says_why(reason: str, told: str) -> None:
    """AP-02: the document came back before anybody saw it; nobody sent it back."""
    back = sheet.now(document("sent_back"), case(state="refused", reason=reason), is_drafter=True, is_member=True)
    assert told in back["sentence"]
    assert "ルートを作り直して" in back["sentence"]
    assert "差し戻されました" not in back["sentence"]
