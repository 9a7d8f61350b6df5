"""Ingest: documents a second and memory beside LlamaIndex and Haystack, and what running it again costs.

    python bench/ingest.py [--data ../shared/data] [--part first free again memory] [--rounds 3] [--documents 12]

`first` compares the first ingest of enterprise/ in five formats: unstructured (strategy "fast" for the peers, "auto"
for ours, which takes the same text), chunks of 200 tokens, all-MiniLM-L6-v2, a local store. Each system runs in a
process of its own that has ingested one short document in its five formats before the clock starts ("in process");
"process s" is the whole process with that. `free` repeats it without embedding (vectors that cost nothing) and without
our embedding cache. `again` ingests once more with nothing changed, then with one document changed in all its formats,
in one process and as commands `expertloop ingest FOLDER --json`. `memory` ingests 100, 1000 and 5000 small files.

Systems take turns; figures are medians over rounds. CPU s is the time that all processes of a system computed: the
figure to trust on a machine that does other work. `--documents` takes that many documents (times five formats) spread
over enterprise/; without it all are taken. The peers are installed into .venv-peers from bench/peers/requirements.lock.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from bench.process_tree import Measured, run_measured
from tasks.integrations.processor import describe_processor

REPOSITORY = Path(__file__).resolve().parent.parent
PEERS = REPOSITORY / "bench" / "peers"
PEER_PYTHON = REPOSITORY / ".venv-peers" / "bin" / "python"
FORMATS = ("docx", "html", "md", "pdf", "pptx")
MEMORY_SIZES = (100, 1000, 5000)
PARTS = ("first", "free", "again", "memory")

console = Console(width=140)


class Corpus(NamedTuple):
    """Folders of documents on disk."""

    warm_up: Path
    """The shortest document, in five formats."""
    documents: Path
    """What is ingested."""
    changed: Path
    """Another document's content under the names of one in `documents`."""
    files: int


class System(NamedTuple):
    """Something that ingests a corpus and prints a JSON line about it."""

    name: str
    run: Callable[[Corpus, Path], Measured]


def main() -> None:
    """Measure what was asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = Path(os.environ.get("EXPERTLOOP_DATA", REPOSITORY / "../shared/data"))
    parser.add_argument("--data", type=Path, default=data, help="folder with enterprise/")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--documents", type=int, help="default: all")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as folder:
        scratch = Path(folder)
        corpus = make_corpus(arguments.data / "enterprise" / "datasets", scratch / "corpus", arguments.documents)
        console.print(f"{describe_processor()} · {corpus.files} files · {arguments.rounds} rounds")
        if "first" in arguments.part:
            compare("first ingest", [*ours(), *peers()], corpus, scratch, arguments.rounds)
        if "free" in arguments.part:
            compare(
                "where it comes from", [*reduced(), *peers("--without-embedding")], corpus, scratch, arguments.rounds
            )
        if "again" in arguments.part:
            repeat(corpus, scratch, arguments.rounds)
        if "memory" in arguments.part:
            grow(scratch)


# --- what runs ----------------------------------------------------------------------------------------------------


def ours() -> list[System]:
    """The product with its default embedder, and with the one that the peers have."""
    return [_ours("expertloop, MiniLM"), _ours("expertloop, default (two encoders)", EXPERTLOOP_EMBEDDER="default")]


def reduced() -> list[System]:
    """The product with something left out."""
    return [
        _ours("expertloop, MiniLM, embedding cache off", EXPERTLOOP_EMBEDDING_CACHE="false"),
        _ours("expertloop without embedding", "--without-embedding"),
    ]


def _ours(name: str, *options: str, **settings: str) -> System:
    def run(corpus: Corpus, home: Path) -> Measured:
        folders = [str(corpus.warm_up), str(corpus.documents)]
        return ingest_in_process(home, *options, *folders, **{"EXPERTLOOP_EMBEDDER": "minilm"} | settings)

    return System(name, run)


def ingest_in_process(home: Path, *arguments: str, **settings: str) -> Measured:
    """One process of `bench/ingest_process.py` in a home of its own."""
    script = str(REPOSITORY / "bench" / "ingest_process.py")
    return run_measured([sys.executable, script, *arguments], our_environment(home, **settings))


def our_environment(home: Path, **settings: str) -> Mapping[str, str]:
    """The environment, less what an operator has set for the product."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("EXPERTLOOP_", "PREFECT_"))}
    return inherited | {"EXPERTLOOP_HOME": str(home)} | settings


