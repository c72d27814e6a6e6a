"""RFC 6962 Merkle trees in the tlog-tiles layout: hashes, roots, proofs, tile paths and entry bundles.

Pure functions over bytes: no file, no database, no clock. Every other part of the log (service, exporter, verifier)
computes with these and with nothing else. Formats: c2sp.org/tlog-tiles; proofs: RFC 9162 section 2.1.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

HASH_SIZE = 32
TILE_WIDTH = 256
TILE_BYTES = TILE_WIDTH * HASH_SIZE
MAX_ENTRY_BYTES = 65_535
MAX_BUNDLE_BYTES = TILE_WIDTH * (MAX_ENTRY_BYTES + 2)
MAX_LEVEL = 63
ENTRIES = -1
"""The level that stands for entry bundles, which lie beside the hash tiles of level 0."""

EMPTY_ROOT = sha256(b"").digest()
# Hashes that have read what makes a leaf a leaf and a node a node.
_LEAF, _NODE = sha256(b"\x00"), sha256(b"\x01")


class TreeError(ValueError):
    """A tile, bundle, path or proof is not what the format says. The message names the place."""


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 || entry)."""
    return sha256(b"\x00" + entry).digest()


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """Of each entry."""
    return _hashes(_LEAF, entries)


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """Root of a perfect subtree over 1, 2, 4, … hashes."""
    if not hashes or len(hashes) & (len(hashes) - 1):
        raise TreeError(f"{len(hashes)} hashes do not make a perfect subtree")
    return tile_root(b"".join(hashes))


def tile_root(content: bytes) -> bytes:
    """Root over the hashes of a tile of 1, 2, 4, … 256, from its bytes: the hash one tile level higher."""
    while len(content) > HASH_SIZE:
        content = b"".join(_hashes(_NODE, [content[i : i + 64] for i in range(0, len(content), 64)]))
    return content


def _hashes(begun: "Hash", contents: Iterable[bytes]) -> list[bytes]:
    """Of many contents: to copy a hash that has begun costs less than to begin each anew."""
    hashes = []
    for content in contents:
        one = begun.copy()
        one.update(content)
        hashes.append(one.digest())
    return hashes


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """Root of a tree given all its leaf hashes; the empty tree has SHA-256("")."""
    edge = Edge()
    edge.extend(leaf_hashes)
    return edge.root()


# --- where a hash lies ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tile:
    """Names one tile (`level` 0..63) or entry bundle (`level` ENTRIES) and how many hashes or entries it has."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """Path under the log's prefix: `tile/0/x001/067`, `tile/1/000.p/17`, `tile/entries/273.p/112`."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        suffix = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{level}/{index_path(self.index)}{suffix}"

    @property
    def full(self) -> "Tile":
        """The same tile with all its 256 hashes."""
        return Tile(self.level, self.index)


def index_path(index: int) -> str:
    """Tile index in groups of three digits, all but the last marked `x`: 1234067 is `x001/x234/067`."""
    path = f"{index % 1000:03d}"
    index //= 1000
    while index:
        path = f"x{index % 1000:03d}/{path}"
        index //= 1000
    return path


_TILE_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)


def parse_tile_path(path: str) -> Tile:
    """The tile a path names; TreeError for anything that is not exactly one of the specified spellings."""
    match = _TILE_PATH.fullmatch(path)
    if match is None:
        raise TreeError(f"not a tile path: {path[:120]!r}")
    level = ENTRIES if match["level"] == "entries" else int(match["level"])
    index = int(match["index"].replace("x", "").replace("/", ""))
    width = int(match["width"]) if match["width"] else TILE_WIDTH
    tile = Tile(level, index, width)
    if level > MAX_LEVEL or tile.path != path or (match["width"] and width >= TILE_WIDTH):
        raise TreeError(f"not a tile path: {path[:120]!r}")
    return tile


def width_at(size: int, level: int, index: int) -> int:
    """How many hashes tile (level, index) has in a tree of `size` leaves: 0 (does not exist) to 256."""
    available = size >> (8 * max(level, 0))
    return min(TILE_WIDTH, max(0, available - index * TILE_WIDTH))


def full_tiles(size: int, level: int) -> int:
    """How many tiles of this level (ENTRIES: bundles) a tree of `size` leaves has full."""
    return size >> (8 * (max(level, 0) + 1))


def levels_at(size: int) -> int:
    """Number of tile levels of a tree of `size` leaves: 0 for the empty tree, 1 up to 255 leaves, 2 from 256."""
    return (size.bit_length() + 7) // 8


