"""The Prefect server that runs what runs by itself."""

from __future__ import annotations

from functools import cached_property

from tasks.deployment_ports import FlowServer
from tasks.settings import prepare_prefect
from tasks.wiring.stores import Stores


class Deployment(Stores):
    """Deployments and events."""

    @cached_property
    def flow_server(self) -> FlowServer | None:
        """The one that PREFECT_API_URL names; None when it names none."""
        if prepare_prefect(self.settings):
            return None
        from tasks.integrations.prefect_flow_server import PrefectFlowServer

        notify = self.settings.notify_url
        return PrefectFlowServer(notify.get_secret_value() if notify else None)
