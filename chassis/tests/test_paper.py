"""What the fonts of a paper can draw, and what stands where they cannot (NM-02)."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pypdfium2

from chassis import clock, paper

NOW = dt.datetime(2026, 11, 27, 17, 0, tzinfo=clock.JST)
TEMPLATE = """#let data = json(bytes(sys.inputs.data))
#set document(title: "字形")
#set page(width: 60mm, height: 30mm, margin: 5mm)
#set text(font: "Noto Serif JP", size: 30pt, lang: "ja")
#data.text
"""


def test_variants_of_names_are_kept() -> None:
    """NM-02: 異体字 as people write their names, and characters outside the basic plane."""
    for name in (
        "葛\U000e0100城",
        "葛\U000e0101城",
        "辻\U000e0100",
        "渡邉\U000e0102",
        "髙﨑 邦夫",
        "𠮷田",
        "祇\U000e0100園",
    ):
        assert paper.drawable(name) == name


def test_what_no_font_has_is_marked_and_never_another_character() -> None:
    """NM-02: the base character and 〔異体字〕; 〓 for a character that is not there at all."""
    assert paper.drawable("邉\U000e01ef田") == "邉〔異体字〕田"
    assert paper.drawable("𪚥\U000e0100と😀") == "〓と〓"
    assert paper.drawable('{"a": "か\u3099\\n"}') == '{"a": "か\u3099\\n"}'


async def test_two_variants_of_a_character_are_two_glyphs(tmp_path: Path) -> None:
    """The selector reaches the glyph: pictures of 葛 differ by it, and an unknown one is drawn as marked."""
    template = tmp_path / "glyph.typ"
    template.write_text(TEMPLATE)

    async def picture(text: str) -> bytes:
        made = await paper.render(template, {"text": text}, NOW)
        return bytes(pypdfium2.PdfDocument(made)[0].render(scale=2).to_pil().tobytes())

    first, second = await picture("葛\U000e0100"), await picture("葛\U000e0101")
    assert first != second
    assert await picture("葛\U000e01ef") == await picture("葛〔異体字〕")
    assert await picture("😀") == await picture("〓")
