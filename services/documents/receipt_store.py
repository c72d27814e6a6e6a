# ruff: noqa: S608 - statements are put together from constants of this module
"""SQL of receipts (収受簿). They are seen by those of their unit whom their 閲覧区分 names, and nobody else (AC-02)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from chassis.db import Connection
from services.documents import textkey
from services.documents.domain import Number
from services.documents.receipts import Arrival, viewers
from services.documents.store import VISIBLE, one

# The predicate for receipts, "viewers ∩ my principals ≠ ∅": `r` is the row.
_MINE = "r.viewers && %(principals)s::text[]"


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt as shown. `sender_name` is protected and empty in lists (NB-12)."""

    receipt_id: str
    version: int
    receipt_number: str
    title: str
    sender_kind: str
    sender_name: str
    sender_reference: str
    received_on: dt.date
    arrived_on: dt.date
    medium: str
    unit_id: str
    due_on: dt.date | None
    class_code: str
    backdated_reason: str
    registered_at: dt.datetime
    registered_by: str
    view_class: int
    designated: Sequence[str]
    document_ids: Sequence[str]


_COLUMNS = (
    "r.receipt_id::text, r.version, r.receipt_number, r.title, r.sender_kind, r.sender_name, r.sender_reference,"
    " r.received_on, r.arrived_on, r.medium, r.unit_id, r.due_on, r.class_code, r.backdated_reason, r.registered_at,"
    " r.registered_by, r.view_class, r.designated"
)
_DRAFTED = (
    "ARRAY(SELECT d.document_id::text FROM document_receipts AS x JOIN documents AS d ON d.document_id = x.document_id"
    f" WHERE x.receipt_id = r.receipt_id AND {VISIBLE} ORDER BY d.document_id)"
)


async def insert(
    conn: Connection, receipt_id: str, version: int, number: Number, arrival: Arrival, staff_id: str, now: dt.datetime
) -> None:
    """A new receipt; nothing of it is ever changed."""
    key = textkey.fold("\n".join((arrival.title, number.written)))
    await conn.execute(
        "INSERT INTO receipts (receipt_id, version, receipt_number, title, sender_kind, sender_name, sender_reference,"
        " received_on, arrived_on, medium, unit_id, due_on, class_code, backdated_reason, registered_at, registered_by,"
        " view_class, designated, viewers, search, key) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
        " %s, %s, %s, %s, array_to_tsvector(%s::text[]), %s)",
        (
            receipt_id,
            version,
            number.written,
            arrival.title,
            arrival.sender_kind,
            arrival.sender_name,
            arrival.sender_reference,
            arrival.received_on,
            arrival.arrived_on,
            arrival.medium,
            arrival.unit_id,
            arrival.due_on,
            arrival.class_code,
            arrival.backdated_reason,
            now,
            staff_id,
            arrival.view_class,
            list(arrival.designated),
            viewers(arrival, staff_id),
            textkey.lexemes(key, [arrival.unit_id]),
            key,
        ),
    )


async def get(conn: Connection, receipt_id: str, principals: Sequence[str]) -> Receipt | None:
    """The receipt if it is for the reader, with the documents drafted from it that he may see (LC-03)."""
    cursor = await conn.execute(
        f"SELECT {_COLUMNS}, {_DRAFTED} FROM receipts AS r WHERE r.receipt_id = %(receipt_id)s AND {_MINE}",
        {"receipt_id": receipt_id, "principals": list(principals)},
    )
    row = await cursor.fetchone()
    return None if row is None else Receipt(*row)


async def newest(
    conn: Connection, principals: Sequence[str], *, limit: int, before: str, unit_id: str, words: Sequence[str]
) -> list[Receipt]:
    """収受簿, newest first. One statement."""
    values: dict[str, object] = {"principals": list(principals), "limit": limit}
    units = [p.removeprefix("unit:") for p in principals if p.startswith("unit:")]
    conditions = [
        _MINE,
        "(r.unit_id = ANY(%(units)s) OR EXISTS (SELECT FROM former_owners AS w WHERE w.kind = 'receipt'"
        " AND w.object_id = r.receipt_id::text AND w.unit_id = ANY(%(units)s)))"
        if unit_id
        else "r.unit_id = ANY(%(units)s)",
    ]
    values["units"] = [unit_id] if unit_id else units
    if before:
        conditions.append("r.receipt_id < %(before)s")
        values["before"] = before
    if words:
        conditions.append("r.search @@ %(words)s::tsquery AND r.key LIKE ALL(%(phrases)s)")
        values |= {"words": textkey.ts_query(words), "phrases": [textkey.like(word) for word in words]}
    cursor = await conn.execute(
        f"SELECT {_COLUMNS}, {_DRAFTED} FROM receipts AS r WHERE {' AND '.join(conditions)}"
        " ORDER BY r.receipt_id DESC LIMIT %(limit)s".encode(),
        values,
    )
    return [Receipt(*row) for row in await cursor.fetchall()]


async def view_classes(conn: Connection, receipt_ids: Sequence[str]) -> list[int]:
    """閲覧区分 of each."""
    cursor = await conn.execute(
        "SELECT r.view_class FROM receipts AS r WHERE r.receipt_id = ANY(%s::uuid[])", (list(receipt_ids),)
    )
    return [row[0] for row in await cursor.fetchall()]


async def all_visible(conn: Connection, receipt_ids: Sequence[str], principals: Sequence[str]) -> bool:
    """Whether the reader may see every one of them."""
    cursor = await conn.execute(
        f"SELECT count(*) FROM receipts AS r WHERE r.receipt_id = ANY(%(ids)s::uuid[]) AND {_MINE}",
        {"ids": list(receipt_ids), "principals": list(principals)},
    )
    row = await one(cursor)
    return int(row[0]) == len(set(receipt_ids))
