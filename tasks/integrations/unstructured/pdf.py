"""PDF files and pictures: embedded text first, optical character recognition where there is none."""

from __future__ import annotations

import functools
import io
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, BinaryIO

from tasks.errors import DocumentRejected
from tasks.integrations.unstructured.kinds import password_protected
from tasks.integrations.unstructured.pdf_headings import rank_headings
from tasks.integrations.unstructured.reading import Content, Piece, Reading, ReadOptions, base_name
from tasks.integrations.unstructured.rich import map_elements, needs_program

_PAGES_BY_UNSTRUCTURED = 400
"""Longer files are read by pdfium, which is fifty times faster and knows no headings."""

_OCR_DPI = 200
"""Tesseract is made for 200 to 300 dots an inch; more is slower and reads no better."""
_POINTS_PER_INCH = 72

_LINE_END_HYPHEN = re.compile(r"(?<=[^\W\d_])-\s+(?=([^\W\d_]))(?!(?:und|oder|bzw|sowie|and|or|to)\b)")

_TESSERACT_LANGUAGES = {"en": "eng", "de": "deu", "fr": "fra", "es": "spa", "it": "ita", "nl": "nld", "pl": "pol"}


def read_pdf(content: Content, options: ReadOptions) -> Reading:
    """The text of each page.

    Raises:
        DocumentRejected: "password-protected", "damaged-file", "needs-tesseract".
    """
    pages = _count_pages(content)
    pieces: list[Piece] = []
    if options.strategy != "ocr_only":
        pieces = _read_embedded_text(content) if pages <= _PAGES_BY_UNSTRUCTURED else []
        pieces = pieces or _read_fast(content)
    if not any(piece.text.strip() for piece in pieces) and options.strategy != "fast":
        pieces = _recognise_pdf(content, options)
    return Reading(pieces)


def _count_pages(content: Content) -> int:
    import pypdfium2

    try:
        with content.open() as handle:
            document = pypdfium2.PdfDocument(handle)
            pages = len(document)
            document.close()
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower() or "security" in str(error).lower():
            raise password_protected(content.name) from error
        raise DocumentRejected(
            f"{base_name(content.name, 'the file')} is cut off or broken: {error}",
            reason="damaged-file",
            advice="open it in a pdf viewer and save it again, or fetch it again from where it came",
        ) from error
    return pages


def _read_embedded_text(content: Content) -> list[Piece]:
    from unstructured.partition.pdf import partition_pdf

    with content.open() as handle:
        elements = partition_pdf(file=handle, strategy="fast", languages=["eng"])
    pieces = map_elements(elements, paged=True, heading_depths=rank_headings(elements))
    return [piece._replace(text=_join_hyphenated(piece.text)) for piece in _drop_page_numbers(pieces)]


def _drop_page_numbers(pieces: list[Piece]) -> Iterator[Piece]:
    """Leave out a page's first or last line where it is nothing but the page's own number."""
    for number, page in groupby(pieces, key=lambda piece: piece.page):
        lines = list(page)
        edges = {0, len(lines) - 1}
        yield from (line for n, line in enumerate(lines) if n not in edges or line.text.strip() != str(number))


def _join_hyphenated(text: str) -> str:
    """Undo the hyphens of line ends, which would hide words from a search; "Ein- und Ausgang" keeps its own."""
    return _LINE_END_HYPHEN.sub(lambda match: "" if match[1].islower() else "-", text)


def _read_fast(content: Content) -> list[Piece]:
    """The page's text as pdfium gives it; paragraphs end where a line ends a sentence."""
    import pypdfium2

    pieces: list[Piece] = []
    with content.open() as handle:
        document = pypdfium2.PdfDocument(handle)
        for number, page in enumerate(document, 1):
            text_page = page.get_textpage()
            text = _join_hyphenated(text_page.get_text_range().replace("\r\n", "\n").replace("\ufffe", "-\n"))
            pieces += [Piece("text", part, page=number) for part in re.split(r"(?<=[.!?:])[ \t]*\n", text)]
            text_page.close()
            page.close()
        document.close()
    return pieces


# --- pictures of text ---------------------------------------------------------------------------------------------


@functools.cache
def list_ocr_languages() -> tuple[str, ...]:
    """What the installed tesseract reads; empty when there is none."""
    program = shutil.which("tesseract")
    if program is None:
        return ()
    listing = subprocess.run([program, "--list-langs"], capture_output=True, text=True, check=False)  # noqa: S603
    return tuple(line.strip() for line in listing.stdout.splitlines()[1:] if line.strip() != "osd")


def _ocr_languages(language: str | None) -> list[str]:
    known = list_ocr_languages()
    wanted = [_TESSERACT_LANGUAGES.get(language or "", ""), "eng", "deu"]
    return [code for code in dict.fromkeys(wanted) if code in known] or list(known[:1])


def _recognise_pdf(content: Content, options: ReadOptions) -> list[Piece]:
    """Pages are drawn by pdfium, one at a time: unstructured's own way needs poppler, and all pages in memory."""
    if not list_ocr_languages():
        raise needs_program(content.name, "tesseract", "scanned pages (no text is embedded in the file)")
    with content.open() as handle:
        return list(_recognise_pictures(_draw_pages(handle), options))


def _draw_pages(handle: BinaryIO) -> Iterator[Any]:
    import pypdfium2

    document = pypdfium2.PdfDocument(handle)
    for page in document:
        yield page.render(scale=_OCR_DPI / _POINTS_PER_INCH).to_pil()
        page.close()
    document.close()


def read_image(content: Content, options: ReadOptions) -> Reading:
    """The text in a picture, frame by frame."""
    from pi_heif import register_heif_opener
    from PIL import Image, ImageSequence

    if not list_ocr_languages():
        raise needs_program(content.name, "tesseract", "pictures")
    register_heif_opener()
    with content.open() as handle, Image.open(handle) as picture:
        return Reading(list(_recognise_pictures(ImageSequence.Iterator(picture), options)))


def _recognise_pictures(pictures: Iterable[Any], options: ReadOptions) -> Iterator[Piece]:
    """What tesseract reads in each picture; the n-th is page n."""
    from unstructured.partition.image import partition_image

    languages = _ocr_languages(options.language)
    for number, picture in enumerate(pictures, 1):
        elements = partition_image(file=_as_png(picture), strategy="ocr_only", languages=languages)
        for piece in map_elements(elements, heading_depths=rank_headings(elements)):
            yield piece._replace(page=number)


def _as_png(frame: Any) -> io.BytesIO:
    buffer = io.BytesIO()
    frame.convert("RGB").save(buffer, "PNG")
    buffer.seek(0)
    return buffer
