"""How well the support check tells good claims from corrupted ones.

    python bench/claims.py [--translated] [--list tune]

`claims.jsonl` holds claims about the sample company and `enterprise/` as a model would phrase them, half of them
corrupted in one point. Each is checked against all chunks of its document, which is harder than against the few that
a generator is shown: more sentences could lend a wrong claim their words. Rejecting is what is counted: recall is the
share of corrupted claims that were rejected, precision the share of corrupted ones among the rejected.
`translated_claims.jsonl` holds most of them in the other language than their document's.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from tasks.answering.context import Quotable, list_quotables
from tasks.answering.statements import Shown
from tasks.answering.support import find_support, read_evidence
from tasks.answering.words import Stems
from tasks.documents.chunk import chunk_document
from tasks.language import detect_language
from tasks.models import Element, EmbedderSpec, Hit, PartitionedDocument, Passage
from tasks.settings import Settings
from tasks.wiring import Application

HERE = Path(__file__).parent
COMPANY = HERE.parent
DATA = Path(os.environ.get("EXPERTLOOP_DATA", COMPANY / "../shared/data"))
KINDS = ("number", "unit", "date", "name", "negation", "modal", "product")

_MARKUP = re.compile(r"\*\*|(?<!\w)[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}(?!\w)|`|\\(?=\*)")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_BLOCK = re.compile(r"(?P<heading>#{1,6})\s+|(?P<item>[-*]\s+|\d+\.\s+)|(?P<row>\|)|(?P<rule>-{3,}$)")


class Claim(NamedTuple):
    """A line of `claims.jsonl`."""

    id: str
    claim: str
    language: str
    document: str
    good: bool
    corruption: str | None
    half: Literal["tune", "test"]
    corrupts: str | None = None


class Judged(NamedTuple):
    """A claim and what the check found to carry it."""

    claim: Claim
    quote: str | None

    @property
    def rejected(self) -> bool:
        """Whether nothing carries it."""
        return self.quote is None


def main() -> None:
    """Check all claims and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", choices=["tune", "test"], help="print the claims of a half that were judged wrongly")
    parser.add_argument("--translated", action="store_true", help="claims in another language than their document")
    arguments = parser.parse_args()
    started = time.perf_counter()
    app = Application(Settings())
    file = "translated_claims.jsonl" if arguments.translated else "claims.jsonl"
    judged = [judge(claim, app) for claim in read_claims(HERE / file)]
    print_tables(judged)
    strangers = [judge(claim, app) for claim in swap_documents([one.claim for one in judged])]
    print(f"good claims checked against another document, rejected: {_share_rejected(strangers)}")
    print(f"\n{len(judged)} claims in {time.perf_counter() - started:.1f} s")
    if arguments.list:
        print_faults([one for one in judged if one.claim.half == arguments.list])


def read_claims(file: Path) -> Iterator[Claim]:
    """The claims, in the order of the file."""
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            yield Claim(**json.loads(line))


def swap_documents(claims: Sequence[Claim]) -> Iterator[Claim]:
    """Good claims, each about the document that comes next in its language: what nothing there can carry."""
    for language in ("en", "de"):
        good = [claim for claim in claims if claim.good and claim.language == language]
        documents = list(dict.fromkeys(claim.document for claim in good))
        following = dict(zip(documents, [*documents[1:], documents[0]], strict=True))
        yield from (claim._replace(document=following[claim.document]) for claim in good)


def judge(claim: Claim, app: Application) -> Judged:
    """Run the product's check on one claim."""
    embedder = app.asking_embedder(EmbedderSpec(name=app.settings.embedder))
    shown, stems = read_document(claim.document, claim.language, app), Stems(claim.language)
    support = find_support(claim.claim, shown, stems, embedder=embedder)
    return Judged(claim, " / ".join(one.quote for one in support.quotables) if support else None)


def print_tables(judged: Sequence[Judged]) -> None:
    """One column a group of claims."""
    groups = {
        "all": judged,
        **{half: [one for one in judged if one.claim.half == half] for half in ("tune", "test")},
        **{language: [one for one in judged if one.claim.language == language] for language in ("en", "de")},
        **{root: [one for one in judged if one.claim.document.startswith(root)] for root in ("data", "enterprise")},
    }
    print(f"{'':24}" + "".join(f"{name:>14}" for name in groups))
    columns = [measure(group) for group in groups.values()]
    for name in columns[0]:
        print(f"{name:24}" + "".join(f"{column[name]:>14}" for column in columns))


