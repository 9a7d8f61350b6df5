"""Arms show what was frozen and found, ask nothing twice, and go on where they stopped."""

from __future__ import annotations

import pytest

from tasks.errors import BackendUnavailable
from tasks.evaluation.arms import (
    ArmOptions,
    ask_prompts,
    list_shown,
    plan_prompts,
    read_answers,
    render_example,
    sample_examples,
)
from tests.fakes.arms import MemoryArms, make_example, make_passage
from tests.fakes.generator import FakeGenerator

OPTIONS = ArmOptions("default", passages=2, max_tokens=20)


def test_an_arm_shows_the_best_passages_that_were_found_and_adds_no_gold() -> None:
    example = make_example(passages=(make_passage("third", rank=3), make_passage("gold", rank=None, gold=True),
                                     make_passage("second", rank=2), make_passage("first", rank=1)))  # fmt: skip
    assert [one.text for one in list_shown(example, FakeGenerator("!"), OPTIONS)] == ["first", "second"]


def test_passages_that_do_not_fit_the_models_context_stay_out_from_the_end() -> None:
    example = make_example(passages=(make_passage("first"), make_passage("word " * 200, rank=2)))
    small = FakeGenerator("!", context_tokens=250)
    assert [one.text for one in list_shown(example, small, OPTIONS)] == ["first"]


def test_a_passage_is_rendered_with_its_title_headings_and_date() -> None:
    passage = make_passage("Text.", title="T", heading_path=("H",), modified="2026-03-04T05:06:07+00:00")
    assert "T > H (2026-03-04)\nText." in render_example(make_example(), [passage])[-1].content


def test_an_arm_without_retrieval_shows_no_passage() -> None:
    (with_passages,) = plan_prompts([make_example(3)], FakeGenerator("!"), OPTIONS, with_passages=True)
    (without,) = plan_prompts([make_example(3)], FakeGenerator("!"), OPTIONS, with_passages=False)
    assert "Visitors sign in" in with_passages.messages[-1].content
    assert "Visitors" not in without.messages[-1].content
    assert with_passages.key != without.key


def test_a_killed_arm_goes_on_where_it_stopped() -> None:
    store, examples = MemoryArms(), [make_example(number) for number in range(6)]

    def give_up() -> None:
        if len(store.answers) >= 4:
            raise BackendUnavailable("gone", advice="wait")

    dying = FakeGenerator("four metres", before=give_up)
    prompts = plan_prompts(examples, dying, OPTIONS, with_passages=True)
    progress = ask_prompts(prompts, dying, store, OPTIONS, batch=2)
    assert [next(progress), next(progress), next(progress)] == [0, 2, 4]
    with pytest.raises(BackendUnavailable):
        next(progress)
    healthy = FakeGenerator("four metres")
    assert list(ask_prompts(prompts, healthy, store, OPTIONS, batch=2)) == [4, 6]
    assert len(healthy.prompts) == 2
    assert [one.pair_id for one in read_answers(prompts, store, OPTIONS)] == [one.pair_id for one in examples]


def test_another_model_or_a_longer_answer_is_asked_anew() -> None:
    examples = [make_example()]
    first, other = FakeGenerator("!"), FakeGenerator("!")
    other.identity = "other@1"
    keys = {
        plan_prompts(examples, generator, options, with_passages=True)[0].key
        for generator in (first, other)
        for options in (OPTIONS, OPTIONS._replace(max_tokens=21))
    }
    assert len(keys) == 4


def test_a_cap_draws_the_same_questions_each_time_whatever_else_there_is() -> None:
    examples = [make_example(number) for number in range(50)]
    drawn = sample_examples(examples, 10)
    assert drawn == sample_examples(list(reversed(examples)), 10)
    assert len(drawn) == 10
    assert {one.pair_id for one in sample_examples(examples, 5)} < {one.pair_id for one in drawn}
    assert sample_examples(examples, None) == examples
