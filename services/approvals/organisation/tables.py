"""A city's CSV files, read and checked: every problem is found and named by file and line.

Pure after reading. Nothing is stripped or normalised: names with variation selectors are kept as written.
"""

from __future__ import annotations

import csv
import datetime as dt
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.approvals.changes.domain import UnitRow
from services.approvals.organisation.domain import (
    BODIES,
    DECISION_CLASSES,
    IN_PLACE,
    RANKS,
    ROLES,
    AbsenceReason,
    AppointmentKind,
    Holder,
    Seat,
)
from services.approvals.routes.domain import Rule
from services.approvals.rules.checks import Organisation, check
from services.approvals.rules.table import FORMS, ORDERS, PLACES, YES, is_need, rule_of
from services.approvals.vendors.domain import PREFIX as VENDOR

COLUMNS = {
    "organisation/units.csv": "unit_id,parent_id,body,name,kana,symbol,sort_order,valid_from,valid_to",
    "organisation/posts.csv": "post_id,unit_id,title,rank,covers,valid_from,valid_to",
    "organisation/staff.csv": "staff_id,name,kana,login,email,valid_from,valid_to",
    "organisation/appointments.csv": "staff_id,post_id,kind,valid_from,valid_to",
    "organisation/absences.csv": "staff_id,from_at,to_at,reason_code",
    "organisation/roles.csv": "staff_id,role,valid_from,valid_to",
    "organisation/substitutes.csv": "post_id,order,substitute_post_id,matter",
    "decision_rules.csv": (
        "rule_id,body,unit_id,matter,amount_min,amount_max,decision_class,concurrence_posts,concurrence_after,"
        "review_posts,valid_from,valid_to,basis,concurrence_need,concurrence_order,provisional"
    ),
}
# What may be empty; everything else is required.
_OPTIONAL = frozenset(
    {
        "parent_id",
        "covers",
        "valid_to",
        "amount_min",
        "amount_max",
        "concurrence_posts",
        "concurrence_after",
        "review_posts",
        *FORMS,
    }
)
# Empty in these files only: for the whole body, and for all matters without a list of their own (AP-13).
_WHOLE = frozenset({("decision_rules", "unit_id"), ("substitutes", "matter")})
# What a file of before does not have.
_ADDED = {"decision_rules.csv": FORMS, "organisation/substitutes.csv": ("matter",)}
FOREVER = dt.date.max


@dataclass(frozen=True)
class Row:
    """One line of a file."""

    file: str
    line: int
    values: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.values[column]

    def many(self, column: str) -> list[str]:
        """A cell with several ids, separated by ";"."""
        return [part for part in self.values[column].split(";") if part]

    @property
    def begins(self) -> dt.date:
        """First day."""
        return dt.date.fromisoformat(self.values["valid_from"])

    @property
    def ends(self) -> dt.date:
        """The day after the last, FOREVER when open."""
        return dt.date.fromisoformat(self.values["valid_to"]) if self.values["valid_to"] else FOREVER