def tiles_of(size: int) -> Iterable[Tile]:
    """Every bundle and hash tile of a log of `size` leaves, partial ones included: what a copy of it has to fetch."""
    for level in (ENTRIES, *range(levels_at(size))):
        count = size >> (8 * max(level, 0))
        for index in range((count + TILE_WIDTH - 1) // TILE_WIDTH):
            yield Tile(level, index, width_at(size, level, index))


# --- a growing tree ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Edge:
    """The right edge of a tree: per tile level the hashes of its last, partial tile. Enough to append and to take
    the root; at most 255 hashes a level, whatever the size of the tree."""

    size: int = 0
    levels: list[list[bytes]] = field(default_factory=list)

    @classmethod
    def restore(cls, size: int, levels: Sequence[bytes]) -> "Edge":
        """From the form `saved` gave. TreeError if the widths do not fit the size."""
        if len(levels) != levels_at(size):
            raise TreeError(f"a tree of {size} leaves has {levels_at(size)} levels, not {len(levels)}")
        edge = cls(size, [split_hashes(row) for row in levels])
        for level, row in enumerate(edge.levels):
            if len(row) != (size >> (8 * level)) % TILE_WIDTH:
                raise TreeError(f"level {level} of a tree of {size} leaves cannot have {len(row)} hashes at its edge")
        return edge

    def saved(self) -> list[bytes]:
        """Per level, the partial tile's bytes (may be empty)."""
        return [b"".join(row) for row in self.levels]

    def copy(self) -> "Edge":
        return Edge(self.size, [list(row) for row in self.levels])

    def extend(self, leaf_hashes: Iterable[bytes]) -> list[tuple[Tile, bytes]]:
        """Appends leaves in order; returns every tile that became full, with its 8192 bytes, children first."""
        filled: list[tuple[Tile, bytes]] = []
        for value in leaf_hashes:
            self.size += 1
            level = 0
            while True:
                if level == len(self.levels):
                    self.levels.append([])
                row = self.levels[level]
                row.append(value)
                if len(row) < TILE_WIDTH:
                    break
                index = (self.size >> (8 * (level + 1))) - 1
                filled.append((Tile(level, index), b"".join(row)))
                value = perfect_root(row)
                self.levels[level] = []
                level += 1
        return filled

    def partials(self) -> list[tuple[Tile, bytes]]:
        """The partial tiles of this size with their bytes; a width of 0 is not a tile."""
        return [
            (Tile(level, self.size >> (8 * (level + 1)), len(row)), b"".join(row))
            for level, row in enumerate(self.levels)
            if row
        ]

    def root(self) -> bytes:
        """The tree's root."""
        if self.size == 0:
            return EMPTY_ROOT
        perfect: list[bytes] = []
        for row in reversed(self.levels):
            start = 0
            while start < len(row):
                step = 1 << ((len(row) - start).bit_length() - 1)
                perfect.append(perfect_root(row[start : start + step]))
                start += step
        return _fold(perfect)


def _fold(perfect: Sequence[bytes]) -> bytes:
    """Root over perfect subtrees, widest first."""
    root = perfect[-1]
    for left in reversed(perfect[:-1]):
        root = node_hash(left, root)
    return root


def split_hashes(data: bytes) -> list[bytes]:
    """The 32-byte hashes of a tile's bytes; TreeError if it is cut."""
    if len(data) % HASH_SIZE:
        raise TreeError(f"a tile of {len(data)} bytes is not a whole number of hashes")
    return [data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE)]


# --- proofs from tiles ------------------------------------------------------------------------------------------


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """Leaf ranges [low, high) whose subtree roots are the inclusion proof of `index`, leaf's sibling first."""
    if not 0 <= index < size:
        raise TreeError(f"leaf {index} is not in a tree of {size}")
    low, high, ranges = 0, size, []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    return ranges[::-1]


def consistency_ranges(old_size: int, size: int) -> list[tuple[int, int]]:
    """Leaf ranges whose subtree roots are the consistency proof; none when the old tree is empty or the same."""
    if not 0 <= old_size <= size:
        raise TreeError(f"a tree of {size} cannot be consistent with a larger one of {old_size}")
    if old_size in (0, size):
        return []
    low, high, whole, ranges = 0, size, True, []
    while high != old_size:
        middle = low + _split(high - low)
        if old_size <= middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low, whole = middle, False
    if not whole:
        ranges.append((low, high))
    return ranges[::-1]


