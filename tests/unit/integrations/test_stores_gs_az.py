"""Buckets of Google and Azure through the real libraries and small servers that speak their protocols."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tasks.document_ports import Source
from tasks.errors import BackendUnavailable, ConfigurationError, DocumentRejected
from tasks.integrations.store_limits import RETRIES, limit_waiting
from tasks.integrations.stores import StoreSource, open_store, store_errors
from tasks.source_models import FilesConfig
from tests.fakes.azure_server import serve_azure
from tests.fakes.gcs_server import serve_gcs
from tests.fakes.listing import groups_of, list_paths
from tests.fakes.object_server import KEY, FakeBucket

OBJECTS = {f"docs/{number:02}.md": b"text %d" % number for number in range(10)} | {
    "docs/sub/a b#ü.pdf": b"x",
    "docs/sub/": b"",
    "docs/closed/secret.md": b"x",
    "other/x.md": b"x",
}
SIDECARS = {"docs/05.md.groups": b"hr", "docs/sub/.groups": b"board"}
"""The first comes with another page than what it speaks of."""
NOWHERE = "http://127.0.0.1:1"


def _give_google_options(endpoint: str, key: str) -> Mapping[str, Any]:
    from google.oauth2.credentials import Credentials

    return {"token": Credentials(key), "endpoint_url": endpoint}  # type: ignore[no-untyped-call]


def _give_azure_options(endpoint: str, key: str) -> Mapping[str, Any]:
    return {"connection_string": f"BlobEndpoint={endpoint};SharedAccessSignature=sig={key}"}


@dataclasses.dataclass(frozen=True)
class Store:
    """One of the two: its scheme, its server, the options that lead there, and those that wait for no silent server."""

    scheme: str
    library: str
    serve: Callable[[FakeBucket], AbstractContextManager[str]]
    give_options: Callable[[str, str], Mapping[str, Any]]
    impatience: Mapping[str, float]

    def open(self, endpoint: str, path: str = "company/docs", key: str = KEY, **fields: Any) -> Source:
        options = {**self.give_options(endpoint, key), **fields.pop("options", {})}
        config = FilesConfig(name="bucket", url=f"{self.scheme}://{path}", storage_options=options, **fields)
        return StoreSource(config, max_file_mb=1, pause_seconds=0)


GOOGLE = Store("gs", "gcsfs", serve_gcs, _give_google_options, {"requests_timeout": 0.2})
AZURE = Store("az", "adlfs", serve_azure, _give_azure_options, {"read_timeout": 0.2})


@pytest.fixture(params=[GOOGLE, AZURE], ids=["gs", "az"])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.param
    pytest.importorskip(found.library, reason=f"the extra {found.scheme} is not installed")
    return found


@pytest.fixture
def bucket() -> FakeBucket:
    return FakeBucket(OBJECTS)


@pytest.fixture
def endpoint(store: Store, bucket: FakeBucket) -> Iterator[str]:
    with store.serve(bucket) as url:
        yield url


def test_all_pages_are_listed_with_sizes_times_and_etags(store: Store, endpoint: str, bucket: FakeBucket) -> None:
    listed = {document.path: document for document in store.open(endpoint).list_documents()}
    assert len(listed) == 12
    assert bucket.list_requests > 4, "it has several pages"
    document = listed["sub/a b#ü.pdf"]
    assert (document.uri, document.size_bytes) == (f"{store.scheme}://company/docs/sub/a b#ü.pdf", 1)
    assert str(document.modified) == "2024-05-06 07:08:09+00:00"
    assert document.etag == "9dd4e461268c8034f5c8564e155c67a6"


def test_azure_is_asked_for_later_pages_later(bucket: FakeBucket) -> None:
    pytest.importorskip("adlfs", reason="the extra az is not installed")
    with serve_azure(bucket) as endpoint:
        listing = AZURE.open(endpoint).list_documents()
        next(listing)
        asked = bucket.list_requests
        assert len(list(listing)) == 11
        assert bucket.list_requests > asked + 2


def test_what_stands_for_a_folder_in_azure_hides_nothing_and_is_no_document(bucket: FakeBucket) -> None:
    pytest.importorskip("adlfs", reason="the extra az is not installed")
    bucket.objects = {"docs/": b"", "docs/a": b"", "docs/a/": b"", "docs/a/x.md": b"x", "docs/b": b"", "docs2/x": b"x"}
    with serve_azure(bucket) as endpoint:
        for path in ("company/docs", "company/docs/"):
            assert list_paths(AZURE.open(endpoint, path)) == ["a/x.md"]


def test_a_whole_bucket_and_a_single_object_are_sources(store: Store, endpoint: str) -> None:
    assert "other/x.md" in list_paths(store.open(endpoint, "company"))
    assert list_paths(store.open(endpoint, "company/docs/03.md")) == ["03.md"]


def test_an_object_is_opened_and_read_anywhere_and_a_missing_one_rejected(store: Store, endpoint: str) -> None:
    source = store.open(endpoint)
    with source.open_document("sub/a b#ü.pdf") as stream:
        assert stream.read() == b"x"
    with source.open_document("07.md") as stream:
        assert stream.read(4) == b"text"
        assert stream.read() == b" 7"
    for path in ("nothing.md", "../other/x.md"):
        with pytest.raises(DocumentRejected), source.open_document(path):
            pass


def test_sidecars_beside_objects_and_in_folders_name_the_readers(
    store: Store, endpoint: str, bucket: FakeBucket
) -> None:
    bucket.objects |= SIDECARS
    groups = groups_of(store.open(endpoint, groups_sidecar=".groups"))
    assert (groups["05.md"], groups["sub/a b#ü.pdf"], groups["04.md"]) == (("hr",), ("board",), ("everyone",))
    assert "05.md.groups" not in groups
    asked = {key for key in bucket.asked if key.endswith(".groups")}
    assert asked == {"docs/.groups", "docs/closed/.groups", *SIDECARS}


def test_a_forbidden_sidecar_closes_what_it_speaks_of(store: Store, endpoint: str, bucket: FakeBucket) -> None:
    bucket.objects |= SIDECARS
    bucket.forbidden = set(SIDECARS)
    listing = store.open(endpoint, groups_sidecar=".groups").list_documents()
    problems = {document.path: document.problem.reason for document in listing if document.problem}
    assert problems == {"05.md": "groups-unreadable", "sub/a b#ü.pdf": "groups-unreadable"}


def test_a_forbidden_folder_is_one_problem_and_a_forbidden_object_one_document(
    store: Store, endpoint: str, bucket: FakeBucket
) -> None:
    bucket.forbidden = {"docs/closed/", "docs/closed", "docs/03.md"}
    source = store.open(endpoint)
    assert {d.path: d.problem.reason for d in source.list_documents() if d.problem} == {"closed/": "unreadable"}
    with pytest.raises(DocumentRejected, match="may not read"), source.open_document("03.md"):
        pass
    bucket.forbidden = {"docs/", "docs"}
    with pytest.raises(ConfigurationError, match="refuses access"):
        list_paths(store.open(endpoint))


@pytest.mark.parametrize("path", ["nobody", "nobody/docs", "company/nothing"])
def test_a_missing_bucket_and_an_empty_prefix_are_wrong_configurations(store: Store, endpoint: str, path: str) -> None:
    with pytest.raises(ConfigurationError, match=f"there is nothing at {store.scheme}://{path}") as raised:
        list_paths(store.open(endpoint, path))
    assert raised.value.advice == "correct the url of the source"


@pytest.mark.parametrize("path", ["company", "company/docs"])
def test_a_wrong_key_is_a_wrong_configuration_and_is_not_told(store: Store, endpoint: str, path: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{store.scheme}://{path} refuses access") as raised:
        list_paths(store.open(endpoint, path, key="hunter2"))
    assert "credentials" in raised.value.advice
    assert "hunter2" not in str(raised.value)


def test_a_store_that_breaks_in_the_middle_fails_the_listing(store: Store, endpoint: str, bucket: FakeBucket) -> None:
    listing = store.open(endpoint).list_documents()
    next(listing)
    bucket.broken = True
    with pytest.raises(BackendUnavailable, match="failed"):
        list(listing)


def test_a_fault_that_passes_is_not_noticed(store: Store, endpoint: str, bucket: FakeBucket) -> None:
    bucket.failures = RETRIES
    assert list_paths(store.open(endpoint, "company/docs/sub/")) == ["a b#ü.pdf"]


def test_a_request_that_fails_is_sent_three_times(store: Store, endpoint: str, bucket: FakeBucket) -> None:
    opened, root = open_store(f"{store.scheme}://company/docs", store.give_options(endpoint, KEY), pause_seconds=0)
    bucket.failures = 1000
    with pytest.raises(store_errors()):
        opened.cat_file(f"{root}/03.md")
    assert bucket.requests == 1 + RETRIES


@pytest.mark.parametrize(
    "own",
    [
        {"account_name": "company", "account_key": "a2V5"},
        {"account_name": "company", "account_key": "a2V5", "location_mode": "secondary"},
        {"account_name": "company", "sas_token": "sv=2024&sig=a%2B"},
        {"connection_string": "AccountName=company;AccountKey=a2V5"},
    ],
)
def test_azures_client_with_limits_asks_as_the_one_without(own: Mapping[str, str]) -> None:
    adlfs = pytest.importorskip("adlfs", reason="the extra az is not installed")
    made = adlfs.AzureBlobFileSystem(skip_instance_cache=True, **own).service_client
    ours = open_store("az://company/docs", own)[0].service_client
    assert (ours.url, ours.location_mode, ours.secondary_hostname, type(ours.credential)) == (
        (made.url, made.location_mode, made.secondary_hostname, type(made.credential))
    )


def test_limits_that_the_user_set_are_kept() -> None:
    pytest.importorskip("gcsfs", reason="the extra gs is not installed")
    own = {"retry_timeout": 5, "requests_timeout": 3}
    assert limit_waiting("gs", own) == own
    assert limit_waiting("gs", {"token": "anon"})["requests_timeout"].sock_read == 30
    assert limit_waiting("s3", {"anon": True}) == {"anon": True}


@pytest.mark.parametrize("path", ["company", "company/docs"])
def test_a_store_that_does_not_answer_is_unavailable(store: Store, path: str) -> None:
    with pytest.raises(BackendUnavailable, match=f"{store.scheme}://{path} failed") as raised:
        list_paths(store.open(NOWHERE, path))
    assert "check the network" in raised.value.advice


def test_a_store_that_says_nothing_is_unavailable(store: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        source = store.open(f"http://127.0.0.1:{silent.getsockname()[1]}", options=store.impatience)
        with pytest.raises(BackendUnavailable, match="failed"):
            list_paths(source)