def measure(judged: Sequence[Judged]) -> dict[str, str]:
    """What is reported of one group."""
    corrupted = [one for one in judged if not one.claim.good]
    good = [one for one in judged if one.claim.good]
    rejected = [one for one in judged if one.rejected]
    caught = [one for one in corrupted if one.rejected]
    exact = [one for one in corrupted if one.claim.corruption in ("number", "unit", "date")]
    rows = {
        f"rejected: {kind}": _share_rejected([o for o in corrupted if o.claim.corruption == kind]) for kind in KINDS
    }
    return {
        **rows,
        "number, unit, date": _share_rejected(exact),
        "recall": _share_rejected(corrupted),
        "precision": f"{len(caught) / max(1, len(rejected)):.2f} ({len(rejected)})",
        "good claims rejected": _share_rejected(good),
    }


def print_faults(judged: Sequence[Judged]) -> None:
    """Every claim that was judged wrongly, corrupted ones with what was taken for their support."""
    for one in judged:
        if one.claim.good == one.rejected:
            print(f"\n{one.claim.id} {one.claim.half} {one.claim.corruption or 'good'} {one.claim.document}")
            print(f"   {one.claim.claim}\n   <- {one.quote}")


def _share_rejected(judged: Sequence[Judged]) -> str:
    return f"{sum(one.rejected for one in judged) / len(judged):.2f} ({len(judged)})" if judged else "–"


# --- documents ----------------------------------------------------------------------------------------------------


@cache
def read_document(path: str, language: str, app: Application) -> Shown:
    """A document, ready to be compared with claims in a language."""
    return read_evidence(list_document(path, app), Stems(language))


@cache
def list_document(path: str, app: Application) -> list[Quotable]:
    """Everything that can be quoted from a document, in chunks as an ingest makes them."""
    text = (COMPANY if path.startswith("data/") else DATA).joinpath(path).read_text(encoding="utf-8")
    document = chunk_document(
        PartitionedDocument(elements=tuple(read_elements(text))),
        counter=app.embedder(EmbedderSpec(name="default")),
        max_tokens=app.settings.chunk_tokens,
        fallback_title=Path(path).stem,
        language=None,
        detect_language=detect_language,
    )
    passages = [
        Passage(
            chunk_id=f"{path}#{chunk.position}",
            document_id=path,
            version_id=path,
            content_hash="",
            uri=path,
            title=document.title,
            source="bench",
            document_type="md",
            modified=None,
            outdated=False,
            chunk=chunk,
        )
        for chunk in document.chunks
    ]
    return list_quotables([Hit(rank=n, score=1, passage=passage) for n, passage in enumerate(passages, start=1)])


def read_elements(text: str) -> Iterator[Element]:
    """Headings, paragraphs, list items and tables of a markdown text, without its marks and its front matter."""
    body = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    rows: list[str] = []
    for number, line in enumerate([*_join_lines(body), ""]):
        block = _BLOCK.match(line)
        if rows and not (block and block["row"]):
            yield Element(element_id=f"t{number}", kind="table", text="\n".join(rows), header_rows=1)
            rows = []
        if block and block["row"]:
            rows += [] if set(line) <= set("|-: ") else [" | ".join(map(_plain, line.strip("| ").split("|")))]
        elif line and not (block and block["rule"]):
            yield _read_line(line, block, f"e{number}")


def _join_lines(body: str) -> Iterator[str]:
    """Lines without indent and quotation marks; a paragraph's lines are one."""
    paragraph = ""
    for line in body.splitlines():
        bare = line.strip().removeprefix("> ")
        if paragraph and (not bare or _BLOCK.match(bare)):
            yield paragraph
            paragraph = ""
        if _BLOCK.match(bare):
            yield bare
        elif bare:
            paragraph = f"{paragraph} {bare}".strip()
    yield paragraph


def _read_line(line: str, block: re.Match[str] | None, element_id: str) -> Element:
    text = _plain(line[block.end() :] if block else line)
    if block and block["heading"]:
        return Element(element_id=element_id, kind="title", text=text, depth=len(block["heading"]) - 1)
    return Element(element_id=element_id, kind="list-item" if block else "text", text=text)


def _plain(text: str) -> str:
    return _MARKUP.sub("", _LINK.sub(r"\1", text)).strip()


if __name__ == "__main__":
    main()
