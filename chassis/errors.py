"""The one error that services raise on purpose, and its kinds.

Pure: domain modules import it. The server turns it into a gRPC status with
details, the gateway turns that into a sentence; nobody else catches it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class Kind(enum.Enum):
    """What sort of refusal; each maps to one gRPC code and one HTTP status."""

    INVALID = "INVALID_ARGUMENT"
    PRECONDITION = "FAILED_PRECONDITION"
    CONFLICT = "ABORTED"
    EXISTS = "ALREADY_EXISTS"
    NOT_FOUND = "NOT_FOUND"
    DENIED = "PERMISSION_DENIED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    UNAVAILABLE = "UNAVAILABLE"
    TOO_LARGE = "RESOURCE_EXHAUSTED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    DATA_LOSS = "DATA_LOSS"
    DEADLINE = "DEADLINE_EXCEEDED"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True)
class FieldViolation:
    """One wrong field: its path in the request and what is wrong, for programs and log."""

    field: str
    # Upper-case word, e.g. "REQUIRED", "TOO_LONG"; the gateway has the sentence for people.
    problem: str


class DomainError(Exception):
    """A refusal with a reason.

    `reason` is a name of the service's ErrorReason without the ERROR_REASON_ prefix.
    `message` is English, for logs; it never reveals what the reader may not know.
    """

    def __init__(
        self,
        kind: Kind,
        reason: str,
        message: str = "",
        fields: Sequence[FieldViolation] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message or reason)
        self.kind = kind
        self.reason = reason
        self.message = message or reason
        self.fields = tuple(fields)
        self.metadata = dict(metadata or {})


def not_found() -> DomainError:
    """Absent, or not for this reader: one error for both, so that nothing hints at the rest (AC-03)."""
    return DomainError(Kind.NOT_FOUND, "NOT_FOUND")


def invalid(*fields: FieldViolation) -> DomainError:
    """One or more wrong fields."""
    names = ", ".join(f"{f.field}: {f.problem}" for f in fields)
    return DomainError(Kind.INVALID, "INVALID_FIELDS", names, fields)


def not_recorded() -> DomainError:
    """The access cannot be recorded, so nothing is served (SC-05)."""
    return DomainError(Kind.UNAVAILABLE, "NOT_RECORDED", "the access record could not be written")
