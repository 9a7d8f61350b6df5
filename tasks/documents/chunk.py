"""Turns a document's elements into chunks: by title, measured in the embedder's tokens, exact to the character.

The text is the elements' texts joined by a blank line. Sections run from heading to heading, and within a part and a
page, so that a chunk has one heading path and its page is right for all of it. A section is filled evenly up to the
limit; a table that does not fit is split by rows, each chunk showing the header again (`repeated_header`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, takewhile

from tasks.documents.split import Unit, count_in_batches, split_span, trim
from tasks.models import Chunk, ChunkedDocument, Element, PartitionedDocument
from tasks.ports import TokenCounter

CHUNKER_VERSION = "2"
"""Raise it when the same elements would give other chunks."""

_JOINT = "\n\n"
_PATH_SEPARATOR = " > "
_STEP_CHARACTERS = 80
_MOST_STEPS = 4
_FILLED_SHARE = 0.75
"""Neighbouring sections share a chunk while it is no fuller than this share of the limit."""

_LETTERS_THAT_TELL = 40
_SAMPLE_CHARACTERS = 1000


def embedded_text(title: str, chunk: Chunk) -> str:
    """What is embedded and indexed for keywords: `title > heading path`, a line end, the text as shown."""
    return f"{_prefix(title, chunk.heading_path)}\n{chunk.shown_text}"


def _prefix(title: str, path: tuple[str, ...]) -> str:
    """Long headings are shortened, repeated ones named once, and of deep paths the innermost are kept."""
    steps = [" ".join(step.split()) for step in (title, *path)]
    steps = [next(same) for _, same in groupby(steps, key=str.casefold)]
    return _PATH_SEPARATOR.join(_shorten(step) for step in [steps[0], *steps[1:][-_MOST_STEPS:]])


def _shorten(step: str) -> str:
    if len(step) <= _STEP_CHARACTERS:
        return step
    return step[:_STEP_CHARACTERS].rsplit(" ", 1)[0] + "…"


def chunk_document(
    document: PartitionedDocument,
    *,
    counter: TokenCounter,
    max_tokens: int,
    fallback_title: str,
    language: str | None,
    detect_language: Callable[[str], str | None],
) -> ChunkedDocument:
    """Chunks whose `text[start:end] == chunk.text` and that cover the text once, white space between them aside.

    Args:
        document: The elements in reading order.
        counter: The embedder's token counter.
        max_tokens: Longest `embedded_text` of a chunk, special tokens included. A path is shortened to fit into half
            of it; a title that takes more than three quarters by itself is the only thing that can exceed it.
        fallback_title: Where the document does not name itself.
        language: ISO 639-1, where the source says it; it holds for chunks too short to tell.
        detect_language: ISO 639-1 code of a text, None or "und" where nothing tells.

    Returns:
        The document's text, its title, its language, and the chunks in reading order.
    """
    title = " ".join((document.title or fallback_title).split()) or fallback_title
    text = _JOINT.join(element.text for element in document.elements)
    measure = _Measure(counter, title, max_tokens)
    sections = _merge_small(_list_sections(text, document.elements, measure), measure)
    drafts = [draft for section in sections for draft in _pack(section, measure)]
    languages = [_detect(text[d.units[0].start : d.units[-1].end], detect_language) for d in drafts]
    main = language or _most_common(drafts, languages)
    chunks = (
        _finish(position, draft, text, found or main)
        for position, (draft, found) in enumerate(zip(drafts, languages, strict=True))
    )
    return ChunkedDocument(text=text, title=title, language=main, chunks=tuple(chunks))


class _Measure:
    """Token counts, and how much of the limit a heading path leaves for the text."""

    def __init__(self, counter: TokenCounter, title: str, max_tokens: int) -> None:
        self._counter = counter
        self._title = title
        self._max_tokens = max_tokens
        self._room: dict[tuple[str, ...], int] = {}
        empty, one, two = counter.count_tokens(["", "a", f"a{_JOINT}a"])
        self.special = empty
        self.joint = max(0, two - 2 * one + empty)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text without the special ones."""
        return [max(0, tokens - self.special) for tokens in self._counter.count_tokens(texts)]

    def room(self, path: tuple[str, ...]) -> int:
        """Tokens left for a chunk's text under this path, at least a quarter of the limit."""
        if path not in self._room:
            prefix = self._counter.count_tokens([_prefix(self._title, path)])[0]
            self._room[path] = max(1, self._max_tokens // 4, self._max_tokens - prefix - self.joint)
        return self._room[path]

    def fit_path(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """The path, its outer headings left out while it takes more than half of the limit."""
        while path and self.room(path) < self._max_tokens // 2:
            path = path[1:]
        return path


@dataclass
class _Block:
    """An element's share of a section: units that are packed, and the header that rows repeat."""

    element: Element
    units: list[Unit]
    header: str = ""
    header_tokens: int = 0
    header_end: int = 0

    @property
    def tokens(self) -> int:
        return sum(unit.tokens for unit in self.units)


@dataclass
class _Section:
    path: tuple[str, ...]
    part: str | None
    page: int | None
    blocks: list[_Block] = field(default_factory=list)

    @property
    def is_heading_only(self) -> bool:
        return all(block.element.kind == "title" for block in self.blocks)


@dataclass
class _Draft:
    section: _Section
    header: str = ""
    units: list[Unit] = field(default_factory=list)
    elements: dict[str, Element] = field(default_factory=dict)


# --- sections -----------------------------------------------------------------------------------------------------


def _list_sections(text: str, elements: tuple[Element, ...], measure: _Measure) -> list[_Section]:
    sections: list[_Section] = []
    for path, element, start, end in _place(text, elements):
        last = sections[-1] if sections else None
        if last is None or (last.path, last.part, last.page) != (path, element.part, element.page):
            last = _Section(path, element.part, element.page)
            sections.append(last)
        last.blocks.append(_Block(element, [Unit(start, end, 0)]))
    for section in sections:
        section.path = measure.fit_path(section.path)
    _measure_blocks(text, sections, measure)
    return sections


def _place(text: str, elements: tuple[Element, ...]) -> Iterator[tuple[tuple[str, ...], Element, int, int]]:
    """Each element that has text, its heading path (the part first, then a stack of titles by depth) and span."""
    stack: list[tuple[int, str]] = []
    part: str | None = None
    offset = 0
    for element in elements:
        start, end = trim(text, offset, offset + len(element.text))
        offset += len(element.text) + len(_JOINT)
        if start == end:
            continue
        if element.part != part:
            part, stack = element.part, []
        if element.kind == "title":
            stack = [(depth, heading) for depth, heading in stack if depth < element.depth]
            stack.append((element.depth, " ".join(text[start:end].split())[: 4 * _STEP_CHARACTERS]))
        yield (*([part] if part else []), *(heading for _, heading in stack)), element, start, end


def _measure_blocks(text: str, sections: list[_Section], measure: _Measure) -> None:
    """Count every element, and split those that do not fit under their path."""
    blocks = [(section, block) for section in sections for block in section.blocks]
    sure = [block.units[0].end - block.units[0].start <= 40 * measure.room(section.path) for section, block in blocks]
    spans = (text[b.units[0].start : b.units[0].end] for (_, b), short in zip(blocks, sure, strict=True) if short)
    counts = count_in_batches(measure.count, spans)
    for (section, block), short in zip(blocks, sure, strict=True):
        start, end, _ = block.units[0]
        room = measure.room(section.path)
        tokens = next(counts) if short else room + 1
        if tokens <= room:
            block.units = [Unit(start, end, tokens)]
        elif block.element.kind == "table":
            _split_table(text, block, start, end, room, measure)
        else:
            block.units = split_span(text, start, end, room, measure.count)


def _split_table(text: str, block: _Block, start: int, end: int, room: int, measure: _Measure) -> None:
    """Rows become units; the header is repeated where it leaves half of the room for rows."""
    header_end = start
    for _ in range(block.element.header_rows):
        line_end = text.find("\n", header_end, end)
        header_end = end if line_end < 0 else line_end + 1
    header = text[start:header_end].strip()
    tokens = measure.count([header])[0] + measure.joint if header and header_end < end else 0
    if 0 < tokens <= room // 2:
        block.header, block.header_tokens, block.header_end = header, tokens, header_end
        room -= tokens
    rows = (match.span() for match in re.finditer(r"[^\n]+", text[start:end]))
    spans = [trim(text, start + a, start + b) for a, b in rows]
    spans = [(a, b) for a, b in spans if a < b]
    counts = count_in_batches(measure.count, (text[a:b][: 40 * room] for a, b in spans))
    block.units = []
    for (a, b), count in zip(spans, counts, strict=True):
        fits = count <= room and b - a <= 40 * room
        block.units += [Unit(a, b, count)] if fits else split_span(text, a, b, room, measure.count)


def _merge_small(sections: list[_Section], measure: _Measure) -> list[_Section]:
    """Give a heading without text to its first subsection, and join small neighbours of one page."""
    merged: list[_Section] = []
    for section in sections:
        last = merged[-1] if merged else None
        path = _shared_path(last, section, measure) if last is not None else None
        if last is None or path is None:
            merged.append(section)
            continue
        page = section.page if last.is_heading_only else last.page
        merged[-1] = _Section(path, section.part, page, [*last.blocks, *section.blocks])
    return merged


def _shared_path(first: _Section, second: _Section, measure: _Measure) -> tuple[str, ...] | None:
    """The path under which two neighbours may be one section, or None."""
    if first.part != second.part:
        return None
    common = tuple(
        step for step, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first.path, second.path, strict=False))
    )
    longest = max(unit.tokens for block in first.blocks for unit in block.units)
    if first.is_heading_only and common == first.path and longest <= measure.room(second.path):
        return second.path
    if first.page != second.page:
        return None
    limit = int(measure.room(common) * _FILLED_SHARE)
    return common if _tokens_up_to([*first.blocks, *second.blocks], limit, measure.joint) else None


