"""Loads units, classes and folders from a folder of CSV files: all of it, or nothing with line numbers."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from chassis import clock, outbox
from chassis.db import Connection, Pool, transaction
from services.documents import domain, events, retention
from services.documents.domain import DESIGNATED, UNIT, Class, Folder

T = TypeVar("T")
UNITS = Path("organisation/units.csv")
CLASSES = Path("classes.csv")
FOLDERS = Path("folders.csv")
DISCLOSURES = {"open": 1, "partial": 2, "closed": 3}
PERSONAL = {"none": 1, "personal": 2, "sensitive": 3}
VIEW_CLASSES = {"unit": UNIT, "designated": DESIGNATED}
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
    if problems:
        raise BadFiles(problems)
    digest = hashlib.sha256(b"".join((source / name).read_bytes() for name in (UNITS, CLASSES, FOLDERS)))
    return Plan(units, classes, folders, digest.hexdigest())


async def load(pool: Pool, plan: Plan) -> None:
    """Insert or update everything in one transaction; loading the same again changes nothing and says so in the log."""
    async with transaction(pool) as conn:
        for unit in plan.units:
            await _upsert_unit(conn, unit)
        for class_ in plan.classes:
            await _upsert_class(conn, class_)
        for folder in plan.folders:
            await _upsert_folder(conn, folder)
        fact = domain.file_plan_loaded(len(plan.units), len(plan.classes), len(plan.folders), plan.digest)
        cause = events.Cause(events.own_actor(), clock.now())
        envelopes = events.envelopes(
            [fact], aggregate="file_plan", aggregate_id=clock.new_id(), last_version=1, cause=cause
        )
        await outbox.append(conn, envelopes, events.AUDIT)


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
