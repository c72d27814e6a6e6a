"""Paper: A4 PDFs with embedded Japanese fonts, from a Typst template and plain data; one `.typ` file per kind of paper.

Typst breaks Japanese lines by rule (禁則), subsets the fonts, and writes PDF/A-2a: tagged for screen readers, readable in
thirty years. Nothing is fetched: no packages, no system fonts. Data never becomes markup: templates read it as JSON.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from typst import Fonts

HERE: Final = Path(__file__).resolve().parent
STANDARD: Final = "a-2a"


@functools.cache
def _fonts() -> Fonts:
    """Noto Sans JP and Noto Serif JP, and no other: the same paper on every machine."""
    import pylopdf_fonts_jp
    from typst import Fonts

    folder = Path(pylopdf_fonts_jp.__file__).parent
    return Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[folder])


async def render(paper: str, data: Mapping[str, Any], made_at: dt.datetime) -> bytes:
    """The PDF of `<paper>.typ` over the data (anything JSON can say). The same data and time give the same bytes."""
    return await asyncio.to_thread(_render, paper, json.dumps(data, ensure_ascii=False), made_at)


def _render(paper: str, text: str, made_at: dt.datetime) -> bytes:
    # Loaded with the first paper: most processes never print one.
    import typst

    made = typst.compile(
        HERE / f"{paper}.typ",
        root=HERE,
        font_paths=_fonts(),
        sys_inputs={"data": text},
        pdf_standards=STANDARD,
        timestamp=made_at.astimezone(dt.UTC).replace(microsecond=0),
    )
    if not isinstance(made, bytes):
        raise TypeError("one document was expected")
    return made
