"""`answer_question`: for code that runs where the documents are, without a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from pydantic import ValidationError

from tasks.answer_models import Answer, Question
from tasks.errors import ConfigurationError, DeadlineExceeded
from tasks.models import EVERYONE, SearchFilter
from tasks.settings import Settings
from tasks.wiring import Application, application


def answer_question(
    question: str,
    *,
    principals: Iterable[str] = (),
    filter: SearchFilter | None = None,  # noqa: A002 (the field's name)
    key: str | None = None,
    within_seconds: float | None = None,
    token_budget: int | None = None,
    settings: Settings | None = None,
) -> Answer:
    """A cited answer, or a reason for silence, made in this process.

    Args:
        question: In any language.
        principals: The user and groups that ask; everyone is among them.
        filter: What the search is narrowed to.
        key: The same request with the same key gets the same answer, for 24 hours.
        within_seconds: Time for the answer, the loading of models included; what is at work then ends by itself.
        token_budget: Most tokens of prompt and answer together; what does not fit is quoted.
        settings: Those of the environment when none are given; models are loaded once a process and settings.

    Raises:
        DeadlineExceeded: The time is over.
        TransientError: The database, the index or the generator does not answer.
        ConfigurationError: A setting or an argument is wrong.
        KeyReused: The key stands for another question of these principals.
    """
    if isinstance(principals, str):
        # A string is an iterable of letters, and a letter may be somebody's group.
        principals = (principals,)
    app = application(settings or Settings())
    asked = _check_question(
        text=question,
        principals=frozenset({EVERYONE, *principals}),
        tenant=app.settings.tenant,
        filter=filter or SearchFilter(),
        token_budget=token_budget,
        within_seconds=within_seconds,
    )
    answer = partial(_answer if key is None else partial(_answer_once, key), app, asked)
    return answer() if within_seconds is None else _wait(answer, within_seconds)


def _check_question(**terms: Any) -> Question:
    try:
        question = Question(**terms)
        question.text.encode()
    except ValidationError as error:
        first = error.errors()[0]
        name = "question" if first["loc"][0] == "text" else ".".join(map(str, first["loc"]))
        raise ConfigurationError(
            f"{name}: {first['msg']}", advice="help(answer_question) says what it takes"
        ) from error
    except UnicodeEncodeError as error:
        advice = "mend it first: text.encode('utf-8', 'replace').decode()"
        raise ConfigurationError("question: it holds half a character", advice=advice) from error
    return question


def _wait(answer: Callable[[], Answer], seconds: float) -> Answer:
    """The answer, made by another thread: no library can be interrupted, but the asker can go on."""
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        return pool.submit(answer).result(timeout=seconds)
    except TimeoutError as error:
        raise DeadlineExceeded(f"there is no answer within {seconds:g} s", advice="give it more time") from error
    finally:
        pool.shutdown(wait=False)


def _answer_once(key: str, app: Application, question: Question) -> Answer:
    return app.kept_answers.answer_once(question, key, partial(_answer, app, question)).answer


def _answer(app: Application, question: Question) -> Answer:
    (answer,) = app.answer_questions([question])
    return answer
