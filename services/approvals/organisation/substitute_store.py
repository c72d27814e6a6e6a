"""Who had which rank of a post's 代決順位, ever or on one day (AP-13)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from chassis.db import Connection


@dataclass(frozen=True)
class Substitution:
    """A rank of a list and the post that has it, `[since, until)`, as that post was called then."""

    # "" for all matters without a list of their own.
    matter: str
    place: int
    post_id: str
    title: str
    unit_name: str
    since: dt.date
    # None while it lasts.
    until: dt.date | None
    # Who held the post on the day that was asked for; empty when all days were.
    holders: tuple[str, ...]


async def list_substitutes(conn: Connection, post_id: str, day: dt.date | None, limit: int) -> list[Substitution]:
    """The substitutes of the post: ever, or on one day. By matter and rank, the latest first."""
    cursor = await conn.execute(
        "SELECT b.matter, b.place, b.substitute_post_id, coalesce(p.title, b.substitute_post_id), coalesce(u.name, ''),"
        " b.valid_from, nullif(b.valid_to, 'infinity'), ARRAY("
        "  SELECT s.name FROM appointments AS a INNER JOIN staff AS s ON s.staff_id = a.staff_id"
        "   AND s.valid_from <= %(day)s AND %(day)s < s.valid_to"
        "  WHERE a.post_id = b.substitute_post_id AND a.valid_from <= %(day)s AND %(day)s < a.valid_to"
        "  ORDER BY a.kind <> 'main', a.staff_id)"
        " FROM substitutes AS b"
        " LEFT JOIN LATERAL (SELECT q.title, q.unit_id FROM posts AS q WHERE q.post_id = b.substitute_post_id"
        "  AND q.valid_from <= coalesce(%(day)s, b.valid_from) ORDER BY q.valid_from DESC LIMIT 1) AS p ON true"
        " LEFT JOIN LATERAL (SELECT v.name FROM units AS v WHERE v.unit_id = p.unit_id"
        "  AND v.valid_from <= coalesce(%(day)s, b.valid_from) ORDER BY v.valid_from DESC LIMIT 1) AS u ON true"
        # A rank that ended on the day it began was nobody's for any day.
        " WHERE b.post_id = %(post)s AND b.valid_from < b.valid_to"
        " AND (%(day)s::date IS NULL OR (b.valid_from <= %(day)s AND %(day)s < b.valid_to))"
        " ORDER BY b.matter, b.place, b.valid_from DESC LIMIT %(limit)s",
        {"post": post_id, "day": day, "limit": limit},
    )
    return [
        Substitution(matter, place, substitute, title, unit_name, since, until, tuple(holders))
        for matter, place, substitute, title, unit_name, since, until, holders in await cursor.fetchall()
    ]
