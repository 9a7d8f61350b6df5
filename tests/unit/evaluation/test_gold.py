"""Gold names: what people write in question files, and which document they mean."""

from __future__ import annotations

import unicodedata

import pytest

from tasks.evaluation.gold import Library, read_type
from tasks.models import DocumentState, DocumentSummary


def document(uri: str, title: str = "") -> DocumentSummary:
    return DocumentSummary(
        document_id=f"id of {uri}", uri=uri, title=title or uri, source="s", language="en",
        state=DocumentState.LIVE, groups=("everyone",), chunks=1,
    )  # fmt: skip


DOCUMENTS = (
    document("file:///data/hr/travel-policy-2024.pdf", "Travel policy"),
    document("file:///data/hr/travel-policy-2026.docx", "Reiseordnung"),
    document("file:///data/it/M%C3%BChle%20%26%20Co.html", "The mill"),
    document("file:///data/a/index.html", "Start"),
    document("file:///data/b/index.html", "Start"),
    document("file:///bank/md/Personal%20Loan.md", "Personal Loan"),
    document("file:///bank/pdf/Personal%20Loan.pdf", "Personal Loan"),
    document("file:///data/v1.2/notes.v2.txt"),
    document("sql:products/P.10", "Pump ten"),
    document("sql:products/P.20", "Pump twenty"),
    document("sql:products/@overview"),
    document("file:///data/tickets.csv#T-17", "A ticket"),
    document("file:///data/dev/C%23%20guide%20%231.md"),
    document("file:///data/dev/C%23%20guide%20%231.pdf"),
)
LIBRARY = Library(DOCUMENTS)


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("file:///data/hr/travel-policy-2024.pdf", "file:///data/hr/travel-policy-2024.pdf"),
        ("Travel policy", "file:///data/hr/travel-policy-2024.pdf"),
        ("travel POLICY", "file:///data/hr/travel-policy-2024.pdf"),
        ("hr/travel-policy-2026.docx", "file:///data/hr/travel-policy-2026.docx"),
        ("/data/hr/travel-policy-2026.pdf", "file:///data/hr/travel-policy-2026.docx"),
        (r"hr\travel-policy-2026.markdown", "file:///data/hr/travel-policy-2026.docx"),
        ("Travel-Policy-2026", "file:///data/hr/travel-policy-2026.docx"),
        ("it/Mühle & Co.html", "file:///data/it/M%C3%BChle%20%26%20Co.html"),
        (unicodedata.normalize("NFD", "Mühle & Co.pdf"), "file:///data/it/M%C3%BChle%20%26%20Co.html"),
        ("it/M%C3%BChle%20%26%20Co", "file:///data/it/M%C3%BChle%20%26%20Co.html"),
        ("file:///data/it/Mühle & Co.html", "file:///data/it/M%C3%BChle%20%26%20Co.html"),
        ("a/index.html", "file:///data/a/index.html"),
        ("v1.2/notes.v2.txt", "file:///data/v1.2/notes.v2.txt"),
        ("notes.v2", "file:///data/v1.2/notes.v2.txt"),
        ("sql:products/P.20", "sql:products/P.20"),
        ("products/P.20", "sql:products/P.20"),
        ("sql:products", "sql:products/@overview"),
        ("tickets.csv#T-17", "file:///data/tickets.csv#T-17"),
        ("dev/C# guide #1.md", "file:///data/dev/C%23%20guide%20%231.md"),
        ("C# guide #1", "file:///data/dev/C%23%20guide%20%231.md"),
        ("C# guide #1.docx", "file:///data/dev/C%23%20guide%20%231.pdf"),
        ("dev/C%23%20guide%20%231", "file:///data/dev/C%23%20guide%20%231.md"),
        ("file:///data/dev/C%23%20guide%20%231.html", "file:///data/dev/C%23%20guide%20%231.md"),
    ],
)
def test_a_document_is_meant_by_uri_title_or_path_end_in_any_format(name: str, uri: str) -> None:
    assert LIBRARY.find(name).work == LIBRARY.work_of(f"id of {uri}")


@pytest.mark.parametrize("name", ["index.html", "index", "Start"])
def test_an_ambiguous_name_means_nothing_and_is_reported(name: str) -> None:
    match = LIBRARY.find(name)
    assert (match.work, match.ambiguous) == (None, True)


@pytest.mark.parametrize(
    "name",
    ["policy-2026.docx", "Muhle & Co.html", "other/index.html", "", ".", "/", "%", "://[", "hr/", "#", "P.30"],
)
def test_a_name_of_no_document_means_nothing(name: str) -> None:
    match = LIBRARY.find(name)
    assert (match.work, match.ambiguous) == (None, False)


def test_formats_of_a_document_are_one_work_and_rows_of_a_table_are_not() -> None:
    bank = {LIBRARY.work_of(f"id of {one.uri}") for one in DOCUMENTS if one.uri.startswith("file:///bank")}
    rows = {LIBRARY.work_of(f"id of {one.uri}") for one in DOCUMENTS if one.uri.startswith("sql:")}
    assert (len(bank), len(rows)) == (1, 3)
    assert LIBRARY.find("datasets/bank/md/Personal Loan.md").work is None
    assert LIBRARY.find("bank/docx/Personal Loan.docx").work in bank


def test_a_mark_of_parts_in_a_name_makes_no_part() -> None:
    works = {LIBRARY.work_of(f"id of file:///data/dev/C%23%20guide%20%231.{kind}") for kind in ("md", "pdf")}
    assert [LIBRARY.type_of(work) for work in works] == ["md"]


def test_two_names_that_differ_in_case_are_two_documents() -> None:
    library = Library([document("file:///x/Report.pdf"), document("file:///x/report.pdf")])
    assert library.find("Report.pdf").work == library.work_of("id of file:///x/Report.pdf")
    assert library.find("REPORT.pdf").ambiguous


@pytest.mark.parametrize(("path", "kind"), [("file:a/b.PDF", "pdf"), ("sql:t/P.1a", "sql"), ("file:a/b", "none")])
def test_the_type_of_a_document_is_its_extension(path: str, kind: str) -> None:
    assert read_type(path) == kind
