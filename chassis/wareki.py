"""Japanese era dates (和暦): formatting, parsing and fiscal years. Pure: "today" is never read here.

Rule UI-07: show 「令和5年4月1日」, accept R5.4.1 / 令和5年4月1日 / 2023/4/1 / 20230401; 元年;
a new era is one more row.
Rule UI-08: a fiscal year runs from 1 April; January to March belong to the previous number.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Final

JST: Final = timezone(timedelta(hours=9), "JST")


@dataclass(frozen=True)
class Era:
    """One era: its name, the letter people type for it, and its first day; it ends the day before the next."""

    name: str
    letter: str
    first_day: date


# Oldest first. A new era is one more row here and nothing else.
ERAS: Final = (
    Era("昭和", "S", date(1926, 12, 25)),
    Era("平成", "H", date(1989, 1, 8)),
    Era("令和", "R", date(2019, 5, 1)),
)

_SEPARATED: Final = re.compile(
    r"(?P<era>昭和|平成|令和|昭|平|令|[SHR])?(?P<year>元|\d{1,4})(?:年|[./-])(?P<month>\d{1,2})(?:月|[./-])(?P<day>\d{1,2})日?",
    re.ASCII,
)
_COMPACT: Final = re.compile(r"(?P<era>[SHR])?(?P<year>\d{2}|\d{4})(?P<month>\d{2})(?P<day>\d{2})", re.ASCII)
_YEAR: Final = re.compile(r"(?P<era>昭和|平成|令和|昭|平|令|[SHR])?(?P<year>元|\d{1,4})(?:年度?)?", re.ASCII)
_DASHES: Final = str.maketrans(dict.fromkeys("‐‑‒–—―−ー・、,。．", "-"))

HOW_TO_WRITE: Final = "「R8.4.1」「令和8年4月1日」「2026/4/1」「20260401」のように入力してください。"


class WarekiError(ValueError):
    """The text is not a date (or year) we understand; the message is Japanese, for the field it came from."""


def era_of(day: date) -> Era | None:
    """The era a day belongs to, or None before 昭和 (such days are shown by the western calendar)."""
    found = None
    for era in ERAS:
        if era.first_day <= day:
            found = era
    return found


def format_date(day: date) -> str:
    """令和5年4月1日; the first year is 元年; days before 昭和 as 1926年1月1日."""
    return f"{_year_label(day)}年{day.month}月{day.day}日"


def format_date_short(day: date) -> str:
    """R5.4.1 for dense tables; R1.5.1 for the first year (tables sort and align better without 元)."""
    era = era_of(day)
    if era is None:
        return f"{day.year}.{day.month}.{day.day}"
    return f"{era.letter}{day.year - era.first_day.year + 1}.{day.month}.{day.day}"


def format_moment(moment: datetime) -> str:
    """令和8年11月23日 14時05分, in Japan's time. The argument must carry an offset."""
    local = _in_japan(moment)
    return f"{format_date(local.date())} {local.hour}時{local.minute:02d}分"


def format_moment_short(moment: datetime) -> str:
    """R8.11.23 14:05, in Japan's time, for dense tables. The argument must carry an offset."""
    local = _in_japan(moment)
    return f"{format_date_short(local.date())} {local.hour:02d}:{local.minute:02d}"


def parse_date(text: str) -> date:
    """Reads one date in any accepted spelling (full-width too). Raises WarekiError with a Japanese sentence.

    A bare one- or two-digit year is refused: 「5.4.1」 may mean 平成 or 令和, and a record must not guess.
    """
    folded = _fold(text)
    if not folded:
        raise WarekiError("日付を入力してください。")
    found = _SEPARATED.fullmatch(folded) or _COMPACT.fullmatch(folded)
    if found is None:
        raise WarekiError(f"日付として読み取れません。{HOW_TO_WRITE}")
    era, year = _era_and_year(found["era"], found["year"])
    return _checked(era, year, int(found["month"]), int(found["day"]))


