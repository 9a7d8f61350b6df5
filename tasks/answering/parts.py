"""A question that asks several things: each part is searched and answered by itself, and the answers become one.

"What does the seal cost, and how long does delivery take?" has two answers in two documents; one search finds the one
or the other. Rules in English and German tell the parts; where they see none, the question stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tasks.answer_models import Answer, Citation, Question, Timings
from tasks.answering.sentences import split_sentences
from tasks.prompting import REFUSAL

_ASKING = (
    r"(?:what|how|when|where|who|whom|whose|which|why|was|wie|wieviel|wann|wo|wohin|woher|wer|wem|wen|wessen"
    r"|welche[mnrs]?|warum|wieso|womit|wofür)"
)
_JOINT = re.compile(rf"\s*,?\s+(?:and|und|sowie)(?:\s+also|\s+auch)?,?\s+(?={_ASKING}\b)", re.IGNORECASE)
_ASKS = re.compile(rf"\b{_ASKING}\b", re.IGNORECASE)
_SUBJECT = re.compile(r"\b(?:[A-Z]{2,}|\w*\d\w*|[A-ZÄÖÜ]\w+(?:[ -][A-Z]?\d\w*)?)\b")
_POINTING = re.compile(
    r"\b(?:it|its|they|them|their|this|that|these|those|he|she|er|sie|es|ihn|ihm|dessen|deren|diese[mnrs]?|dafür|damit"
    r"|darin|davon)\b",
    re.IGNORECASE,
)
_LEAST_WORDS = 3
_MOST_PARTS = 4
_LONGEST = 2000
"""Characters of what is looked at; a pasted document is no question of several parts."""
_MARK = re.compile(r"\[(\d+)\]")


def split_question(text: str) -> list[str]:
    """The parts of a question in order, each understandable alone; the whole where it asks one thing.

    What is said before the first question belongs to each part; a part that points back ("what does it cost") gets the
    names and codes of the part before, and where there are none the question stays whole.
    """
    sentences = [text[start:end] for start, end in split_sentences(text)] if len(text) <= _LONGEST else []
    parts = [part for sentence in sentences if sentence.endswith("?") for part in _split_sentence(sentence)]
    if not 2 <= len(parts) <= _MOST_PARTS:
        return [text]
    named = parts[:1]
    for part in parts[1:]:
        alone = _name_subject(part, named[-1])
        if alone is None:
            return [text]
        named.append(alone)
    told = " ".join(sentence for sentence in sentences if not sentence.endswith("?"))
    return [f"{told} {part}".strip() for part in named]


def _split_sentence(sentence: str) -> list[str]:
    pieces = [piece.strip(" ,") for piece in _JOINT.split(sentence)]
    if len(pieces) == 1 or any(len(piece.split()) < _LEAST_WORDS for piece in pieces) or not _ASKS.search(pieces[0]):
        return [sentence]
    return [piece if piece.endswith("?") else f"{piece}?" for piece in pieces]


def _name_subject(part: str, before: str) -> str | None:
    """The part, with the names and codes of the one before where it points back; None where it points to neither."""
    if not _POINTING.search(part) or _SUBJECT.search(part.partition(" ")[2]):
        return part
    subjects = list(dict.fromkeys(_SUBJECT.findall(before.partition(" ")[2])))
    return f"{part.rstrip('?')} ({', '.join(subjects)})?" if subjects else None


def merge_answers(question: Question, parts: Sequence[Answer], *, language: str) -> Answer:
    """One answer of those of the parts: what is silent says so, and the whole is as sure as its least sure part.

    Args:
        parts: In the order of the question; at least one.
        language: Of the words that say what is not answered.
    """
    given = [part for part in parts if not part.abstained]
    least = min(given or parts, key=lambda part: part.confidence if part.confidence is not None else 1.0)
    merged = least.model_copy(
        update={
            "question": question.text,
            "id": question.id,
            "sources": _unite([part.sources for part in parts]),
            "suspicious": _unite([part.suspicious for part in parts]),
            "found": tuple(citation for part in parts for citation in part.found),
            "expansions": tuple({one.said: one for part in parts for one in part.expansions}.values()),
            "timings": _add_timings([part.timings for part in parts]),
            "prompt_tokens": sum(part.prompt_tokens for part in parts),
            "completion_tokens": sum(part.completion_tokens for part in parts),
        }
    )
    if not given:
        return merged
    text, citations = _join_texts(parts, REFUSAL[language])
    modes = {part.mode for part in given}
    return merged.model_copy(
        update={
            "text": text,
            "citations": citations,
            "mode": "generated" if modes == {"generated"} else "extractive",
            "conflicting": any(part.conflicting for part in given),
        }
    )


def _join_texts(parts: Sequence[Answer], refusal: str) -> tuple[str, tuple[Citation, ...]]:
    """The texts below each other, their citations numbered through, each place once."""
    citations: dict[tuple[str, int, int], Citation] = {}
    texts = []
    for part in parts:
        numbers: dict[str, int] = {}
        for citation in part.citations:
            place = (citation.document_id, citation.start, citation.end)
            known = citations.setdefault(place, citation.model_copy(update={"number": len(citations) + 1}))
            numbers[str(citation.number)] = known.number
        said = f"{part.question} {refusal}" if part.abstained else part.text
        texts.append(_renumber(said, numbers))
    return "\n".join(texts), tuple(citations.values())


def _renumber(text: str, numbers: Mapping[str, int]) -> str:
    return _MARK.sub(lambda mark: f"[{numbers.get(mark[1], mark[1])}]", text)


def _unite(lists: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for listed in lists for one in listed))


def _add_timings(timings: Sequence[Timings]) -> Timings:
    return Timings(
        search_seconds=sum(one.search_seconds for one in timings),
        generate_seconds=sum(one.generate_seconds for one in timings),
        total_seconds=sum(one.total_seconds for one in timings),
    )
