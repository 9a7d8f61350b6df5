"""Chunks cover the text exactly once, stay within the limit, and say where they came from."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.documents.chunk import chunk_document, embedded_text
from tasks.documents.split import split_span
from tasks.models import Chunk, ChunkedDocument, Element, PartitionedDocument


class PieceCounter:
    """Counts like a word-piece tokenizer: pieces of four letters or single marks, and two special tokens."""

    max_tokens = 10_000

    def __init__(self) -> None:
        self.longest_batch = 0

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        self.longest_batch = max(self.longest_batch, len(texts))
        return [len(re.findall(r"\w{1,4}|[^\w\s]", text)) + 2 for text in texts]


class SentencePieceCounter(PieceCounter):
    """Counts like a byte-level tokenizer: line ends and every third letter cost a token."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(re.findall(r"\n+|[^\n]{1,3}", text)) + 1 for text in texts]


def make_document(*pieces: tuple[str, str] | Element, title: str | None = None) -> PartitionedDocument:
    elements = [
        piece if isinstance(piece, Element) else Element(element_id=f"e{n}", kind=piece[0], text=piece[1])
        for n, piece in enumerate(pieces)
    ]
    return PartitionedDocument(elements=tuple(elements), title=title)


def chunk(document: PartitionedDocument, max_tokens: int = 64, **keywords: object) -> ChunkedDocument:
    options: dict[str, object] = {
        "counter": PieceCounter(),
        "fallback_title": "File",
        "language": None,
        "detect_language": lambda text: "de" if " der " in f" {text.lower()} " else "en",
    }
    return chunk_document(document, max_tokens=max_tokens, **{**options, **keywords})  # type: ignore[arg-type]


def assert_covers_once(document: ChunkedDocument) -> None:
    end = 0
    for position, piece in enumerate(document.chunks):
        assert piece.position == position
        assert document.text[piece.start : piece.end] == piece.text
        assert piece.text.strip() == piece.text != ""
        assert piece.start >= end
        assert document.text[end : piece.start].strip() == ""
        end = piece.end
    assert document.text[end:].strip() == ""


def heading(text: str, depth: int, number: int = 0) -> Element:
    return Element(element_id=f"h{number}{text}", kind="title", text=text, depth=depth)


def test_chunks_carry_the_headings_above_them() -> None:
    long = "Word after word fills this section until nobody can call it small any more, truly. " * 3
    result = chunk(
        make_document(heading("Manual", 0), heading("Safety", 1), ("text", long), heading("Gloves", 2), ("text", long)),
        max_tokens=120,
    )
    assert [piece.heading_path for piece in result.chunks] == [("Manual", "Safety"), ("Manual", "Safety", "Gloves")]
    assert result.chunks[0].text.startswith("Manual\n\nSafety\n\nWord")
    assert embedded_text(result.title, result.chunks[1]).startswith("File > Manual > Safety > Gloves\nGloves\n\nWord")
    assert_covers_once(result)


def test_a_sibling_heading_ends_the_section_of_the_one_before() -> None:
    long = "Enough words to fill a chunk of its own, one after the other, all the way. " * 3
    result = chunk(make_document(heading("A", 0), ("text", long), heading("B", 0), ("text", long)), max_tokens=100)
    assert [piece.heading_path for piece in result.chunks] == [("A",), ("B",)]


def test_small_sections_under_one_parent_share_a_chunk() -> None:
    result = chunk(
        make_document(
            heading("Contacts", 0),
            heading("Sales", 1),
            ("text", "Call 12."),
            heading("Service", 1),
            ("text", "Call 13."),
        ),
        max_tokens=100,
    )
    assert len(result.chunks) == 1
    assert result.chunks[0].heading_path == ("Contacts",)


def test_a_title_that_repeats_the_first_heading_is_named_once() -> None:
    result = chunk(make_document(heading("Price list", 0), ("text", "Prices rise."), title="Price  list"))
    assert embedded_text(result.title, result.chunks[0]) == "Price list\nPrice list\n\nPrices rise."


