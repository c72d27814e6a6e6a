# ruff: noqa: S608 - statements are put together from constants
"""SQL of 次にすること: the lines of each class in their order; the class carries the version of its list."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from chassis.db import Connection
from services.documents import plan_store
from services.documents.domain import Class
from services.documents.follow_ups.domain import FollowUp, FollowUpList

_LINE = (
    "follow_up_id, class_code, after_kind, after_words, kind, title, next_class_code,"
    " coalesce(body_template_id::text, '')"
)
_NAMES = [field.name for field in fields(FollowUp)]


@dataclass(frozen=True, slots=True)
class ListedClass:
    """A class, how many lines its list has, and who edited it last."""

    class_: Class
    follow_ups: int
    edited_by: str
    edited_at: dt.datetime | None


async def of_class(conn: Connection, class_code: str) -> list[FollowUp]:
    """The lines of a class, in their order."""
    cursor = await conn.execute(
        f"SELECT {_LINE} FROM follow_ups WHERE class_code = %s ORDER BY position, follow_up_id", (class_code,)
    )
    return [FollowUp(**dict(zip(_NAMES, row, strict=True))) for row in await cursor.fetchall()]


async def find(conn: Connection, class_code: str, *, lock: bool = False) -> FollowUpList | None:
    """The list of a class, None without such a class. `lock`: one edit of a list at a time, and none while it is loaded."""
    cursor = await conn.execute(
        "SELECT c.follow_ups_version, c.follow_ups_edited_by, c.follow_ups_edited_at FROM classes AS c"
        f" WHERE c.class_code = %s{' FOR UPDATE' if lock else ''}",
        (class_code,),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    version, edited_by, edited_at = row
    return FollowUpList(
        class_code=class_code,
        version=version,
        follow_ups=tuple(await of_class(conn, class_code)),
        edited_by=edited_by,
        edited_at=edited_at,
    )


async def listed(conn: Connection) -> list[ListedClass]:
    """Every class of the file plan, by its code."""
    cursor = await conn.execute(
        "SELECT c.class_code, c.follow_ups_edited_by, c.follow_ups_edited_at,"
        " (SELECT count(*) FROM follow_ups AS f WHERE f.class_code = c.class_code) FROM classes AS c"
    )
    found = {code: (count, edited_by, edited_at) for code, edited_by, edited_at, count in await cursor.fetchall()}
    classes = await plan_store.every_class(conn)
    return [ListedClass(one, *found[one.class_code]) for one in classes if one.class_code in found]


async def save(conn: Connection, made: FollowUpList) -> None:
    """The list instead of the one before."""
    await conn.execute("DELETE FROM follow_ups WHERE class_code = %s", (made.class_code,))
    for position, line in enumerate(made.follow_ups, start=1):
        await conn.execute(
            "INSERT INTO follow_ups (follow_up_id, class_code, after_kind, after_words, kind, title, next_class_code,"
            " body_template_id, position) VALUES (%s, %s, %s, %s, %s, %s, %s, nullif(%s, '')::uuid, %s)",
            (*(getattr(line, name) for name in _NAMES), position),
        )
    await conn.execute(
        "UPDATE classes SET follow_ups_version = %s, follow_ups_edited_by = %s, follow_ups_edited_at = %s"
        " WHERE class_code = %s",
        (made.version, made.edited_by, made.edited_at, made.class_code),
    )


async def load(conn: Connection, lines: Sequence[FollowUp], *, edited_too: bool) -> list[str]:
    """The lists as the files have them; the codes of the classes whose list was edited and therefore stays as it is.

    `edited_too`: none stays. What is the same already gets no version.
    """
    wanted: Mapping[str, list[FollowUp]] = {one.class_code: [] for one in await plan_store.every_class(conn)}
    for line in lines:
        wanted[line.class_code].append(line)
    kept = []
    for class_code, follow_ups in wanted.items():
        before = await find(conn, class_code, lock=True)
        if before is None or (before.follow_ups == tuple(follow_ups) and not (before.edited_by and edited_too)):
            continue
        if before.edited_by and not edited_too:
            kept.append(class_code)
            continue
        made = FollowUpList(
            class_code=class_code,
            version=before.version + 1,
            follow_ups=tuple(follow_ups),
            edited_by="",
            edited_at=None,
        )
        await save(conn, made)
    return kept
