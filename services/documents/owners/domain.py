"""所管替え (RT-10): what a unit owned goes to the one that took over. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from services.documents.domain import Fact

DOCUMENT, FOLDER, RECEIPT = "document", "folder", "receipt"
# Name in the log, by what moves.
_ACTIONS = {DOCUMENT: "document.moved", FOLDER: "folder.moved", RECEIPT: "receipt.moved"}


@dataclass(frozen=True, slots=True)
class UnitChange:
    """A unit as of the day of a 組織改編, as approvals announced it."""

    unit_id: str
    parent_id: str
    symbol: str
    # None while it exists.
    ended_on: dt.date | None
    # Which unit took over; "" when it exists, or when nobody did.
    heir: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A unit that is over and still owns something, and who takes it over."""

    unit_id: str
    heir: str
    ended_on: dt.date


@dataclass(frozen=True, slots=True)
class Owned:
    """One thing that changes its owner."""

    object_id: str
    # Of its events, after this one.
    version: int
    version_digest: str = ""


def owner_changed(kind: str, object_id: str, ended: Ended) -> Fact:
    """OwnerChanged: content, numbers and retention stay as they are (LC-18, NB-10)."""
    values = {
        "kind": kind,
        "object_id": object_id,
        "previous_unit": ended.unit_id,
        "unit_id": ended.heir,
        "effective_on": ended.ended_on.isoformat(),
    }
    detail = {"previous_unit": ended.unit_id, "unit": ended.heir, "effective_on": ended.ended_on.isoformat()}
    return Fact("OwnerChanged", _ACTIONS[kind], values, detail)
