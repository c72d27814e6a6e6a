"""所管替え (RT-10): what a unit owned goes to the one that took over. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from services.documents.domain import Fact

DOCUMENT, FOLDER, RECEIPT, CLASS = "document", "folder", "receipt", "class"
# Name in the log, by what moves.
_ACTIONS = {DOCUMENT: "document.moved", FOLDER: "folder.moved", RECEIPT: "receipt.moved"}


@dataclass(frozen=True, slots=True)
class Share:
    """What of the things of an ended unit goes to another one than the rest: a class of the file plan, or one folder."""

    # CLASS or FOLDER.
    kind: str
    object_id: str
    heir: str


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
    # Of a unit that was split.
    shares: tuple[Share, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """A unit that is over and still owns something, and who takes over what no share gives to another."""

    unit_id: str
    heir: str
    ended_on: dt.date


@dataclass(frozen=True, slots=True)
class Owned:
    """One thing that changes its owner."""

    object_id: str
    # Of its events, after this one.
    version: int
    # Which unit takes it over.
    heir: str
    version_digest: str = ""


def owner_changed(kind: str, owned: Owned, ended: Ended) -> Fact:
    """OwnerChanged: content, numbers and retention stay as they are (LC-18, NB-10)."""
    values = {
        "kind": kind,
        "object_id": owned.object_id,
        "previous_unit": ended.unit_id,
        "unit_id": owned.heir,
        "effective_on": ended.ended_on.isoformat(),
    }
    detail = {"previous_unit": ended.unit_id, "unit": owned.heir, "effective_on": ended.ended_on.isoformat()}
    return Fact("OwnerChanged", _ACTIONS[kind], values, detail)
