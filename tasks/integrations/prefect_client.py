"""A Prefect server's API, whose failures are told in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tasks.errors import AccessDenied, BackendUnavailable, ConfigurationError, ProductError

if TYPE_CHECKING:
    import httpx
    from prefect.client.orchestration import SyncPrefectClient


@contextmanager
def connect() -> Iterator[SyncPrefectClient]:
    """A client of the server that PREFECT_API_URL names; what fails inside the block is told in our words.

    Raises:
        BackendUnavailable: The server does not answer, or is broken.
        AccessDenied: PREFECT_API_AUTH_STRING is not the server's.
        ConfigurationError: It does not take what was sent.
    """
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError

    with get_client(sync_client=True) as client:
        try:
            yield client
        except PrefectHTTPStatusError as error:
            raise _translate(error.response) from error
        except httpx.TransportError as error:
            raise BackendUnavailable(
                f"no Prefect server answers at {client.api_url}",
                advice="start it, or correct PREFECT_API_URL; `expertloop up` starts one",
            ) from error


def _translate(response: httpx.Response) -> ProductError:
    status = response.status_code
    if status >= 500 or status == 429:
        return BackendUnavailable(f"the Prefect server answers {status}", advice="look at its log; try again later")
    if status in {401, 403}:
        return AccessDenied(f"the Prefect server answers {status}", advice="correct PREFECT_API_AUTH_STRING")
    return ConfigurationError(
        f"the Prefect server refuses {response.request.method} {response.request.url.path} ({status}): "
        f"{response.text[:300]}",
        advice="correct prefect.yaml; docs/deploy.md describes it",
    )
