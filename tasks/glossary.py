"""The company's own words, as people write them into one file: its terms, its abbreviations, how it addresses people.

The terms are what an answer should say (`evaluation`), the abbreviations what a question may say instead (`retrieval`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from tasks.errors import ConfigurationError
from tasks.models import Noun

Word = Annotated[str, Field(pattern=r"\S")]


def _list_forms(value: object) -> object:
    """One long form may stand without a list around it, and nothing is an empty list."""
    return (value,) if isinstance(value, str) else () if value is None else value


class GlossaryTerm(Noun):
    """A word the company uses, and words it never uses instead."""

    term: Word
    language: str
    instead_of: tuple[str, ...] = ()


class Glossary(Noun):
    """How the company speaks."""

    terms: tuple[GlossaryTerm, ...] = ()
    address: dict[str, str] = Field(default={}, description="form of address by language: {'de': 'Sie'}")
    abbreviations: dict[Word, Annotated[tuple[Word, ...], BeforeValidator(_list_forms)]] = Field(
        default={}, description="what an abbreviation stands for, whatever documents say; nothing: leave it alone"
    )


class GlossaryEntry(Noun):
    """One thing that an abbreviation stands for, as a list shows it."""

    short: str
    long: str | None = Field(description="None: people have switched the abbreviation off")
    searched: bool = Field(description="whether a question with one form is searched in the other, too")
    origin: Literal["documents", "people"]
    documents: int = Field(ge=0, description="how many say so")
    document_id: str | None = Field(default=None, description="one of them")


def read_glossary(content: Any, *, name: str) -> Glossary:
    """The glossary of a YAML file's content.

    Args:
        content: As the file was parsed: `terms` (term, language, instead_of), `address` (form by language),
            `abbreviations` (one long form or a list of them by short form).
        name: Of the file, for the message.

    Raises:
        ConfigurationError: The content is not a glossary; all faults are named.
    """
    try:
        return Glossary.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ConfigurationError(
            f"{name} is not a glossary: {faults}",
            advice="write `terms:` as a list of {term, language, instead_of}, `address:` as {de: Sie} and "
            '`abbreviations:` as {"NPSH": net positive suction head}',
        ) from error
