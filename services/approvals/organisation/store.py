# ruff: noqa: S608 - statements are put together from constants of this module
"""All SQL about the organisation. Days are Japanese days, moments are aware; a caller's connection is used.

`SEATS` is the one way holders of posts are read: plans, acts and displays cannot differ in it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from chassis.db import Connection
from services.approvals.organisation.chart import Chart, Place
from services.approvals.organisation.domain import (
    CLERK,
    HEAD,
    RECORDS_MANAGER,
    SYSTEM_ADMIN,
    Absence,
    AbsenceReason,
    Actor,
    AppointmentKind,
    HeldPost,
    Holder,
    Presence,
    Seat,
    StaffMember,
    Tenure,
    Unit,
    called,
    post_label,
)


def own_post(day: str) -> str:
    """SQL: name of unit, title and rank of the main post of who holds `a` in place of another (AP-19); NULL of others."""
    return f"""
        CASE WHEN a.kind IN ('deputizing', 'acting') THEN (
            SELECT json_build_array(v.name, q.title, q.rank)
            FROM appointments AS m
            INNER JOIN posts AS q ON q.post_id = m.post_id AND q.valid_from <= {day} AND {day} < q.valid_to
            INNER JOIN units AS v ON v.unit_id = q.unit_id AND v.valid_from <= {day} AND {day} < v.valid_to
            WHERE m.staff_id = a.staff_id AND m.kind = 'main' AND m.valid_from <= {day} AND {day} < m.valid_to
        ) END
    """


# Completes a `WITH wanted (post_id) AS (…)`; parameters `day` and `now`.
SEATS = (
    """
SELECT
    w.post_id, coalesce(p.title, '') AS title, coalesce(p.rank, '') AS rank, coalesce(p.unit_id, '') AS unit_id,
    coalesce(u.name, '') AS unit_name, coalesce(u.sort_order, 0) AS unit_order, coalesce(p.covers, '{}') AS covers,
    coalesce((
        SELECT json_agg(
            json_build_object('staff_id', a.staff_id, 'name', s.name, 'kind', a.kind, 'absent', EXISTS (
                SELECT 1 FROM absences AS b
                WHERE b.staff_id = a.staff_id AND b.from_at <= %(now)s AND %(now)s < b.to_at
            ), 'own_post', """
    + own_post("%(day)s")
    + """) ORDER BY array_position(ARRAY['deputizing', 'main', 'acting', 'joint', 'concurrent'], a.kind), a.staff_id
        )
        FROM appointments AS a
        INNER JOIN staff AS s
            ON s.staff_id = a.staff_id AND s.valid_from <= %(day)s AND %(day)s < s.valid_to
        WHERE a.post_id = w.post_id AND a.valid_from <= %(day)s AND %(day)s < a.valid_to
    ), '[]'::json) AS holders
