"""Makes paper: PDF pages with an embedded Japanese font, scans of them, maps, Office files.

Only make_files.py uses it. Output is the same bytes on every run: no clocks, no random
seeds from outside, fixed dates inside the archives.
"""

from __future__ import annotations

import io
import random
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pypdfium2
from docx import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.shared import Mm, Pt
from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

MINCHO, GOTHIC = "Mincho", "Gothic"
VARIATION_SELECTORS = re.compile("[\U000e0100-\U000e01ef]")
OFFICE_DATE = "2026-11-20T00:00:00Z"
font_files: dict[str, Path] = {}


def register_fonts(mincho: Path, gothic: Path) -> None:
    """Must be called once before anything is drawn. OSError when a file is missing."""
    for name, file in ((MINCHO, mincho), (GOTHIC, gothic)):
        pdfmetrics.registerFont(TTFont(name, str(file)))
        font_files[name] = file


def drawable(text: str) -> str:
    """The font has one shape per ideograph: variation selectors would print as boxes."""
    return VARIATION_SELECTORS.sub("", text)


def wrap(line: str, width: float, size: float) -> list[str]:
    """Lines of at most a width in points. Numbers stay whole; no line starts with 、。）」."""
    parts = [""]
    for piece in re.findall("[0-9A-Za-z,.]+|.", line):
        fits = pdfmetrics.stringWidth(drawable(parts[-1] + piece), MINCHO, size) <= width
        if fits or piece in "、。）」":
            parts[-1] += piece
        else:
            parts.append(piece)
    return parts


class Paper:
    """An A4 PDF, measured in millimetres from the top left corner."""

    def __init__(self, title: str) -> None:
        self.buffer = io.BytesIO()
        self.canvas = Canvas(self.buffer, pagesize=A4, invariant=1, pageCompression=1)
        self.canvas.setTitle(title)
        self.canvas.setAuthor("箕面市（見本）")

    def text(self, x: float, y: float, text: str, size: float = 10.5, font: str = MINCHO) -> None:
        self.canvas.setFont(font, size)
        self.canvas.drawString(x * mm, A4[1] - y * mm, drawable(text))

    def centred(self, y: float, text: str, size: float = 14, font: str = MINCHO) -> None:
        self.canvas.setFont(font, size)
        self.canvas.drawCentredString(A4[0] / 2, A4[1] - y * mm, drawable(text))

    def right(self, y: float, text: str, size: float = 10.5) -> None:
        self.canvas.setFont(MINCHO, size)
        self.canvas.drawRightString(A4[0] - 22 * mm, A4[1] - y * mm, drawable(text))

    def paragraph(self, x: float, y: float, text: str, characters: int = 40, size: float = 10.5) -> float:
        """Breaks at the width of so many full-width characters; answers the y below the last line."""
        for line in text.split("\n"):
            for part in wrap(line, characters * size, size):
                self.text(x, y, part, size)
                y += size * 0.62
        return y

    def table(
        self,
        x: float,
        y: float,
        widths: Sequence[float],
        rows: Sequence[Sequence[str]],
        height: float = 9.0,
        size: float = 10,
    ) -> float:
        """Ruled cells; the first column is shaded. Answers the y below the table."""
        for row in rows:
            left = x
            lines = max(cell.count("\n") + 1 for cell in row)
            cell_height = height + (lines - 1) * size * 0.55
            for column, (width, cell) in enumerate(zip(widths, row, strict=True)):
                self.canvas.setLineWidth(0.6)
                self.canvas.setFillGray(0.93 if column == 0 else 1)
                self.canvas.rect(left * mm, A4[1] - (y + cell_height) * mm, width * mm, cell_height * mm, fill=1)
                self.canvas.setFillGray(0)
                for number, line in enumerate(cell.split("\n")):
                    self.text(left + 2, y + 6 + number * size * 0.55, line, size)
                left += width
            y += cell_height
        return y

    def seal(self, x: float, y: float, name: str) -> None:
        """A personal seal: a red ring with one or two characters."""
        self.canvas.setStrokeColorRGB(0.78, 0.1, 0.1)
        self.canvas.setFillColorRGB(0.78, 0.1, 0.1)
        self.canvas.circle(x * mm, A4[1] - y * mm, 5 * mm)
        self.canvas.setFont(MINCHO, 10)
        for number, character in enumerate(name):
            self.canvas.drawCentredString(x * mm, A4[1] - (y - 0.6 + number * 3.8) * mm, character)
        self.canvas.setStrokeGray(0)
        self.canvas.setFillGray(0)

    def receipt_stamp(self, x: float, y: float, office: str, day: str) -> None:
        """収受印: office above, date in the middle, 収受 below."""
        self.canvas.setStrokeColorRGB(0.72, 0.12, 0.16)
        self.canvas.setFillColorRGB(0.72, 0.12, 0.16)
        self.canvas.setLineWidth(1.2)
        self.canvas.circle(x * mm, A4[1] - y * mm, 15 * mm)
        for offset in (-4.0, 4.0):
            self.canvas.line((x - 14.4) * mm, A4[1] - (y + offset) * mm, (x + 14.4) * mm, A4[1] - (y + offset) * mm)
        for offset, text, size in ((-6.5, office, 9.0), (1.8, day, 12.0), (9.5, "収　受", 10.0)):
            self.canvas.setFont(GOTHIC, size)
            self.canvas.drawCentredString(x * mm, A4[1] - (y + offset) * mm, text)
        self.canvas.setStrokeGray(0)
        self.canvas.setFillGray(0)

    def image(self, x: float, y: float, width: float, picture: Image.Image) -> None:
        height = width * picture.height / picture.width
        self.canvas.drawImage(ImageReader(picture), x * mm, A4[1] - (y + height) * mm, width * mm, height * mm)

    def next_page(self) -> None:
        self.canvas.showPage()

    def bytes(self) -> bytes:
        self.canvas.save()
        return self.buffer.getvalue()


