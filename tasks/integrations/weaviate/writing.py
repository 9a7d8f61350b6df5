"""Objects into a tenant and out of it: as many in flight as the server keeps up with, and every failure looked at."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter
from weaviate.exceptions import WeaviateInsertManyAllFailedError

from tasks.integrations.store_values import list_batches
from tasks.integrations.weaviate.errors import give_up, is_transient_failure, refuse
from tasks.integrations.weaviate.rows import exact_value, reader_properties, readers_key

logger = logging.getLogger(__name__)

OBJECTS_AT_ONCE = 128
"""Per request; bench/weaviate_store.py has the figures of others."""

REQUESTS_AT_ONCE = 4
"""In flight: a slow server is waited for, not flooded."""

ROWS_AT_ONCE = 1000
"""Read or deleted by one request."""

MOST_FOUND = 10_000
"""What a server gives out for one query, unless it was told otherwise (QUERY_MAXIMUM_RESULTS)."""

TRIES = 5
_FIRST_PAUSE_SECONDS = 0.2
_SHOWN_FAILURES = 3

_random = random.SystemRandom()

Item = TypeVar("Item")


def insert_objects(
    place: Any,
    items: Sequence[Item],
    *,
    make: Callable[[Item], Any],
    shown: str,
    may_be_there: bool = True,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Write all items or raise; after the first failure no further request is begun.

    Args:
        place: The client's collection with a tenant.
        items: What objects are made of.
        make: Makes one, with its id; an object that is there is replaced. Made while others are on their way.
        shown: The server, as messages name it.
        may_be_there: Whether the tenant may hold some of them.
        sleep: Waits so many seconds.

    Raises:
        BackendUnavailable: Some were refused TRIES times for a reason that may pass.
        ConfigurationError: Some were refused for another.
    """
    if not items:
        return

    def insert(some: Sequence[Item]) -> None:
        objects = [make(item) for item in some]
        if may_be_there:
            _delete_halves(place, objects, shown)
        _insert_batch(place, objects, shown, sleep)

    pool = ThreadPoolExecutor(max_workers=REQUESTS_AT_ONCE)
    try:
        for done in [pool.submit(insert, some) for some in list_batches(items, OBJECTS_AT_ONCE)]:
            done.result()
    finally:
        pool.shutdown(cancel_futures=True)
    _flush(place, make(items[-1]).uuid)


def _delete_halves(place: Any, objects: Sequence[Any], shown: str) -> None:
    """Delete those of the objects that are stored without their vector, which writing them again would not mend.

    A request that ends before its answer (a reset, a deadline, a kill of either side) leaves objects whose vectors
    never came into the graph, and an object that is written with the vector it has leaves the graph alone. A search
    among so few ids is a scan, which passes over what is not in the graph.
    """
    ids = [str(one.uuid) for one in objects]
    stored = _ids(place.query.fetch_objects_by_ids(ids, limit=len(ids), return_properties=["chunk_id"]))
    if not stored:
        return
    among = Filter.by_id().contains_any(sorted(stored))
    vector = objects[0].vector
    whole = _ids(place.query.near_vector(vector, filters=among, limit=len(stored), return_properties=["chunk_id"]))
    if halves := stored - whole:
        logger.warning("objects without vectors server=%s objects=%s", shown, len(halves))
        delete_objects(place, sorted(halves), shown=shown)


def _ids(found: Any) -> set[str]:
    return {str(one.uuid) for one in found.objects}


def _flush(place: Any, object_id: Any) -> None:
    """Let the server write the end of its graph's log to the file, so that a kill of it loses nothing.

    Weaviate 1.38 flushes that log when a batch's objects are stored, but before its workers have put their vectors into
    the graph (shard_write_batch_objects.go, `Objects`): killed then, or an hour later, it came back with every object
    and without the last 30 to 90 vectors. A deletion flushes, too, also one that is only tried.
    """
    place.data.delete_many(where=Filter.by_id().equal(object_id), dry_run=True)


