# ruff: noqa: S608 - statements are put together from constants of this module
"""All SQL about notices. However many people are told, it is one statement."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg.types.json import Jsonb

from chassis import clock
from chassis.db import Connection
from services.approvals.notices.domain import ASKING, GROUP_OF, Choices, Group, NoticeKind, Told

# A notice is no record: after so many days it is of no use to anybody.
KEPT_DAYS: Final = 180
# The page says 「99件以上」 beyond.
MOST_COUNTED: Final = 100

# `told (case_id, kind, post_id, staff_id)` to rows: holders of the day, once a person and case, as each has chosen.
_TELL = """
, everybody AS (
    SELECT t.case_id, t.kind, t.post_id, t.staff_id FROM told AS t WHERE t.staff_id <> ''
    UNION ALL
    SELECT t.case_id, t.kind, t.post_id, a.staff_id
    FROM told AS t
    INNER JOIN appointments AS a
        ON a.post_id = t.post_id AND a.valid_from <= %(day)s AND %(day)s < a.valid_to
), once AS (
    SELECT DISTINCT ON (e.case_id, e.staff_id) e.case_id, e.kind, e.post_id, e.staff_id
    FROM everybody AS e
    ORDER BY e.case_id, e.staff_id, array_position(%(order)s, e.kind), e.post_id
)
INSERT INTO notices (staff_id, kind, case_id, post_id, created_at, live, mail_at)
SELECT
    o.staff_id, o.kind, o.case_id, o.post_id, %(now)s,
    (%(groups)s::jsonb ->> o.kind) = ANY(coalesce(h.live, %(live)s)),
    CASE
        WHEN s.email <> '' AND (%(groups)s::jsonb ->> o.kind) = ANY(coalesce(h.mail, %(mail)s))
            THEN %(now)s::timestamptz
    END
FROM once AS o
INNER JOIN staff AS s ON s.staff_id = o.staff_id AND s.valid_from <= %(day)s AND %(day)s < s.valid_to
LEFT JOIN notice_choices AS h ON h.staff_id = o.staff_id
"""
# Who acts on a case has seen what they were told of it; what somebody else was asked for and that does not stand any more
# is over.
_TOLD = (
    """
WITH stands AS (
    SELECT n.case_id, n.kind, n.post_id
    FROM jsonb_to_recordset(%(standing)s) AS n (case_id uuid, kind text, post_id text)
), seen AS (
    UPDATE notices AS n SET read_at = %(now)s
    WHERE n.case_id = ANY(%(cases)s::uuid []) AND n.read_at IS NULL AND (
        n.staff_id = %(by)s OR (
            n.kind = ANY(%(asking)s) AND NOT EXISTS (
                SELECT FROM stands AS t WHERE (t.case_id, t.kind, t.post_id) = (n.case_id, n.kind, n.post_id)
            )
        )
    )
), told AS (
    SELECT n.case_id, n.kind, n.post_id, n.staff_id
    FROM jsonb_to_recordset(%(told)s) AS n (case_id uuid, kind text, post_id text, staff_id text)
)"""
    + _TELL
)
# Steps whose last day has come, with the substitute that was asked; and the lists of units whose steps wait far longer.
_DUE = (
    """
