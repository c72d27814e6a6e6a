# ruff: noqa: S608 - statements are put together from constants
"""All SQL about 例文: rows are only added, the highest version counts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from chassis import clock
from chassis.db import Connection
from services.documents.bodies.domain import BodyTemplate, Scope

MAX_LISTED = 500
_COLUMNS = "body_template_id::text, version, scope, owner, name, body, saved_by, saved_at, retired"
_NEWEST = "SELECT DISTINCT ON (body_template_id) * FROM body_templates AS t"
_ORDER = " ORDER BY body_template_id, version DESC"


async def listed(conn: Connection, staff_id: str, units: Collection[str]) -> list[BodyTemplate]:
    """What this person may use, by scope and name; at most 500."""
    cursor = await conn.execute(
        f"SELECT {_COLUMNS} FROM ({_NEWEST} WHERE scope = 'city' OR (scope = 'personal' AND owner = %s)"
        f" OR (scope = 'unit' AND owner = ANY(%s)){_ORDER}) AS newest WHERE NOT retired"
        " ORDER BY array_position(ARRAY['personal', 'unit', 'city'], scope), name, body_template_id LIMIT %s",
        (staff_id, sorted(units), MAX_LISTED),
    )
    return [_template(row) for row in await cursor.fetchall()]


async def find(conn: Connection, body_template_id: str) -> BodyTemplate | None:
    """The version that counts; None when it does not exist or is retired."""
    newest = await newest_of(conn, body_template_id)
    return None if newest is None or newest.retired else newest


async def newest_of(conn: Connection, body_template_id: str) -> BodyTemplate | None:
    """The last version, even one that retired it."""
    cursor = await conn.execute(
        f"SELECT {_COLUMNS} FROM body_templates WHERE body_template_id = %s ORDER BY version DESC LIMIT 1",
        (body_template_id,),
    )
    row = await cursor.fetchone()
    return None if row is None else _template(row)


async def lock(conn: Connection, body_template_id: str) -> None:
    """One change of a template at a time."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (body_template_id,))


async def insert(conn: Connection, template: BodyTemplate) -> None:
    """A version."""
    await conn.execute(
        "INSERT INTO body_templates (body_template_id, version, scope, owner, name, body, saved_by, saved_at, retired)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            template.body_template_id,
            template.version,
            template.scope,
            template.owner,
            template.name,
            template.body,
            template.saved_by,
            template.saved_at,
            template.retired,
        ),
    )


def _template(row: Sequence[Any]) -> BodyTemplate:
    body_template_id, version, scope, owner, name, body, saved_by, saved_at, retired = row
    saved_at = saved_at.astimezone(clock.JST)
    return BodyTemplate(body_template_id, version, Scope(scope), owner, name, body, saved_by, saved_at, retired)
