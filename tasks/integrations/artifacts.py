"""The `ArtifactStore` port on any fsspec URL: a folder an adapter and content, with a manifest that is written last.

A folder's name ends with a hash of what is in it, so that no file is ever written anew: who read the row of an adapter
before it was measured again still finds every file that the row names.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from tasks.errors import ArtifactCorrupt, BackendUnavailable
from tasks.integrations.model_cache import hash_file
from tasks.integrations.store_folders import speaks
from tasks.integrations.stores import open_store, store_errors
from tasks.source_models import hide_secrets

MANIFEST = "manifest.json"


class Artifacts:
    """Folders below one URL.

    Args:
        url: For example `file:///srv/artifacts`, `s3://bucket/artifacts`.
        cache: Where files of remote stores are copied to before they are loaded, in a folder of this store's own.
    """

    def __init__(self, url: str, *, cache: Path) -> None:
        self._url = url.rstrip("/")
        self._copies = cache / "adapters" / _name(self._url)

    def put(self, name: str, files: Sequence[Path], texts: dict[str, str]) -> tuple[str, dict[str, str]]:
        """Write files and texts into a folder, its manifest last; returns its path below the store's URL, and the
        sha256 of each file.
        """
        contents = {file.name: file.read_bytes() for file in files} | {
            key: text.encode() for key, text in texts.items()
        }
        hashes = {key: hashlib.sha256(content).hexdigest() for key, content in sorted(contents.items())}
        manifest = json.dumps({"files": hashes}, indent=2).encode()
        place = f"{name}/{hashlib.sha256(manifest).hexdigest()[:12]}"
        url = self._find(place)
        with _translated(url):
            system, folder = _open(url)
            system.makedirs(folder, exist_ok=True)
            for key, content in contents.items():
                _write(system, f"{folder}/{key}", content)
            _write(system, f"{folder}/{MANIFEST}", manifest)
        return place, hashes

    def fetch(self, place: str, files: dict[str, str]) -> Path:
        """A local folder with exactly these files, their hashes compared."""
        url = self._find(place)
        with _translated(url):
            system, folder = _open(url)
            local = Path(folder) if speaks(system, "file") else self._copy(system, folder, url, files)
        for name, told in files.items():
            if not (local / name).is_file() or hash_file(local / name) != told:
                raise ArtifactCorrupt(
                    f"{name} of the adapter in {url} is missing or was changed",
                    advice="register it again from the machine that trained it: expertloop train",
                )
        return local

    def sweep_former(self, name: str, *, keep: str, before: datetime) -> None:
        """Delete other folders of a name, put before a moment: who read a row that names one has fetched it by then."""
        # A store that knows no dates keeps them all.
        with _translated(f"{self._url}/{name}"), suppress(NotImplementedError):
            system, parent = _open(f"{self._url}/{name}")
            kept = _open(self._find(keep))[1].rstrip("/")
            for folder in system.ls(parent, detail=False):
                files = system.find(folder)
                if folder.rstrip("/") != kept and all(system.modified(file) < before for file in files):
                    system.rm(folder, recursive=True)

    def sweep_copies(self, keep: Collection[str], *, before: datetime) -> None:
        """Delete copies of remote folders but these, which nobody asked for since a moment."""
        kept = {_name(self._find(place)) for place in keep}
        for copy in self._copies.glob("*"):
            with suppress(FileNotFoundError):  # another process was quicker
                if copy.name not in kept and copy.stat().st_mtime < before.timestamp():
                    shutil.rmtree(copy)

    def _find(self, place: str) -> str:
        """Below this store's URL, so that a home that was moved or restored elsewhere reads its own files."""
        # Rows of former releases hold whole URLs.
        return place if "://" in place else f"{self._url}/{place}"

    def _copy(self, system: Any, folder: str, url: str, files: dict[str, str]) -> Path:
        local = self._copies / _name(url)
        local.mkdir(parents=True, exist_ok=True)
        os.utime(local)
        for name, told in files.items():
            if not (local / name).is_file() or hash_file(local / name) != told:
                scratch = local / f".{name}"
                system.get_file(f"{folder}/{name}", str(scratch))
                scratch.rename(local / name)
        return local


def _name(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:32]


def _open(url: str) -> tuple[Any, str]:
    return open_store(url, {})


def _write(system: Any, path: str, content: bytes) -> None:
    """A file is whole or not there: on a local disk by renaming, elsewhere stores see to it."""
    if speaks(system, "file"):
        scratch = Path(f"{path}.writing")
        scratch.write_bytes(content)
        scratch.rename(path)
    else:
        system.pipe_file(path, content)


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ArtifactCorrupt(
            f"files of {hide_secrets(url)} are missing",
            advice="register the adapter again from the machine that trained it",
        ) from error
    except store_errors() as error:
        raise BackendUnavailable(
            f"the artifacts in {hide_secrets(url)} cannot be reached: {error}",
            advice="check EXPERTLOOP_ARTIFACTS_URL, its credentials and its disk, then run it again",
        ) from error
