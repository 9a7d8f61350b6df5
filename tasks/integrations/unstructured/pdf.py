"""PDF files and pictures: embedded text first, optical character recognition where there is none."""

from __future__ import annotations

import functools
import io
import re
import shutil
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, BinaryIO

from tasks.errors import DocumentRejected
from tasks.integrations.unstructured.containers import Budget
from tasks.integrations.unstructured.kinds import password_protected
from tasks.integrations.unstructured.pdf_headings import rank_headings
from tasks.integrations.unstructured.reading import Content, Piece, Reading, ReadOptions, as_problem, base_name
from tasks.integrations.unstructured.rich import map_elements, needs_program
from tasks.models import PartProblem

_PAGES_BY_UNSTRUCTURED = 400
"""Longer files are read by pdfium, which is fifty times faster and knows no headings."""

_OCR_DPI = 200
"""Tesseract is made for 200 to 300 dots an inch; more is slower and reads no better."""
_POINTS_PER_INCH = 72

_STAMP_LETTERS = 40
_PICTURE_SHARE = 0.5
"""Fewer embedded letters, and a picture over this share of the page: it was scanned."""

_MOST_SCANNED = 60
"""Of a file that also has text: to recognise a page takes seconds, and a file that takes too long loses all of it."""
_TOO_MANY_SCANS = DocumentRejected(
    f"more than {_MOST_SCANNED} scanned pages beside pages of text",
    reason="too-many-scans",
    advice="split the file, or set EXPERTLOOP_PARTITION_STRATEGY=ocr_only and a longer "
    "EXPERTLOOP_PARTITION_TIMEOUT_SECONDS",
)

_FEW_WORDS = 20
_SCATTERED_SHARE = 0.5
"""A page of at least so many words of which more than this share are single letters was taken apart by its reader."""

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
        pieces = _mend_scattered_pages(content, pieces) or _read_fast(content)
    scanned = [] if options.strategy == "fast" else _find_scanned_pages(content, pieces, pages)
    if options.strategy != "ocr_only":
        pieces = _sort_by_page([*pieces, *_read_text_boxes(content)])
    if not scanned:
        return Reading(pieces)
    if not list_ocr_languages():
        if len(scanned) == pages:
            raise needs_program(content.name, "tesseract", "scanned pages (no text is embedded in the file)")
        missing = needs_program(content.name, "tesseract", "scanned pages")
        return Reading(pieces, problems=tuple(as_problem(f"page {number}", missing) for number in scanned))
    read, left = (scanned, []) if len(scanned) == pages else (scanned[:_MOST_SCANNED], scanned[_MOST_SCANNED:])
    with content.open() as handle:
        recognised = list(_recognise_pictures(_draw_pages(handle, read), options))
    kept = [piece for piece in pieces if piece.page not in set(read)]
    problems = tuple(as_problem(f"page {number}", _TOO_MANY_SCANS) for number in left)
    return Reading(_sort_by_page([*kept, *recognised]), problems=problems)


def _sort_by_page(pieces: list[Piece]) -> list[Piece]:
    return sorted(pieces, key=lambda piece: piece.page or 0)


def _find_scanned_pages(content: Content, pieces: list[Piece], pages: int) -> list[int]:
    """Pages to be recognised, counted from 1: all where no text is embedded, else those that are little but a picture.

    What merges files stamps its own line on scanned pages, so a few letters do not make a page of text.
    """
    letters = Counter[int]()
    for piece in pieces:
        letters[piece.page or 0] += sum(map(str.isalnum, piece.text))
    if not letters.total():
        return list(range(1, pages + 1))
    bare = [number for number in range(1, pages + 1) if letters[number] < _STAMP_LETTERS]
    return _find_pictures(content, bare) if bare else []


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
        raise _broken(content.name, error) from error
    return pages


def _broken(name: str, error: Exception) -> DocumentRejected:
    return DocumentRejected(
        f"{base_name(name, 'the file')} is cut off or broken: {error}",
        reason="damaged-file",
        advice="open it in a pdf viewer and save it again, or fetch it again from where it came",
    )


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


def _mend_scattered_pages(content: Content, pieces: list[Piece]) -> list[Piece]:
    """Read pages by pdfium that came letter by letter, as writing does that lies sideways on its page."""
    scattered = _find_scattered_pages(pieces)
    if not scattered:
        return pieces
    again = [piece for piece in _read_fast(content, is_turned=False) if piece.page in scattered]
    mended = {piece.page for piece in again} - _find_scattered_pages(again)
    kept = [piece for piece in pieces if piece.page not in mended]
    return _sort_by_page([*kept, *(piece for piece in again if piece.page in mended)])


def _find_scattered_pages(pieces: list[Piece]) -> set[int | None]:
    words: dict[int | None, list[str]] = defaultdict(list)
    for piece in pieces:
        words[piece.page] += piece.text.split()
    return {
        page
        for page, those in words.items()
        if len(those) >= _FEW_WORDS and sum(len(word) == 1 for word in those) > _SCATTERED_SHARE * len(those)
    }


