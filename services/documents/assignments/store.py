# ruff: noqa: S608 - statements are put together from constants of this module
"""SQL of 引継ぎ."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from chassis.db import Connection
from services.documents.assignments.domain import OPEN

_IN_CHARGE = "coalesce(nullif(d.assignee, ''), d.drafter)"


@dataclass(frozen=True, slots=True)
class Unattended:
    """An open document whose 担当者 has left its unit: identifiers only."""

    document_id: str
    state: int
    draft_number: str
    drafter: str
    assignee: str
    created_at: dt.datetime
    version: int


async def unattended(
    conn: Connection, unit_id: str, members: Collection[str], *, before: str, limit: int
) -> list[Unattended]:
    """Open documents of the unit that belong to none of its members, newest first, by index of unit and state."""
    cursor = await conn.execute(
        f"SELECT d.document_id::text, d.state, d.draft_number, d.drafter, {_IN_CHARGE}, d.created_at, d.version"
        " FROM documents AS d WHERE d.unit_id = %(unit_id)s AND d.state = ANY(%(states)s)"
        f" AND {_IN_CHARGE} <> ALL(%(members)s) AND (%(before)s = '' OR d.document_id < nullif(%(before)s, '')::uuid)"
        " ORDER BY d.document_id DESC LIMIT %(limit)s",
        {
            "unit_id": unit_id,
            "states": sorted(int(state) for state in OPEN),
            "members": sorted(members),
            "before": before,
            "limit": limit,
        },
    )
    return [Unattended(*row) for row in await cursor.fetchall()]
