"""Cursors of lists: where a page ended, as text that only this service reads. INVALID_CURSOR for any other."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import uuid

from chassis.errors import DomainError, Kind
from services.approvals.deadlines.store import Overdue
from services.approvals.inbox.store import Position, Waiting


def cursor_of(*parts: str | int) -> str:
    """The text of a place."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def name_of(cursor: str) -> str:
    """The one name a list by name goes on after, "" from the beginning."""
    return _text(_parts(cursor, 1)[0]) if cursor else ""


def after(item: Waiting | Overdue) -> str:
    """The cursor of what follows a step that waits."""
    return cursor_of(0 if item.urgent else 1, item.waiting_since.isoformat(), item.step_id)


def position_of(cursor: str) -> Position | None:
    """Where a list of steps that wait goes on, None from the beginning."""
    if not cursor:
        return None
    priority, since, step_id = _parts(cursor, 3)
    if not isinstance(priority, int) or priority not in (0, 1):
        raise _bad_cursor()
    try:
        moment = dt.datetime.fromisoformat(_text(since))
        position = Position(priority, moment, str(uuid.UUID(_text(step_id))))
    except ValueError:
        raise _bad_cursor() from None
    if moment.tzinfo is None:
        raise _bad_cursor()
    return position


def _parts(cursor: str, length: int) -> list[object]:
    try:
        parts = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        raise _bad_cursor() from None
    if not isinstance(parts, list) or len(parts) != length:
        raise _bad_cursor()
    return parts


def _text(part: object) -> str:
    if not isinstance(part, str) or "\0" in part:
        raise _bad_cursor()
    return part


def _bad_cursor() -> DomainError:
    return DomainError(Kind.INVALID, "INVALID_CURSOR", "the cursor is not one of ours")
