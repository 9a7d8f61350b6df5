"""Real files through real worker processes: what can be read is read, what cannot says why."""

from __future__ import annotations

import gzip
import io
import json
import mailbox
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.document_ports import PartitionJob, PartitionOutcome
from tasks.errors import ConfigurationError
from tasks.integrations.unstructured import UnstructuredPartitioner, pdf
from tasks.integrations.unstructured.pdf import list_ocr_languages
from tasks.integrations.unstructured.reading import Content, ReadOptions
from tasks.integrations.unstructured.rich import find_libreoffice, needs_program
from tasks.models import PartitionedDocument
from tasks.settings import Settings
from tests.fakes.hostile_files import (
    BILLION_LAUGHS,
    REMOTE_HTML,
    encrypt_office,
    external_entity,
    mail_with,
    truncate,
    write_docx,
    write_partly_scanned_pdf,
    write_pdf,
    write_xlsx,
    write_zip_bomb,
)

pytestmark = pytest.mark.slow

Builder = Callable[[Path], object]


def as_text(text: str, encoding: str = "utf-8") -> Builder:
    return lambda path: path.write_bytes(text.encode(encoding))


def as_bytes(data: bytes) -> Builder:
    return lambda path: path.write_bytes(data)


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return buffer.getvalue()


def write_mailbox(path: Path) -> None:
    box = mailbox.mbox(path)
    box.add(mail_with(subject="First ../ mail", body="From now on we deliver weekly.\n\nFrom Monday."))
    box.add(mail_with(("notes.txt", b"Notes inside the second mail."), subject="Second"))
    box.close()


def nested_zip(depth: int) -> bytes:
    data = zipped({"deep.txt": b"The deepest text."})
    for level in range(depth):
        data = zipped({f"level{level}.zip": data, f"text{level}.txt": f"Text of level {level}.".encode()})
    return data


SCANNED = "The valve of boiler nine is red."
PRICES: list[list[object]] = [["Article", "Price"], ["Pump", 10.5], ["Valve", 20]]

