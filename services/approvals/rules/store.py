# ruff: noqa: S608 - statements are put together from constants
"""All SQL about versions of decision rules. A version's rules are written once, with it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from psycopg.types.json import Jsonb

from chassis import clock
from chassis.db import Connection
from services.approvals.routes.domain import Rule
from services.approvals.routes.store import RULE_COLUMNS, rule_of
from services.approvals.rules.domain import Version, VersionState

_VERSION = (
    "SELECT rule_version_id::text, body, title, valid_from, state, imported_by, imported_at, settled_by, settled_at,"
    " version FROM rule_versions "
)
MAX_LISTED = 500


async def list_versions(conn: Connection, body: str) -> list[Version]:
    """Versions of a body, or ("") of all, latest first day first; at most 500."""
    cursor = await conn.execute(
        _VERSION + "WHERE body = %(body)s OR %(body)s = ''"
        " ORDER BY valid_from DESC, body, imported_at DESC, rule_version_id LIMIT %(limit)s",
        {"body": body, "limit": MAX_LISTED},
    )
    return [_version(row) for row in await cursor.fetchall()]


async def find_version(conn: Connection, rule_version_id: str) -> Version | None:
    """One version."""
    cursor = await conn.execute(_VERSION + "WHERE rule_version_id = %s", (rule_version_id,))
    row = await cursor.fetchone()
    return None if row is None else _version(row)


async def in_force(conn: Connection, body: str, day: dt.date) -> Version | None:
    """The version that holds on a day."""
    cursor = await conn.execute(
        _VERSION + "WHERE body = %s AND state = 'activated' AND valid_from <= %s ORDER BY valid_from DESC LIMIT 1",
        (body, day),
    )
    row = await cursor.fetchone()
    return None if row is None else _version(row)


async def begins_on(conn: Connection, body: str, day: dt.date) -> Version | None:
    """The activated version whose first day it is."""
    version = await in_force(conn, body, day)
    return version if version is not None and version.valid_from == day else None


async def lock_body(conn: Connection, body: str) -> None:
    """Wait for and take all versions of a body; changes of them come one after the other."""
    await conn.execute("SELECT 1 FROM rule_versions WHERE body = %s ORDER BY rule_version_id FOR UPDATE", (body,))


async def rules_of(conn: Connection, rule_version_id: str) -> list[Rule]:
    """The rules of a version, by id."""
    cursor = await conn.execute(
        "SELECT " + RULE_COLUMNS + " FROM version_rules INNER JOIN rule_versions USING (rule_version_id)"
        " WHERE rule_version_id = %s ORDER BY rule_id",
        (rule_version_id,),
    )
    return [rule_of(row) for row in await cursor.fetchall()]


async def rules_on(conn: Connection, body: str, day: dt.date) -> list[Rule]:
    """Everything in force on a day, of one body or ("") of all."""
    cursor = await conn.execute(
        "SELECT " + RULE_COLUMNS + " FROM decision_rules"
        " WHERE (body = %(body)s OR %(body)s = '') AND valid_from <= %(day)s AND %(day)s < valid_to"
        " ORDER BY body, rule_id",
        {"body": body, "day": day},
    )
    return [rule_of(row) for row in await cursor.fetchall()]


async def insert(conn: Connection, version: Version, rules: Sequence[Rule]) -> None:
    """A new version with its rules."""
    await conn.execute(
        "INSERT INTO rule_versions (rule_version_id, body, title, valid_from, state, imported_by, imported_at,"
        " settled_by, settled_at, version) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            version.rule_version_id,
            version.body,
            version.title,
            version.valid_from,
            version.state,
            version.imported_by,
            version.imported_at,
            version.settled_by,
            version.settled_at,
            version.version,
        ),
    )
    await conn.execute(
        "INSERT INTO version_rules (rule_version_id, rule_id, unit_id, matter, amount_min, amount_max, decision_class,"
        " concurrence_posts, concurrence_after, review_posts, basis, concurrence_need, concurrence_order, provisional)"
        " SELECT %s, n.rule_id, n.unit_id, n.matter, n.amount_min, n.amount_max, n.decision_class,"
        " n.concurrence_posts, n.concurrence_after, n.review_posts, n.basis, n.concurrence_need, n.concurrence_order,"
        " n.provisional"
        " FROM jsonb_to_recordset(%s) AS n (rule_id text, unit_id text, matter text, amount_min bigint,"
        " amount_max bigint, decision_class text, concurrence_posts text[], concurrence_after text,"
        " review_posts text[], basis text, concurrence_need smallint, concurrence_order text, provisional boolean)",
        (version.rule_version_id, Jsonb([_json(rule) for rule in rules])),
    )


async def settle(conn: Connection, version: Version) -> None:
    """Activated or discarded."""
    await conn.execute(
        "UPDATE rule_versions SET state = %s, settled_by = %s, settled_at = %s, version = %s"
        " WHERE rule_version_id = %s",
        (version.state, version.settled_by, version.settled_at, version.version, version.rule_version_id),
    )


def _version(row: Sequence[Any]) -> Version:
    rule_version_id, body, title, valid_from, state, imported_by, imported_at, settled_by, settled_at, number = row
    return Version(
        rule_version_id,
        body,
        title,
        valid_from,
        VersionState(state),
        imported_by,
        imported_at.astimezone(clock.JST),
        settled_by,
        settled_at.astimezone(clock.JST) if settled_at is not None else None,
        number,
    )


def _json(rule: Rule) -> dict[str, Any]:
    return {
        "rule_id": rule.rule_id,
        "unit_id": rule.unit_id,
        "matter": rule.matter,
        "amount_min": rule.amount_min,
        "amount_max": rule.amount_max,
        "decision_class": rule.decision_class,
        "concurrence_posts": list(rule.concurrence_posts),
        "concurrence_after": rule.concurrence_after,
        "review_posts": list(rule.review_posts),
        "basis": rule.basis,
        "concurrence_need": rule.concurrence_need,
        "concurrence_order": rule.concurrence_order,
        "provisional": rule.provisional,
    }
