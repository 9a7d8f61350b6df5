"""The sample company is what its README says: reproducible, varied, consistent with its questions, and not too easy."""

import csv
import html
import io
import json
import math
import re
import sqlite3
from collections import Counter
from email import message_from_bytes
from email.policy import default
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import docx
import openpyxl
import pptx
import pypdf
import pytest

from data.build import build_documents
from data.writers.source import Heading, Source, Table, parse_blocks, plain, read_source

DATA = Path(__file__).resolve().parents[3] / "data"
COMPANY = DATA / "company"
DOCUMENTS = DATA / "documents"
MAX_BYTES = 5_000_000


@cache
def sources() -> dict[str, Source]:
    return {source.target: source for source in (read_source(path, COMPANY) for path in sorted(COMPANY.rglob("*.md")))}


@cache
def questions() -> tuple[dict[str, Any], ...]:
    lines = (DATA / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(json.loads(line) for line in lines)


def readers(document: str) -> str:
    """Which group may read a document: the rule of data/README.md."""
    if document.startswith("hr/") and not document.startswith("hr/for-everyone/"):
        return "hr"
    return "service" if document.startswith("service/internal/") else "everyone"


def squeeze(text: str) -> str:
    return " ".join(text.split())


def join_cells(rows: list[list[str]]) -> str:
    return "\n".join(" ".join(row) for row in rows)


def source_text(source: Source) -> str:
    """The source as plain text: no marks, and table cells separated by spaces."""
    if source.target.endswith(".csv"):
        return squeeze(join_cells(list(csv.reader(io.StringIO(source.body), delimiter=source.header["delimiter"]))))
    return squeeze(plain(source.body.replace("|", " ")))


@cache
def sql_texts() -> dict[str, str]:
    """One text a row, column names with values, and one for each table's overview."""
    seed = (DATA / "sql" / "seed.sql").read_text(encoding="utf-8")
    connection = sqlite3.connect(":memory:")
    connection.executescript(seed)
    comments = squeeze(" ".join(line.lstrip("- ") for line in seed.splitlines() if line.startswith("--")))
    texts = {}
    for table in ("products", "price_list"):
        texts[f"sql:{table}"] = comments
        rows = connection.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in rows.description]
        for row in rows:
            values = [f"{value:g}" if isinstance(value, float) else str(value) for value in row]
            texts[f"sql:{table}/{row[0]}"] = "; ".join(
                f"{name}: {value}" for name, value in zip(names, values, strict=True)
            )
    connection.close()
    return texts


@cache
def texts() -> dict[str, str]:
    return {target: source_text(source) for target, source in sources().items()} | sql_texts()


def tokens(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


class PlainBm25:
    """Okapi BM25 (Robertson and Zaragoza 2009, section 3) on lowercase words, with the usual k1 = 1.5 and b = 0.75."""

    def __init__(self, corpus: dict[str, str]) -> None:
        self.counts = {name: Counter(tokens(text)) for name, text in corpus.items()}
        self.mean_length = sum(map(Counter.total, self.counts.values())) / len(corpus)
        self.holders = Counter(word for counts in self.counts.values() for word in counts)

    def score(self, name: str, question: str) -> float:
        counts = self.counts[name]
        damping = 1.5 * (0.25 + 0.75 * counts.total() / self.mean_length)
        return sum(self.weight(word) * counts[word] * 2.5 / (counts[word] + damping) for word in tokens(question))

    def weight(self, word: str) -> float:
        holders = self.holders[word]
        return math.log(1 + (len(self.counts) - holders + 0.5) / (holders + 0.5))

    def best(self, question: str, allowed: list[str]) -> str:
        return max(allowed, key=lambda name: self.score(name, question))


def built_text(path: Path) -> str:
    """What a reader sees in the finished file, through the library of each format."""
    kind = path.suffix
    if kind == ".pdf":
        return pdf_text(path.read_bytes())
    if kind == ".docx":
        document = docx.Document(str(path))
        cells = [[cell.text for cell in row.cells] for table in document.tables for row in table.rows]
        return "\n".join(paragraph.text for paragraph in document.paragraphs) + "\n" + join_cells(cells)
    if kind == ".pptx":
        return slides_text(path)
    if kind == ".xlsx":
        book = openpyxl.load_workbook(path)
        rows = [[str(value) for value in row if value is not None] for sheet in book for row in sheet.values]
        return join_cells(rows)
    if kind == ".html":
        return html.unescape(re.sub(r"<[^>]+>", " ", path.read_text(encoding="utf-8")))
    if kind == ".eml":
        return mail_text(path)
    if kind == ".csv":
        delimiter = sources()[path.relative_to(DOCUMENTS).as_posix()].header["delimiter"]
        return join_cells(list(csv.reader(io.StringIO(path.read_text(encoding="utf-8")), delimiter=delimiter)))
    return plain(path.read_text(encoding="utf-8").replace("|", " "))


def pdf_text(content: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content), strict=True).pages)


