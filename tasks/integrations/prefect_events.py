"""Events of flow runs, as Prefect sends them: in the background, and not at all where no server is."""

from __future__ import annotations

from tasks.deployment_models import ProcessEvent


class PrefectEvents:
    """An `EventSink`."""

    def emit(self, event: ProcessEvent) -> None:
        """Hand it to Prefect's own sender, which the end of the run waits for."""
        from prefect.events import emit_event

        emit_event(event.name, {"prefect.resource.id": event.resource_id}, payload=dict(event.payload))
