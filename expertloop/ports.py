"""Ports to listen on."""

from __future__ import annotations

import socket

from tasks.errors import ConfigurationError


def choose_port(host: str, port: int) -> int:
    """The port itself when it is free; a free one for 0.

    Raises:
        ConfigurationError: It is taken.
    """
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {error.strerror}", advice="choose another host or port"
        ) from error
