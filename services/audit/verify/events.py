"""Is no event in the log twice? In two passes over files, so that memory stays flat however long the log is.

Each run leaves its event ids sorted in a file, 16 bytes each; then every part of the range of ids is compared by itself.
Ids are UUIDv7, nearly in order of time, so that a part touches few of the files.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

ID_SIZE = 16
PART_IDS = 1 << 17
_SAMPLES = 64
_END = b"\xff" * (ID_SIZE + 1)


@dataclass(frozen=True, slots=True)
class Kept:
    """The ids of one run, and the lowest and highest of them."""

    path: Path
    low: bytes
    high: bytes


@dataclass(frozen=True, slots=True)
class IdRange:
    """Ids from `low` to before `high`, and the files in which there may be some."""

    low: bytes
    high: bytes
    kept: tuple[Kept, ...]


@dataclass(slots=True)
class Events:
    """The ids of a whole log, in a folder that the caller owns and removes."""

    folder: Path
    _kept: list[Kept] = field(default_factory=list)
    _samples: list[bytes] = field(default_factory=list)
    _count: int = 0

    def keep(self, ids: bytes) -> None:
        """The ids of the next run, ascending. OSError if the folder cannot hold them."""
        path = self.folder / str(len(self._kept))
        path.write_bytes(ids)
        count = len(ids) // ID_SIZE
        step = max(1, count // _SAMPLES)
        self._samples += [ids[i * ID_SIZE : (i + 1) * ID_SIZE] for i in range(0, count, step)]
        self._kept.append(Kept(path, ids[:ID_SIZE], ids[-ID_SIZE:]))
        self._count += count

    def ranges(self) -> Iterator[IdRange]:
        """Ranges that together hold every id, each about PART_IDS of them."""
        self._samples.sort()
        step = max(1, len(self._samples) * PART_IDS // max(1, self._count))
        bounds = [b"", *self._samples[step::step], _END]
        for low, high in pairwise(bounds):
            touched = tuple(kept for kept in self._kept if kept.low < high and kept.high >= low)
            if touched:
                yield IdRange(low, high, touched)

    def runs_with(self, ids: set[bytes]) -> list[int]:
        """Numbers of the runs in which one of these ids is."""
        return [
            number
            for number, kept in enumerate(self._kept)
            if any(kept.low <= one <= kept.high for one in ids) and not ids.isdisjoint(_read(kept, b"", _END))
        ]


def repeated(part: IdRange) -> list[bytes]:
    """The ids of a range that are there more than once, ascending."""
    ids = [one for kept in part.kept for one in _read(kept, part.low, part.high)]
    if len(set(ids)) == len(ids):
        return []
    return sorted(one for one, count in Counter(ids).items() if count > 1)


def _read(kept: Kept, low: bytes, high: bytes) -> list[bytes]:
    # A run's ids are a megabyte: to read them whole costs less than to search for the place in the file.
    content = kept.path.read_bytes()
    ids = [content[i : i + ID_SIZE] for i in range(0, len(content), ID_SIZE)]
    return ids[bisect_left(ids, low) : bisect_left(ids, high)]
