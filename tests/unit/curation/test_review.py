"""What people and documents do to pairs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.curation.review import Editor, approve_pair, edit_pair, quote_document, reanchor_pairs, reject_pair
from tasks.curation_models import Pair, PairState
from tasks.errors import ConfigurationError
from tests.fakes.curation import CuratedWorld
from tests.fakes.pairs import add_document, remove_document

TEXT = "The seal of pump P7 is changed every 900 hours. Keep the valve closed."
BEA = Editor("bea", datetime(2026, 6, 2, tzinfo=UTC))


@pytest.fixture
def pair(world: CuratedWorld) -> Pair:
    """An approved pair over manual.md."""
    add_document(world.database, "manual.md", TEXT, readers=["hr", "service"])
    quote = {"document": "manual.md", "quote": "changed every 900 hours"}
    world.import_rows(
        {
            "question": "How often is the seal changed?",
            "answer": "every 900 hours",
            "evidence": [quote],
            "state": "approved",
        }
    )
    assert world.only_pair().state is PairState.APPROVED
    return world.only_pair()


def test_a_new_version_with_the_same_words_elsewhere_changes_nothing_but_the_place(
    world: CuratedWorld, pair: Pair
) -> None:
    add_document(world.database, "manual.md", f"Second edition.\n\n{TEXT}", readers=["hr", "service"])
    assert reanchor_pairs(world.open_desk(), BEA) == {"kept": 1, "stale": 0}
    after = world.only_pair()
    assert (after.state, after.evidence[0].start) == (PairState.APPROVED, 40)
    assert after.history == pair.history
    assert reanchor_pairs(world.open_desk(), BEA) == {"kept": 0, "stale": 0}


def test_a_changed_sentence_makes_the_pair_stale_with_what_it_says_now(world: CuratedWorld, pair: Pair) -> None:
    add_document(world.database, "manual.md", TEXT.replace("900", "600"), readers=["hr", "service"])
    assert reanchor_pairs(world.open_desk(), BEA) == {"kept": 0, "stale": 1}
    after = world.only_pair()
    assert (after.state, after.evidence[0].located) == (PairState.STALE, False)
    assert "says it otherwise now" in after.reason
    assert after.evidence[0].now == "The seal of pump P7 is changed every 600 hours."
    assert after.history[-1].action == "stale"


@pytest.mark.parametrize(
    ("readers", "stale"),
    [(["hr"], True), (["everyone"], False), (["hr", "service", "sales"], False), (["sales", "hr"], True)],
)
def test_fewer_readers_send_a_pair_back_and_more_do_not(
    world: CuratedWorld, pair: Pair, readers: list[str], *, stale: bool
) -> None:
    add_document(world.database, "manual.md", TEXT, readers=readers)
    reanchor_pairs(world.open_desk(), BEA)
    assert (world.only_pair().state is PairState.STALE) == stale
    assert world.only_pair().readers == tuple(sorted(readers))


def test_a_deleted_document_sends_its_pairs_back(world: CuratedWorld, pair: Pair) -> None:
    remove_document(world.database, pair.evidence[0].document_id)
    assert reanchor_pairs(world.open_desk(), BEA) == {"kept": 0, "stale": 1}
    assert "gone" in world.only_pair().reason
    with pytest.raises(ConfigurationError, match="cannot be approved"):
        approve_pair(world.open_desk(), pair.pair_id, BEA)


def test_a_stale_pair_is_approved_again_once_it_quotes_what_is_there(world: CuratedWorld, pair: Pair) -> None:
    add_document(world.database, "manual.md", TEXT.replace("900", "600"), readers=["hr", "service"])
    reanchor_pairs(world.open_desk(), BEA)
    desk = world.open_desk()
    with pytest.raises(ConfigurationError, match="quote-missing"):
        approve_pair(desk, pair.pair_id, BEA, accept=["quote-missing"])
    quote = quote_document(desk, "manual.md", "every 600 hours")
    edited = edit_pair(desk, pair.pair_id, BEA, {"answer": "every 600 hours"}, [quote])
    assert (edited.state, edited.findings) == (PairState.CANDIDATE, ())
    after = approve_pair(desk, pair.pair_id, BEA)
    assert (after.pair_id, after.state) == (pair.pair_id, PairState.APPROVED)
    assert [entry.action for entry in after.history] == ["import", "stale", "edit", "approve"]


def test_a_finding_must_be_accepted_by_name(world: CuratedWorld, pair: Pair) -> None:
    desk = world.open_desk()
    edit_pair(desk, pair.pair_id, BEA, {"answer": "every 800 hours"}, [])
    with pytest.raises(ConfigurationError, match="not-supported") as caught:
        approve_pair(desk, pair.pair_id, BEA, accept=["personal-data"])
    assert "--accept not-supported" in caught.value.advice
    after = approve_pair(desk, pair.pair_id, BEA, accept=["not-supported"])
    assert (after.state, after.open_findings) == (PairState.APPROVED, ())


def test_an_edit_withdraws_what_was_accepted_of_the_former_text(world: CuratedWorld, pair: Pair) -> None:
    desk = world.open_desk()
    edit_pair(desk, pair.pair_id, BEA, {"answer": "every 800 hours"}, [])
    approve_pair(desk, pair.pair_id, BEA, accept=["not-supported"])
    edit_pair(desk, pair.pair_id, BEA, {"answer": "every 700 hours"}, [])
    with pytest.raises(ConfigurationError, match="not-supported"):
        approve_pair(desk, pair.pair_id, BEA)


def test_a_rejected_pair_does_not_come_back_with_its_row(world: CuratedWorld, pair: Pair) -> None:
    reject_pair(world.open_desk(), pair.pair_id, BEA, reason="old pump")
    row = {"question": pair.question, "answer": pair.answer, "state": "approved"}
    assert world.import_rows(row, day=3)[0].unchanged == 1
    assert (world.only_pair().state, world.only_pair().reason) == (PairState.REJECTED, "old pump")


def test_a_quote_that_is_not_there_is_refused_with_what_is(world: CuratedWorld, pair: Pair) -> None:
    with pytest.raises(ConfigurationError, match="does not hold") as caught:
        quote_document(world.open_desk(), "manual.md", "The seal of pump P7 is changed every 100 hours.")
    assert "900 hours" in caught.value.advice
    with pytest.raises(ConfigurationError, match="no document"):
        quote_document(world.open_desk(), "other.md", "x")
