"""The approval sheet (鑑): what its boxes say, and how it looks as PDF."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium
import pytest

from chassis import clock, paper
from services.documents.cases.domain import Seat
from services.documents.domain import Document, Fields, State
from services.documents.manifest import AnnotationEntry
from services.documents.sheets import domain
from services.documents.sheets.domain import Sheet
from services.documents.sheets.drawing import TEMPLATE

NOW = dt.datetime(2026, 11, 21, 10, 0, tzinfo=clock.JST)
ACTED = "2026-11-20T10:00:00+09:00"
BODY = "標記の件について、交付申請がありました。下記のとおり交付を決定してよろしいか伺います。\n\n記\n\n1 申請者　渡邉󠄂 花子\n"


def seat(kind: str, state: str, post: str, name: str, **more: Any) -> Seat:
    values = {"unit_name": "環境政策室", "acted_at": ACTED, "acted_for_name": "", "acted_for_post_title": ""}
    values |= {"post_view": False, "post_viewed_at": ""} | more
    return Seat(kind=kind, state=state, post_title=post, staff_name=name, **values)


DRAFTER = seat("draft", "submitted", "主事", "葛󠄀城 拓也")
CHIEF = seat("approve", "approved", "担当主査", "髙橋 一郎")
AWAY = seat("approve", "postview_due", "室長補佐", "渡邉󠄂 花子", acted_at="", post_view=True)
FINANCE = seat("concur", "dissented", "室長", "辻󠄀 次郎", unit_name="財政経営室")
SUBSTITUTED = seat(
    "decide",
    "substituted",
    "室長",
    "𠮷田 恵美子",
    post_view=True,
    acted_for_name="髙﨑 邦夫",
    acted_for_post_title="室長補佐",
)
REGISTERED = seat(
    "decide",
    "registered",
    "室長",
    "𠮷田 恵美子",
    post_view=True,
    acted_for_name="𠮷田 恵美子",
    acted_for_post_title="室長",
    registered_by_name="葛󠄀城 拓也",
    registered_at="2026-11-24T08:30:00+09:00",
    registered_as="decided",
)
DIRECTOR = seat("approve", "struck", "部長", "祇󠄀園 守", acted_at="")
SEATS = (DRAFTER, CHIEF, AWAY, FINANCE, SUBSTITUTED, DIRECTOR)

DOCUMENT = Document(
    document_id="0192f0aa-0000-7000-8000-000000000001",
    version=9,
    state=State.DECIDED,
    revision=1,
    frozen_revision=1,
    content=Fields(
        title="令和8年度箕面市合併処理浄化槽設置整備事業補助金の交付決定について（伺い）",
        body=BODY,
        decision_class="head",
        disclosure=2,
        personal_information=2,
        counterparty="髙﨑 邦夫",
        amount=332_000,
        enforcement_required=True,
        enforcement_planned_on=dt.date(2026, 11, 30),
        urgent=True,
    ),
    unit_id="U-040-03",
    drafter="S0072",
    drafter_post="P-040-03-05",
    created_at=NOW,
    updated_at=NOW,
    version_digest="ab" * 32,
    draft_number="箕市第1号",
    submitted_at=dt.datetime(2026, 11, 18, 9, 20, tzinfo=clock.JST),
    decided_at=NOW,
)


def content(
    seats: tuple[Seat, ...] = SEATS, document: Document = DOCUMENT, sheet: Sheet = Sheet.DECIDED, **more: Any
) -> dict[str, Any]:
    filed = {"folder_name": "令和8年度浄化槽補助金綴", "class_name": "環境-補助金-浄化槽", "retention": "5", "files": 2}
    return domain.content(sheet, document, seats, more.pop("acts", ()), **(filed | more))


def act(action: str, unit: str, post: str, name: str, text: str, **more: str) -> dict[str, str]:
    """As the case announces it."""
    known = {"action": action, "unit_name": unit, "post_title": post, "staff_name": name, "acted_at": ACTED}
    return known | {"comment_digest": "5e" * 32, "comment": text} | more


AGAINST = act("dissent", "財政経営室", "室長", "辻󠄀 次郎", "当初予算に計上がありません。")
CONDITIONAL = act("decide_conditionally", "環境政策室", "室長", "𠮷田 恵美子", "交付は\n補正予算の議決後とすること。")


def box(said: dict[str, Any], post: str) -> dict[str, Any]:
    return next(one for one in (*said["seats"], *said["concurrences"]) if one["post"][-1] == post)


def test_the_decider_stands_left_of_the_drafter_and_above_him_is_struck_through() -> None:
    """AP-04, UI-03."""
    said = content()
    assert [one["post"][-1] for one in said["seats"]] == ["部長", "室長", "室長補佐", "担当主査", "主事"]
    struck = box(said, "部長")
    assert struck["struck"]
    assert not struck["names"]
    assert [one["struck"] for one in said["seats"]] == [True, False, False, False, False]


def test_seals_say_the_act_the_day_and_the_surname() -> None:
    """UI-03; NM-02: the selector of 葛󠄀 stays with it."""
    said = content()
    assert box(said, "担当主査")["stamps"] == [{"act": "承認", "day": "R8.11.20", "name": "髙橋"}]
    assert box(said, "主事")["stamps"][0]["name"] == "葛󠄀城"
    assert said["concurrences"] == [
        {
            "post": ["財政経営室", "室長"],
            "stamps": [{"act": "不同意", "day": "R8.11.20", "name": "辻󠄀"}],
            "names": [{"mark": "", "name": "辻󠄀 次郎"}],
            "word": "",
            "struck": False,
        }
    ]


def test_substitution_and_post_view_show_both_names() -> None:
    """AP-16: 「代」 with who decided, 「後閲」 with who was away; the 後閲 gets its own seal when it is done."""
    decider = box(content(), "室長")
    assert decider["stamps"] == [{"act": "代決", "day": "R8.11.20", "name": "髙﨑"}]
    assert decider["names"] == [{"mark": "代", "name": "髙﨑 邦夫"}, {"mark": "後閲", "name": "𠮷田 恵美子"}]
    viewed = replace(SUBSTITUTED, state="postviewed", post_viewed_at="2026-11-25T09:00:00+09:00")
    stamps = box(content((DRAFTER, viewed)), "室長")["stamps"]
    assert [(one["act"], one["day"], one["name"]) for one in stamps] == [
        ("代決", "R8.11.20", "髙﨑"),
        ("後閲", "R8.11.25", "𠮷田"),
    ]
    due = box(content(), "室長補佐")
    assert (due["word"], due["stamps"], due["names"]) == ("後閲", [], [{"mark": "後閲", "name": "渡邉󠄂 花子"}])
    pulled = seat("approve", "pulled_up", "係長", "森 実", post_view=True, acted_for_name="髙﨑 邦夫")
    assert [one["mark"] for one in box(content((DRAFTER, pulled)), "係長")["names"]] == ["引上げ", "後閲"]


async def test_who_acts_in_anothers_place_is_named_with_both_posts() -> None:
    """AP-19: in the box, in the 意見欄 and on the paper; the unit is not said twice."""
    label = "環境政策室長事務取扱市民部長"
    acting = seat("decide", "decided", label, "𠮷田 恵美子")
    beside = seat("concur", "concurred", label, "𠮷田 恵美子")
    said = content(
        (DRAFTER, acting, beside), acts=(act("decide", "環境政策室", label, "𠮷田 恵美子", "適当と認める。"),)
    )
    assert [one["post"] for one in (said["seats"][0], *said["concurrences"])] == [[label], [label]]
    assert said["opinions"][0]["who"] == f"{label}　𠮷田 恵美子"
    assert label in text_of(await drawn(said, "acting"))


def test_a_decision_that_was_registered_afterwards_says_so() -> None:
    """AP-50: 「事後登録」 with who registered and who decided, at the moment of the decision."""
    said = content((DRAFTER, AWAY, REGISTERED, DIRECTOR))
    decider = box(said, "室長")
    assert decider["stamps"] == [{"act": "決裁", "day": "R8.11.20", "name": "𠮷田"}]
    assert decider["names"] == [
        {"mark": "事後登録", "name": "葛󠄀城 拓也"},
        {"mark": "後閲", "name": "𠮷田 恵美子"},
    ]
    assert said["notes"] == [
        {
            "label": "事後登録",
            "text": "持回りにより室長　𠮷田 恵美子がR8.11.20 10:00に決裁、葛󠄀城 拓也がR8.11.24 08:30に登録",
        }
    ]
    instead = replace(
        REGISTERED, acted_for_name="髙﨑 邦夫", acted_for_post_title="室長補佐", registered_as="substituted"
    )
    decider = box(content((DRAFTER, instead)), "室長")
    assert decider["stamps"] == [{"act": "代決", "day": "R8.11.20", "name": "髙﨑"}]
    assert [(one["mark"], one["name"]) for one in decider["names"]] == [
        ("事後登録", "葛󠄀城 拓也"),
        ("代", "髙﨑 邦夫"),
        ("後閲", "𠮷田 恵美子"),
    ]


def test_a_provisional_decision_has_a_box_of_its_own_and_who_was_let_go_is_struck_through() -> None:
    """AP-08: 仮決裁 and 決裁 of the same post; 合議 of which one answer was enough."""
    provisional = seat("provisional", "approved", "室長", "𠮷田 恵美子")
    decided = seat("decide", "decided", "室長", "𠮷田 恵美子")
    let_go = seat("concur", "cancelled", "室長", "森 実", unit_name="契約検査室", acted_at="")
    said = content((DRAFTER, provisional, FINANCE, let_go, decided))
    assert [one["post"] for one in said["seats"]] == [["室長"], ["仮決裁", "室長"], ["起案者", "主事"]]
    assert said["seats"][1]["stamps"] == [{"act": "承認", "day": "R8.11.20", "name": "𠮷田"}]
    struck = said["concurrences"][1]
    assert (struck["post"], struck["struck"], struck["names"]) == (["契約検査室", "室長"], True, [])


def test_what_was_approved_together_with_others_says_so() -> None:
    """AP-52."""
    said = content((DRAFTER, replace(CHIEF, bulk=True), SUBSTITUTED))
    assert box(said, "担当主査")["names"] == [{"mark": "一括", "name": "髙橋 一郎"}]


def test_a_seat_added_on_the_way_says_by_whom() -> None:
    """AP-54: in the box, and with who added it."""
    added = replace(FINANCE, added_by_name="髙橋 一郎", added_by_post_title="担当主査")
    said = content((DRAFTER, added, CHIEF))
    assert said["concurrences"][0]["post"] == ["財政経営室", "室長（追加）"]
    assert said["notes"] == [{"label": "追加", "text": "財政経営室　室長（担当主査　髙橋 一郎が追加）"}]
    assert content()["notes"] == []


def test_what_is_registered_stands_in_words() -> None:
    said = content()
    facts = dict(said["facts"])
    assert (facts["公開区分"], facts["個人情報"], facts["保存期間"]) == ("部分公開", "有", "5年")
    assert (facts["施行"], facts["金額"], facts["添付"]) == ("有（予定 令和8年11月30日）", "332,000円", "2件")
    assert said["rows"][0]["cells"] == [
        ["起案番号", "箕市第1号"],
        ["起案日", "令和8年11月18日"],
        ["決裁日", "令和8年11月21日"],
    ]
    assert said["rows"][1]["cells"] == [["施行番号", "―"], ["施行日", "―"], ["完結日", "―"]]
    sent = replace(
        DOCUMENT,
        enforced_on=dt.date(2026, 11, 30),
        enforced_method="post",
        dispatch_number="箕市第9号",
        completed_on=dt.date(2026, 11, 30),
        retention_until=dt.date(2032, 3, 31),
    )
    said = content(document=sent, sheet=Sheet.COMPLETED)
    assert [value for _, value in said["rows"][1]["cells"]] == ["箕市第9号", "令和8年11月30日", "令和8年11月30日"]
    assert dict(said["facts"])["保存期間"] == "5年（満了 令和14年3月31日）"
    assert dict(said["facts"])["施行"] == "有（郵送）"


def test_annotations_are_added_and_shortened() -> None:
    """LC-15, LC-16: supplements are added to the 鑑, never to what was decided."""
    notes = [
        AnnotationEntry(annotation_id=str(n), text="字" * 119 + "葛󠄀" + "字" * n, staff_id="S0072", added_at=ACTED)
        for n in range(5)
    ]
    said = content(annotations=notes)["notes"]
    assert [one["label"] for one in said] == ["追記 R8.11.20"] * 3 + ["追記"]
    assert said[1]["text"] == "字" * 119 + "葛󠄀…"
    assert said[3]["text"] == "ほか2件"


def test_opinions_stand_in_the_order_of_the_acts_with_who_what_and_when() -> None:
    """AP-53, AP-20, AP-22: whoever wrote something; an act without words is in its box alone."""
    silent = {name: value for name, value in AGAINST.items() if name != "comment"} | {"comment_digest": ""}
    carried = act("approve", "環境政策室", "担当主査", "髙橋 一郎", "算定額を確認しました。", carried_from="d-1")
    said = content(acts=(carried, silent, AGAINST, CONDITIONAL))["opinions"]
    assert said == [
        {
            "who": "環境政策室　担当主査　髙橋 一郎",
            "act": "承認（差替え前の版）",
            "when": "R8.11.20 10:00",
            "text": "算定額を確認しました。",
        },
        {
            "who": "財政経営室　室長　辻󠄀 次郎",
            "act": "不同意",
            "when": "R8.11.20 10:00",
            "text": "当初予算に計上がありません。",
        },
        {
            "who": "環境政策室　室長　𠮷田 恵美子",
            "act": "条件付決裁",
            "when": "R8.11.20 10:00",
            "text": "交付は\n補正予算の議決後とすること。",
        },
    ]
    assert content()["opinions"] == []


def test_words_that_documents_was_not_told_are_said_to_be_elsewhere() -> None:
    """The act stands there all the same: an opinion is never passed over in silence."""
    (said,) = content(acts=({name: AGAINST[name] for name in AGAINST if name != "comment"},))["opinions"]
    assert (said["act"], said["text"]) == ("不同意", domain.WORDS_ELSEWHERE)


async def drawn(data: dict[str, Any], name: str) -> pypdfium2.PdfDocument:
    """The PDF; its pages as pictures for whoever changes the paper, where KANKETSU_TEST_PICTURES names a folder."""
    made = pypdfium2.PdfDocument(await paper.render(TEMPLATE, data, NOW))
    if folder := os.environ.get("KANKETSU_TEST_PICTURES"):
        for number, page in enumerate(made, start=1):
            page.render(scale=1.6).to_pil().save(Path(folder) / f"sheet-{name}-{number}.png")
    return made


def text_of(made: pypdfium2.PdfDocument) -> str:
    return "".join("".join(page.get_textpage().get_text_range().split()) for page in made)


@pytest.mark.parametrize(("name", "body"), [("short", BODY), ("long", BODY * 400), ("lines", "あ\n" * 3000)])
async def test_it_is_one_page_of_a4_whatever_the_text(name: str, body: str) -> None:
    """UI-03: A4 1枚; the 伺い文 begins there and goes on in the document."""
    made = await drawn(content(document=replace(DOCUMENT, content=replace(DOCUMENT.content, body=body))), name)
    assert len(made) == 1
    assert tuple(round(side) for side in made[0].get_size()) == (595, 842)
    assert ("以下略" in text_of(made)) is (body != BODY)


async def test_only_the_seats_themselves_make_more_pages() -> None:
    """UI-03: thirty seats stand on one page; a hundred need another, and none is lost."""
    thirty = (*SEATS, *(FINANCE for _ in range(24)))
    assert len(await drawn(content(thirty), "thirty")) == 1
    made = await drawn(content((*thirty, *(FINANCE for _ in range(70)))), "hundred")
    assert len(made) > 1
    assert text_of(made).count("不同意") == 95


async def test_opinions_stand_under_the_boxes() -> None:
    """AP-53: one of 600 characters has room on the one page, wrapped and whole; the same data give the same bytes."""
    long = "".join(f"{at}番目の意見。" for at in range(1, 100))[:600]
    data = content(acts=(act("approve", "環境政策室", "担当主査", "髙橋 一郎", long), CONDITIONAL))
    made = await drawn(data, "opinions")
    said = text_of(made)
    assert len(made) == 1
    assert said.index("合議・審査") < said.index("意見欄") < said.index("件名")
    for words in (
        "環境政策室　担当主査　髙橋 一郎　承認",
        "R8.11.20 10:00",
        long,
        "交付は補正予算の議決後とすること。",
    ):
        assert "".join(words.split()) in said, words
    assert await paper.render(TEMPLATE, data, NOW) == await paper.render(TEMPLATE, data, NOW)


async def test_what_the_page_has_no_room_for_follows_whole_on_pages_of_its_own() -> None:
    """AP-53, UI-03: 件名 and 伺い文 keep their page; opinions break over the next ones and none is lost."""
    many = [act("hold", "環境政策室", "室長", "𠮷田 恵美子", f"第{at:02}回。" * 100) for at in range(30)]
    unbroken = act("dissent", "財政経営室", "室長", "辻󠄀 次郎", "".join(f"{at:04}" for at in range(1000)))
    made = await drawn(content(acts=(*many, unbroken)), "opinions-many")
    # Only what stands within the page and above its foot.
    first, *rest = ("".join(page.get_textpage().get_text_bounded(bottom=42).split()) for page in made)
    assert "別紙のとおり（31件）" in first
    assert "伺います" in first
    assert rest[0].startswith("意見欄（別紙）箕市第1号")
    later = "".join(rest).replace("\u200b", "")
    for at in range(30):
        assert later.count(f"第{at:02}回。") == 100
    assert unbroken["comment"] in later


async def test_fonts_are_inside_and_names_come_out_as_written() -> None:
    """PDF/A with embedded fonts; NM-02: 髙 﨑 𠮷 are found in the text, and 葛󠄀 is not drawn as 葛󠄁."""
    made = await drawn(content(), "names")
    said = text_of(made)
    for words in ("髙﨑邦夫", "𠮷田恵美子", "後閲", "至急", "金額332,000円"):
        assert words in said, words
    assert "祇" not in said, "struck through without a name"
    assert pdfium.FPDFCatalog_IsTagged(made.raw)
    for page in made:
        for piece in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_TEXT]):
            assert pdfium.FPDFFont_GetIsEmbedded(pdfium.FPDFTextObj_GetFont(piece.raw)) == 1

    async def picture(name: str) -> bytes:
        page = (await drawn(content((replace(DRAFTER, staff_name=name), CHIEF)), "variant"))[0]
        return bytes(page.render(scale=2).to_pil().tobytes())

    assert await picture("葛󠄀城 拓也") != await picture("葛󠄁城 拓也")


async def test_text_is_never_markup_and_odd_characters_stop_nothing() -> None:
    """A title of `#read(…)` is printed; a character that no font has is 〓, not a refusal for ever."""
    odd = replace(DOCUMENT.content, title='#read("sheet.typ") $x$ 😀', subtitle="邉󠇯様", body="*a* _b_ 𪚥")
    said = text_of(await drawn(content(document=replace(DOCUMENT, content=odd)), "odd"))
    assert '#read("sheet.typ")$x$〓' in said
    assert "邉〔異体字〕様" in said
    assert "*a*_b_〓" in said
