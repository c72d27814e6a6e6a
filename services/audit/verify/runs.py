"""The part of a verification that is many times the same: a run of bundles, their tiles of level 0 and their leaves.

A run needs nothing of the runs before it, so that processes can share them out; what joins them is small. What a run
reports does not depend on who did it, nor when.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from services.audit import entry as leaf_format
from services.audit import tlog
from services.audit.entry import EntryError
from services.audit.note import Checkpoint
from services.audit.tlog import ENTRIES, HASH_SIZE, TILE_WIDTH, Edge, Tile, TreeError
from services.audit.verify import columns
from services.audit.verify.columns import Columns
from services.audit.verify.files import LogFiles
from services.audit.verify.finding import Finding
from services.audit.verify.leaves import Reader, Said

BUNDLES = TILE_WIDTH
"""Bundles of a run: as many as one tile of level 1 stands for, 65,536 leaves."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The tree at a size that somebody signed: the leaf hashes of its last bundle, and the time its last leaf says."""

    hashes: tuple[bytes, ...]
    time: dt.datetime | None


@dataclass(slots=True)
class Report:
    """What a run found."""

    findings: list[Finding] = field(default_factory=list)
    # The root of each full bundle, in order.
    roots: list[bytes] = field(default_factory=list)
    # The leaf hashes of a bundle that is not full.
    rest: list[bytes] = field(default_factory=list)
    marks: dict[int, Mark] = field(default_factory=dict)
    said: Said = field(default_factory=Said)


@dataclass(frozen=True, slots=True)
class Span:
    """Bundles `first` to `last` - 1, and the sizes within them that are to be marked."""

    first: int
    last: int
    marks: tuple[int, ...] = ()


def spans_of(size: int, marks: Sequence[int]) -> list[Span]:
    """A log's full bundles in runs; what is partial at its end is not in one."""
    full = size // TILE_WIDTH
    return [
        Span(first, last, marks_within(marks, first, last))
        for first in range(0, full, BUNDLES)
        for last in [min(first + BUNDLES, full)]
    ]


