"""Jinja environment of the pages: filters for dates and sizes, words of vocabulary.py, asset addresses.

Undefined names raise: a page that asks for a field its route did not give is a bug, not an empty cell.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from chassis import clock, wareki
from services.gateway.pages import vocabulary

HERE: Final = Path(__file__).resolve().parent.parent
NOTHING: Final = "―"


@functools.cache
def environment() -> Environment:
    """The environment all pages share; autoescape on, templates compiled once."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "day": _day,
        "day_full": _day_full,
        "last_day": _last_day,
        "day_short": _day_short,
        "moment": _moment,
        "moment_short": _moment_short,
        "moment_exact": _moment_exact,
        "fiscal": wareki.format_fiscal_year,
        "size": _size,
        "or_dash": _or_dash,
        "word": _word,
        "yen": _yen,
        "surname": _surname,
    }
    made.globals |= {
        "vocabulary": vocabulary,
        "asset": _Assets(HERE / "static"),
        "new_request_key": clock.new_id,
        "notice_words": json.dumps({kind: word for kind, (word, _) in vocabulary.NOTICE_KINDS.items()}),
    }
    return made


class _Assets:
    """Addresses of static files with a digest of their content, so that browsers may keep them for a year."""

    def __init__(self, folder: Path) -> None:
        self._digests = {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:12]
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    def __call__(self, name: str) -> str:
        return f"/static/{name}?v={self._digests[name]}"


def _to_date(value: str | date | None) -> date | None:
    if not value:
        return None
    if isinstance(value, datetime):
        return value.astimezone(wareki.JST).date()
    if isinstance(value, date):
        return value
    if len(value) > 10:
        return datetime.fromisoformat(value).astimezone(wareki.JST).date()
    return date.fromisoformat(value)


def _to_moment(value: str | datetime | None) -> datetime | None:
    if not value:
        return None
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def _day(value: str | date | None) -> str:
    found = _to_date(value)
    return NOTHING if found is None else wareki.format_date(found)


def _day_full(value: str | date | None) -> str:
    """令和5年4月1日（2023-04-01）, never broken inside the western date."""
    found = _to_date(value)
    if found is None:
        return NOTHING
    return Markup('{}<wbr><span class="nowrap">（{}）</span>').format(wareki.format_date(found), found.isoformat())


def _last_day(value: str | date | None) -> str:
    """The day before: the last one of a span that ends [from, to)."""
    found = _to_date(value)
    return NOTHING if found is None else wareki.format_date(found - timedelta(days=1))


def _day_short(value: str | date | None) -> str:
    found = _to_date(value)
    return NOTHING if found is None else wareki.format_date_short(found)


def _moment(value: str | datetime | None) -> str:
    found = _to_moment(value)
    return NOTHING if found is None else wareki.format_moment(found)


def _moment_short(value: str | datetime | None) -> str:
    found = _to_moment(value)
    return NOTHING if found is None else wareki.format_moment_short(found)


def _moment_exact(value: str | datetime | None) -> str:
    found = _to_moment(value)
    return NOTHING if found is None else f"{wareki.format_moment_short(found)}:{found.second:02d}"


def _size(octets: int) -> str:
    """12 バイト, 3.4 KB, 5.6 MB, 100 MB: units of 1024, as the file manager of the terminals shows them."""
    if octets < 1024:
        return f"{octets} バイト"
    number, unit = (octets / 1024, "KB") if octets < 1024 * 1024 else (octets / 1024 / 1024, "MB")
    return f"{number:.1f} {unit}" if number < 100 else f"{number:.0f} {unit}"


def _or_dash(value: object) -> object:
    return NOTHING if value is None or value == "" else value


def _yen(amount: int | None) -> str:
    return NOTHING if amount is None else f"{amount:,}円"


def _word(name: str | None, words: Mapping[str, str]) -> str:
    """The Japanese word for a machine name; an unknown one is shown as it is, never hidden."""
    return NOTHING if not name else words.get(name, name)


def _surname(full_name: str) -> str:
    """What a seal shows: the part before the space. Never cut by length: names carry variation selectors (NM-02)."""
    return full_name.replace("\u3000", " ").split(" ")[0]