def _read_fast(content: Content, *, is_turned: bool = True) -> list[Piece]:
    """The page's text as pdfium gives it; paragraphs end where a line ends a sentence.

    Args:
        content: The file.
        is_turned: Read pages as they are turned for showing; else as they were written.
    """
    import pypdfium2

    pieces: list[Piece] = []
    with content.open() as handle:
        document = pypdfium2.PdfDocument(handle)
        for number, page in enumerate(document, 1):
            if not is_turned:
                page.set_rotation(0)
            text_page = page.get_textpage()
            text = _join_hyphenated(text_page.get_text_range().replace("\r\n", "\n").replace("\ufffe", "-\n"))
            pieces += [Piece("text", part, page=number) for part in re.split(r"(?<=[.!?:])[ \t]*\n", text)]
            text_page.close()
            page.close()
        document.close()
    return pieces


# --- what is laid over the pages or attached to them --------------------------------------------------------------


def _read_text_boxes(content: Content) -> list[Piece]:
    """What was typed onto a page ("free text" annotations), which is no part of the page's own text."""
    import pypdfium2

    pieces: list[Piece] = []
    with content.open() as handle, pypdfium2.PdfDocument(handle) as document:
        for number, page in enumerate(document, 1):
            pieces += [Piece("text", text, page=number) for text in _list_free_texts(page) if text.strip()]
            page.close()
    return pieces


def _list_free_texts(page: Any) -> Iterator[str]:
    from pypdfium2 import raw

    for number in range(raw.FPDFPage_GetAnnotCount(page)):
        annotation = raw.FPDFPage_GetAnnot(page, number)
        if raw.FPDFAnnot_GetSubtype(annotation) == raw.FPDF_ANNOT_FREETEXT:
            size_bytes = raw.FPDFAnnot_GetStringValue(annotation, b"Contents", None, 0)
            buffer = (raw.FPDF_WCHAR * (size_bytes // 2))()
            raw.FPDFAnnot_GetStringValue(annotation, b"Contents", buffer, size_bytes)
            yield bytes(buffer).decode("utf-16-le", "replace").rstrip("\x00")
        raw.FPDFPage_CloseAnnot(annotation)


def list_attachments(content: Content, budget: Budget) -> Iterator[Content | PartProblem]:
    """The files embedded in a pdf, by its own list of them."""
    import pypdfium2

    with content.open() as handle, pypdfium2.PdfDocument(handle) as document:
        for number in range(1, document.count_attachments() + 1):
            attachment = document.get_attachment(number - 1)
            name = base_name(attachment.get_name(), f"attachment {number}")
            try:
                data = bytes(attachment.get_data())
            except pypdfium2.PdfiumError as error:
                yield as_problem(name, _broken(name, error))
                continue
            yield Content(name, data=budget.take(io.BytesIO(data)))


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


def _find_pictures(content: Content, numbers: Sequence[int]) -> list[int]:
    """Those of the pages of which one picture covers the most, or one drawing that may hold such a picture."""
    import pypdfium2

    kinds = [pypdfium2.raw.FPDF_PAGEOBJ_IMAGE, pypdfium2.raw.FPDF_PAGEOBJ_FORM]
    found = []
    with content.open() as handle, pypdfium2.PdfDocument(handle) as document:
        for number in numbers:
            page = document[number - 1]
            width, height = page.get_size()
            # Only what lies on the page itself: pdfium tells the bounds inside of a drawing by the drawing's own scale.
            covered = (_measure_area(one.get_bounds()) for one in page.get_objects(filter=kinds, max_depth=1))
            if max(covered, default=0.0) >= _PICTURE_SHARE * width * height:
                found.append(number)
            page.close()
    return found


def _measure_area(bounds: tuple[float, float, float, float]) -> float:
    left, bottom, right, top = bounds
    return (right - left) * (top - bottom)


def _draw_pages(handle: BinaryIO, numbers: Sequence[int]) -> Iterator[tuple[int, Any]]:
    """By pdfium, one at a time: unstructured's own way needs poppler, and all pages in memory."""
    import pypdfium2

    document = pypdfium2.PdfDocument(handle)
    for number in numbers:
        page = document[number - 1]
        yield number, page.render(scale=_OCR_DPI / _POINTS_PER_INCH).to_pil()
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
        return Reading(list(_recognise_pictures(enumerate(ImageSequence.Iterator(picture), 1), options)))


def _recognise_pictures(pictures: Iterable[tuple[int, Any]], options: ReadOptions) -> Iterator[Piece]:
    """What tesseract reads in each picture, under the number of its page."""
    from unstructured.partition.image import partition_image

    languages = _ocr_languages(options.language)
    for number, picture in pictures:
        elements = partition_image(file=_as_png(picture), strategy="ocr_only", languages=languages)
        for piece in map_elements(elements, heading_depths=rank_headings(elements)):
            yield piece._replace(page=number)


def _as_png(frame: Any) -> io.BytesIO:
    buffer = io.BytesIO()
    frame.convert("RGB").save(buffer, "PNG")
    buffer.seek(0)
    return buffer