def _tokens_up_to(blocks: list[_Block], limit: int, joint: int) -> bool:
    """Whether the blocks together are no longer than the limit; a split one never is."""
    total = 0
    for block in blocks:
        total += block.tokens + joint if len(block.units) == 1 else limit + 1
        if total > limit:
            return False
    return True


# --- packing ------------------------------------------------------------------------------------------------------


def _pack(section: _Section, measure: _Measure) -> Iterator[_Draft]:
    """Fill chunks evenly: a section of 1.1 limits becomes two halves, not a whole and a rest."""
    room = measure.room(section.path)
    total = sum(block.tokens + measure.joint for block in section.blocks)
    even = total / math.ceil(total / room) if total else room
    draft, tokens = _Draft(section), 0
    for block in section.blocks:
        for unit in block.units:
            repeats = block.header_tokens if unit.start >= block.header_end > 0 else 0
            needed = unit.tokens + (measure.joint if draft.units else 0)
            if draft.units and (tokens + needed > room or tokens >= even):
                yield draft
                draft, tokens = _Draft(section), 0
            if not draft.units and repeats:
                draft.header, tokens = block.header, repeats
            draft.units.append(unit)
            draft.elements[block.element.element_id] = block.element
            tokens += unit.tokens + measure.joint
        if draft.header:
            yield draft
            draft, tokens = _Draft(section), 0
    if draft.units:
        yield draft