WITH due AS (
    SELECT
        -- Whose it is that day, for the unit that drafted it may have ended (RT-10).
        s.case_id, owner_on(c.document_id, c.unit_id, %(day)s) AS unit_id, s.post_id, s.asked_post_id,
        s.waiting_since < CASE s.inbox_kind
            WHEN 'concurrence' THEN %(late_concurrence)s::timestamptz ELSE %(late_decision)s::timestamptz
        END AS late
    FROM cases AS c
    INNER JOIN steps AS s ON s.case_id = c.case_id
    WHERE c.state = 'circulating' AND (
        (s.inbox_kind = 'decision' AND s.waiting_since < %(decision)s)
        OR (s.inbox_kind = 'concurrence' AND s.waiting_since < %(concurrence)s)
    )
), told AS (
    SELECT d.case_id, 'reminder' AS kind, p.post_id, '' AS staff_id
    FROM due AS d
    CROSS JOIN LATERAL unnest(ARRAY[d.post_id, nullif(d.asked_post_id, '')]) AS p (post_id)
    UNION
    SELECT d.case_id, 'escalation', e.post_id, ''
    FROM due AS d
    INNER JOIN jsonb_to_recordset(%(lists)s) AS e (unit_id text, post_id text) ON e.unit_id = d.unit_id
    WHERE d.late
)"""
    + _TELL
)


def _common(now: dt.datetime) -> dict[str, Any]:
    preset = Choices()
    return {
        "now": now,
        "day": now.date(),
        "order": [str(kind) for kind in NoticeKind],
        "groups": Jsonb(GROUP_OF),
        "live": sorted(preset.live),
        "mail": sorted(preset.mail),
    }


async def tell(
    conn: Connection,
    told: Sequence[Told],
    standing: Sequence[Told],
    case_ids: Sequence[str],
    by: str,
    now: dt.datetime,
) -> None:
    """Write the notices of an act by `by` on these cases; of earlier ones that ask for something only `standing` stay."""
    values = _common(now) | {
        "told": Jsonb([vars(one) for one in told]),
        "standing": Jsonb([vars(one) for one in standing]),
        "asking": sorted(ASKING),
        "cases": list(case_ids),
        "by": by,
    }
    await conn.execute(_TOLD, values)


async def tell_people(
    conn: Connection,
    staff_ids: Sequence[str],
    kind: NoticeKind,
    now: dt.datetime,
    *,
    document_id: str = "",
    draft_number: str = "",
    change_set_id: str = "",
) -> None:
    """Write notices of a document or a planned set to people, as each has chosen."""
    await conn.execute(
        "INSERT INTO notices"
        " (staff_id, kind, document_id, draft_number, change_set_id, post_id, created_at, live, mail_at)"
        " SELECT s.staff_id, %(kind)s, %(document_id)s, %(draft_number)s, %(change_set_id)s, '', %(now)s,"
        " %(group)s = ANY(coalesce(h.live, %(live)s)),"
        " CASE WHEN s.email <> '' AND %(group)s = ANY(coalesce(h.mail, %(mail)s)) THEN %(now)s::timestamptz END"
        " FROM staff AS s LEFT JOIN notice_choices AS h ON h.staff_id = s.staff_id"
        " WHERE s.staff_id = ANY(%(people)s) AND s.valid_from <= %(day)s AND %(day)s < s.valid_to",
        _common(now)
        | {
            "people": list(staff_ids),
            "kind": kind,
            "group": GROUP_OF[kind],
            "document_id": document_id or None,
            "draft_number": draft_number,
            "change_set_id": change_set_id or None,
        },
    )


async def remind(
    conn: Connection,
    due: Mapping[str, dt.datetime],
    late: Mapping[str, dt.datetime],
    lists: Mapping[str, Sequence[str]],
    now: dt.datetime,
) -> int:
    """Write the reminders of the day; `due` and `late` by kind of inbox, `lists` posts by unit. Returns how many."""
    cursor = await conn.execute(
        _DUE,
        _common(now)
        | {
            "decision": due["decision"],
            "concurrence": due["concurrence"],
            "late_decision": late["decision"],
            "late_concurrence": late["concurrence"],
            "lists": Jsonb(
                [{"unit_id": unit, "post_id": post_id} for unit, posts in lists.items() for post_id in posts]
            ),
        },
    )
    return cursor.rowcount


async def begin_day(conn: Connection, day: dt.date, now: dt.datetime) -> bool:
    """Take the reminders of a day. A second replica waits for the end of the first one's transaction, and is refused."""
    cursor = await conn.execute(
        "INSERT INTO reminder_days (day, made_at) VALUES (%s, %s) ON CONFLICT DO NOTHING", (day, now)
    )
    return cursor.rowcount == 1


async def forget(conn: Connection, now: dt.datetime) -> None:
    """Drop old notices."""
    await conn.execute("DELETE FROM notices WHERE created_at < %s", (now - dt.timedelta(days=KEPT_DAYS),))


@dataclass(frozen=True)
class Notice:
    """One notice as its reader sees it: identifiers and a number."""

    notice_id: str
    staff_id: str
    kind: NoticeKind
    case_id: str
    document_id: str
    # The planned set that it is about, instead of a document; "" otherwise.
    change_set_id: str
    # 起案番号
    draft_number: str
    urgent: bool
    post_id: str
    created_at: dt.datetime
    read: bool
    # Where it stands for who follows: "<transaction>.<notice id>".
    position: str


_NOTICE = """
SELECT
    n.notice_id::text, n.staff_id, n.kind, coalesce(n.case_id::text, ''),
    coalesce(c.document_id::text, n.document_id::text, ''), coalesce(n.change_set_id::text, ''),
    coalesce(c.draft_number, n.draft_number), coalesce(c.urgent, false),
    n.post_id, n.created_at, n.read_at IS NOT NULL, n.written_in || '.' || n.notice_id
FROM notices AS n
LEFT JOIN cases AS c ON c.case_id = n.case_id
"""


