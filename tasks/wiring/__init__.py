"""The composition root: settings in, concrete integrations out, each built once a process and only when asked for.

One class a room, each standing on those before it: stores, documents, spaces, answering; curation, cases and serving.
"""

from __future__ import annotations

from tasks.settings import Settings
from tasks.wiring.cases import Cases
from tasks.wiring.serving import Serving

__all__ = ["Application", "application", "use_application"]


class Application(Cases, Serving):
    """Everything that is wired, lazily."""


_applications: dict[Settings, Application] = {}


def application(settings: Settings | None = None) -> Application:
    """The application of these settings; of the environment's when none are given. One a process and settings."""
    settings = settings or Settings()
    return _applications.setdefault(settings, Application(settings))


def use_application(app: Application) -> None:
    """Let `application()` return this one for its settings: how a test passes fakes through task wrappers."""
    _applications[app.settings] = app
