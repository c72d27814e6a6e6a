"""The versions of objects: the events about one are numbered 1, 2, 3 …, and of none is a version missing.

There are far more objects than sources, so a run leaves for each object the spans of its versions in a pile.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from itertools import groupby
from struct import Struct

from services.audit.verify import columns
from services.audit.verify.piles import KEY_SIZE, Part

# Key, first and last version: in this form rows ascend by object and version.
_ROW = Struct(f">{KEY_SIZE}sQQ")
ROW_SIZE = _ROW.size


def key_of(entry: bytes) -> bytes:
    """The object that a leaf with a version is about, as the key of its rows."""
    return _key(columns.object_of(entry))


def rows(versions: Mapping[bytes, Iterable[int]]) -> bytes:
    """The spans of a run by what `columns.object_of` gives, ascending; a version that is there twice has one more."""
    found = []
    for thing, numbers in versions.items():
        key = _key(thing)
        spans: list[list[int]] = []
        for number in sorted(numbers):
            if spans and number == spans[-1][1] + 1:
                spans[-1][1] = number
            else:
                spans.append([number, number])
        found += [_ROW.pack(key, first, last) for first, last in spans]
    return b"".join(sorted(found))


def incomplete(part: Part, *, from_first: bool) -> list[bytes]:
    """The keys of objects of which a version is missing or there twice; `from_first`: also before the first seen."""
    found = []
    for key, spans in groupby(map(_ROW.unpack, sorted(part.rows())), key=lambda row: row[0]):
        expected = 1 if from_first else None
        for _, first, last in spans:
            if first != (first if expected is None else expected):
                found.append(key)
                break
            expected = last + 1
    return found


def _key(thing: bytes) -> bytes:
    return sha256(thing).digest()[:KEY_SIZE]
