# ruff: noqa: S608 - statements are put together from constants of this module
"""SQL of 所管替え. Each takes a batch; what somebody has locked is left to the next round."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict

from psycopg.types.json import Jsonb

from chassis.db import Connection
from kanketsu.event.v1 import envelope_pb2
from services.documents import textkey
from services.documents.owners.domain import DOCUMENT, FOLDER, RECEIPT, Ended, Owned, UnitChange
from services.documents.view_classes import DEPARTMENT, broad_principal


async def follow_units(conn: Connection, units: Sequence[UnitChange], version: int) -> None:
    """Units as of the directory's `version`; older news changes nothing. Their classes go with them at once (FL-01)."""
    rows = Jsonb([asdict(one) | {"ended_on": one.ended_on and one.ended_on.isoformat()} for one in units])
    await conn.execute(
        "INSERT INTO units AS u (unit_id, parent_id, symbol, ended_on, heir, directory_version)"
        " SELECT n.unit_id, n.parent_id, n.symbol, n.ended_on, n.heir, %s FROM jsonb_to_recordset(%s)"
        " AS n (unit_id text, parent_id text, symbol text, ended_on date, heir text)"
        " ON CONFLICT (unit_id) DO UPDATE SET parent_id = excluded.parent_id, symbol = excluded.symbol,"
        " ended_on = excluded.ended_on, heir = excluded.heir, directory_version = excluded.directory_version"
        " WHERE u.directory_version < excluded.directory_version",
        (version, rows),
    )
    await _follow_shares(conn, units, version)
    await conn.execute(
        "UPDATE classes AS c SET unit_id = heir_of(c.unit_id, '', c.class_code) FROM units AS u"
        " WHERE u.unit_id = c.unit_id AND u.ended_on IS NOT NULL AND u.heir <> ''"
    )


async def _follow_shares(conn: Connection, units: Sequence[UnitChange], version: int) -> None:
    """Of the units whose newest news this is."""
    shares = [asdict(share) | {"unit_id": one.unit_id} for one in units for share in one.shares]
    values = {"units": [one.unit_id for one in units], "version": version, "shares": Jsonb(shares)}
    await conn.execute(
        "DELETE FROM unit_shares AS s USING units AS u WHERE s.unit_id = ANY(%(units)s) AND u.unit_id = s.unit_id"
        " AND u.directory_version = %(version)s",
        values,
    )
    await conn.execute(
        "INSERT INTO unit_shares (unit_id, kind, object_id, heir) SELECT n.unit_id, n.kind, n.object_id, n.heir"
        " FROM jsonb_to_recordset(%(shares)s) AS n (unit_id text, kind text, object_id text, heir text)"
        " INNER JOIN units AS u ON u.unit_id = n.unit_id AND u.directory_version = %(version)s",
        values,
    )


async def next_ended(conn: Connection) -> Ended | None:
    """A unit that is over and still owns something. Units are few, and what each owns is found by index."""
    cursor = await conn.execute(
        "SELECT u.unit_id, u.heir, u.ended_on FROM units AS u WHERE u.ended_on IS NOT NULL AND u.heir <> '' AND ("
        "EXISTS (SELECT FROM documents AS d WHERE d.unit_id = u.unit_id)"
        " OR EXISTS (SELECT FROM folders AS f WHERE f.unit_id = u.unit_id)"
        " OR EXISTS (SELECT FROM receipts AS r WHERE r.unit_id = u.unit_id)) ORDER BY u.unit_id LIMIT 1"
    )
    row = await cursor.fetchone()
    return None if row is None else Ended(*row)


async def lock_documents(conn: Connection, unit_id: str, limit: int) -> list[Owned]:
    """Up to `limit` documents of the unit, locked."""
    cursor = await conn.execute(
        "SELECT d.document_id::text, d.version + 1, heir_of(d.unit_id, d.folder_id, d.class_code), d.version_digest"
        " FROM documents AS d WHERE d.unit_id = %s"
        " ORDER BY d.document_id DESC LIMIT %s FOR UPDATE SKIP LOCKED",
        (unit_id, limit),
    )
    return [Owned(*row) for row in await cursor.fetchall()]


async def lock_folders(conn: Connection, unit_id: str, limit: int) -> list[Owned]:
    """Up to `limit` folders of the unit, locked; the first event of a folder made it."""
    cursor = await conn.execute(
        "SELECT f.folder_id, 2 + (SELECT count(*) FROM former_owners AS o WHERE o.kind = 'folder'"
        " AND o.object_id = f.folder_id), heir_of(f.unit_id, f.folder_id, f.class_code)"
        " FROM folders AS f WHERE f.unit_id = %s"
        " ORDER BY f.folder_id LIMIT %s FOR UPDATE SKIP LOCKED",
        (unit_id, limit),
    )
    return [Owned(*row) for row in await cursor.fetchall()]


