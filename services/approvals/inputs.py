"""What every RPC of this service asks of a request before anything else: texts that can be kept, ids that can be ids."""

from __future__ import annotations

import uuid

from google.protobuf.message import Message

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