async def listed(
    conn: Connection, staff_id: str, unread: bool, after: tuple[dt.datetime, str] | None, limit: int
) -> list[Notice]:
    """A person's notices, the newest first; those after a position of the list."""
    cursor = await conn.execute(
        _NOTICE + "WHERE n.staff_id = %(staff_id)s AND (NOT %(unread)s OR n.read_at IS NULL)"
        " AND (%(at)s::timestamptz IS NULL OR (n.created_at, n.notice_id) < (%(at)s, %(id)s::uuid))"
        " ORDER BY n.created_at DESC, n.notice_id DESC LIMIT %(limit)s",
        {
            "staff_id": staff_id,
            "unread": unread,
            "at": None if after is None else after[0],
            "id": None if after is None else after[1],
            "limit": limit,
        },
    )
    return [_notice(row) for row in await cursor.fetchall()]


async def owners_of(conn: Connection, case_ids: Sequence[str], day: dt.date) -> dict[str, str]:
    """Whose each of these cases is on the day."""
    cursor = await conn.execute(
        "SELECT case_id::text, owner_on(document_id, unit_id, %s) FROM cases WHERE case_id = ANY(%s::uuid [])",
        (day, list(case_ids)),
    )
    return dict(await cursor.fetchall())


async def unread(conn: Connection, staff_id: str) -> int:
    """How many of a person's notices are unread; a hundred stands for more."""
    cursor = await conn.execute(
        "SELECT count(u.one) FROM (SELECT 1 AS one FROM notices AS n WHERE n.staff_id = %s AND n.read_at IS NULL"
        " LIMIT %s) AS u",
        (staff_id, MOST_COUNTED),
    )
    row = await cursor.fetchone()
    return int(row[0]) if row is not None else 0


async def unread_of(conn: Connection, staff_ids: Sequence[str]) -> dict[str, int]:
    """The same of several people."""
    cursor = await conn.execute(
        "SELECT staff_id, least(count(*), %s) FROM notices WHERE staff_id = ANY(%s) AND read_at IS NULL"
        " GROUP BY staff_id",
        (MOST_COUNTED, list(staff_ids)),
    )
    return {str(staff_id): int(count) for staff_id, count in await cursor.fetchall()}


async def mark_read(conn: Connection, staff_id: str, notice_ids: Sequence[str], up_to: str, now: dt.datetime) -> None:
    """These of the person's, or all that were made before or with the notice `up_to`."""
    await conn.execute(
        "UPDATE notices SET read_at = %(now)s WHERE staff_id = %(staff_id)s AND read_at IS NULL"
        " AND (notice_id = ANY(%(ids)s::uuid []) OR (%(up_to)s::uuid IS NOT NULL AND created_at <= ("
        "SELECT l.created_at FROM notices AS l WHERE l.notice_id = %(up_to)s::uuid AND l.staff_id = %(staff_id)s)))",
        {"staff_id": staff_id, "ids": list(notice_ids), "up_to": up_to or None, "now": now},
    )


# Below this nothing is still being written.
_SETTLED = "(pg_snapshot_xmin(pg_current_snapshot())::text)::bigint"


async def newest_position(conn: Connection) -> str:
    """From where on to follow: everything that is written later comes after it."""
    cursor = await conn.execute(f"SELECT {_SETTLED} || '.00000000-0000-0000-0000-000000000000'")
    row = await cursor.fetchone()
    return str(row[0]) if row is not None else ""


async def fresh(conn: Connection, after: tuple[int, str], staff_id: str, limit: int) -> list[Notice]:
    """Notices for open pages, of everybody or of one person, written after a position; none comes before later."""
    cursor = await conn.execute(
        _NOTICE + f"WHERE n.live AND (n.written_in, n.notice_id) > (%s, %s::uuid) AND n.written_in < {_SETTLED}"
        " AND (%s = '' OR n.staff_id = %s) ORDER BY n.written_in, n.notice_id LIMIT %s",
        (*after, staff_id, staff_id, limit),
    )
    return [_notice(row) for row in await cursor.fetchall()]


def _notice(row: Sequence[Any]) -> Notice:
    notice_id, staff_id, kind, case_id, document_id, set_id, number, urgent, post_id, created_at, read, position = row
    return Notice(
        notice_id,
        staff_id,
        NoticeKind(kind),
        case_id,
        document_id,
        set_id,
        number,
        urgent,
        post_id,
        created_at.astimezone(clock.JST),
        read,
        position,
    )


# --- choices ------------------------------------------------------------------------------------


async def choices_of(conn: Connection, staff_id: str, day: dt.date) -> tuple[Choices, str]:
    """What a person has chosen, and their address as the personnel data of the day has it; "" for none."""
    cursor = await conn.execute(
        "SELECT h.live, h.mail, h.version, s.email FROM staff AS s"
        " LEFT JOIN notice_choices AS h ON h.staff_id = s.staff_id"
        " WHERE s.staff_id = %(staff_id)s AND s.valid_from <= %(day)s AND %(day)s < s.valid_to",
        {"staff_id": staff_id, "day": day},
    )
    row = await cursor.fetchone()
    if row is None:
        return Choices(), ""
    live, mail, version, address = row
    if version is None:
        return Choices(), address
    return Choices(frozenset(map(Group, live)), frozenset(map(Group, mail)), version), address


