"""Importing: nothing twice, nothing silently dropped, proposals where nothing is quoted."""

from __future__ import annotations

from tasks.curation.collect import BATCH_ROWS
from tasks.curation.rows import write_row
from tasks.curation_models import PairState
from tests.fakes.curation import CuratedWorld
from tests.fakes.pairs import add_document
from tests.fakes.passage_reader import FakePassageReader

TEXT = "The seal of pump P7 is changed every 900 hours. The oil is changed every 300 hours."
SEAL = {
    "question": "How often is the seal changed?",
    "answer": "every 900 hours",
    "evidence": [{"document": "manual.md", "quote": "The seal of pump P7 is changed every 900 hours."}],
    "state": "approved",
}


def test_a_sound_row_is_taken_as_it_says(world: CuratedWorld) -> None:
    document_id = add_document(world.database, "manual.md", TEXT, readers=["service"])
    summary, lines = world.import_rows(SEAL)
    pair = world.only_pair()
    assert (summary.rows, summary.imported, summary.approved, lines) == (1, 1, 1, [])
    assert (pair.state, pair.language, pair.author, pair.readers) == ("approved", "en", "anna", ("service",))
    (evidence,) = pair.evidence
    assert (evidence.document_id, evidence.start, evidence.end) == (document_id, 0, 47)


def test_importing_twice_changes_nothing(world: CuratedWorld) -> None:
    add_document(world.database, "manual.md", TEXT)
    world.import_rows(SEAL)
    before = world.only_pair()
    summary, lines = world.import_rows(SEAL, day=2)
    assert (summary.unchanged, summary.imported, lines) == (1, 0, [])
    assert world.only_pair() == before


def test_every_row_is_counted_once_across_batches(world: CuratedWorld) -> None:
    add_document(world.database, "manual.md", TEXT)
    rows = [{**SEAL, "question": f"How often is seal number {number} changed?"} for number in range(BATCH_ROWS + 5)]
    broken = {"question": "How often?"}
    summary, lines = world.import_rows(*rows, SEAL, SEAL, rows[0], broken, embedded_rows=10)
    counted = summary.imported + summary.unchanged + summary.duplicates + summary.rejected
    assert summary.rows == len(rows) + 4 == counted
    assert (summary.duplicates, summary.rejected, summary.unchanged) == (2, 1, 0)
    told = {(line.row, line.outcome) for line in lines if line.outcome != "flagged"}
    last = len(rows)
    assert told == {(last + 2, "duplicate"), (last + 3, "duplicate"), (last + 4, "rejected")}


def test_a_flagged_row_is_a_candidate_whatever_the_file_says(world: CuratedWorld) -> None:
    add_document(world.database, "manual.md", TEXT)
    summary, _ = world.import_rows({**SEAL, "answer": "every 800 hours"})
    assert (summary.approved, summary.flagged) == (0, 1)
    assert world.only_pair().state is PairState.CANDIDATE


def test_a_pair_without_a_quote_gets_a_proposal_that_a_person_must_see(world: CuratedWorld) -> None:
    document_id = add_document(world.database, "manual.md", TEXT)
    passages = FakePassageReader().add_document("manual.md", [TEXT])
    assert passages[0].document_id == document_id
    world.searcher.found = {str(SEAL["question"]): passages}
    summary, lines = world.import_rows({**SEAL, "evidence": []})
    pair = world.only_pair()
    assert (summary.proposed, summary.approved) == (1, 0)
    assert pair.evidence[0].quote == "The seal of pump P7 is changed every 900 hours."
    assert [line.reason for line in lines] == ["proposed-evidence"]


def test_an_export_is_taken_back_as_the_same_pairs(world: CuratedWorld) -> None:
    add_document(world.database, "manual.md", TEXT)
    named = {**SEAL, "groups": ["service"], "author": "bea", "answer": "no", "accepted": ["support-unclear"]}
    world.import_rows(
        SEAL, named, {"question": "What does it cost?", "answer": "The passages do not answer this question."}
    )
    pairs = list(world.pairs.list_pairs("default"))
    rows = [write_row(pair) for pair in pairs]
    again = CuratedWorld(world.database)
    summary, _ = again.import_rows(*rows, day=3)
    assert summary.unchanged == 3
    assert [write_row(pair) for pair in again.pairs.list_pairs("default")] == rows
