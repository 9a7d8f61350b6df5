"""What an answer in an arm is worth: the raw text less its marks, before any abstention."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tasks.answering.claim_support import ClaimSupport
from tasks.arm_models import ArmAnswer, ArmResult
from tasks.curation_models import Example, FrozenPassage
from tasks.errors import ConfigurationError
from tasks.evaluation.arm_scores import refuses, score_arm
from tasks.evaluation.terminology import score_terms
from tasks.evaluation_models import Share
from tasks.glossary import Glossary, GlossaryTerm, read_glossary
from tasks.prompting import REFUSAL
from tests.fakes.arms import make_example, make_passage

EXAMPLE = make_example(7)
SHOWN = (make_passage("Pump 7 lifts 8 metres.", gold=True), make_passage("Visitors sign in.", rank=2))
GLOSSARY = Glossary(
    terms=(
        GlossaryTerm(term="hose pump", language="en", instead_of=("peristaltic pump",)),
        GlossaryTerm(term="Schlauchpumpe", language="de", instead_of=("Quetschpumpe",)),
    ),
    address={"de": "Sie"},
)


def score(text: str, example: Example = EXAMPLE, shown: Sequence[FrozenPassage] = SHOWN) -> ArmResult:
    said = ArmAnswer(
        answer_key="k", pair_id=example.pair_id, text=text, prompt_tokens=9, completion_tokens=3, seconds=0.5
    )
    return score_arm(example, said, shown, claims=ClaimSupport(), glossary=Glossary())


def test_the_text_less_its_marks_is_what_is_scored() -> None:
    scores = score("Pump 7 lifts 8 metres [1].").scores
    assert [scores[name] for name in ("em", "f1", "contains_gold", "right")] == [Share(1, 1)] * 4


def test_a_mark_on_a_gold_passage_is_right_and_any_other_is_wrong() -> None:
    assert score("Pump 7 lifts 8 metres [1] [2] [9].").scores["citation_precision"] == Share(1, 3)
    assert score("Pump 7 lifts 8 metres [2].").scores["citation_recall"] == Share(0, 1)
    assert "citation_precision" not in score("Pump 7 lifts 8 metres.").scores
    assert score("Pump 7 lifts 8 metres.").scores["citation_recall"] == Share(0, 1)


def test_citations_are_not_judged_where_no_gold_passage_was_found() -> None:
    scores = score("Pump 7 lifts 8 metres [2].", shown=SHOWN[1:]).scores
    assert not {"citation_precision", "citation_recall"} & scores.keys()


def test_silence_is_right_on_what_nothing_answers_and_wrong_elsewhere() -> None:
    impossible = make_example(7, answerable=False)
    silent, talking = score(REFUSAL["en"], impossible).scores, score("Nine metres.", impossible).scores
    assert (silent["refusal_recall"], silent["wrong_on_unanswerable"], silent["refusal_precision"]) == (
        Share(1, 1), Share(0, 1), Share(1, 1),
    )  # fmt: skip
    assert (talking["refusal_recall"], talking["wrong_on_unanswerable"]) == (Share(0, 1), Share(1, 1))
    assert "f1" not in silent
    assert score(REFUSAL["en"]).scores["refusal_precision"] == Share(0, 1)
    assert score(REFUSAL["en"]).scores["f1"].part < 0.3


def test_a_refusal_is_known_in_both_languages_and_among_other_words() -> None:
    assert refuses("the passages do not answer this question")
    assert refuses(f"Leider: {REFUSAL['de']} Fragen Sie nach.")
    assert not refuses("The passages answer this question: nine.")


def test_claims_are_supported_by_the_passages_shown() -> None:
    scores = score("Pump 7 lifts 8 metres [1]. Pump 7 lifts 80 metres [1].").scores
    assert scores["supported"] == Share(1, 2)
    assert "supported" not in score("Pump 7 lifts 8 metres.", shown=()).scores
    assert "supported" not in score(REFUSAL["en"]).scores


def test_a_question_belongs_to_its_language_origin_and_the_type_of_its_document() -> None:
    result = score("?")
    assert result.slices == ("language=en", "origin=import", "document_type=md")
    assert result.cluster == "document 7"
    assert score("?", make_example(7, answerable=False)).cluster == "pair pair-007"


def test_terms_of_the_reference_are_to_be_used_and_words_instead_of_them_are_not() -> None:
    def of(text: str, reference: str = "The hose pump needs oil.", language: str = "en") -> Share:
        return score_terms(text, reference, language, GLOSSARY)

    assert of("Hose pumps need oil.") == Share(1, 1)
    assert of("It needs oil.") == Share(0, 1)
    assert of("The peristaltic pump needs oil.") == Share(0, 2)
    assert of("The peristaltic pump needs oil.", reference="Oil.") == Share(0, 1)
    assert of("Oil.", reference="Oil.") == Share(0, 0)


def test_a_wrong_form_of_address_counts_once() -> None:
    reference = "Prüfen Sie die Schlauchpumpe."
    assert score_terms("Prüfe deine Schlauchpumpe, wenn du kannst.", reference, "de", GLOSSARY) == Share(1, 2)
    assert score_terms("Prüfen Sie Ihre Schlauchpumpe.", reference, "de", GLOSSARY) == Share(1, 1)


def test_without_a_glossary_the_long_words_of_the_reference_are_its_terms() -> None:
    assert score_terms("A certificate.", "The decontamination certificate", "en", Glossary()) == Share(1, 2)


def test_all_faults_of_a_glossary_are_named() -> None:
    with pytest.raises(ConfigurationError, match=r"(?s)terms\.0\.language.*terms\.1\.term") as caught:
        read_glossary({"terms": [{"term": "a"}, {"language": "en"}]}, name="glossary.yaml")
    assert "address" in caught.value.advice