async def choose(conn: Connection, staff_id: str, chosen: Choices) -> int:
    """Keep what a person wants from now on; returns the version."""
    cursor = await conn.execute(
        "INSERT INTO notice_choices AS h (staff_id, live, mail, version) VALUES (%s, %s, %s, 1)"
        " ON CONFLICT (staff_id) DO UPDATE SET live = excluded.live, mail = excluded.mail, version = h.version + 1"
        " RETURNING version",
        (staff_id, sorted(chosen.live), sorted(chosen.mail)),
    )
    row = await cursor.fetchone()
    return int(row[0]) if row is not None else 0


# --- escalation lists ---------------------------------------------------------------------------


@dataclass(frozen=True)
class EscalationList:
    """The list of one unit in the version that counts; version 0 when there was none."""

    unit_id: str
    version: int
    post_ids: tuple[str, ...]


async def lock_list(conn: Connection, unit_id: str) -> None:
    """One change of a unit's list at a time."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('escalation ' || %s, 0))", (unit_id,))


async def escalation_lists(conn: Connection) -> dict[str, EscalationList]:
    """Every list that was ever kept, by unit."""
    cursor = await conn.execute(
        "SELECT DISTINCT ON (unit_id) unit_id, version, post_ids FROM escalation_lists ORDER BY unit_id, version DESC"
    )
    return {unit: EscalationList(unit, version, tuple(posts)) for unit, version, posts in await cursor.fetchall()}


async def save_list(conn: Connection, made: EscalationList, by: str, now: dt.datetime) -> None:
    """A version."""
    await conn.execute(
        "INSERT INTO escalation_lists (unit_id, version, post_ids, saved_by, saved_at) VALUES (%s, %s, %s, %s, %s)",
        (made.unit_id, made.version, list(made.post_ids), by, now),
    )


# --- e-mail -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Letter:
    """A notice that is to go by e-mail."""

    notice_id: str
    kind: NoticeKind
    draft_number: str
    address: str
    attempts: int


async def take_letters(
    conn: Connection, now: dt.datetime, oldest: dt.datetime, first_wait: dt.timedelta, limit: int
) -> list[Letter]:
    """Due letters, each booked as one more attempt before it is made: whoever dies with it leaves it to the next one.

    The next attempt of each is due after twice the wait before. None for what was read, is older than `oldest`, or is
    for who has left or has no address.
    """
    cursor = await conn.execute(
        "WITH due AS (SELECT n.notice_id, s.email, coalesce(c.draft_number, n.draft_number) AS draft_number"
        " FROM notices AS n LEFT JOIN cases AS c ON c.case_id = n.case_id INNER JOIN staff AS s ON s.staff_id = n.staff_id"
        " AND s.valid_from <= %(day)s AND %(day)s < s.valid_to AND s.email <> ''"
        " WHERE n.mail_at <= %(now)s AND n.read_at IS NULL AND n.created_at > %(oldest)s"
        " ORDER BY n.mail_at LIMIT %(limit)s FOR UPDATE OF n SKIP LOCKED)"
        " UPDATE notices AS n SET mail_attempts = n.mail_attempts + 1,"
        " mail_at = %(now)s + %(wait)s * (2 ^ least(n.mail_attempts, 10))"
        " FROM due WHERE n.notice_id = due.notice_id"
        " RETURNING n.notice_id::text, n.kind, due.draft_number, due.email, n.mail_attempts",
        {"now": now, "day": now.date(), "oldest": oldest, "wait": first_wait, "limit": limit},
    )
    return [Letter(row[0], NoticeKind(row[1]), *row[2:]) for row in await cursor.fetchall()]


async def mailed(conn: Connection, notice_ids: Sequence[str], now: dt.datetime) -> None:
    """The mail server has them."""
    await conn.execute(
        "UPDATE notices SET mailed_at = %s, mail_at = NULL WHERE notice_id = ANY(%s::uuid [])", (now, list(notice_ids))
    )


async def give_up(conn: Connection, notice_ids: Sequence[str], oldest: dt.datetime) -> None:
    """No e-mail for these, nor for any that is too old or was read meanwhile."""
    await conn.execute(
        "UPDATE notices SET mail_at = NULL WHERE mail_at IS NOT NULL"
        " AND (notice_id = ANY(%s::uuid []) OR created_at <= %s OR read_at IS NOT NULL)",
        (list(notice_ids), oldest),
    )