def test_long_headings_are_shortened_in_what_is_embedded() -> None:
    piece = Chunk(position=0, start=0, end=1, text="x", heading_path=("word " * 100,) * 1 + tuple("abcdefg"))
    assert embedded_text("T", piece) == "T > d > e > f > g\nx"
    piece = Chunk(position=0, start=0, end=1, text="x", heading_path=("word " * 100,))
    assert len(embedded_text("T", piece)) < 100


def test_a_small_table_stays_whole_and_says_that_it_is_one() -> None:
    table = Element(element_id="t", kind="table", text="Name | Price\nPump | 10\nValve | 20", header_rows=1)
    result = chunk(make_document(table))
    assert [(piece.text, piece.kind, piece.repeated_header) for piece in result.chunks] == [(table.text, "table", "")]


def test_a_long_table_is_split_by_rows_and_shows_its_header_again() -> None:
    rows = [f"Pump {n} | {n * 10} EUR | in stock" for n in range(60)]
    table = Element(element_id="t", kind="table", text="\n".join(["Name | Price | State", *rows]), header_rows=1)
    result = chunk(make_document(("text", "Before."), table, ("text", "After.")), max_tokens=64)
    assert_covers_once(result)
    with_header = [piece for piece in result.chunks if piece.repeated_header]
    assert len(with_header) >= 5
    for piece in with_header:
        assert piece.repeated_header == "Name | Price | State"
        assert piece.shown_text.splitlines()[0] == "Name | Price | State"
        assert all(line in rows for line in piece.text.splitlines())
    assert sum(piece.text.count("Name | Price") for piece in result.chunks) == 1


def test_pages_and_parts_are_never_mixed_in_one_chunk() -> None:
    elements = [
        Element(element_id="a", kind="text", text="On the first page.", page=1),
        Element(element_id="b", kind="text", text="On the second page.", page=2),
        Element(element_id="c", kind="text", text="In the attachment.", part="offer.pdf", page=1),
    ]
    result = chunk(make_document(*elements))
    assert [(piece.page, piece.part, piece.heading_path) for piece in result.chunks] == [
        (1, None, ()),
        (2, None, ()),
        (1, "offer.pdf", ("offer.pdf",)),
    ]
    assert [piece.element_ids for piece in result.chunks] == [("a",), ("b",), ("c",)]


def test_sentences_are_not_cut_at_abbreviations_or_ordinals() -> None:
    text = "Am 3. Mai prüfte Dr. Weber die Pumpe z. B. auf Dichtheit. Sie war dicht. Danach fuhr er ab."
    units = split_span(text, 0, len(text), 14, lambda texts: [len(t.split()) for t in texts])
    assert [text[u.start : u.end] for u in units] == [
        "Am 3. Mai prüfte Dr. Weber die Pumpe z. B. auf Dichtheit.",
        "Sie war dicht.",
        "Danach fuhr er ab.",
    ]


def test_a_word_of_a_hundred_thousand_letters_is_split() -> None:
    result = chunk(make_document(("text", "x" * 100_000)), max_tokens=64)
    assert_covers_once(result)
    assert len(result.chunks) > 100
    assert max(PieceCounter().count_tokens([embedded_text(result.title, piece) for piece in result.chunks])) <= 64


def test_a_section_of_a_little_over_one_limit_becomes_two_halves() -> None:
    text = " ".join(f"Sentence number {n} is here." for n in range(13))
    result = chunk(make_document(("text", text)), max_tokens=100)
    sizes = [len(piece.text) for piece in result.chunks]
    assert len(sizes) == 2
    assert min(sizes) > 0.6 * max(sizes)