def scan(pdf: bytes, seed: int, angle: float, dots_per_inch: int = 130) -> bytes:
    """What a copier makes of a page: tilted, grainy, slightly soft, one JPEG per page, no text."""
    grain = random.Random(seed)  # noqa: S311 (paper grain)
    pages: list[Image.Image] = []
    document = pypdfium2.PdfDocument(pdf)
    for number in range(len(document)):
        page = document[number].render(scale=dots_per_inch / 72).to_pil().convert("RGB")
        tilted = page.rotate(angle, resample=Image.Resampling.BICUBIC, fillcolor=(246, 244, 238))
        noise = Image.frombytes("L", tilted.size, grain.randbytes(tilted.width * tilted.height))
        noise = noise.filter(ImageFilter.GaussianBlur(0.8)).convert("RGB")
        paper = Image.new("RGB", tilted.size, (250, 248, 242))
        soft = Image.blend(tilted, paper, 0.10).filter(ImageFilter.GaussianBlur(0.5))
        pages.append(Image.blend(soft, noise, 0.07))
    result = io.BytesIO()
    canvas = Canvas(result, pagesize=A4, invariant=1)
    canvas.setTitle("スキャン")
    for picture in pages:
        draw_jpeg(canvas, picture)
        canvas.showPage()
    canvas.save()
    return result.getvalue()


def draw_jpeg(canvas: Canvas, picture: Image.Image) -> None:
    """A whole page as one JPEG: reportlab keeps JPEG data as they are."""
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=62)
    jpeg.seek(0)
    canvas.drawImage(ImageReader(jpeg), 0, 0, A4[0], A4[1])


