"""The report for the council: rendered, read back, fonts inside, no person in it."""

from __future__ import annotations

import datetime as dt
import os
import re
from pathlib import Path
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium
import pytest

from chassis import clock
from services.gateway import paper
from services.gateway.pages import vocabulary
from services.gateway.paper.review_report import report_of

NOW = dt.datetime(2026, 11, 5, 10, 30, 1, 234567, tzinfo=clock.JST)
THRESHOLDS = {
    **{"documents_per_day": 60, "downloads_per_day": 30, "outputs_per_day": 20, "outputs_times_mean": 5},
    **{"opens_at": "08:45", "closes_at": "17:15", "overtime_minutes": 105, "granted_within_minutes": 60},
    **{"denials_per_day": 10, "unused_days": 90, "closed_days": ["12-29"], "staff_file_classes": ["0203"]},
}


def whole(**more: Any) -> dict[str, Any]:
    """A review as the action gives it."""
    counts = {"recorded": 3, "open": 0, "explained": 1, "incident": 1}
    days = [
        {"day": f"2026-10-{day:02}", "accesses": day * 7, "denied": day % 3, "closed": day % 7 in (3, 4)}
        for day in range(1, 32)
    ]
    return {
        "review_id": "R",
        "month": "2026-10",
        "state": "signed",
        "opened_at": "2026-11-01T06:00:00.000+09:00",
        "opened_by": "service:audit",
        "signed_at": "2026-11-04T16:20:00.000+09:00",
        "signed_by": "S0225",
        "findings": 70,
        "open_findings": 0,
        "rules": {"thresholds": THRESHOLDS},
        "rule_counts": [
            {"rule": name, "found": 0 if name == "gap" else 5, **counts} for name in vocabulary.REVIEW_RULES
        ],
        "not_examined": ["unused"],
        "actions": [
            {"action": "document.viewed", "outcome": "granted", "count": 12345},
            {"action": "document.viewed", "outcome": "denied", "count": 67},
            {"action": "session.login", "outcome": "granted", "count": 890},
        ],
        "days": days,
        "coverage": [
            {
                "log_year": 2026,
                "origin": "audit.minoh.example/2026",
                "size": 13302,
                "root": "ab" * 32,
                "checkpoint": "audit.minoh.example/2026\n13302\nq6urq6urq6s=\n\n— audit.minoh.example/2026 Az3grlgtzPICa5OS\n",
            }
        ],
        "completeness": {
            "agreed": [f"2026-10-{day:02}" for day in range(1, 32) if day not in (14, 20)],
            "disagreed": ["2026-10-14"],
            "not_compared": ["2026-10-20"],
            "alarms": [
                {
                    "kind": "source.gap",
                    "service": "documents",
                    "numbers": 12,
                    "since": "2026-10-05T10:02:00.000+09:00",
                    "until": "2026-10-05T10:31:00.000+09:00",
                },
                {
                    "kind": "reconciliation.failed",
                    "service": None,
                    "numbers": 0,
                    "since": "2026-10-14T00:02:00.000+09:00",
                    "until": "2026-10-15T00:02:00.000+09:00",
                },
                {
                    "kind": "source.overdue",
                    "service": "approvals",
                    "numbers": 0,
                    "since": "2026-10-31T23:50:00.000+09:00",
                    "until": None,
                },
            ],
        },
        "outside": {
            "checkpoints": 731,
            "size": 13302,
            "last_at": "2026-10-31T23:00:04.000+09:00",
            "witnesses": [
                {
                    "name": "witness.toyonaka.example",
                    "checkpoints": 40211,
                    "size": 13302,
                    "last_at": "2026-10-31T23:59:58.000+09:00",
                },
                {
                    "name": "witness.osaka-pref.example",
                    "checkpoints": 39870,
                    "size": 13300,
                    "last_at": "2026-10-31T23:40:00.000+09:00",
                },
            ],
            "timestamps": 730,
            "stamped_size": 13290,
            "stamped_at": "2026-10-31T23:00:07.000+09:00",
            "last_check": {
                "at": "2026-11-05T00:05:00.000+09:00",
                "origin": "audit.minoh.example/2026",
                "leaves": 14001,
                "findings": 0,
            },
        },
        "notes": [
            {
                "action": "review.signed",
                "at": "2026-11-04T16:20:00.000+09:00",
                "text": "髙﨑邉の字形も#markupも\nそのまま。",
            },
            {"action": "review.remarked", "at": "2026-11-05T09:00:00.000+09:00", "text": "補足です。"},
        ],
    } | more


@pytest.fixture(scope="module")
async def made() -> bytes:
    return await paper.render("review_report", report_of(whole(), "箕面市", NOW), NOW)


