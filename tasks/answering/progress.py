"""An answer while it is written: each sentence is told as soon as it is finished and verified, up to where it is over.

What is told is the beginning of what the answer will be: the claims so far, judged as all of them will be at the end.
So nothing is told while something that is not known yet could still withhold it (docs/decisions/0023).
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.answer_models import Citation
from tasks.answering.citations import Claim, split_finished, write_answer
from tasks.answering.compose import ReadableTexts, SupportedClaims, keep_supported
from tasks.answering.draft import Draft
from tasks.answering.ending import read_said
from tasks.ports import Listener, TextReader


class Progress:
    """Watches one draft being written: the `Watcher` of `tasks/ports.py`.

    Args:
        draft: What is written.
        claims: Its claims, as far as they were compared with the passages.
        listener: Is told; None: nobody, and the writing is only ended where the answer is over.
        reader: Tells documents' texts as they are at the moment when a sentence is told.
        is_sure: Whether no confidence can withhold the answer any more; else the listener hears nothing.
        outdated: Whether outdated documents may answer alone.
    """

    def __init__(
        self,
        draft: Draft,
        claims: SupportedClaims,
        listener: Listener | None,
        *,
        reader: TextReader,
        is_sure: bool,
        outdated: bool,
    ) -> None:
        self._draft = draft
        self._claims = claims
        self._listener = listener
        self._reader = reader
        self._is_sure = is_sure
        self._outdated = outdated
        self._finished = 0
        self._told = ""

    def __call__(self, text: str) -> bool:
        """Tell what is new in the text; whether to go on writing."""
        answer = self._claims.leave_prompt_out(text)
        said = read_said(split_finished(answer))
        if self._listener is None:
            return answer == text and not said.in_circles
        if self._is_sure and len(said.claims) > self._finished:
            self._finished = len(said.claims)
            self._tell(self._listener, said.claims)
        return answer == text and not said.in_circles and not self._listener.has_left

    def _tell(self, listener: Listener, finished: Sequence[Claim]) -> None:
        text, citations = self._compose(finished)
        # Also when it has become shorter: a document was withdrawn since the last sentence.
        if text != self._told:
            self._told = text
            listener.hear(text, citations)

    def _compose(self, finished: Sequence[Claim]) -> tuple[str, tuple[Citation, ...]]:
        """The beginning of the answer; nothing while these claims alone would not be given."""
        texts = ReadableTexts(self._reader, self._draft.question)
        candidate = keep_supported(self._draft, None, self._claims.find(finished), texts)
        text, citations = write_answer(candidate.statements if candidate else ())
        if not self._outdated and all(citation.outdated for citation in citations):
            return "", ()
        return text, citations