def peers(*options: str) -> list[System]:
    """Both peers, installed when they are not there yet."""
    install_peers()
    suffix = " without embedding" if options else ""
    return [
        _peer(f"LlamaIndex{suffix}", "run_llama_index.py", options),
        _peer(f"Haystack{suffix}", "run_haystack.py", options),
    ]


def _peer(name: str, script: str, options: Sequence[str]) -> System:
    def run(corpus: Corpus, store: Path) -> Measured:
        folders = [str(corpus.warm_up), str(corpus.documents)]
        command = [str(PEER_PYTHON), str(PEERS / script), *folders, "--store", str(store), *options]
        return run_measured(command, os.environ)

    return System(name, run)


def install_peers() -> None:
    """The locked packages into .venv-peers, once."""
    lock, stamp = PEERS / "requirements.lock", PEER_PYTHON.parent.parent / ".installed"
    if stamp.exists() and stamp.stat().st_mtime >= lock.stat().st_mtime:
        return
    uv, target = [sys.executable, "-m", "uv"], ["--quiet", "--python", str(PEER_PYTHON)]
    if not PEER_PYTHON.exists():
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, PEER_PYTHON.parent.parent], check=True)
    subprocess.run([*uv, "pip", "sync", *target, lock], check=True)
    # nltk refuses to read what LlamaIndex packs for it where uv has linked the files instead of copying them.
    copied = ["--no-deps", "--link-mode", "copy", "--reinstall-package", "llama-index-core", "-r", str(lock)]
    subprocess.run([*uv, "pip", "install", *target, *copied], check=True)
    stamp.touch()


# --- what is measured ---------------------------------------------------------------------------------------------


def compare(title: str, systems: Sequence[System], corpus: Corpus, scratch: Path, rounds: int) -> None:
    """A row a system; ratios are to the faster peer."""
    measured: dict[str, list[Measured]] = {system.name: [] for system in systems}
    for _ in range(rounds):
        for system in systems:
            with tempfile.TemporaryDirectory(dir=scratch) as home:
                run = system.run(corpus, Path(home))
            measured[system.name].append(run)
            report(system.name, run)
    rates = {
        name: _median(runs, lambda run: corpus.files / run.lines[-1]["seconds"]) for name, runs in measured.items()
    }
    best = max(rate for name, rate in rates.items() if not name.startswith("expertloop"))
    table = _table(
        title, "system", "documents/s in process", "to the faster peer", "process s", "CPU s", "peak MB", "chunks"
    )
    for name, runs in measured.items():
        chunks = {run.lines[-1]["chunks"] for run in runs}
        table.add_row(
            name,
            f"{rates[name]:.2f}",
            f"{rates[name] / best:.2f}×",
            f"{_median(runs, lambda run: run.seconds):.1f}",
            f"{_median(runs, lambda run: run.processor_seconds):.1f}",
            f"{_median(runs, lambda run: run.peak_mb):.0f}",
            ", ".join(map(str, sorted(chunks))),
        )
    console.print(table)


def repeat(corpus: Corpus, scratch: Path, rounds: int) -> None:
    """First, unchanged and changed, in one process and as commands."""
    inside: list[list[dict[str, Any]]] = []
    commands: list[list[Measured]] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            copy = shutil.copytree(corpus.documents, Path(folder) / "documents")
            folders = [str(corpus.warm_up), str(copy), str(copy), "--then-copy", str(corpus.changed), str(copy)]
            run = ingest_in_process(Path(folder) / "home", *folders)
            report("warm-up, first, unchanged, changed", run)
            inside.append(run.lines[1:])
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            copy = shutil.copytree(corpus.documents, Path(folder) / "documents")
            commands.append(list(_run_commands(Path(folder) / "home", copy, corpus.changed)))
        for command in commands[-1]:
            report("command", command)
    table = _table(
        "again, default embedder",
        "run",
        "in process s",
        "share of first",
        "command s",
        "share of first",
        "changed",
        "embedded",
    )
    for place, name in enumerate(("first", "nothing changed", f"{len(FORMATS)} of {corpus.files} files changed")):
        seconds = [[run[place]["seconds"] for run in inside], [run[place].seconds for run in commands]]
        shares = [
            [run[place]["seconds"] / run[0]["seconds"] for run in inside],
            [run[place].seconds / run[0].seconds for run in commands],
        ]
        times = [f"{statistics.median(each):.2f}" for each in seconds]
        parts = [f"{statistics.median(each):.2%} (1/{1 / statistics.median(each):.1f})" for each in shares]
        last = inside[-1][place]
        table.add_row(name, times[0], parts[0], times[1], parts[1], str(last["changed"]), str(last["embedded"]))
    console.print(table)