@dataclass
class City:
    """The files of a city, with what is wrong with them. Loaded only when `problems` is empty."""

    tables: dict[str, list[Row]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def __getitem__(self, name: str) -> list[Row]:
        """Rows of e.g. "units"."""
        return self.tables.get(name, [])

    def wrong(self, row: Row, problem: str) -> None:
        """Note a problem of a line."""
        self.problems.append(f"{row.file}:{row.line}: {problem}")


def read(folder: Path, today: dt.date) -> City:
    """Read and check everything in the folder."""
    city = City()
    for name, header in COLUMNS.items():
        city.tables[Path(name).stem] = list(_rows(city, folder, name, header.split(",")))
    if not city.problems:
        _check_shapes(city)
    # Rows that refer to each other are only worth checking when each makes sense by itself.
    if not city.problems:
        _check_references(city)
        _check_overlaps(city)
    if not city.problems:
        _check_rules(city, today)
    return city


def _rows(city: City, folder: Path, name: str, header: list[str]) -> Iterator[Row]:
    try:
        text = (folder / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        city.problems.append(f"{name}: cannot be read: {error}")
        return
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    given: list[str] = []
    try:
        for number, cells in enumerate(reader):
            if number == 0:
                if cells not in (header, [column for column in header if column not in _ADDED.get(name, ())]):
                    city.problems.append(f"{name}:1: the header must be {','.join(header)}")
                    return
                given = cells
            elif len(cells) != len(given):
                city.problems.append(f"{name}:{reader.line_num}: {len(cells)} cells instead of {len(given)}")
            else:
                yield Row(name, reader.line_num, dict.fromkeys(header, "") | dict(zip(given, cells, strict=True)))
    except csv.Error as error:
        city.problems.append(f"{name}:{reader.line_num}: {error}")


def _check_shapes(city: City) -> None:
    """Each cell by itself."""
    choices: dict[str, Sequence[str]] = {
        "body": BODIES,
        "rank": RANKS,
        "kind": [kind.value for kind in AppointmentKind],
        "role": ROLES,
        "reason_code": [reason.value for reason in AbsenceReason],
        "decision_class": DECISION_CLASSES,
        "concurrence_after": PLACES,
        "concurrence_order": ORDERS,
        "provisional": (YES,),
    }
    numbers = ("sort_order", "order", "amount_min", "amount_max")
    for name, rows in city.tables.items():
        for row in rows:
            for column, value in row.values.items():
                if not value:
                    if column not in _OPTIONAL and (name, column) not in _WHOLE:
                        city.wrong(row, f"{column} is empty")
                elif column in choices and value not in choices[column]:
                    city.wrong(row, f"{column}: {value} is none of {', '.join(filter(None, choices[column]))}")
                elif column in ("staff_id", "post_id", "unit_id") and value.startswith(("service:", VENDOR)):
                    # Who had such an id would pass for a service, whom no review of the log looks at, or a vendor (AC-09).
                    city.wrong(row, f"{column}: {value} is the name of a service or a vendor")
                elif column in numbers and not (value.isascii() and value.isdigit()):
                    city.wrong(row, f"{column}: {value} is not a number")
                elif column == "concurrence_need" and not is_need(value):
                    city.wrong(row, f"{column}: {value} is neither any nor a number")
                elif column in ("valid_from", "valid_to") and not _parses(dt.date.fromisoformat, value):
                    city.wrong(row, f"{column}: {value} is not a date (YYYY-MM-DD)")
                elif column in ("from_at", "to_at") and not _is_moment(value):
                    city.wrong(row, f"{column}: {value} is not a time with an offset")
    if city.problems:
        return
    for name, rows in city.tables.items():
        for row in rows:
            if name == "absences":
                if dt.datetime.fromisoformat(row["to_at"]) <= dt.datetime.fromisoformat(row["from_at"]):
                    city.wrong(row, "to_at is not after from_at")
            elif name != "substitutes" and row.ends <= row.begins:
                city.wrong(row, "valid_to is not after valid_from")
            bounded = name == "decision_rules" and row["amount_min"] and row["amount_max"]
            if bounded and int(row["amount_max"]) < int(row["amount_min"]):
                city.wrong(row, "amount_max is below amount_min")
            if name == "substitutes" and int(row["order"]) < 1:
                city.wrong(row, "order begins with 1")


def _check_references(city: City) -> None:
    """Ids that other files define."""
    known = {
        "unit": {row["unit_id"] for row in city["units"]},
        "post": {row["post_id"] for row in city["posts"]},
        "staff member": {row["staff_id"] for row in city["staff"]},
    }

    def need(row: Row, kind: str, ids: Iterable[str]) -> None:
        for unknown in [value for value in ids if value and value not in known[kind]]:
            city.wrong(row, f"unknown {kind} {unknown}")

    for row in city["units"]:
        need(row, "unit", [row["parent_id"]])
    for row in city["posts"]:
        need(row, "unit", [row["unit_id"], *row.many("covers")])
    for row in city["appointments"]:
        need(row, "staff member", [row["staff_id"]])
        need(row, "post", [row["post_id"]])
    for name in ("absences", "roles"):
        for row in city[name]:
            need(row, "staff member", [row["staff_id"]])
    for row in city["substitutes"]:
        need(row, "post", [row["post_id"], row["substitute_post_id"]])
        if row["post_id"] == row["substitute_post_id"]:
            city.wrong(row, "a post cannot be its own substitute")
    for row in city["decision_rules"]:
        need(row, "unit", [row["unit_id"]])
        need(row, "post", row.many("concurrence_posts") + row.many("review_posts"))
        if row.many("concurrence_posts") and not row["concurrence_after"]:
            city.wrong(row, "concurrence_after is empty although posts concur")
    _check_loops(city)


def _check_loops(city: City) -> None:
    parents = {row["unit_id"]: row["parent_id"] for row in city["units"]}
    for row in city["units"]:
        seen = [row["unit_id"]]
        while parents.get(seen[-1]):
            if parents[seen[-1]] in seen:
                city.wrong(row, f"unit {row['unit_id']} is below itself")
                break
            seen.append(parents[seen[-1]])


def _check_overlaps(city: City) -> None:
    """Spans of the same thing do not overlap, and an appointment lies within person and post."""
    ranks = {row["post_id"]: row["rank"] for row in city["posts"]}

    def distinct(rows: Iterable[Row], key: Callable[[Row], tuple[str, ...]], what: str) -> None:
        groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        for row in rows:
            groups[key(row)].append(row)
        for group in groups.values():
            ordered = sorted(group, key=lambda row: row.begins)
            for earlier, later in itertools.pairwise(ordered):
                if later.begins < earlier.ends:
                    city.wrong(later, f"{what} overlaps line {earlier.line}")

    distinct(city["units"], lambda row: (row["unit_id"],), "the unit")
    distinct(city["posts"], lambda row: (row["post_id"],), "the post")
    distinct(city["staff"], lambda row: (row["staff_id"],), "the staff member")
    distinct(city["staff"], lambda row: (row["login"],), "the login")
    distinct(city["roles"], lambda row: (row["staff_id"], row["role"]), "the role")
    distinct(city["decision_rules"], lambda row: (row["rule_id"],), "the rule")
    distinct(city["appointments"], lambda row: (row["staff_id"], row["post_id"]), "the appointment")
    mains = [row for row in city["appointments"] if row["kind"] == AppointmentKind.MAIN]
    distinct(mains, lambda row: (row["staff_id"],), "the main appointment of this person")
    single = [
        row
        for row in city["appointments"]
        if row["kind"] not in IN_PLACE and ranks.get(row["post_id"], "member") != "member"
    ]
    distinct(single, lambda row: (row["post_id"],), "the appointment to this post")

    for table, column in (("posts", "post_id"), ("staff", "staff_id")):
        spans: dict[str, list[Row]] = defaultdict(list)
        for row in city[table]:
            spans[row[column]].append(row)
        for row in city["appointments"]:
            owners = spans[row[column]]
            # An unknown one is named already.
            if owners and (row.begins < min(o.begins for o in owners) or row.ends > max(o.ends for o in owners)):
                city.wrong(row, f"the appointment is longer than {row[column]} is valid")

    seen: dict[tuple[str, ...], Row] = {}
    for row in city["substitutes"]:
        for last in ("order", "substitute_post_id"):
            key = (row["post_id"], row["matter"], last, row[last])
            if key in seen:
                city.wrong(row, f"the substitute repeats line {seen[key].line}")
            seen[key] = row
    by_person: dict[str, list[Row]] = defaultdict(list)
    for row in city["absences"]:
        by_person[row["staff_id"]].append(row)
    for rows in by_person.values():
        ordered = sorted(rows, key=lambda row: dt.datetime.fromisoformat(row["from_at"]))
        for earlier, later in itertools.pairwise(ordered):
            if dt.datetime.fromisoformat(later["from_at"]) < dt.datetime.fromisoformat(earlier["to_at"]):
                city.wrong(later, f"the absence overlaps line {earlier.line}")


def versions(city: City) -> dict[tuple[str, dt.date], list[Rule]]:
    """The whole 専決規程 of each body from every day on which something of it begins or ends."""
    rows = city["decision_rules"]
    days = {(row["body"], day) for row in rows for day in (row.begins, row.ends) if day != FOREVER}
    return {
        (body, day): [rule_of(row.values, body) for row in rows if row["body"] == body and row.begins <= day < row.ends]
        for body, day in sorted(days)
    }


def _check_rules(city: City, today: dt.date) -> None:
    """What holds today or begins later passes the check that a version has to pass (AP-01, AP-02)."""
    rows = {row["rule_id"]: row for row in city["decision_rules"]}
    made = versions(city)
    for body in sorted({body for body, _ in made}):
        days = [day for known, day in made if known == body]
        current = max((day for day in days if day <= today), default=today)
        for day in [day for day in days if day >= current]:
            for finding in check(made[body, day], _organisation(city, max(day, today))):
                if finding.blocking:
                    city.wrong(rows[finding.rule_ids[-1]], finding.text)


def _organisation(city: City, day: dt.date) -> Organisation:
    def valid(table: str) -> list[Row]:
        return [row for row in city[table] if row.begins <= day < row.ends]

    names = {row["unit_id"]: row["name"] for row in valid("units")}
    holders: dict[str, list[Holder]] = defaultdict(list)
    for row in valid("appointments"):
        holders[row["post_id"]].append(Holder(row["staff_id"], row["staff_id"], AppointmentKind(row["kind"])))
    units = [
        UnitRow(
            row["unit_id"],
            row["parent_id"],
            row["body"],
            row["name"],
            row["kana"],
            row["symbol"],
            int(row["sort_order"]),
        )
        for row in sorted(valid("units"), key=lambda row: (int(row["sort_order"]), row["unit_id"]))
    ]
    seats = [
        Seat(
            row["post_id"],
            row["title"],
            row["rank"],
            row["unit_id"],
            names.get(row["unit_id"], ""),
            tuple(row.many("covers")),
            tuple(holders[row["post_id"]]),
        )
        for row in valid("posts")
    ]
    return Organisation(tuple(units), tuple(seats))


def _parses(parse: Callable[[str], object], value: str) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return True


def _is_moment(value: str) -> bool:
    return _parses(dt.datetime.fromisoformat, value) and dt.datetime.fromisoformat(value).tzinfo is not None
