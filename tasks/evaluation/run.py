"""One evaluation: ask what was not asked yet, judge, commit, go on.

The run's id is derived from everything that decides its results, so that the same command finds its own half-done run,
and another generator, another document or another definition of a metric makes another run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tasks.answer_models import Answer, Question
from tasks.evaluation.judge import METRICS_VERSION, Judge
from tasks.evaluation_models import EvaluationRun, GoldQuestion, JudgedAnswer
from tasks.evaluation_ports import EvaluationStore
from tasks.models import EVERYONE, derive_id
from tasks.ports import Searcher

logger = logging.getLogger(__name__)

BATCH = 32
DEPTH = 10
PASSAGES_PER_PLACE = 3
"""Passages searched for each place looked at: a document is often found by several of its passages."""

AnswerQuestions = Callable[[Sequence[Question]], list[Answer]]


def derive_run_id(
    tenant: str, questions_hash: str, collection: str, generator: str, settings: Mapping[str, Any]
) -> str:
    """Equal for equal results.

    Args:
        tenant: Whose documents.
        questions_hash: Of the question file's text.
        collection: Its name, which holds the pipeline's fingerprint.
        generator: Its identity.
        settings: Everything else that decides an answer, by name; JSON values.
    """
    others = "\x1f".join(f"{name}={settings[name]!r}" for name in sorted(settings))
    return derive_id("evaluation", tenant, questions_hash, collection, generator, METRICS_VERSION, others)


def ask_as(gold: GoldQuestion, *, tenant: str, principals: frozenset[str]) -> Question:
    """The question as its own groups and the command's ask it."""
    return Question(id=gold.id, text=gold.text, tenant=tenant, principals={EVERYONE, *gold.groups} | principals)


def evaluate_questions(
    run: EvaluationRun,
    questions: Sequence[GoldQuestion],
    *,
    principals: frozenset[str],
    searcher: Searcher,
    answer_questions: AnswerQuestions,
    judge: Judge,
    store: EvaluationStore,
    depth: int = DEPTH,
    batch: int = BATCH,
) -> Iterator[int]:
    """Ask and judge every question of the run that has no stored result.

    Args:
        run: Known to the store already.
        questions: Of the whole file, in its order.
        principals: Who asks, besides each question's own groups.
        searcher: Searched on its own for the retrieval metrics, deeper than answers need.
        answer_questions: Answers a batch.
        judge: Scores results.
        store: Each batch is one commit.
        depth: Places that the ranking metrics need; at least 10.
        batch: Questions answered together.

    Yields:
        How many results are stored, first those of before, then after each batch.
    """
    done = set(store.read_results(run.run_id))
    yield len(done)
    waiting = [(position, gold) for position, gold in enumerate(questions) if position not in done]
    limit = max(depth, DEPTH) * PASSAGES_PER_PLACE
    for start in range(0, len(waiting), batch):
        part = waiting[start : start + batch]
        asked = [ask_as(gold, tenant=run.tenant, principals=principals) for _, gold in part]
        found = searcher.search(asked, limit=limit)
        answers = answer_questions(asked)
        results = {
            position: judge.judge(gold, question, hits, answer)
            for (position, gold), question, hits, answer in zip(part, asked, found, answers, strict=True)
        }
        store.write_results(run.run_id, results)
        done |= results.keys()
        logger.info("evaluation committed run=%s done=%s of=%s", run.run_id, len(done), len(questions))
        yield len(done)


def list_unmatched(questions: Sequence[GoldQuestion], judge: Judge) -> dict[str, list[str]]:
    """Gold names that mean no document (`unknown`) or several (`ambiguous`), each once, in the file's order."""
    unmatched: dict[str, dict[str, None]] = {"unknown": {}, "ambiguous": {}}
    for gold in questions:
        for match in judge.match(gold) if gold.can_be_answered is not False else ():
            if match.work is None:
                unmatched["ambiguous" if match.ambiguous else "unknown"][match.name] = None
    return {what: list(names) for what, names in unmatched.items()}


def order_results(results: Mapping[int, JudgedAnswer]) -> list[JudgedAnswer]:
    """Results in the order of the file."""
    return [results[position] for position in sorted(results)]
