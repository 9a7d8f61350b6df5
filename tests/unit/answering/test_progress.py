"""An answer is told while it is written: what was told is the beginning of what is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.answer_models import Answer, Calibration, Citation, OperatingPoint, Question
from tasks.answering.answer import AnswerOptions, answer_questions
from tasks.answering.citations import Claim, split_claims, split_finished
from tasks.answering.confidence import bound_confidence, estimate_confidence
from tasks.answering.ending import Said, read_said
from tests.fakes.generator import FakeGenerator
from tests.fakes.passage_reader import FakePassageReader
from tests.fakes.searcher import FakeSearcher
from tests.fakes.writer import FakeWriter

HOW_MANY = "How many days of annual leave do I get?"
DAYS = "Everyone gets 30 days of annual leave. [1]"
TAKEN = "It is taken by 31 March. [1]"
CAR = "You also get a company car. [2]"
TRAINS = "Trains are booked in second class. [2]"
LEAVE = "Everyone gets 30 days of annual leave. It is taken by 31 March. Unpaid leave needs the manager's consent."
TRAVEL = "Trains are booked in second class. Flights need approval."


class Ear:
    """Remembers what it heard; leaves when it has heard something that it waits for."""

    def __init__(self, *, leaves: bool = False, then: Callable[[], object] = lambda: None) -> None:
        self.heard: list[str] = []
        self.citations: tuple[Citation, ...] = ()
        self.has_left = False
        self._leaves = leaves
        self._then = then

    def hear(self, text: str, citations: tuple[Citation, ...]) -> None:
        self.heard.append(text)
        self.citations = citations
        self.has_left = self._leaves
        self._then()


class World:
    def __init__(self) -> None:
        self.reader = FakePassageReader()
        self.leave = self.reader.add_document("leave.md", [LEAVE], title="Leave policy")
        self.travel = self.reader.add_document("travel.md", [TRAVEL], title="Travel")

    def ask(
        self,
        generator: FakeGenerator,
        ear: Ear | None,
        question: str = HOW_MANY,
        calibration: Calibration | None = None,
        **options: object,
    ) -> Answer:
        passages = [*self.leave, *self.travel]
        parts = ("How many days of annual leave do I get?", "In which class are trains booked?")
        (answer,) = answer_questions(
            [Question(text=question)],
            searcher=FakeSearcher({question: passages, **dict.fromkeys(parts, passages)}),
            reader=self.reader,
            generator=generator,
            calibration=calibration,
            options=AnswerOptions.model_validate(options),
            listeners=[ear],
        )
        return answer


def calibrate(**weights: float) -> Calibration:
    """Sure of everything, but for what the weights say."""
    return Calibration(
        name="test",
        weights=weights,
        bias=2.0,
        curve=(OperatingPoint(0.5, 1.0, 0.0),),
        questions=100,
        expected_error=0.0,
        fitted_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_a_sentence_is_told_with_its_citation_before_the_next_one_is_written() -> None:
    ear = Ear()
    told: list[tuple[str, int]] = []
    writer = FakeWriter(f"{DAYS} {TAKEN}", before_word=lambda word: told.append((word, len(ear.heard))))
    answer = World().ask(writer, ear)
    assert [count for word, count in told if word == "March."] == [1]
    assert ear.heard == ["Everyone gets 30 days of annual leave. [1]"]
    assert ear.citations == answer.citations[:1]
    assert answer.text == "Everyone gets 30 days of annual leave. [1]\nIt is taken by 31 March. [2]"


def test_what_no_document_carries_is_never_told() -> None:
    ear = Ear()
    answer = World().ask(FakeWriter(f"{CAR} {DAYS} {CAR} {TAKEN} {CAR}"), ear)
    assert all("car" not in text for text in ear.heard)
    assert ear.heard[-1] == answer.text


def test_a_true_sentence_waits_for_one_that_speaks_to_the_question() -> None:
    world, ear = World(), Ear()
    world.reader.add_document("other.md", ["Lunch is at noon. " + "Leave is asked for early. " * 3])
    world.travel = world.reader.add_document("more.md", ["Lunch is at noon. " + "Leave days are leave. " * 9])
    answer = world.ask(FakeWriter(f"Lunch is at noon. [2] {DAYS} {TAKEN}"), ear)
    assert ear.heard[0].splitlines() == ["Lunch is at noon. [1]", "Everyone gets 30 days of annual leave. [2]"]
    assert answer.text.startswith(ear.heard[-1])


@settings(max_examples=60)
@given(st.lists(st.sampled_from([DAYS, TAKEN, CAR, TRAINS, "On 3. March. [1]", "- So:\n- it is.", "[1]"]), max_size=6))
def test_what_is_told_grows_and_is_what_the_answer_begins_with(sentences: Sequence[str]) -> None:
    ear = Ear()
    answer = World().ask(FakeWriter(" ".join(sentences)), ear)
    for before, after in zip(ear.heard, [*ear.heard[1:], answer.text], strict=False):
        assert after.startswith(before)


WORDS = ["It is so.", "am 3.", "März", "approx.", "30", "\n", "\n\n", "- ", "1. ", "[1]", " [2, 3]", "e.g.", "ok?", ")"]


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_a_finished_claim_stays_as_it_is_whatever_is_written_next(text: str) -> None:
    whole = split_claims(text)
    for end in range(len(text) + 1):
        finished = split_finished(text[:end])
        assert whole[: len(finished)] == finished


def test_the_first_sentence_is_finished_with_the_first_word_of_the_second() -> None:
    assert split_finished("It is so. [1]") == []
    assert split_finished("It is so. [1] The") == []
    (claim,) = split_finished("It is so. [1] The ")
    assert (claim.text, claim.marks) == ("It is so.", frozenset({1}))


@pytest.mark.parametrize(
    "weights", [{"logprob": 0.1}, {"supported_share": -9.0}, {"fused": -99.0}, {"passage_coverage": -99.0}]
)
def test_an_answer_that_its_confidence_could_still_withhold_is_not_told(weights: dict[str, float]) -> None:
    ear = Ear()
    world = World()
    world.ask(FakeWriter(f"{DAYS} {TAKEN}"), ear, calibration=calibrate(**weights))
    assert ear.heard == []
    world.ask(FakeWriter(f"{DAYS} {TAKEN}"), ear, calibration=calibrate(logprob=-0.1, supported_share=9.0))
    assert len(ear.heard) == 1


@given(
    st.fixed_dictionaries({name: st.floats(-5, 5) for name in ("fused", "logprob", "supported_share", "generated")}),
    st.floats(0, 1),
    st.floats(-9, 0),
    st.floats(0, 1),
)
def test_no_confidence_is_outside_its_bounds(
    weights: dict[str, float], fused: float, logprob: float, share: float
) -> None:
    known = {"fused": fused, "generated": 0.0, "logprob": 0.0, "supported_share": 0.0}
    final = {"fused": fused, "generated": 1.0, "logprob": logprob, "supported_share": share}
    calibration = calibrate(**weights)
    lowest, highest = bound_confidence(known, calibration)
    assert lowest <= estimate_confidence(final, calibration) <= highest
    assert estimate_confidence(known, calibration) <= highest


def test_outdated_documents_alone_are_not_told_where_they_may_not_answer() -> None:
    world, ear = World(), Ear()
    world.leave = [passage.model_copy(update={"outdated": True}) for passage in world.leave]
    assert world.ask(FakeWriter(f"{DAYS} {TAKEN}"), ear, outdated=False).abstained
    assert ear.heard == []
    world.ask(FakeWriter(f"{DAYS} {TAKEN}"), ear)
    assert len(ear.heard) == 1


def test_a_document_that_is_withdrawn_between_two_sentences_is_taken_back() -> None:
    world = World()

    def withdraw() -> None:
        world.reader.readers[world.leave[0].document_id] = frozenset({"management"})

    ear = Ear(then=withdraw)
    answer = world.ask(FakeWriter(f"{DAYS} {TAKEN} {TAKEN}"), ear)
    assert ear.heard == ["Everyone gets 30 days of annual leave. [1]", ""]
    assert "30 days" not in answer.model_dump_json()


def test_who_has_left_ends_the_writing() -> None:
    ear = Ear(leaves=True)
    writer = FakeWriter(f"{DAYS} {TAKEN} {TAKEN}")
    answer = World().ask(writer, ear)
    assert writer.ended == [f"{DAYS} It is"]
    assert answer.text.startswith(ear.heard[0])


LOOPS = [
    ("A. B. B. C.", "A. B.", True),
    ("A. B. C. B. C. D.", "A. B. C.", True),
    ("1. A. 2. B. 3. B. 4. C.", "1. A. 2. B.", True),
    ("A. B. A. C.", "A. B. C.", False),
]


@pytest.mark.parametrize(("letters", "kept", "in_circles"), LOOPS)
def test_an_answer_ends_where_it_turns_in_circles_and_says_nothing_twice(
    letters: str, kept: str, *, in_circles: bool
) -> None:
    def spell(text: str) -> str:
        for letter in "ABCD":
            text = text.replace(f"{letter}.", f"Sentence {letter} it is.\n")
        return text

    said = read_said(split_claims(spell(letters)))
    assert said == Said(split_claims(spell(kept)), in_circles=in_circles)


@given(st.lists(st.sampled_from("ABC"), max_size=9), st.integers(0, 9))
def test_the_beginning_of_what_is_said_is_said_at_the_beginning(letters: list[str], length: int) -> None:
    claims = [Claim(letter, frozenset()) for letter in letters]
    first = read_said(claims[:length]).claims
    assert read_said(claims).claims[: len(first)] == first


def write_prompt(asked: str) -> str:
    return f"{DAYS} {TAKEN}\n\n{asked[:8]} [4] Everyone gets 99 days of annual leave."


@pytest.mark.parametrize(
    ("reply", "end", "told"), [(f"{DAYS} {TAKEN} {TAKEN} {TAKEN} {TAKEN}", f"{TAKEN} It is", 2), (write_prompt, "", 1)]
)
def test_what_turns_in_circles_or_writes_the_prompt_anew_is_ended_there(
    reply: str | Callable[[str], str], end: str, told: int
) -> None:
    world, ear = World(), Ear()
    for listener in (ear, None):
        writer = FakeWriter(reply)
        answer = world.ask(writer, listener)
        assert answer.text == "Everyone gets 30 days of annual leave. [1]\nIt is taken by 31 March. [2]"
        assert writer.ended[0].endswith(end or writer.prompts[0][-1].content[:8])
    assert len(ear.heard) == told
    assert world.ask(FakeGenerator(reply), None).text == answer.text, "what is not watched is read no further"


def test_of_several_parts_the_first_is_told_and_who_leaves_ends_all() -> None:
    question = "How many days of annual leave do I get? In which class are trains booked?"
    replies = {True: f"{DAYS} {TAKEN}", False: f"{TRAINS} {TRAINS} So it is."}
    ear = Ear()
    answer = World().ask(FakeWriter(lambda said: replies["annual leave do" in said]), ear, question)
    assert ear.heard == ["Everyone gets 30 days of annual leave. [1]"]
    assert answer.text.startswith(ear.heard[0])
    assert "second class" in answer.text
    leaving = FakeWriter(lambda said: replies["annual leave do" in said])
    World().ask(leaving, Ear(leaves=True), question)
    assert len(leaving.ended) == 2


def test_a_generator_that_cannot_be_watched_answers_all_the_same() -> None:
    ear = Ear()
    said = f"{DAYS} {TAKEN}"
    assert World().ask(FakeGenerator(said), ear).text == World().ask(FakeWriter(said), Ear()).text
    assert ear.heard == []
