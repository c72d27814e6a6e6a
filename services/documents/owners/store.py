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
    await conn.execute(
        "UPDATE classes AS c SET unit_id = u.heir FROM units AS u"
        " WHERE u.unit_id = c.unit_id AND u.ended_on IS NOT NULL AND u.heir <> ''"
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
        "SELECT d.document_id::text, d.version + 1, d.version_digest FROM documents AS d WHERE d.unit_id = %s"
        " ORDER BY d.document_id DESC LIMIT %s FOR UPDATE SKIP LOCKED",
        (unit_id, limit),
    )
    return [Owned(*row) for row in await cursor.fetchall()]


async def lock_folders(conn: Connection, unit_id: str, limit: int) -> list[Owned]:
    """Up to `limit` folders of the unit, locked; the first event of a folder made it."""
    cursor = await conn.execute(
        "SELECT f.folder_id, 2 + (SELECT count(*) FROM former_owners AS o WHERE o.kind = 'folder'"
        " AND o.object_id = f.folder_id) FROM folders AS f WHERE f.unit_id = %s"
        " ORDER BY f.folder_id LIMIT %s FOR UPDATE SKIP LOCKED",
        (unit_id, limit),
    )
    return [Owned(*row) for row in await cursor.fetchall()]


async def lock_receipts(conn: Connection, unit_id: str, limit: int) -> list[Owned]:
    """Up to `limit` receipts of the unit, locked."""
    cursor = await conn.execute(
        "SELECT r.receipt_id::text, r.version + 1 FROM receipts AS r WHERE r.unit_id = %s"
        " ORDER BY r.receipt_id DESC LIMIT %s FOR UPDATE SKIP LOCKED",
        (unit_id, limit),
    )
    return [Owned(*row) for row in await cursor.fetchall()]


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
        f" WHERE o.kind = %(kind)s AND o.object_id = t.{key}::text), {made}), %(now)s, %(new)s"
        f" FROM {table} AS t WHERE t.{key} = ANY(%(ids)s::{of}[])",
        {"kind": kind, "old": ended.unit_id, "new": ended.heir, "now": now, "ids": _ids(owned)},
    )


async def move_folders(conn: Connection, owned: Sequence[Owned], heir: str) -> None:
    """Their unit."""
    await conn.execute("UPDATE folders SET unit_id = %s WHERE folder_id = ANY(%s)", (heir, _ids(owned)))


async def move_receipts(conn: Connection, owned: Sequence[Owned], ended: Ended) -> None:
    """Their unit, and what search finds them by."""
    await conn.execute(
        "UPDATE receipts SET unit_id = %(heir)s, version = version + 1,"
        " search = ts_delete(search, %(old)s::text) || array_to_tsvector(ARRAY[%(new)s::text]),"
        " viewers = ARRAY(SELECT left(v.principal, -length(%(unit)s::text)) || %(heir)s::text"
        " FROM unnest(viewers) AS v (principal)) WHERE receipt_id = ANY(%(ids)s::uuid[])",
        {"unit": ended.unit_id, "heir": ended.heir, "ids": _ids(owned)} | _marks(ended),
    )


async def move_documents(conn: Connection, owned: Sequence[Owned], ended: Ended) -> None:
    """Their unit, what search finds them by, and whose members see them: the old right ends as the new one begins."""
    values = {"unit": ended.unit_id, "heir": ended.heir, "ids": _ids(owned)} | _marks(ended)
    await conn.execute(
        "UPDATE documents SET unit_id = %(heir)s, version = version + 1 WHERE document_id = ANY(%(ids)s::uuid[])",
        values,
    )
    await conn.execute(
        "UPDATE document_texts AS t SET search = ts_delete(t.search, ARRAY[%(old)s::text, %(old_broad)s::text])"
        " || array_to_tsvector(ARRAY[%(new)s::text] || CASE WHEN d.view_class = %(department)s"
        " THEN ARRAY[%(new_broad)s::text] ELSE '{}' END)"
        " FROM documents AS d WHERE d.document_id = t.document_id AND t.document_id = ANY(%(ids)s::uuid[])",
        values,
    )
    await conn.execute(
        "WITH ended AS (UPDATE viewers SET valid_to = greatest(now(), valid_from)"
        " WHERE document_id = ANY(%(ids)s::uuid[]) AND valid_to IS NULL"
        " AND (split_part(principal, ':', 1) IN ('unit', 'manager', 'section', 'department')"
        " AND split_part(principal, ':', 2) = %(unit)s::text OR split_part(principal, '@', 2) = %(unit)s::text)"
        " RETURNING document_id, principal, reason)"
        " INSERT INTO viewers (document_id, principal, reason, valid_from) SELECT e.document_id,"
        " CASE WHEN e.principal LIKE 'member:%%' THEN split_part(e.principal, '@', 1) || '@' || %(heir)s::text"
        " ELSE split_part(e.principal, ':', 1) || ':' || %(heir)s::text END, e.reason, now() FROM ended AS e",
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


def _ids(owned: Sequence[Owned]) -> list[str]:
    return [one.object_id for one in owned]


def _marks(ended: Ended) -> dict[str, str]:
    """The lexemes by which search meets a unit's own, and what is for its 部."""
    old, new = (broad_principal(unit_id, DEPARTMENT) for unit_id in (ended.unit_id, ended.heir))
    marks = {"old": ended.unit_id, "new": ended.heir, "old_broad": old, "new_broad": new}
    return {name: textkey.UNIT_MARK + mark for name, mark in marks.items()} | {"department": str(int(DEPARTMENT))}
