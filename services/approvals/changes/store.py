# ruff: noqa: S608 - statements are put together from constants of this module
"""All SQL about planned changes: the sets, the organisation of a day as values, and the rows written at midnight."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.types.json import Jsonb

from chassis.db import Connection
from services.approvals.changes.domain import (
    AppointmentRow,
    Change,
    ChangeKind,
    Finding,
    Organisation,
    PostRow,
    RoleRow,
    StaffRow,
    SubstituteRow,
    Turnover,
    UnitRow,
)
from services.approvals.changes.planned import ChangeSet, SetState

_COLUMNS = (
    "change_set_id::text, title, effective_on, state, changes, author, drafted_at, reviewed_by, reviewed_at,"
    " closed_by, closed_at, reason, findings, version, late_reason"
)
# Of changes that are written at once: one at a time. One database is one municipality.
_LOCK = 0x5C1D


async def lock(conn: Connection) -> None:
    """Wait for the others who change the organisation of today; until the commit."""
    await conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))


async def insert(conn: Connection, planned: ChangeSet) -> None:
    """A new draft."""
    await conn.execute(
        "INSERT INTO change_sets"
        " (change_set_id, title, effective_on, state, changes, author, drafted_at, version, late_reason)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            planned.change_set_id,
            planned.title,
            planned.effective_on,
            planned.state,
            Jsonb([_written(change) for change in planned.changes]),
            planned.author,
            planned.drafted_at,
            planned.version,
            planned.late_reason,
        ),
    )


async def save(conn: Connection, planned: ChangeSet) -> None:
    """Where its life has come to; what is planned never changes."""
    await conn.execute(
        "UPDATE change_sets SET state = %s, reviewed_by = %s, reviewed_at = %s, closed_by = %s, closed_at = %s,"
        " reason = %s, findings = %s, version = %s WHERE change_set_id = %s",
        (
            planned.state,
            planned.reviewed_by,
            planned.reviewed_at,
            planned.closed_by,
            planned.closed_at,
            planned.reason,
            Jsonb([dataclasses.asdict(finding) for finding in planned.findings]),
            planned.version,
            planned.change_set_id,
        ),
    )


async def find(conn: Connection, change_set_id: str, *, lock: bool = False) -> ChangeSet | None:
    """One set, locked until the commit if asked for."""
    cursor = await conn.execute(
        f"SELECT {_COLUMNS} FROM change_sets WHERE change_set_id = %s" + (" FOR UPDATE" if lock else ""),
        (change_set_id,),
    )
    row = await cursor.fetchone()
    return None if row is None else _change_set(row)


async def list_sets(conn: Connection, limit: int) -> list[ChangeSet]:
    """The latest days first."""
    cursor = await conn.execute(
        f"SELECT {_COLUMNS} FROM change_sets ORDER BY effective_on DESC, drafted_at DESC LIMIT %s", (limit,)
    )
    return [_change_set(row) for row in await cursor.fetchall()]


async def reviewed_until(conn: Connection, day: dt.date) -> list[ChangeSet]:
    """Reviewed and not yet applied, for this day or earlier, in the order in which they will be applied."""
    cursor = await conn.execute(
        f"SELECT {_COLUMNS} FROM change_sets WHERE state = 'reviewed' AND effective_on <= %s"
        " ORDER BY effective_on, reviewed_at, change_set_id",
        (day,),
    )
    return [_change_set(row) for row in await cursor.fetchall()]


# --- the organisation of a day -----------------------------------------------------------------------

# Table → the columns of its row, in the order of the dataclass, with their types.
_ROWS: Mapping[str, Mapping[str, str]] = {
    "units": {
        "unit_id": "text",
        "parent_id": "text",
        "body": "text",
        "name": "text",
        "kana": "text",
        "symbol": "text",
        "sort_order": "integer",
    },
    "posts": {"post_id": "text", "unit_id": "text", "title": "text", "rank": "text", "covers": "text[]"},
    "staff": {"staff_id": "text", "name": "text", "kana": "text", "login": "text", "email": "text"},
    "appointments": {"staff_id": "text", "post_id": "text", "kind": "text"},
    "roles": {"staff_id": "text", "role": "text"},
    "substitutes": {"post_id": "text", "matter": "text", "place": "smallint", "substitute_post_id": "text"},
}
_KEYS: Mapping[str, Sequence[str]] = {
    "units": ("unit_id",),
    "posts": ("post_id",),
    "staff": ("staff_id",),
    "appointments": ("staff_id", "post_id"),
    "roles": ("staff_id", "role"),
    "substitutes": ("post_id", "matter", "place"),
}


async def organisation_on(conn: Connection, day: dt.date) -> Organisation:
    """Everything that is valid on the day, as the tables say today."""
    rows = {name: await _valid(conn, name, day) for name in _ROWS}
    return Organisation(
        units={row[0]: UnitRow(*row) for row in rows["units"]},
        posts={row[0]: PostRow(row[0], row[1], row[2], row[3], tuple(row[4])) for row in rows["posts"]},
        staff={row[0]: StaffRow(*row) for row in rows["staff"]},
        appointments={(row[0], row[1]): AppointmentRow(*row) for row in rows["appointments"]},
        roles={(row[0], row[1]): RoleRow(*row) for row in rows["roles"]},
        substitutes={(row[0], row[1], row[2]): SubstituteRow(*row) for row in rows["substitutes"]},
    )


async def _valid(conn: Connection, table: str, day: dt.date) -> list[tuple[Any, ...]]:
    cursor = await conn.execute(
        f"SELECT {', '.join(_ROWS[table])} FROM {table} WHERE valid_from <= %(day)s AND %(day)s < valid_to",
        {"day": day},
    )
    return await cursor.fetchall()


async def days_after(conn: Connection, day: dt.date) -> list[dt.date]:
    """The later days on which a row begins or ends, as the tables say today."""
    each = " UNION ".join(f"SELECT unnest(ARRAY[valid_from, valid_to]) AS day FROM {table}" for table in _ROWS)
    cursor = await conn.execute(
        f"SELECT day FROM ({each}) AS d WHERE day > %s AND day < 'infinity' ORDER BY day", (day,)
    )
    return [row[0] for row in await cursor.fetchall()]


async def write(conn: Connection, turnovers: Mapping[str, Turnover], day: dt.date) -> None:
    """End and begin rows on the day. All ends first, so that no constraint sees two holders at once.

    What is known of later days stays: a row that changes ends when it would have ended, and a new one holds until the next
    of its kind begins or what it belongs to ends. What contradicts a later day all the same violates a constraint, and so
    does a unit or a post that would end on the day it began: IntegrityError.
    """
    ends = {table: await _end(conn, table, turnover.ended, day) for table, turnover in turnovers.items()}
    for table, turnover in turnovers.items():
        await _begin(conn, table, turnover.begun, ends[table], day)


async def _end(conn: Connection, table: str, rows: Sequence[object], day: dt.date) -> dict[tuple[Any, ...], str]:
    """Returns until when each row, by key, would have held."""
    keys = _KEYS[table]
    same = " AND ".join(f"old.{key} = n.{key}" for key in keys)
    typed = ", ".join(f"{key} {_ROWS[table][key]}" for key in keys)
    itself = " AND ".join(f"t.{key} = old.{key}" for key in (*keys, "valid_from"))
    cursor = await conn.execute(
        f"UPDATE {table} AS t SET valid_to = %(day)s FROM jsonb_to_recordset(%(rows)s) AS n ({typed})"
        f" JOIN {table} AS old ON {same} AND old.valid_from <= %(day)s AND %(day)s < old.valid_to"
        f" WHERE {itself} RETURNING {', '.join(f't.{key}' for key in keys)}, old.valid_to::text",
        {"day": day, "rows": _json(rows)},
    )
    return {tuple(row[:-1]): row[-1] for row in await cursor.fetchall()}


# Table → until when a row of it can hold at most: the next one of the same key, the next main post of the person, and
# what it belongs to.
_NEXT_MAIN = (
    "(SELECT min(t.valid_from) FROM appointments AS t WHERE n.kind = 'main' AND t.kind = 'main'"
    " AND t.staff_id = n.staff_id AND t.valid_from > %(day)s AND t.valid_from < t.valid_to)"
)
_STAFF_ENDS = "(SELECT max(o.valid_to) FROM staff AS o WHERE o.staff_id = n.staff_id)"
_POST_ENDS = "(SELECT max(o.valid_to) FROM posts AS o WHERE o.post_id = n.post_id)"
_LIMITS: Mapping[str, Sequence[str]] = {
    "appointments": (_NEXT_MAIN, _STAFF_ENDS, _POST_ENDS),
    "roles": (_STAFF_ENDS,),
    "substitutes": (
        _POST_ENDS,
        "(SELECT max(o.valid_to) FROM posts AS o WHERE o.post_id = n.substitute_post_id)",
    ),
}


async def _begin(
    conn: Connection, table: str, rows: Sequence[object], ends: Mapping[tuple[Any, ...], str], day: dt.date
) -> None:
    """What began and ended on this very day begins again as the same row."""
    keys, columns = _KEYS[table], ", ".join(_ROWS[table])
    typed = ", ".join(f"{name} {kind}" for name, kind in _ROWS[table].items())
    again = ", ".join(f"{name} = excluded.{name}" for name in (*_ROWS[table], "valid_to") if name not in keys)
    following = (
        f"(SELECT min(t.valid_from) FROM {table} AS t WHERE {' AND '.join(f't.{key} = n.{key}' for key in keys)}"
        " AND t.valid_from > %(day)s AND t.valid_from < t.valid_to)"
    )
    values = [vars(row) | {"until": ends.get(tuple(vars(row)[key] for key in keys), "infinity")} for row in rows]
    await conn.execute(
        f"INSERT INTO {table} ({columns}, valid_from, valid_to)"
        f" SELECT {columns}, %(day)s, least(n.until, {', '.join((following, *_LIMITS.get(table, ())))})"
        f" FROM jsonb_to_recordset(%(rows)s) AS n ({typed}, until date)"
        f" ON CONFLICT ({', '.join(keys)}, valid_from) DO UPDATE SET {again}",
        {"day": day, "rows": Jsonb(values)},
    )


async def insert_successors(
    conn: Connection, found: Sequence[tuple[str, str, str]], split: Sequence[str], day: dt.date, change_set_id: str
) -> None:
    """What follows what from the day on (AP-41), and which units are split (RT-10)."""
    await conn.execute(
        "INSERT INTO successors (kind, old_id, new_id, effective_on, change_set_id, split)"
        " SELECT n.kind, n.old_id, n.new_id, %s, %s, n.kind = 'unit' AND n.old_id = ANY(%s) FROM unnest(%s::text[], %s::text[], %s::text[])"
        " AS n (kind, old_id, new_id)",
        (
            day,
            change_set_id,
            list(split),
            [kind for kind, _, _ in found],
            [old for _, old, _ in found],
            [new for _, _, new in found],
        ),
    )


def _json(rows: Sequence[object]) -> Jsonb:
    return Jsonb([vars(row) for row in rows])


def _written(change: Change) -> dict[str, Any]:
    """Only what is given."""
    return {name: value for name, value in dataclasses.asdict(change).items() if value}


def _change_set(row: tuple[Any, ...]) -> ChangeSet:
    (set_id, title, day, state, changes, author, drafted_at, reviewed_by, reviewed_at, closed_by, closed_at, reason) = (
        row[:12]
    )
    return ChangeSet(
        change_set_id=set_id,
        title=title,
        effective_on=day,
        state=SetState(state),
        changes=tuple(
            Change(**(one | {"kind": ChangeKind(one["kind"]), "covers": tuple(one.get("covers", ()))}))
            for one in changes
        ),
        author=author,
        drafted_at=drafted_at,
        reviewed_by=reviewed_by,
        reviewed_at=reviewed_at,
        closed_by=closed_by,
        closed_at=closed_at,
        reason=reason,
        findings=tuple(Finding(**one) for one in row[12]),
        version=row[13],
        late_reason=row[14],
    )
