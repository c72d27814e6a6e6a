"""From protobuf to the dicts that the API sends and the pages draw, one module per noun. Plain functions, no decisions.

Every thing carries its own id as `id` and under the name by which other things refer to it (`document_id`, …).
Times are RFC 3339 in Japan's zone with milliseconds, dates ISO; what is not set is null.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.clock import JST
from kanketsu.approvals.v1 import approvals_service_pb2 as approvals_pb
from kanketsu.documents.v1 import documents_service_pb2 as documents_pb

View = dict[str, Any]


def names_of(enum: Any, prefix: str) -> dict[int, str]:
    """Number → lower-case word of a protobuf enum."""
    return {value.number: value.name.removeprefix(prefix).lower() for value in enum.DESCRIPTOR.values}


STATES = names_of(documents_pb.DocumentState, "DOCUMENT_STATE_")
DISCLOSURES = names_of(documents_pb.Disclosure, "DISCLOSURE_")
PERSONAL = names_of(documents_pb.PersonalInformation, "PERSONAL_INFORMATION_")
VIEW_CLASSES = names_of(documents_pb.ViewClass, "VIEW_CLASS_")
STEP_KINDS = names_of(approvals_pb.StepKind, "STEP_KIND_")
STEP_STATES = names_of(approvals_pb.StepState, "STEP_STATE_")


def number_of(names: Mapping[int, str], word: str) -> int:
    """The enum value with this word; KeyError for another."""
    return {name: number for number, name in names.items()}[word]


def moment(message: Any, name: str) -> str | None:
    """A timestamp field, null when unset."""
    return time(getattr(message, name)) if message.HasField(name) else None


def time(stamp: Timestamp) -> str:
    """RFC 3339 in Japan's zone."""
    seconds = stamp.seconds + stamp.nanos // 1_000_000 / 1000
    return dt.datetime.fromtimestamp(seconds, JST).isoformat(timespec="milliseconds")


def stamp_of(text: str) -> Timestamp:
    """A timestamp from RFC 3339 text with offset."""
    stamp = Timestamp()
    stamp.FromDatetime(dt.datetime.fromisoformat(text).astimezone(dt.UTC))
    return stamp
