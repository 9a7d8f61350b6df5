"""What happens inside a worker process: one file in, one partitioned document out."""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Callable

from tasks.document_ports import PartitionJob
from tasks.errors import DocumentRejected
from tasks.integrations.unstructured import containers, kinds, pdf, rich, tables, texts, xml_texts
from tasks.integrations.unstructured.containers import Budget
from tasks.integrations.unstructured.kinds import MAY_BE_EMPTY, MEDIA_TYPES, detect_kind
from tasks.integrations.unstructured.reading import (
    Content,
    Reading,
    ReadOptions,
    base_name,
    make_elements,
    refuse_damaged,
    refuse_much_text,
)
from tasks.models import Element, PartitionedDocument

_TEXTUAL_NAMES = frozenset({"", "log", "text", "txt", *kinds.TEXT_EXTENSIONS})
_CONVERTED = {"doc": "docx", "ppt": "pptx", "odp": "pptx", "ods": "xlsx"}
_PICTURES = ("pictures", "add its text, save it as pdf with a text layer, or exclude it with a glob")
_TEXTLESS = {
    "xml": (
        "empty elements or a drawing",
        "export it again with its data, draw its words as text and not as paths, or exclude it with a glob",
    )
}
"""What a file without text may hold instead, and what to do about it, where that is not pictures."""
_NOTHING_BUT_TEXT = frozenset({"csv", "tsv", "json", "jsonl", "text", "md"})
_WORKBOOKS = frozenset({"xlsx", "xls", "ods"})
"""Their headings name sheets, and "Sheet 1" or "Read me" is not what the file is about: its name is."""
_PANDOC = frozenset({"epub", "odt", "rst", "org", "rtf"})


def partition_file(job: PartitionJob, options: ReadOptions) -> PartitionedDocument:
    """Read one file whole.

    Raises:
        DocumentRejected: With a reason and advice that a person can act on.
    """
    content = Content(job.file_name, path=job.file)
    if content.size_bytes == 0:
        return _empty_document(content)
    budget = Budget()
    kind, reading = _read(content, options._replace(language=job.language), budget, depth=0)
    refuse_much_text(content.name, sum(len(piece.text) for piece in reading.pieces), options.max_text_mb)
    elements = make_elements(reading.pieces)
    if not elements and reading.problems:
        raise _no_readable_part(content, reading)
    return PartitionedDocument(
        elements=elements,
        title=reading.title or (None if kind in _WORKBOOKS else _first_heading(elements)),
        media_type=MEDIA_TYPES[kind],
        may_be_empty=kind in MAY_BE_EMPTY or not elements,
        problems=reading.problems,
    )


def _empty_document(content: Content) -> PartitionedDocument:
    """Zero bytes: nothing to read in a text, a cut off file in any other format."""
    if content.extension in _TEXTUAL_NAMES:
        return PartitionedDocument(elements=(), media_type="text/plain", may_be_empty=True)
    raise DocumentRejected(
        f"{base_name(content.name, 'the file')} has 0 bytes",
        reason="empty-file",
        advice="fetch it again from where it came, or delete it",
    )


def _no_readable_part(content: Content, reading: Reading) -> DocumentRejected:
    first = reading.problems[0]
    return DocumentRejected(
        f"none of the {len(reading.problems)} parts of {base_name(content.name, 'the file')} can be read; "
        f"{first.part}: {first.problem.message}",
        reason=first.problem.reason,
        advice=first.problem.advice,
    )


def _first_heading(elements: tuple[Element, ...]) -> str | None:
    """The highest title near the beginning names the document."""
    titles = [element for element in elements[:10] if element.kind == "title" and element.part is None]
    return min(titles, key=lambda element: element.depth).text if titles else None


