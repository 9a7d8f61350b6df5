"""How well cases are worked on: the sample company's 60, banking77's intents, and batches against one by one.

    expertloop ingest                                    # data/documents, into EXPERTLOOP_HOME
    .venv/bin/python bench/cases.py sample               # decisions, routes, wrong replies; risk and coverage
    .venv/bin/python bench/cases.py speed 1              # cases a minute one by one; then: speed 16
    .venv/bin/python bench/cases.py queue 10000 30       # so many, for so many minutes; kill -9 in the middle
    .venv/bin/python bench/cases.py outbox 2000 1        # so many messages of so many customers
    .venv/bin/python bench/cases.py banking77 ../shared/data/banking77 minilm use
    .venv/bin/python bench/cases.py complaints ../shared/data/cfpb_complaints minilm use

A light classifier is logistic regression on sentence vectors; the packaged encoders are not trained.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from typing import Any

import numpy as np
import psutil

from tasks.case_models import Case, CaseState, Decision, HandledCase, Outcome
from tasks.cases.classify import READ_CHARACTERS, Classifier
from tasks.cases.collect import Collector, StayingCases, keep_cases
from tasks.cases.handle import CaseHandler, CasePorts, make_message
from tasks.cases.outbox import deliver_messages
from tasks.cases.process import load_process
from tasks.models import EmbedderSpec, hash_text
from tasks.ports import Embedder
from tasks.settings import Settings
from tasks.wiring import Application, application

Labelled = tuple[str, str]
"""A text and its label."""
CASES = Path("data/cases")
SHOWN = 256
"""Cases between two lines of a long run: whole batches."""


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
    """In a process of its own, twice: models are loaded and sentences of documents read first, then they are known."""
    sample = read_sample(app)
    for what in ("new", "known"):
        handler, started = open_handler(app), time.perf_counter()
        done = len(list(handler.work_through(StayingCases(lambda: iter(sample)), batch=batch)))
        pace = done * 60 / (time.perf_counter() - started)
        print(f"{batch} at once, documents {what}: {pace:.1f} cases a minute", flush=True)


def write_queue(app: Application, file: Path, count: int) -> None:
    """The sample's cases again and again: other ids, customers and questions each time, so that nothing is known."""
    sample = read_sample(app)
    with file.open("w", encoding="utf-8") as lines:
        for number in range(count):
            case, letters = sample[number % len(sample)], "".join(chr(65 + int(one)) for one in f"{number:05d}")
            body = case.body.replace("?", f" (ref {letters})?") + f"\n\nref {letters}"
            row = {"id": f"q-{number}", "from": f"{number % 997}.{case.sender}", "subject": case.subject, "body": body}
            lines.write(json.dumps(row | {"groups": case.groups}) + "\n")


def measure_queue(app: Application, count: int, minutes: float) -> None:
    """Half of the time, kill -9, the other half: pace, memory, and whether a case or message is missing or double."""
    file, tenant = app.settings.home / "queue.jsonl", app.settings.tenant
    write_queue(app, file, count)
    collector, started = app.open_collector(app.load_process("tickets")), time.perf_counter()
    kept = keep_cases(StayingCases(lambda: collector.read_path(file)), app.cases)
    print(f"{kept} cases queued in {time.perf_counter() - started:.0f} s")
    for _ in range(2):
        work_for(file, minutes * 30, app.cases.count_cases(tenant, CaseState.HANDLED))
    handled = app.cases.list_cases(tenant, states=[CaseState.HANDLED], limit=count)
    waiting, replies = app.cases.count_cases(tenant, CaseState.WAITING), sum(bool(one.outcome.reply) for one in handled)  # type: ignore[union-attr]
    messages = app.outbox.count_waiting(tenant, ("reply", "draft", "correction"))
    print(f"{len(handled)} handled and {waiting} wait, of {count}; {replies} have a reply, {messages} messages wait")


