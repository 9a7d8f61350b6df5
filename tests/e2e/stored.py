"""What the stores hold, read without the product's code: databases, LanceDB and Weaviate as anybody could read them."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx
import psycopg

from tests.e2e.command import CommandLine

_LIVE_CHUNKS = "SELECT chunk_id FROM chunks JOIN documents ON documents.live_version_id = chunks.version_id"
_PAGE = 500


@dataclass(frozen=True)
class Stored:
    """What both stores hold; equal for equal content, whatever happened on the way."""

    documents: list[tuple[Any, ...]]
    quarantine: list[tuple[str, str]]
    chunks: list[str] = field(repr=False)
    indexed: list[str] = field(repr=False)


def read_stores(shell: CommandLine) -> Stored:
    """Documents and quarantine as the commands show them, chunks as the stores hold them."""
    documents = shell.run("documents", "--json").records
    quarantine = shell.run("quarantine", "--json").records
    columns = ("uri", "title", "state", "groups", "chunks")
    return Stored(
        sorted(tuple(str(document[column]) for column in columns) for document in documents),
        sorted((entry["uri"], entry["reason"]) for entry in quarantine),
        sorted(query(shell, _LIVE_CHUNKS)),
        sorted(_open_index(shell).list_ids()),
    )


def find_faults(shell: CommandLine) -> list[str]:
    """Orphans, doubles and holes of the index, in words."""
    live, indexed = set(query(shell, _LIVE_CHUNKS)), Counter(_open_index(shell).list_ids())
    return [
        *(f"{chunk} is indexed {count} times" for chunk, count in indexed.items() if count > 1),
        *(f"{chunk} is indexed, but of no live document" for chunk in indexed.keys() - live),
        *(f"{chunk} is live, but not indexed" for chunk in live - indexed.keys()),
    ]


def find_unrecalled(shell: CommandLine, *, by_graph: bool = False) -> list[str]:
    """Live chunks that a search with their own vector does not find first.

    Args:
        shell: Whose stores are read.
        by_graph: Ask a graph of vectors without a filter. Weaviate's reaches some only by way of deleted neighbours,
            which it can no longer read after a restart, until its next clean-up (every 5 minutes) connects them anew.
            With a filter that lets so few through, as the product's searches have one, it scans what is in the graph.
    """
    index = _open_index(shell)
    found = {chunk: index.find_nearest(vector, by_graph=by_graph) for chunk, vector in index.read_vectors().items()}
    return [chunk for chunk in query(shell, _LIVE_CHUNKS) if found.get(chunk) != chunk]


def find_leftovers(shell: CommandLine) -> list[str]:
    """Chunks that no reader sees, files of documents on disk, leases that nobody holds, runs that never end."""
    live = set(query(shell, _LIVE_CHUNKS))
    return [
        *(chunk for chunk in query(shell, "SELECT chunk_id FROM chunks") if chunk not in live),
        *(str(path) for path in (shell.home / "tmp").rglob("*") if path.is_file()),
        *query(shell, "SELECT name FROM leases"),
        *query(shell, "SELECT run_id FROM runs WHERE status = 'running'"),
    ]


def query(shell: CommandLine, statement: str) -> list[str]:
    """The first column of what a statement finds in the shell's database."""
    if url := shell.settings.get("EXPERTLOOP_DATABASE_URL"):
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            return [str(row[0]) for row in connection.execute(statement.encode())]
    with closing(sqlite3.connect(f"file:{shell.home / 'expertloop.db'}?mode=ro", uri=True, timeout=30)) as database:
        return [str(row[0]) for row in database.execute(statement)]


class _Index(Protocol):
    """The collection that serves."""

    def list_ids(self) -> list[str]: ...

    def read_vectors(self) -> dict[str, list[float]]: ...

    def find_nearest(self, vector: list[float], *, by_graph: bool) -> str: ...


def _open_index(shell: CommandLine) -> _Index:
    (name,) = query(shell, "SELECT name FROM collections WHERE state = 'serving'")
    url = shell.settings.get("EXPERTLOOP_INDEX_URL")
    return _Weaviate(url, name) if url else _Lance(shell, name)


class _Lance:
    def __init__(self, shell: CommandLine, name: str) -> None:
        import lancedb

        self._table: Any = lancedb.connect(shell.home / "index").open_table(name)

    def list_ids(self) -> list[str]:
        rows = self._table.search().select(["chunk_id"]).limit(None).to_arrow()
        return [str(chunk) for chunk in rows["chunk_id"].to_pylist()]

    def read_vectors(self) -> dict[str, list[float]]:
        rows = self._table.search().select(["chunk_id", "vector"]).limit(None).to_arrow().to_pylist()
        return {str(row["chunk_id"]): row["vector"] for row in rows}

    def find_nearest(self, vector: list[float], *, by_graph: bool) -> str:  # it has no graph
        search = self._table.search(vector).distance_type("dot").limit(1).select(["chunk_id"])
        (row,) = search.to_list()
        return str(row["chunk_id"])


class _Weaviate:
    """By REST and GraphQL; the product speaks gRPC."""

    def __init__(self, url: str, name: str, tenant: str = "default") -> None:
        self._url = url.removeprefix("weaviate+").partition("?")[0]
        self._name, self._tenant = name, tenant

    def list_ids(self) -> list[str]:
        return [str(one["properties"]["chunk_id"]) for one in self._read()]

    def read_vectors(self) -> dict[str, list[float]]:
        return {str(one["properties"]["chunk_id"]): one["vectors"]["default"] for one in self._read(include="vector")}

    def find_nearest(self, vector: list[float], *, by_graph: bool) -> str:
        near = f'tenant: "{self._tenant}", limit: 1, nearVector: {{vector: {vector}, targetVectors: ["default"]}}'
        everything = 'where: {path: ["readers_key"], operator: NotEqual, valueText: "nobody"}'
        search = near if by_graph else f"{near}, {everything}"
        body = {"query": f"{{Get {{{self._name}({search}) {{chunk_id}}}}}}"}
        answer = httpx.post(f"{self._url}/v1/graphql", json=body, timeout=60).raise_for_status().json()
        (found,) = answer["data"]["Get"][self._name]
        return str(found["chunk_id"])

    def _read(self, **wanted: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        page: list[dict[str, Any]] = []
        while page or not found:
            after = page[-1]["id"] if page else ""
            place = {"class": self._name, "tenant": self._tenant, "limit": str(_PAGE), "after": after}
            response = httpx.get(f"{self._url}/v1/objects", params={**place, **wanted}, timeout=60)
            page = response.raise_for_status().json()["objects"]
            if not page:
                break
            found += page
        return found