def test_each_chunk_has_its_language_and_short_ones_take_the_documents() -> None:
    german = "Der Betreiber prüft der Reihe nach alle Ventile und schreibt das Ergebnis in das Buch."
    english = "The operator checks all valves one after another and writes the result into the book, every day."
    elements = [
        Element(element_id=str(n), kind="text", text=t, page=n + 1) for n, t in enumerate((german, english, "OK 7"))
    ]
    result = chunk(make_document(*elements), language="de")
    assert [piece.language for piece in result.chunks] == ["de", "en", "de"]
    assert chunk(make_document(elements[1], elements[2])).language == "en"
    assert chunk(make_document(elements[2])).language == "und"


def test_a_document_without_text_has_no_chunks() -> None:
    result = chunk(make_document(("text", " \n ")))
    assert result.chunks == ()
    assert result.title == "File"


def test_chunking_takes_linear_time_and_bounded_batches() -> None:
    sentence = "The pump of line seven was serviced and the seals were replaced by the night shift. "
    counter = PieceCounter()

    def seconds(repeats: int) -> float:
        document = make_document(("text", sentence * repeats))
        begin = time.process_time()
        result = chunk(document, max_tokens=200, counter=counter)
        assert_covers_once(result)
        return time.process_time() - begin

    small, large = seconds(500), seconds(5_000)
    assert large < 30 * small + 1
    assert counter.longest_batch <= 2048


texts = st.text(
    st.sampled_from("abcäß ÄB.?!\n\t 19|,;:中文🙂مرحبا\u200f\u00a0-_") | st.characters(exclude_categories=["Cs"]),
    max_size=200,
)
kinds = st.sampled_from(["title", "text", "list-item", "table", "code", "other"])


@st.composite
def elements(draw: st.DrawFn) -> Element:
    kind = draw(kinds)
    text = draw(texts | st.integers(1, 400).map("w".__mul__) | st.integers(1, 60).map("a | 1\nLorem ipsum. ".__mul__))
    return Element(
        element_id=str(draw(st.uuids())),
        kind=kind,
        text=text,
        depth=draw(st.integers(0, 4)),
        page=draw(st.none() | st.integers(1, 3)),
        part=draw(st.none() | st.sampled_from(["a.eml", "b/c.txt"])),
        header_rows=draw(st.integers(0, 3)) if kind == "table" else 0,
    )


def test_a_heading_that_just_fits_alone_does_not_burst_the_chunk_of_its_subsection() -> None:
    counter = SentencePieceCounter()
    for letters in range(150, 250):
        heading = Element(element_id="long", kind="title", text="0" * letters, depth=0)
        below = Element(element_id="short", kind="title", text="0", depth=1)
        result = chunk(make_document(heading, below, title="T"), max_tokens=98, counter=counter)
        assert_covers_once(result)
        assert max(counter.count_tokens([embedded_text(result.title, piece) for piece in result.chunks])) <= 98, letters


@pytest.mark.parametrize("counter", [PieceCounter(), SentencePieceCounter()])
@settings(max_examples=100)
@given(st.lists(elements(), max_size=12), st.integers(32, 200), st.sampled_from(["T", "A longer title", " "]))
def test_chunks_cover_any_text_once_within_the_limit(
    counter: PieceCounter, drawn: list[Element], max_tokens: int, title: str
) -> None:
    document = PartitionedDocument(elements=tuple(drawn), title=title)
    result = chunk(document, max_tokens=max_tokens, counter=counter)
    assert result.text == "\n\n".join(element.text for element in drawn)
    assert_covers_once(result)
    known = {element.element_id: element for element in drawn}
    for piece, tokens in zip(
        result.chunks,
        counter.count_tokens([embedded_text(result.title, piece) for piece in result.chunks]),
        strict=True,
    ):
        assert tokens <= max_tokens
        assert {known[element_id].part for element_id in piece.element_ids} == {piece.part}
        assert piece.page in {known[element_id].page for element_id in piece.element_ids} | {None}
