"""The Prefect server that runs what runs by itself."""

from __future__ import annotations

import logging
from functools import cached_property

from tasks.deployment_models import ProcessEvent
from tasks.deployment_ports import FlowServer
from tasks.errors import BackendUnavailable
from tasks.settings import find_prefect_server, prepare_prefect
from tasks.wiring.stores import Stores

logger = logging.getLogger(__name__)


class Deployment(Stores):
    """Deployments and events."""

    @cached_property
    def flow_server(self) -> FlowServer | None:
        """The one that PREFECT_API_URL names; None when it names none."""
        if find_prefect_server() is None:
            return None
        prepare_prefect(self.settings)
        from tasks.integrations.prefect_flow_server import PrefectFlowServer

        notify = self.settings.notify_url
        return PrefectFlowServer(notify.get_secret_value() if notify else None)

    def announce(self, *events: ProcessEvent) -> None:
        """Tell the server; without one, or while it is down, nobody is told: an event is a hint, work never waits."""
        if self.flow_server is None or not events:
            return
        try:
            self.flow_server.send_events(events)
        except BackendUnavailable as error:
            logger.warning("events not sent events=%s reason=%s", [one.name for one in events], error.message)
