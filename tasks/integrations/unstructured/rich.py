"""Formats that unstructured partitions: its elements become ours."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from tasks.document_ports import NEEDS
from tasks.errors import DocumentRejected
from tasks.integrations.unstructured.charts import read_chart
from tasks.integrations.unstructured.docx_markup import unfold_text
from tasks.integrations.unstructured.reading import Content, Piece, Reading, base_name, make_table
from tasks.integrations.unstructured.texts import decode, detect_encoding

_LONGEST_CELL = 1000
_STARTS_AGAIN = 81
"""LibreOffice's exit code after it has made a new profile, in which it wants to be started again."""

_LONGEST_TITLE_WORDS = 12
_NO_LANGUAGE = [""]
"""Tells unstructured not to detect languages: the chunker does."""

_KINDS: dict[str, Any] = {
    "ListItem": "list-item", "List-item": "list-item", "CodeSnippet": "code", "Image": "other",
    "Formula": "other", "FormKeysValues": "other",
}  # fmt: skip
_MARGINS = {"Header", "Footer", "PageNumber"}
_DROPPED = {"PageBreak"}
_PAGE_MARK = re.compile(r"(?:page|seite|p\.|s\.)?\s*[-–]?\s*\d{1,5}\s*(?:(?:of|von|/)\s*\d{1,5})?\s*[-–]?", re.I)
_META_CHARSET = re.compile(rb"<meta[^>]+charset=[\"']?([\w-]+)", re.I)
_TITLE_TAG = re.compile(r"<title[^>]*>(.*?)</title>", re.I | re.S)


def map_elements(
    elements: list[Any], *, paged: bool = False, heading_depths: Mapping[int, int] | None = None
) -> list[Piece]:
    """Our pieces in unstructured's order.

    Args:
        elements: What a partition function returned.
        paged: Whether page numbers are the format's own.
        heading_depths: Depth of headings by place in the list; default: titles to which the format gives a level.
    """
    if heading_depths is None:
        depths = ((n, e.metadata.category_depth) for n, e in enumerate(elements) if e.category == "Title")
        heading_depths = {place: depth for place, depth in depths if depth is not None}
    margins = Counter(_margin_key(element.text) for element in elements if element.category in _MARGINS)
    return [
        _map_element(element, heading_depths.get(place), paged=paged)
        for place, element in enumerate(elements)
        if element.category not in _DROPPED
        and (element.category not in _MARGINS or not _is_boilerplate(element.text, margins))
    ]


def _is_boilerplate(text: str, margins: Counter[str]) -> bool:
    """A page's margin is dropped where it repeats or only counts pages; a lone one may be the document's title."""
    return margins[_margin_key(text)] > 1 or bool(_PAGE_MARK.fullmatch(text.strip()))


def _margin_key(text: str) -> str:
    return re.sub(r"\d+", "#", text.strip())


def _map_element(element: Any, heading_depth: int | None, *, paged: bool) -> Piece:
    page = element.metadata.page_number if paged else None
    if element.category == "Table" and element.metadata.text_as_html:
        return _map_table(_table_rows(element.metadata.text_as_html), page)
    if heading_depth is not None:
        return Piece("title", element.text, depth=heading_depth, page=page)
    return Piece(_KINDS.get(element.category, "text"), element.text, page=page)


def _map_table(rows: list[list[str]], page: int | None) -> Piece:
    """A table that only lays out a page (one cell a row, or cells as long as articles) is text."""
    cells = [cell for row in rows for cell in row if cell.strip()]
    is_layout = all(sum(bool(cell.strip()) for cell in row) < 2 for row in rows)
    if is_layout or max(map(len, cells)) > _LONGEST_CELL:
        return Piece("text", "\n".join(" ".join(cell.split()) for cell in cells), page=page)
    return make_table(rows, page=page)


def _table_rows(html: str) -> list[list[str]]:
    from lxml import html as lxml_html

    table = lxml_html.fragment_fromstring(html, create_parent="div")
    for line_break in table.iter("br"):
        line_break.tail = f" {line_break.tail or ''}"
    rows = table.iter("tr")
    return [[cell.text_content() for cell in row if cell.tag in {"td", "th"}] for row in rows]


