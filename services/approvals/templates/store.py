# ruff: noqa: S608 - statements are put together from constants
"""All SQL about templates of routes: rows are only added, the highest version counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg.types.json import Jsonb

from chassis import clock
from chassis.db import Connection
from services.approvals.routes.domain import StepKind
from services.approvals.templates.domain import Extra, Scope, Template

_TEMPLATE = (
    "SELECT DISTINCT ON (route_template_id) route_template_id::text, version, scope, owner, name, steps, saved_by,"
    " saved_at, retired FROM route_templates "
)
_LATEST = " ORDER BY route_template_id, version DESC"
MAX_LISTED = 500


async def list_templates(conn: Connection, staff_id: str, units: Sequence[str]) -> list[Template]:
    """What this person may use, by scope and name; at most 500."""
    cursor = await conn.execute(
        "SELECT route_template_id, version, scope, owner, name, steps, saved_by, saved_at, retired FROM ("
        + _TEMPLATE
        + "WHERE scope = 'city' OR (scope = 'personal' AND owner = %s) OR (scope = 'unit' AND owner = ANY(%s))"
        + _LATEST
        + ") AS t WHERE NOT retired"
        " ORDER BY array_position(ARRAY['personal', 'unit', 'city'], scope), name, route_template_id LIMIT %s",
        (staff_id, list(units), MAX_LISTED),
    )
    return [_template(row) for row in await cursor.fetchall()]


async def shared_templates(conn: Connection) -> list[Template]:
    """What units and the city offer, by name."""
    cursor = await conn.execute(
        "SELECT route_template_id, version, scope, owner, name, steps, saved_by, saved_at, retired FROM ("
        + _TEMPLATE
        + "WHERE scope IN ('unit', 'city')"
        + _LATEST
        + ") AS t WHERE NOT retired ORDER BY name, route_template_id"
    )
    return [_template(row) for row in await cursor.fetchall()]


async def find_template(conn: Connection, route_template_id: str) -> Template | None:
    """The version that counts; None when it does not exist or is retired."""
    cursor = await conn.execute(_TEMPLATE + "WHERE route_template_id = %s" + _LATEST, (route_template_id,))
    row = await cursor.fetchone()
    found = None if row is None else _template(row)
    return None if found is None or found.retired else found


async def lock(conn: Connection, route_template_id: str) -> None:
    """One change of a template at a time."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (route_template_id,))


async def insert(conn: Connection, template: Template) -> None:
    """A version."""
    await conn.execute(
        "INSERT INTO route_templates (route_template_id, version, scope, owner, name, steps, retired, saved_by,"
        " saved_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            template.route_template_id,
            template.version,
            template.scope,
            template.owner,
            template.name,
            Jsonb([{"kind": e.kind, "post_id": e.post_id, "after": e.after} for e in template.extras]),
            template.retired,
            template.saved_by,
            template.saved_at,
        ),
    )


def _template(row: Sequence[Any]) -> Template:
    route_template_id, version, scope, owner, name, steps, saved_by, saved_at, retired = row
    return Template(
        route_template_id,
        version,
        Scope(scope),
        owner,
        name,
        tuple(Extra(StepKind(one["kind"]), one["post_id"], one["after"]) for one in steps),
        saved_by,
        saved_at.astimezone(clock.JST),
        retired,
    )
