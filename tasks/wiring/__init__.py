"""The composition root: settings in, concrete integrations out, each built once a process and only when asked for.

One class a room: stores, documents, spaces, models, answering, curation, each standing on those before it; training,
registry, arms, cases, erasure, serving and deployment on all of them.
"""

from __future__ import annotations

from tasks.settings import Settings
from tasks.wiring.arms import Arms
from tasks.wiring.automation import Automation
from tasks.wiring.cases import Cases
from tasks.wiring.deployment import Deployment
from tasks.wiring.erasure import Erasure
from tasks.wiring.rebuilding import Rebuilding
from tasks.wiring.registry import Registry
from tasks.wiring.serving import Serving

__all__ = ["Application", "application", "use_application"]


class Application(Erasure, Registry, Arms, Cases, Serving, Rebuilding, Automation, Deployment):
    """Everything that is wired, lazily."""


_applications: dict[Settings, Application] = {}


def application(settings: Settings | None = None) -> Application:
    """The application of these settings; of the environment's when none are given. One a process and settings."""
    settings = settings or Settings()
    return _applications.setdefault(settings, Application(settings))


def use_application(app: Application) -> None:
    """Let `application()` return this one for its settings: how a test passes fakes through task wrappers."""
    _applications[app.settings] = app
