"""Sidecars in buckets: those that the listing names are read, and a bucket is asked for no others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.document_ports import Source
from tasks.documents.sources import parse_sources
from tasks.integrations.sources import build_source
from tasks.integrations.stores import pair_with_sidecars
from tests.fakes.object_server import FakeBucket
from tests.fakes.s3_server import serve_s3

pytest.importorskip("s3fs", reason="the extra s3 is not installed")

GROUPS = ".groups"
PLAIN = {f"docs/{number:02}.md": b"text" for number in range(10)}


def open_bucket(endpoint: str, url: str) -> Source:
    text = f"""sources: [{{name: bucket, url: "{url}", groups_sidecar: {GROUPS}, storage_options: {{
        key: k, secret: s, endpoint_url: "{endpoint}", client_kwargs: {{region_name: eu-central-1}}}}}}]"""
    (config,) = parse_sources(text, name="t", folder=Path("/"), variables={}).sources
    return build_source(config, variables={}, max_file_mb=1)


def list_groups(
    objects: Mapping[str, bytes], url: str = "s3://company/docs"
) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Groups by path, and the objects that were asked for."""
    bucket = FakeBucket(objects)
    with serve_s3(bucket) as endpoint:
        groups = {one.path: one.groups for one in open_bucket(endpoint, url).list_documents()}
    return groups, [key for key in bucket.asked if key.endswith(GROUPS)]


def test_a_bucket_is_asked_for_the_sidecars_it_lists_and_for_one_a_folder() -> None:
    objects = {**PLAIN, "docs/03.md.groups": b"hr", "docs/sub/x.md": b"x"}
    groups, asked = list_groups(objects)
    assert groups["03.md"] == ("hr",)
    assert groups["04.md"] != ("hr",)
    assert sorted(asked) == ["docs/.groups", "docs/03.md.groups", "docs/sub/.groups"]


def test_a_sidecar_on_a_later_page_behind_other_names_and_folders_is_found() -> None:
    between = {f"docs/a{letter}": b"x" for letter in " !#$%&'"} | {"docs/a/x": b"x", "docs/b/x": b"x"}
    groups, _ = list_groups({"docs/a": b"x", "docs/a.groups": b"board", **between})
    assert groups["a"] == ("board",)
    assert len(groups) == 1 + len(between)


def test_the_sidecar_of_a_single_object_and_of_its_folder_hold() -> None:
    objects = {"docs/a.md": b"x", "docs/a.md.groups": b"board", "docs/b.md": b"x", "docs/.groups": b"hr"}
    assert list_groups(objects, "s3://company/docs/a.md")[0] == {"a.md": ("board",)}
    assert list_groups(objects, "s3://company/docs/b.md")[0] == {"b.md": ("hr",)}


@given(st.sets(st.text("ab.!~", min_size=1, max_size=6)), st.sampled_from([".a", "!", "~~", None]))
def test_exactly_the_files_whose_sidecar_is_listed_have_one(paths: set[str], ending: str | None) -> None:
    entries = [({"type": "file"}, path) for path in sorted(paths)]
    told = {path: has_sidecar for _, path, has_sidecar in pair_with_sidecars(entries, ending)}
    assert told == {path: ending is not None and path + ending in paths for path in paths}
