"""One answer judged: right, wrong, refused, and what cannot be said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.answer_models import Answer, Question, Timings
from tasks.evaluation.judge import Judge, carries_marks
from tasks.evaluation_models import JudgedAnswer
from tests.unit.evaluation.cases import LIBRARY, TEXTS, Texts, make_answer, make_hit, make_question, refuse

RIGHT = make_answer("Pump P7 lifts 3.0 m. [1]", ("a", "Pump P7 lifts 3.0 m."))
MISSED = make_answer("Visitors sign in. [1]", ("c", "Visitors sign in at the gate."))
HITS = [make_hit(1, "c", TEXTS["c"]), make_hit(2, "a", "Pump P7 lifts 3.0 m.", duplicates=("b",))]


def judge(answer: Answer, **known: Any) -> JudgedAnswer:
    gold = make_question(**known)
    return Judge(LIBRARY, Texts(), depth=10).judge(gold, Question(text=gold.text), HITS, answer)


def scores(answer: Answer, **known: Any) -> dict[str, float]:
    return {name: share.part / share.whole for name, share in judge(answer, **known).scores.items()}


@pytest.mark.parametrize(
    ("answer", "known", "outcome"),
    [
        (RIGHT, {"answers": ["3 m", "3.0 m"]}, "right"),
        (RIGHT, {"answers": ["4 m"]}, "wrong"),
        (RIGHT, {"answers": ["vier Meter"], "gold_sentence": "Pump P7 lifts 3.0 m."}, "right"),
        (RIGHT, {"answers": ["3.0 m"], "documents": ["c.html"]}, "right"),
        (RIGHT, {"documents": ["a.txt"]}, "right"),
        (RIGHT, {"documents": ["b"]}, "right"),
        (RIGHT, {"documents": ["c.html"]}, "wrong"),
        (RIGHT, {"documents": ["absent.pdf"]}, "wrong"),
        (RIGHT, {"answerable": False}, "wrong"),
        (RIGHT, {"answerable": False, "answers": ["3.0 m"]}, "wrong"),
        (RIGHT, {"answerable": True}, "not judged"),
        (RIGHT, {}, "not judged"),
        (refuse(), {"answerable": False}, "refused rightly"),
        (refuse(), {"answers": ["3.0 m"]}, "refused wrongly"),
        (refuse(), {}, "not judged"),
    ],
)
def test_the_outcome_says_what_became_of_a_question(answer: Answer, known: dict[str, Any], outcome: str) -> None:
    assert judge(answer, **known).outcome == outcome


def test_a_perfect_answer_scores_1_everywhere() -> None:
    perfect = make_answer("Pump P7 lifts 3.0 m. [1]", ("a", "Pump P7 lifts 3.0 m."), timings=Timings(total_seconds=2))
    gold = make_question(answers=["The pump P7 lifts 3.0 m", "Pump P7 lifts 3.0 m"], documents=["a.txt"])
    hits = [make_hit(1, "a", TEXTS["a"])]
    found = Judge(LIBRARY, Texts(), depth=10).judge(gold, Question(text=gold.text), hits, perfect)
    shares = {name: share.part / share.whole for name, share in found.scores.items()}
    good = (
        *("hit@1", "hit@5", "mrr", "ndcg@10", "em", "f1", "contains_gold", "text_contains_gold", "citation_precision"),
        *("citation_recall", "supported", "answered_share", "answered_of_answerable", "extractive_share"),
    )
    assert {name for name in good if shares[name] != 1} == set()
    assert (shares["wrong_among_answered"], shares["seconds"]) == (0, 2)
    assert (found.cluster, found.document_type, found.language) == (LIBRARY.work_of("a"), "txt", "en")


def test_what_nobody_knows_is_not_judged() -> None:
    assert set(scores(RIGHT)) == {
        *("supported", "answered_share", "generated_share", "extractive_share", "none_share"),
        *("prompt_tokens", "completion_tokens", "seconds"),
    }


def test_an_unanswerable_question_judges_silence_alone_not_retrieval() -> None:
    answered, refused = scores(RIGHT, answerable=False, documents=["a.txt"]), scores(refuse(), answerable=False)
    assert (answered["refusal_recall"], refused["refusal_recall"]) == (0, 1)
    assert refused["refusal_precision"] == 1
    assert {"hit@1", "em", "citation_precision", "refusal_precision"} & set(answered) == set()
    assert "wrong_among_answered" not in refused


def test_a_refusal_is_no_answer_whatever_words_it_has() -> None:
    found = scores(refuse(), answers=["3.0 m"], documents=["a.txt"])
    assert (found["em"], found["f1"], found["contains_gold"], found["text_contains_gold"]) == (0, 0, 0, 0)
    assert (found["refusal_precision"], found["answered_of_answerable"]) == (0, 0)
    assert {"supported", "citation_precision", "citation_recall", "wrong_among_answered"} & set(found) == set()


def test_citation_precision_counts_citations_and_recall_answers() -> None:
    answer = make_answer("3.0 m [1]\nSo [2]", ("a", "Pump P7 lifts 3.0 m."), ("c", "Visitors"))
    found = judge(answer, documents=["a.txt", "Title of file:///x/md/d.md"]).scores
    assert (found["citation_precision"].part, found["citation_precision"].whole) == (1, 2)
    assert (found["citation_recall"].part, found["citation_recall"].whole) == (1, 1)


def test_a_citation_of_the_same_text_elsewhere_lies_in_gold() -> None:
    assert scores(RIGHT, documents=["b.txt"])["citation_precision"] == 1
    assert scores(RIGHT, documents=["b.txt"])["mrr"] == 0.5


def test_an_ambiguous_gold_document_judges_nothing_and_an_absent_one_is_missed() -> None:
    ambiguous, absent = scores(RIGHT, documents=["same.txt"]), scores(RIGHT, documents=["absent.pdf"])
    assert {"hit@5", "mrr", "citation_precision", "wrong_among_answered"} & set(ambiguous) == set()
    assert (absent["hit@5"], absent["citation_precision"], absent["wrong_among_answered"]) == (0, 0, 1)
    assert judge(RIGHT, documents=["same.txt"]).outcome == "not judged"


@pytest.mark.parametrize(
    ("text", "quote", "supported"),
    [
        ("Pump P7 lifts 3.0 m. [1]", "Pump P7 lifts 3.0 m.", True),
        ("One. [1]\nTwo. [1]", "Pump P7", True),
        ("One. [1] Two.", "Pump P7", False),
        ("One. [1]\nTwo.", "Pump P7", False),
        ("One. [2]", "Pump P7", False),
        ("One.", "Pump P7", False),
        ("One. [1]", "not in the document", False),
    ],
)
def test_support_is_checked_against_the_document(text: str, quote: str, *, supported: bool) -> None:
    assert scores(make_answer(text, ("a", quote)))["supported"] == supported


def test_an_answer_without_citations_is_not_supported() -> None:
    assert scores(make_answer("It lifts 3.0 m."))["supported"] == 0


@given(lines=st.lists(st.sampled_from(["Word [1]", "Word [1][2]. ", "", " [2] "]), max_size=4))
def test_lines_that_all_end_in_known_marks_carry_marks(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert carries_marks(text, {1, 2}) == bool(text.strip())
    assert not carries_marks(f"{text}\nno mark", {1, 2})