# Where the latest draft upon a receipt is filed.
_LATEST_DRAFT = (
    "SELECT n.folder_id, n.class_code FROM document_receipts AS l INNER JOIN documents AS n"
    " ON n.document_id = l.document_id WHERE l.receipt_id = r.receipt_id ORDER BY n.document_id DESC LIMIT 1"
)


async def lock_receipts(conn: Connection, unit_id: str, limit: int) -> list[Owned]:
    """Up to `limit` receipts of the unit, locked. One that was drafted upon goes where its latest draft does."""
    cursor = await conn.execute(
        "SELECT r.receipt_id::text, r.version + 1,"
        " heir_of(r.unit_id, coalesce(d.folder_id, ''), coalesce(d.class_code, r.class_code))"
        f" FROM receipts AS r LEFT JOIN LATERAL ({_LATEST_DRAFT}) AS d ON true WHERE r.unit_id = %s"
        " ORDER BY r.receipt_id DESC LIMIT %s FOR UPDATE OF r SKIP LOCKED",
        (unit_id, limit),
    )
    return [Owned(*row) for row in await cursor.fetchall()]


# What moves, and to whom.
_TO = "unnest(%(ids)s::text[], %(heirs)s::text[]) AS n (id, heir)"

# Table, key with its type, and since when it was the unit's if it never changed its owner.
_TABLES = {
    DOCUMENT: ("documents", "document_id", "uuid", "t.created_at"),
    FOLDER: ("folders", "folder_id", "text", "NULL"),
    RECEIPT: ("receipts", "receipt_id", "uuid", "t.registered_at"),
}


async def keep_former(conn: Connection, kind: str, owned: Sequence[Owned], ended: Ended, now: dt.datetime) -> None:
    """Whose it was, from when to when."""
    table, key, of, made = _TABLES[kind]
    await conn.execute(
        "INSERT INTO former_owners (kind, object_id, unit_id, owned_from, owned_to, next_unit_id)"
        f" SELECT %(kind)s, t.{key}::text, %(old)s, coalesce((SELECT max(o.owned_to) FROM former_owners AS o"
        f" WHERE o.kind = %(kind)s AND o.object_id = t.{key}::text), {made}), %(now)s, n.heir"
        f" FROM {table} AS t INNER JOIN {_TO} ON t.{key} = n.id::{of}",
        {"kind": kind, "old": ended.unit_id, "now": now} | _to(owned),
    )


async def move_folders(conn: Connection, owned: Sequence[Owned]) -> None:
    """Their unit."""
    await conn.execute(f"UPDATE folders AS t SET unit_id = n.heir FROM {_TO} WHERE t.folder_id = n.id", _to(owned))


async def move_receipts(conn: Connection, owned: Sequence[Owned], ended: Ended) -> None:
    """Their unit, and what search finds them by."""
    await conn.execute(
        "UPDATE receipts AS t SET unit_id = n.heir, version = version + 1,"
        " search = ts_delete(search, %(old)s::text) || array_to_tsvector(ARRAY[%(mark)s::text || n.heir]),"
        " viewers = ARRAY(SELECT left(v.principal, -length(%(unit)s::text)) || n.heir"
        " FROM unnest(t.viewers) AS v (principal))"
        f" FROM {_TO} WHERE t.receipt_id = n.id::uuid",
        {"unit": ended.unit_id} | _to(owned) | _marks(ended),
    )


