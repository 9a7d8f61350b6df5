"""What is learnt is what will be asked: the same bytes, the right shares, marks that name the right passage."""

from __future__ import annotations

from collections import Counter

import pytest

from tasks.answer_models import Question
from tasks.answering.sentences import split_sentences
from tasks.curation_models import FrozenPassage
from tasks.errors import DatasetRejected
from tasks.models import Passage
from tasks.prompting import REFUSAL
from tasks.training.encode import encode_split, order_examples, take_tokens
from tasks.training.examples import Kind, TrainingExample, choose_kinds, make_examples, render_example
from tasks.training.marks import add_marks
from tasks.training.presets import make_config
from tasks.training_ports import EncodedExample
from tests.fakes.generator import FakeGenerator
from tests.fakes.passage_reader import FakePassageReader
from tests.fakes.searcher import FakeSearcher
from tests.fakes.training import LetterBase, make_example, make_passage

SHARES: dict[str, object] = {"gold_share": 0.8, "unanswerable_share": 0.15}
HUNDRED = [make_example(number) for number in range(100)]


def render(kind: Kind = Kind.GOLD, number: int = 0, **values: object) -> TrainingExample:
    return render_example(make_example(number), kind, make_config(values=values), split_sentences)


def freeze(passage: Passage, rank: int) -> FrozenPassage:
    chunk = passage.chunk
    return make_passage(chunk.shown_text, rank=rank).model_copy(
        update={
            "title": passage.title,
            "heading_path": chunk.heading_path,
            "modified": passage.modified.date().isoformat() if passage.modified else None,
        }
    )


def test_a_training_prompt_is_byte_for_byte_what_the_generator_gets() -> None:
    from tasks.answering.answer import answer_questions

    reader = FakePassageReader()
    passages = [
        *reader.add_document(
            "leave.md", ["Everyone gets 30 days of annual leave.\nIt is taken by March."], title="L  1"
        ),
        *reader.add_document("travel.md", ["Annual leave does not count as travel."], title="Travel"),
    ]
    question = "How many days of annual leave do I get?"
    generator = FakeGenerator("30 days [1].")
    answer_questions(
        [Question(text=question)], searcher=FakeSearcher({question: passages}), reader=reader, generator=generator
    )
    shown = tuple(freeze(one, rank) for rank, one in enumerate(passages, start=1))
    learnt = TrainingExample("pair", Kind.GOLD, question, "en", shown, "30 days. [1]")
    assert [list(prompt) for prompt in generator.prompts] == [learnt.messages]


def test_the_shares_are_met_to_the_example() -> None:
    config = make_config(values=SHARES)
    counts = Counter(choose_kinds(HUNDRED, config).values())
    assert counts == {Kind.GOLD: 80, Kind.REFUSAL: 15, Kind.WITHHELD: 5}


def test_pairs_that_nothing_answers_count_as_refusals_and_none_is_dropped() -> None:
    unanswerable = [make_example(number, answerable=False) for number in range(100, 130)]
    kinds = choose_kinds([*HUNDRED, *unanswerable], make_config(values=SHARES))
    counts = Counter(kinds.values())
    assert counts == {Kind.GOLD: 80, Kind.REFUSAL: 30, Kind.WITHHELD: 20}
    assert all(kinds[one.pair_id] is Kind.REFUSAL for one in unanswerable)


def test_a_pair_whose_passage_was_not_frozen_never_claims_to_show_it() -> None:
    blind = make_example(0).model_copy(update={"passages": tuple(make_example(0).passages[1:])})
    kinds = choose_kinds([blind, *HUNDRED[1:]], make_config(values={"gold_share": 1.0, "unanswerable_share": 0.0}))
    assert kinds[blind.pair_id] is Kind.WITHHELD
    assert Counter(kinds.values())[Kind.GOLD] == 99