def _finish(position: int, draft: _Draft, text: str, language: str) -> Chunk:
    start, end = draft.units[0].start, draft.units[-1].end
    kinds = {element.kind for element in draft.elements.values()}
    in_order = sorted(draft.elements.values(), key=lambda element: element.kind == "title")
    return Chunk(
        position=position,
        start=start,
        end=end,
        text=text[start:end],
        repeated_header=draft.header,
        heading_path=draft.section.path,
        part=draft.section.part,
        page=in_order[0].page,
        language=language,
        kind="table" if "table" in kinds and kinds <= {"table", "title"} else "text",
        element_ids=tuple(draft.elements),
    )


# --- language -----------------------------------------------------------------------------------------------------


def _detect(text: str, detect_language: Callable[[str], str | None]) -> str | None:
    """The language of a chunk that has enough letters to tell."""
    sample = text[:_SAMPLE_CHARACTERS]
    if sum(map(str.isalpha, sample)) < _LETTERS_THAT_TELL:
        return None
    found = detect_language(sample)
    return None if found in {None, "und"} else found


def _most_common(drafts: list[_Draft], languages: list[str | None]) -> str:
    weights: Counter[str] = Counter()
    for draft, found in zip(drafts, languages, strict=True):
        if found is not None:
            weights[found] += draft.units[-1].end - draft.units[0].start
    return weights.most_common(1)[0][0] if weights else "und"