READABLE: dict[str, Builder] = {
    "empty.txt": as_bytes(b""),
    "blank.md": as_text(" \n\n \t"),
    "plain.pdf": write_pdf,
    "partly-scanned.pdf": lambda path: write_partly_scanned_pdf(path, scanned=SCANNED),
    "report.docx": write_docx,
    "pdf-inside.docx": write_pdf,
    "html-inside.txt": as_text(REMOTE_HTML),
    "text-inside.docx": as_text("Only text under a letter's name."),
    "titled.xlsx": lambda path: write_xlsx(path, {"Read me": PRICES}, title="Prices of spare parts"),
    "prices.xlsx": lambda path: write_xlsx(path, {"Prices 2026": PRICES, "Notes": [["Valid until May"]]}),
    "remote.html": as_text(REMOTE_HTML),
    "external.xml": lambda path: path.write_text(external_entity(path.parent / "secret.txt")),
    "utf16.txt": as_text("Grüße aus dem Werk", "utf-16"),
    "utf16-unmarked.txt": as_text("Greetings from the plant, all is well", "utf-16-le"),
    "cp1252.txt": as_text("Die Prüfung kostet 20 € – größer als üblich", "cp1252"),
    "undecodable.txt": as_bytes(b"Before \xff\xfe\x81 after, caf\xc3\xa9"),
    "nul.txt": as_bytes(b"Left\x00Right and more words here"),
    "rtl.txt": as_text("مرحبا بالعالم\n\nשלום עולם"),
    "emoji.md": as_text("# Party 🎉\n\nBring cake 🍰👩‍👩‍👧 please."),
    "records.json": as_text(json.dumps([{"sku": "P1", "price": 3.5, "tags": ["a", "b"]}, {"sku": "P2"}])),
    "broken.json": as_text('{"sku": "P1", '),
    "lines.jsonl": as_text('{"a": 1}\n{"a": {"b": "deep"}}\n'),
    "data.csv": as_text("Name;Preis\nPumpe;1,50\nVentil;2,75\n"),
    "table.tsv": as_text("Name\tPrice\nPump\t1\n"),
    "code.py": as_text("def f():\n    return 1\n\n\nprint(f())\n"),
    "config.yaml": as_text("a: 1\nb:\n  - 2\n"),
    "manual.rst": as_text("Manual\n======\n\n.. include:: /etc/passwd\n\nRead *this*.\n"),
    "mail.eml": lambda path: path.write_bytes(
        bytes(mail_with(("../../etc/evil.txt", b"Evil only by name."), ("broken.pdf", b"%PDF-1.4 nothing")))
    ),
    "box.mbox": write_mailbox,
    "archive.zip": as_bytes(
        zipped({"../up.txt": b"Up.", "a/b.csv": b"x,y\n1,2\n", "song.wav": b"RIFF\x00\x00\x00\x00WAVE"})
    ),
    "archive.tar.gz": as_bytes(gzip.compress(tarred({"/abs/c.txt": b"Text in a tar."}))),
    "single.txt.gz": as_bytes(gzip.compress(b"Text in a gzip.")),
    "nested.zip": as_bytes(nested_zip(6)),
}
REJECTED: dict[str, tuple[str, Builder]] = {
    "zero.pdf": ("empty-file", as_bytes(b"")),
    "cut.pdf": ("damaged-file", lambda path: truncate(write_pdf(path), 0.05)),
    "cut.docx": ("damaged-file", lambda path: truncate(write_docx(path))),
    "cut.xlsx": ("damaged-file", lambda path: truncate(write_xlsx(path, {"A": PRICES}))),
    "not-a-letter.docx": ("damaged-file", as_bytes(zipped({"word/document.xml": b"<not-xml"}))),
    "locked.pdf": ("password-protected", lambda path: write_pdf(path, password="x")),
    "locked.docx": ("password-protected", lambda path: encrypt_office(write_docx(path), "x")),
    "bomb.docx": ("zip-bomb", write_zip_bomb),
    "laughs.xml": ("entity-bomb", as_text(BILLION_LAUGHS)),
    "sound.wav": ("unsupported-type", as_bytes(b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(range(256)) * 20)),
    "program": ("unsupported-type", as_bytes(b"\x7fELF" + bytes(range(256)) * 20)),
    "scripts-only.html": ("no-text", as_text("<html><body><script>render()</script></body></html>")),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PartitionOutcome]:
    """Every file of this module through one pool."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "secret.txt").write_text("TOP SECRET")
    builders = {**READABLE, **{name: build for name, (_, build) in REJECTED.items()}}
    for name, build in builders.items():
        build(folder / name)
    partitioner = UnstructuredPartitioner(Settings(partition_workers=2, partition_timeout_seconds=120))
    jobs = (PartitionJob(name, folder / name, name, None) for name in builders)
    return {outcome.key: outcome for outcome in partitioner.partition_documents(jobs)}


@pytest.fixture
def read(outcomes: dict[str, PartitionOutcome]) -> Callable[[str], PartitionedDocument]:
    def look_up(name: str) -> PartitionedDocument:
        document = outcomes[name].document
        assert document is not None, outcomes[name].problem
        return document

    return look_up


Read = Callable[[str], PartitionedDocument]


def text_of(document: PartitionedDocument) -> str:
    return "\n".join(element.text for element in document.elements)


def test_every_job_has_exactly_one_outcome(outcomes: dict[str, PartitionOutcome]) -> None:
    assert set(outcomes) == {*READABLE, *REJECTED}
    assert all((outcome.document is None) != (outcome.problem is None) for outcome in outcomes.values())


@pytest.mark.parametrize("name", REJECTED)
def test_what_cannot_be_read_says_why_and_what_to_do(outcomes: dict[str, PartitionOutcome], name: str) -> None:
    problem = outcomes[name].problem
    assert problem is not None
    assert problem.reason == REJECTED[name][0]
    assert name in problem.message
    assert len(problem.advice) > 20


@pytest.mark.parametrize("name", READABLE)
def test_element_texts_can_be_stored_anywhere(read: Read, name: str) -> None:
    document = read(name)
    assert all(element.text.strip() and "\x00" not in element.text for element in document.elements)
    assert text_of(document).encode("utf-8") == text_of(document).encode("utf-8", "surrogatepass")
    ids = [element.element_id for element in document.elements]
    assert len(set(ids)) == len(ids)


def test_an_empty_text_is_empty_and_not_a_failure(read: Read) -> None:
    for name in ("empty.txt", "blank.md"):
        assert read(name).elements == ()
        assert read(name).may_be_empty


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pdf-inside.docx", "Pump manual page 1\nIt is checked every year."),
        ("text-inside.docx", "Only text under a letter's name."),
        ("utf16.txt", "Grüße aus dem Werk"),
        ("utf16-unmarked.txt", "Greetings from the plant, all is well"),
        ("cp1252.txt", "Die Prüfung kostet 20 € – größer als üblich"),
        ("nul.txt", "LeftRight and more words here"),
        ("rtl.txt", "مرحبا بالعالم\nשלום עולם"),
        ("emoji.md", "Party 🎉\nBring cake 🍰👩‍👩‍👧 please."),
        ("records.json", "sku: P1\nprice: 3.5\ntags: a, b\nsku: P2"),
        ("broken.json", '{"sku": "P1",'),
        ("lines.jsonl", "a: 1\na.b: deep"),
        ("code.py", "def f():\n    return 1\nprint(f())"),
        ("single.txt.gz", "Text in a gzip."),
    ],
)
def test_text_arrives_as_it_was_written(read: Read, name: str, expected: str) -> None:
    assert text_of(read(name)) == expected


def test_undecodable_bytes_are_replaced_and_the_rest_is_kept(read: Read) -> None:
    assert "after" in text_of(read("undecodable.txt"))


def test_a_pdf_has_pages_and_a_heading_by_size(read: Read) -> None:
    assert {element.page for element in read("plain.pdf").elements} == {1}
    assert read("plain.pdf").media_type == "application/pdf"


def test_scanned_pages_among_pages_of_text_are_recognised_and_no_others(read: Read) -> None:
    document = read("partly-scanned.pdf")
    pages = [(element.page, element.text) for element in document.elements]
    assert [number for number, text in pages if text.startswith("Pump manual page")] == [1, 4]
    if list_ocr_languages():
        assert "boiler nine is red" in " ".join(text for number, text in pages if number == 2)
        assert {number for number, _ in pages} == {1, 2, 4}
        assert document.problems == ()
    else:
        assert [(one.part, one.problem.reason) for one in document.problems] == [("page 2", "needs-tesseract")]


def test_without_the_program_scanned_pages_are_named_and_the_text_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf, "list_ocr_languages", lambda: ())
    file = write_partly_scanned_pdf(tmp_path / "partly.pdf", scanned=SCANNED)
    options = ReadOptions(strategy="auto", language=None, max_text_mb=20)
    reading = pdf.read_pdf(Content("partly.pdf", path=file), options)
    assert any("Pump manual page 1" in piece.text for piece in reading.pieces)
    assert [(one.part, one.problem.reason) for one in reading.problems] == [("page 2", "needs-tesseract")]
    assert pdf.read_pdf(Content("partly.pdf", path=file), options._replace(strategy="fast")).problems == ()


def test_a_letter_has_its_styled_heading(read: Read) -> None:
    heading, *rest = read("report.docx").elements
    assert (heading.kind, heading.depth, heading.text) == ("title", 0, "Service report")
    assert read("report.docx").title == "Service report"
    assert [element.kind for element in rest] == ["text"]


def test_a_workbook_is_sheets_with_tables(read: Read) -> None:
    assert [(element.kind, element.text, element.header_rows) for element in read("prices.xlsx").elements] == [
        ("title", "Prices 2026", 0),
        ("table", "Article | Price\nPump | 10.5\nValve | 20", 1),
        ("title", "Notes", 0),
        ("text", "Valid until May", 0),
    ]


def test_a_workbook_is_called_by_its_title_or_file_not_by_its_first_sheet(read: Read) -> None:
    assert read("prices.xlsx").title is None
    assert read("titled.xlsx").title == "Prices of spare parts"


def test_delimited_text_is_one_table_with_a_header(read: Read) -> None:
    (table,) = read("data.csv").elements
    assert (table.text, table.header_rows) == ("Name | Preis\nPumpe | 1,50\nVentil | 2,75", 1)
    assert text_of(read("table.tsv")) == "Name | Price\nPump | 1"


def test_a_page_is_read_without_what_it_refers_to(read: Read) -> None:
    for name in ("remote.html", "html-inside.txt"):
        assert read(name).title == "Remote page"
        assert "We open at nine." in text_of(read(name))
        assert read(name).media_type == "text/html"


def test_entities_are_not_resolved(read: Read) -> None:
    assert "Plain words." in text_of(read("external.xml"))
    assert "Before  between  behind." in text_of(read("external.xml")), "what follows a reference is text"
    assert "SECRET" not in text_of(read("external.xml"))


def test_pandoc_includes_no_local_files(read: Read) -> None:
    assert "Read this." in text_of(read("manual.rst"))
    assert "root:" not in text_of(read("manual.rst"))


def test_attachments_are_parts_under_their_base_name(read: Read) -> None:
    document = read("mail.eml")
    assert document.title == "Offer for valves"
    assert "From: Ada <ada@example.com>" in text_of(document)
    assert [(e.part, e.text) for e in document.elements if e.part] == [("evil.txt", "Evil only by name.")]
    assert [(problem.part, problem.problem.reason) for problem in document.problems] == [("broken.pdf", "damaged-file")]


def test_mails_of_a_mailbox_are_parts(read: Read) -> None:
    document = read("box.mbox")
    parts = {element.part: element.text for element in document.elements}
    assert set(parts) == {"mail 1: First ..∕ mail.eml", "mail 2: Second.eml", "mail 2: Second.eml > notes.txt"}
    assert "From Monday." in parts["mail 1: First ..∕ mail.eml"]


def test_members_of_archives_are_parts_with_harmless_names(read: Read) -> None:
    document = read("archive.zip")
    assert [(e.part, e.text) for e in document.elements] == [("up.txt", "Up."), ("a/b.csv", "x | y\n1 | 2")]
    assert [(p.part, p.problem.reason) for p in document.problems] == [("song.wav", "unsupported-type")]
    assert [(e.part, e.text) for e in read("archive.tar.gz").elements] == [("abs/c.txt", "Text in a tar.")]


def test_nesting_is_read_to_a_depth(read: Read) -> None:
    document = read("nested.zip")
    assert "Text of level 5." in text_of(document)
    assert {problem.problem.reason for problem in document.problems} == {"nested-too-deep"}


def test_hi_res_is_refused_up_front() -> None:
    with pytest.raises(ConfigurationError, match="layout"):
        UnstructuredPartitioner(Settings(partition_strategy="hi_res"))


def test_fingerprint_follows_the_strategy_and_capabilities_the_limits() -> None:
    first, second = (UnstructuredPartitioner(Settings(partition_strategy=s)) for s in ("auto", "ocr_only"))
    assert first.fingerprint != second.fingerprint
    assert first.capabilities == second.capabilities
    assert first.capabilities != UnstructuredPartitioner(Settings(partition_memory_mb=512)).capabilities


def test_what_is_supplied_are_the_reasons_that_cannot_be_given_any_more() -> None:
    there = {"tesseract": bool(list_ocr_languages()), "libreoffice": bool(find_libreoffice()), "pandoc": True}
    supplied = UnstructuredPartitioner(Settings()).supplied
    assert supplied == {needs_program("a", name, "files").reason for name in there if there[name]}


@pytest.mark.parametrize(
    ("name", "program", "is_installed"),
    [
        ("img/table-multi-row-column-cells.png", "needs-tesseract", bool(list_ocr_languages())),
        ("pdf/single_table.pdf", "needs-tesseract", bool(list_ocr_languages())),
        ("simple.doc", "needs-libreoffice", bool(find_libreoffice())),
        ("fake-power-point.ppt", "needs-libreoffice", bool(find_libreoffice())),
    ],
)
def test_a_missing_program_is_named_and_a_present_one_is_used(
    shared_data: Path, name: str, program: str, *, is_installed: bool
) -> None:
    file = shared_data / "unstructured_examples" / "example-docs" / name
    partitioner = UnstructuredPartitioner(Settings(partition_workers=1))
    (outcome,) = partitioner.partition_documents([PartitionJob("k", file, file.name, None)])
    if is_installed:
        assert outcome.document is not None, outcome.problem
        assert outcome.document.elements
    else:
        assert outcome.problem is not None
        assert outcome.problem.reason == program
        assert "make system-packages" in outcome.problem.advice


@pytest.mark.parametrize("name", ["prices.csv", "prices.txt", "prices.html"])
def test_more_text_than_anybody_can_cite_is_refused_with_a_way_out(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text("<p>" + "Pump, 12 kg, green\n" * 8_000)
    partitioner = UnstructuredPartitioner(Settings(partition_workers=1, max_text_mb=0.1))
    (outcome,) = partitioner.partition_documents([PartitionJob("a", file, name, None)])
    assert outcome.problem is not None
    assert outcome.problem.reason == "too-much-text"
    assert "records" in outcome.problem.advice
