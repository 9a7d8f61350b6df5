"""Every object that a batch did not take is looked at: sent again if the reason may pass, else said."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from weaviate.exceptions import WeaviateInsertManyAllFailedError

from tasks.errors import BackendUnavailable, ConfigurationError
from tasks.integrations.weaviate.writing import OBJECTS_AT_ONCE, TRIES, delete_objects, insert_objects

MEMORY = "cannot process batch: not enough memory"
SCHEMA = "no such prop with name 'colour' found in class"


class Named(str):
    """An object that is told by its name."""

    uuid = "5f0c1f6e-6e0b-5d39-9a55-0e7f6a9d4c11"


class Place:
    """A tenant whose server refuses what it is told to, and writes down what it was sent."""

    def __init__(self, refusals: Sequence[dict[str, str]] = (), failed_deletes: int = 0) -> None:
        self.data = self.query = self
        self.sent: list[list[str]] = []
        self.flushes = 0
        self._refusals = list(refusals)
        self._failed_deletes = failed_deletes

    def fetch_objects_by_ids(self, _ids: object, **_: object) -> Any:
        return SimpleNamespace(objects=[])

    def insert_many(self, objects: Sequence[str]) -> Any:
        self.sent.append(list(objects))
        refused = self._refusals.pop(0) if self._refusals else {}
        errors = {i: SimpleNamespace(message=refused[key]) for i, key in enumerate(objects) if key in refused}
        if len(errors) == len(objects):
            raise WeaviateInsertManyAllFailedError(f"errors: {set(refused.values())}")
        return SimpleNamespace(errors=errors)

    def delete_many(self, where: object, *, dry_run: bool = False) -> Any:
        self.flushes += dry_run
        return SimpleNamespace(matches=3, failed=self._failed_deletes, successful=3 - self._failed_deletes)


def insert(place: Place, objects: Sequence[str]) -> list[float]:
    pauses: list[float] = []
    insert_objects(place, objects, make=Named, shown="weaviate+http://host:8080", sleep=pauses.append)
    return pauses


def test_only_the_refused_objects_are_sent_again() -> None:
    place = Place([{"b": MEMORY, "d": MEMORY}, {"d": MEMORY}])
    assert len(insert(place, ["a", "b", "c", "d"])) == 2
    assert place.sent == [["a", "b", "c", "d"], ["b", "d"], ["d"]]


def test_a_server_that_takes_none_is_asked_again_a_few_times_with_growing_pauses() -> None:
    place = Place([{"a": MEMORY, "b": MEMORY}] * TRIES)
    pauses: list[float] = []
    with pytest.raises(BackendUnavailable, match="not enough memory"):
        insert_objects(place, ["a", "b"], make=Named, shown="weaviate+http://host:8080", sleep=pauses.append)
    assert place.sent == [["a", "b"]] * TRIES
    assert len(pauses) == TRIES - 1
    assert pauses[-1] > 2 * pauses[0]
    assert sum(pauses) < 10


def test_pauses_of_two_workers_differ() -> None:
    refusal = [{"a": MEMORY}]
    assert insert(Place(refusal), ["a"]) != insert(Place(refusal), ["a"])


def test_an_object_that_can_never_be_stored_is_said_at_once() -> None:
    place = Place([{"b": SCHEMA, "c": MEMORY}])
    with pytest.raises(ConfigurationError, match="colour"):
        insert(place, ["a", "b", "c"])
    assert len(place.sent) == 1


def test_a_failure_in_one_of_many_requests_fails_the_whole() -> None:
    objects = [f"o{i}" for i in range(3 * OBJECTS_AT_ONCE)]
    with pytest.raises(ConfigurationError):
        insert(Place([dict.fromkeys(objects, SCHEMA)]), objects)
    place = Place()
    assert insert(place, objects) == []
    assert sorted(key for sent in place.sent for key in sent) == sorted(objects)
    assert max(map(len, place.sent)) == OBJECTS_AT_ONCE


def test_a_write_ends_with_one_flush_and_a_failed_or_empty_one_with_none() -> None:
    place, failing = Place(), Place([{"a": SCHEMA}])
    insert(place, [f"o{i}" for i in range(3 * OBJECTS_AT_ONCE)])
    assert place.flushes == 1
    insert(place, [])
    assert place.flushes == 1
    with pytest.raises(ConfigurationError):
        insert(failing, ["a"])
    assert failing.flushes == 0


def test_objects_that_could_not_be_deleted_are_a_failure() -> None:
    assert delete_objects(Place(), [Named.uuid], shown="host") == 3
    with pytest.raises(BackendUnavailable, match="1 of 3"):
        delete_objects(Place(failed_deletes=1), [Named.uuid], shown="host")
