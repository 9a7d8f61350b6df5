"""Writes Word, PowerPoint and Excel files whose bytes depend on the source alone.

The three libraries stamp the present time into zip members and properties. ``_repack`` writes the package again with
a fixed time, and without compression: deflate differs between zlib builds, stored bytes do not.
"""

import io
import re
import zipfile

import docx
import openpyxl
import openpyxl.utils
import pptx
from docx.document import Document
from docx.enum.style import WD_STYLE_TYPE
from docx.shared import Pt
from openpyxl.styles import Alignment, Font
from openpyxl.worksheet.worksheet import Worksheet
from pptx.presentation import Presentation
from pptx.slide import Slide
from pptx.util import Inches

from data.writers.source import Block, Heading, Items, Notice, Paragraph, Source, Table, parse_blocks, plain, split_bold

_ZIP_TIME = (2026, 1, 1, 0, 0, 0)
_TABLE_STYLE = "Light Grid Accent 1"
_UNUSED_PART = "docProps/thumbnail.jpeg"


def write_docx(source: Source) -> bytes:
    """Returns the source as a Word document with styles, tables and a footer."""
    document = docx.Document()
    document.styles["Normal"].font.name = "Calibri"
    document.styles["Normal"].font.size = Pt(10.5)
    for block in parse_blocks(source.body):
        _add_docx_block(document, block)
    document.sections[0].footer.paragraphs[0].text = source.byline
    _set_properties(document.core_properties, source)
    _drop_unused_styles(document)
    buffer = io.BytesIO()
    document.save(buffer)
    return _repack(buffer.getvalue(), source)


def _drop_unused_styles(document: Document) -> None:
    """Drops 98 table styles and a second copy of all styles, which are nine tenths of a small file."""
    for style in list(document.styles):
        if style.type == WD_STYLE_TYPE.TABLE and style.name not in (_TABLE_STYLE, "Normal Table"):
            style.delete()
    for key, relation in list(document.part.rels.items()):
        if relation.reltype.endswith("/stylesWithEffects"):
            document.part.rels.pop(key)


def _add_docx_block(document: Document, block: Block) -> None:
    match block:
        case Heading(level, text):
            document.add_heading(plain(text), level=level)
        case Paragraph(text):
            _add_runs(document, text, "Normal")
        case Notice(text):
            _add_runs(document, text, "Intense Quote")
        case Items(numbered, texts):
            for text in texts:
                # Numbers are part of the text: the style's own numbering would run on from list to list.
                _add_runs(document, text, "List" if numbered else "List Bullet")
        case Table(rows):
            _add_docx_table(document, rows)


def _add_runs(document: Document, text: str, style: str) -> None:
    paragraph = document.add_paragraph(style=style)
    for part, bold in split_bold(text):
        paragraph.add_run(part).bold = bold or None


def _add_docx_table(document: Document, rows: tuple[tuple[str, ...], ...]) -> None:
    table = document.add_table(rows=0, cols=len(rows[0]), style=_TABLE_STYLE)
    for row in rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = plain(text)
    document.add_paragraph()


def write_pptx(source: Source) -> bytes:
    """Returns the source as slides: one for the title, one for each level-2 heading, with speaker notes."""
    deck = pptx.Presentation()
    cover = deck.slides.add_slide(deck.slide_layouts[0])
    _set_text(cover, 0, source.title)
    _set_text(cover, 1, source.byline)
    for part in re.split(r"^## ", source.body, flags=re.MULTILINE)[1:]:
        title, _, rest = part.partition("\n")
        _add_slide(deck, title, parse_blocks(rest))
    _set_properties(deck.core_properties, source)
    buffer = io.BytesIO()
    deck.save(buffer)
    return _repack(buffer.getvalue(), source)


