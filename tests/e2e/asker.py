"""Somebody who never stops searching a serving process, and looks at every passage that comes back."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import httpx

from tests.e2e.chaos import SECTIONS, Corpus, find_marks

_PAUSE_SECONDS = 0.1
_LIMIT_SECONDS = 120
_UNAVAILABLE = 503


Mark = tuple[int, int, int]
"""Number, version and section."""


class _Expected(NamedTuple):
    """What may be shown at a moment: versions by number, and what may be gone already, or not be there yet."""

    allowed: dict[int, frozenset[int]]
    may_be_gone: frozenset[int]

    def of(self, number: int) -> frozenset[int]:
        return self.allowed.get(number, frozenset())


class Asker:
    """Asks as somebody who is in no group, one question after the other.

    What it takes for a fault: a passage of a version that nobody may see now (deleted, withdrawn, replaced), passages
    of two versions of one document in one answer, a version older than one seen before, a document that is there and
    not found, a section of a version that was seen and is not found (the version was shown half), and any answer but
    200 or 503.

    Args:
        address: Of the serving process.
        key: A key without groups.
        corpus: What was written.

    Attributes:
        faults: In words.
        answered: How many questions found an answer.
        refused: How many were told that something does not answer.
        longest_seconds: Until an answer or a refusal.
    """

    def __init__(self, address: str, key: str, corpus: Corpus, *, seed: int) -> None:
        self._client = httpx.Client(
            base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=_LIMIT_SECONDS, trust_env=False
        )
        self._corpus = corpus
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._allowed: dict[int, frozenset[int]] = {}
        self._may_be_gone: frozenset[int] = frozenset()
        self._seen: dict[int, int] = {}
        self._next: list[Mark] = []
        self.faults: list[str] = []
        self.answered = self.refused = 0
        self.longest_seconds = 0.0

    @contextmanager
    def asking(self) -> Iterator[None]:
        """It asks for as long as the block runs."""
        thread = threading.Thread(target=self._ask_on)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()
            self._client.close()

    def expect_change(self) -> None:
        """The folder was changed, and will be read: both what was and what is may be seen."""
        with self._lock:
            now = self._list_readable()
            for number in now:
                self._allowed[number] = self._allowed.get(number, frozenset()) | now[number]
            self._may_be_gone = frozenset(self._allowed.keys() - now.keys()) | (now.keys() - self._seen.keys())

    def expect_changed(self) -> None:
        """It was read to the end: only what is there now may be seen, and all of it is found."""
        with self._lock:
            self._allowed = self._list_readable()
            self._may_be_gone = frozenset()

    def _list_readable(self) -> dict[int, frozenset[int]]:
        corpus = self._corpus
        return {
            number: frozenset({version})
            for number, version in corpus.versions.items()
            if number not in corpus.withdrawn
        }

    def _ask_on(self) -> None:
        while not self._ended.wait(_PAUSE_SECONDS):
            before = self._expected()
            if not before.allowed:
                continue
            asked = self._next.pop() if self._next else self._choose(before.allowed)
            passages = self._ask(asked)
            if passages is None:
                continue
            after, marks = self._expected(), set().union(*passages)
            for number in sorted({number for number, _, _ in marks}):
                versions = {version for one, version, _ in marks if one == number}
                self._check_shown(number, versions, before.of(number) | after.of(number))
            if before.of(asked[0]) == after.of(asked[0]) and asked[0] not in before.may_be_gone | after.may_be_gone:
                self._check_found(asked, marks, before.of(asked[0]))

    def _expected(self) -> _Expected:
        with self._lock:
            return _Expected(dict(self._allowed), self._may_be_gone)

    def _choose(self, allowed: dict[int, frozenset[int]]) -> Mark:
        number = self._random.choice(sorted(allowed))
        return number, self._random.choice(sorted(allowed[number])), self._random.randrange(SECTIONS)

    def _ask(self, asked: Mark) -> list[set[Mark]] | None:
        """The marks of each passage; None where something did not answer."""
        started = time.monotonic()
        body = {"question": self._corpus.questions[asked], "k": 10}
        try:
            response = self._client.post("/v1/searches", json=body)
        except httpx.HTTPError as error:
            self.faults.append(f"no answer: {type(error).__name__}")
            return None
        finally:
            self.longest_seconds = max(self.longest_seconds, time.monotonic() - started)
        if response.status_code == _UNAVAILABLE:
            self.refused += 1
            return None
        if response.status_code != httpx.codes.OK:
            self.faults.append(f"answered {response.status_code}: {response.text[:200]}")
            return None
        self.answered += 1
        return [find_marks(hit["text"]) for hit in response.json()["hits"]]

    def _check_shown(self, number: int, versions: set[int], allowed: frozenset[int]) -> None:
        """What was shown of one document."""
        self.faults += [f"d{number}v{version} was shown" for version in versions - allowed]
        if len(versions) > 1:
            self.faults.append(f"d{number} was shown in versions {sorted(versions)} at once")
        seen = self._seen.get(number, 0)
        if min(versions) < seen:
            self.faults.append(f"d{number}v{min(versions)} was shown after v{seen}")
        if max(versions) > seen:
            # All of it must be there from the first moment on.
            self._next += [(number, max(versions), section) for section in range(SECTIONS)]
            self._seen[number] = max(versions)

    def _check_found(self, asked: Mark, marks: set[Mark], allowed: frozenset[int]) -> None:
        """What was asked for is there, and was so all the time."""
        number, version, section = asked
        if number not in {one for one, _, _ in marks}:
            self.faults.append(f"d{number} is there and was not found")
        elif self._seen[number] == version and version in allowed and asked not in marks:
            self.faults.append(f"d{number}v{version} was found without its section {section}")
