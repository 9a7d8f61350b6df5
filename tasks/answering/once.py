"""One answer a key: whoever asks the same once more, or at the same time, gets the answer that is there.

The database decides between two that come together; the lease of the question tells the second that somebody is at
work, and passes on when that somebody died. An error is not kept: the next one with the key tries again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import NamedTuple

from tasks.access_ports import QuestionStore
from tasks.answer_models import Answer, Question
from tasks.errors import ConfigurationError, DeviceBusy
from tasks.models import EVERYONE, derive_id
from tasks.ports import GivenReader, TextReader

MAX_KEY_CHARACTERS = 200
LOOK_AGAIN_SECONDS = 0.2


class Given(NamedTuple):
    """An answer, and whether it had been given before."""

    answer: Answer
    replayed: bool


def check_key(key: str) -> str:
    """The key itself, when it can stand in a header and in every database.

    Raises:
        ConfigurationError: It cannot.
    """
    if 1 <= len(key) <= MAX_KEY_CHARACTERS and key.isascii() and key.isprintable() and key == key.strip():
        return key
    raise ConfigurationError(
        f"a key has 1 to {MAX_KEY_CHARACTERS} printable ASCII characters, with no space at its ends",
        advice="derive it from what is asked about, such as order-4711-delivery",
    )


class KeptAnswers:
    """Answers that were given, for those who may still read what they quote.

    Args:
        store: Keeps questions and their answers.
        reader: Tells what documents say now.
        hold: Takes the lease of a name.
        patience_seconds: How long somebody else's work on the same question is waited for.
    """

    def __init__(
        self,
        store: QuestionStore,
        *,
        reader: GivenReader,
        hold: Callable[[str], AbstractContextManager[str]],
        patience_seconds: float,
    ) -> None:
        self._store = store
        self._reader = reader
        self._hold = hold
        self._patience_seconds = patience_seconds

    def answer_once(self, question: Question, key: str, answer: Callable[[], Answer]) -> Given:
        """The kept answer of the asker's key, else what `answer` returns, which is kept.

        Raises:
            KeyReused: The key stands for another question.
            DeviceBusy: Somebody else has been at it for too long.
        """
        question_id = self._store.write_question(question, key=check_key(key))
        kept = self.find_answer(question_id, question)
        if kept is None:
            with self._hold_patiently(question_id):
                # Whoever held it before may have answered meanwhile.
                kept = self.find_answer(question_id, question)
                if kept is None:
                    return Given(self._keep(question_id, answer()), replayed=False)
        return Given(kept, replayed=True)

    def find_answer(self, question_id: str, asker: Question) -> Answer | None:
        """The kept answer to a question; None when there is none, or none that the asker may still read.

        What else was found is told as far as the asker may read it now.
        """
        kept = self._store.find_answer(derive_id("answer", question_id))
        if kept is None or not still_holds(kept, asker, self._reader):
            return None
        told = {"sources": kept.sources, "suspicious": kept.suspicious}
        uris = sorted({uri for some in told.values() for uri in some})
        readable = self._reader.list_readable(asker.tenant, uris, asker.principals | {EVERYONE}) if uris else ()
        return kept.model_copy(update={k: tuple(uri for uri in some if uri in readable) for k, some in told.items()})

    def _keep(self, question_id: str, answer: Answer) -> Answer:
        self._store.write_answer(question_id, answer)
        return answer

    @contextmanager
    def _hold_patiently(self, question_id: str) -> Iterator[None]:
        deadline = time.monotonic() + self._patience_seconds
        with ExitStack() as held:
            while True:
                try:
                    held.enter_context(self._hold(f"question {question_id}"))
                    break
                except DeviceBusy as busy:
                    if time.monotonic() > deadline:
                        raise DeviceBusy(
                            "a request with the same key is still being answered", advice="send it again later"
                        ) from busy
                    threading.Event().wait(LOOK_AGAIN_SECONDS)
            yield


def still_holds(answer: Answer, asker: Question, reader: TextReader) -> bool:
    """Whether the asker may read everything that the answer quotes, held back or learnt, and it still stands there."""
    learnt_from = {document_id for expansion in answer.expansions for document_id in expansion.document_ids}
    quoted = {citation.document_id for citation in (*answer.citations, *answer.found)}
    texts = {
        document_id: reader.read_text(asker.tenant, document_id, asker.principals | {EVERYONE})
        for document_id in learnt_from | quoted
    }
    return all(texts[document_id] is not None for document_id in learnt_from) and all(
        (text := texts[citation.document_id]) is not None and text[citation.start : citation.end] == citation.quote
        for citation in (*answer.citations, *answer.found)
    )
