"""What readers write as the right answer waits for a person, once."""

from __future__ import annotations

from datetime import UTC, datetime

from tasks.access_models import Feedback, ServedAnswer, Verdict
from tasks.answer_models import Answer, Citation
from tasks.curation.corrections import collect_corrections
from tasks.curation_models import Origin, PairState
from tasks.integrations.database.served import DatabaseServedLog
from tests.fakes.curation import CuratedWorld
from tests.fakes.pairs import add_document

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
TEXT = "The seal of pump P7 is changed every 900 hours."


def give_feedback(world: CuratedWorld, document_id: str, quote: str, verdict: Verdict, text: str) -> DatabaseServedLog:
    """An answer that cited the quote, and what anna says of it."""
    log = DatabaseServedLog(world.database)
    citation = Citation(
        number=1,
        document_id=document_id,
        chunk_id="c",
        uri="u",
        title="t",
        page=None,
        quote=quote,
        start=0,
        end=len(quote),
    )
    answer = Answer(question="How often is the seal changed?", text="every 800 hours [1]", citations=(citation,))
    served = ServedAnswer(
        answer_id="a1", tenant="default", principal="anna", principals=("anna",), at=NOW, answer=answer
    )
    log.record([], [served])
    given = Feedback(answer_id="a1", tenant="default", principal="anna", verdict=verdict, text=text, at=NOW)
    assert log.add_feedback(given)
    return log


def test_a_correction_becomes_a_candidate_that_quotes_what_was_cited(world: CuratedWorld) -> None:
    document_id = add_document(world.database, "manual.md", TEXT)
    log = give_feedback(world, document_id, TEXT, Verdict.CORRECTED, "every 900 hours")
    for expected in (1, 0):
        assert (
            collect_corrections(world.open_desk(), log.list_corrections("default"), now=datetime.now(UTC)) == expected
        )
    pair = world.only_pair()
    assert (pair.state, pair.origin, pair.author) == (PairState.CANDIDATE, Origin.CORRECTION, "anna")
    assert (pair.answer, pair.evidence[0].quote, pair.findings) == ("every 900 hours", TEXT, ())
    assert list(log.list_corrections("other")) == []


def test_a_correction_of_a_changed_document_needs_new_evidence(world: CuratedWorld) -> None:
    document_id = add_document(world.database, "manual.md", "Everything is new.")
    log = give_feedback(world, document_id, TEXT, Verdict.CORRECTED, "every 900 hours")
    collect_corrections(world.open_desk(), log.list_corrections("default"), now=NOW)
    assert [one.code for one in world.only_pair().findings] == ["no-evidence"]


def test_praise_is_no_pair(world: CuratedWorld) -> None:
    document_id = add_document(world.database, "manual.md", TEXT)
    log = give_feedback(world, document_id, TEXT, Verdict.GOOD, "thanks")
    assert list(log.list_corrections("default")) == []
