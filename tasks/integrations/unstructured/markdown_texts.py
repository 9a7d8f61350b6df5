"""Markdown that its library drops or leaves as it is: notes of one word, and what stands in folded sections."""

from __future__ import annotations

import re

from markdown import Markdown
from markdown.blockprocessors import ReferenceProcessor
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor

_FOLDED = re.compile(r"^( {0,3}<details)(?=[\s>])", re.I)
_BEHIND_FENCES = 22
"""Priority between that of fenced code (25), which is taken out of the text, and that of HTML (20)."""


def list_extensions(text: str) -> list[str | Extension]:
    """The extensions by which a text is read."""
    folded: list[str | Extension] = ["md_in_html", _FoldedSections()] if "<details" in text.lower() else []
    return ["tables", "fenced_code", _Notes(), *folded]


class _Notes(Extension):  # type: ignore[misc]  # the library has no types
    """Notes stay where they are written."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 (the library's name)
        md.parser.blockprocessors.register(_LinkTargets(md.parser), "reference", 15)


class _LinkTargets(ReferenceProcessor):  # type: ignore[misc]  # the library has no types
    """Targets of links by name are taken out of the text: `[name]: address`, but not the note `[^name]: word`."""

    RE = re.compile(ReferenceProcessor.RE.pattern.replace(r"\[(", r"\[(?!\^)(", 1), re.M)


class _FoldedSections(Extension):  # type: ignore[misc]  # the library has no types
    """What stands in `<details>` is Markdown, as it is where people read it."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 (the library's name)
        md.preprocessors.register(_MarkFolded(md), "folded", _BEHIND_FENCES)


class _MarkFolded(Preprocessor):  # type: ignore[misc]  # the library has no types
    def run(self, lines: list[str]) -> list[str]:
        return [_FOLDED.sub(r'\1 markdown="1"', line) for line in lines]
