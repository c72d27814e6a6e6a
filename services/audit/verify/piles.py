"""Rows that are too many for memory: each run leaves its own sorted in a file, then part after part is compared.

A row begins with a key of 16 bytes. The ids of events are UUIDv7, nearly in order of time, so that most parts lie in one
file only; those of which that is not so cost a search in each file.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from mmap import ACCESS_READ, mmap
from pathlib import Path

KEY_SIZE = 16
PART_ROWS = 1 << 13
_SAMPLES = 64
_END = b"\xff" * (KEY_SIZE + 1)


@dataclass(frozen=True, slots=True)
class Kept:
    """The rows of one run, and the lowest and highest key of them."""

    path: Path
    low: bytes
    high: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """Rows with keys from `low` to before `high`, and the files in which there may be some."""

    low: bytes
    high: bytes
    row_size: int
    kept: tuple[Kept, ...]

    def rows(self) -> list[bytes]:
        """All of them, file after file, ascending in each."""
        return [row for kept in self.kept for row in _read(kept, self.low, self.high, self.row_size)]


@dataclass(slots=True)
class Pile:
    """The rows of a whole log, in a new folder that the caller removes."""

    folder: Path
    row_size: int = KEY_SIZE
    _kept: list[Kept] = field(default_factory=list)
    _samples: list[bytes] = field(default_factory=list)
    _count: int = 0

    def keep(self, rows: bytes) -> None:
        """The rows of the next run, ascending. OSError if the folder cannot hold them."""
        self.folder.mkdir(exist_ok=True)
        path = self.folder / str(len(self._kept))
        path.write_bytes(rows)
        count = len(rows) // self.row_size
        starts = range(0, len(rows), self.row_size * max(1, count // _SAMPLES))
        self._samples += [rows[start : start + KEY_SIZE] for start in starts]
        last = max(0, len(rows) - self.row_size)
        self._kept.append(Kept(path, rows[:KEY_SIZE], rows[last : last + KEY_SIZE]))
        self._count += count

    def parts(self) -> Iterator[Part]:
        """Parts that together hold every row, each about PART_ROWS of them; the rows of one key are in one part."""
        self._samples.sort()
        step = max(1, len(self._samples) * PART_ROWS // max(1, self._count))
        bounds = [b"", *sorted(set(self._samples[step::step])), _END]
        for low, high in pairwise(bounds):
            touched = tuple(kept for kept in self._kept if kept.high and kept.low < high and kept.high >= low)
            if touched:
                yield Part(low, high, self.row_size, touched)

    def runs_with(self, keys: set[bytes]) -> list[int]:
        """Numbers of the runs in which one of these keys is."""
        return [
            number
            for number, kept in enumerate(self._kept)
            if any(
                kept.low <= key <= kept.high and _read(kept, key, key + b"\xff" * self.row_size, self.row_size)
                for key in keys
            )
        ]


def repeated(part: Part) -> list[bytes]:
    """The keys of a part that are in more than one file, ascending. In one file none is twice."""
    if len(part.kept) < 2:
        return []
    keys = sorted(part.rows())
    return sorted({left for left, right in pairwise(keys) if left == right})


def _read(kept: Kept, low: bytes, high: bytes, row_size: int) -> list[bytes]:
    with kept.path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        numbers = range(len(content) // row_size)

        def row(number: int) -> bytes:
            return content[number * row_size : (number + 1) * row_size]

        first = bisect_left(numbers, low, key=row)
        return [row(number) for number in range(first, bisect_left(numbers, high, lo=first, key=row))]
