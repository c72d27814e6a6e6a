"""What every RPC of this service asks of a request before anything else: texts that can be kept, ids that can be ids."""

from __future__ import annotations

import datetime as dt
import uuid

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis import clock
from chassis.errors import FieldViolation, invalid, not_found


def require_readable(request: Message) -> None:
    """Texts must be storable: PostgreSQL knows no NUL. INVALID_FIELDS names the field."""
    for descriptor, value in request.ListFields():
        values = value if descriptor.is_repeated else [value]
        for one in values:
            if isinstance(one, str) and "\0" in one:
                raise invalid(FieldViolation(descriptor.name, "MALFORMED"))
            if isinstance(one, Message):
                require_readable(one)


def known_id(text: str) -> str:
    """The canonical form; what is no id cannot be found. NOT_FOUND."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise not_found() from None


def day_of(text: str, field: str = "on") -> dt.date:
    """A date, today when nothing is said. INVALID_FIELDS."""
    if not text:
        return clock.today()
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise invalid(FieldViolation(field, "NOT_A_DATE")) from None


def moment_of(request: Message, name: str) -> dt.datetime:
    """A required Timestamp field, as an aware Japanese time. INVALID_FIELDS for what is missing or no moment."""
    if not request.HasField(name):
        raise invalid(FieldViolation(name, "REQUIRED"))
    stamp: Timestamp = getattr(request, name)
    try:
        return stamp.ToDatetime(tzinfo=dt.UTC).astimezone(clock.JST)
    except (ValueError, OverflowError):
        raise invalid(FieldViolation(name, "OUT_OF_RANGE")) from None


def limit_of(wished: int, default: int, most: int) -> int:
    """How many a page may have. INVALID_FIELDS."""
    if not 0 <= wished <= most:
        raise invalid(FieldViolation("limit", "OUT_OF_RANGE"))
    return wished or default
