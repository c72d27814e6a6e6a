"""付箋: private memos of those on the route (AP-53). Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from chassis.errors import FieldViolation, invalid
from services.documents import domain as documents
from services.documents.domain import Document, Fact, State, text_violations, wrong_state
from services.documents.policy import not_permitted

MAX_TEXT = 2_000
# Reasons of `viewers` that put somebody on the route.
ON_ROUTE = ("route_step", "acted", "circulation")


@dataclass(frozen=True, slots=True)
class Memo:
    """One person's memo on one document; `sealed` is its text."""

    memo_id: str
    document_id: str
    staff_id: str
    through: str
    sealed: bytes
    version: int
    saved_at: dt.datetime


def check_may_save(document: Document, through: str) -> None:
    """WRONG_STATE unless it circulates; NOT_PERMITTED for who sees it otherwise than on the route."""
    if document.state is not State.CIRCULATING:
        raise wrong_state(document)
    if not through:
        raise not_permitted("a memo is for who is on the route")


def check_text(text: str) -> None:
    """INVALID_FIELDS: REQUIRED, TOO_LONG, INVALID_CHARACTER."""
    found = text_violations([("text", text, MAX_TEXT, True)])
    if not text.strip():
        found.append(FieldViolation("text", "REQUIRED"))
    if found:
        raise invalid(*found)


def check_version(memo: Memo | None, expected: int) -> None:
    """STALE_VERSION: it was changed or taken off since it was read."""
    documents.check_version(memo.version if memo is not None else 0, expected)


def saved(memo_id: str) -> Fact:
    """Stuck or changed. On which document stays the person's own affair."""
    return Fact("MemoSaved", "memo.saved", {"memo_id": memo_id})


def deleted(memo_id: str) -> Fact:
    """Gone, by the person or with the case."""
    return Fact("MemoDeleted", "memo.deleted", {"memo_id": memo_id})