FROM wanted AS w
LEFT JOIN posts AS p ON p.post_id = w.post_id AND p.valid_from <= %(day)s AND %(day)s < p.valid_to
LEFT JOIN units AS u ON u.unit_id = p.unit_id AND u.valid_from <= %(day)s AND %(day)s < u.valid_to
"""
)

_HELD_POSTS = """
SELECT json_agg(
    json_build_object('post_id', p.post_id, 'unit_id', p.unit_id, 'title', p.title, 'unit_name', u.name,
        'kind', a.kind, 'rank', p.rank)
    ORDER BY array_position(ARRAY['main', 'deputizing', 'acting', 'joint', 'concurrent'], a.kind), p.post_id
)
FROM appointments AS a
INNER JOIN posts AS p ON p.post_id = a.post_id AND p.valid_from <= %(day)s AND %(day)s < p.valid_to
INNER JOIN units AS u ON u.unit_id = p.unit_id AND u.valid_from <= %(day)s AND %(day)s < u.valid_to
WHERE a.staff_id = s.staff_id AND a.valid_from <= %(day)s AND %(day)s < a.valid_to
"""


def seat_of(row: Mapping[str, Any]) -> Seat:
    """A row of SEATS (as JSON or as columns)."""
    return Seat(
        post_id=row["post_id"],
        title=row["title"] or row["post_id"],
        rank=row["rank"],
        unit_id=row["unit_id"],
        unit_name=row["unit_name"],
        covers=tuple(row["covers"]),
        holders=tuple(
            Holder(
                holder["staff_id"],
                holder["name"],
                AppointmentKind(holder["kind"]),
                holder["absent"],
                called(*holder["own_post"]) if holder["own_post"] else "",
            )
            for holder in row["holders"]
        ),
        unit_order=row["unit_order"],
    )


def _held_posts(rows: Sequence[Mapping[str, Any]] | None) -> tuple[HeldPost, ...]:
    return tuple(
        HeldPost(
            row["post_id"],
            row["unit_id"],
            row["title"],
            row["unit_name"],
            AppointmentKind(row["kind"]),
            row["rank"],
        )
        for row in rows or ()
    )


async def find_actor(conn: Connection, login: str, day: dt.date) -> Actor | None:
    """Who logs in with this OIDC subject on the day; None when nobody does (a leaver, AC-16)."""
    cursor = await conn.execute(
        "SELECT s.staff_id, s.name, s.kana, (" + _HELD_POSTS + "),"
        " ARRAY(SELECT r.role FROM roles AS r WHERE r.staff_id = s.staff_id"
        "   AND r.valid_from <= %(day)s AND %(day)s < r.valid_to ORDER BY r.role)"
        " FROM staff AS s WHERE s.login = %(login)s AND s.valid_from <= %(day)s AND %(day)s < s.valid_to",
        {"login": login, "day": day},
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    staff_id, name, kana, posts, roles = row
    held = _held_posts(posts)
    units, headed = [post.unit_id for post in held], [post.unit_id for post in held if post.rank == HEAD]
    places = await chart(conn, day)
    beside = places.principals(units, headed)
    if RECORDS_MANAGER in roles:
        beside += [f"manager:{section}" for section in places.sections_below(units)]
    if SYSTEM_ADMIN in roles:
        # AC-08: to who administers the system nothing comes from beside their own unit.
        beside = [one for one in beside if one in {f"section:{unit}" for unit in units}]
    return Actor(staff_id, name, kana, held, (CLERK, *roles), tuple(beside))


async def chart(conn: Connection, day: dt.date) -> Chart:
    """係, 課 and 部 of every unit on the day."""
    cursor = await conn.execute(
        "SELECT u.unit_id, u.parent_id, coalesce(bool_or(p.rank = 'director'), false), coalesce(bool_or(p.rank = 'head'), false)"
        " FROM units AS u LEFT JOIN posts AS p ON p.unit_id = u.unit_id AND p.rank IN ('director', 'head')"
        " AND p.valid_from <= %(day)s AND %(day)s < p.valid_to"
        " WHERE u.valid_from <= %(day)s AND %(day)s < u.valid_to GROUP BY u.unit_id, u.parent_id ORDER BY u.unit_id",
        {"day": day},
    )
    return Chart(Place(*row) for row in await cursor.fetchall())


async def heads(conn: Connection, unit_ids: Sequence[str], day: dt.date) -> dict[str, list[str]]:
    """所属長 of each of these units on the day: ids of who holds its post of 課長."""
    cursor = await conn.execute(
        "SELECT p.unit_id, array_agg(DISTINCT a.staff_id) FROM posts AS p INNER JOIN appointments AS a"
        " ON a.post_id = p.post_id AND a.valid_from <= %(day)s AND %(day)s < a.valid_to"
        " WHERE p.rank = 'head' AND p.unit_id = ANY(%(units)s)"
        " AND p.valid_from <= %(day)s AND %(day)s < p.valid_to GROUP BY p.unit_id",
        {"units": list(unit_ids), "day": day},
    )
    return dict(await cursor.fetchall())


async def held_posts(conn: Connection, staff_id: str, day: dt.date) -> tuple[HeldPost, ...]:
    """Posts the person holds on the day, main first."""
    cursor = await conn.execute(
        "SELECT (" + _HELD_POSTS + ") FROM staff AS s"
        " WHERE s.staff_id = %(staff_id)s AND s.valid_from <= %(day)s AND %(day)s < s.valid_to",
        {"staff_id": staff_id, "day": day},
    )
    row = await cursor.fetchone()
    return _held_posts(row[0] if row is not None else None)


async def list_units(conn: Connection, day: dt.date) -> list[Unit]:
    """All units on the day, in the order of 事務分掌規則."""
    cursor = await conn.execute(
        "SELECT unit_id, parent_id, body, name, kana, symbol, valid_from, nullif(valid_to, 'infinity')"
        " FROM units WHERE valid_from <= %(day)s AND %(day)s < valid_to ORDER BY sort_order, unit_id",
        {"day": day},
    )
    return [Unit(*row) for row in await cursor.fetchall()]


async def parents_on(conn: Connection, day: dt.date) -> dict[str, str]:
    """The unit above each unit that ever was: of an ended one the last, or what took over from that (RT-10)."""
    cursor = await conn.execute(
        "SELECT DISTINCT ON (unit_id) unit_id, unit_on(parent_id, %(day)s) FROM units WHERE valid_from <= %(day)s"
        " ORDER BY unit_id, valid_from DESC",
        {"day": day},
    )
    return dict(await cursor.fetchall())


async def last_names(conn: Connection, post_ids: Sequence[str]) -> dict[str, str]:
    """What posts were called last, for those that have ended."""
    cursor = await conn.execute(
        "SELECT DISTINCT ON (p.post_id) p.post_id, p.title, coalesce(("
        "  SELECT u.name FROM units AS u WHERE u.unit_id = p.unit_id ORDER BY u.valid_from DESC LIMIT 1), '')"
        " FROM posts AS p WHERE p.post_id = ANY(%s) ORDER BY p.post_id, p.valid_from DESC",
        (list(post_ids),),
    )
    return {post_id: post_label(unit_name, title) for post_id, title, unit_name in await cursor.fetchall()}


async def posts_held(conn: Connection, day: dt.date) -> frozenset[str]:
    """Posts that somebody holds on the day."""
    cursor = await conn.execute(
        "SELECT DISTINCT a.post_id FROM appointments AS a INNER JOIN posts AS p ON p.post_id = a.post_id"
        " AND p.valid_from <= %(day)s AND %(day)s < p.valid_to"
        " WHERE a.valid_from <= %(day)s AND %(day)s < a.valid_to",
        {"day": day},
    )
    return frozenset([row[0] for row in await cursor.fetchall()])


async def list_seats(conn: Connection, unit_id: str, day: dt.date, now: dt.datetime) -> list[Seat]:
    """All posts on the day, of one unit or ("") of all, with their holders."""
    cursor = await conn.execute(
        "WITH wanted (post_id) AS (SELECT post_id FROM posts WHERE valid_from <= %(day)s AND %(day)s < valid_to"
        " AND (unit_id = %(unit)s OR %(unit)s = ''))" + SEATS + "ORDER BY w.post_id",
        {"unit": unit_id, "day": day, "now": now},
    )
    return [_seat(row) for row in await cursor.fetchall()]


async def seats_above_members(conn: Connection, day: dt.date, now: dt.datetime) -> list[Seat]:
    """All posts above member on the day, with their holders."""
    cursor = await conn.execute(
        "WITH wanted (post_id) AS (SELECT post_id FROM posts WHERE valid_from <= %(day)s AND %(day)s < valid_to"
        " AND rank <> 'member')" + SEATS,
        {"day": day, "now": now},
    )
    return [_seat(row) for row in await cursor.fetchall()]


async def find_seats(conn: Connection, post_ids: Sequence[str], day: dt.date, now: dt.datetime) -> dict[str, Seat]:
    """The named posts on the day; one that does not exist is missing."""
    cursor = await conn.execute(
        "WITH wanted (post_id) AS (SELECT DISTINCT unnest(%(posts)s::text []))" + SEATS,
        {"posts": list(post_ids), "day": day, "now": now},
    )
    seats = [_seat(row) for row in await cursor.fetchall()]
    return {seat.post_id: seat for seat in seats if seat.rank}


async def line_of(conn: Connection, unit_id: str, day: dt.date, now: dt.datetime) -> tuple[list[Unit], list[Seat]]:
    """The unit and its ancestors, nearest first, and all their posts above member. Empty for an unknown unit."""
    cursor = await conn.execute(
        "WITH RECURSIVE line (unit_id, depth) AS ("
        " SELECT %(unit)s::text, 0"
        " UNION ALL"
        " SELECT u.parent_id, line.depth + 1 FROM line"
        " INNER JOIN units AS u ON u.unit_id = line.unit_id AND u.valid_from <= %(day)s AND %(day)s < u.valid_to"
        # A loop in the table ends the walk.
        " WHERE u.parent_id <> '' AND line.depth < 16)"
        " SELECT u.unit_id, u.parent_id, u.body, u.name, u.kana, u.symbol, u.valid_from,"
        " nullif(u.valid_to, 'infinity') FROM line"
        " INNER JOIN units AS u ON u.unit_id = line.unit_id AND u.valid_from <= %(day)s AND %(day)s < u.valid_to"
        " ORDER BY line.depth",
        {"unit": unit_id, "day": day},
    )
    units = [Unit(*row) for row in await cursor.fetchall()]
    cursor = await conn.execute(
        "WITH wanted (post_id) AS (SELECT post_id FROM posts WHERE valid_from <= %(day)s AND %(day)s < valid_to"
        " AND unit_id = ANY(%(units)s) AND rank <> 'member')" + SEATS + "ORDER BY w.post_id",
        {"units": [unit.unit_id for unit in units], "day": day, "now": now},
    )
    return units, [_seat(row) for row in await cursor.fetchall()]


async def units_below(conn: Connection, unit_id: str, day: dt.date) -> frozenset[str]:
    """The unit and all units under it on the day."""
    cursor = await conn.execute(
        "WITH RECURSIVE under (unit_id, depth) AS ("
        " SELECT %(unit)s::text, 0"
        " UNION ALL"
        " SELECT u.unit_id, under.depth + 1 FROM under"
        " INNER JOIN units AS u ON u.parent_id = under.unit_id AND u.valid_from <= %(day)s AND %(day)s < u.valid_to"
        # A loop in the table ends the walk.
        " WHERE under.depth < 16)"
        " SELECT unit_id FROM under",
        {"unit": unit_id, "day": day},
    )
    return frozenset([row[0] for row in await cursor.fetchall()])


async def list_staff(
    conn: Connection, unit_id: str, day: dt.date, now: dt.datetime, after: str, limit: int
) -> list[StaffMember]:
    """Staff on the day, of one unit or ("") of all, by id, those after `after`."""
    cursor = await conn.execute(
        "SELECT s.staff_id, s.name, s.kana, EXISTS (SELECT 1 FROM absences AS b WHERE b.staff_id = s.staff_id"
        " AND b.from_at <= %(now)s AND %(now)s < b.to_at), (" + _HELD_POSTS + ")"
        " FROM staff AS s WHERE s.valid_from <= %(day)s AND %(day)s < s.valid_to AND s.staff_id > %(after)s"
        " AND (%(unit)s = '' OR EXISTS (SELECT 1 FROM appointments AS a INNER JOIN posts AS p"
        "   ON p.post_id = a.post_id AND p.valid_from <= %(day)s AND %(day)s < p.valid_to"
        "   WHERE a.staff_id = s.staff_id AND a.valid_from <= %(day)s AND %(day)s < a.valid_to"
        "   AND p.unit_id = %(unit)s))"
        " ORDER BY s.staff_id LIMIT %(limit)s",
        {"unit": unit_id, "day": day, "now": now, "after": after, "limit": limit},
    )
    return [
        StaffMember(staff_id, name, kana, absent, _held_posts(posts))
        for staff_id, name, kana, absent, posts in await cursor.fetchall()
    ]


async def presence(conn: Connection, begins: dt.date, ends: dt.date, after: str, limit: int) -> list[Presence]:
    """Everybody on the staff on a day of `[begins, ends)`, by id, those after `after`: from when to when, and absences."""
    cursor = await conn.execute(
        "SELECT p.staff_id, coalesce(("
        "  SELECT o.unit_id FROM appointments AS a INNER JOIN posts AS o ON o.post_id = a.post_id"
        "   AND o.valid_from < a.valid_to AND a.valid_from < o.valid_to"
        "  WHERE a.staff_id = p.staff_id AND a.kind = 'main' AND a.valid_from < %(ends)s AND %(begins)s < a.valid_to"
        "   AND o.valid_from < %(ends)s AND %(begins)s < o.valid_to"
        "  ORDER BY a.valid_from DESC, o.valid_from DESC LIMIT 1), ''),"
        " p.first, p.last, b.first, b.last"
        " FROM (SELECT staff_id, array_agg(greatest(valid_from, %(begins)s) ORDER BY valid_from) AS first,"
        "   array_agg(least(valid_to, %(ends)s) ORDER BY valid_from) AS last FROM staff"
        "  WHERE valid_from < %(ends)s AND %(begins)s < valid_to AND valid_from < valid_to AND staff_id > %(after)s"
        "  GROUP BY staff_id ORDER BY staff_id LIMIT %(limit)s) AS p"
        " CROSS JOIN LATERAL (SELECT coalesce(array_agg(from_at ORDER BY from_at), '{}') AS first,"
        "   coalesce(array_agg(to_at ORDER BY from_at), '{}') AS last FROM absences WHERE staff_id = p.staff_id"
        "   AND from_at < to_at AND from_at < %(ends)s::timestamptz AND %(begins)s::timestamptz < to_at) AS b"
        " ORDER BY p.staff_id",
        {"begins": begins, "ends": ends, "after": after, "limit": limit},
    )
    return [
        Presence(staff_id, unit_id, tuple(zip(*employed, strict=True)), tuple(zip(*absent, strict=True)))
        for staff_id, unit_id, *spans in await cursor.fetchall()
        for employed, absent in [(spans[:2], spans[2:])]
    ]


async def staff_names(conn: Connection, staff_ids: Sequence[str]) -> dict[str, str]:
    """Latest known names; a leaver keeps theirs."""
    cursor = await conn.execute(
        "SELECT DISTINCT ON (staff_id) staff_id, name FROM staff WHERE staff_id = ANY(%s)"
        " ORDER BY staff_id, valid_from DESC",
        (list(staff_ids),),
    )
    return {str(staff_id): str(name) for staff_id, name in await cursor.fetchall()}


async def unit_names(conn: Connection, unit_ids: Sequence[str], day: dt.date) -> dict[str, tuple[str, list[str]]]:
    """Name of each unit (its last, if it is gone) and the ids of its members on the day."""
    cursor = await conn.execute(
        "SELECT DISTINCT ON (u.unit_id) u.unit_id, u.name, ARRAY("
        "  SELECT DISTINCT a.staff_id FROM posts AS p INNER JOIN appointments AS a ON a.post_id = p.post_id"
        "  AND a.valid_from <= %(day)s AND %(day)s < a.valid_to"
        "  WHERE p.unit_id = u.unit_id AND p.valid_from <= %(day)s AND %(day)s < p.valid_to ORDER BY 1)"
        " FROM units AS u WHERE u.unit_id = ANY(%(units)s) ORDER BY u.unit_id, u.valid_from DESC",
        {"units": list(unit_ids), "day": day},
    )
    return {unit_id: (name, members) for unit_id, name, members in await cursor.fetchall()}


async def with_role(conn: Connection, role: str, day: dt.date) -> frozenset[str]:
    """Ids of those who have the role on the day."""
    cursor = await conn.execute(
        "SELECT staff_id FROM roles WHERE role = %(role)s AND valid_from <= %(day)s AND %(day)s < valid_to",
        {"role": role, "day": day},
    )
    return frozenset([row[0] for row in await cursor.fetchall()])


async def list_tenures(conn: Connection, post: str, staff: str, day: dt.date | None, limit: int) -> list[Tenure]:
    """Who held the post, or which posts the person held: ever, or on one day; latest first.

    A renamed post or unit makes a new line from that day on: each line says how it was called then.
    """
    cursor = await conn.execute(
        "SELECT t.staff_id, t.name, t.post_id, t.title, t.unit_id, t.unit_name, t.kind, t.since, t.until"
        " FROM (SELECT a.staff_id, coalesce(s.name, a.staff_id) AS name, a.post_id, p.title, p.unit_id,"
        "  u.name AS unit_name, a.kind, greatest(a.valid_from, p.valid_from, u.valid_from) AS since,"
        "  nullif(least(a.valid_to, p.valid_to, u.valid_to), 'infinity') AS until"
        " FROM appointments AS a"
        " INNER JOIN posts AS p ON p.post_id = a.post_id"
        "  AND daterange(p.valid_from, p.valid_to) && daterange(a.valid_from, a.valid_to)"
        " INNER JOIN units AS u ON u.unit_id = p.unit_id AND daterange(u.valid_from, u.valid_to)"
        "  && (daterange(p.valid_from, p.valid_to) * daterange(a.valid_from, a.valid_to))"
        " LEFT JOIN LATERAL (SELECT n.name FROM staff AS n WHERE n.staff_id = a.staff_id"
        "  AND n.valid_from <= greatest(a.valid_from, p.valid_from, u.valid_from)"
        "  ORDER BY n.valid_from DESC LIMIT 1) AS s ON true"
        " WHERE (a.post_id = %(post)s OR %(post)s = '') AND (a.staff_id = %(staff)s OR %(staff)s = '')) AS t"
        " WHERE %(day)s::date IS NULL OR (t.since <= %(day)s AND (t.until IS NULL OR %(day)s < t.until))"
        " ORDER BY t.since DESC, t.post_id, t.staff_id LIMIT %(limit)s",
        {"post": post, "staff": staff, "day": day, "limit": limit},
    )
    return [
        Tenure(staff_id, name, post_id, title, unit_id, unit_name, AppointmentKind(kind), since, until)
        for staff_id, name, post_id, title, unit_id, unit_name, kind, since, until in await cursor.fetchall()
    ]


_ABSENCE = "absence_id::text, staff_id, from_at, to_at, reason_code, registered_by"


def _absence(row: tuple[Any, ...]) -> Absence:
    absence_id, staff_id, from_at, to_at, reason_code, registered_by = row
    return Absence(absence_id, staff_id, from_at, to_at, AbsenceReason(reason_code), registered_by)


async def list_absences(conn: Connection, staff_ids: Sequence[str], now: dt.datetime) -> list[Absence]:
    """Absences of these people that are not over, by beginning; at most 500."""
    cursor = await conn.execute(
        "SELECT " + _ABSENCE + " FROM absences"
        " WHERE staff_id = ANY(%s) AND to_at > %s AND from_at < to_at ORDER BY from_at, staff_id LIMIT 500",
        (list(staff_ids), now),
    )
    return [_absence(row) for row in await cursor.fetchall()]


async def lock_absence(conn: Connection, absence_id: str) -> Absence | None:
    """One absence, locked."""
    cursor = await conn.execute("SELECT " + _ABSENCE + " FROM absences WHERE absence_id = %s FOR UPDATE", (absence_id,))
    row = await cursor.fetchone()
    return None if row is None else _absence(row)


async def overlaps(conn: Connection, staff_id: str, from_at: dt.datetime, to_at: dt.datetime) -> bool:
    """Whether an absence of the person overlaps `[from_at, to_at)`."""
    cursor = await conn.execute(
        "SELECT 1 FROM absences WHERE staff_id = %s AND from_at < %s AND %s < to_at AND from_at < to_at LIMIT 1",
        (staff_id, to_at, from_at),
    )
    return await cursor.fetchone() is not None


async def insert_absence(conn: Connection, absence: Absence, now: dt.datetime) -> None:
    """A new absence."""
    await conn.execute(
        "INSERT INTO absences (absence_id, staff_id, from_at, to_at, reason_code, registered_by, registered_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (
            absence.absence_id,
            absence.staff_id,
            absence.from_at,
            absence.to_at,
            absence.reason_code,
            absence.registered_by,
            now,
        ),
    )


async def set_absence_end(conn: Connection, absence_id: str, to_at: dt.datetime) -> None:
    """Bring the end forward."""
    await conn.execute("UPDATE absences SET to_at = %s WHERE absence_id = %s", (to_at, absence_id))


async def next_directory_version(conn: Connection) -> int:
    """Number of the next directory event; the row stays locked until the commit."""
    cursor = await conn.execute("UPDATE directory SET version = version + 1 RETURNING version")
    row = await cursor.fetchone()
    if row is None:
        raise RuntimeError("the directory's counter is missing")
    return int(row[0])


def _seat(row: tuple[Any, ...]) -> Seat:
    names = ("post_id", "title", "rank", "unit_id", "unit_name", "unit_order", "covers", "holders")
    return seat_of(dict(zip(names, row, strict=True)))
