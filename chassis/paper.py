"""Paper: A4 PDFs with embedded Japanese fonts, from a Typst template and plain data.

Typst breaks Japanese lines by rule (禁則), subsets the fonts, and writes PDF/A-2a: tagged for screen readers, readable in
thirty years. Nothing is fetched: no packages, no system fonts. Data never becomes markup: templates read it as JSON.

The fonts have the glyphs of Adobe-Japan1 with its 異体字 (IVS). What they have not is never silently another character
(NM-02): an unknown variant is its base followed by 〔異体字〕, an unknown character is 〓.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import json
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from typst import Fonts

STANDARD: Final = "a-2a"
NO_GLYPH: Final = "〓"
NO_VARIANT: Final = "〔異体字〕"
# A character with the selector of its variant, if it has one.
_CHARACTER: Final = re.compile("(.)([\ufe00-\ufe0f\U000e0100-\U000e01ef]?)", re.DOTALL)


def _folder() -> Path:
    """Noto Sans JP and Noto Serif JP, and no other: the same paper on every machine."""
    import pylopdf_fonts_jp

    return Path(pylopdf_fonts_jp.__file__).parent


@functools.cache
def _fonts() -> Fonts:
    from typst import Fonts

    return Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[_folder()])


async def render(template: Path, data: Mapping[str, Any], made_at: dt.datetime) -> bytes:
    """The PDF of a `.typ` file over the data (anything JSON can say). The same data and time give the same bytes.

    Drawn on a thread, beside the event loop. RuntimeError when the template refuses the data.
    """
    return await asyncio.to_thread(_render, template, json.dumps(data, ensure_ascii=False), made_at)


def _render(template: Path, text: str, made_at: dt.datetime) -> bytes:
    # Loaded with the first paper: most processes never print one.
    import typst

    made = typst.compile(
        template,
        root=template.parent,
        font_paths=_fonts(),
        sys_inputs={"data": drawable(text)},
        pdf_standards=STANDARD,
        timestamp=made_at.astimezone(dt.UTC).replace(microsecond=0),
    )
    if not isinstance(made, bytes):
        raise TypeError("one document was expected")
    return made


def drawable(text: str) -> str:
    """The text as the fonts can draw it, what they cannot marked (NM-02)."""
    characters, variants = _repertoire()

    def drawn(found: re.Match[str]) -> str:
        character, selector = found.groups()
        if ord(character) not in characters:
            return NO_GLYPH
        if selector and (ord(character), ord(selector)) not in variants:
            return character + NO_VARIANT
        return found.group()

    return _CHARACTER.sub(drawn, text)


@functools.cache
def _repertoire() -> tuple[frozenset[int], frozenset[tuple[int, int]]]:
    """What every one of the fonts can draw: characters, and (character, selector) of 異体字."""
    maps = [_character_map(path.read_bytes()) for path in sorted(_folder().glob("*.otf"))]
    return frozenset.intersection(*(one[0] for one in maps)), frozenset.intersection(*(one[1] for one in maps))


def _character_map(font: bytes) -> tuple[frozenset[int], frozenset[tuple[int, int]]]:
    """The `cmap` of an OpenType font: its subtables of format 12 (characters) and 14 (variation sequences)."""
    (tables,) = struct.unpack_from(">H", font, 4)
    directory = (struct.unpack_from(">4sIII", font, 12 + 16 * at) for at in range(tables))
    start = next(offset for tag, _, offset, _ in directory if tag == b"cmap")
    (subtables,) = struct.unpack_from(">H", font, start + 2)
    characters: set[int] = set()
    variants: set[tuple[int, int]] = set()
    for at in range(subtables):
        (offset,) = struct.unpack_from(">I", font, start + 4 + 8 * at + 4)
        here = start + offset
        (form,) = struct.unpack_from(">H", font, here)
        if form == 12:
            (groups,) = struct.unpack_from(">I", font, here + 12)
            for group in range(groups):
                first, last, _ = struct.unpack_from(">III", font, here + 16 + 12 * group)
                characters.update(range(first, last + 1))
        elif form == 14:
            (selectors,) = struct.unpack_from(">I", font, here + 6)
            for one in range(selectors):
                variants |= _variants(font, here, here + 10 + 11 * one)
    return frozenset(characters), frozenset(variants)


def _variants(font: bytes, table: int, record: int) -> set[tuple[int, int]]:
    """Of one selector: the characters whose usual glyph it names, and those with a glyph of their own."""
    selector = int.from_bytes(font[record : record + 3])
    usual, own = struct.unpack_from(">II", font, record + 3)
    found: set[tuple[int, int]] = set()
    if usual:
        (ranges,) = struct.unpack_from(">I", font, table + usual)
        for at in range(ranges):
            place = table + usual + 4 + 4 * at
            first, more = int.from_bytes(font[place : place + 3]), font[place + 3]
            found.update((character, selector) for character in range(first, first + more + 1))
    if own:
        (glyphs,) = struct.unpack_from(">I", font, table + own)
        for at in range(glyphs):
            place = table + own + 4 + 5 * at
            found.add((int.from_bytes(font[place : place + 3]), selector))
    return found
