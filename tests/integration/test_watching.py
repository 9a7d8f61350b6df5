"""What those who watch are told: the same numbers by /metrics and one by one, from the real server and database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from expertloop.server.backlog import REMEMBERED_SECONDS, BacklogCollector
from expertloop.server.metrics import Metrics
from tasks.answer_models import Answer, Silence, Timings
from tasks.case_models import Case, Decision, Outcome
from tasks.errors import BackendUnavailable
from tasks.integrations.database.backlog import read_backlog
from tasks.integrations.database.cases import DatabaseCases
from tasks.integrations.database.engine import Database
from tasks.telemetry_models import Backlog, Decided, Waiting

NOW = datetime.now(UTC)
OUTCOME = Outcome(
    route="other",
    route_confidence=1,
    urgency="normal",
    language="en",
    decision=Decision.ESCALATE,
    reason="a person must look",
    confidence=1,
)


def make_case(number: int, tenant: str = "default") -> Case:
    return Case(case_id=f"{tenant}-{number}", id=str(number), process="claims", tenant=tenant, body="hail")


def read(metrics: Metrics) -> dict[str, float]:
    """Every measurement by name and labels."""
    return {
        f"{one.name}{sorted(point.labels.values()) if point.labels else ''}": point.value
        for one in metrics.measure()
        for point in one.points
    }


def test_the_database_says_what_waits_and_what_was_decided(database: Database) -> None:
    store = DatabaseCases(database)
    store.receive_cases([make_case(1)], NOW - timedelta(hours=2))
    store.receive_cases([make_case(2), make_case(3), make_case(1, "acme")], NOW)
    store.finish_cases([(make_case(3), OUTCOME)], [], NOW)
    assert read_backlog(database, "default") == Backlog(
        waiting=(Waiting(process="claims", cases=2, oldest_at=NOW - timedelta(hours=2)),),
        decided=(Decided(process="claims", decision=Decision.ESCALATE, cases=1),),
    )


def test_the_age_of_the_oldest_case_is_told() -> None:
    waiting = Waiting(process="claims", cases=2, oldest_at=datetime.now(UTC) - timedelta(hours=2))
    told = read(Metrics(lambda: Backlog(waiting=(waiting,), messages_waiting=3, adapters={"rejected": 1})))
    assert told["expertloop_oldest_waiting_case_seconds['claims']"] == pytest.approx(7200, abs=60)
    assert told["expertloop_cases_waiting['claims']"] == 2
    assert (told["expertloop_messages_waiting"], told["expertloop_adapters['rejected']"]) == (3, 1)
    assert told["expertloop_database_up"] == 1


def test_a_database_that_is_down_is_told_and_breaks_no_other_number() -> None:
    def fail() -> Backlog:
        raise BackendUnavailable("the database does not answer", advice="")

    metrics = Metrics(fail)
    metrics.generator_failures.inc()
    told = read(metrics)
    assert (told["expertloop_database_up"], told["expertloop_generator_failures"]) == (0, 1)
    assert not any(name.startswith("expertloop_messages_waiting") for name in told)


def test_many_who_look_do_not_make_the_database_count_each_time() -> None:
    asked: list[float] = []
    now = [0.0]

    def count() -> Backlog:
        asked.append(now[0])
        return Backlog()

    collector = BacklogCollector(count, clock=lambda: now[0])
    for now[0] in (0.0, REMEMBERED_SECONDS - 1, REMEMBERED_SECONDS + 1):
        list(collector.collect())
    assert asked == [0.0, REMEMBERED_SECONDS + 1]


def test_an_answer_is_counted_with_its_tokens_and_the_parts_of_its_time() -> None:
    metrics = Metrics()
    times = Timings(search_seconds=0.25, generate_seconds=2, total_seconds=2.5)
    given = Answer(question="q", text="a", mode="generated", timings=times, prompt_tokens=600, completion_tokens=40)
    silent = Answer(question="q", text="…", abstained=True, reason=Silence.NOTHING_FOUND)
    metrics.count_answers([given, silent])
    told = read(metrics)
    assert (told["expertloop_tokens['prompt']"], told["expertloop_tokens['completion']"]) == (600, 40)
    assert [told[f"expertloop_answer_seconds_{what}['generate']"] for what in ("sum", "count")] == [2, 2]
    assert told[f"expertloop_answers{sorted(['none', Silence.NOTHING_FOUND.value])}"] == 1


def test_what_is_measured_one_by_one_is_what_metrics_shows() -> None:
    metrics = Metrics(Backlog)
    metrics.count_request(method="GET", route="/healthz", status=200, seconds=0.5)
    shown = metrics.render().decode()
    for one in metrics.measure():
        suffix = "_total" if f"# TYPE {one.name}_total counter" in shown else ""
        assert not one.points or f"\n{one.name}{suffix}" in shown, one.name


def test_a_name_is_known_before_there_is_anything_to_count() -> None:
    """Who is told by name asks once, at the start."""
    first = {one.name for one in Metrics(Backlog).measure()}
    assert {"expertloop_answers", "expertloop_answer_seconds_sum", "expertloop_cases_waiting"} <= first
