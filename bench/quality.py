"""All metrics of `expertloop evaluate` on three question sets, by the commands that a user types.

    python -m bench.quality --home FOLDER [--sets company enterprise telequad] [--max-errors .1 .05]
        [-- more words of `expertloop evaluate`]

`company` are the questions of data/questions.jsonl, `enterprise` those of its documents in five formats, `telequad` the
impossible questions of TeleQuAD alone, about its passages. Each set is ingested into a home of its own under --home,
where a second run finds it. Answers are generated as the settings say (`EXPERTLOOP_GENERATOR`).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.calibration import ingest_set
from bench.retrieval import DATA, REPOSITORY
from bench.telequad import group, load, split_words, write_documents
from tasks.integrations.processor import describe_processor

COMMAND = Path(sys.executable).with_name("expertloop")
SETS = ("company", "enterprise", "telequad")


def main() -> None:
    """Print a column a set and wished share of wrong answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="keeps the ingested sets")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--max-errors", nargs="+", default=[".1"], help="as EXPERTLOOP_MAX_ERROR")
    mine, more = split_words(sys.argv[1:])
    arguments = parser.parse_args(mine)
    print(describe_processor(), flush=True)
    for name in arguments.sets:
        home = prepare(name, arguments.home.absolute())
        for max_error in arguments.max_errors:
            result = evaluate(home, arguments.home / f"{name}.jsonl", max_error, more)
            print(f"\n{name}, at most {max_error} wrong: {result['questions']} questions")
            for part in ("retrieval", "answers", "latency"):
                print("  " + "  ".join(f"{key} {show(value)}" for key, value in result[part].items()), flush=True)


def prepare(name: str, folder: Path) -> Path:
    """Documents in, questions written; returns the home."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = {"company": read_company, "enterprise": read_enterprise, "telequad": read_telequad}[name]()
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    if name != "telequad":
        return Path(ingest_set(name, folder).settings.home)
    home = folder / name
    write_documents(group(load(DATA / "telequad")), home / "documents")
    run(home, "ingest", str(home / "documents"), "--json")
    return home


def read_company() -> Iterator[dict[str, Any]]:
    """120, 20 of them without an answer."""
    yield from map(json.loads, (REPOSITORY / "data" / "questions.jsonl").read_text(encoding="utf-8").splitlines())


def read_enterprise() -> Iterator[dict[str, Any]]:
    """482, of which the document is known and no answer."""
    for number, line in enumerate((DATA / "enterprise" / "queries.jsonl").read_text(encoding="utf-8").splitlines()):
        one = json.loads(line)
        documents = [Path(document).stem for document in one["gold_docs"]]
        yield {"id": f"e{number}", "question": one["query"], "documents": documents, "answerable": True}


def read_telequad() -> Iterator[dict[str, Any]]:
    """Those that the passage they were asked about does not answer."""
    entries = load(DATA / "telequad")
    asked = (one for entry in entries for paragraph in entry["paragraphs"] for one in paragraph["qas"])
    for number, one in enumerate(one for one in asked if one["is_impossible"]):
        yield {"id": f"t{number}", "question": one["question"], "answerable": False, "language": "en"}


def evaluate(home: Path, questions: Path, max_error: str, more: list[str]) -> dict[str, Any]:
    """What the command prints."""
    found: dict[str, Any] = json.loads(
        run(home, "evaluate", str(questions.absolute()), "--json", "--again", *more, EXPERTLOOP_MAX_ERROR=max_error)
    )
    return found


def run(home: Path, *words: str, **settings: str) -> str:
    """What a command prints on stdout; its notes are seen."""
    environment = os.environ | settings | {"EXPERTLOOP_HOME": str(home), "EXPERTLOOP_KEEP_GAPS": "false"}
    done = subprocess.run([str(COMMAND), *words], env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def show(value: float | None) -> str:
    """Of a share or of seconds."""
    return "–" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