def work_for(file: Path, seconds: float, known: int) -> None:
    """`cases run` in a process of its own, killed after a time; the clock runs from the first case that was waiting."""
    command = [str(Path(sys.executable).with_name("expertloop")), "cases", "run", str(file), "--no-send", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        killer, process, before = Timer(seconds, child.kill), psutil.Process(child.pid), (0.0, 0.0)
        killer.start()
        for number, _ in enumerate(child.stdout or (), start=-known):
            if number < 0 or number % SHOWN:
                continue
            with suppress(psutil.NoSuchProcess):  # it was killed, and had printed more than was read
                now, megabytes = (time.perf_counter(), process.cpu_times().user), process.memory_info().rss / 1e6
                pace = [SHOWN * 60 / (now[0] - before[0]), (now[1] - before[1]) * 1000 / SHOWN] if number else [0, 0]
                print(
                    f"{known + number}: {pace[0]:.0f} a minute, {pace[1]:.0f} ms of processor each, {megabytes:.0f} MB"
                )
                before = now
        killer.cancel()
    print(f"ended with {child.returncode}")


def measure_outbox(count: int, customers: int) -> None:
    """So many messages of so many customers, from SQLite into a folder."""
    with TemporaryDirectory() as home:
        app, now = application(Settings(home=Path(home))), datetime.now(UTC)
        rows = ({"id": f"o-{one}", "from": f"{one % customers}@bench.example", "text": "?"} for one in range(count))
        cases = list(app.open_collector(app.load_process("tickets")).read_rows(enumerate(rows), "bench"))
        outcome = Outcome(
            route="other", route_confidence=1, urgency="normal", language="en", decision=Decision.AUTO_REPLY,
            reason="", confidence=1, reply="Yes.",
        )  # fmt: skip
        app.cases.receive_cases(cases, now)
        messages = [message for case in cases if (message := make_message(case, outcome))]
        app.cases.finish_cases([(case, outcome) for case in cases], messages, now)
        started = time.perf_counter(), time.process_time()
        report = deliver_messages(app.outbox, app.deliverer, app.settings.tenant)
        spent = time.perf_counter() - started[0], time.process_time() - started[1]
        print(f"{report.delivered} of {customers} customers: {spent[0]:.1f} s, {spent[1]:.1f} s of processor")


def measure_banking(app: Application, folder: Path, names: Sequence[str]) -> None:
    """77 intents."""
    train, test = (read_rows(folder / name) for name in ("train.csv", "test.csv"))
    for name in names:
        print(f"{name}: {score_trained(app.embedder(EmbedderSpec(name=name)), train, test)}")


def score_trained(embedder: Embedder, train: Sequence[Labelled], test: Sequence[Labelled]) -> str:
    """What the labels of the training part are worth: of the nearest example, and of a light classifier."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score

    started = time.perf_counter()
    known, asked = (embedder.embed_queries([text for text, _ in rows]) for rows in (train, test))
    labels, wanted = np.array([label for _, label in train]), [label for _, label in test]
    nearest = labels[(asked @ known.T).argmax(axis=1)]
    light = LogisticRegression(C=30, max_iter=2000).fit(known, labels).predict(asked)
    scores = [f1_score(wanted, found, average="macro") for found in (nearest, light)]
    seconds = time.perf_counter() - started
    return f"nearest example macro F1 {scores[0]:.3f}, light classifier {scores[1]:.3f} ({seconds:.0f} s)"


def measure_complaints(app: Application, folder: Path, names: Sequence[str]) -> None:
    """Routes by product, with the definition alone and with what half of the complaints teach; issues with the latter.

    The halves are drawn by a hash of the complaint. Its three money transfers are left out, and issues with fewer than
    twenty complaints: one of two test cases would decide a class's F1.
    """
    from sklearn.metrics import classification_report, f1_score

    complaints = read_complaints(folder / "complaints.jsonl")
    products = [(one["narrative"], route) for one in complaints if (route := find_route(one["product"]))]
    counts = Counter(one["issue"] for one in complaints)
    issues = [(one["narrative"], one["issue"]) for one in complaints if counts[one["issue"]] >= 20]
    process = load_process(Path("bench/processes/complaints"))
    collector, (train, test) = Collector("default", process), halve(products)
    cases, wanted = [collector.make_record({"text": text}, "bench") for text, _ in test], [label for _, label in test]
    for name in names:
        embedder = app.embedder(EmbedderSpec(name=name))
        found = [one.route for one in Classifier(process, embedder).classify(cases)]
        print(f"{name}: {len(train)} to learn from, {len(test)} held out")
        print(f"products, definition alone: macro F1 {f1_score(wanted, found, average='macro'):.3f}")
        print(classification_report(wanted, found, digits=3))
        print(f"products, taught: {score_trained(embedder, train, test)}")
        print(f"{len({issue for _, issue in issues})} issues, taught: {score_trained(embedder, *halve(issues))}")


def halve(rows: Sequence[Labelled]) -> tuple[list[Labelled], list[Labelled]]:
    """To learn from, and held out; each read as far as the classifier reads."""
    halves: tuple[list[Labelled], list[Labelled]] = [], []
    for text, label in rows:
        halves[int(hash_text(text), 16) % 2].append((text[:READ_CHARACTERS], label))
    return halves


def find_route(product: str) -> str | None:
    """The route of a product, whose names the bureau changed over the years."""
    return next((route for route in ("card", "loan", "account") if route in product), None)


def read_complaints(file: Path) -> list[dict[str, str]]:
    """Every complaint once: some were sent twice."""
    return list({one["narrative"]: one for one in map(json.loads, file.read_text().splitlines())}.values())


def read_rows(file: Path) -> list[Labelled]:
    """(text, intent) of a file."""
    with file.open(newline="", encoding="utf-8") as lines:
        return [(row["text"], row.get("category") or row["label"]) for row in csv.DictReader(lines)]


def main() -> None:
    """One measurement."""
    app = application(Settings(keep_gaps=False))
    what = sys.argv[1] if len(sys.argv) > 1 else "sample"
    if what == "banking77":
        measure_banking(app, Path(sys.argv[2]), sys.argv[3:])
    elif what == "outbox":
        measure_outbox(int(sys.argv[2]), int(sys.argv[3]))
    elif what == "queue":
        measure_queue(app, int(sys.argv[2]), float(sys.argv[3]))
    elif what == "complaints":
        measure_complaints(app, Path(sys.argv[2]), sys.argv[3:])
    elif what == "speed":
        measure_speed(app, int(sys.argv[2]))
    else:
        measure_sample(app)


if __name__ == "__main__":
    main()