def slides_text(path: Path) -> str:
    parts = []
    for slide in pptx.Presentation(str(path)).slides:
        for shape in slide.shapes:
            if shape.has_text_frame:
                parts.append(shape.text_frame.text)
            if shape.has_table:
                parts.append(join_cells([[cell.text for cell in row.cells] for row in shape.table.rows]))
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame:
            parts.append(slide.notes_slide.notes_text_frame.text)
    return "\n".join(parts)


def mail_text(path: Path) -> str:
    message = message_from_bytes(path.read_bytes(), policy=default)
    body = message.get_body(("plain",))
    parts = [body.get_content() if body else ""]
    for part in message.iter_attachments():
        content = part.get_content()
        parts.append(pdf_text(content) if isinstance(content, bytes) else content.replace(",", " "))
    return "\n".join(parts)


def test_building_again_gives_the_very_bytes_that_are_committed(tmp_path: Path) -> None:
    build_documents(COMPANY, tmp_path)
    committed = {path.relative_to(DOCUMENTS): path.read_bytes() for path in DOCUMENTS.rglob("*") if path.is_file()}
    built = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert sorted(committed) == sorted(built)
    assert [path.as_posix() for path in built if built[path] != committed[path]] == []


def test_the_sample_company_is_small_enough_to_commit() -> None:
    files = [path for path in DATA.rglob("*") if path.is_file() and "work" not in path.relative_to(DATA).parts]
    assert sum(path.stat().st_size for path in files) < MAX_BYTES


def test_there_are_enough_documents_in_every_format_language_and_group() -> None:
    documents = sources()
    formats = Counter(PurePosixPath(target).suffix for target in documents)
    languages = Counter(source.language for source in documents.values())
    groups = Counter(map(readers, documents))
    assert len(documents) >= 44
    assert set(formats) == {".pdf", ".docx", ".pptx", ".xlsx", ".html", ".md", ".csv", ".eml"}
    assert min(formats.values()) >= 3
    assert languages["de"] >= 10
    assert languages["de"] + languages["en"] == len(documents)
    assert min(groups["everyone"], groups["service"], groups["hr"]) >= 4


def test_the_documents_hold_about_thirty_thousand_words_none_of_them_a_stub() -> None:
    counts = {target: len(tokens(source_text(source))) for target, source in sources().items()}
    assert sum(counts.values()) >= 30_000
    assert {target: count for target, count in counts.items() if not 200 <= count <= 1500} == {}


def test_no_two_documents_come_from_one_template() -> None:
    shapes: Counter[object] = Counter()
    for source in sources().values():
        if source.target.endswith((".csv", ".eml")):
            shapes[source.body.splitlines()[0]] += 1
            continue
        blocks = parse_blocks(source.body)
        headings = tuple(block.text for block in blocks if isinstance(block, Heading))
        columns = tuple(block.rows[0] for block in blocks if isinstance(block, Table))
        shapes[(headings, columns)] += 1
    assert max(shapes.values()) == 1


def test_no_paragraph_is_used_twice() -> None:
    paragraphs = Counter(
        line for source in sources().values() for line in source.body.splitlines() if len(line) > 80 and "|" not in line
    )
    assert [line for line, count in paragraphs.items() if count > 1] == []


