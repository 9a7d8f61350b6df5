"""Buckets through the real S3 library and a small server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.document_ports import Source
from tasks.documents.sources import parse_sources
from tasks.errors import BackendUnavailable, ConfigurationError, DocumentRejected
from tasks.integrations.sources import build_source
from tests.fakes.object_server import FakeBucket
from tests.fakes.s3_server import serve_s3

pytest.importorskip("s3fs", reason="the extra s3 is not installed")

OBJECTS = {f"docs/{number:02}.md": b"text %d" % number for number in range(10)} | {
    "docs/sub/a b#ü.pdf": b"x",
    "docs/sub/": b"",
    "docs/closed/secret.md": b"x",
    "other/x.md": b"x",
}


@pytest.fixture
def bucket() -> FakeBucket:
    return FakeBucket(OBJECTS)


@pytest.fixture
def endpoint(bucket: FakeBucket) -> Iterator[str]:
    with serve_s3(bucket) as url:
        yield url


def open_bucket(endpoint: str, url: str = "s3://company/docs") -> Source:
    text = f"""sources: [{{name: bucket, url: "{url}", storage_options: {{
        key: "${{KEY}}", secret: "${{SECRET}}", endpoint_url: "{endpoint}",
        config_kwargs: {{retries: {{max_attempts: 1}}}}, client_kwargs: {{region_name: eu-central-1}}}}}}]"""
    variables = {"KEY": "key", "SECRET": "hunter2"}
    (config,) = parse_sources(text, name="t", folder=Path("/"), variables=variables).sources
    return build_source(config, variables=variables, max_file_mb=1)


def test_a_bucket_is_listed_page_by_page_with_etags(endpoint: str, bucket: FakeBucket) -> None:
    listing = open_bucket(endpoint).list_documents()
    first = next(listing)
    asked = bucket.list_requests
    listed = {document.path: document for document in [first, *listing]}
    assert bucket.list_requests > asked + 2, "later pages are asked for later"
    assert len(listed) == 12
    document = listed["sub/a b#ü.pdf"]
    assert (document.uri, document.size_bytes) == ("s3://company/docs/sub/a b#ü.pdf", 1)
    assert (document.etag, str(document.modified)) == ("9dd4e461268c8034f5c8564e155c67a6", "2024-05-06 07:08:09+00:00")


def test_an_object_is_opened_by_its_path_and_a_missing_one_rejected(endpoint: str) -> None:
    source = open_bucket(endpoint)
    with source.open_document("sub/a b#ü.pdf") as stream:
        assert stream.read() == b"x"
    for path in ("nothing.md", "../other/x.md"):
        with pytest.raises(DocumentRejected), source.open_document(path):
            pass


def test_a_forbidden_folder_is_one_problem_and_a_forbidden_root_an_error(endpoint: str, bucket: FakeBucket) -> None:
    bucket.forbidden = {"docs/closed/"}
    problems = {d.path: d.problem.reason for d in open_bucket(endpoint).list_documents() if d.problem}
    assert problems == {"closed/": "unreadable"}
    bucket.forbidden = {"docs/", "docs"}
    with pytest.raises(ConfigurationError, match="refuses access") as raised:
        list(open_bucket(endpoint).list_documents())
    assert "hunter2" not in str(raised.value)


def test_an_empty_prefix_is_a_wrong_configuration(endpoint: str) -> None:
    with pytest.raises(ConfigurationError, match="there is nothing"):
        list(open_bucket(endpoint, "s3://company/nothing").list_documents())


def test_a_store_that_breaks_in_the_middle_fails_the_listing(endpoint: str, bucket: FakeBucket) -> None:
    listing = open_bucket(endpoint).list_documents()
    next(listing)
    bucket.broken = True
    with pytest.raises(BackendUnavailable):
        list(listing)


def test_a_store_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(BackendUnavailable):
        list(open_bucket("http://127.0.0.1:1").list_documents())