def text_of(made: bytes) -> str:
    pages = pypdfium2.PdfDocument(made)
    return "".join("".join(page.get_textpage().get_text_range().split()) for page in pages)


async def test_it_says_what_the_council_asks(made: bytes) -> None:
    said = text_of(made)
    for words in (
        "監査ログ点検報告書（令和8年10月分）",
        "箕面市",
        "全件記録",
        "70件を指摘しました",
        "67件でした",
        "大量閲覧",
        "1人が1日に60件を超える文書",
        "照合なし",
        "届いていない記録はありません",
        "13,302件まで",
        "令和8年11月4日16時20分に確定しました",
        "髙﨑邉の字形も#markupも",
        "確定後の補足",
        "ab" * 32,
        "30日照合し、29日で一致しました。一致しなかった日は1日です（14日）",
        "照合しなかった日は1日です（20日）",
        "警報は3件で、1件が続いています",
        "閲覧の記録が欠けています 文書 12 R8.10.5 10:02 R8.10.5 10:31 欠けた記録が届いた",
        "次の照合で一致した",
        "連署 witness.toyonaka.example 40,211 13,302 令和8年10月31日23時59分",
        "時刻印 730 13,290",
        "audit.minoh.example/2026の全14,001件を写し及び署名と照合し、食い違いはありませんでした",
    ):
        assert "".join(words.split()) in said, words


async def test_no_person_is_in_it(made: bytes) -> None:
    """Staff numbers are counted, not shown."""
    assert not re.search(r"S\d{4}", text_of(made))


async def test_it_is_a4_with_its_fonts_inside_and_tagged(made: bytes) -> None:
    document = pypdfium2.PdfDocument(made)
    assert {tuple(round(side) for side in page.get_size()) for page in document} == {(595, 842)}
    assert pdfium.FPDFCatalog_IsTagged(document.raw)
    assert b"pdfaid" in made
    pieces = 0
    for page in document:
        for piece in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_TEXT]):
            font = pdfium.FPDFTextObj_GetFont(piece.raw)
            assert pdfium.FPDFFont_GetIsEmbedded(font) == 1
            pieces += 1
    assert pieces
    # Subsets: the two fonts together are over 10 MB.
    assert len(made) < 400_000


async def test_the_same_review_gives_the_same_bytes(made: bytes) -> None:
    assert await paper.render("review_report", report_of(whole(), "箕面市", NOW), NOW) == made


async def test_one_that_is_not_signed_says_so() -> None:
    open_one = whole(state="open", signed_at=None, signed_by=None, notes=[], open_findings=4, days=whole()["days"])
    said = text_of(await paper.render("review_report", report_of(open_one, "箕面市", NOW), NOW))
    assert "まだ確定していません" in said
    assert "未回答は4件" in said


async def test_a_month_without_witness_time_stamp_or_check_says_so() -> None:
    """What nobody outside vouches for is not made to look as if somebody did."""
    alone = {
        **{"checkpoints": 3, "size": 900, "last_at": "2026-10-31T23:00:04.000+09:00", "witnesses": []},
        **{"timestamps": 0, "stamped_size": 0, "stamped_at": None, "last_check": None},
    }
    nothing = {"agreed": [], "disagreed": [], "not_compared": ["2026-10-31"], "alarms": []}
    made = await paper.render(
        "review_report", report_of(whole(outside=alone, completeness=nothing), "箕面市", NOW), NOW
    )
    said = text_of(made)
    for words in (
        "連署した証人はありません",
        "時刻印は受けていません",
        "検査の記録は、この月以後にありません",
        "0日照合し、0日で一致しました",
        "照合しなかった日は1日です（31日）",
        "この月に出た警報はありません",
    ):
        assert words in said, words


async def test_text_is_never_markup() -> None:
    """A remark of `#read("/etc/passwd")` is printed, not run."""
    note = {"action": "review.signed", "at": "2026-11-04T16:20:00.000+09:00", "text": '#read("review_report.typ") $x$'}
    said = text_of(await paper.render("review_report", report_of(whole(notes=[note]), "箕面市", NOW), NOW))
    assert '#read("review_report.typ")$x$' in said


async def test_pages_can_be_looked_at(made: bytes) -> None:
    """Pictures for whoever changes the paper, where KANKETSU_TEST_PICTURES names a folder."""
    document = pypdfium2.PdfDocument(made)
    assert 2 <= len(document) <= 6
    if folder := os.environ.get("KANKETSU_TEST_PICTURES"):
        for number, page in enumerate(document, start=1):
            page.render(scale=1.3).to_pil().save(Path(folder) / f"report-{number}.png")
