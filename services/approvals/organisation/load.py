"""`load <folder>`: a city's organisation and decision rules, all or nothing, as often as one likes.

Rows are known by their id and first day: a known one is corrected, a new one added, none deleted. Decision rules
become versions: one of a body from every day on which something of its 専決規程 changes.
Absences are only added, for people end their own; substitutes have no days in the file, so a
changed list begins today and the old one ends.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from chassis import clock, db
from chassis.db import Connection, Pool
from services.approvals.cases.envelopes import ITSELF, cause_of
from services.approvals.organisation import commands, store, tables
from services.approvals.organisation.tables import City, Row
from services.approvals.rules.commands import load_versions

# Table → key columns, then the columns a later load may correct; with their types.
_TABLES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "units": (
        {"unit_id": "text", "valid_from": "date"},
        {
            "parent_id": "text",
            "body": "text",
            "name": "text",
            "kana": "text",
            "symbol": "text",
            "sort_order": "integer",
            "valid_to": "date",
        },
    ),
    "posts": (
        {"post_id": "text", "valid_from": "date"},
        {"unit_id": "text", "title": "text", "rank": "text", "covers": "text[]", "valid_to": "date"},
    ),
    "staff": (
        {"staff_id": "text", "valid_from": "date"},
        {"name": "text", "kana": "text", "login": "text", "email": "text", "valid_to": "date"},
    ),
    "appointments": (
        {"staff_id": "text", "post_id": "text", "valid_from": "date"},
        {"kind": "text", "valid_to": "date"},
    ),
    "roles": ({"staff_id": "text", "role": "text", "valid_from": "date"}, {"valid_to": "date"}),
}
_LISTS = frozenset({"covers"})


class Refused(Exception):
    """The files are not loaded: what is wrong, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


async def load(pool: Pool, folder: Path) -> dict[str, int]:
    """Load the folder in one transaction; returns how many rows of each table were added or corrected.

    Refused with every problem of the files, or when rows contradict what was loaded before.
    """
    now = clock.now()
    city = tables.read(folder, now.date())
    if city.problems:
        raise Refused(city.problems)
    try:
        async with db.transaction(pool) as conn:
            changed = {name: await _upsert(conn, name, city[name]) for name in _TABLES}
            changed["decision_rules"] = await load_versions(conn, tables.versions(city), cause_of(ITSELF), now)
            changed["substitutes"] = await _substitutes(conn, city["substitutes"], now.date())
            changed["absences"] = await _absences(conn, city["absences"], now)
            if any(changed.values()):
                await _announce(conn, city)
    except psycopg.errors.ExclusionViolation as error:
        about = error.diag
        raise Refused([f"{about.table_name}: contradicts what is loaded: {about.message_detail}"]) from error
    return changed


async def _upsert(conn: Connection, name: str, rows: Sequence[Row]) -> int:
    """Add and correct the rows, earliest first, so that a span ends before the next begins."""
    key, rest = _TABLES[name]
    columns = key | rest
    update = sql.SQL(
        "INSERT INTO {table} AS t ({columns}) SELECT {columns} FROM jsonb_to_recordset(%s) AS n ({typed})"
        " ORDER BY valid_from ON CONFLICT ({key}) DO UPDATE SET {updates} WHERE ({old}) IS DISTINCT FROM ({new})"
    ).format(
        table=sql.Identifier(name),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        typed=sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(c), sql.SQL(t)) for c, t in columns.items()),
        key=sql.SQL(", ").join(map(sql.Identifier, key)),
        updates=sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(c)) for c in rest),
        old=sql.SQL(", ").join(sql.Identifier("t", c) for c in rest),
        new=sql.SQL(", ").join(sql.Identifier("excluded", c) for c in rest),
    )
    cursor = await conn.execute(update, (Jsonb([_json(row, columns) for row in rows]),))
    return cursor.rowcount


def _json(row: Row, columns: dict[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for column in columns:
        text = row[column]
        if column in _LISTS:
            values[column] = row.many(column)
        elif column == "valid_to" and not text:
            values[column] = "infinity"
        else:
            values[column] = text
    return values


async def _substitutes(conn: Connection, rows: Sequence[Row], today: dt.date) -> int:
    wished = Jsonb(
        [
            {"p": row["post_id"], "m": row["matter"], "o": int(row["order"]), "s": row["substitute_post_id"]}
            for row in rows
        ]
    )
    ended = await conn.execute(
        "UPDATE substitutes AS t SET valid_to = %(today)s WHERE t.valid_to = 'infinity' AND NOT EXISTS ("
        " SELECT 1 FROM jsonb_to_recordset(%(rows)s) AS n (p text, m text, o smallint, s text)"
        " WHERE n.p = t.post_id AND n.m = t.matter AND n.o = t.place AND n.s = t.substitute_post_id)",
        {"today": today, "rows": wished},
    )
    begun = await conn.execute(
        "INSERT INTO substitutes (post_id, matter, place, substitute_post_id, valid_from)"
        " SELECT n.p, n.m, n.o, n.s, %(today)s FROM jsonb_to_recordset(%(rows)s)"
        "  AS n (p text, m text, o smallint, s text)"
        " WHERE NOT EXISTS (SELECT 1 FROM substitutes AS t"
        "  WHERE t.post_id = n.p AND t.matter = n.m AND t.place = n.o"
        "  AND t.substitute_post_id = n.s AND t.valid_to = 'infinity')"
        # Changed twice on one day: today's row is the one that counts.
        " ON CONFLICT (post_id, matter, place, valid_from) DO UPDATE"
        " SET substitute_post_id = excluded.substitute_post_id, valid_to = 'infinity'",
        {"today": today, "rows": wished},
    )
    return ended.rowcount + begun.rowcount


async def _absences(conn: Connection, rows: Sequence[Row], now: dt.datetime) -> int:
    wished = [
        {"id": clock.new_id(), "s": row["staff_id"], "f": row["from_at"], "t": row["to_at"], "r": row["reason_code"]}
        for row in rows
    ]
    cursor = await conn.execute(
        "INSERT INTO absences (absence_id, staff_id, from_at, to_at, reason_code, registered_by, registered_at)"
        " SELECT n.id, n.s, n.f, n.t, n.r, %(by)s, %(now)s"
        " FROM jsonb_to_recordset(%(rows)s) AS n (id uuid, s text, f timestamptz, t timestamptz, r text)"
        " WHERE NOT EXISTS (SELECT 1 FROM absences AS t WHERE t.staff_id = n.s"
        "  AND (t.from_at = n.f OR tstzrange(t.from_at, t.to_at) && tstzrange(n.f, n.t)))",
        {"by": ITSELF.staff_id, "now": now, "rows": Jsonb(wished)},
    )
    return cursor.rowcount


async def _announce(conn: Connection, city: City) -> None:
    staff = sorted({row["staff_id"] for row in city["staff"]})
    version = await store.next_directory_version(conn)
    await commands.announce(conn, "directory.loaded", staff, version, cause_of(ITSELF))
