"""The `ClaimChecker` port: the support check of answers, for raw texts of models and frozen passages."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.answering.citations import split_claims
from tasks.answering.context import list_quotables
from tasks.answering.support import find_support, read_evidence
from tasks.answering.words import Stems
from tasks.curation_models import FrozenPassage
from tasks.evaluation_models import Share
from tasks.models import Chunk, Hit, Passage


class ClaimSupport:
    """Reads texts as claims; a mark is a hint, never a proof."""

    def count_supported(self, text: str, passages: Sequence[FrozenPassage], *, language: str) -> Share:
        """Claims that the passages carry, over all claims."""
        stems = Stems(language)
        hits = [Hit(rank=rank, score=1 / rank, passage=_thaw(one)) for rank, one in enumerate(passages, start=1)]
        shown = read_evidence(list_quotables(hits), stems)
        claims = split_claims(text)
        supported = sum(
            find_support(claim.text, shown, stems, marked=frozenset(mark - 1 for mark in claim.marks)) is not None
            for claim in claims
        )
        return Share(supported, len(claims))


def _thaw(passage: FrozenPassage) -> Passage:
    """As a search found it; what nobody asks of it here stays empty."""
    return Passage(
        chunk_id=passage.text_sha256,
        document_id=passage.document_id,
        version_id="",
        content_hash="",
        uri="",
        title=passage.title,
        source="",
        document_type="",
        modified=None,
        outdated=False,
        chunk=Chunk(
            position=0,
            start=passage.start,
            end=passage.start + len(passage.text),
            text=passage.text,
            heading_path=passage.heading_path,
        ),
    )
