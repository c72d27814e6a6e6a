"""収受: what has to be known about what came, and the facts of its registration. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

from chassis.errors import FieldViolation, invalid
from services.documents import view_classes
from services.documents.domain import MAX_NAME, MAX_TITLE, Class, Fact, Number, number_issued, text_violations
from services.documents.view_classes import UNIT, Limits

SENDER_KINDS = frozenset({"citizen", "company", "government", "internal", "other"})
MEDIA = frozenset({"post", "counter", "lgwan", "mail", "e_application"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What came, as registered at 収受."""

    title: str
    sender_kind: str
    sender_name: str
    sender_reference: str
    received_on: dt.date | None
    arrived_on: dt.date | None
    medium: str
    unit_id: str
    due_on: dt.date | None
    class_code: str
    backdated_reason: str
    # 閲覧区分 and whom it names (AC-02); 0 is not given.
    view_class: int = 0
    designated: tuple[str, ...] = ()


def check_arrival(arrival: Arrival, class_: Class | None, today: dt.date) -> None:
    """LC-01: received on or after arrival, not in the future; a day other than today needs a reason."""
    found = text_violations(
        (
            ("title", arrival.title, MAX_TITLE, False),
            ("sender_name", arrival.sender_name, MAX_NAME, False),
            ("sender_reference", arrival.sender_reference, MAX_NAME, False),
            ("backdated_reason", arrival.backdated_reason, MAX_NAME, False),
        )
    )
    if not arrival.title.strip():
        found.append(FieldViolation("title", "REQUIRED"))
    if arrival.sender_kind not in SENDER_KINDS:
        found.append(FieldViolation("sender_kind", "UNKNOWN" if arrival.sender_kind else "REQUIRED"))
    if arrival.medium not in MEDIA:
        found.append(FieldViolation("medium", "UNKNOWN" if arrival.medium else "REQUIRED"))
    if arrival.class_code and (class_ is None or class_.unit_id not in ("", arrival.unit_id)):
        found.append(FieldViolation("class_code", "UNKNOWN"))
    for name, day in (("received_on", arrival.received_on), ("arrived_on", arrival.arrived_on)):
        if day is None:
            found.append(FieldViolation(name, "REQUIRED"))
        elif day > today:
            found.append(FieldViolation(name, "IN_FUTURE"))
    if arrival.received_on is not None and arrival.arrived_on is not None:
        if arrival.received_on < arrival.arrived_on:
            found.append(FieldViolation("received_on", "TOO_EARLY"))
        if arrival.received_on < today and not arrival.backdated_reason.strip():
            found.append(FieldViolation("backdated_reason", "REQUIRED"))
        if arrival.due_on is not None and arrival.due_on < arrival.received_on:
            found.append(FieldViolation("due_on", "TOO_EARLY"))
    found += view_classes.shape_problems(arrival.view_class, arrival.designated, view_classes.OF_RECEIPTS)
    if found:
        raise invalid(*found)


def classed(arrival: Arrival, class_: Class | None, *, in_section: bool) -> Arrival:
    """With its 閲覧区分: as chosen, else 課（室）内 or what its class narrows that to (AC-02). `in_section`: the unit is a 係."""
    limits = Limits(UNIT if class_ is None else class_.view_class, 1, in_section)
    view_class = arrival.view_class or view_classes.widest_allowed(UNIT, limits)
    if found := view_classes.problems(view_class, arrival.designated, limits):
        raise invalid(*found)
    return replace(arrival, view_class=view_class)


def viewers(arrival: Arrival, registered_by: str) -> list[str]:
    """The principals that see it."""
    rights = view_classes.rights(arrival.unit_id, registered_by, arrival.view_class, arrival.designated)
    return [principal for principal, _ in rights]


def receipt_facts(receipt_id: str, number: Number) -> list[Fact]:
    """NumberIssued and ReceiptRegistered, versions 1 and 2 of the receipt."""
    values = {"receipt_id": receipt_id, "receipt_number": number.written}
    registered = Fact("ReceiptRegistered", "receipt.registered", values, {"receipt_number": number.written})
    return [number_issued(number, receipt_id), registered]
