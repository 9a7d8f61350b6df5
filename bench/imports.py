"""How long `expertloop curate import` takes for many pairs, beside another checkout of expertloop in the same run.

    python bench/imports.py FOLDER HOME --rows 100000
    python bench/imports.py FOLDER HOME --rows 4000 --rounds 3 --against ../former

FOLDER holds TeleQuAD-v4-full.json. Its passages become documents, and rows are made from their sentences: a few words
of one are asked for, and it is quoted. Of fifty rows one has each of: a quote that is not there, no quote, the words of
an earlier row, an answer that the quote does not give. HOME keeps the ingested documents; each import starts from
a copy of them. With --against the two imports take turns, and what they say of each row is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.process_tree import Measured, run_measured
from bench.telequad import group, run
from tasks.integrations.processor import describe_processor

SETTINGS = {"EXPERTLOOP_GENERATOR": "none", "EXPERTLOOP_EMBEDDER": "minilm"}
QUESTIONS = (
    "What does {title} say about {words}?",
    "How does {words} work?",
    "What is meant by {words}?",
    "When does {words} apply?",
    "Who needs {words}, and what for?",
    "Please explain: {words}.",
)
EVERY = 50
"""Of so many rows one has each fault."""


def main() -> None:
    """Ingest once, make the rows, import them, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("home", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--against", type=Path, help="another checkout of expertloop")
    arguments = parser.parse_args()
    home = arguments.home.absolute()
    texts = prepare(arguments.folder, home)
    file = home / f"{arguments.rows}.jsonl"
    with file.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in make_rows(texts, arguments.rows))
    print(describe_processor(), flush=True)
    codes = {"this": Path.cwd()} | ({"former": arguments.against.absolute()} if arguments.against else {})
    measured: dict[str, list[Measured]] = {name: [] for name in codes}
    for _ in range(arguments.rounds):
        for name, code in codes.items():
            measured[name].append(measure(code, home, file))
            show(name, arguments.rows, measured[name][-1])
    if arguments.against:
        compare(measured["this"], measured["former"])


def prepare(folder: Path, home: Path) -> dict[str, str]:
    """Ingest the passages, once; returns the texts by the name of their document."""
    data = json.loads((folder / "TeleQuAD-v4-full.json").read_text(encoding="utf-8"))["data"]
    texts = {
        name: "\n\n".join(one["context"] for entry in entries for one in entry["paragraphs"])
        for name, entries in group(data).items()
    }
    if not (home / "ingested").exists():
        (home / "documents").mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (home / "documents" / name).write_text(text, encoding="utf-8")
        os.environ |= SETTINGS
        run(home / "ingested.part", "ingest", str(home / "documents"))
        (home / "ingested.part").rename(home / "ingested")
    return texts


def make_rows(texts: dict[str, str], count: int) -> Iterator[dict[str, Any]]:
    """Rows that differ, the same ones every time."""
    chance = random.Random(7)
    sentences = [(name, one) for name, text in texts.items() for line in text.split("\n") for one in line.split(". ")]
    sentences = [(name, one.strip()) for name, one in sentences if len(one.split()) >= 8]
    row: dict[str, Any] = {}
    for number in range(count):
        if number % EVERY != 4:  # else the words of the row before
            row = make_row(*chance.choice(sentences), chance)
        yield spoil(row, number % EVERY)


def make_row(name: str, sentence: str, chance: random.Random) -> dict[str, Any]:
    """One row that asks for some words of a sentence, and quotes it."""
    words = sentence.split()
    start = chance.randrange(len(words) - 4)
    asked = " ".join(words[start : start + chance.randint(4, 8)]).strip(",.;:()")
    title = name.removesuffix(".txt").replace("_", " ")[:40]
    question = chance.choice(QUESTIONS).format(words=asked, title=title)
    quote = {"document": name, "quote": sentence}
    return {"question": question, "answer": sentence[:300], "evidence": [quote], "state": "approved", "language": "en"}


def spoil(row: dict[str, Any], place: int) -> dict[str, Any]:
    """The row with the fault of its place among fifty, most have none."""
    (quoted,) = row["evidence"]
    if place == 0:
        return row | {"evidence": [quoted | {"quote": quoted["quote"] + " and never otherwise"}]}
    if place == 1:
        return row | {"evidence": []}
    return row | {"answer": "It takes 4711 days."} if place == 2 else row


def measure(code: Path, home: Path, file: Path) -> Measured:
    """One import by the code of a checkout, into a fresh copy of the ingested documents."""
    shutil.rmtree(home / "imported", ignore_errors=True)
    shutil.copytree(home / "ingested", home / "imported")
    environment = os.environ | SETTINGS | {"EXPERTLOOP_HOME": str(home / "imported"), "PYTHONPATH": str(code)}
    command = [sys.executable, "-P", "-m", "expertloop", "curate", "import", str(file), "--author", "bench", "--json"]
    return run_measured(command, environment)


def show(name: str, rows: int, measured: Measured) -> None:
    """One line an import."""
    summary = measured.lines[-1]
    print(
        f"{name:7} {measured.seconds:8.1f} s  {measured.processor_seconds:8.1f} s of processors  "
        f"{rows / measured.seconds:7.1f} rows/s  {measured.peak_mb:7.0f} MB  {json.dumps(summary)}",
        flush=True,
    )


def compare(these: list[Measured], former: list[Measured]) -> None:
    """Medians, their ratio, and whether every row was told the same."""
    ours, theirs = (statistics.median(one.seconds for one in measured) for measured in (these, former))
    print(f"median {ours:.1f} s beside {theirs:.1f} s: {theirs / ours:.2f}×")
    print(f"the same said of every row: {all(one.lines == these[0].lines for one in (*these, *former))}")


if __name__ == "__main__":
    main()
