"""One connection to one Weaviate, opened when first needed and anew after it broke.

The client waits for up to a minute by itself before it says that a server is gone (`weaviate.retry`, 1 + 2 + … + 32 s),
and asks a package registry for its newest version each time it connects. Here neither happens: what is refused is
refused at once, every call has its time limit, and retrying is Prefect's.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

import grpc
import weaviate
from pydantic import SecretStr
from weaviate.classes.init import AdditionalConfig, Auth, Timeout
from weaviate.config import ConnectionConfig, GrpcConfig
from weaviate.connect import ConnectionParams, ProtocolParams
from weaviate.embedded import EmbeddedOptions

from tasks.errors import BackendUnavailable, ConfigurationError
from tasks.integrations.weaviate.address import WeaviateAddress
from tasks.integrations.weaviate.errors import give_up, translated

OLDEST_SERVER = (1, 33, 4)
"""Older ones have known security faults and no rotational quantisation."""

NEWEST_TESTED = (1, 38)
"""A newer minor version works as far as its makers keep their word; the doctor says so."""

EMBEDDED_VERSION = "1.38.11"
"""What `make weaviate` builds."""

_START_SECONDS = 60.0
_RECONNECT_MS = 1000

# On failures it logs whole objects, text included, as errors; ours say what is needed.
logging.getLogger("weaviate-client").setLevel(logging.CRITICAL)

logger = logging.getLogger(__name__)


@dataclass
class _Lent:
    """A client and how many calls have it."""

    client: Any
    users: int = 0
    retired: bool = False

    def close_unused(self) -> None:
        """Close it when nobody has it and nobody will."""
        if self.retired and self.users == 0:
            self.client.close()


class Connection:
    """Opens, checks, drops and opens again.

    Args:
        address: Where the server is.
        key: API key.
        headers: Sent with every request, for a proxy before the server, say.
        timeout_seconds: Longest wait for one request.
        binaries: Where the binary of an embedded server lies.
    """

    def __init__(
        self,
        address: WeaviateAddress,
        *,
        key: SecretStr | None,
        headers: Mapping[str, SecretStr],
        timeout_seconds: float,
        binaries: Path,
    ) -> None:
        self._address = address
        self._key = key
        self._headers = headers
        self._timeout_seconds = timeout_seconds
        self._binaries = binaries
        self._lock = RLock()
        self._lent: _Lent | None = None
        self._opening: Future[None] | None = None
        self._version = ""

    @property
    def shown(self) -> str:
        """The server, as messages name it."""
        return self._address.shown

    def read_version(self) -> str:
        """The server's version; asks it."""
        with self.use():
            return self._version

    @contextmanager
    def use(self) -> Iterator[Any]:
        """The client, connected; its errors become ours, and a broken connection is given up for the next call."""
        with translated(self.shown):
            lent = self._lend()
        try:
            with translated(self.shown):
                yield lent.client
        except BackendUnavailable as error:
            if error.details.get("lost"):
                self._retire(lent)
            raise
        finally:
            self._give_back(lent)

    def close(self) -> None:
        """Give the connection up; the next call opens another."""
        with self._lock:
            if self._lent is not None:
                self._retire(self._lent)

    def _lend(self) -> _Lent:
        """The open connection; who comes while another caller opens one waits for that, and fails with it.

        Callers of a server that hangs would else wait one after the other, and all ask it at once when it is back.
        """
        while True:
            with self._lock:
                if self._lent is not None:
                    self._lent.users += 1
                    return self._lent
                if (opening := self._opening) is None:
                    opening = self._opening = Future()
                    break
            failure = opening.exception()
            if isinstance(failure, Exception):
                raise failure
        return self._open_for_all(opening)

    def _open_for_all(self, opening: Future[None]) -> _Lent:
        try:
            lent = _Lent(self._open(), users=1)
        except BaseException as error:
            with self._lock:
                self._opening = None
            opening.set_exception(error)
            raise
        with self._lock:
            self._lent, self._opening = lent, None
            atexit.register(self.close)
        opening.set_result(None)
        return lent

    def _give_back(self, lent: _Lent) -> None:
        with self._lock:
            lent.users -= 1
            lent.close_unused()

    def _retire(self, lent: _Lent) -> None:
        """Lend it to nobody else; the last of those who have it closes it, since a closed one fails in any way."""
        with self._lock:
            if self._lent is lent:
                self._lent = None
                atexit.unregister(self.close)
            lent.retired = True
            lent.close_unused()

    def _open(self) -> Any:
        client = self._make_client()
        with ExitStack() as undo:
            undo.callback(client.close)
            client.connect()
            self._version = self._check_version(client)
            self._check_grpc(client)
            undo.pop_all()
        logger.info("weaviate connected server=%s version=%s", self.shown, self._version)
        return client

    def _make_client(self) -> Any:
        address = self._address
        config = AdditionalConfig(
            timeout=Timeout(query=self._timeout_seconds, insert=self._timeout_seconds, init=self._timeout_seconds),
            connection=ConnectionConfig(session_pool_max_retries=0),
            grpc_config=GrpcConfig(channel_options=[("grpc.max_reconnect_backoff_ms", _RECONNECT_MS)]),
        )
        common: dict[str, Any] = {
            "auth_client_secret": Auth.api_key(self._key.get_secret_value()) if self._key else None,
            "additional_headers": {name: value.get_secret_value() for name, value in self._headers.items()},
            "additional_config": config,
            "skip_init_checks": True,
        }
        if address.folder is not None:
            return weaviate.WeaviateClient(embedded_options=self._embedded(address.folder), **common)
        params = _FailingFast(
            http=ProtocolParams(host=address.host, port=address.port, secure=address.secure),
            grpc=ProtocolParams(host=address.grpc_host, port=address.grpc_port, secure=address.secure),
        )
        return weaviate.WeaviateClient(connection_params=params, **common)

    def _embedded(self, folder: Path) -> EmbeddedOptions:
        """Options that make the client start the binary that is here, and download none."""
        tag = f"v{EMBEDDED_VERSION}"
        expected = self._binaries / f"weaviate-{tag}-{hashlib.sha256(tag.encode()).hexdigest()}"
        built = self._binaries / "weaviate-server"
        if not expected.exists():
            if not built.exists():
                raise ConfigurationError(
                    f"weaviate+embedded:// needs the server's binary in {self._binaries}, and it is not there",
                    advice="run `make weaviate` where you unpacked expertloop, or start a server and name it",
                )
            with suppress(FileExistsError):
                expected.symlink_to(built)
        return EmbeddedOptions(
            persistence_data_path=str(folder),
            binary_path=str(self._binaries),
            version=EMBEDDED_VERSION,
            port=self._address.port,
            grpc_port=self._address.grpc_port,
            additional_env_vars={"DISABLE_TELEMETRY": "true", "ENABLE_MODULES": "", "LOG_LEVEL": "error"},
        )

    def _check_version(self, client: Any) -> str:
        version = str(client.get_meta()["version"])
        if parse_version(version) < OLDEST_SERVER:
            oldest = ".".join(map(str, OLDEST_SERVER))
            raise ConfigurationError(
                f"the Weaviate server {self.shown} is version {version}, older than {oldest}",
                advice=f"upgrade it, one minor version after the other, to {EMBEDDED_VERSION} or newer",
            )
        return version

    def _check_grpc(self, client: Any) -> None:
        """The second protocol has a port of its own, which is easily forgotten in a firewall or a URL."""
        deadline = time.monotonic() + min(self._timeout_seconds, _START_SECONDS)
        channel = client._connection._grpc_channel
        try:
            grpc.channel_ready_future(channel).result(timeout=deadline - time.monotonic())
        except grpc.FutureTimeoutError as error:
            where = f"{self._address.grpc_host}:{self._address.grpc_port}"
            raise give_up(self.shown, f"answers, but not by gRPC at {where} (`?grpc=PORT` in the URL)") from error


def parse_version(text: str) -> tuple[int, ...]:
    """1.38.11-rc.1 as (1, 38, 11)."""
    return tuple(int(part) for part in text.partition("-")[0].split(".") if part.isdigit())


class _FailingFast(ConnectionParams):
    """A channel whose calls say "unavailable" in our words, which the client's own retries do not know."""

    def _grpc_channel(self, *arguments: Any, **keywords: Any) -> Any:
        channel = super()._grpc_channel(*arguments, **keywords)
        return grpc.intercept_channel(channel, _FailFast(f"{self.http.host}:{self.http.port}"))


class _FailFast(grpc.UnaryUnaryClientInterceptor):  # type: ignore[misc]
    def __init__(self, shown: str) -> None:
        self._shown = shown

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        call = continuation(details, request)
        if call.code() == grpc.StatusCode.UNAVAILABLE:
            raise give_up(self._shown, "does not answer", lost=True)
        return call
