"""A generator that says what the test says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tasks.answer_models import Generation, Message


class FakeGenerator:
    """Counts a token a word and remembers the prompts.

    Args:
        reply: The answer, or what makes it from the user's message.
        before: Called when it is asked: a test changes the world while the model "thinks".
    """

    def __init__(
        self,
        reply: str | Callable[[str], str],
        *,
        context_tokens: int = 4096,
        before: Callable[[], object] = lambda: None,
    ) -> None:
        self.identity = "fake@1"
        self.context_tokens = context_tokens
        self.prompts: list[Sequence[Message]] = []
        self.within_seconds: list[float | None] = []
        self._reply = reply
        self._before = before

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def generate(
        self, prompts: Sequence[Sequence[Message]], *, max_tokens: int, within_seconds: Sequence[float | None] = ()
    ) -> list[Generation]:
        self._before()
        self.prompts += prompts
        self.within_seconds += within_seconds
        return [self._answer(prompt, max_tokens) for prompt in prompts]

    def _answer(self, prompt: Sequence[Message], max_tokens: int) -> Generation:
        said = self._reply if isinstance(self._reply, str) else self._reply(prompt[-1].content)
        words = said.split(" ")
        return Generation(
            text=" ".join(words[:max_tokens]),
            prompt_tokens=sum(self.count_tokens([message.content for message in prompt])),
            completion_tokens=min(len(words), max_tokens),
            finish="length" if len(words) > max_tokens else "stop",
        )