def parse_date_fields(year: str, month: str, day: str) -> date | None:
    """Reads the three fields 年・月・日 (UI-06). All empty is None.

    A whole date pasted into the first field is accepted. Raises WarekiError naming the field that is missing.
    """
    year, month, day = year.strip(), month.strip(), day.strip()
    if not (year or month or day):
        return None
    if year and not month and not day:
        return parse_date(year)
    for label, value in (("年", year), ("月", month), ("日", day)):
        if not value:
            raise WarekiError(f"{label}を入力してください。")
    found = _YEAR.fullmatch(_fold(year))
    if found is None:
        raise WarekiError("年は「令和8」「R8」「2026」のように入力してください。")
    era, western_or_era_year = _era_and_year(found["era"], found["year"])
    return _checked(era, western_or_era_year, _number(month, "月"), _number(day, "日"))


def fiscal_year(day: date) -> int:
    """The fiscal year (年度, 1 April to 31 March) a day belongs to, as the western year of its April."""
    return day.year if day.month >= 4 else day.year - 1


def format_fiscal_year(year: int) -> str:
    """令和8年度. The name follows the era of that December, so 2019 is 令和元年度."""
    return f"{_year_label(date(year, 12, 31))}年度"


def parse_fiscal_year(text: str) -> int:
    """Reads 令和8年度, R8, 2026年度, 2026; 平成31年度 is the same year as 令和元年度. Raises WarekiError."""
    found = _YEAR.fullmatch(_fold(text))
    if found is None:
        raise WarekiError("年度は「令和8年度」「R8」「2026」のように入力してください。")
    era, year = _era_and_year(found["era"], found["year"])
    if era is None:
        return year
    western = era.first_day.year + year - 1
    last = _last_day(era)
    if year < 1 or (last is not None and date(western, 4, 1) > last):
        raise WarekiError(f"{era.name}{year}年度はありません。")
    return western


def _year_label(day: date) -> str:
    era = era_of(day)
    if era is None:
        return str(day.year)
    number = day.year - era.first_day.year + 1
    return f"{era.name}{'元' if number == 1 else number}"


def _in_japan(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment without an offset cannot be shown")
    return moment.astimezone(JST)


def _fold(text: str) -> str:
    # NFKC also opens the one-character eras (㋿ becomes 令和); this is a search key, never what is stored.
    folded = unicodedata.normalize("NFKC", text).translate(_DASHES)
    return "".join(folded.split()).upper()


def _era_and_year(era_text: str | None, year_text: str) -> tuple[Era | None, int]:
    number = 1 if year_text == "元" else int(year_text)
    if era_text:
        for era in ERAS:
            if era_text in (era.letter, era.name, era.name[0]):
                return era, number
    if year_text == "元":
        raise WarekiError("元年の前に年号（令和、平成など）を付けてください。")
    if len(year_text) != 4:
        raise WarekiError("年号（令和、平成など）を付けるか、西暦4桁で入力してください。")
    return None, number


def _last_day(era: Era) -> date | None:
    for following in ERAS[ERAS.index(era) + 1 :]:
        return following.first_day - timedelta(days=1)
    return None


def _checked(era: Era | None, year: int, month: int, day: int) -> date:
    western = year if era is None else era.first_day.year + year - 1
    written = f"{year}年{month}月{day}日" if era is None else f"{era.name}{year}年{month}月{day}日"
    try:
        found = date(western, month, day)
    except ValueError:
        raise WarekiError(f"{written}という日はありません。") from None
    if era is None:
        return found
    last = _last_day(era)
    if year < 1 or found < era.first_day:
        first = f"{era.first_day.month}月{era.first_day.day}日"
        raise WarekiError(f"{era.name}は元年{first}に始まりました。年月日を確かめてください。")
    if last is not None and found > last:
        raise WarekiError(f"{era.name}は{format_date(last)[2:]}までです。{format_date(found)}ではありませんか。")
    return found


def _number(text: str, label: str) -> int:
    folded = _fold(text).removesuffix(label)
    if not re.fullmatch(r"[0-9]{1,2}", folded):
        raise WarekiError(f"{label}は数字で入力してください。")
    return int(folded)
