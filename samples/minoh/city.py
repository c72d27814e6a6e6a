"""Reads the sample city's tables and lists into plain rows.

Used by the checker and its tests. Rows keep every character as stored: nothing is
stripped or normalised, because names with variation selectors are part of the sample.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

Row = dict[str, str]

COLUMNS: dict[str, str] = {
    "organisation/units.csv": "unit_id,parent_id,body,name,kana,symbol,sort_order,valid_from,valid_to",
    "organisation/posts.csv": "post_id,unit_id,title,rank,covers,valid_from,valid_to",
    "organisation/staff.csv": "staff_id,name,kana,login,email,valid_from,valid_to",
    "organisation/appointments.csv": "staff_id,post_id,kind,valid_from,valid_to",
    "organisation/absences.csv": "staff_id,from_at,to_at,reason_code",
    "organisation/roles.csv": "staff_id,role,valid_from,valid_to",
    "organisation/substitutes.csv": "post_id,order,substitute_post_id",
    "decision_rules.csv": (
        "rule_id,body,unit_id,matter,amount_min,amount_max,decision_class,concurrence_posts,"
        "concurrence_after,review_posts,valid_from,valid_to,basis"
    ),
    "classes.csv": (
        "class_code,large,middle,small,unit_id,matter,retention,basis,disclosure,"
        "personal_information,paper_only,after_expiry,view_class"
    ),
    "folders.csv": "folder_id,unit_id,fiscal_year,class_code,name",
    "body_templates.csv": "body_template_id,name,body",
    "follow_ups.csv": ("follow_up_id,class_code,after_kind,after_words,kind,title,next_class_code,body_template_id"),
}


@dataclass(frozen=True)
class City:
    """Every table of one sample city, in file order."""

    folder: Path
    units: list[Row]
    posts: list[Row]
    staff: list[Row]
    appointments: list[Row]
    absences: list[Row]
    roles: list[Row]
    substitutes: list[Row]
    decision_rules: list[Row]
    classes: list[Row]
    folders: list[Row]
    body_templates: list[Row]
    follow_ups: list[Row]
    receipts: list[dict[str, Any]]
    documents: list[dict[str, Any]]

    def unit(self, unit_id: str) -> Row | None:
        return next((u for u in self.units if u["unit_id"] == unit_id), None)

    def post(self, post_id: str) -> Row | None:
        return next((p for p in self.posts if p["post_id"] == post_id), None)

    def holder(self, post_id: str, on: date) -> str | None:
        """The staff id that holds the post on a day; None when it is vacant."""
        for row in self.appointments:
            if row["post_id"] == post_id and in_force(row, on):
                return row["staff_id"]
        return None

    def posts_of(self, staff_id: str, on: date) -> list[Row]:
        held = [a["post_id"] for a in self.appointments if a["staff_id"] == staff_id and in_force(a, on)]
        return [p for p in self.posts if p["post_id"] in held]

    def lineage(self, unit_id: str) -> list[str]:
        """The unit and its ancestors, nearest first. A loop in the table ends the walk."""
        line: list[str] = []
        current = unit_id
        while current and current not in line:
            line.append(current)
            row = self.unit(current)
            current = row["parent_id"] if row else ""
        return line


def in_force(row: Row, on: date) -> bool:
    """True when the day lies in [valid_from, valid_to); an empty end is open (AC-05)."""
    return row["valid_from"] <= on.isoformat() and (not row["valid_to"] or on.isoformat() < row["valid_to"])


def read_table(folder: Path, name: str) -> list[Row]:
    """Rows of one CSV. ValueError when the header or the length of a row is wrong."""
    with (folder / name).open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        header = next(reader)
        if header != COLUMNS[name].split(","):
            raise ValueError(f"{name}:1: header is {header}")
        rows: list[Row] = []
        for fields in reader:
            if len(fields) != len(header):
                raise ValueError(f"{name}:{reader.line_num}: {len(fields)} fields instead of {len(header)}")
            rows.append(dict(zip(header, fields, strict=True)))
    return rows


def read_list(folder: Path, name: str) -> list[dict[str, Any]]:
    with (folder / name).open(encoding="utf-8") as file:
        content = yaml.safe_load(file)
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise ValueError(f"{name}: not a list of mappings")
    return content


def read_city(folder: Path) -> City:
    """Everything in the folder. ValueError, with file and line, on a malformed table."""
    tables = {Path(name).stem: read_table(folder, name) for name in COLUMNS}
    return City(
        folder=folder,
        receipts=read_list(folder, "receipts.yaml"),
        documents=read_list(folder, "documents.yaml"),
        **tables,
    )
