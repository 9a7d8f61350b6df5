"""Where a Weaviate is: the three forms of `EXPERTLOOP_INDEX_URL`.

weaviate+http://host:8080?grpc=50051 · weaviate+https://host?grpc=443&grpc_host=grpc-host · weaviate+embedded://[/folder]
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import SecretStr

from tasks.errors import ConfigurationError

SCHEMES = ("weaviate+http", "weaviate+https", "weaviate+embedded")

_HTTP_PORTS = {"weaviate+http": 8080, "weaviate+https": 443, "weaviate+embedded": 8079}
_GRPC_PORTS = {"weaviate+http": 50051, "weaviate+https": 50051, "weaviate+embedded": 50050}
_PARAMETERS = {"grpc", "grpc_host"}
_ADVICE = "write weaviate+http://host:8080?grpc=50051, weaviate+https://host?grpc=50051 or weaviate+embedded://"


class WeaviateAddress(NamedTuple):
    """Host and ports of both of its protocols; `folder` is set when this process is to start it itself."""

    host: str
    port: int
    grpc_host: str
    grpc_port: int
    secure: bool
    folder: Path | None = None

    @property
    def shown(self) -> str:
        """As messages and the doctor say it."""
        scheme = "weaviate+embedded" if self.folder else "weaviate+https" if self.secure else "weaviate+http"
        return f"{scheme}://{self.folder or f'{self.host}:{self.port}'}"


def parse_address(url: str, *, home: Path) -> WeaviateAddress:
    """What a URL says.

    Args:
        url: In one of the three forms.
        home: Where an embedded server without a folder of its own keeps its data.

    Raises:
        ConfigurationError: It has another form, or carries a key, which would end up in logs.
    """
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            "EXPERTLOOP_INDEX_URL carries a user or a key, which logs would show",
            advice="take it out of the URL and set EXPERTLOOP_INDEX_KEY",
        )
    parameters = _read_parameters(parts)
    embedded = parts.scheme == "weaviate+embedded"
    host = "127.0.0.1" if embedded else parts.hostname
    if not host:
        raise ConfigurationError("EXPERTLOOP_INDEX_URL names no host", advice=_ADVICE)
    address = WeaviateAddress(
        host=host,
        port=_read_port(parts) or _HTTP_PORTS[parts.scheme],
        grpc_host=parameters.get("grpc_host", host),
        grpc_port=_to_port(parameters.get("grpc", str(_GRPC_PORTS[parts.scheme]))),
        secure=parts.scheme == "weaviate+https",
        folder=(Path(parts.path) if parts.path.strip("/") else home / "weaviate").absolute() if embedded else None,
    )
    if (address.host, address.port) == (address.grpc_host, address.grpc_port):
        raise ConfigurationError("EXPERTLOOP_INDEX_URL has one port for both of Weaviate's protocols", advice=_ADVICE)
    return address


def parse_headers(text: SecretStr | None) -> dict[str, SecretStr]:
    """`Name: value; Other: value` by name.

    Raises:
        ConfigurationError: A part is no header; its value is not repeated.
    """
    headers: dict[str, SecretStr] = {}
    for number, part in enumerate(text.get_secret_value().split(";") if text else (), start=1):
        name, colon, value = (piece.strip() for piece in part.partition(":"))
        if not part.strip():
            continue
        if not colon or not name.replace("-", "").isalnum() or not (value.isascii() and value.isprintable() and value):
            raise ConfigurationError(
                f"part {number} of EXPERTLOOP_INDEX_HEADERS is no header",
                advice="write Name: value; Other-Name: value",
            )
        headers[name] = SecretStr(value)
    return headers


def _read_parameters(parts: SplitResult) -> dict[str, str]:
    parameters = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if unknown := parameters.keys() - _PARAMETERS:
        # Only the name: the value may be a key that somebody put there.
        raise ConfigurationError(f"EXPERTLOOP_INDEX_URL has an unknown parameter {min(unknown)!r}", advice=_ADVICE)
    return parameters


def _read_port(parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError as error:
        raise ConfigurationError("EXPERTLOOP_INDEX_URL has a port that is none", advice=_ADVICE) from error


def _to_port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 1 << 16:
        raise ConfigurationError("EXPERTLOOP_INDEX_URL has a gRPC port that is none", advice=_ADVICE)
    return int(text)