def tiles_for(ranges: Iterable[tuple[int, int]], size: int) -> list[Tile]:
    """The tiles of a tree of `size` leaves that `prove` reads for these ranges, each once."""
    needed: dict[Tile, None] = {}
    for low, high in ranges:
        for level, index in _perfect_nodes(low, high):
            tile_level, tile_index = level // 8, (index << (level % 8)) // TILE_WIDTH
            needed[Tile(tile_level, tile_index, width_at(size, tile_level, tile_index))] = None
    return list(needed)


def prove(ranges: Iterable[tuple[int, int]], tiles: Mapping[tuple[int, int], bytes]) -> list[bytes]:
    """The subtree root of each range, from the bytes of the tiles that `tiles_for` named, keyed (level, index).

    TreeError if one of them is not there or too short.
    """
    return [_fold([_node(level, index, tiles) for level, index in _perfect_nodes(low, high)]) for low, high in ranges]


def root_at(size: int, tiles: Mapping[tuple[int, int], bytes]) -> bytes:
    """The root the tree had at `size`, from tiles of this or any later size (see `tiles_for([(0, size)], …)`). TreeError
    as `prove`."""
    return EMPTY_ROOT if size == 0 else prove([(0, size)], tiles)[0]


def _node(level: int, index: int, tiles: Mapping[tuple[int, int], bytes]) -> bytes:
    step = 1 << (level % 8)
    start = index * step
    tile = tiles.get((level // 8, start // TILE_WIDTH))
    if tile is None:
        raise TreeError(f"tile {level // 8}/{start // TILE_WIDTH} is missing")
    first = start % TILE_WIDTH
    part = tile[first * HASH_SIZE : (first + step) * HASH_SIZE]
    if len(part) != step * HASH_SIZE:
        raise TreeError(f"tile {level // 8}/{start // TILE_WIDTH} is too short for hash {first + step - 1}")
    return perfect_root(split_hashes(part))


def _perfect_nodes(low: int, high: int) -> list[tuple[int, int]]:
    """A proof's range as perfect subtrees (binary level, index), widest first."""
    nodes = []
    while low < high:
        level = (high - low).bit_length() - 1
        nodes.append((level, low >> level))
        low += 1 << level
    return nodes


def _split(count: int) -> int:
    """The largest power of two below `count` (>= 2)."""
    return 1 << ((count - 1).bit_length() - 1)


# --- checking proofs --------------------------------------------------------------------------------------------


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Is the leaf with this hash number `index` of the tree with `size` leaves and this root? RFC 9162 2.1.3.2."""
    if not 0 <= index < size:
        return False
    node, last, value = index, size - 1, leaf
    for sibling in proof:
        if last == 0 or len(sibling) != HASH_SIZE:
            return False
        if node & 1 or node == last:
            value = node_hash(sibling, value)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and value == root


def verify_consistency(old_size: int, size: int, proof: Sequence[bytes], old_root: bytes, root: bytes) -> bool:
    """Is the old tree a prefix of the new one? RFC 9162 2.1.4.2; the empty tree is a prefix of every tree, proven
    by nothing."""
    if not 0 <= old_size <= size or any(len(step) != HASH_SIZE for step in proof):
        return False
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT and (size > 0 or root == EMPTY_ROOT)
    if old_size == size:
        return not proof and old_root == root
    steps = list(proof)
    if old_size & (old_size - 1) == 0:
        steps.insert(0, old_root)
    if not steps:
        return False
    node, last = old_size - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_value = value = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old_value, value = node_hash(step, old_value), node_hash(step, value)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            value = node_hash(value, step)
        node, last = node >> 1, last >> 1
    return last == 0 and old_value == old_root and value == root


# --- entry bundles ----------------------------------------------------------------------------------------------


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Each entry behind its length in two bytes, big-endian. TreeError for an entry over 65,535 bytes."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise TreeError(f"an entry of {len(entry)} bytes does not fit a bundle ({MAX_ENTRY_BYTES})")
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def decode_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle. TreeError if it is cut or holds more than 256."""
    entries: list[bytes] = []
    position, end = 0, len(data)
    try:
        while position < end:
            start = position + 2
            position = start + (data[position] << 8 | data[position + 1])
            entries.append(data[start:position])
    except IndexError:
        # Of the last entry there is only half a length.
        position = end + 1
        entries.append(b"")
    if position > end:
        raise TreeError(f"entry {len(entries) - 1} of the bundle is cut at byte {end}")
    if len(entries) > TILE_WIDTH:
        raise TreeError("the bundle holds more than 256 entries")
    return entries
