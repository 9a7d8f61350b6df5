"""`answer_question`: for code that runs where the documents are, without a server."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.models import EVERYONE, Answer, Question, SearchFilter
from tasks.settings import Settings
from tasks.wiring import application


def answer_question(
    question: str,
    *,
    principals: Iterable[str] = (),
    filter: SearchFilter | None = None,  # noqa: A002 (the field's name)
    settings: Settings | None = None,
) -> Answer:
    """A cited answer, or a reason for silence, made in this process.

    Args:
        question: In any language.
        principals: The user and groups that ask; everyone is among them.
        filter: What the search is narrowed to.
        settings: Those of the environment when none are given; models are loaded once a process and settings.

    Raises:
        TransientError: The database, the index or the generator does not answer.
        ConfigurationError: A setting is wrong.
    """
    if isinstance(principals, str):
        # A string is an iterable of letters, and a letter may be somebody's group.
        principals = (principals,)
    app = application(settings or Settings())
    asked = Question(
        text=question,
        principals=frozenset({EVERYONE, *principals}),
        tenant=app.settings.tenant,
        filter=filter or SearchFilter(),
    )
    (answer,) = app.answer_questions([asked])
    return answer
