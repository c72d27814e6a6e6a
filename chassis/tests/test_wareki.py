"""和暦 in and out: the spellings of UI-07, era boundaries, fiscal years, and a round trip over the table."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import wareki

ERA_DAYS = st.dates(min_value=wareki.ERAS[0].first_day, max_value=date(2117, 12, 31))


@pytest.mark.parametrize(
    "text",
    [
        *("R5.4.1", "r5/4/1", "Ｒ５．４．１", "R05.04.01", "R050401", "R5・4・1", "令5.4.1", "㋿5年4月1日"),
        *("令和5年4月1日", "令和５年４月１日", " 令和 5 年 4 月 1 日 "),
        *("2023/4/1", "2023-04-01", "2023年4月1日", "20230401"),
    ],
)
def test_every_usual_spelling_is_the_same_day(text: str) -> None:
    assert wareki.parse_date(text) == date(2023, 4, 1)


@pytest.mark.parametrize(
    ("day", "long", "short"),
    [
        (date(1926, 12, 25), "昭和元年12月25日", "S1.12.25"),
        (date(1989, 1, 7), "昭和64年1月7日", "S64.1.7"),
        (date(1989, 1, 8), "平成元年1月8日", "H1.1.8"),
        (date(2019, 4, 30), "平成31年4月30日", "H31.4.30"),
        (date(2019, 5, 1), "令和元年5月1日", "R1.5.1"),
        (date(2026, 11, 23), "令和8年11月23日", "R8.11.23"),
        (date(1912, 3, 4), "1912年3月4日", "1912.3.4"),
    ],
)
def test_era_boundaries(day: date, long: str, short: str) -> None:
    assert wareki.format_date(day) == long
    assert wareki.format_date_short(day) == short
    assert wareki.parse_date(long) == day


@given(ERA_DAYS)
def test_whatever_is_shown_can_be_typed_back(day: date) -> None:
    spellings = (wareki.format_date(day), wareki.format_date_short(day), day.isoformat(), f"{day:%Y%m%d}")
    for text in spellings:
        assert wareki.parse_date(text) == day


@given(ERA_DAYS)
def test_three_fields_round_trip(day: date) -> None:
    assert wareki.parse_date_fields(str(day.year), f"{day.month}月", str(day.day)) == day
    era_year = wareki.format_date(day).split("年")[0]
    assert wareki.parse_date_fields(era_year, str(day.month), str(day.day)) == day


@given(st.text(max_size=20))
def test_any_text_is_a_day_or_a_japanese_sentence(text: str) -> None:
    message = ""
    try:
        wareki.parse_date(text)
    except wareki.WarekiError as refused:
        message = str(refused)
    assert not message or message.endswith("。")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "日付を入力"),
        ("きのう", "読み取れません"),
        ("5.4.1", "年号"),
        ("元年5月1日", "年号"),
        ("令和8年2月29日", "という日はありません"),
        ("平成31年5月1日", "令和元年5月1日ではありませんか"),
        ("令和元年4月30日", "始まりました"),
        ("2023/13/1", "という日はありません"),
        ("令和0年5月1日", "始まりました"),
    ],
)
def test_refusals_say_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(wareki.WarekiError, match=words):
        wareki.parse_date(text)


def test_three_fields_name_the_missing_one() -> None:
    assert wareki.parse_date_fields("", " ", "") is None
    assert wareki.parse_date_fields("R8.4.1", "", "") == date(2026, 4, 1)
    with pytest.raises(wareki.WarekiError, match="月を入力"):
        wareki.parse_date_fields("令和8", "", "1")
    with pytest.raises(wareki.WarekiError, match="日は数字"):
        wareki.parse_date_fields("令和8", "4", "ついたち")
    with pytest.raises(wareki.WarekiError, match="年号"):
        wareki.parse_date_fields("8", "4", "1")


@pytest.mark.parametrize(
    ("day", "year", "label"),
    [
        (date(2020, 2, 29), 2019, "令和元年度"),
        (date(2019, 4, 15), 2019, "令和元年度"),
        (date(2023, 3, 31), 2022, "令和4年度"),
        (date(2023, 4, 1), 2023, "令和5年度"),
        (date(1989, 3, 31), 1988, "昭和63年度"),
        (date(1989, 4, 1), 1989, "平成元年度"),
    ],
)
def test_fiscal_years(day: date, year: int, label: str) -> None:
    assert wareki.fiscal_year(day) == year
    assert wareki.format_fiscal_year(year) == label
    assert wareki.parse_fiscal_year(label) == year


def test_fiscal_year_aliases() -> None:
    assert {wareki.parse_fiscal_year(text) for text in ("平成31年度", "R1", "2019", "令和元年度")} == {2019}
    with pytest.raises(wareki.WarekiError):
        wareki.parse_fiscal_year("平成32年度")


def test_moments_are_shown_in_japan() -> None:
    moment = datetime(2026, 3, 31, 15, 5, tzinfo=UTC)
    assert wareki.format_moment(moment) == "令和8年4月1日 0時05分"
    assert wareki.format_moment_short(moment) == "R8.4.1 00:05"
    with pytest.raises(ValueError, match="offset"):
        wareki.format_moment(moment.replace(tzinfo=None))
