"""例文: texts to begin a 伺い文 with, kept by a person, a unit or the city. Pure. A version never changes.

They hold no personal data: what differs from case to case stands as a word in braces and is filled in at use.
"""

from __future__ import annotations

import datetime as dt
import enum
import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from chassis.errors import FieldViolation, invalid
from chassis.wareki import fiscal_year, format_date, format_fiscal_year
from services.documents.domain import MAX_BODY, Fact, check_version, text_violations

MAX_NAME = 60
PLACEHOLDERS = ("件名", "相手方", "年度", "日付")
_PLACE = re.compile(r"\{([^{}\n]{1,20})\}")


class Scope(enum.StrEnum):
    """Whose template it is."""

    PERSONAL = "personal"
    UNIT = "unit"
    CITY = "city"


@dataclass(frozen=True)
class BodyTemplate:
    """One version of a template."""

    body_template_id: str
    version: int
    scope: Scope
    # Staff id, unit id, or "" for the city.
    owner: str
    name: str
    body: str
    saved_by: str
    saved_at: dt.datetime
    retired: bool = False

    def usable_by(self, staff_id: str, units: Collection[str]) -> bool:
        """One's own, a unit's for those who hold a post in it, the city's for everybody."""
        return (
            self.scope is Scope.CITY
            or (self.scope is Scope.PERSONAL and self.owner == staff_id)
            or (self.scope is Scope.UNIT and self.owner in units)
        )


def checked(template: BodyTemplate) -> BodyTemplate:
    """The template, if it has a name, a text, and no word in braces that nothing fills. INVALID_FIELDS."""
    problems = text_violations((("name", template.name, MAX_NAME, False), ("body", template.body, MAX_BODY, True)))
    if not template.name.strip():
        problems.append(FieldViolation("name", "REQUIRED"))
    if not template.body.strip():
        problems.append(FieldViolation("body", "REQUIRED"))
    if any(word not in PLACEHOLDERS for word in _PLACE.findall(template.body)):
        problems.append(FieldViolation("body", "UNKNOWN_PLACEHOLDER"))
    if problems:
        raise invalid(*problems)
    return template


def next_version(
    old: BodyTemplate, expected: int, *, name: str, body: str, by: str, now: dt.datetime, retired: bool = False
) -> BodyTemplate:
    """The template from now on. STALE_VERSION when the caller saw another version, INVALID_FIELDS."""
    check_version(old.version, expected)
    return checked(replace(old, version=expected + 1, name=name, body=body, saved_by=by, saved_at=now, retired=retired))


def filled(body: str, title: str, counterparty: str, today: dt.date) -> str:
    """The text for a draft; what is not known yet stays in its braces, for the drafter to see."""
    known = {
        "件名": title,
        "相手方": counterparty,
        "年度": format_fiscal_year(fiscal_year(today)),
        "日付": format_date(today),
    }
    return _PLACE.sub(lambda found: known.get(found[1]) or found[0], body)


def changed(template: BodyTemplate) -> Fact:
    """BodyTemplateChanged: whose it is, never its name or text."""
    values = {
        "body_template_id": template.body_template_id,
        "scope": str(template.scope),
        "retired": template.retired,
    }
    action = "body_template.retired" if template.retired else "body_template.saved"
    return Fact("BodyTemplateChanged", action, values, {"scope": str(template.scope)})