# --- markup -------------------------------------------------------------------------------------------------------


def read_html(content: Content) -> Reading:
    """A web page; nothing it refers to is fetched."""
    declared = _META_CHARSET.search(content.head)
    encoding = detect_encoding(content) or "utf-8"
    if declared and encoding not in {"utf-8", "utf-8-sig", "utf-16", "utf-32"}:
        encoding = _known_encoding(declared[1].decode("ascii")) or encoding
    return read_html_text(decode(content, encoding))


def _known_encoding(name: str) -> str | None:
    import codecs

    try:
        return codecs.lookup(name).name
    except LookupError:
        return None


def read_html_text(html: str) -> Reading:
    """A web page as text."""
    from lxml import html as lxml_html
    from unstructured.partition.html import partition_html

    _admit_tags()

    if not html.strip():
        return Reading([])
    tag = _TITLE_TAG.search(html)
    title = (
        " ".join(lxml_html.fromstring(f"<p>{tag[1]}</p>").text_content().split()) if tag and tag[1].strip() else None
    )
    return Reading(map_elements(partition_html(text=html, languages=_NO_LANGUAGE)), title=title or None)


@functools.cache
def _admit_tags() -> None:
    """Have unstructured read what it takes for boilerplate: folded sections, captions, forms and what is filled in."""
    from unstructured.partition.html import parser

    blocks = dict.fromkeys(("details", "summary", "figure", "figcaption", "form", "fieldset", "legend"), parser.Flow)
    fields = {"label": parser.Phrasing, "textarea": parser.BlockItem}
    choices = {"select": parser.Flow, "optgroup": parser.Flow, "option": parser.ListItemBlock}
    parser.element_class_lookup.get_namespace(None).update(blocks | fields | choices)


def read_markdown(content: Content) -> Reading:
    """Markdown with tables, fenced code, notes and folded sections."""
    from unstructured.partition.md import partition_md

    from tasks.integrations.unstructured.markdown_texts import list_extensions

    _admit_tags()
    text = decode(content, detect_encoding(content) or "utf-8")
    front_matter = re.match(r"---\n.*?\n---\n", text, re.S)
    body = text[front_matter.end() :] if front_matter else text
    pieces = [Piece("text", front_matter[0].strip("-\n"))] if front_matter else []
    if not body.strip():
        return Reading(pieces)
    elements = partition_md(text=body, extensions=list_extensions(body), languages=_NO_LANGUAGE)
    return Reading(pieces + map_elements(elements))


def read_with_pandoc(content: Content, source_format: str) -> Reading:
    """epub, odt, rst, org and rtf through pandoc, which runs sandboxed: no includes, no requests."""
    from unstructured.file_utils.file_conversion import convert_file_to_html_text_using_pandoc

    if not find_pandoc():
        raise needs_program(content.name, "pandoc", f"{source_format} files")
    with content.open() as handle:
        return read_html_text(convert_file_to_html_text_using_pandoc(source_format, file=handle))


def find_pandoc() -> str | None:
    """The pandoc to use: the one that the pypandoc_binary package carries, or an installed one."""
    import pypandoc

    try:
        return str(pypandoc.get_pandoc_path())
    except OSError:
        return None


def name_need(program: str) -> str:
    """The reason for what is not read because a program is not installed."""
    return NEEDS + program.lower()


def needs_program(name: str, program: str, what: str) -> DocumentRejected:
    """The refusal of a file whose reader is a program that is not installed."""
    return DocumentRejected(
        f"{base_name(name, 'the file')}: {what} need {program}, which is not installed",
        reason=name_need(program),
        advice="run 'make system-packages' (or install it with your package manager) and ingest again",
    )


# --- office -------------------------------------------------------------------------------------------------------


