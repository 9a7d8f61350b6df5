"""How long the libraries of Google's and Azure's stores wait, and how often they ask again.

By themselves they keep trying for 35 s and 86 s, and gcsfs waits for ever where a server says nothing. The
tasks above them try again, too (`tasks/retries.py`), so that users heard of a dead server after three to ten minutes.
Here each request is sent three times at most, two seconds apart: that is for faults that pass, and for the listing of a
million objects that must not begin anew for one of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from tasks.integrations.store_folders import speaks

RETRIES = 2
PAUSE_SECONDS = 2
_CONNECT_SECONDS = 10
_SILENCE_SECONDS = 30

# It logs failures with tracebacks, and for each folder that it was not told the bucket's type; ours say what is needed.
logging.getLogger("gcsfs").setLevel(logging.CRITICAL)


def limit_waiting(scheme: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """A store's options with our limits, where the user set none.

    Args:
        scheme: Of the store's URL.
        options: What the user wrote.

    Raises:
        ImportError: The store's library is missing.
    """
    if scheme not in ("gs", "gcs"):
        return options
    from aiohttp import ClientTimeout

    return {
        # A limit for a whole request would cut large objects on slow lines.
        "requests_timeout": ClientTimeout(sock_connect=_CONNECT_SECONDS, sock_read=_SILENCE_SECONDS),
        # Each folder and each object asks for the bucket's type by gRPC. Where no answer comes, as behind a proxy that
        # does not know it, gcsfs goes on without, after a minute each time.
        "retry_timeout": 0,
        **options,
    }


def limit_retries(store: Any, options: Mapping[str, Any], *, pause_seconds: int) -> None:
    """Make an opened store of Google's or Azure's send a request three times at most; others are left as they are.

    Args:
        store: An fsspec file system that nobody has used yet.
        options: What the user wrote.
        pause_seconds: Between one time and the next.
    """
    if speaks(store, "gs"):
        _limit_google(store, pause_seconds)
    elif speaks(store, "az"):
        _limit_azure(store, options, pause_seconds)


def _limit_google(store: Any, pause_seconds: int) -> None:
    """gcsfs has no option for it: how often its decorator tries again is fixed when the class is defined."""
    send = getattr(type(store)._request, "__wrapped__", None)
    if send is not None:  # else it is built differently now, and only slower
        store._request = partial(_send, partial(send, store), pause_seconds)


async def _send(send: Callable[..., Awaitable[Any]], pause_seconds: int, *args: Any, **kwargs: Any) -> Any:
    from gcsfs.retry import RETRIABLE_EXCEPTIONS, HttpError, is_retriable

    for _ in range(RETRIES):
        try:
            return await send(*args, **kwargs)
        except (HttpError, *RETRIABLE_EXCEPTIONS) as error:
            if not is_retriable(error):
                raise
        await asyncio.sleep(pause_seconds)
    return await send(*args, **kwargs)


def _limit_azure(store: Any, options: Mapping[str, Any], pause_seconds: int) -> None:
    """adlfs hands none of the client's options on, so that the client it has made is made anew with them."""
    from azure.storage.blob.aio import BlobServiceClient, LinearRetry

    made = store.service_client
    store.service_client = BlobServiceClient(
        made.primary_endpoint,
        credential=made.credential,
        secondary_hostname=made.secondary_hostname,
        retry_policy=LinearRetry(backoff=pause_seconds, retry_total=RETRIES, random_jitter_range=pause_seconds // 2),
        connection_timeout=options.get("connection_timeout") or _CONNECT_SECONDS,
        read_timeout=options.get("read_timeout") or _SILENCE_SECONDS,
    )
    if made.location_mode != store.service_client.location_mode:
        store.service_client.location_mode = made.location_mode
