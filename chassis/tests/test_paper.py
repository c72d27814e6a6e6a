"""What the fonts of a paper can draw, and what stands where they cannot (NM-02)."""

from __future__ import annotations

import ctypes
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium
import pytest

from chassis import clock, glyphs, paper
from chassis.settings import SettingsError
from chassis.tests.small_font import small_font

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


# Of 邉, of no Adobe-Japan1 font: the bundled ones lack it.
VARIANT = "邉\U000e01ef"


@pytest.fixture
def fonts(tmp_path: Path) -> Iterator[Path]:
    """A folder of an operator's fonts, used until the test ends."""
    folder = tmp_path / "fonts"
    folder.mkdir()
    yield folder
    paper.use(None)


async def test_an_operators_font_draws_what_the_bundled_ones_lack(fonts: Path, tmp_path: Path) -> None:
    """NM-02: the glyph of its 異体字 is inside, and the mark is gone; every other character stays in the bundled font."""
    (fonts / "mj.ttf").write_bytes(small_font("Kanketsu Square", "𪚥", [VARIANT]))
    (fonts / "LICENSE.txt").write_text("IPA Font License")
    template = tmp_path / "glyph.typ"
    template.write_text(TEMPLATE.replace("30pt", "12pt"))
    data = {"text": f"渡{VARIANT}葛\U000e0101𪚥"}
    before = pypdfium2.PdfDocument(await paper.render(template, data, NOW))
    assert text_of(before) == "渡邉〔異体字〕葛\U000e0101〓"
    assert fonts_in(before) == {("NotoSerifJP-Regular", True)}

    paper.use(fonts)
    assert paper.drawable(data["text"]) == data["text"]
    assert paper.drawable("邉\U000e01ee𪚥\U000e0100😀") == "邉〔異体字〕𪚥〔異体字〕〓", "what it lacks too is marked"
    made = await paper.render(template, data, NOW)
    after = pypdfium2.PdfDocument(made)
    assert text_of(after) == data["text"]
    assert fonts_in(after) == {("NotoSerifJP-Regular", True), ("Kanketsu Square", True)}
    assert pdfium.FPDFCatalog_IsTagged(after.raw)
    assert await paper.render(template, data, NOW) == made
    # Nothing but two squares of eight tenths of 12 points.
    squares = pypdfium2.PdfDocument(await paper.render(template, {"text": f"{VARIANT}𪚥"}, NOW))[0]
    black = sum(squares.render(scale=5, grayscale=True).to_pil().histogram()[:128]) / 25
    assert black == pytest.approx(2 * 9.6 * 9.6, rel=0.05)


async def test_a_paper_that_needs_no_other_font_is_the_same_with_one(fonts: Path, tmp_path: Path) -> None:
    (fonts / "mj.ttf").write_bytes(small_font("Kanketsu Square", "渡𪚥", [VARIANT, "葛\U000e0101"]))
    template = tmp_path / "glyph.typ"
    template.write_text(TEMPLATE)
    without = await paper.render(template, {"text": "渡葛\U000e0101"}, NOW)
    paper.use(fonts)
    assert await paper.render(template, {"text": "渡葛\U000e0101"}, NOW) == without


def test_a_font_with_an_old_table_is_read(fonts: Path) -> None:
    """Characters of the basic plane in a table of format 4; also by a link, as files are mounted in a cluster."""
    (fonts / "..data").mkdir()
    (fonts / "..data" / "old.TTF").write_bytes(small_font("Old", "가각힣", basic=True))
    (fonts / "old.ttf").symlink_to(Path("..data", "old.TTF"))
    paper.use(fonts)
    assert paper.drawable("가각갂힣") == "가각〓힣"


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (None, "is not a folder"),
        ({"README.txt": b"x"}, "there is no font"),
        ({"mj.ttf": b"no font"}, "mj.ttf is not a font that can be read"),
        ({"mj.ttf": small_font("Square", "𪚥")[:500]}, "mj.ttf is not a "),
        ({"mj.ttf": small_font("Square", "𪚥"), "b.otf": b""}, "b.otf is not a font that can be read"),
        ({"noto.ttf": small_font("Noto Serif JP", "𪚥")}, "noto.ttf: Noto Serif JP is bundled"),
    ],
)
def test_a_folder_without_good_fonts_is_refused(fonts: Path, files: dict[str, bytes] | None, problem: str) -> None:
    """With the setting and the file; and nothing of it is used."""
    for name, content in (files or {}).items():
        (fonts / name).write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        paper.use(fonts if files is not None else fonts / "nowhere")
    assert caught.value.problems[0].startswith("KANKETSU_FONTS: ")
    assert problem in caught.value.problems[0]
    assert paper.drawable("𪚥") == "〓"


def test_no_cut_font_passes_for_a_whole_one() -> None:
    """Wherever it ends."""
    whole = small_font("Square", "𪚥", [VARIANT])
    assert glyphs.of(whole) == {"𪚥", VARIANT}
    assert glyphs.of(small_font("Square", "あ", basic=True)) == {"あ"}
    for size in range(0, len(whole) - 3, 7):
        with pytest.raises(ValueError, match=r"cmap|ends before"):
            glyphs.of(whole[:size])


def text_of(made: pypdfium2.PdfDocument) -> str:
    """What the PDF says, selectors included."""
    return "".join(str(made[0].get_textpage().get_text_range()).split())


def fonts_in(made: pypdfium2.PdfDocument) -> set[tuple[str, bool]]:
    """The fonts of the text by name, and whether they are inside."""
    found = set()
    for piece in made[0].get_objects(filter=[pdfium.FPDF_PAGEOBJ_TEXT]):
        font = pdfium.FPDFTextObj_GetFont(piece.raw)
        name = ctypes.create_string_buffer(128)
        pdfium.FPDFFont_GetBaseFontName(font, name, len(name))
        found.add((name.value.decode().partition("+")[2], pdfium.FPDFFont_GetIsEmbedded(font) == 1))
    return found
