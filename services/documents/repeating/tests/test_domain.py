"""What comes over by 引用起案, and what usually follows: pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from services.documents.domain import Class, Document, Fields, Folder, State
from services.documents.follow_ups.domain import FollowUp, offered
from services.documents.repeating.domain import drafted_in, filed, following, repeated, years_moved
from services.documents.retention import JST

NEXT = FollowUp(
    follow_up_id="N-1",
    class_code="0403-02-01",
    after_kind="draft",
    after_words="交付決定",
    kind="draft",
    title="{年度}浄化槽補助金の額の確定について（通知）",
    next_class_code="0403-02-01",
    body_template_id="",
)


def document() -> Document:
    """Drafted on 31 March 2026: 令和7年度."""
    content = Fields(
        title="令和7年度浄化槽補助金の交付決定について（伺い）",
        subtitle="令和７年度第3次交付分",
        body="令和7年度予算により、下記のとおり交付してよろしいか伺います。",
        folder_id="F-2025-0403-02-01",
        class_code="0403-02-01",
        decision_class="head",
        disclosure=2,
        personal_information=2,
        counterparty="髙﨑 邦夫",
        amount=332_000,
        enforcement_required=True,
        enforcement_planned_on=dt.date(2026, 3, 31),
        enforcement_method="post",
        enforcement_addressee="髙﨑 邦夫",
        receipt_ids=("r-1",),
        urgent=True,
    )
    moment = dt.datetime(2026, 3, 31, 23, 59, tzinfo=JST)
    return Document(
        document_id="d-1",
        version=9,
        state=State.DECIDED,
        revision=1,
        frozen_revision=1,
        content=content,
        unit_id="U-040-03",
        drafter="S0072",
        drafter_post="P-040-03-05",
        created_at=moment,
        updated_at=moment,
    )


@pytest.mark.parametrize(
    ("text", "years", "moved"),
    [
        ("令和7年度補助金について", 1, "令和8年度補助金について"),
        ("令和７年度補助金について", 1, "令和８年度補助金について"),
        ("平成30年度から令和元年度まで", 1, "令和元年度から令和2年度まで"),
        ("平成31年度予算", 1, "令和2年度予算"),
        ("昭和63年度分", 1, "平成元年度分"),
        ("2025年度及び２０２６年度", 1, "2026年度及び２０２７年度"),
        # The settlement of the year before stays one year behind.
        ("令和6年度決算の認定について（令和7年度）", 1, "令和7年度決算の認定について（令和8年度）"),
        ("令和9年度当初予算", -1, "令和8年度当初予算"),
        ("令和7年度", 0, "令和7年度"),
        # No fiscal years: days, calendar years, bare numbers, longer numbers, years that never were.
        (
            "令和7年11月2日付け、令和7年第3回定例会、7年度、12025年度",
            1,
            "令和7年11月2日付け、令和7年第3回定例会、7年度、12025年度",
        ),
        ("平成32年度計画", 1, "平成32年度計画"),
        ("", 1, ""),
    ],
)
def test_fiscal_years_of_a_title_move(text: str, years: int, moved: str) -> None:
    """FL-04: a title names the year it is for, and the old one is of another year."""
    assert years_moved(text, years) == moved


def test_what_comes_over_and_what_does_not() -> None:
    """NB-12: names are protected; FL-06: nothing is typed again."""
    assert drafted_in(document()) == 2025
    assert repeated(document(), 2026, with_counterparty=False) == Fields(
        title="令和8年度浄化槽補助金の交付決定について（伺い）",
        subtitle="令和８年度第3次交付分",
        # The text may cite years that stay what they were; the drafter looks at it.
        body="令和7年度予算により、下記のとおり交付してよろしいか伺います。",
        class_code="0403-02-01",
        decision_class="head",
        disclosure=2,
        personal_information=2,
        enforcement_required=True,
        enforcement_method="post",
    )
    asked = repeated(document(), 2026, with_counterparty=True)
    assert (asked.counterparty, asked.enforcement_addressee) == ("髙﨑 邦夫", "髙﨑 邦夫")


LETTER = """　標記の件について、髙﨑 邦夫（髙﨑　邦夫、髙﨑邦夫）から別添のとおり交付申請がありました。

1　交付決定額　　金332,000円（￥３３２，０００、332000 円）
2　整理番号　　332000、予算残額　1,332,000円
3　送付先　　株式会社大阪設備 代理人"""


def test_the_text_comes_without_the_name_and_the_amount_of_the_old_case() -> None:
    """NB-12, FL-06: next year's applicant is another person, and 例文 had put the old one's name into the text."""
    source = document()
    content = replace(source.content, body=LETTER, enforcement_addressee="株式会社大阪設備　代理人")
    source = replace(source, content=content)
    assert (
        repeated(source, 2026, with_counterparty=False).body
        == """　標記の件について、〔相手方〕（〔相手方〕、〔相手方〕）から別添のとおり交付申請がありました。

1　交付決定額　　金〔金額〕円（￥〔金額〕、〔金額〕 円）
2　整理番号　　332000、予算残額　1,332,000円
3　送付先　　〔宛先〕"""
    )
    asked = repeated(source, 2026, with_counterparty=True).body
    assert "髙﨑 邦夫（髙﨑　邦夫、髙﨑邦夫）" in asked
    assert "〔金額〕円" in asked


@pytest.mark.parametrize("amount", [None, 0, 7])
def test_a_text_without_names_and_amounts_comes_as_it_is(amount: int | None) -> None:
    content = replace(document().content, counterparty="", enforcement_addressee="　", amount=amount)
    source = replace(document(), content=content)
    assert repeated(source, 2026, with_counterparty=False).body == content.body


def test_what_follows_has_the_title_of_the_plan() -> None:
    content = following(repeated(document(), 2026, with_counterparty=False), NEXT, 2026)
    assert (content.title, content.subtitle) == ("令和8年度浄化槽補助金の額の確定について（通知）", "")
    assert (content.disclosure, content.personal_information) == (2, 2)


def test_only_what_fits_the_thing_done_is_offered() -> None:
    assert offered([NEXT], "draft", "令和7年度浄化槽補助金の交付決定について（伺い）") == [NEXT]
    assert offered([NEXT], "draft", "浄化槽補助金の額の確定について（通知）") == []
    assert offered([NEXT], "receipt", "浄化槽補助金の交付決定") == []


def test_a_class_of_another_unit_does_not_come_over() -> None:
    """FL-01: the file plan is of a unit, or of all."""
    content = repeated(document(), 2026, with_counterparty=False)
    class_ = Class(
        class_code="0403-02-01",
        large="環境",
        middle="補助金",
        small="浄化槽",
        unit_id="U-040-03",
        matter="補助金交付",
        retention="5",
        basis="",
        disclosure=2,
        personal_information=2,
        paper_only=False,
    )
    folder = Folder(
        folder_id="F-2026-0403-02-01",
        unit_id="U-040-03",
        fiscal_year=2026,
        class_code="0403-02-01",
        name="令和8年度浄化槽補助金交付申請綴",
        retention="5",
    )
    own = filed(content, "U-040-03", class_, folder)
    assert (own.class_code, own.folder_id) == ("0403-02-01", "F-2026-0403-02-01")
    assert filed(content, "U-040-03", class_, None).folder_id == ""
    other = filed(content, "U-120-02", class_, folder)
    assert (other.class_code, other.folder_id) == ("", "")
