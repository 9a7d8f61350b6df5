"""When a training may start: enough new pairs or enough growth, and a rest since the last one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tasks.automation.readiness import count_new_pairs, judge_readiness
from tasks.automation_models import Readiness, RetrainLimits
from tasks.curation_models import HistoryEntry, Pair
from tests.fakes.pairs import make_pair

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
LIMITS = RetrainLimits(min_new_pairs=200, min_share=0.2, cooldown_hours=24)


def judge(new: int, seen: int = 0, trained_hours_ago: float | None = None) -> Readiness:
    trained_at = None if trained_hours_ago is None else NOW - timedelta(hours=trained_hours_ago)
    return judge_readiness("everyone", new_pairs=new, seen_pairs=seen, trained_at=trained_at, limits=LIMITS, now=NOW)


@pytest.mark.parametrize(
    ("new", "seen", "ready"),
    [(199, 0, False), (200, 0, True), (99, 500, False), (100, 500, True), (200, 5000, True), (199, 5000, False)],
)
def test_either_enough_pairs_or_enough_growth_will_do(new: int, seen: int, *, ready: bool) -> None:
    assert judge(new, seen).ready is ready


def test_nothing_new_is_never_ready() -> None:
    assert not judge(0, seen=1).ready
    assert judge(0, seen=1).needed_pairs == 1


def test_between_two_trainings_there_is_a_rest_and_the_reason_says_until_when() -> None:
    waiting = judge(200, trained_hours_ago=23)
    assert not waiting.ready
    assert "the next may start 2026-05-04 13:00" in waiting.reason
    assert judge(200, trained_hours_ago=24).ready


def test_the_reason_says_how_many_are_missing() -> None:
    assert judge(12).reason == "12 new pairs, 200 are needed"


def changed(pair: Pair, **actions: datetime) -> Pair:
    history = tuple(HistoryEntry(at=at, author="anna", action=action) for action, at in actions.items())
    return pair.model_copy(update={"history": history, "readers": ("everyone",)})


def test_a_pair_is_new_when_somebody_approved_or_edited_it_since_the_champions_dataset() -> None:
    before, after = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
    pairs = [
        changed(make_pair("a"), **{"import": before}),
        changed(make_pair("b"), **{"import": before, "check": after}),
        changed(make_pair("c"), **{"import": before, "edit": after}),
        changed(make_pair("d"), correct=before, approve=after),
    ]
    assert count_new_pairs(pairs, scope="everyone", since=NOW) == 2
    assert count_new_pairs(pairs, scope="everyone", since=None) == 4


def test_a_pair_that_not_everyone_of_the_scope_may_read_does_not_count() -> None:
    pair = changed(make_pair("a"), **{"import": NOW}).model_copy(update={"readers": ("hr",)})
    assert count_new_pairs([pair], scope="everyone", since=None) == 0
    assert count_new_pairs([pair], scope="hr", since=None) == 1


def test_pairs_that_made_a_candidate_nobody_promoted_are_not_trained_on_again() -> None:
    def judge_after_a_trial(untried: int | None) -> Readiness:
        return judge_readiness(
            "everyone", new_pairs=250, seen_pairs=0, trained_at=None, limits=LIMITS, now=NOW, untried_pairs=untried
        )

    assert not judge_after_a_trial(0).ready
    assert "the last training had all 250" in judge_after_a_trial(0).reason
    assert judge_after_a_trial(1).ready
    assert judge_after_a_trial(None).ready
