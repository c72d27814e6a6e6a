"""Paper: A4 PDFs with embedded Japanese fonts, from a Typst template and plain data.

Typst breaks Japanese lines by rule (禁則), subsets the fonts, and writes PDF/A-2a: tagged for screen readers, readable in
thirty years. Nothing is fetched: no packages, no system fonts. Data never becomes markup: templates read it as JSON.

The fonts have the glyphs of Adobe-Japan1 with its 異体字 (IVS). What they have not is asked of the operator's fonts (`use`),
and never silently another character (NM-02): an unknown variant is its base followed by 〔異体字〕, an unknown character is 〓.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from chassis import glyphs
from chassis.settings import PREFIX, SettingsError

if TYPE_CHECKING:
    from typst import Fonts

STANDARD: Final = "a-2a"
NO_GLYPH: Final = "〓"
NO_VARIANT: Final = "〔異体字〕"
# A character with the selector of its variant, if it has one.
_CHARACTER: Final = re.compile("(.)([\ufe00-\ufe0f\U000e0100-\U000e01ef]?)", re.DOTALL)
# Draws a template with each character of `families` in the font that has it.
_BORROWING: Final = """#let families = json(bytes(sys.inputs.families))
#show regex(families.keys().join("|")): it => text(font: families.at(it.text), it)
#include "/{template}"
"""
FONT_FILES: Final = frozenset({".ttf", ".otf", ".ttc", ".otc"})


@dataclass(frozen=True)
class _Others:
    """Fonts beside the bundled ones, and the family to ask for each character that those lack."""

    folder: Path | None = None
    family_of: Mapping[str, str] = field(default_factory=dict)


_others = _Others()


def _folder() -> Path:
    """Noto Sans JP and Noto Serif JP, and no other: the same paper on every machine."""
    import pylopdf_fonts_jp

    return Path(pylopdf_fonts_jp.__file__).parent


@functools.cache
def _fonts(others: Path | None) -> Fonts:
    from typst import Fonts

    folders = [_folder()] if others is None else [_folder(), others.absolute()]
    return Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=folders)


def use(folder: Path | None) -> None:
    """Ask the fonts in a folder for what the bundled ones lack; None for no others.

    For the whole process, before its first paper. SettingsError: no folder, no font in it, one that cannot be read or that
    has the name of another. Files that are no fonts may lie beside them: a licence.
    """
    global _others
    try:
        _others = _Others() if folder is None else _Others(folder, _families(folder))
    except (ValueError, OSError) as error:
        raise SettingsError([f"{PREFIX}FONTS: {error}"]) from None


def _families(folder: Path) -> dict[str, str]:
    """The family to ask for each character that the bundled fonts lack."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    # As Typst names them: links followed, folders in it looked through.
    files = sorted({path.resolve() for path in folder.rglob("*") if path.suffix.lower() in FONT_FILES})
    if not files:
        raise ValueError(f"there is no font ({', '.join(sorted(FONT_FILES))}) in {folder}")
    bundled = {face.family for face in _fonts(None).fonts()}
    faces = _fonts(folder).fonts()
    found: dict[str, str] = {}
    for path in files:
        content, own = path.read_bytes(), [face for face in faces if face.path == str(path)]
        if not own:
            raise ValueError(f"{path.name} is not a font that can be read")
        for face in own:
            if face.family in bundled:
                raise ValueError(f"{path.name}: {face.family} is bundled")
            try:
                characters = glyphs.of(content, face.index)
            except ValueError as error:
                raise ValueError(f"{path.name} is not a whole font: {error}") from None
            for character in sorted(characters - _repertoire()):
                found.setdefault(character, face.family)
    return found


async def render(template: Path, data: Mapping[str, Any], made_at: dt.datetime) -> bytes:
    """The PDF of a `.typ` file over the data (anything JSON can say). The same data, time and fonts give the same bytes.

    Drawn on a thread, beside the event loop. RuntimeError when the template refuses the data.
    """
    return await asyncio.to_thread(_render, template, json.dumps(data, ensure_ascii=False), made_at)


def _render(template: Path, text: str, made_at: dt.datetime) -> bytes:
    # Loaded with the first paper: most processes never print one.
    import typst

    said = drawable(text)
    wanted = {found.group() for found in _CHARACTER.finditer(said)}.intersection(_others.family_of)
    # A character with a selector before the same without one.
    families = {one: _others.family_of[one] for one in sorted(wanted, key=lambda one: (-len(one), one))}
    made = typst.Compiler(
        _BORROWING.format(template=template.name).encode() if families else template.read_bytes(),
        root=template.parent,
        font_paths=_fonts(_others.folder),
        sys_inputs={"data": said, "families": json.dumps(families, ensure_ascii=False)},
    ).compile(pdf_standards=STANDARD, timestamp=made_at.astimezone(dt.UTC).replace(microsecond=0))
    if not isinstance(made, bytes):
        raise TypeError("one document was expected")
    return made


def drawable(text: str) -> str:
    """The text as the fonts can draw it, what they cannot marked (NM-02)."""
    known = _repertoire()

    def drawn(found: re.Match[str]) -> str:
        character, whole = found.group(1), found.group()
        if whole in known or whole in _others.family_of:
            return whole
        return character + NO_VARIANT if character in known or character in _others.family_of else NO_GLYPH

    return _CHARACTER.sub(drawn, text)


@functools.cache
def _repertoire() -> frozenset[str]:
    """What every one of the bundled fonts can draw."""
    return frozenset.intersection(*(glyphs.of(path.read_bytes()) for path in sorted(_folder().glob("*.otf"))))