def test_two_documents_stand_beside_the_older_version_that_they_contradict() -> None:
    for old, new in (
        ("hr/for-everyone/travel-policy-2024.pdf", "hr/for-everyone/travel-policy-2026.docx"),
        ("service/service-contracts-2024-v3.docx", "service/service-contracts-2026-v4.pdf"),
    ):
        assert sources()[old].written_at < sources()[new].written_at
        assert readers(old) == readers(new) == "everyone"


def test_one_mail_carries_an_attachment() -> None:
    assert any("=== attachment: " in source.body for source in sources().values() if source.target.endswith(".eml"))


def test_the_sql_tables_hold_the_rows_that_their_comment_promises() -> None:
    rows = Counter(name.split("/")[0] for name in sql_texts() if "/" in name)
    assert rows == {"sql:products": 40, "sql:price_list": 39}
    assert "products holds 40 rows; table price_list holds 39 rows" in sql_texts()["sql:products"]


def test_the_questions_have_the_agreed_fields_and_counts() -> None:
    fields = ["id", "question", "language", "groups", "answerable", "documents", "gold_sentence", "answers", "kind"]
    asked = questions()
    kinds = Counter(question["kind"] for question in asked)
    assert [question["id"] for question in asked] == [f"q{number:03d}" for number in range(1, 121)]
    assert all(list(question) == fields for question in asked)
    assert len({question["question"] for question in asked}) == 120
    assert Counter(question["answerable"] for question in asked) == {True: 100, False: 20}
    assert Counter(question["language"] for question in asked) == {"en": 100, "de": 20}
    assert (kinds["unanswerable"], kinds["restricted"], kinds["sql"]) == (20, 10, 5)
    assert kinds["outdated"] >= 4
    expected = {"fact", "number", "procedure", "comparison", "table", "sql", "unanswerable", "restricted", "outdated"}
    assert set(kinds) == expected


def test_german_questions_ask_about_english_documents_and_the_other_way_round() -> None:
    crossings: Counter[tuple[str, str]] = Counter()
    for question in questions():
        for document in question["documents"][:1]:
            if not document.startswith("sql:"):
                crossings[question["language"], sources()[document].language] += 1
    assert crossings["de", "en"] >= 5
    assert crossings["en", "de"] >= 5


def test_unanswerable_questions_have_no_gold() -> None:
    for question in questions():
        has_gold = (bool(question["documents"]), bool(question["answers"]), question["gold_sentence"] is not None)
        assert has_gold == (question["answerable"],) * 3, question["id"]


def test_every_asker_may_read_a_gold_document_and_restricted_ones_are_closed_to_everyone() -> None:
    for question in questions():
        for document in question["documents"]:
            assert document in texts(), question["id"]
            assert readers(document) in question["groups"], question["id"]
            assert (question["kind"] == "restricted") == (readers(document) != "everyone"), question["id"]


@pytest.mark.parametrize("question", [q for q in questions() if q["answerable"]], ids=lambda question: question["id"])
def test_the_gold_sentence_stands_in_the_source_and_in_the_finished_document(question: dict[str, Any]) -> None:
    document, gold = question["documents"][0], squeeze(question["gold_sentence"])
    assert gold in texts()[document]
    if not document.startswith("sql:"):
        assert gold in squeeze(built_text(DOCUMENTS / document))


def test_plain_keyword_search_misses_at_least_a_fifth_of_the_answerable_questions() -> None:
    hits = keyword_hits()
    assert sum(hits.values()) / len(hits) <= 0.8
    assert sum(hits.values()) / len(hits) >= 0.3, "questions that share no word with their documents measure nothing"


def keyword_hits() -> dict[str, bool]:
    """For each answerable question, whether the best document the asker may read is a gold one."""
    search = PlainBm25(texts())
    hits = {}
    for question in questions():
        if question["answerable"]:
            allowed = [name for name in texts() if readers(name) in question["groups"]]
            hits[question["id"]] = search.best(question["question"], allowed) in question["documents"]
    return hits
