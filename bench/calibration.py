"""The shipped calibration: what signals are worth over several collections, in English and German.

    python -m bench.calibration --home FOLDER [--sets company enterprise xquad-en xquad-de] [--generator none]
        [--limit 150] [--picture calibration.png] [--write]

Each set is ingested by the command line into a home of its own under --home. Every question is asked as it is, and
where its answers are known every third again with its gold documents hidden from the search: a near-topic question that
no document answers, unless another one does. An answer is right when it holds a known answer or the gold sentence;
`enterprise`, where a gold sentence is one of several, is judged by the cited document. What is reported of a document
comes from weights fitted on others. With --write the result replaces tasks/answering/calibration.json.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from bench.retrieval import DATA, REPOSITORY, ingest, read_paragraphs
from data import demo
from tasks.answer_models import Answer, Question
from tasks.answering.confidence import SHIPPED_FILE, choose_threshold
from tasks.evaluation.calibrate import Judged, fit_calibration
from tasks.integrations.matplotlib import MatplotlibPlotter
from tasks.integrations.processor import describe_processor
from tasks.models import Hit
from tasks.ports import Searcher
from tasks.settings import Settings
from tasks.wiring import Application

SETS = ("company", "enterprise", "xquad-en", "xquad-de")
BATCH = 16


class Asked(NamedTuple):
    """A question and what is known about its answer."""

    question: Question
    documents: frozenset[str]
    """Names of the gold documents without folder and extension; none for an unanswerable question."""
    answers: tuple[str, ...]
    """Any of them is right; none are known of `enterprise`, and an unanswerable question has none."""


def main() -> None:
    """Print what the calibration is worth, by set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="keeps the ingested sets and what was answered")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--generator", default="none", help="as EXPERTLOOP_GENERATOR")
    parser.add_argument("--limit", type=int, default=150, help="ask every n-th question so that about this many are")
    parser.add_argument("--max-error", type=float, default=0.05)
    parser.add_argument("--picture", type=Path, default=None)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    judged = {name: judge_set(name, arguments) for name in arguments.sets}
    fit = fit_calibration([one for found in judged.values() for one in found], name="shipped")
    calibration = fit.calibration
    print(f"{describe_processor()}; generator {arguments.generator}")
    print(f"{calibration.questions} answers, {fit.right.mean():.3f} right")
    print(f"expected calibration error {calibration.expected_error:.3f}")
    for max_error in (0.02, 0.05, 0.1, 0.2):
        point = next((p for p in calibration.curve if p.threshold >= choose_threshold(calibration, max_error)), None)
        print(f"at most {max_error:.2f} wrong: {point}")
    for name, found in judged.items():
        print(f"{name:12} {len(found):5} answers, {sum(one.right for one in found) / len(found):.3f} right")
    if arguments.picture:
        picture = MatplotlibPlotter().draw_calibration(*fit, max_error=arguments.max_error)
        arguments.picture.write_bytes(picture)
    if arguments.write:
        SHIPPED_FILE.write_text(calibration.model_dump_json(indent=1) + "\n", encoding="utf-8")


def judge_set(name: str, arguments: argparse.Namespace) -> list[Judged]:
    """The answers of one set, judged; kept under --home, since asking takes minutes."""
    generator = re.sub(r"\W+", "_", arguments.generator)
    kept = arguments.home / f"judged-{name}-{generator}-{arguments.limit}.pickle"
    if kept.exists():
        found: list[Judged] = pickle.loads(kept.read_bytes())
        return found
    settings = ingest_set(name, arguments.home).settings
    app = Application(settings.model_copy(update={"generator": arguments.generator, "keep_gaps": False}))
    asked = list(read_set(name))
    asked = asked[:: max(1, len(asked) // arguments.limit)]
    found = [*_ask(app, asked, app.searcher), *_ask(app, asked[::3], None)]
    kept.write_bytes(pickle.dumps(found))
    return found


def ingest_set(name: str, home: Path) -> Application:
    """The set in a home of its own."""
    if name != "company":
        folder = name.removeprefix("xquad-")
        return ingest(folder, home / folder)
    state = home / "company"
    demo.load_database(state / "products.db")
    environment = {
        **os.environ,
        "EXPERTLOOP_HOME": str(state),
        "EXPERTLOOP_SOURCES": str(REPOSITORY / "data" / "sources.yaml"),
    }
    command = [str(Path(sys.executable).with_name("expertloop")), "ingest", "--json"]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, cwd=REPOSITORY)
    return Application(Settings(home=state))


def read_set(name: str) -> Iterator[Asked]:
    """Questions with their gold documents and answers."""
    if name.startswith("xquad-"):
        for number, paragraph in enumerate(read_paragraphs(name.removeprefix("xquad-"))):
            for one in paragraph["qas"]:
                answers = tuple(answer["text"] for answer in one["answers"])
                yield Asked(Question(text=one["question"]), frozenset([f"{number:04}"]), answers)
        return
    file = REPOSITORY / "data" / "questions.jsonl" if name == "company" else DATA / "enterprise" / "queries.jsonl"
    for line in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
        if name == "company":
            question = Question(text=line["question"], principals=frozenset(line["groups"]))
            answers = (*line["answers"], *([line["gold_sentence"]] if line["answerable"] else []))
            yield Asked(question, frozenset(map(_name, line["documents"])), answers)
        else:
            yield Asked(Question(text=line["query"]), frozenset(map(_name, line["gold_docs"])), ())


def _ask(app: Application, asked: Sequence[Asked], searcher: Searcher | None) -> Iterator[Judged]:
    """Judged answers; without a searcher the gold documents are hidden, and every answer is wrong."""
    for start in range(0, len(asked), BATCH):
        batch = asked[start : start + BATCH]
        used = searcher or _HidingSearcher(app.searcher, batch)
        answers = app.answer_questions([one.question for one in batch], searcher=used, max_error=1.0)
        for one, answer in zip(batch, answers, strict=True):
            if answer.signals and (searcher is not None or (one.documents and one.answers)):
                document = next(iter(sorted(one.documents)), one.question.text)
                yield Judged(answer.signals, _is_right(one, answer), document)
        print(".", end="", flush=True, file=sys.stderr)


class _HidingSearcher:
    """Finds everything but the gold documents of its questions."""

    def __init__(self, searcher: Searcher, asked: Sequence[Asked]) -> None:
        self._searcher = searcher
        self._hidden = {one.question.text: one.documents for one in asked}
        self._all = frozenset().union(*self._hidden.values())

    def search(self, questions: Sequence[Question], *, limit: int) -> list[list[Hit]]:
        found = self._searcher.search(questions, limit=2 * limit)
        return [
            # A part of a question that asks several things is another text.
            [hit for hit in hits if _name(hit.passage.uri) not in self._hidden.get(question.text, self._all)][:limit]
            for question, hits in zip(questions, found, strict=True)
        ]


def _is_right(one: Asked, answer: Answer) -> bool:
    if one.answers:
        shown = f" {_fold(answer.text)} {' '.join(_fold(citation.quote) for citation in answer.citations)} "
        return any(f" {_fold(known)} " in shown for known in one.answers if _fold(known))
    return any(_name(citation.uri) in one.documents for citation in answer.citations)


def _name(document: str) -> str:
    return Path(re.split(r"[/:]", unquote(document))[-1]).stem.casefold()


def _fold(text: str) -> str:
    # Markdown links keep their words and lose their address, as they do when a document is read.
    return " ".join(re.findall(r"\w+", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).casefold()))


if __name__ == "__main__":
    main()