async def move_documents(conn: Connection, owned: Sequence[Owned], ended: Ended) -> None:
    """Their unit, what search finds them by, and whose members see them: the old right ends as the new one begins."""
    values = {"unit": ended.unit_id} | _to(owned) | _marks(ended)
    await conn.execute(
        f"UPDATE documents AS t SET unit_id = n.heir, version = version + 1 FROM {_TO} WHERE t.document_id = n.id::uuid",
        values,
    )
    await conn.execute(
        "UPDATE document_texts AS t SET search = ts_delete(t.search, ARRAY[%(old)s::text, %(old_broad)s::text])"
        " || array_to_tsvector(ARRAY[%(mark)s::text || n.heir] || CASE WHEN d.view_class = %(department)s"
        " THEN ARRAY[%(broad_mark)s::text || n.heir] ELSE '{}' END)"
        f" FROM documents AS d INNER JOIN {_TO} ON d.document_id = n.id::uuid WHERE d.document_id = t.document_id",
        values,
    )
    await conn.execute(
        f"WITH went AS (SELECT n.id::uuid AS id, n.heir FROM {_TO}),"
        " ended AS (UPDATE viewers SET valid_to = greatest(now(), valid_from)"
        " WHERE document_id IN (SELECT id FROM went) AND valid_to IS NULL"
        " AND (split_part(principal, ':', 1) IN ('unit', 'manager', 'section', 'department')"
        " AND split_part(principal, ':', 2) = %(unit)s::text OR split_part(principal, '@', 2) = %(unit)s::text)"
        " RETURNING document_id, principal, reason)"
        " INSERT INTO viewers (document_id, principal, reason, valid_from) SELECT e.document_id,"
        " CASE WHEN e.principal LIKE 'member:%%' THEN split_part(e.principal, '@', 1) || '@' || w.heir"
        " ELSE split_part(e.principal, ':', 1) || ':' || w.heir END, e.reason, now()"
        " FROM ended AS e INNER JOIN went AS w ON w.id = e.document_id",
        values,
    )


async def append_histories(
    conn: Connection, envelopes: Sequence[envelope_pb2.Envelope], occurred_at: dt.datetime
) -> None:
    """One line of history for each document."""
    rows = [
        {
            "event_id": envelope.event_id,
            "document_id": envelope.aggregate_id,
            "version": envelope.aggregate_version,
            "action": envelope.action,
            "staff_id": envelope.actor.staff_id,
            "detail": dict(envelope.detail),
        }
        for envelope in envelopes
    ]
    await conn.execute(
        "INSERT INTO history (event_id, document_id, version, action, occurred_at, staff_id, post_id, unit_id, detail)"
        " SELECT n.event_id, n.document_id, n.version, n.action, %s, n.staff_id, '', '', n.detail"
        " FROM jsonb_to_recordset(%s) AS n (event_id uuid, document_id uuid, version bigint, action text, staff_id text,"
        " detail jsonb)",
        (occurred_at, Jsonb(rows)),
    )


def _to(owned: Sequence[Owned]) -> dict[str, object]:
    return {"ids": [one.object_id for one in owned], "heirs": [one.heir for one in owned]}


def _marks(ended: Ended) -> dict[str, object]:
    """The lexemes by which search meets a unit's own and what is for its 部; and how those of the new one begin."""
    old_broad, broad = (broad_principal(unit_id, DEPARTMENT) for unit_id in (ended.unit_id, ""))
    begin = {"old": ended.unit_id, "mark": "", "old_broad": old_broad, "broad_mark": broad}
    marks: dict[str, object] = {name: textkey.UNIT_MARK + one for name, one in begin.items()}
    return marks | {"department": str(int(DEPARTMENT))}


async def count_owned(
    conn: Connection, unit_id: str, classes: Sequence[str], folders: Sequence[str]
) -> dict[tuple[str, str], tuple[int, int, int]]:
    """(CLASS or FOLDER, id) → folders, documents and receipts that such a rule would move; ("", "") is all the rest."""
    cursor = await conn.execute(
        "WITH owned AS ("
        " SELECT 1 AS f, 0 AS d, 0 AS r, folder_id, class_code FROM folders WHERE unit_id = %(unit)s"
        " UNION ALL SELECT 0, 1, 0, folder_id, class_code FROM documents WHERE unit_id = %(unit)s"
        # As `lock_receipts`.
        " UNION ALL SELECT 0, 0, 1, coalesce(d.folder_id, ''), coalesce(d.class_code, r.class_code) FROM receipts AS r"
        f" LEFT JOIN LATERAL ({_LATEST_DRAFT}) AS d ON true WHERE r.unit_id = %(unit)s)"
        " SELECT CASE WHEN folder_id = ANY(%(folders)s) THEN 'folder' WHEN class_code = ANY(%(classes)s) THEN 'class'"
        "  ELSE '' END AS kind, CASE WHEN folder_id = ANY(%(folders)s) THEN folder_id"
        "  WHEN class_code = ANY(%(classes)s) THEN class_code ELSE '' END AS id, sum(f), sum(d), sum(r)"
        " FROM owned GROUP BY 1, 2",
        {"unit": unit_id, "classes": list(classes), "folders": list(folders)},
    )
    return {(kind, one): (int(f), int(d), int(r)) for kind, one, f, d, r in await cursor.fetchall()}
