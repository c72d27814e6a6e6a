"""A 専決規程 as a table: the CSV that the records office edits, and the rules in it. Pure.

The same columns as a city's decision_rules.csv without body and days: those belong to the version.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.approvals.organisation.domain import DECISION_CLASSES, LINE
from services.approvals.routes.domain import AS_LISTED, BEFORE_LINE, IN_UNIT_ORDER, Rule
from services.approvals.rules.domain import MAX_RULES

# Forms of a route; a file of before does not have them.
FORMS = ("concurrence_need", "concurrence_order", "provisional")
COLUMNS = (
    "rule_id",
    "unit_id",
    "matter",
    "amount_min",
    "amount_max",
    "decision_class",
    "concurrence_posts",
    "concurrence_after",
    "review_posts",
    "basis",
    *FORMS,
)
_REQUIRED = ("rule_id", "matter", "decision_class", "basis")
_LISTS = ("concurrence_posts", "review_posts")
_AMOUNTS = ("amount_min", "amount_max")
# One answer of the 合議 is enough; another number says how many, and empty all of it (AP-08).
ANY = "any"
YES = "yes"
ORDERS = ("", IN_UNIT_ORDER, AS_LISTED)
PLACES = (BEFORE_LINE, *LINE)
MAX_CELL = 1_000
# Thirteen digits, as everywhere.
MAX_AMOUNT = 9_999_999_999_999


@dataclass(frozen=True)
class Flaw:
    """A cell that cannot be read: line of the file, column ("" for the line), and what is wrong (a word)."""

    line: int
    column: str
    problem: str


def parse(text: str, body: str) -> tuple[list[Rule], list[Flaw]]:
    """The rules of a body, or everything that is wrong with the file; a byte order mark is no flaw."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    rules: list[Rule] = []
    flaws: list[Flaw] = []
    seen: set[str] = set()
    try:
        header = tuple(next(reader, ()))
        if header not in (COLUMNS, COLUMNS[: -len(FORMS)]):
            return [], [Flaw(1, "", "WRONG_HEADER")]
        for cells in reader:
            line = reader.line_num
            if len(rules) >= MAX_RULES:
                return [], [Flaw(line, "", "TOO_MANY")]
            if len(cells) != len(header):
                flaws.append(Flaw(line, "", "WRONG_CELLS"))
                continue
            values = dict.fromkeys(COLUMNS, "") | dict(zip(header, cells, strict=True))
            wrong = [Flaw(line, column, problem) for column, problem in _flaws(values)]
            if values["rule_id"] in seen:
                wrong.append(Flaw(line, "rule_id", "TWICE"))
            seen.add(values["rule_id"])
            flaws += wrong
            if not wrong:
                rules.append(rule_of(values, body))
    except csv.Error:
        flaws.append(Flaw(reader.line_num, "", "MALFORMED"))
    if not rules and not flaws:
        flaws.append(Flaw(1, "", "REQUIRED"))
    return ([], flaws) if flaws else (rules, [])


def rule_of(values: Mapping[str, str], body: str) -> Rule:
    """A line whose cells are good."""
    low, high = (int(values[column]) if values[column] else None for column in _AMOUNTS)
    concurring, reviewing = (tuple(part for part in values[column].split(";") if part) for column in _LISTS)
    return Rule(
        values["rule_id"],
        body,
        values["unit_id"],
        values["matter"],
        low,
        high,
        values["decision_class"],
        concurring,
        values["concurrence_after"],
        reviewing,
        values["basis"],
        1 if values["concurrence_need"] == ANY else int(values["concurrence_need"] or 0),
        values["concurrence_order"],
        values["provisional"] == YES,
    )


def written(rules: Sequence[Rule]) -> str:
    """The rules as the file that gives them back."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for rule in rules:
        cells = {column: getattr(rule, column) for column in COLUMNS}
        cells |= {column: ";".join(cells[column]) for column in _LISTS}
        cells["concurrence_need"] = {0: "", 1: ANY}.get(rule.concurrence_need, rule.concurrence_need)
        cells["provisional"] = YES if rule.provisional else ""
        writer.writerow(["" if cells[column] is None else cells[column] for column in COLUMNS])
    return text.getvalue()


def is_need(text: str) -> bool:
    """Whether a cell says how many have to answer."""
    return text in ("", ANY) or (text.isascii() and text.isdigit() and len(text) <= 2)


def _flaws(values: Mapping[str, str]) -> list[tuple[str, str]]:
    """What is wrong with a line by itself: (column, problem)."""
    found = [(column, "REQUIRED") for column in _REQUIRED if not values[column].strip()]
    found += [(column, "TOO_LONG") for column, value in values.items() if len(value) > MAX_CELL]
    found += [(column, "CONTROL_CHARACTER") for column, value in values.items() if not value.isprintable()]
    choices = (
        ("decision_class", DECISION_CLASSES),
        ("concurrence_after", PLACES),
        ("concurrence_order", ORDERS),
        ("provisional", (YES,)),
    )
    for column, allowed in choices:
        if values[column] and values[column] not in allowed:
            found.append((column, "UNKNOWN"))
    if not is_need(values["concurrence_need"]):
        found.append(("concurrence_need", "OUT_OF_RANGE"))
    for column in _AMOUNTS:
        value = values[column]
        if value and not (value.isascii() and value.isdigit() and int(value[:20]) <= MAX_AMOUNT):
            found.append((column, "OUT_OF_RANGE"))
    if not found:
        low, high = values["amount_min"], values["amount_max"]
        if low and high and int(high) < int(low):
            found.append(("amount_max", "NOT_AFTER_FROM"))
        if values["concurrence_posts"] and not values["concurrence_after"]:
            found.append(("concurrence_after", "REQUIRED"))
    return found