def _add_slide(deck: Presentation, title: str, blocks: list[Block]) -> None:
    has_bullets = any(isinstance(block, Items) for block in blocks)
    slide = deck.slides.add_slide(deck.slide_layouts[1 if has_bullets else 5])
    _set_text(slide, 0, title)
    for block in blocks:
        match block:
            case Items(_, texts):
                _set_text(slide, 1, "\n".join(map(plain, texts)))
            case Table(rows):
                _add_slide_table(slide, rows)
            case Paragraph(text) if text.startswith("Notes: "):
                frame = slide.notes_slide.notes_text_frame
                if frame is not None:
                    frame.text = plain(text.removeprefix("Notes: "))
            case _:
                raise ValueError(f"slide {title!r} holds a block that a slide cannot show: {block}")


def _set_text(slide: Slide, index: int, text: str) -> None:
    slide.placeholders[index].text_frame.text = text


def _add_slide_table(slide: Slide, rows: tuple[tuple[str, ...], ...]) -> None:
    size = (Inches(0.5), Inches(1.8), Inches(9), Inches(0.4 * len(rows)))
    table = slide.shapes.add_table(len(rows), len(rows[0]), *size).table
    for row_number, row in enumerate(rows):
        for column_number, text in enumerate(row):
            table.cell(row_number, column_number).text = plain(text)


def write_xlsx(source: Source) -> bytes:
    """Returns the source as a workbook with one sheet for each level-2 heading."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for part in re.split(r"^## ", source.body, flags=re.MULTILINE)[1:]:
        title, _, rest = part.partition("\n")
        _fill_sheet(book.create_sheet(title), parse_blocks(rest))
    book.properties.creator = source.author
    book.properties.title = source.title
    book.properties.created = source.written_at.replace(tzinfo=None)
    buffer = io.BytesIO()
    book.save(buffer)
    return _repack(buffer.getvalue(), source)


def _fill_sheet(sheet: Worksheet, blocks: list[Block]) -> None:
    for block in blocks:
        match block:
            case Paragraph(text):
                sheet.append([plain(text)])
                sheet.cell(sheet.max_row, 1).alignment = Alignment(wrap_text=True, vertical="top")
                sheet.merge_cells(start_row=sheet.max_row, start_column=1, end_row=sheet.max_row, end_column=8)
                sheet.row_dimensions[sheet.max_row].height = 15.0 * (1 + len(text) // 110)
            case Table(rows):
                _fill_table(sheet, rows)
            case _:
                raise ValueError(f"sheet {sheet.title!r} holds a block that a sheet cannot show: {block}")


def _fill_table(sheet: Worksheet, rows: tuple[tuple[str, ...], ...]) -> None:
    sheet.append([plain(cell) for cell in rows[0]])
    for cell in sheet[sheet.max_row]:
        cell.font = Font(bold=True)
    for row in rows[1:]:
        sheet.append([_as_number(plain(cell)) for cell in row])
    for number, column in enumerate(zip(*rows, strict=True), start=1):
        letter = openpyxl.utils.get_column_letter(number)
        sheet.column_dimensions[letter].width = max(12, 2 + max(map(len, column)))


def _as_number(text: str) -> str | int | float | None:
    """Turns a cell into a number only where the number is written back exactly as it stood."""
    if not text:
        return None
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if str(number) == text and not text.endswith(".0"):
            return number
    return text


def _set_properties(properties: object, source: Source) -> None:
    values = {"title": source.title, "author": source.author, "last_modified_by": source.author, "comments": ""}
    for name, value in values.items():
        setattr(properties, name, value)
    setattr(properties, "created", source.written_at.replace(tzinfo=None))  # noqa: B010 - two libraries, one property
    setattr(properties, "modified", source.written_at.replace(tzinfo=None))  # noqa: B010


def _repack(package: bytes, source: Source) -> bytes:
    buffer = io.BytesIO()
    stamp = source.written_at.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    with zipfile.ZipFile(io.BytesIO(package)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            if name == _UNUSED_PART:
                continue
            content = old.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + stamp, content)
            if name == "_rels/.rels":
                content = re.sub(rb"<Relationship [^>]*thumbnail\.jpeg[^>]*/>", b"", content)
            member = zipfile.ZipInfo(name, _ZIP_TIME)
            member.external_attr = 0o600 << 16
            new.writestr(member, content)
    return buffer.getvalue()
