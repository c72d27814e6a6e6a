"""A real TrueType font of two kilobytes at most, made of squares: for tests of what an operator's fonts add."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence


def small_font(family: str, characters: str = "", variants: Sequence[str] = (), *, basic: bool = False) -> bytes:
    """A square for each of `characters`, alone, and of `variants`, a character with its selector; nothing else.

    `basic`: the characters in a table of format 4, as old fonts have them.
    """
    numbers = {one: number for number, one in enumerate([*sorted(characters), *variants], start=1)}
    square = _square()
    name = family.encode("utf-16-be")
    tables = {
        b"OS/2": _os2(),
        b"cmap": _cmap({one: numbers[one] for one in characters}, {one: numbers[one] for one in variants}, basic=basic),
        b"glyf": square * len(numbers),
        b"head": struct.pack(
            ">IIIIHHQQhhhhHHhhh", 0x10000, 0x10000, 0, 0x5F0F3CF5, 3, 1000, 0, 0, 0, 0, 1000, 1000, 0, 8, 2, 1, 0
        ),
        b"hhea": struct.pack(
            ">IhhhHhhhhhh4hhH", 0x10000, 880, -120, 0, 1000, 0, 0, 1000, 1, *[0] * 7, len(numbers) + 1
        ),
        b"hmtx": struct.pack(">Hh", 1000, 0) + struct.pack(">Hh", 1000, 100) * len(numbers),
        # .notdef is empty.
        b"loca": struct.pack(">I", 0) + b"".join(struct.pack(">I", len(square) * at) for at in range(len(numbers) + 1)),
        b"maxp": struct.pack(">IH13H", 0x10000, len(numbers) + 1, 4, 1, 0, 0, 1, *[0] * 8),
        b"name": struct.pack(">HHH", 0, 2, 30)
        + b"".join(struct.pack(">6H", 3, 1, 0x409, kind, len(name), 0) for kind in (1, 6))
        + name,
        b"post": struct.pack(">IIhh5I", 0x30000, *[0] * 8),
    }
    directory, content = b"", b""
    for tag, table in tables.items():
        padded = table + bytes(-len(table) % 4)
        checksum = sum(struct.unpack(f">{len(padded) // 4}I", padded)) & 0xFFFFFFFF
        directory += struct.pack(">4sIII", tag, checksum, 12 + 16 * len(tables) + len(content), len(table))
        content += padded
    return struct.pack(">IHHHH", 0x10000, len(tables), 128, 3, 16 * len(tables) - 128) + directory + content


def _square() -> bytes:
    """Eight tenths of the height of a line."""
    outline = struct.pack(">5hHH4B", 1, 100, 0, 900, 800, 3, 0, 1, 1, 1, 1)
    outline += struct.pack(">8h", 100, 0, 800, 0, 0, 800, 0, -800)
    return outline + bytes(-len(outline) % 4)


def _os2() -> bytes:
    numbers = struct.pack(">HhHHH", 4, 1000, 400, 5, 0) + struct.pack(">11h", *[0] * 11) + bytes(10)
    ranges = struct.pack(">4I4sHHH", 0, 0, 0, 0, b"KKTU", 0x40, 0, 0xFFFF)
    return numbers + ranges + struct.pack(">hhhHHIIhhHHH", 880, -120, 0, 880, 120, 0, 0, 500, 700, 0, 0, 1)


def _cmap(characters: Mapping[str, int], variants: Mapping[str, int], *, basic: bool) -> bytes:
    """By the number of their glyph."""
    plain, varied = (_segments if basic else _groups)(sorted(characters.items())), _sequences(variants)
    head = struct.pack(">HHHHI", 0, 2, 0, 5, 20)
    return head + struct.pack(">HHI", 3, 1 if basic else 10, 20 + len(varied)) + varied + plain


def _segments(characters: Sequence[tuple[str, int]]) -> bytes:
    """Format 4: the first of them by a list of glyphs, the others by what has to be added."""
    codes = [*(ord(one) for one, _ in characters), 0xFFFF]
    size = len(codes)
    added = [0, *((number - ord(one)) & 0xFFFF for one, number in characters[1:]), 1]
    places = [2 * size, *[0] * (size - 1)]
    numbers = (4, 16 + 8 * size + 2, 0, 2 * size, 0, 0, 0, *codes, 0, *codes, *added, *places, characters[0][1])
    return struct.pack(f">{len(numbers)}H", *numbers)


def _groups(characters: Sequence[tuple[str, int]]) -> bytes:
    """Format 12."""
    groups = b"".join(struct.pack(">III", ord(one), ord(one), number) for one, number in characters)
    return struct.pack(">HHIII", 12, 0, 16 + len(groups), 0, len(characters)) + groups


def _sequences(variants: Mapping[str, int]) -> bytes:
    """Format 14."""
    selectors = sorted({selector for _, selector in variants})
    records, own = b"", b""
    for selector in selectors:
        records += ord(selector).to_bytes(3) + struct.pack(">II", 0, 10 + 11 * len(selectors) + len(own))
        found = sorted((ord(one[0]), number) for one, number in variants.items() if one[1] == selector)
        own += struct.pack(">I", len(found)) + b"".join(
            base.to_bytes(3) + struct.pack(">H", number) for base, number in found
        )
    return struct.pack(">HII", 14, 10 + len(records) + len(own), len(selectors)) + records + own
