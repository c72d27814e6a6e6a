"""次にすること (FL-06): what the file plan says usually follows a receipt or a decided document of a class. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace

from chassis.errors import FieldViolation, invalid
from chassis.wareki import format_fiscal_year
from services.documents.domain import MAX_TITLE, Fact, check_version, text_violations

KINDS = frozenset({"receipt", "draft"})
MAX_FOLLOW_UPS = 20
# As long as 「{年度}」 ever becomes.
LONGEST_YEAR = "令和18年度"


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """A line of the file plan: after a thing of this class and with these words, that one usually comes."""

    follow_up_id: str
    class_code: str
    # "receipt" or "draft": what was done, and words of its title, "" for any.
    after_kind: str
    after_words: str
    # "receipt" or "draft": what comes next.
    kind: str
    # 「{年度}」 stands for the fiscal year of the day.
    title: str
    next_class_code: str
    # "" for none.
    body_template_id: str

    def titled(self, year: int) -> str:
        """Its title in this fiscal year."""
        return self.titled_as(format_fiscal_year(year))

    def titled_as(self, year: str) -> str:
        """Its title with these words for the fiscal year."""
        return self.title.replace("{年度}", year)


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpList:
    """What usually follows in one class, in the order in which it is offered."""

    class_code: str
    version: int
    follow_ups: tuple[FollowUp, ...]
    # Of the records office; "" and None while it is as the files of the plan have it.
    edited_by: str
    edited_at: dt.datetime | None


def offered(plan: Iterable[FollowUp], kind: str, title: str) -> list[FollowUp]:
    """What usually follows a "receipt" or "draft" of this title, of the lines of its class."""
    return [one for one in plan if one.after_kind == kind and one.after_words in title]


def problems(line: FollowUp, classes: Container[str], templates: Container[str]) -> list[FieldViolation]:
    """What is wrong with a line, whether it comes from a file or from a page; `templates` are the city's 例文."""
    found = text_violations(
        (("title", line.titled_as(LONGEST_YEAR), MAX_TITLE, False), ("after_words", line.after_words, MAX_TITLE, False))
    )
    if not line.title.strip():
        found.append(FieldViolation("title", "REQUIRED"))
    found += [
        FieldViolation(name, "UNKNOWN" if given else "REQUIRED")
        for name, given, known in (
            ("class_code", line.class_code, classes),
            ("next_class_code", line.next_class_code, classes),
            ("after_kind", line.after_kind, KINDS),
            ("kind", line.kind, KINDS),
        )
        if given not in known
    ]
    if line.after_kind == line.kind == "receipt":
        # What arrives is drafted upon; no page offers to wait for a second thing.
        found.append(FieldViolation("kind", "MISMATCH"))
    if line.body_template_id and line.body_template_id not in templates:
        found.append(FieldViolation("body_template_id", "UNKNOWN"))
    return found


def edited(
    before: FollowUpList,
    expected: int,
    wanted: Sequence[FollowUp],
    *,
    classes: Container[str],
    templates: Container[str],
    new_id: Callable[[], str],
    by: str,
    now: dt.datetime,
) -> FollowUpList:
    """The list from now on. STALE_VERSION when the caller saw another one; INVALID_FIELDS names lines by their place.

    A line without id is a new one. One that stays as it was is not checked again: what it names may be gone, and that
    must not hold up the others.
    """
    check_version(before.version, expected)
    if len(wanted) > MAX_FOLLOW_UPS:
        raise invalid(FieldViolation("follow_ups", "TOO_MANY"))
    known = {one.follow_up_id for one in before.follow_ups}
    found: list[FieldViolation] = []
    seen: set[str] = set()
    for place, line in enumerate(wanted):
        wrong = [] if line in before.follow_ups else problems(line, classes, templates)
        if line.follow_up_id and line.follow_up_id not in known:
            wrong.append(FieldViolation("follow_up_id", "UNKNOWN"))
        if line.follow_up_id in seen:
            wrong.append(FieldViolation("follow_up_id", "TWICE"))
        seen |= {line.follow_up_id} - {""}
        found += [FieldViolation(f"follow_ups.{place}.{one.field}", one.problem) for one in wrong]
    if found:
        raise invalid(*found)
    lines = tuple(one if one.follow_up_id else replace(one, follow_up_id=new_id()) for one in wanted)
    return replace(before, version=before.version + 1, follow_ups=lines, edited_by=by, edited_at=now)


def changed(made: FollowUpList) -> Fact:
    """FollowUpsChanged: of which class and which lines, never what they say."""
    values = {"class_code": made.class_code, "follow_up_ids": [one.follow_up_id for one in made.follow_ups]}
    return Fact("FollowUpsChanged", "follow_ups.saved", values, {"follow_ups": str(len(made.follow_ups))})
