"""How many requests a key may send: a token bucket a key, in this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

MOST_BUCKETS = 10_000


class RateLimit:
    """Lets `per_minute` requests through at once and refills evenly; 0 lets everything through.

    Args:
        per_minute: Requests.
        clock: Seconds that only grow.
    """

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = float(per_minute)
        self._clock = clock
        self._lock = Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, name: str) -> float:
        """Seconds that the caller must wait before the next request; 0: it may go on now."""
        if not self._capacity:
            return 0.0
        with self._lock:
            left = self._left(name)
            if left < 1:
                return (1 - left) * 60 / self._capacity
            if name not in self._buckets and len(self._buckets) >= MOST_BUCKETS:
                self._forget_full()
            self._buckets[name] = (left - 1, self._clock())
            return 0.0

    def _left(self, name: str) -> float:
        left, at = self._buckets.get(name, (self._capacity, self._clock()))
        return min(self._capacity, left + (self._clock() - at) * self._capacity / 60)

    def _forget_full(self) -> None:
        """Who is allowed everything again needs no bucket."""
        self._buckets = {name: bucket for name, bucket in self._buckets.items() if self._left(name) < self._capacity}
