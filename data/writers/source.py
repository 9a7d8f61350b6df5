"""Reads one source file of the sample company: a small header and a markdown-like body.

The body knows headings, paragraphs, bullets, numbered steps, tables and notices, and nothing else: what cannot be
said in every format would make the formats differ in content and not only in form.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_NUMBERED = re.compile(r"^(\d+)\. ")


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the title of the document."""

    level: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    """Running text in one line, with ``**bold**`` marks still in it."""

    text: str


@dataclass(frozen=True)
class Notice:
    """A warning or remark which stands out from the text around it."""

    text: str


@dataclass(frozen=True)
class Items:
    """A list; numbered steps keep the numbers that were written in the source."""

    numbered: bool
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table; the first row holds the column names, and all rows have as many cells."""

    rows: tuple[tuple[str, ...], ...]


Block = Heading | Paragraph | Notice | Items | Table


@dataclass(frozen=True)
class Source:
    """One document before it gets its final form.

    Attributes:
        target: path below ``documents/``, whose suffix names the format.
        header: what the file says about itself, at least title, language and date.
        body: the text below the header.
    """

    target: str
    header: dict[str, str]
    body: str

    @property
    def title(self) -> str:
        """The title, which also becomes the title property of office files."""
        return self.header["title"]

    @property
    def author(self) -> str:
        """The author, or the sender where the document is a mail."""
        return self.header.get("author") or self.header["from"].split(" <")[0]

    @property
    def language(self) -> str:
        """``en`` or ``de``."""
        return self.header["language"]

    @property
    def written_at(self) -> datetime:
        """Nine o'clock UTC on the document's date: every timestamp in a built file is this one, never the clock's."""
        return datetime.fromisoformat(self.header["date"]).replace(hour=9, tzinfo=UTC)

    @property
    def byline(self) -> str:
        """Author and date as a reader of this language expects them."""
        return f"{self.author}, {'Stand' if self.language == 'de' else 'as of'} {self.header['date']}"


def read_source(path: Path, folder: Path) -> Source:
    """Reads the source at ``path``; its target is its place below ``folder`` without the last ``.md``."""
    text = path.read_text(encoding="utf-8")
    opening, head, body = text.split("---\n", 2)
    if opening:
        raise ValueError(f"{path}: the file has to begin with its header")
    header = dict(line.split(": ", 1) for line in head.splitlines())
    missing = {"title", "language", "date"} - header.keys()
    if missing:
        raise ValueError(f"{path}: the header lacks {', '.join(sorted(missing))}")
    return Source(path.relative_to(folder).as_posix().removesuffix(".md"), header, body.strip("\n") + "\n")


def parse_blocks(body: str) -> list[Block]:
    """Splits a body into blocks; blank lines separate paragraphs, lists and tables."""
    return [_parse_block(part.splitlines()) for part in re.split(r"\n\s*\n", body.strip())]


def _parse_block(lines: list[str]) -> Block:
    first = lines[0]
    if heading := re.match(r"^(#{1,4}) (.+)$", first):
        return Heading(len(heading[1]), heading[2])
    if first.startswith("|"):
        return _parse_table(lines)
    if first.startswith("> "):
        return Notice(" ".join(line.removeprefix("> ") for line in lines))
    if first.startswith("- "):
        return Items(numbered=False, texts=_join_items(lines, lambda line: line.startswith("- "), 2))
    if _NUMBERED.match(first):
        return Items(numbered=True, texts=_join_items(lines, lambda line: bool(_NUMBERED.match(line)), 0))
    return Paragraph(" ".join(lines))


def _join_items(lines: list[str], starts: Callable[[str], bool], drop: int) -> tuple[str, ...]:
    items: list[str] = []
    for line in lines:
        if starts(line):
            items.append(line[drop:])
        else:
            items[-1] += "\n" + line.strip() if line.strip().startswith("- ") else " " + line.strip()
    return tuple(items)


def _parse_table(lines: list[str]) -> Table:
    rows = [tuple(cell.strip() for cell in line.strip().strip("|").split("|")) for line in lines]
    if len({len(row) for row in rows}) != 1:
        raise ValueError(f"rows of unequal length in the table that begins with {lines[0]!r}")
    return Table((rows[0], *rows[2:]))


def split_bold(text: str) -> list[tuple[str, bool]]:
    """Splits ``a **b** c`` into (text, is bold) parts; marks for italics and code are dropped."""
    parts = re.split(r"\*\*(.+?)\*\*", text)
    return [(_drop_marks(part), number % 2 == 1) for number, part in enumerate(parts) if part]


def plain(text: str) -> str:
    """Returns the text without any marks."""
    return "".join(part for part, _ in split_bold(text))


def _drop_marks(text: str) -> str:
    return re.sub(r"(?<![\w*])\*([^*\n]+)\*(?![\w*])", r"\1", text).replace("`", "")
