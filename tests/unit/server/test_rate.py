"""How many requests a key may send."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from expertloop.server import rate
from expertloop.server.rate import RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_minutes_worth_goes_through_at_once_and_the_next_waits() -> None:
    limit = RateLimit(6, clock=Clock())
    assert [limit.take("anna") for _ in range(6)] == [0.0] * 6
    assert limit.take("anna") == 10.0


def test_waiting_as_long_as_told_is_enough() -> None:
    clock = Clock()
    limit = RateLimit(7, clock=clock)
    for _ in range(7):
        limit.take("anna")
    clock.now += limit.take("anna") + 1e-9
    assert limit.take("anna") == 0.0
    assert limit.take("anna") > 0.0


def test_one_key_does_not_spend_what_another_may_send() -> None:
    limit = RateLimit(1, clock=Clock())
    assert limit.take("anna") == 0.0
    assert limit.take("anna") > 0.0
    assert limit.take("ben") == 0.0


def test_zero_means_no_limit() -> None:
    limit = RateLimit(0, clock=Clock())
    assert {limit.take("anna") for _ in range(10_000)} == {0.0}


def test_who_was_silent_for_a_minute_is_forgotten_when_there_are_many() -> None:
    clock = Clock()
    limit = RateLimit(2, clock=clock)
    for number in range(rate.MOST_BUCKETS):
        limit.take(f"key {number}")
    clock.now = 60.0
    limit.take("one more")
    assert len(limit._buckets) == 1


@given(st.integers(1, 50), st.lists(st.floats(0, 30), max_size=200))
def test_no_minute_and_no_refill_let_more_through(per_minute: int, pauses: list[float]) -> None:
    clock = Clock()
    limit = RateLimit(per_minute, clock=clock)
    passed = 0
    for pause in pauses:
        clock.now += pause
        passed += limit.take("anna") == 0.0
    assert passed <= per_minute + clock.now * per_minute / 60 + 1e-6
