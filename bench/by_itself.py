"""What Prefect costs: from an event to a training's start, and a flow run around one answer.

    python bench/by_itself.py [--rounds 5]

Everything runs as `expertloop up` starts it, on a real Prefect server. An event starts an empty flow and one starts a
training, in turns, on the same pool; of the training the begin of its first step counts, when the pairs are counted,
the dataset is made and the device is held. Then the same questions are answered in a process that has everything
loaded, over HTTP, and by a run of the deployment `answer/answer`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from expertloop import Client, answer_question
from tasks.integrations.processor import describe_processor
from tasks.settings import Settings
from tests.e2e.loop_company import Company, found_company
from tests.e2e.running import Up, running_up
from tests.fakes.tiny_models import save_tiny_phi

EMPTY, RETRAIN, ANSWER = "empty/on-event", "retrain-when-ready/retrain-on-event", "answer/answer"
EVENT = "expertloop.bench.nothing"
POOL = "expertloop-gpu"
QUESTIONS = (
    "What is the emergency number?",
    "How do I install the VPN?",
    "What is new in the gateway's firmware?",
    "How is the dose calculated?",
    "What happens in the first week of a new employee?",
)


def main() -> None:
    """Run both parts, print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(describe_processor(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        model = save_tiny_phi(Path(folder) / "phi")
        company = found_company(Path(folder), model, rounds=rounds)
        with running_up(company.shell, "--file", company.schedule) as up:
            deploy_empty_flow(up)
            waits = [(time_empty_flow(up), time_training(up, company, number)) for number in range(rounds)]
            report_waits(*zip(*waits, strict=True))
            report_answers(time_answers(up, company))


def deploy_empty_flow(up: Up) -> None:
    """On the trainings' pool, begun by an event of its own: by Prefect's API, since `deploy` takes ours alone."""
    name, place = EMPTY.split("/")
    flow = up.ask_prefect("flows/", name=name)
    runs = {"entrypoint": "bench.empty_flow.empty", "work_pool_name": POOL}
    made = up.ask_prefect("deployments/", name=place, flow_id=flow["id"], **runs)
    trigger = {"type": "event", "expect": [EVENT], "posture": "Reactive", "threshold": 1, "within": 0}
    action = {"type": "run-deployment", "source": "selected", "deployment_id": made["id"]}
    up.ask_prefect("automations/", name="bench: nothing", trigger=trigger, actions=[action])


def time_empty_flow(up: Up) -> float:
    """Seconds from an event to the flow's first line."""
    before = count_runs(up, EMPTY)
    sent = time.time()
    up.send_event(EVENT)
    run = wait_for_run(up, EMPTY, before)
    return read_seconds(run) - sent


def time_training(up: Up, company: Company, number: int) -> float:
    """Seconds from an event to the training itself; waits for its end."""
    company.import_pairs(company.shell, number)
    before = count_runs(up, RETRAIN)
    sent = time.time()
    up.send_event("expertloop.pairs.threshold-reached", scope="everyone")
    run = wait_for_run(up, RETRAIN, before)
    steps = up.ask_prefect("task_runs/filter", flow_runs={"id": {"any_": [run["id"]]}})
    (step,) = [one for one in steps if one["name"].startswith("train_candidate")]
    return read_seconds(step) - sent


def count_runs(up: Up, deployment: str) -> int:
    """How many a deployment has had."""
    return len(list_runs(up, deployment))


def list_runs(up: Up, deployment: str) -> list[dict[str, Any]]:
    """The newest first."""
    wanted = {"id": {"any_": [up.find_deployment(deployment)]}}
    return list(up.ask_prefect("flow_runs/filter", deployments=wanted, sort="EXPECTED_START_TIME_DESC"))


def wait_for_run(up: Up, deployment: str, before: int) -> dict[str, Any]:
    """The next one, once it has ended well."""

    def look() -> dict[str, Any] | None:
        runs = list_runs(up, deployment)
        return runs[0] if len(runs) > before and runs[0]["end_time"] else None

    run: dict[str, Any] = up.wait_until(look, f"the end of a run of {deployment}")
    assert run["state_type"] == "COMPLETED", run["state"]
    return run


def read_seconds(run: Mapping[str, Any]) -> float:
    """When it began."""
    return datetime.fromisoformat(run["start_time"]).timestamp()


def report_waits(empty: tuple[float, ...], training: tuple[float, ...]) -> None:
    """Medians and their difference."""
    beyond = statistics.median(training) - statistics.median(empty)
    print(f"event to an empty flow, s: median {statistics.median(empty):.1f} of {sorted(round(s, 1) for s in empty)}")
    print(f"event to training, s: median {statistics.median(training):.1f} of {sorted(round(s, 1) for s in training)}")
    print(f"beyond Prefect's own time: {beyond:.1f} s (goal 10)", flush=True)


def time_answers(up: Up, company: Company) -> dict[str, list[float]]:
    """Seconds of each question, a way each; the first question of a way loads what it needs and does not count."""
    with Client(up.address, company.key) as client:
        ways: dict[str, Callable[[str], object]] = {
            "in process": answer_in_process(up),
            "over HTTP": client.answer,
            "by a flow run": lambda question: answer_by_flow(up, client, question),
        }
        for answer in ways.values():
            answer("Is anybody there?")
        return {way: [measure(partial(answer, question)) for question in QUESTIONS] for way, answer in ways.items()}


def answer_in_process(up: Up) -> Callable[[str], object]:
    """As code does that runs where the documents are."""
    os.environ.update(
        {name: value for name, value in up.shell.environment().items() if name.startswith(("EXPERTLOOP_", "PREFECT_"))}
    )
    settings = Settings()
    return lambda question: answer_question(question, settings=settings)


def answer_by_flow(up: Up, client: Client, question: str) -> object:
    """Store it, run the deployment, fetch the answer."""
    run = up.start_run(ANSWER, question_id=(question_id := client.submit(question)))
    up.finish_run(run)
    return client.fetch(question_id)


def measure(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def report_answers(seconds: Mapping[str, list[float]]) -> None:
    """Medians, beside the first way's."""
    least = statistics.median(next(iter(seconds.values())))
    for way, times in seconds.items():
        median = statistics.median(times)
        print(f"answer {way}: median {median:.3f} s, {median - least:+.3f} s")


if __name__ == "__main__":
    main()