class Map:
    """A plan drawn with roads, blocks and labels; saved as a palette PNG."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.image = Image.new("RGB", (width, height), (252, 251, 246))
        self.draw = ImageDraw.Draw(self.image)
        self.title = title

    def font(self, size: int) -> ImageFont.FreeTypeFont:
        return ImageFont.truetype(str(font_files[GOTHIC]), size)

    def label(self, x: int, y: int, text: str, size: int = 22, colour: tuple[int, int, int] = (30, 30, 30)) -> None:
        self.draw.text((x, y), drawable(text), font=self.font(size), fill=colour)

    def road(self, points: list[tuple[int, int]], width: int = 26) -> None:
        self.draw.line(points, fill=(150, 150, 150), width=width + 4, joint="curve")
        self.draw.line(points, fill=(255, 255, 255), width=width, joint="curve")

    def block(self, box: tuple[int, int, int, int], colour: tuple[int, int, int] = (226, 222, 210)) -> None:
        self.draw.rectangle(box, fill=colour, outline=(170, 165, 150), width=2)

    def river(self, points: list[tuple[int, int]]) -> None:
        self.draw.line(points, fill=(165, 200, 232), width=22, joint="curve")

    def mark(self, x: int, y: int, number: str) -> None:
        self.draw.ellipse((x - 20, y - 20, x + 20, y + 20), fill=(204, 35, 35), outline=(255, 255, 255), width=3)
        box = self.draw.textbbox((0, 0), number, font=self.font(24))
        self.draw.text((x - box[2] / 2, y - box[3] / 2 - 1), number, font=self.font(24), fill=(255, 255, 255))

    def bytes(self) -> bytes:
        self.label(24, 18, self.title, 30)
        x, y = self.image.width - 70, 110
        self.draw.polygon([(x, y - 60), (x - 16, y), (x, y - 12), (x + 16, y)], fill=(30, 30, 30))
        self.label(x - 10, y + 4, "N", 24)
        self.draw.line((40, self.image.height - 40, 240, self.image.height - 40), fill=(30, 30, 30), width=4)
        self.label(40, self.image.height - 76, "0　　　　100m", 20)
        result = io.BytesIO()
        self.image.quantize(64).save(result, "PNG", optimize=True)
        return result.getvalue()


def letter(number: str, day: str, addressee: str, sender: str, title: str, lines: Sequence[str]) -> bytes:
    """An outgoing letter as .docx: number and date right, addressee left, sender right, 記 below."""
    document = Document()
    section = document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.left_margin = section.right_margin = Mm(25)
    style = document.styles["Normal"]
    style.font.name, style.font.size = "MS Mincho", Pt(11)
    style.element.rPr.rFonts.set(qn("w:eastAsia"), "ＭＳ 明朝")
    placed = [
        (number, WD_ALIGN_PARAGRAPH.RIGHT),
        (day, WD_ALIGN_PARAGRAPH.RIGHT),
        ("", WD_ALIGN_PARAGRAPH.LEFT),
        (addressee, WD_ALIGN_PARAGRAPH.LEFT),
        ("", WD_ALIGN_PARAGRAPH.LEFT),
        (sender, WD_ALIGN_PARAGRAPH.RIGHT),
        ("", WD_ALIGN_PARAGRAPH.LEFT),
        (title, WD_ALIGN_PARAGRAPH.CENTER),
        ("", WD_ALIGN_PARAGRAPH.LEFT),
    ]
    for text, alignment in placed:
        document.add_paragraph(text).alignment = alignment
    for text in lines:
        paragraph = document.add_paragraph(text)
        paragraph.paragraph_format.space_after = Pt(4)
        if text == "記":
            paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    document.core_properties.title = title
    document.core_properties.author = "箕面市（見本）"
    result = io.BytesIO()
    document.save(result)
    return still(result.getvalue())


def sheet(
    tab: str,
    heading: str,
    widths: Sequence[int],
    rows: Sequence[Sequence[str | int | float]],
    money: Sequence[int],
    notes: Sequence[str],
) -> bytes:
    """One worksheet as .xlsx: a heading, a ruled table, notes. Strings starting with = are formulas."""
    book = Workbook()
    page = book.active
    page.title = tab
    page["A1"] = heading
    page["A1"].font = Font(name="ＭＳ 明朝", size=14, bold=True)
    thin = Side(style="thin")
    for row_number, row in enumerate(rows, start=3):
        for column, value in enumerate(row, start=1):
            cell = page.cell(row_number, column, value)
            cell.font = Font(name="ＭＳ 明朝", size=11)
            cell.border = Border(left=thin, right=thin, top=thin, bottom=thin)
            cell.alignment = Alignment(vertical="center", wrap_text=True)
            if row_number == 3:
                cell.fill = PatternFill("solid", fgColor="DDE6F0")
            elif column in money:
                cell.number_format = "#,##0"
    for number, note in enumerate(notes):
        page.cell(4 + len(rows) + number, 1, note).font = Font(name="ＭＳ 明朝", size=10)
    for column, width in enumerate(widths, start=1):
        page.column_dimensions[get_column_letter(column)].width = width
    page.page_setup.paperSize = page.PAPERSIZE_A4
    book.properties.creator = "箕面市（見本）"
    book.properties.title = heading
    result = io.BytesIO()
    book.save(result)
    return still(result.getvalue())


def still(archive: bytes) -> bytes:
    """The same Office file with fixed dates, so that a new run gives the same bytes."""
    result = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as old,
        zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", OFFICE_DATE.encode(), content)
            fixed = zipfile.ZipInfo(entry.filename, (2026, 11, 20, 0, 0, 0))
            fixed.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(fixed, content)
    return result.getvalue()
