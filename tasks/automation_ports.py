"""What the automation room needs of the world."""

from __future__ import annotations

from typing import Protocol

from tasks.deployment_models import ProcessEvent


class EventSink(Protocol):
    """Where events go that flows emit: a hint for whoever listens, never what work depends on."""

    def emit(self, event: ProcessEvent) -> None:
        """Send it off; one that is lost is made good by `reconcile`."""
