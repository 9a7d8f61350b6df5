"""The port `Source`: one behaviour for every kind of source."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC
from pathlib import Path
from typing import Any

import fsspec
import pytest

from tasks.document_ports import Source
from tasks.documents.sources import parse_sources
from tasks.errors import DocumentRejected, ProductError
from tasks.integrations.sources import build_source
from tasks.models import ListedDocument

CONTENT = {"a": "first", "b ü/#%": "second", "c": "third"}


class World:
    """A source, and how its documents change behind its back."""

    def __init__(
        self, entry: dict[str, Any], write: Callable[[dict[str, str]], None], remove: Callable[[], None]
    ) -> None:
        self._entry = entry
        self.write = write
        self.remove = remove

    def open(self) -> Source:
        text = json.dumps({"sources": [{"name": "source", "groups": ["staff"], "language": "en", **self._entry}]})
        (config,) = parse_sources(text, name="test", folder=Path("/"), variables={}).sources
        return build_source(config, variables={}, max_file_mb=1)


def make_folder(folder: Path) -> World:
    def write(content: dict[str, str]) -> None:
        for name, text in content.items():
            (folder / "docs" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "docs" / name).write_text(text)

    def remove() -> None:
        (folder / "docs").rename(folder / "gone")

    return World({"url": str(folder / "docs")}, write, remove)


def make_mail(folder: Path) -> World:
    world = make_folder(folder)
    return World({"kind": "mail", "url": str(folder / "docs"), "include": ["**"]}, world.write, world.remove)


def make_store(folder: Path) -> World:
    store = fsspec.filesystem("memory")

    def write(content: dict[str, str]) -> None:
        for name, text in content.items():
            store.pipe_file(f"/{folder.name}/{name}", text.encode())

    return World({"url": f"memory://{folder.name}"}, write, lambda: store.rm(f"/{folder.name}", recursive=True))


def make_sql(folder: Path) -> World:
    file = folder / "company.db"

    def write(content: dict[str, str]) -> None:
        with closing(sqlite3.connect(file)) as database:
            database.execute("CREATE TABLE IF NOT EXISTS notes (id TEXT PRIMARY KEY, body TEXT)")
            database.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?)", content.items())
            database.commit()

    return World(
        {"kind": "sql", "url": f"sqlite:///{file}", "table": "notes", "template": "{body}"}, write, file.unlink
    )


def make_records(folder: Path) -> World:
    file = folder / "notes.jsonl"

    def write(content: dict[str, str]) -> None:
        known = {r["id"]: r["body"] for r in map(json.loads, file.read_text().splitlines())} if file.exists() else {}
        records = ({"id": key, "body": body} for key, body in {**known, **content}.items())
        file.write_text("".join(json.dumps(record) + "\n" for record in records))

    return World({"kind": "records", "url": str(file), "key": "id", "template": "{body}"}, write, file.unlink)


@pytest.fixture(params=[make_folder, make_mail, make_store, make_sql, make_records])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made: World = request.param(tmp_path)
    made.write(CONTENT)
    yield made
    fsspec.filesystem("memory").store.clear()


def list_all(source: Source) -> dict[str, ListedDocument]:
    """What is listed, without the overview that tables have beside their rows."""
    return {document.path: document for document in source.list_documents() if not document.path.startswith("@")}


def read(source: Source, path: str) -> str:
    with source.open_document(path) as stream:
        return stream.read().decode()


def test_it_is_a_source_with_its_name(world: World) -> None:
    assert isinstance(world.open(), Source)
    assert world.open().name == "source"


def test_every_document_is_listed_once_and_opens(world: World) -> None:
    source = world.open()
    paths = [document.path for document in source.list_documents()]
    assert len(paths) == len(set(paths))
    assert sorted(read(source, path).split()[-1] for path in list_all(source)) == sorted(CONTENT.values())


def test_what_is_listed_is_equal_each_time_and_storable(world: World) -> None:
    first, second = list_all(world.open()), list_all(world.open())
    assert first == second
    for path, document in first.items():
        assert ListedDocument.model_validate_json(document.model_dump_json()) == document
        assert path.isprintable()
        assert document.problem is None
        assert "\0" not in path


def test_it_says_readers_language_size_and_when_or_what(world: World) -> None:
    source = world.open()
    for path, document in list_all(source).items():
        assert (document.groups, document.language) == (("staff",), "en")
        assert document.size_bytes == len(read(source, path).encode())
        assert document.etag or document.modified
        assert document.modified is None or document.modified.tzinfo is UTC
        assert ":" in document.uri


def test_uris_differ_and_hold_no_line_break(world: World) -> None:
    uris = [document.uri for document in list_all(world.open()).values()]
    assert len(set(uris)) == len(CONTENT)
    assert all(uri.isprintable() for uri in uris)


def test_a_change_shows_and_everything_else_stays(world: World) -> None:
    before = list_all(world.open())
    world.write({"a": "first, changed"})
    after = list_all(world.open())
    assert [path for path in before if before[path].size_bytes != after[path].size_bytes] == ["a"]
    assert {path: document.uri for path, document in before.items()} == {path: d.uri for path, d in after.items()}


def test_a_new_document_shows_in_a_source_that_has_listed_before(world: World) -> None:
    source = world.open()
    list_all(source)
    world.write({"d": "fourth"})
    assert len(list_all(source)) == len(CONTENT) + 1
    assert read(source, "d").split()[-1] == "fourth"


def test_a_document_opens_in_a_source_that_has_not_listed(world: World) -> None:
    assert read(world.open(), "a").split()[-1] == "first"


def test_two_documents_are_open_at_the_same_time(world: World) -> None:
    source = world.open()
    with source.open_document("a") as one, source.open_document("c") as other:
        assert (one.read().split()[-1], other.read().split()[-1]) == (b"first", b"third")


def test_what_is_not_there_is_rejected(world: World) -> None:
    with pytest.raises(DocumentRejected) as raised:
        read(world.open(), "nothing")
    assert raised.value.advice


def test_a_place_that_is_gone_fails_and_is_never_an_empty_listing(world: World) -> None:
    world.remove()
    with pytest.raises(ProductError) as raised:
        list_all(world.open())
    assert raised.value.advice