def delete_objects(place: Any, object_ids: Sequence[str], *, shown: str) -> int:
    """Delete objects; returns how many were there.

    Raises:
        BackendUnavailable: The server found some and could not delete them.
    """
    done = place.data.delete_many(where=Filter.by_id().contains_any(object_ids))
    if done.failed:
        raise give_up(shown, f"did not delete {done.failed} of {done.matches} objects")
    return int(done.successful)


def replace_readers(place: Any, readers: Sequence[str], document_ids: Sequence[str], *, shown: str) -> None:
    """Give the rows of documents other readers, a page at a time.

    Rows that have them no longer match the filter: no page is skipped, and after a kill the next run goes on. The
    server sees that the vector is the one it has, and leaves the graph alone.
    """
    documents = Filter.by_property("document_id").contains_any([exact_value(key) for key in document_ids])
    condition = documents & Filter.by_property("readers_key").not_equal(readers_key(readers))
    make = partial(_with_readers, readers=readers)
    while found := place.query.fetch_objects(filters=condition, limit=ROWS_AT_ONCE, include_vector=True).objects:
        insert_objects(place, found, make=make, shown=shown)
    # Those that a server took along when it was killed have their readers, and no place in the graph.
    for some in list_batches(_find_halves(place, documents), ROWS_AT_ONCE):
        found = place.query.fetch_objects_by_ids(some, limit=len(some), include_vector=True).objects
        insert_objects(place, found, make=make, shown=shown)


def _find_halves(place: Any, condition: Any) -> list[str]:
    """Ids of the objects that meet a condition and are stored without their vector, among the first MOST_FOUND."""
    found = place.query.fetch_objects(filters=condition, limit=MOST_FOUND, return_properties=["chunk_id"])
    if not found.objects:
        return []
    first = place.query.fetch_object_by_id(found.objects[0].uuid, include_vector=True)
    vector = first.vector["default"]
    whole = place.query.near_vector(vector, filters=condition, limit=MOST_FOUND, return_properties=["chunk_id"])
    return sorted(_ids(found) - _ids(whole))


def _with_readers(found: Any, *, readers: Sequence[str]) -> DataObject[dict[str, Any], None]:
    properties = {**found.properties, **reader_properties(readers)}
    return DataObject(properties=properties, uuid=found.uuid, vector=found.vector["default"])


def _insert_batch(place: Any, objects: Sequence[Any], shown: str, sleep: Callable[[float], None]) -> None:
    waiting = list(objects)
    for attempt in range(TRIES):
        failures = _insert(place, waiting)
        if not failures:
            return
        reasons = sorted(set(failures.values()))
        if final := [reason for reason in reasons if not is_transient_failure(reason)]:
            raise refuse(shown, _summarise(len(failures), final))
        waiting = [waiting[position] for position in failures]
        logger.warning("objects refused server=%s objects=%s attempt=%s", shown, len(waiting), attempt + 1)
        if attempt + 1 < TRIES:
            sleep(_FIRST_PAUSE_SECONDS * 2**attempt * _random.uniform(0.5, 1.5))
            _delete_halves(place, waiting, shown)
    raise give_up(shown, f"refused {_summarise(len(waiting), reasons)}")


def _insert(place: Any, objects: Sequence[Any]) -> dict[int, str]:
    """What the server says of each object that it did not take, by position."""
    try:
        done = place.data.insert_many(objects)
    except WeaviateInsertManyAllFailedError as error:
        return dict.fromkeys(range(len(objects)), str(error))
    return {position: failure.message for position, failure in done.errors.items()}


def _summarise(number: int, reasons: Sequence[str]) -> str:
    said = "; ".join(" ".join(reason.split())[:200] for reason in reasons[:_SHOWN_FAILURES])
    return f"{number} objects: {said}"