def _read(content: Content, options: ReadOptions, budget: Budget, depth: int) -> tuple[str, Reading]:
    if depth > containers.MAX_DEPTH:
        raise DocumentRejected(
            f"{base_name(content.name, 'a part')} is nested more than {containers.MAX_DEPTH} deep",
            reason="nested-too-deep",
            advice="unpack it and ingest the folder",
        )
    kind = detect_kind(content)
    if kind in _NOTHING_BUT_TEXT:
        refuse_much_text(content.name, content.size_bytes, options.max_text_mb)
    with refuse_damaged(content.name):
        reading = _read_kind(content, kind, options, budget, depth)
    if kind not in MAY_BE_EMPTY and not reading.problems and not any(piece.text.strip() for piece in reading.pieces):
        _refuse_textless(content, kind)
    return kind, reading


def _read_kind(content: Content, kind: str, options: ReadOptions, budget: Budget, depth: int) -> Reading:
    if kind in _CONVERTED:
        return _read_kind(rich.convert_office(content, _CONVERTED[kind]), _CONVERTED[kind], options, budget, depth)
    if kind in _PANDOC:
        return rich.read_with_pandoc(content, kind)
    read_part = functools.partial(_read_part, options=options, budget=budget, depth=depth + 1)
    if kind in _CONTAINERS:
        return _CONTAINERS[kind](content, read_part, budget)
    if kind == "pdf":
        pages = pdf.read_pdf(content, options)
        attached = containers.read_parts(pdf.list_attachments(content, budget), read_part, budget)
        return Reading([*pages.pieces, *attached.pieces], problems=(*pages.problems, *attached.problems))
    if kind == "image":
        return pdf.read_image(content, options)
    return _READERS[kind](content)


def _read_part(content: Content, *, options: ReadOptions, budget: Budget, depth: int) -> Reading:
    return _read(content, options, budget, depth)[1] if content.size_bytes else Reading([])


def _refuse_textless(content: Content, kind: str) -> None:
    """Zero text out of something is a failure, unless it is an office file that holds no picture either.

    Raises:
        DocumentRejected: reason "no-text".
    """
    if kind in {"docx", "pptx"}:
        with content.open() as handle, zipfile.ZipFile(handle) as archive:
            if not any("/media/" in name for name in archive.namelist()):
                return
    held, advice = _TEXTLESS.get(kind, _PICTURES)
    raise DocumentRejected(
        f"{base_name(content.name, 'the file')} has no text that could be read; it may hold only {held}",
        reason="no-text",
        advice=advice,
    )


def _read_plain(content: Content) -> Reading:
    text = texts.decode(content, texts.detect_encoding(content) or "utf-8")
    return texts.read_text(text, headings=content.extension in {"txt", "text", ""})


def _read_json(content: Content) -> Reading:
    return texts.read_json(texts.decode(content, texts.detect_encoding(content) or "utf-8"))


def _read_json_lines(content: Content) -> Reading:
    return texts.read_json_lines(texts.decode(content, texts.detect_encoding(content) or "utf-8"))


_ContainerReader = Callable[[Content, containers.ReadPart, Budget], Reading]


def _archive_reader(list_members: containers.MemberLister) -> _ContainerReader:
    def read(content: Content, read_part: containers.ReadPart, budget: Budget) -> Reading:
        return containers.read_parts(list_members(content, budget), read_part, budget)

    return read


_CONTAINERS: dict[str, _ContainerReader] = {
    "eml": containers.read_mail,
    "msg": containers.read_outlook,
    "mbox": _archive_reader(containers.list_mailbox),
    "zip": _archive_reader(containers.list_zip),
    "tar": _archive_reader(containers.list_tar),
    "gz": _archive_reader(containers.list_gzip),
}
_READERS: dict[str, Callable[[Content], Reading]] = {
    "docx": rich.read_docx,
    "pptx": rich.read_pptx,
    "html": rich.read_html,
    "md": rich.read_markdown,
    "xml": xml_texts.read_xml,
    "xlsx": tables.read_xlsx,
    "xls": tables.read_xls,
    "csv": functools.partial(tables.read_delimited, delimiter=None),
    "tsv": functools.partial(tables.read_delimited, delimiter="\t"),
    "json": _read_json,
    "jsonl": _read_json_lines,
    "text": _read_plain,
}
