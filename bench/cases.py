"""How well cases are worked on: the sample company's 60, banking77's intents, and batches against one by one.

    expertloop ingest                                    # data/documents, into EXPERTLOOP_HOME
    .venv/bin/python bench/cases.py sample               # decisions, routes, wrong replies; risk and coverage
    .venv/bin/python bench/cases.py speed 1              # cases a minute one by one; then: speed 16
    .venv/bin/python bench/cases.py banking77 ../shared/data/banking77 minilm use

The light classifier of banking77 is logistic regression on sentence vectors; the packaged encoders are not trained.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from tasks.case_models import Case, Decision, HandledCase, Outcome
from tasks.cases.collect import StayingCases
from tasks.cases.handle import CaseHandler, CasePorts
from tasks.models import EmbedderSpec
from tasks.settings import Settings
from tasks.wiring import Application, application

CASES = Path("data/cases")


class MemoryStore:
    """Keeps nothing on disk: a measurement must not find its own results of before."""

    def __init__(self) -> None:
        self.kept: dict[str, HandledCase] = {}

    def receive_cases(self, cases: Sequence[Case], now: datetime) -> None:
        """Keep them, waiting."""
        for case in cases:
            waiting = HandledCase.model_validate(
                {"case": case, "state": "waiting", "received_at": now, "updated_at": now}
            )
            self.kept.setdefault(case.case_id, waiting)

    def read_cases(self, case_ids: Sequence[str]) -> dict[str, HandledCase]:
        """All of them."""
        return {one: self.kept[one] for one in case_ids}

    def finish_cases(self, done: Iterable[tuple[Case, Any]], _messages: Any, _now: datetime) -> None:
        """Their outcomes."""
        for case, outcome in done:
            self.kept[case.case_id] = self.kept[case.case_id].model_copy(
                update={"outcome": outcome, "state": "handled"}
            )


def open_handler(app: Application) -> CaseHandler:
    """A handler that remembers nothing of before."""
    ports = CasePorts(app.answer_questions, app.likeness_embedder(), MemoryStore(), app.field_reader)  # type: ignore[arg-type]
    return CaseHandler(app.load_process("tickets"), ports)


def read_sample(app: Application) -> list[Case]:
    """The 60 cases."""
    collector = app.open_collector(app.load_process("tickets"))
    return list(chain(collector.read_path(CASES / "cases.jsonl"), collector.read_path(CASES / "mails")))


def is_wrong(handled: HandledCase, gold: dict[str, Any]) -> bool:
    """A reply that misses a fact, says what it must not, or that should not have been written."""
    reply = (handled.outcome.reply or "") if handled.outcome else ""
    return (
        gold["decision"] != "auto-reply"
        or any(fact not in reply for fact in gold["facts"])
        or any(said in reply for said in gold["forbidden"])
    )


def least(outcome: Outcome) -> float:
    """The confidence that decides about a reply: of its least sure answer, 0 where a question has none."""
    return min((one.confidence or 0.0 if one.answered else 0.0 for one in outcome.asked), default=0.0)


def measure_sample(app: Application) -> None:
    """Routes, decisions, replies against the expected ones."""
    lines = (CASES / "expected.jsonl").read_text().splitlines()
    gold = {one["id"]: one for one in map(json.loads, lines)}
    results = list(open_handler(app).work_through(StayingCases(lambda: iter(read_sample(app)))))
    pairs = [(one, one.outcome, gold[one.case.id]) for one in results if one.outcome]
    for name in ("route", "urgency", "decision"):
        print(f"{name}: {np.mean([getattr(out, name) == want[name] for _, out, want in pairs]):.3f}")
    sent = [(one, want) for one, out, want in pairs if out.decision is Decision.AUTO_REPLY]
    wrong = [one.case.id for one, want in sent if is_wrong(one, want)]
    print(f"auto-replies: {len(sent)} of {len(pairs)} ({len(sent) / len(pairs):.0%}), wrong: {len(wrong)} {wrong}")
    answered = [(least(out), not is_wrong(one, want)) for one, out, want in pairs if out.reply]
    for limit in (0.0, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95):
        kept = [right for confidence, right in answered if confidence >= limit]
        share = f"{1 - np.mean(kept):.3f}" if kept else "-"
        print(f"  confidence >= {limit:.2f}: {len(kept):2d} replies, share wrong {share}")
    if "--each" in sys.argv:
        for one, out, want in pairs:
            told = (out.route, want["route"], out.urgency, want["urgency"], out.decision.value, want["decision"])
            print(
                one.case.id, *told, f"{out.route_confidence:.2f} {out.confidence:.2f}", is_wrong(one, want), out.reason
            )
            for asked in out.asked:
                print(
                    "      ",
                    asked.confidence and round(asked.confidence, 2),
                    asked.question,
                    "->",
                    asked.text or asked.reason,
                )


def measure_speed(app: Application, batch: int) -> None:
    """In a process of its own: sentences that were read before are remembered."""
    sample, handler = read_sample(app), open_handler(app)
    list(handler.work_through(StayingCases(lambda: iter(sample[:1]))))  # models are loaded
    started = time.perf_counter()
    done = len(list(handler.work_through(StayingCases(lambda: iter(sample[1:])), batch=batch)))
    print(f"{batch} at once: {done * 60 / (time.perf_counter() - started):.1f} cases a minute")


def measure_banking(app: Application, folder: Path, names: Sequence[str]) -> None:
    """77 intents."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score

    train, test = (read_rows(folder / name) for name in ("train.csv", "test.csv"))
    for name in names:
        embedder, started = app.embedder(EmbedderSpec(name=name)), time.perf_counter()
        known, asked = (embedder.embed_queries([text for text, _ in rows]) for rows in (train, test))
        labels = np.array([label for _, label in train])
        wanted = [label for _, label in test]
        nearest = labels[(asked @ known.T).argmax(axis=1)]
        light = LogisticRegression(C=30, max_iter=2000).fit(known, labels)
        scores = f1_score(wanted, nearest, average="macro"), f1_score(wanted, light.predict(asked), average="macro")
        seconds = time.perf_counter() - started
        print(f"{name}: nearest example macro F1 {scores[0]:.3f}, light classifier {scores[1]:.3f} ({seconds:.0f} s)")


def read_rows(file: Path) -> list[tuple[str, str]]:
    """(text, intent) of a file."""
    with file.open(newline="", encoding="utf-8") as lines:
        return [(row["text"], row.get("category") or row["label"]) for row in csv.DictReader(lines)]


def main() -> None:
    """One measurement."""
    app = application(Settings(keep_gaps=False))
    what = sys.argv[1] if len(sys.argv) > 1 else "sample"
    if what == "banking77":
        measure_banking(app, Path(sys.argv[2]), sys.argv[3:])
    elif what == "speed":
        measure_speed(app, int(sys.argv[2]))
    else:
        measure_sample(app)


if __name__ == "__main__":
    main()
