"""Signals, confidence and thresholds."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.answer_models import Calibration, Generation, OperatingPoint
from tasks.answering.confidence import choose_threshold, estimate_confidence, measure_signals, read_shipped
from tasks.answering.context import list_quotables
from tasks.answering.extract import rank_quotables
from tasks.answering.words import Stems
from tasks.models import Hit
from tests.fakes.passage_reader import FakePassageReader

QUESTION = "How many days of annual leave do I get?"


def measure(
    *texts: str, question: str = QUESTION, language: str = "en", generation: Generation | None = None
) -> dict[str, float]:
    reader = FakePassageReader()
    hits = [
        Hit(
            rank=place + 1,
            score=1 - place / 10,
            dense_score=0.6 - place / 10,
            keyword_score=9.0 - place,
            passage=passage,
        )
        for place, text in enumerate(texts)
        for passage in reader.add_document(f"{place}.md", [text])
    ]
    stems = Stems(language)
    ranked = rank_quotables([question], list_quotables(hits), stems)
    return measure_signals([question], hits, ranked, stems, generation=generation, supported_share=0.5)


def calibrate(weights: dict[str, float], *curve: OperatingPoint) -> Calibration:
    return Calibration(
        name="test",
        weights=weights,
        bias=0.0,
        curve=curve,
        questions=10,
        expected_error=0.0,
        fitted_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_a_passage_that_says_what_is_asked_has_stronger_signals_than_one_that_does_not() -> None:
    answers = measure("Everyone gets 30 days of annual leave.", "Trains are booked in second class.")
    other = measure("Trains are booked in second class.", "Flights need approval.")
    assert answers["passage_coverage"] > other["passage_coverage"]
    assert answers["sentence_score"] > other["sentence_score"]
    assert (answers["sides_agree"], answers["generated"], answers["logprob"]) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("question", "language", "share"),
    [
        ("How many litres does the Orbita 100 deliver?", "en", 0.5),
        ("How many litres does the Orbita 40 deliver?", "en", 1.0),
        ("How do I connect the pump to HomeKit?", "en", 0.0),
        ("How much does it deliver?", "en", 1.0),
        ("Was kostet die Orbita 100?", "de", 0.0),
    ],
)
def test_names_and_numbers_of_the_question_that_the_passage_lacks_are_a_signal(
    question: str, language: str, share: float
) -> None:
    text = "The Orbita 40 delivers 1,200 litres an hour."
    assert measure(text, question=question, language=language)["names_held"] == share


def test_words_of_the_question_that_no_passage_has_are_a_signal() -> None:
    texts = "The Orbita 40 delivers 1,200 litres.", "Trains are booked in second class."
    assert measure(*texts, question="Which trains deliver litres?")["found_coverage"] == 1.0
    assert measure(*texts, question="Which planes deliver litres?")["found_coverage"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("text", "held"),
    [("Everyone gets 30 days of annual leave.", 1.0), ("Annual leave is agreed with the head of the team.", 0.0)],
)
def test_that_a_quotation_lacks_the_kind_of_value_that_is_asked_for_is_a_signal(text: str, held: float) -> None:
    assert measure(text)["asked_held"] == held
    assert measure(text, question="Who decides on annual leave?")["asked_held"] == 1.0


def test_what_the_model_said_of_its_own_text_is_a_signal() -> None:
    generation = Generation(text="30 days", prompt_tokens=9, completion_tokens=2, mean_logprob=-0.25)
    signals = measure("Everyone gets 30 days of annual leave.", generation=generation)
    assert (signals["generated"], signals["logprob"], signals["supported_share"]) == (1.0, -0.25, 0.5)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_confidence_is_a_probability_and_follows_its_signal(one: float, other: float) -> None:
    calibration = calibrate({"told": 2.0})
    low, high = sorted((one, other))
    assert 0 <= estimate_confidence({"told": low}, calibration) <= estimate_confidence({"told": high}, calibration) <= 1


def test_a_signal_that_a_calibration_does_not_know_changes_nothing() -> None:
    assert estimate_confidence({"new": 5.0}, calibrate({"told": 1.0})) == 0.5


@pytest.mark.parametrize(("max_error", "threshold"), [(0.5, 0.1), (0.1, 0.4), (0.05, 0.8), (0.001, 1.0)])
def test_the_threshold_answers_as_much_as_the_wished_error_allows(max_error: float, threshold: float) -> None:
    curve = OperatingPoint(0.1, 1.0, 0.4), OperatingPoint(0.4, 0.7, 0.08), OperatingPoint(0.8, 0.3, 0.02)
    assert choose_threshold(calibrate({}, *curve), max_error) == threshold


def test_the_shipped_calibration_knows_our_signals_and_says_that_it_is_shipped() -> None:
    shipped = read_shipped()
    assert shipped.name == "shipped"
    assert set(shipped.weights) == set(measure("Everyone gets 30 days of annual leave."))
    assert all(math.isfinite(weight) for weight in shipped.weights.values())
    assert [point.threshold for point in shipped.curve] == sorted(point.threshold for point in shipped.curve)
