"""Retrieval, document level: is the right document first, is it among the first five different ones?

    python bench/retrieval.py [--sets enterprise en-en de-de de-en] [--home FOLDER] [--ablation]

Every set is ingested by the command line into a home of its own (under --home, where a second run finds it, else under
a temporary folder) and asked through the searcher that `expertloop search` uses. `enterprise` holds each document in
five formats, of which any is right; a document is named by folder and stem, so that formats count as one document.
The set de-en asks the German questions of XQuAD about its English paragraphs, one file a paragraph.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlparse

from tasks.answer_models import Question
from tasks.integrations.processor import describe_processor
from tasks.models import Hit
from tasks.ports import Searcher
from tasks.retrieval.search import HybridSearcher
from tasks.settings import Settings
from tasks.wiring import Application

REPOSITORY = Path(__file__).parent.parent
DATA = Path(os.environ.get("EXPERTLOOP_DATA", REPOSITORY / "../shared/data")).resolve()
SETS = ("enterprise", "en-en", "de-de", "de-en")
BATCH = 32


class Asked(NamedTuple):
    """A question and the document that answers it."""

    text: str
    document: str


def main() -> None:
    """Print one line a set, or with --ablation one a set and way to search."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--home", type=Path, default=None, help="keeps the ingested sets between runs")
    parser.add_argument("--hits", type=int, default=25, help="hits asked of each search")
    parser.add_argument("--ablation", action="store_true", help="also vectors alone, keywords alone, one alpha for all")
    arguments = parser.parse_args()
    print(describe_processor())
    print(f"{'set':12}{'search':16}{'n':>6}{'hit@1':>8}{'hit@5':>8}{'MRR':>8}{'halves':>14}{'ms':>6}")
    with tempfile.TemporaryDirectory() as temporary:
        for name in arguments.sets:
            language, _, folder = name.rpartition("-")
            app = ingest(folder, (arguments.home or Path(temporary)) / folder)
            asked = list(read_xquad_questions(language) if language else read_enterprise_questions())
            for way, searcher in list_searchers(app, ablation=arguments.ablation):
                print(f"{name:12}{way:16}{measure(searcher, asked, hits=arguments.hits)}", flush=True)


def ingest(folder: str, home: Path) -> Application:
    """The set in a home of its own, by the command a user types; quick when it is there already."""
    if folder == "enterprise":
        documents = DATA / "enterprise" / "datasets"
    else:
        documents = home / "documents"
        write_xquad_paragraphs(folder, documents)
    environment = {**os.environ, "EXPERTLOOP_HOME": str(home / "state")}
    command = [str(Path(sys.executable).with_name("expertloop")), "ingest", str(documents), "--json"]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, cwd=REPOSITORY)
    return Application(Settings(home=home / "state"))


def list_searchers(app: Application, *, ablation: bool) -> Iterator[tuple[str, Searcher]]:
    """The product's searcher, and for comparison the same with one weight of the vectors for all languages."""
    yield "product", app.searcher
    pipeline = app.serving_pipeline()
    assert pipeline is not None, "the set was just ingested"
    for way, alpha in [("keywords", 0.0), ("vectors", 1.0), ("alpha 0.5", 0.5)] if ablation else []:
        yield (
            way,
            HybridSearcher(
                pipeline.collection.name,
                embedder=app.embedder(pipeline.embedder_spec),
                index=app.index,
                reader=app.passages,
                alpha=alpha,
            ),
        )


def measure(searcher: Searcher, asked: Sequence[Asked], *, hits: int) -> str:
    """The row of one way to search; halves are hit@1 over the even and the odd questions."""
    started = time.perf_counter()
    ranks: list[float] = []
    for start in range(0, len(asked), BATCH):
        batch = asked[start : start + BATCH]
        found = searcher.search([Question(text=one.text) for one in batch], limit=hits)
        ranks += [find_rank(one.document, listed) for one, listed in zip(batch, found, strict=True)]
    milliseconds = (time.perf_counter() - started) * 1000 / len(asked)
    first = [rank <= 1 for rank in ranks]
    halves = f"{statistics.fmean(first[::2]):.3f} {statistics.fmean(first[1::2]):.3f}"
    return (
        f"{len(asked):6}{statistics.fmean(first):8.3f}{statistics.fmean(rank <= 5 for rank in ranks):8.3f}"
        f"{statistics.fmean(1 / rank for rank in ranks):8.3f}{halves:>14}{milliseconds:6.0f}"
    )


def find_rank(document: str, hits: Sequence[Hit]) -> float:
    """Rank of the document among the different ones listed, infinite where it is not listed."""
    listed = list(dict.fromkeys(name_document(Path(unquote(urlparse(hit.passage.uri).path))) for hit in hits))
    return listed.index(document) + 1 if document in listed else float("inf")


def name_document(file: Path) -> str:
    """Company and stem: .../ZX Bank/pdf/Personal Loan.pdf is ZX Bank/Personal Loan; a paragraph has its stem."""
    return f"{file.parent.parent.name}/{file.stem}" if file.parent.name == file.suffix[1:] else file.stem


def read_enterprise_questions() -> Iterator[Asked]:
    """482 questions with one gold document each."""
    for line in (DATA / "enterprise" / "queries.jsonl").read_text(encoding="utf-8").splitlines():
        record: dict[str, Any] = json.loads(line)
        yield Asked(record["query"], name_document(DATA / "enterprise" / record["gold_docs"][0]))


def read_xquad_questions(language: str) -> Iterator[Asked]:
    """1,190 questions, named after their paragraph."""
    for number, paragraph in enumerate(read_paragraphs(language)):
        for answered in paragraph["qas"]:
            yield Asked(answered["question"], f"{number:04}")


def write_xquad_paragraphs(language: str, folder: Path) -> None:
    """One text file a paragraph; files that are there stay as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, paragraph in enumerate(read_paragraphs(language)):
        file = folder / f"{number:04}.txt"
        if not file.exists():
            file.write_text(paragraph["context"], encoding="utf-8")


def read_paragraphs(language: str) -> Iterator[dict[str, Any]]:
    """240 paragraphs with their questions, in one order in all languages."""
    articles = json.loads((DATA / "xquad_en_de" / f"xquad.{language}.json").read_text(encoding="utf-8"))["data"]
    return (paragraph for article in articles for paragraph in article["paragraphs"])


if __name__ == "__main__":
    main()
