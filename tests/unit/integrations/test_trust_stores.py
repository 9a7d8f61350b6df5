"""Gaps and calibrations in the database, and vectors that are remembered."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from tasks.answer_models import Answer, Calibration, CalibrationKey, OperatingPoint, Silence
from tasks.errors import ConfigurationError
from tasks.integrations.database.calibrations import DatabaseCalibrations
from tasks.integrations.database.engine import Database
from tasks.integrations.database.gaps import DatabaseGaps
from tasks.integrations.remembering import RememberingEmbedder
from tests.fakes.embedder import FakeEmbedder


def silence(question: str, reason: Silence = Silence.LOW_CONFIDENCE) -> Answer:
    return Answer(question=question, text="I do not know", abstained=True, reason=reason, sources=("file:///a.md",))


def test_only_abstained_questions_become_gaps_and_the_most_asked_is_first(database: Database) -> None:
    gaps = DatabaseGaps(database)
    gaps.record_answers("default", [silence("Who?"), silence("Where is the canteen?"), Answer(question="x", text="y")])
    gaps.record_answers("default", [silence("where is  the canteen", Silence.NOTHING_FOUND), silence("  ")])
    first, second = gaps.list_gaps("default")
    assert (first.question, first.asked, first.reason, first.language) == (
        "where is  the canteen",
        2,
        Silence.NOTHING_FOUND,
        "en",
    )
    assert first.first_asked <= first.last_asked
    assert (second.question, second.sources) == ("Who?", ("file:///a.md",))
    assert gaps.count_gaps("default") == 2
    assert gaps.list_gaps("other") == []


def test_a_closed_gap_is_gone_until_it_is_asked_again(database: Database) -> None:
    gaps = DatabaseGaps(database)
    gaps.record_answers("default", [silence("Who?")])
    (gap,) = gaps.list_gaps("default")
    with pytest.raises(ConfigurationError, match="no open gap"):
        gaps.close_gap("other", gap.gap_id)
    gaps.close_gap("default", gap.gap_id)
    assert gaps.list_gaps("default") == []
    with pytest.raises(ConfigurationError, match="no open gap"):
        gaps.close_gap("default", gap.gap_id)
    gaps.record_answers("default", [silence("Who?")])
    assert [one.asked for one in gaps.list_gaps("default")] == [2]


def test_a_calibration_holds_for_its_collection_and_generator_alone(database: Database) -> None:
    store = DatabaseCalibrations(database)
    key = CalibrationKey(collection="C", generator="g@1")
    calibration = Calibration(
        name="first",
        weights={"fused": 1.5},
        bias=-1.0,
        curve=(OperatingPoint(0.5, 0.5, 0.1),),
        questions=100,
        expected_error=0.02,
        fitted_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    store.write_calibration(key, calibration)
    store.write_calibration(key, calibration.model_copy(update={"name": "second"}))
    found = store.read_calibration(key)
    assert found == calibration.model_copy(update={"name": "second"})
    assert store.read_calibration(key.model_copy(update={"generator": "g@2"})) is None
    assert store.read_calibration(key.model_copy(update={"adapter": "a"})) is None


def test_a_remembered_text_is_embedded_once_and_equal() -> None:
    plain, inner = FakeEmbedder(), FakeEmbedder()
    embedder = RememberingEmbedder(inner, most=3)
    texts = ["one pump", "two pumps", "one pump"]
    np.testing.assert_array_equal(embedder.embed_documents(texts), plain.embed_documents(texts))
    assert inner.embedded == 2
    np.testing.assert_array_equal(embedder.embed_documents(texts), plain.embed_documents(texts))
    assert inner.embedded == 2
    assert embedder.embed_documents([]).shape == (0, plain.identity.dimension)


def test_the_least_used_text_is_forgotten_first() -> None:
    inner = FakeEmbedder()
    embedder = RememberingEmbedder(inner, most=2)
    for text in ("a", "b", "a", "c", "a"):
        embedder.embed_documents([text])
    assert inner.embedded == 3
    embedder.embed_documents(["b"])
    assert inner.embedded == 4


def test_more_texts_than_are_remembered_are_all_returned() -> None:
    texts = [f"text {number}" for number in range(9)]
    embedder = RememberingEmbedder(FakeEmbedder(), most=2)
    np.testing.assert_array_equal(embedder.embed_documents(texts), FakeEmbedder().embed_documents(texts))