def marks_within(marks: Sequence[int], first: int, last: int) -> tuple[int, ...]:
    """The sizes whose last leaf lies in bundles `first` to `last` - 1."""
    return tuple(size for size in marks if first * TILE_WIDTH < size <= last * TILE_WIDTH)


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells one leaf from others. Empty and 0 where it does not apply, and for what is no leaf."""

    leaf_index: int
    event_id: str
    epoch: str
    number: int
    version: int
    entry: bytes


def identities(files: LogFiles, size: int, span: Span) -> Iterator[Identity]:
    """Of each leaf of a run: to name what only later turned out to be wrong."""
    run = _Run(files, Checkpoint("", size, b""), None)
    for bundle in range(span.first, span.last):
        leaves = run.read_bundle(Tile(ENTRIES, bundle, tlog.width_at(size, ENTRIES, bundle))) or Columns()
        members = zip(leaves.event_ids, leaves.epochs, leaves.numbers, leaves.versions, leaves.entries, strict=True)
        for index, (event_id, epoch, number, version, one) in enumerate(members, start=bundle * TILE_WIDTH):
            yield Identity(index, event_id.decode(), epoch.decode(), int(number or 0), int(version or 0), one)


def verify(files: LogFiles, checkpoint: Checkpoint, span: Span, above: Edge | None = None) -> Report:
    """A run. `above` is the tree of the roots of all bundles before it; needed only where a bundle is partial.

    Unreachable if the log cannot be read on; everything else is a finding.
    """
    run = _Run(files, checkpoint, above)
    for index in range(span.first, span.last):
        run.verify_bundle(index, marks_within(span.marks, index, index + 1))
    run.report.said = run.leaves.close()
    return run.report


def verify_tile(files: LogFiles, checkpoint: Checkpoint, tile: Tile, computed: bytes) -> list[Finding]:
    """A tile above level 0 against the roots of the tiles below it."""
    run = _Run(files, checkpoint, None)
    run.verify_tile(tile, computed)
    return run.report.findings


class _Run:
    def __init__(self, files: LogFiles, checkpoint: Checkpoint, above: Edge | None) -> None:
        self.report = Report()
        self._files = files
        self._checkpoint = checkpoint
        self._above = above
        self.leaves = Reader(checkpoint.origin, self.report.findings.append)

    def _find(self, place: str, problem: str) -> None:
        self.report.findings.append(Finding(place, problem))

    # --- the tree

    def verify_bundle(self, index: int, marks: Sequence[int]) -> None:
        """One entry bundle, its tile of level 0, and its leaves."""
        bundle = Tile(ENTRIES, index, tlog.width_at(self._checkpoint.size, ENTRIES, index))
        tile = Tile(0, index, bundle.width)
        leaves = self.read_bundle(bundle)
        stored = self._read_tile(tile)
        if leaves is not None:
            content = b"".join(tlog.leaf_hashes(leaves.entries))
            if stored is not None and stored != content:
                content = self._tell_which(bundle, tile, content, stored)
            self.leaves.read(index * TILE_WIDTH, leaves)
        elif stored is not None:
            content = stored
        else:
            # Both are gone and reported. Zeros keep the count, so that what follows is still checked in its place.
            content = bytes(HASH_SIZE * bundle.width)
        if bundle.width == TILE_WIDTH:
            self.report.roots.append(tlog.tile_root(content))
        else:
            self.report.rest = tlog.split_hashes(content)
        for size in marks:
            count = size - index * TILE_WIDTH
            time = _time_of(leaves.entries[count - 1]) if leaves is not None else None
            self.report.marks[size] = Mark(tuple(tlog.split_hashes(content[: count * HASH_SIZE])), time)

    def _read_file(self, tile: Tile, limit: int) -> tuple[bytes, int] | None:
        """A tile or bundle and the width it should have; for a partial one that was dropped, the full one that took
        its place."""
        for found in dict.fromkeys((tile, tile.full)):
            content = self._files.read(found.path, limit)
            if content is not None:
                if len(content) > limit:
                    self._find(found.path, f"is over {limit} bytes")
                    return None
                return content, found.width
        self._find(tile.path, "missing")
        return None

    def read_bundle(self, bundle: Tile) -> Columns | None:
        """Its leaves; None, with a finding, if they cannot be had."""
        found = self._read_file(bundle, tlog.MAX_BUNDLE_BYTES)
        if found is None:
            return None
        content, width = found
        try:
            leaves = columns.read(content)
        except TreeError as error:
            self._find(bundle.path, str(error))
            return None
        if len(leaves.entries) != width:
            self._find(bundle.path, f"holds {len(leaves.entries)} entries instead of {bundle.width}")
            return None
        # Of a full one in place of a partial one only its beginning belongs to the log.
        return leaves if width == bundle.width else columns.read(tlog.encode_bundle(leaves.entries[: bundle.width]))

    def _read_tile(self, tile: Tile) -> bytes | None:
        found = self._read_file(tile, tlog.TILE_BYTES)
        if found is None:
            return None
        content, width = found
        if len(content) != width * HASH_SIZE:
            self._find(tile.path, f"has {len(content)} bytes instead of {tile.width * HASH_SIZE}")
            return None
        return content[: tile.width * HASH_SIZE]

    def verify_tile(self, tile: Tile, computed: bytes) -> None:
        """A tile above level 0 against the roots of the tiles below it."""
        stored = self._read_tile(tile)
        if stored is None or stored == computed:
            return
        position = _first_difference(stored, computed)
        below = Tile(tile.level - 1, tile.index * TILE_WIDTH + position)
        self._find(tile.path, f"hash {position} is not the root of {below.path}")

    def _tell_which(self, bundle: Tile, tile: Tile, computed: bytes, stored: bytes) -> bytes:
        """Bundle and tile disagree: the one that fits what stands above is the original. Reports, and returns the
        hashes to go on with."""
        position = _first_difference(computed, stored)
        leaf = bundle.index * TILE_WIDTH + position
        if self._fits(tile, computed):
            self._find(tile.path, f"hash {position} is not that of leaf {leaf}")
            return computed
        if self._fits(tile, stored):
            count = sum(a != b for a, b in zip(*map(tlog.split_hashes, (computed, stored)), strict=True))
            more = f" and {count - 1} more" if count > 1 else ""
            self._find(
                bundle.path,
                f"entry {position} (leaf {leaf}){more} was changed: not what {tile.path} was made from",
            )
            return stored
        self._find(bundle.path, f"entry {position} (leaf {leaf}) and {tile.path} were both changed")
        return computed

    def _fits(self, tile: Tile, content: bytes) -> bool:
        """Do these leaf hashes lead to what stands above them: the tile of level 1, or at the edge the root?"""
        size = self._checkpoint.size
        if self._above is not None and tile != tile.full:
            whole = Edge(size, [tlog.split_hashes(content), *self._above.levels])
            return whole.root() == self._checkpoint.root
        parent = Tile(1, tile.index // TILE_WIDTH, tlog.width_at(size, 1, tile.index // TILE_WIDTH))
        upper = (
            self._files.read(parent.path, tlog.TILE_BYTES) or self._files.read(parent.full.path, tlog.TILE_BYTES) or b""
        )
        start = tile.index % TILE_WIDTH * HASH_SIZE
        return upper[start : start + HASH_SIZE] == tlog.tile_root(content)


def _time_of(entry: bytes) -> dt.datetime | None:
    try:
        return leaf_format.decode(entry).time
    except EntryError:
        return None


def _first_difference(left: bytes, right: bytes) -> int:
    """Position of the first hash that differs, of two different tiles of one width."""
    return next(i for i in range(len(left)) if left[i] != right[i]) // HASH_SIZE
