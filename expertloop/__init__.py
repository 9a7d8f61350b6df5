"""Doors: the command line and the names other people's code imports. They call flows and tasks; nothing calls them.

`Client` and `AsyncClient` ask a server, whose streams have `Sentence`s and `Retraction`s; `answer_question` answers in
this process. Each is imported when it is used, so that `import expertloop` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from expertloop.client import AsyncClient, Client
    from expertloop.direct import answer_question
    from expertloop.results import Retraction, Sentence

__all__ = ["AsyncClient", "Client", "Retraction", "Sentence", "answer_question"]

_HOMES = {
    "AsyncClient": "expertloop.client",
    "Client": "expertloop.client",
    "Retraction": "expertloop.results",
    "Sentence": "expertloop.results",
    "answer_question": "expertloop.direct",
}


def __getattr__(name: str) -> Any:
    """A public name, imported now."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted({*globals(), *__all__})
