"""A form as a page shows it: what the person typed, and what is wrong with it.

A refused form is shown again with every character the person typed; nothing is cut or corrected
silently (UI-06).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from chassis import wareki


def end_of(day: str) -> str:
    """The first moment after an ISO day in Japan: an `until` is exclusive, and so no record of the day is left out."""
    return f"{date.fromisoformat(day) + timedelta(days=1)}T00:00:00+09:00"


@dataclass
class Form:
    """Values by field name as typed; Japanese messages by field name, "" for the whole form.

    request_key is the idempotency key to send again after an answer that never came; None draws a new one.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    request_key: str | None = None
    # Every (name, value) in the order sent, for names that may come more than once.
    items: Sequence[tuple[str, str]] = ()

    def all_of(self, name: str) -> list[str]:
        """Every value sent under this name."""
        return [value for sent, value in self.items if sent == name]

    def text(self, name: str) -> str:
        """What was typed, without surrounding space; line ends as \\n (browsers send CRLF)."""
        return self.values.get(name, "").replace("\r\n", "\n").strip()

    def lines(self, name: str) -> str:
        """A longer text as it was typed: a first line may begin with a full-width space. Line ends as \\n."""
        return self.values.get(name, "").replace("\r\n", "\n").rstrip()

    def required(self, name: str, message: str) -> str:
        """text(), noting the message when it is empty."""
        value = self.text(name)
        if not value:
            self.errors.setdefault(name, message)
        return value

    def day(self, name: str, missing: str | None = None) -> str:
        """ISO date of the three fields name_year, name_month, name_day.

        "" when all are empty, which is an error if `missing` (its message) is given.
        """
        parts = (self.values.get(f"{name}_{part}", "") for part in ("year", "month", "day"))
        try:
            found = wareki.parse_date_fields(*parts)
        except wareki.WarekiError as refused:
            self.errors.setdefault(name, str(refused))
            return ""
        if found is None and missing:
            self.errors.setdefault(name, missing)
        return "" if found is None else found.isoformat()

    def number(self, name: str, wrong: str) -> int | None:
        """A whole number, full-width digits and thousands separators too; None when empty or noted as wrong."""
        text = unicodedata.normalize("NFKC", self.text(name)).replace(",", "").removesuffix("円")
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) <= 15):
            self.errors.setdefault(name, wrong)
            return None
        return int(text)

    def filter_day(self, name: str) -> str:
        """ISO date of one text field of a filter; "" when empty."""
        value = self.text(name)
        if not value:
            return ""
        try:
            return wareki.parse_date(value).isoformat()
        except wareki.WarekiError as refused:
            self.errors.setdefault(name, str(refused))
            return ""


def version_of(form: Form, name: str = "version") -> int:
    """The version the form was made for; 0, which is nobody's, when it was tampered with."""
    return version_in(form.text(name))


def version_in(text: str) -> int:
    """A version as a page wrote it; 0 for anything else, and for what no message could carry."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


def day_values(name: str, day: date | None) -> dict[str, str]:
    """The three field values that show a day: 令和8, 11, 23."""
    if day is None:
        return {}
    era_year = wareki.format_date(day).split("年")[0]
    return {f"{name}_year": era_year, f"{name}_month": str(day.month), f"{name}_day": str(day.day)}
