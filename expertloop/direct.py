"""`answer_question`: for code that runs where the documents are, without a server."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from tasks.models import EVERYONE, Answer, Question, SearchFilter
from tasks.settings import Settings
from tasks.wiring import Application, application


def answer_question(
    question: str,
    *,
    principals: Iterable[str] = (),
    filter: SearchFilter | None = None,  # noqa: A002 (the field's name)
    key: str | None = None,
    settings: Settings | None = None,
) -> Answer:
    """A cited answer, or a reason for silence, made in this process.

    Args:
        question: In any language.
        principals: The user and groups that ask; everyone is among them.
        filter: What the search is narrowed to.
        key: The same request with the same key gets the same answer, for 24 hours.
        settings: Those of the environment when none are given; models are loaded once a process and settings.

    Raises:
        TransientError: The database, the index or the generator does not answer.
        ConfigurationError: A setting is wrong.
        KeyReused: The key stands for another question of these principals.
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
    if key is None:
        return _answer(app, asked)
    return app.kept_answers.answer_once(asked, key, partial(_answer, app, asked)).answer


def _answer(app: Application, question: Question) -> Answer:
    (answer,) = app.answer_questions([question])
    return answer
