"""Which characters an OpenType font can draw, read from its `cmap`: alone, and with the selector of a variant (異体字, IVS)."""

from __future__ import annotations

import struct

_COLLECTION = b"ttcf"


def of(font: bytes, index: int = 0) -> frozenset[str]:
    """The characters of a font, "葛" and "葛\U000e0101"; `index` chooses in a collection. ValueError: not whole."""
    try:
        (start,) = struct.unpack_from(">I", font, 12 + 4 * index) if font.startswith(_COLLECTION) else (0,)
        (tables,) = struct.unpack_from(">H", font, start + 4)
        directory = {
            tag: (offset, length)
            for tag, _, offset, length in (
                struct.unpack_from(">4sIII", font, start + 12 + 16 * at) for at in range(tables)
            )
        }
        if short := sorted(tag for tag, (offset, length) in directory.items() if offset + length > len(font)):
            raise ValueError(f"the table {short[0].decode('ascii', 'replace')} ends before it should")
        return frozenset(_mapped(font, directory[b"cmap"][0]))
    except (struct.error, KeyError, IndexError, OverflowError) as error:
        raise ValueError(f"its cmap cannot be read ({type(error).__name__})") from None


def _mapped(font: bytes, cmap: int) -> set[str]:
    found: set[str] = set()
    (subtables,) = struct.unpack_from(">H", font, cmap + 2)
    for at in range(subtables):
        platform, encoding, offset = struct.unpack_from(">HHI", font, cmap + 4 + 8 * at)
        # Of Unicode, or of Windows in Unicode.
        if platform != 0 and (platform, encoding) not in ((3, 1), (3, 10)):
            continue
        here = cmap + offset
        (form,) = struct.unpack_from(">H", font, here)
        if form == 4:
            found |= _segments(font, here)
        elif form == 12:
            (groups,) = struct.unpack_from(">I", font, here + 12)
            for group in range(groups):
                first, last, _ = struct.unpack_from(">III", font, here + 16 + 12 * group)
                found.update(map(chr, range(first, last + 1)))
        elif form == 14:
            (selectors,) = struct.unpack_from(">I", font, here + 6)
            for one in range(selectors):
                found |= _variants(font, here, here + 10 + 11 * one)
    return found


def _segments(font: bytes, table: int) -> set[str]:
    """Format 4: the characters of the basic plane, in segments."""
    (size,) = struct.unpack_from(">H", font, table + 6)
    form = f">{size // 2}H"
    ends, firsts, deltas, places = (
        struct.unpack_from(form, font, table + at + size * n) for n, at in enumerate((14, 16, 16, 16))
    )
    found: set[str] = set()
    for at, (first, last) in enumerate(zip(firsts, ends, strict=True)):
        for code in range(first, last + 1):
            glyph = code
            if places[at]:
                # The place is counted from where it stands itself.
                (glyph,) = struct.unpack_from(
                    ">H", font, table + 16 + 3 * size + 2 * at + places[at] + 2 * (code - first)
                )
                if glyph == 0:
                    continue
            if (glyph + deltas[at]) & 0xFFFF:
                found.add(chr(code))
    return found


def _variants(font: bytes, table: int, record: int) -> set[str]:
    """Of one selector: the characters whose usual glyph it names, and those with a glyph of their own."""
    selector = chr(int.from_bytes(font[record : record + 3]))
    usual, own = struct.unpack_from(">II", font, record + 3)
    found: set[str] = set()
    if usual:
        (ranges,) = struct.unpack_from(">I", font, table + usual)
        for at in range(ranges):
            place = table + usual + 4 + 4 * at
            first, more = int.from_bytes(font[place : place + 3]), font[place + 3]
            found.update(chr(character) + selector for character in range(first, first + more + 1))
    if own:
        (count,) = struct.unpack_from(">I", font, table + own)
        for at in range(count):
            place = table + own + 4 + 5 * at
            found.add(chr(int.from_bytes(font[place : place + 3])) + selector)
    return found
