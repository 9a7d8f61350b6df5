"""The Prefect server that runs what runs by itself."""

from __future__ import annotations

from functools import cached_property

from tasks.deployment_ports import FlowServer
from tasks.settings import find_prefect_server
from tasks.wiring.stores import Stores


class Deployment(Stores):
    """Deployments and events."""

    @cached_property
    def flow_server(self) -> FlowServer | None:
        """The one that PREFECT_API_URL names; None when it names none."""
        if find_prefect_server() is None:
            return None
        from tasks.integrations.prefect_flow_server import PrefectFlowServer

        notify = self.settings.notify_url
        return PrefectFlowServer(notify.get_secret_value() if notify else None)
