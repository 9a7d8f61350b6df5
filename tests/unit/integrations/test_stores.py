"""Stores as sources: prefixes, archives, web pages; what goes wrong with them."""

from __future__ import annotations

import http.server
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import pytest

from tasks.errors import BackendUnavailable, ConfigurationError, DocumentRejected
from tests.fakes.listing import groups_of, list_paths, list_reasons, open_folder, write


@pytest.fixture
def bucket() -> Iterator[Any]:
    store = fsspec.filesystem("memory")
    yield store
    store.store.clear()
    store.pseudo_dirs[:] = [""]


def test_a_prefix_of_a_store_is_listed_with_its_own_uris(bucket: Any) -> None:
    for name in ("docs/a b.pdf", "docs/sub/100%.md", "docs/.hidden", "other/x"):
        bucket.pipe_file(f"/company/{name}", b"text")
    source = open_folder("memory://company/docs/")
    listed = {document.path: document for document in source.list_documents()}
    assert sorted(listed) == [".hidden", "a b.pdf", "sub/100%25.md"]
    assert listed["a b.pdf"].uri == "memory:///company/docs/a b.pdf"
    assert (listed["a b.pdf"].size_bytes, listed["a b.pdf"].modified is not None) == (4, True)
    for path in listed:
        with source.open_document(path) as stream:
            assert stream.read() == b"text"
    with pytest.raises(DocumentRejected), source.open_document("../other/x"):
        pass


def test_globs_sidecars_and_limits_hold_in_stores_too(bucket: Any) -> None:
    for name, content in {
        "a.md": b"x",
        "hr/b.md": b"x",
        "hr/.groups": b"hr",
        "c.txt": b"x",
        "d.md": bytes(10**6 + 1),
    }.items():
        bucket.pipe_file(f"/company/{name}", content)
    source = open_folder("memory://company", include=["*.md"], groups_sidecar=".groups")
    assert list_reasons(source) == {"a.md": None, "hr/b.md": None, "d.md": "too-large"}
    assert groups_of(source)["hr/b.md"] == ("hr",)


def test_a_store_that_loses_its_root_while_listing_fails_the_listing(bucket: Any) -> None:
    for number in range(3):
        bucket.pipe_file(f"/company/{number}/x", b"x")
    listing = open_folder("memory://company").list_documents()
    next(listing)
    bucket.rm("/company", recursive=True)
    with pytest.raises(BackendUnavailable, match="vanished"):
        list(listing)


def test_a_url_with_nothing_behind_it_or_of_an_unknown_kind_is_a_wrong_configuration() -> None:
    for url in ("memory://nothing", "nosuch://x"):
        with pytest.raises(ConfigurationError) as raised:
            list_paths(open_folder(url))
        assert raised.value.advice


def test_the_members_of_an_archive_open_by_their_uris(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("sub/b.txt", "text")
    source = open_folder(f"zip://::{tmp_path}/a.zip")
    (document,) = source.list_documents()
    assert document.path == "sub/b.txt"
    with source.open_document(document.path) as stream, fsspec.open(document.uri) as same:
        assert stream.read() == same.read() == b"text"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; everything under /broken/ fails, everything under /closed/ is forbidden."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        self._answer(super().do_GET)

    def do_HEAD(self) -> None:
        self._answer(super().do_HEAD)

    def _answer(self, otherwise: Any) -> None:
        if self.path.startswith("/broken"):
            self.send_error(500)
        elif self.path.startswith("/closed"):
            self.send_error(403)
        else:
            otherwise()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    write(tmp_path / "web", "sub/a.txt", "top.txt")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=tmp_path / "web"))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_web_page_of_links_and_a_single_web_file_are_sources(web: str) -> None:
    page = open_folder(f"{web}/")
    assert list_paths(page) == ["sub/a.txt", "top.txt"]
    with page.open_document("sub/a.txt") as stream:
        assert stream.read() == b"text"
    (document,) = open_folder(f"{web}/sub/a.txt").list_documents()
    assert (document.path, document.uri) == ("a.txt", f"{web}/sub/a.txt")


def test_errors_of_a_web_server_become_ours(web: str) -> None:
    def fail(url: str) -> Exception:
        with pytest.raises((ConfigurationError, BackendUnavailable)) as raised:
            list_paths(open_folder(url))
        return raised.value

    assert isinstance(fail(f"{web}/nothing.txt"), ConfigurationError)
    assert isinstance(fail(f"{web}/closed.txt"), ConfigurationError)
    assert isinstance(fail(f"{web}/broken/"), BackendUnavailable)
    assert isinstance(fail("http://127.0.0.1:1/x.txt"), BackendUnavailable)