def _run_commands(home: Path, documents: Path, changed: Path) -> Iterator[Measured]:
    command = [str(Path(sys.executable).parent / "expertloop"), "ingest", str(documents), "--json"]
    yield run_measured(command, our_environment(home))
    yield run_measured(command, our_environment(home))
    shutil.copytree(changed, documents, dirs_exist_ok=True)
    yield run_measured(command, our_environment(home))


def grow(scratch: Path) -> None:
    """Peak memory against the number of documents, without embedding."""
    table = _table(
        "memory, small Markdown files, without embedding", "files", "peak MB", "documents/s in process", "chunks"
    )
    for size in MEMORY_SIZES:
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            warm_up, documents = Path(folder) / "warm-up", Path(folder) / "documents"
            write_small_files(warm_up, 1)
            write_small_files(documents, size)
            run = ingest_in_process(Path(folder) / "home", "--without-embedding", str(warm_up), str(documents))
        ledger = run.lines[-1]
        table.add_row(str(size), f"{run.peak_mb:.0f}", f"{size / ledger['seconds']:.1f}", str(ledger["chunks"]))
    console.print(table)


def report(name: str, run: Measured) -> None:
    """One line as soon as it is known, for those who watch."""
    inside = ", ".join(f"{line['seconds']:.2f}" for line in run.lines)
    console.print(
        f"  {name}: {inside} s in process; process {run.seconds:.1f} s, CPU {run.processor_seconds:.1f} s, "
        f"{run.peak_mb:.0f} MB",
        style="dim",
    )


def _median(runs: Sequence[Measured], figure: Callable[[Measured], float]) -> float:
    return statistics.median(map(figure, runs))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title)
    for column in columns:
        table.add_column(column, justify="left" if column in ("system", "run") else "right")
    return table


# --- documents ----------------------------------------------------------------------------------------------------


def make_corpus(datasets: Path, target: Path, limit: int | None) -> Corpus:
    """Copy enterprise/, less one document of middling length that becomes the changed content of another."""
    found = [file.relative_to(datasets) for file in datasets.glob("*/md/*.md")]
    known = sorted(found, key=lambda file: ((datasets / file).stat().st_size, file))
    shortest, middle, rest = (
        known[0],
        known[len(known) // 2],
        [*known[1 : len(known) // 2], *known[len(known) // 2 + 1 :]],
    )
    if limit:
        rest = [rest[place * len(rest) // limit] for place in range(limit)]
    documents = [shortest, *rest] if limit is None else rest
    for document in documents:
        _copy(datasets, document, target / "documents", document)
    _copy(datasets, shortest, target / "warm-up", shortest)
    _copy(datasets, middle, target / "changed", documents[len(documents) // 2])
    return Corpus(target / "warm-up", target / "documents", target / "changed", len(documents) * len(FORMATS))


def _copy(datasets: Path, document: Path, target: Path, name: Path) -> None:
    """One document in every format, under the name of another."""
    for extension in FORMATS:
        place = target / name.parent.parent / extension / f"{name.stem}.{extension}"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(datasets / document.parent.parent / extension / f"{document.stem}.{extension}", place)


def write_small_files(folder: Path, number: int) -> None:
    """Markdown of a heading and about 80 words, each different."""
    folder.mkdir(parents=True)
    for n in range(number):
        words = " ".join(f"The pump of line {n} was checked in week {week} and found in order." for week in range(6))
        (folder / f"{n:05}.md").write_text(f"# Report {n}\n\n{words}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
