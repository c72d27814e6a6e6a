"""A row of entries in PostgreSQL's binary COPY format: fields behind their length in four bytes, -1 for NULL.

Through the driver's converters a row costs three times as much, and rows are most of what appending costs here.
"""

from __future__ import annotations

import datetime as dt
from struct import Struct

from services.audit.entry import Leaf
from services.audit.tlog import HASH_SIZE

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

_FIELDS = 16
# int4 log_year, int8 leaf_index, and the length of the leaf.
_PLACE = Struct(">hiiiqi")
# bytea leaf_hash, uuid event_id, timestamptz occurred_at (microseconds since 2000).
_IDENTITY = Struct(f">i{HASH_SIZE}si16siq")
# uuid epoch, int8 seq.
_NUMBER = Struct(">i16siq")
_INT8 = Struct(">iq")
_LENGTH = Struct(">i")
_NULL = _LENGTH.pack(-1)
_TIME_ZERO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def row(log_year: int, leaf_index: int, leaf: Leaf, entry: bytes, leaf_hash: bytes) -> bytes:
    """log_year, leaf_index, leaf, leaf_hash, and then what store.columns_of gives, in its order.

    The leaf has been encoded, so its identifiers have their form.
    """
    parts = [
        _PLACE.pack(_FIELDS, 4, log_year, 8, leaf_index, len(entry)),
        entry,
        _IDENTITY.pack(HASH_SIZE, leaf_hash, 16, _uuid(leaf.event_id), 8, (leaf.time - _TIME_ZERO) // _MICROSECOND),
        _NUMBER.pack(16, _uuid(leaf.epoch), 8, leaf.seq) if leaf.epoch else _NULL + _NULL,
    ]
    for text in (leaf.staff_id, leaf.unit_id, leaf.action, leaf.outcome, leaf.object_type, leaf.object_id):
        parts += _text(text)
    parts.append(_INT8.pack(8, leaf.object_version) if leaf.object_version else _NULL)
    document_id = leaf.document_id
    parts += _text(document_id) if document_id else (_NULL,)
    return b"".join(parts)


def _uuid(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))


def _text(text: str) -> tuple[bytes, bytes]:
    value = text.encode()
    return _LENGTH.pack(len(value)), value
