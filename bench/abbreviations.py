"""Abbreviations: does expanding them move the right document, and what does it cost?

    python -m bench.abbreviations [--documents FOLDER] [--home FOLDER]

The documents of `enterprise/` (or those of a folder with the same names, such as its Markdown alone) are ingested into
a home of their own. Of its questions, those with an abbreviation or its long form are searched with and without
expansion, as they are and with the other form in their place; of the others it is checked that both searches find
exactly the same.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.retrieval import DATA, REPOSITORY, Asked, find_rank, read_enterprise_questions
from tasks.answer_models import Question
from tasks.integrations.processor import describe_processor
from tasks.settings import Settings
from tasks.wiring import Application

HITS = 25
BATCH = 32


def main() -> None:
    """Print what was learnt, then a line a way to ask."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=Path, default=DATA / "enterprise" / "datasets")
    parser.add_argument("--home", type=Path, default=None, help="keeps what was ingested between runs")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = arguments.home or Path(temporary)
        command = [str(Path(sys.executable).with_name("expertloop")), "ingest", str(arguments.documents), "--json"]
        environment = {**os.environ, "EXPERTLOOP_HOME": str(home)}
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, cwd=REPOSITORY)
        app = Application(Settings(home=home))
        plain = Application(Settings(home=home, expand_abbreviations=False))
        print(describe_processor())
        print(f"{len(app.list_abbreviations())} meanings")
        _report(app, plain, list(read_enterprise_questions()))


def _report(app: Application, plain: Application, asked: Sequence[Asked]) -> None:
    started = time.perf_counter()
    questions = [app.expand_questions([Question(text=one.text)])[0] for one in asked]
    print(f"{(time.perf_counter() - started) * 1000 / len(asked):.2f} ms to look up a question")
    others = [Question(text=question.text) for question in questions if not question.expansions]
    print(f"{_count_equal(app, plain, others)} of {len(others)} without an abbreviation find exactly the same")
    touched = [(one, question) for one, question in zip(asked, questions, strict=True) if len(question.readings) > 1]
    print(f"{'asked':16}{'n':>6}{'hit@1':>16}{'hit@5':>16}{'MRR':>16}   without, with")
    for way, place in (("as it is", 0), ("in another form", 1)):
        texts = [question.readings[place] for _, question in touched]
        before, after = (_find_ranks(one, [kept for kept, _ in touched], texts) for one in (plain, app))
        print(f"{way:16}{len(texts):6}{_show(before, after)}")


def _count_equal(app: Application, plain: Application, questions: Sequence[Question]) -> int:
    equal = 0
    for start in range(0, len(questions), BATCH):
        batch = questions[start : start + BATCH]
        found = zip(app.searcher.search(batch, limit=HITS), plain.searcher.search(batch, limit=HITS), strict=True)
        equal += sum(one == other for one, other in found)
    return equal


def _find_ranks(app: Application, asked: Sequence[Asked], texts: Sequence[str]) -> list[float]:
    found = app.searcher.search([Question(text=text) for text in texts], limit=HITS)
    return [find_rank(one.document, hits) for one, hits in zip(asked, found, strict=True)]


def _show(before: Sequence[float], after: Sequence[float]) -> str:
    measured = [
        [sum(rank <= 1 for rank in ranks), sum(rank <= 5 for rank in ranks), sum(1 / rank for rank in ranks)]
        for ranks in (before, after)
    ]
    count = max(1, len(before))
    return "".join(f"{first / count:8.3f}{second / count:8.3f}" for first, second in zip(*measured, strict=True))


if __name__ == "__main__":
    main()
