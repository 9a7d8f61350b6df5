"""What one folder of a store holds; S3 and Azure are asked page by page, for buckets with a million objects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any


def speaks(store: Any, protocol: str) -> bool:
    """Whether an fsspec file system is one of a protocol."""
    return protocol in ((store.protocol,) if isinstance(store.protocol, str) else store.protocol)


def iterate_folder(store: Any, path: str) -> Iterator[Mapping[str, Any]]:
    """The entries of a folder, files sorted by name, as fsspec's info mappings; nothing of it stays cached."""
    if speaks(store, "s3"):
        yield from _iterate_s3(store, path)
    elif speaks(store, "az"):
        yield from _iterate_azure(store, path)
    else:
        entries = store.ls(path, detail=True)
        store.invalidate_cache()
        yield from sorted(entries, key=lambda entry: str(entry["name"]))


def _iterate_s3(store: Any, path: str) -> Iterator[Mapping[str, Any]]:
    bucket, key, _ = store.split_path(path)
    question = {"Bucket": bucket, "Prefix": _end_folder(key), "Delimiter": "/"}
    while True:
        page = store.call_s3("list_objects_v2", **question)
        for folder in page.get("CommonPrefixes", []):
            yield {"name": f"{bucket}/{folder['Prefix']}", "type": "directory"}
        for item in page.get("Contents", []):
            yield {**item, "name": f"{bucket}/{item['Key']}", "type": "file", "size": item["Size"]}
        if not page.get("IsTruncated"):
            return
        question["ContinuationToken"] = page["NextContinuationToken"]


def _iterate_azure(store: Any, path: str) -> Iterator[Mapping[str, Any]]:
    """By the client itself: where a folder has a marker, an empty blob named like it, adlfs lists only that."""
    from fsspec.asyn import sync

    container, key, _ = store.split_path(path)
    client = store.service_client.get_container_client(container)
    pages = client.walk_blobs(name_starts_with=_end_folder(key), include=["metadata"]).by_page()
    while page := sync(store.loop, _read_page, pages):
        for item in page:
            if not _marks_folder(item.get("metadata") or {}):
                yield {
                    "name": f"{container}/{item.name}",
                    "type": "directory" if item.name.endswith("/") else "file",
                    "size": item.get("size"),
                    "etag": item.get("etag"),
                    "last_modified": item.get("last_modified"),
                }


async def _read_page(pages: AsyncIterator[AsyncIterator[Any]]) -> list[Any]:
    """The next page that is not empty; nothing after the last one."""
    async for page in pages:
        if items := [item async for item in page]:
            return items
    return []


def _marks_folder(metadata: Mapping[str, str]) -> bool:
    """Whether a blob only stands for a folder, as Azure's tools make it; one that is not empty is listed anyway."""
    return any(name.lower() == "hdi_isfolder" and value == "true" for name, value in metadata.items())


def _end_folder(key: str) -> str:
    return f"{key.rstrip('/')}/" if key else ""
