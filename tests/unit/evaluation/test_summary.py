"""A run in one object, and two runs side by side."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.answer_models import Answer, Question, Timings
from tasks.evaluation.judge import Judge
from tasks.evaluation.summary import ANSWER_METRICS, COMPARED, compare_runs, pair_results, summarise
from tasks.evaluation_models import JudgedAnswer
from tests.unit.evaluation.cases import LIBRARY, TEXTS, Texts, make_answer, make_hit, make_question, refuse

ANSWERS = (
    make_answer("3.0 m [1]", ("a", "Pump P7 lifts 3.0 m."), timings=Timings(total_seconds=1)),
    make_answer("At the gate [1]", ("c", "Visitors sign in at the gate."), timings=Timings(total_seconds=3)),
    refuse(),
)
KNOWN: tuple[dict[str, object], ...] = (
    {"answers": ["3.0 m"], "documents": ["a.txt"], "language": "en", "kind": "number"},
    {"answerable": False, "language": "de"},
    {"documents": ["c.html"]},
    {},
)
HITS = [make_hit(1, "a", TEXTS["a"])]
RESULTS = st.lists(st.tuples(st.sampled_from(range(4)), st.sampled_from(ANSWERS)), max_size=12)


def judge(number: int, known: int, answer: Answer) -> JudgedAnswer:
    gold = make_question(id=str(number), **KNOWN[known])
    return Judge(LIBRARY, Texts(), depth=10).judge(gold, Question(text=gold.text), HITS, answer)


def judge_all(cases: list[tuple[int, Answer]]) -> list[JudgedAnswer]:
    return [judge(number, known, answer) for number, (known, answer) in enumerate(cases)]


def test_a_summary_has_every_metric_and_none_where_nothing_can_be_judged() -> None:
    summary = summarise(judge_all([(3, ANSWERS[0])]))
    assert set(summary["retrieval"].values()) == {None}
    judged = {name for name, value in summary["answers"].items() if value is not None}
    assert judged == {
        *("supported", "answered_share", "generated_share", "extractive_share", "none_share"),
        *("prompt_tokens", "completion_tokens"),
    }
    assert set(summary["answers"]) == set(ANSWER_METRICS)
    assert summarise([])["latency"] == {"p50_seconds": None, "p95_seconds": None}


def test_figures_are_those_that_a_person_counts() -> None:
    cases = [(0, ANSWERS[0]), (0, ANSWERS[1]), (0, ANSWERS[2]), (1, ANSWERS[1]), (1, ANSWERS[2])]
    summary = summarise(judge_all(cases))
    answers = summary["answers"]
    assert summary["questions"] == 5
    assert summary["retrieval"]["hit@1"] == 1
    assert (answers["answered_share"], answers["answered_of_answerable"]) == (0.6, 0.666667)
    assert answers["wrong_among_answered"] == 0.666667
    assert (answers["refusal_recall"], answers["refusal_precision"]) == (0.5, 0.5)
    assert (answers["citation_precision"], answers["contains_gold"]) == (0.5, 0.333333)
    assert summary["outcomes"] == {
        "right": 1, "wrong": 2, "refused rightly": 1, "refused wrongly": 1, "not judged": 0,
    }  # fmt: skip
    assert summary["latency"] == {"p50_seconds": 1.0, "p95_seconds": 3.0}
    assert {name: group["questions"] for name, group in summary["by_language"].items()} == {"de": 2, "en": 3}
    assert set(summary["by_kind"]) == {"number"}
    assert set(summary["by_document_type"]) == {"txt"}


@given(cases=RESULTS, data=st.data())
@settings(max_examples=30)
def test_the_order_of_questions_does_not_matter_and_shares_are_between_0_and_1(
    cases: list[tuple[int, Answer]], data: st.DataObject
) -> None:
    results = judge_all(cases)
    summary = summarise(results)
    assert summarise(data.draw(st.permutations(results))) == summary
    assert json.loads(json.dumps(summary)) == summary
    shares = {**summary["retrieval"], **summary["answers"]}
    assert all(value is None or 0 <= value <= 1 for name, value in shares.items() if not name.endswith("_tokens"))
    assert sum(summary["outcomes"].values()) == len(cases)


def test_runs_are_compared_over_the_questions_they_share() -> None:
    before = judge_all([(0, ANSWERS[1])] * 30)
    after = judge_all([(0, ANSWERS[0])] * 20)
    other = judge(0, 0, ANSWERS[0])
    foreign = other.model_copy(update={"question": other.question.model_copy(update={"text": "Another question?"})})
    assert len(pair_results(before, after)) == 20
    assert pair_results(before, [foreign]) == []
    found = compare_runs(before, after, resamples=200)
    assert set(found) == set(COMPARED)
    assert found["contains_gold"].difference == 1
    # All 20 questions are about one document: nothing else can be drawn, and one document decides nothing.
    assert (found["contains_gold"].low, found["contains_gold"].high) == (1, 1)
    assert found["contains_gold"].verdict == "undecided"
    assert found["wrong_among_answered"].difference == -1
    assert found["refusal_recall"].difference is None
    assert found["answered_share"].verdict == "neither"
