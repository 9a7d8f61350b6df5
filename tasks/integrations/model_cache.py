"""Models converted once into the cache: built beside, checked, renamed, so that "exists" means "complete"."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import ArtifactCorrupt, ConfigurationError

logger = logging.getLogger(__name__)


def hash_file(file: Path) -> str:
    """sha256 of a file's bytes, read in blocks."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_pinned(file: Path, sha256: str) -> Path:
    """The file, when it holds the bytes we measured with.

    Raises:
        ConfigurationError: The file is not there.
        ArtifactCorrupt: Its sha256 is another one.
    """
    if not file.is_file():
        raise ConfigurationError(f"model file {file.name} is not installed", advice="run: make install")
    found = hash_file(file)
    if found != sha256:
        raise ArtifactCorrupt(
            f"model file {file.name} has sha256 {found[:12]}…, expected {sha256[:12]}…",
            advice="reinstall the locked packages: make clean install",
        )
    return file


def build_once(cache: Path, name: str, build: Callable[[Path], None]) -> Path:
    """The folder `cache/models/name`, made by `build` the first time it is asked for.

    Args:
        cache: The model cache; created when missing.
        name: Folder name; it names everything that changes the result (model, format, versions).
        build: Fills an empty folder; when it fails or is killed nothing remains that looks finished.
    """
    folder = cache / "models" / name
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(f".{name}.lock")):
        if not folder.is_dir():
            logger.info("model conversion started name=%s", name)
            scratch = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder.parent))
            try:
                build(scratch)
                scratch.chmod(0o755)
                scratch.rename(folder)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
    return folder


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