def read_docx(content: Content) -> Reading:
    """A letter or report with its notes and text boxes; running headers and footers are left out."""
    from unstructured.partition.docx import DocxPartitionerOptions, _DocxPartitioner

    with content.open() as handle:
        options = DocxPartitionerOptions.load(
            file=handle, file_path=None, include_page_breaks=False, infer_table_structure=True
        )
        # partition_docx only takes files; this spares writing the document anew.
        unfold_text(options.document)
        elements = list(_DocxPartitioner.iter_document_elements(options))
    return Reading(map_elements([element for element in elements if element.category not in _MARGINS]))


def read_pptx(content: Content) -> Reading:
    """Slides with their charts and notes; the page is the slide's number."""
    from unstructured.partition.pptx import partition_pptx

    with content.open() as handle:
        elements = partition_pptx(file=handle, include_slide_notes=True, languages=_NO_LANGUAGE)
    charts = _read_charts(content)
    # Sorting keeps the order within a slide, so its charts follow its text.
    pieces = sorted([*map_elements(elements, paged=True), *charts], key=lambda piece: piece.page or 0)
    return Reading(_name_slides(pieces))


def _read_charts(content: Content) -> list[Piece]:
    """The charts of all slides, which unstructured leaves out."""
    import pptx

    with content.open() as handle:
        slides = pptx.Presentation(handle).slides
        return [
            piece
            for number, slide in enumerate(slides, 1)
            for shape in _list_shapes(slide.shapes)
            if (chart := _find_chart(shape)) is not None
            for piece in read_chart(chart, page=number)
        ]


def _find_chart(shape: Any) -> Any | None:
    """The chart that a shape shows, if it shows one and the file holds it."""
    try:
        return shape.chart_part._element if getattr(shape, "has_chart", False) else None
    except (KeyError, ValueError, AttributeError):
        # It names no part, one that is missing, one outside of the file, or one that is no chart.
        return None


def _list_shapes(shapes: Any) -> Iterator[Any]:
    for shape in shapes:
        yield shape
        yield from _list_shapes(getattr(shape, "shapes", ()))


def _name_slides(pieces: list[Piece]) -> list[Piece]:
    """On a slide without a title, a short first line above other text is one."""
    named: list[Piece] = []
    for _, slide in groupby(pieces, key=lambda piece: piece.page):
        first, *rest = slide
        is_title = first.kind == "text" and rest and not any(piece.kind == "title" for piece in rest)
        if is_title and len(first.text.split()) <= _LONGEST_TITLE_WORDS and first.text.strip()[-1:] not in ".,;!?":
            first = first._replace(kind="title")
        named += [first, *rest]
    return named


def convert_office(content: Content, target: str) -> Content:
    """A legacy office file as its modern successor, by LibreOffice.

    Args:
        content: The doc, ppt, ods or odp file.
        target: Extension to convert to: docx, pptx or xlsx.
    """
    program = find_libreoffice()
    if program is None:
        raise needs_program(content.name, "LibreOffice", f"{content.extension or 'legacy office'} files")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        source.write_bytes(content.read())
        # An own profile lets several conversions run at once; a user's open LibreOffice is left alone.
        command = [program, f"-env:UserInstallation={Path(folder, 'profile').as_uri()}", "--headless", "--norestore"]
        command += ["--convert-to", target, "--outdir", folder, str(source)]
        if _run_in_group(command) == _STARTS_AGAIN:
            _run_in_group(command)
        converted = source.with_suffix(f".{target}")
        if not converted.exists():
            raise ValueError(f"LibreOffice could not convert it to {target}")
        return Content(f"{content.name}.{target}", data=converted.read_bytes())


def _run_in_group(command: list[str]) -> int:
    """Run a program that starts others, leave none of them behind, and return its exit code."""
    process = subprocess.Popen(  # noqa: S603 (our own command; the document's name is not in it)
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0
    )
    try:
        return process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def find_libreoffice() -> str | None:
    """LibreOffice's own binary: the wrapper script would leave it running when the wrapper is killed."""
    wrapper = shutil.which("soffice") or shutil.which("libreoffice")
    if wrapper is None:
        return None
    binary = Path(wrapper).resolve().with_name("soffice.bin")
    return str(binary) if binary.exists() else wrapper
