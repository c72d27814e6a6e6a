"""Loads units and the file plan from a folder of CSV files: all of it, or nothing with line numbers."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from chassis import clock, outbox
from chassis.db import Connection, Pool, transaction
from chassis.errors import DomainError
from services.documents import domain, events, retention, textrules
from services.documents.bodies import domain as bodies
from services.documents.bodies import store as body_store
from services.documents.bodies.domain import BodyTemplate, Scope
from services.documents.domain import Class, Folder
from services.documents.follow_ups import domain as follow_ups
from services.documents.follow_ups import store as follow_up_store
from services.documents.follow_ups.domain import FollowUp
from services.documents.view_classes import ViewClass

T = TypeVar("T")
UNITS = Path("organisation/units.csv")
CLASSES = Path("classes.csv")
FOLDERS = Path("folders.csv")
# A city need not have these two.
BODY_TEMPLATES = Path("body_templates.csv")
FOLLOW_UPS = Path("follow_ups.csv")
DISCLOSURES = {"open": 1, "partial": 2, "closed": 3}
PERSONAL = {"none": 1, "personal": 2, "sensitive": 3}
VIEW_CLASSES = {one.name.lower(): int(one) for one in ViewClass}
AFTER_EXPIRY = frozenset({"dispose", "transfer"})


class BadFiles(Exception):
    """What is wrong, one line each: `file:line: problem`."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Unit:
    """What numbering needs to know."""

    unit_id: str
    parent_id: str
    symbol: str


@dataclass(frozen=True)
class Plan:
    """The files, checked."""

    units: list[Unit]
    classes: list[Class]
    folders: list[Folder]
    # 例文 of the city, and what usually follows; None where there is no file.
    body_templates: list[BodyTemplate] | None
    follow_ups: list[FollowUp] | None
    # hex sha256 over the files' bytes.
    digest: str


def read(source: Path) -> Plan:
    """Read and check the files of a folder; BadFiles lists every problem of all of them."""
    problems: list[str] = []
    units = _rows(source / UNITS, ("unit_id", "parent_id", "symbol"), "unit_id", _unit, problems)
    known = {unit.unit_id for unit in units}
    for unit in units:
        if unit.parent_id and unit.parent_id not in known:
            problems.append(f"{UNITS}: {unit.unit_id}: unknown parent {unit.parent_id}")

    def class_(row: Mapping[str, str]) -> Class:
        return _class(row, known)

    columns = "class_code large middle small unit_id matter retention basis disclosure personal_information paper_only after_expiry view_class"
    classes = _rows(source / CLASSES, tuple(columns.split()), "class_code", class_, problems)
    by_code = {c.class_code: c for c in classes}

    def folder(row: Mapping[str, str]) -> Folder:
        return _folder(row, known, by_code)

    columns = "folder_id unit_id fiscal_year class_code name"
    folders = _rows(source / FOLDERS, tuple(columns.split()), "folder_id", folder, problems)
    templates: list[BodyTemplate] | None = None
    if (source / BODY_TEMPLATES).exists():
        names = ("body_template_id", "name", "body")
        templates = _rows(source / BODY_TEMPLATES, names, "body_template_id", _body_template, problems)
    known_templates = {one.body_template_id for one in templates or ()}

    def follow_up(row: Mapping[str, str]) -> FollowUp:
        return _follow_up(row, by_code, known_templates)

    follow_ups: list[FollowUp] | None = None
    if (source / FOLLOW_UPS).exists():
        columns = "follow_up_id class_code after_kind after_words kind title next_class_code body_template_id"
        follow_ups = _rows(source / FOLLOW_UPS, tuple(columns.split()), "follow_up_id", follow_up, problems)
    if problems:
        raise BadFiles(problems)
    there = [source / name for name in (UNITS, CLASSES, FOLDERS, BODY_TEMPLATES, FOLLOW_UPS)]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in there if path.exists()))
    return Plan(units, classes, folders, templates, follow_ups, digest.hexdigest())


