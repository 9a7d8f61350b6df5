"""Questions in 40 languages about German and English documents: what is found, and what is answered.

    python -m bench.languages HOME

HOME holds the sample company (`data/sources.yaml`), with the embedder that EXPERTLOOP_EMBEDDER names. The questions of
`bench/languages.jsonl` are two, each in 40 languages, put there by us and read by no native speaker of most. An answer
that cites the right document is right where it does not abstain.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

from tasks.answer_models import Answer, Question
from tasks.integrations.processor import describe_processor
from tasks.models import Hit
from tasks.settings import Settings
from tasks.wiring import Application

FILE = Path(__file__).with_suffix(".jsonl")


def main() -> None:
    """Print a line a language, then the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    arguments = parser.parse_args()
    app = Application(Settings(home=arguments.home))
    rows = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    questions = [Question(text=row["question"]) for row in rows]
    found = app.searcher.search(questions, limit=10)
    answers = app.answer_questions(questions)
    print(f"{describe_processor()}; {app.settings.embedder}, {len(rows)} questions")
    sums: Counter[str] = Counter()
    for row, hits, answer in zip(rows, found, answers, strict=True):
        place, said = find_place(row["path"], hits), describe(row["path"], answer)
        sums.update(["found first"] * (place == 1), **{"found in ten": place > 0, said: 1})
        print(f"  {row['language']}  {place or '-':>2}  {said:18} {row['question']}")
    print(", ".join(f"{what}: {count}" for what, count in sorted(sums.items())))


def find_place(path: str, hits: list[Hit]) -> int:
    """Of the right document among the found ones, from 1; 0: it is not there."""
    return next((n for n, hit in enumerate(hits, 1) if unquote(hit.passage.uri).endswith(path)), 0)


def describe(path: str, answer: Answer) -> str:
    """Whether it cites the right document."""
    if answer.abstained:
        return f"silent: {answer.reason.value if answer.reason else ''}"
    return "right document" if any(unquote(one.uri).endswith(path) for one in answer.citations) else "other document"


if __name__ == "__main__":
    main()