def test_the_same_seed_draws_the_same_and_another_draws_otherwise() -> None:
    first, again, other = (make_examples(HUNDRED, make_config(values={"seed": s}), split_sentences) for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_gold_stands_at_every_place_and_the_mark_follows_it() -> None:
    places: Counter[int] = Counter()
    for number in range(60):
        example = render(number=number)
        place = next(place for place, one in enumerate(example.shown, start=1) if one.gold)
        places[place] += 1
        assert example.answer == f"It grants {number + 20} days. [{place}] Rule {number} is old. [{place}]"
        assert len(example.shown) == 3
    assert min(places[place] for place in (1, 2, 3)) > 8


def test_a_withheld_passage_is_not_shown_and_not_cited() -> None:
    example = render(Kind.WITHHELD)
    assert not any(one.gold for one in example.shown)
    assert example.answer == "It grants 20 days. Rule 0 is old."


@pytest.mark.parametrize(("language", "told"), [("en", "en"), ("de", "de"), ("fr", "en")])
def test_a_refusal_is_said_in_the_words_and_language_of_the_prompt(language: str, told: str) -> None:
    example = make_example(0).model_copy(update={"language": language})
    refused = render_example(example, Kind.REFUSAL, make_config(), split_sentences)
    assert refused.answer == REFUSAL[told]
    assert REFUSAL[told] in refused.messages[0].content


def test_each_sentence_is_marked_with_the_passage_that_carries_it() -> None:
    passages = {2: "Leave is thirty days a year.", 3: "Travel is in second class, z. B. by train."}
    answer = "You get thirty days. Travel is z. B. in second class! [7]"
    assert add_marks(answer, passages, split_sentences) == (
        "You get thirty days. [2] Travel is z. B. in second class! [3]"
    )


def test_what_is_too_long_loses_distractors_first_and_then_stays_out() -> None:
    base, examples = LetterBase(), [make_example(0), make_example(1, passages=1)]
    shares = {"unanswerable_share": 0, "gold_share": 1}
    whole = encode_split(examples, base, make_config(values=shares), split_sentences)
    lengths = [len(one.tokens) for one in whole.examples]
    tight = {**shares, "max_example_tokens": lengths[0] - 1}
    shorter = encode_split(examples, base, make_config(values=tight), split_sentences)
    assert shorter.left_out == 0
    assert len(shorter.examples[0].tokens) < lengths[0]
    text = "".join(map(chr, shorter.examples[0].tokens))
    assert "Rule 0 grants 20 days. It is old." in text
    assert text.count("Passage ") == 1
    tiny = encode_split(examples, base, make_config(values={"max_example_tokens": 64}), split_sentences)
    assert (len(tiny.examples), tiny.left_out) == (0, 2)


def test_the_context_of_the_base_model_limits_examples_too() -> None:
    assert encode_split(HUNDRED[:3], LetterBase(context_tokens=100), make_config(), split_sentences).left_out == 3


def test_the_loss_looks_at_the_answer_and_the_end_of_its_turn() -> None:
    (one,) = encode_split(
        [make_example(3)], LetterBase(), make_config(values={"unanswerable_share": 0}), split_sentences
    ).examples
    answer = "".join(map(chr, one.tokens[-one.answer_tokens : -1]))
    assert answer.startswith("It grants 23 days.")
    assert one.tokens[-1] == 0
    assert "".join(map(chr, one.tokens[: -one.answer_tokens])).endswith("Question: What does rule 3 grant?")


def test_an_epoch_learns_everything_once_in_steps_of_similar_length() -> None:
    encoded = encode_split(HUNDRED, LetterBase(), make_config(), split_sentences).examples
    config = make_config(values={"epochs": 2, "batch_examples": 8})
    order = order_examples(encoded, config)
    assert Counter(order) == dict.fromkeys(range(100), 2)
    steps = [order[at : at + 8] for at in range(0, 200, 8)]
    padding = sum(max(len(encoded[p].tokens) for p in step) - len(encoded[p].tokens) for step in steps for p in step)
    assert padding < 0.05 * sum(len(encoded[place].tokens) for place in order)
    assert order != order_examples(encoded, make_config(values={"epochs": 2, "batch_examples": 8, "seed": 5}))


def test_half_an_epoch_learns_half() -> None:
    encoded = encode_split(HUNDRED, LetterBase(), make_config(), split_sentences).examples
    assert len(order_examples(encoded, make_config(values={"epochs": 0.5}))) == 50


def test_max_tokens_counts_over_all_epochs() -> None:
    encoded = encode_split(HUNDRED, LetterBase(), make_config(), split_sentences).examples
    total = sum(len(one.tokens) for one in encoded)
    config = make_config(values={"epochs": 3, "max_tokens": int(1.5 * total)})
    trained = sum(len(encoded[place].tokens) for place in order_examples(encoded, config))
    assert 1.45 * total < trained <= 1.5 * total
    with pytest.raises(DatasetRejected, match="no example is short enough"):
        order_examples(encoded, make_config(values={"max_tokens": 10}))


def test_validation_takes_no_more_than_its_tokens_and_never_nothing() -> None:
    examples = [EncodedExample(f"pair {number}", (1,) * 100, 10) for number in range(20)]
    taken = take_tokens(examples, 350)
    assert len(taken) == 3
    assert take_tokens(list(reversed(examples)), 350) == taken
    assert len(take_tokens(examples, 1)) == 1
    assert take_tokens([], 100) == ()