async def load(pool: Pool, plan: Plan, *, edited_follow_ups_too: bool = False) -> list[str]:
    """Insert or update everything in one transaction; loading the same again changes nothing and says so in the log.

    What the records office edited of 次にすること stays unless `edited_follow_ups_too`: the codes of those classes.
    """
    kept: list[str] = []
    async with transaction(pool) as conn:
        for unit in plan.units:
            await _upsert_unit(conn, unit)
        for class_ in plan.classes:
            await _upsert_class(conn, class_)
        for folder in plan.folders:
            await _upsert_folder(conn, folder)
        for template in plan.body_templates or ():
            await _keep_body_template(conn, template)
        if plan.follow_ups is not None:
            kept = await follow_up_store.load(conn, plan.follow_ups, edited_too=edited_follow_ups_too)
        fact = domain.file_plan_loaded(len(plan.units), len(plan.classes), len(plan.folders), plan.digest)
        cause = events.Cause(events.own_actor(), clock.now())
        envelopes = events.envelopes(
            [fact], aggregate="file_plan", aggregate_id=clock.new_id(), last_version=1, cause=cause
        )
        await outbox.append(conn, envelopes, events.AUDIT)
    return kept


def _rows(
    path: Path, columns: tuple[str, ...], key: str, parse: Callable[[Mapping[str, str]], T], problems: list[str]
) -> list[T]:
    name = f"{path.parent.name}/{path.name}"
    found: list[T] = []
    seen: dict[str, int] = {}
    try:
        for line, row in _lines(path, columns):
            try:
                if row[key] in seen:
                    raise ValueError(f"{key} {row[key]!r} is already in line {seen[row[key]]}")
                seen[row[key]] = line
                found.append(parse(row))
            except ValueError as error:
                problems.append(f"{name}:{line}: {error}")
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        problems.append(f"{name}: {error}")
    return found


def _lines(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, Mapping[str, str]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"columns are missing: {', '.join(missing)}")
        for row in reader:
            if None in row or None in row.values():
                yield reader.line_num, _Short(row)
            else:
                yield reader.line_num, row


class _Short(dict[str, str]):
    """A row with too few or too many cells."""

    def __missing__(self, key: str) -> str:
        raise ValueError("the number of cells is not that of the heading")

    def __getitem__(self, key: str) -> str:
        raise ValueError("the number of cells is not that of the heading")


def _unit(row: Mapping[str, str]) -> Unit:
    return Unit(_needed(row, "unit_id"), row["parent_id"], _needed(row, "symbol"))


def _class(row: Mapping[str, str], units: set[str]) -> Class:
    if row["unit_id"] and row["unit_id"] not in units:
        raise ValueError(f"unknown unit {row['unit_id']!r}")
    if not retention.is_retention(row["retention"]):
        raise ValueError(f"retention {row['retention']!r}: years, perpetual, perpetual_use or under_1")
    if row["paper_only"] not in ("true", "false"):
        raise ValueError(f"paper_only {row['paper_only']!r}: true or false")
    if row["after_expiry"] not in AFTER_EXPIRY:
        raise ValueError(f"after_expiry {row['after_expiry']!r}: {', '.join(sorted(AFTER_EXPIRY))}")
    return Class(
        class_code=_needed(row, "class_code"),
        large=_needed(row, "large"),
        middle=_needed(row, "middle"),
        small=_needed(row, "small"),
        unit_id=row["unit_id"],
        matter=_needed(row, "matter"),
        retention=row["retention"],
        basis=row["basis"],
        disclosure=_one_of(row, "disclosure", DISCLOSURES),
        personal_information=_one_of(row, "personal_information", PERSONAL),
        paper_only=row["paper_only"] == "true",
        after_expiry=row["after_expiry"],
        view_class=_one_of(row, "view_class", VIEW_CLASSES),
    )


def _folder(row: Mapping[str, str], units: set[str], classes: Mapping[str, Class]) -> Folder:
    if row["unit_id"] not in units:
        raise ValueError(f"unknown unit {row['unit_id']!r}")
    if row["class_code"] not in classes:
        raise ValueError(f"unknown class {row['class_code']!r}")
    class_ = classes[row["class_code"]]
    if class_.unit_id not in ("", row["unit_id"]):
        raise ValueError(f"class {class_.class_code} belongs to {class_.unit_id}")
    if not (row["fiscal_year"].isdigit() and 1900 <= int(row["fiscal_year"]) <= 2200):
        raise ValueError(f"fiscal_year {row['fiscal_year']!r}: a year")
    return Folder(
        folder_id=_needed(row, "folder_id"),
        unit_id=row["unit_id"],
        fiscal_year=int(row["fiscal_year"]),
        class_code=class_.class_code,
        name=_needed(row, "name"),
        retention=class_.retention,
    )


