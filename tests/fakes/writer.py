"""A generator that can be watched while it writes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from tasks.answer_models import Generation, Message
from tasks.ports import Watcher
from tests.fakes.generator import FakeGenerator

_PATIENCE_SECONDS = 60


class FakeWriter(FakeGenerator):
    """Writes its reply a word at a time, one prompt after the other.

    Args:
        reply: See `FakeGenerator`.
        before_word: Called before each word: a test changes the world, or waits for it, between sentences.
        stalls_at: Here it writes nothing further until its watcher ends it.
    """

    is_watched_freely = True

    def __init__(
        self,
        reply: str | Callable[[str], str],
        *,
        before_word: Callable[[str], object] = lambda _word: None,
        stalls_at: str | None = None,
    ) -> None:
        super().__init__(reply)
        self.words: list[str] = []
        self.ended: list[str] = []
        """What it had written when a watcher ended it."""
        self._before_word = before_word
        self._stalls_at = stalls_at

    def generate_watched(
        self,
        prompts: Sequence[Sequence[Message]],
        *,
        max_tokens: int,
        watchers: Sequence[Watcher | None],
        within_seconds: Sequence[float | None] = (),
    ) -> list[Generation]:
        whole = self.generate(prompts, max_tokens=max_tokens, within_seconds=within_seconds)
        return [self._write(one, watcher) for one, watcher in zip(whole, watchers, strict=True)]

    def _write(self, whole: Generation, watcher: Watcher | None) -> Generation:
        words = whole.text.split(" ")
        for count, word in enumerate(words, start=1):
            self._before_word(word)
            self.words.append(word)
            text = " ".join(words[:count])
            if watcher and not (self._stall(text, watcher) if word == self._stalls_at else watcher(text)):
                self.ended.append(text)
                return whole.model_copy(update={"text": text, "completion_tokens": count})
        return whole

    @staticmethod
    def _stall(text: str, watcher: Watcher) -> bool:
        pause = threading.Event()
        for _ in range(_PATIENCE_SECONDS * 100):
            if not watcher(text):
                return False
            pause.wait(0.01)
        raise TimeoutError("nobody ended the writing")
