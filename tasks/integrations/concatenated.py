"""Two encoders in one vector, the halves of the *question's* vector weighted by the question's language.

A dot product of concatenated vectors is the sum of the halves' dot products. With documents' halves equally long and
the question's weighted (a, b), the similarity is proportional to a * first + b * second: an English question leans on
the English encoder and a German one on the multilingual one, in one index and without embedding anything twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tasks.models import EmbedderIdentity, hash_text
from tasks.ports import Embedder, Vectors

FirstShares = Mapping[str, float]
"""Share of the first encoder in a question's similarity, 0 to 1, by ISO 639-1 language."""


class ConcatenatedEmbedder:
    """An embedder of two embedders.

    Text is measured in the *second* encoder's tokens, so pass the one that knows all languages second: an English
    encoder cuts German into half as many words a token (1.5 tokens where the multilingual one has 1; in English they
    are equal), and German chunks measured by it would be a third shorter for a half that hardly counts there. A German
    text of more tokens than the first encoder reads is cut in the first half alone.

    Args:
        first: Encoder of the first half, the stronger one where its language is spoken.
        second: Encoder of the second half, the one that knows all languages.
        detect_language: ISO 639-1 code of a question.
        first_shares: By language of the question.
        default_share: Share of the first encoder for every other language.
    """

    def __init__(
        self,
        first: Embedder,
        second: Embedder,
        *,
        detect_language: Callable[[str], str],
        first_shares: FirstShares,
        default_share: float,
    ) -> None:
        self._first = first
        self._second = second
        self._detect_language = detect_language
        self._first_shares = first_shares
        self._default_share = default_share

    @property
    def identity(self) -> EmbedderIdentity:
        """Both encoders'; the shares are not in it, since documents' vectors do not depend on them."""
        first, second = self._first.identity, self._second.identity
        return EmbedderIdentity(
            name=f"{first.name}+{second.name}",
            revision=hash_text(f"{first.revision} {second.revision}"),
            dimension=first.dimension + second.dimension,
        )

    @property
    def max_tokens(self) -> int:
        """The shorter reach of the two."""
        return min(self._first.max_tokens, self._second.max_tokens)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The second encoder's tokens."""
        return self._second.count_tokens(texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """[n x d], both halves equally long."""
        shares = np.full(len(texts), 0.5, dtype=np.float32)
        return _join(self._first.embed_documents(texts), self._second.embed_documents(texts), shares)

    def embed_queries(self, questions: Sequence[str]) -> Vectors:
        """[n x d], the halves as long as the language's shares."""
        languages = [self._detect_language(question) for question in questions]
        shares = [self._first_shares.get(language, self._default_share) for language in languages]
        return _join(
            self._first.embed_queries(questions),
            self._second.embed_queries(questions),
            np.array(shares, dtype=np.float32),
        )


def _join(first: Vectors, second: Vectors, shares: Vectors) -> Vectors:
    """Rows [share * first, (1 - share) * second], L2-normalised."""
    joined = np.concatenate([first * shares[:, None], second * (1 - shares)[:, None]], axis=1)
    normalised: Vectors = (joined / np.linalg.norm(joined, axis=1, keepdims=True)).astype(np.float32)
    return normalised