def _body_template(row: Mapping[str, str]) -> BodyTemplate:
    if not textrules.is_uuid(row["body_template_id"]):
        raise ValueError(f"body_template_id {row['body_template_id']!r}: a UUID")
    template = BodyTemplate(
        row["body_template_id"], 1, Scope.CITY, "", row["name"], row["body"], events.own_actor().staff_id, clock.now()
    )
    try:
        return bodies.checked(template)
    except DomainError as error:
        raise ValueError(", ".join(f"{one.field}: {one.problem}" for one in error.fields)) from None


def _follow_up(row: Mapping[str, str], classes: Mapping[str, Class], templates: set[str]) -> FollowUp:
    line = FollowUp(
        follow_up_id=_needed(row, "follow_up_id"),
        class_code=row["class_code"],
        after_kind=row["after_kind"],
        after_words=row["after_words"],
        kind=row["kind"],
        title=row["title"],
        next_class_code=row["next_class_code"],
        body_template_id=row["body_template_id"],
    )
    if found := follow_ups.problems(line, classes, templates):
        raise ValueError(", ".join(f"{one.field} {row[one.field]!r}: {one.problem}" for one in found))
    return line


def _needed(row: Mapping[str, str], name: str) -> str:
    if not row[name].strip():
        raise ValueError(f"{name} is empty")
    return row[name]


def _one_of(row: Mapping[str, str], name: str, words: Mapping[str, int]) -> int:
    if row[name] not in words:
        raise ValueError(f"{name} {row[name]!r}: {', '.join(words)}")
    return words[row[name]]


async def _upsert_unit(conn: Connection, unit: Unit) -> None:
    await conn.execute(
        "INSERT INTO units (unit_id, parent_id, symbol) VALUES (%s, %s, %s)"
        " ON CONFLICT (unit_id) DO UPDATE SET parent_id = excluded.parent_id, symbol = excluded.symbol",
        (unit.unit_id, unit.parent_id, unit.symbol),
    )


async def _upsert_class(conn: Connection, class_: Class) -> None:
    await conn.execute(
        "INSERT INTO classes (class_code, large, middle, small, unit_id, matter, retention, basis, disclosure,"
        " personal_information, paper_only, after_expiry, view_class)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (class_code) DO UPDATE SET large = excluded.large, middle = excluded.middle, small = excluded.small,"
        " unit_id = excluded.unit_id, matter = excluded.matter, retention = excluded.retention, basis = excluded.basis,"
        " disclosure = excluded.disclosure, personal_information = excluded.personal_information,"
        " paper_only = excluded.paper_only, after_expiry = excluded.after_expiry, view_class = excluded.view_class",
        (
            class_.class_code,
            class_.large,
            class_.middle,
            class_.small,
            class_.unit_id,
            class_.matter,
            class_.retention,
            class_.basis,
            class_.disclosure,
            class_.personal_information,
            class_.paper_only,
            class_.after_expiry,
            class_.view_class,
        ),
    )


async def _upsert_folder(conn: Connection, folder: Folder) -> None:
    """A folder that is there keeps its retention: what is filed in it was filed under that (FL-03, RT-07)."""
    await conn.execute(
        "INSERT INTO folders (folder_id, unit_id, fiscal_year, class_code, name, retention) VALUES (%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (folder_id) DO UPDATE SET name = excluded.name",
        (folder.folder_id, folder.unit_id, folder.fiscal_year, folder.class_code, folder.name, folder.retention),
    )


async def _keep_body_template(conn: Connection, template: BodyTemplate) -> None:
    """The next version where its name or text is another one; what is the same already gets none."""
    await body_store.lock(conn, template.body_template_id)
    newest = await body_store.newest_of(conn, template.body_template_id)
    if newest is None or (newest.name, newest.body, newest.retired) != (template.name, template.body, False):
        version = newest.version + 1 if newest is not None else 1
        await body_store.insert(conn, replace(template, version=version))
