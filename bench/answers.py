"""First answers on `enterprise/` and on the sample company: is the gold sentence there, is the right document cited?

    expertloop ingest ../shared/data/enterprise/datasets && python bench/answers.py enterprise
    expertloop ingest && python bench/answers.py company [--generator none] [--limit 60]

Asks the questions of one set against the documents that EXPERTLOOP_HOME holds, in batches, as the command line does.
Every figure is over the answerable questions but the last: the share of the unanswerable ones that got silence.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from tasks.answer_models import Answer, Question
from tasks.integrations.processor import describe_processor
from tasks.settings import Settings
from tasks.wiring import Application

REPOSITORY = Path(__file__).parent.parent
BATCH = 16


class Asked(NamedTuple):
    """A question and what is known about its answer."""

    question: Question
    language: str
    answerable: bool
    documents: frozenset[str]
    """Names of the gold documents without folder and extension."""
    sentences: tuple[str, ...]
    """Gold sentences that stand in a document word for word; any of them is right."""


def main() -> None:
    """Print one table a language, and one for all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", choices=["enterprise", "company"])
    parser.add_argument("--generator", default=None, help="as EXPERTLOOP_GENERATOR; 'none': quotations only")
    parser.add_argument("--limit", type=int, default=None, help="ask every n-th question so that this many are asked")
    arguments = parser.parse_args()
    settings = Settings() if arguments.generator is None else Settings(generator=arguments.generator)
    asked = list(_read_enterprise() if arguments.questions == "enterprise" else _read_company())
    asked = asked[:: max(1, len(asked) // arguments.limit)] if arguments.limit else asked
    answers = list(_ask(Application(settings), asked))
    print(f"{arguments.questions}: {len(asked)} questions, generator {settings.generator}, {describe_processor()}")
    for language in [None, *sorted({one.language for one in asked})]:
        pairs = [(one, answer) for one, answer in zip(asked, answers, strict=True) if language in (None, one.language)]
        print(f"\n{language or 'all'} ({len(pairs)})")
        for name, value in measure(pairs).items():
            print(f"  {name:32} {value}")


def measure(pairs: Sequence[tuple[Asked, Answer]]) -> dict[str, str]:
    """What is reported of one group of questions."""
    answerable = [pair for pair in pairs if pair[0].answerable]
    answered = [pair for pair in answerable if not pair[1].abstained]
    judged = [pair for pair in answerable if pair[0].sentences]
    silent = [answer.abstained for one, answer in pairs if not one.answerable]
    modes = Counter(answer.mode for _, answer in answerable)
    return {
        "answered": _mean(not answer.abstained for _, answer in answerable),
        "generated": f"{modes['generated'] / max(1, len(answerable)):.3f}",
        "extractive": f"{modes['extractive'] / max(1, len(answerable)):.3f}",
        "gold sentence contained": _mean(_word_recall(one, answer) == 1.0 for one, answer in judged),
        "gold words contained": _mean(_word_recall(one, answer) for one, answer in judged),
        "first cited document is gold": _mean(_name(a.citations[0].uri) in one.documents for one, a in answered),
        "a cited document is gold": _mean(
            any(_name(citation.uri) in one.documents for citation in answer.citations) for one, answer in answered
        ),
        "a found document is gold": _mean(
            any(_name(uri) in one.documents for uri in answer.sources) for one, answer in answerable
        ),
        "generated: gold words": _mean(_word_recall(o, a) for o, a in judged if a.mode == "generated"),
        "seconds an answer": f"{statistics.fmean(answer.timings.total_seconds for _, answer in pairs):.2f}",
        "unanswerable: silent": _mean(silent),
    }


def _ask(app: Application, asked: Sequence[Asked]) -> Iterator[Answer]:
    for start in range(0, len(asked), BATCH):
        yield from app.answer_questions([one.question for one in asked[start : start + BATCH]])


def _read_enterprise() -> Iterator[Asked]:
    data = Path(os.environ.get("EXPERTLOOP_DATA", REPOSITORY / "../shared/data"))
    for line in _read_lines(data / "enterprise" / "queries.jsonl"):
        sentences = tuple(fact["text"] for fact in line["facts"] if fact["verbatim"])
        documents = frozenset(map(_name, line["gold_docs"]))
        yield Asked(Question(text=line["query"], id=line["id"]), "en", True, documents, sentences)


def _read_company() -> Iterator[Asked]:
    for line in _read_lines(REPOSITORY / "data" / "questions.jsonl"):
        question = Question(text=line["question"], id=line["id"], principals=frozenset(line["groups"]))
        sentences = (line["gold_sentence"],) if line["answerable"] else ()
        yield Asked(question, line["language"], line["answerable"], frozenset(map(_name, line["documents"])), sentences)


def _read_lines(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _name(document: str) -> str:
    return Path(re.split(r"[/:]", unquote(document))[-1]).stem.casefold()


def _word_recall(one: Asked, answer: Answer) -> float:
    """The best gold sentence's share in the answer: 1 when its words stand there in a row, else the share of words."""
    shown = _words("\n".join([answer.text, *(citation.quote for citation in answer.citations)]))
    row, known = f" {' '.join(shown)} ", set(shown)
    recalls = []
    for sentence in one.sentences:
        wanted = _words(sentence)
        share = sum(word in known for word in wanted) / max(1, len(wanted))
        recalls.append(1.0 if f" {' '.join(wanted)} " in row else min(share, 0.999))
    return max(recalls, default=0.0)


def _words(text: str) -> list[str]:
    # Markdown links keep their words and lose their address, as they do when a document is read.
    return re.findall(r"\w+", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).casefold())


def _mean(values: Iterable[float]) -> str:
    known = list(values)
    return f"{statistics.fmean(known):.3f} ({len(known)})" if known else "–"


if __name__ == "__main__":
    main()
