"""The sample staff as the provider needs them: who there is today, in which unit, with which post.

Read from the city's CSV files (`staff`, `appointments`, `posts`, `units`, `roles`, `absences`).
Pure after reading: the day is an argument.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

Row = Mapping[str, str]

# Persons worth trying first, with the reason: by post, or the first holder of a role.
SUGGESTED_POSTS = (
    ("P-040-03-05", "申請を受け付けて起案する担当者", "the clerk who receives and drafts"),
    ("P-040-03-03", "最初に回議を受ける人", "first on the route"),
    ("P-040-03-02", "回議を受ける人（不在なら後閲）", "second on the route (absent: reads afterwards)"),
    ("P-040-03-01", "決裁する人", "the one who decides"),
)
SUGGESTED_ROLES = (
    ("records_officer", "文書管理の担当者", "records office"),
    ("audit_officer", "監査の担当者", "reads the log"),
)
# Somebody of another body, who must see nothing of it.
SUGGESTED_OUTSIDER = ("boatrace", "関係のない部局の職員（何も見えない）", "another body: sees nothing of it")


@dataclass(frozen=True)
class HeldPost:
    """A post held today. `kind` is main, concurrent (兼務), joint (併任), deputizing (職務代理) or acting (事務取扱)."""

    title: str
    unit_id: str
    unit_name: str
    kind: str


@dataclass(frozen=True)
class Person:
    """Somebody who can log in; `login` is the OIDC subject."""

    staff_id: str
    login: str
    name: str
    kana: str
    posts: tuple[HeldPost, ...]
    absent: bool = False

    @property
    def main_post(self) -> HeldPost:
        """The main post, or the first one."""
        return next((post for post in self.posts if post.kind == "main"), self.posts[0])

    @property
    def other_posts(self) -> tuple[HeldPost, ...]:
        """Posts held beside it."""
        return tuple(post for post in self.posts if post is not self.main_post)


@dataclass(frozen=True)
class Suggestion:
    """Somebody to try first."""

    person: Person
    why_ja: str
    why_en: str


@dataclass(frozen=True)
class Unit:
    """A unit and those whose main post is in it."""

    name: str
    people: tuple[Person, ...]


@dataclass(frozen=True)
class Department:
    """A department (部局) and its units."""

    name: str
    units: tuple[Unit, ...]

    @property
    def size(self) -> int:
        """How many people."""
        return sum(len(unit.people) for unit in self.units)


@dataclass(frozen=True)
class Directory:
    """All who can log in today."""

    departments: tuple[Department, ...]
    by_login: Mapping[str, Person]
    suggestions: tuple[Suggestion, ...]


def read(folder: Path, now: datetime) -> Directory:
    """The directory of a moment. A missing file is an error; persons without a post today cannot log in."""
    today = now.date()
    units = {row["unit_id"]: row for row in _rows(folder, "units", today)}
    posts = {row["post_id"]: row for row in _rows(folder, "posts", today)}
    absent = {
        row["staff_id"]
        for row in _rows(folder, "absences", None)
        if datetime.fromisoformat(row["from_at"]) <= now < datetime.fromisoformat(row["to_at"])
    }
    held: dict[str, list[HeldPost]] = {}
    holders: dict[str, str] = {}
    for row in _rows(folder, "appointments", today):
        post = posts.get(row["post_id"])
        if post is None:
            continue
        unit_id = post["unit_id"]
        held.setdefault(row["staff_id"], []).append(
            HeldPost(post["title"], unit_id, _full_name(units, unit_id), row["kind"])
        )
        holders.setdefault(row["post_id"], row["staff_id"])
    people = {
        row["staff_id"]: Person(
            staff_id=row["staff_id"],
            login=row["login"],
            name=row["name"],
            kana=row["kana"],
            posts=tuple(held[row["staff_id"]]),
            absent=row["staff_id"] in absent,
        )
        for row in _rows(folder, "staff", today)
        if row["staff_id"] in held
    }
    roles = {row["role"]: row["staff_id"] for row in reversed(_rows(folder, "roles", today))}
    return Directory(
        departments=_departments(units, list(people.values())),
        by_login={person.login: person for person in people.values()},
        suggestions=_suggestions(people, holders, roles, units),
    )


def _rows(folder: Path, name: str, today: date | None) -> list[Row]:
    """The rows of a table; with a day, only those in force then (valid_to is the first day after)."""
    with (folder / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        rows: list[Row] = list(csv.DictReader(file))
    if today is None:
        return rows
    return [row for row in rows if _in_force(row, today)]


def _in_force(row: Row, today: date) -> bool:
    begin, end = row.get("valid_from"), row.get("valid_to")
    return (not begin or date.fromisoformat(begin) <= today) and (not end or today < date.fromisoformat(end))


def _lineage(units: Mapping[str, Row], unit_id: str) -> list[str]:
    """From the top to the unit, without the city itself unless the unit is the city."""
    line = [unit_id]
    while units[line[0]]["parent_id"] in units and len(line) < len(units):
        line.insert(0, units[line[0]]["parent_id"])
    # The mayor's side has one top, the city; the other bodies (教育委員会, 消防 …) are tops of their own.
    return line[1:] if len(line) > 1 and units[line[0]]["body"] == "mayor" else line


def _full_name(units: Mapping[str, Row], unit_id: str) -> str:
    return " ".join(units[unit]["name"] for unit in _lineage(units, unit_id))


def _departments(units: Mapping[str, Row], people: Sequence[Person]) -> tuple[Department, ...]:
    by_unit: dict[str, list[Person]] = {}
    for person in people:
        by_unit.setdefault(person.main_post.unit_id, []).append(person)
    departments: dict[str, list[Unit]] = {}
    for unit_id, row in sorted(units.items(), key=lambda item: int(item[1]["sort_order"])):
        if unit_id in by_unit:
            departments.setdefault(_lineage(units, unit_id)[0], []).append(Unit(row["name"], tuple(by_unit[unit_id])))
    return tuple(Department(units[top]["name"], tuple(members)) for top, members in departments.items())


def _suggestions(
    people: Mapping[str, Person], holders: Mapping[str, str], roles: Mapping[str, str], units: Mapping[str, Row]
) -> tuple[Suggestion, ...]:
    found = [(holders.get(post, ""), ja, en) for post, ja, en in SUGGESTED_POSTS]
    found += [(roles.get(role, ""), ja, en) for role, ja, en in SUGGESTED_ROLES]
    body, ja, en = SUGGESTED_OUTSIDER
    outsiders = [person.staff_id for person in people.values() if units[person.main_post.unit_id]["body"] == body]
    found.append((outsiders[-1] if outsiders else "", ja, en))
    return tuple(Suggestion(people[staff], ja, en) for staff, ja, en in found if staff in people)
