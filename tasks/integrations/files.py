"""A local folder, or a single local file, as a source: walked one folder at a time, opened without following links.

Regular files are documents. A symbolic link to something inside the root is an alias of what is listed anyway and is
passed over, so circles cannot occur; one that leaves the root, a dangling one, a device, a pipe, a socket and what may
not be read are listed with a problem. An unreadable folder is listed with a path that ends in '/'.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import quote_from_bytes

from tasks.errors import BackendUnavailable, ConfigurationError
from tasks.integrations.guarded_stream import guard_stream
from tasks.integrations.listing import (
    BROKEN_LINK,
    MAX_SIDECAR_BYTES,
    OUTSIDE,
    SPECIAL,
    UNREADABLE,
    VANISHED,
    Entry,
    ListingRules,
    Readers,
    is_inside,
    reject_document,
)
from tasks.models import ListedDocument, Problem, Trust
from tasks.source_models import FilesConfig, escape_path, unescape_path

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# A device or pipe that takes a file's place after the listing must neither block nor become our terminal.
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class FilesSource:
    """Implements the port `Source` for a local folder or file.

    Args:
        config: The source; its url is a path.
        max_file_mb: Larger files are listed with a problem, unless the source has its own limit.
    """

    def __init__(self, config: FilesConfig, *, max_file_mb: float) -> None:
        self._name = config.name
        self._trust = config.trust
        self._place = Path(config.url).absolute()
        self._base_uri = "file://" + quote_from_bytes(os.fsencode(self._place)).rstrip("/")
        self._rules = ListingRules(config, max_file_mb=max_file_mb, in_capitals=True)

    @property
    def name(self) -> str:
        """The source's name."""
        return self._name

    @property
    def trust(self) -> Trust:
        """How far its documents are believed."""
        return self._trust

    def list_documents(self) -> Iterator[ListedDocument]:
        """Stream the listing, one folder at a time.

        Raises:
            BackendUnavailable: The folder vanished, was replaced or failed meanwhile; nothing may be pruned.
            ConfigurationError: There is no such file or folder, or it may not be read.
        """
        before = self._find_place()
        if not stat.S_ISDIR(before.st_mode):
            yield self._describe_single(before)
            return
        folders: list[tuple[str, Readers | None]] = [("", None)]
        while folders:
            yield from self._list_folder(*folders.pop(), folders)
        self._rules.report_unmatched()
        after = self._stat_place()
        if (after.st_dev, after.st_ino) != (before.st_dev, before.st_ino):
            raise self._fail("was replaced while it was listed")

    @contextmanager
    def open_document(self, path: str) -> Iterator[BinaryIO]:
        """Open one regular file beneath the root; no link is followed on the way.

        Raises:
            DocumentRejected: It vanished, may not be read, or is no regular file any more.
            BackendUnavailable: The folder itself vanished.
        """
        relative = unescape_path(path)
        if not is_inside(relative):
            raise reject_document(path, OUTSIDE)
        try:
            descriptor = self._open_file(relative)
        except OSError as error:
            self._stat_place()
            raise reject_document(path, _explain(error)) from error
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            yield guard_stream(
                cast("BinaryIO", stream),
                lambda: (OSError,),
                lambda error: reject_document(path, _explain(cast("OSError", error))),
            )

    # --- listing ---

    def _list_folder(
        self, folder: str, inherited: Readers | None, folders: list[tuple[str, Readers | None]]
    ) -> Iterator[ListedDocument]:
        try:
            descriptor = self._open_folder(folder)
        except OSError as error:
            yield from self._explain_folder(folder, error)
            return
        try:
            named = self._read_sidecar(folder, folder, descriptor) or inherited
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    relative = folder + entry.name
                    if not entry.is_dir(follow_symlinks=False):
                        yield from self._list_entry(entry, folder, descriptor, named)
                    elif not self._rules.excludes(relative):
                        folders.append((relative + "/", named))
        except OSError as error:
            raise self._fail(f"cannot be listed: {error.strerror}") from error
        finally:
            os.close(descriptor)

    def _explain_folder(self, folder: str, error: OSError) -> Iterator[ListedDocument]:
        if isinstance(error, FileNotFoundError):
            return  # a folder deleted meanwhile is a deletion like any other; the root is looked at in the end
        if not isinstance(error, PermissionError):
            raise self._fail(f"cannot be listed: {error.strerror}") from error
        if not folder:
            raise self._refuse("may not be read by this account") from error
        yield self._rules.describe(Entry(folder, self._make_uri(folder), problem=UNREADABLE))

    def _list_entry(
        self, entry: os.DirEntry[str], folder: str, descriptor: int, named: Readers | None
    ) -> Iterator[ListedDocument]:
        relative = folder + entry.name
        if self._rules.wants(relative) and (found := self._inspect(entry, relative, descriptor)):
            yield self._rules.describe(found, self._read_sidecar(relative, folder, descriptor) or named)

    def _inspect(self, entry: os.DirEntry[str], relative: str, folder: int) -> Entry | None:
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return None
        except PermissionError:  # names of the folder may be read, what is behind them may not
            return Entry(relative, self._make_uri(relative), problem=UNREADABLE)
        if stat.S_ISLNK(status.st_mode):
            problem = self._judge_link(relative)
            return None if problem is None else Entry(relative, self._make_uri(relative), problem=problem)
        return self._describe_status(relative, status, readable=os.access(entry.name, os.R_OK, dir_fd=folder))

    def _describe_status(self, relative: str, status: os.stat_result, *, readable: bool) -> Entry:
        uri, modified = self._make_uri(relative), _read_time(status)
        if not stat.S_ISREG(status.st_mode):
            return Entry(relative, uri, modified=modified, problem=SPECIAL)
        return Entry(relative, uri, status.st_size, modified, problem=None if readable else UNREADABLE)

    def _judge_link(self, relative: str) -> Problem | None:
        root = os.path.realpath(self._place)
        target = os.path.realpath(self._place / relative)
        if target != root and not target.startswith(root.rstrip("/") + "/"):
            return OUTSIDE
        # realpath leaves a circle of links as it is
        return None if os.path.lexists(target) and not Path(target).is_symlink() else BROKEN_LINK

    def _describe_single(self, status: os.stat_result) -> ListedDocument:
        if not stat.S_ISREG(status.st_mode):
            raise self._refuse("is neither a file nor a folder")
        entry = self._describe_status(self._place.name, status, readable=os.access(self._place, os.R_OK))
        entry = entry._replace(uri=self._base_uri)
        folder = os.open(self._place.parent, _FOLDER_FLAGS)
        try:
            named = self._read_sidecar("", "", folder)
            return self._rules.describe(entry, self._read_sidecar(entry.relative, "", folder) or named)
        finally:
            os.close(folder)

    def _read_sidecar(self, relative: str, prefix: str, folder: int) -> Readers | None:
        def read(sidecar: str) -> bytes | None:
            try:
                descriptor = _open_regular(sidecar.removeprefix(prefix), folder)
            except FileNotFoundError:
                return None
            with os.fdopen(descriptor, "rb") as stream:
                return stream.read(MAX_SIDECAR_BYTES + 1)

        return self._rules.read_sidecar(relative, read)

    # --- places ---

    def _make_uri(self, relative: str) -> str:
        return f"{self._base_uri}/{quote_from_bytes(os.fsencode(relative))}"

    def _find_place(self) -> os.stat_result:
        try:
            return self._place.stat()
        except FileNotFoundError as error:
            raise self._refuse("does not exist") from error
        except OSError as error:
            raise self._refuse(f"cannot be read: {error.strerror}") from error

    def _stat_place(self) -> os.stat_result:
        try:
            return self._place.stat()
        except OSError as error:
            raise self._fail("vanished while it was read") from error

    def _open_folder(self, relative: str) -> int:
        return _open_beneath(self._place, relative.split("/")[:-1])

    def _open_file(self, relative: str) -> int:
        if not self._place.is_dir():
            if relative != self._place.name:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            # The source itself may be named by a link.
            return _open_regular(os.path.realpath(self._place), None)
        folder = self._open_folder(relative)
        try:
            return _open_regular(relative.rpartition("/")[2], folder)
        finally:
            os.close(folder)

    def _refuse(self, fault: str) -> ConfigurationError:
        return ConfigurationError(
            f"{escape_path(str(self._place))} {fault}", advice="check the path and its permissions, or correct the url"
        )

    def _fail(self, fault: str) -> BackendUnavailable:
        return BackendUnavailable(
            f"{escape_path(str(self._place))} {fault}", advice="nothing was removed; check the disk or share, run again"
        )


def _open_beneath(root: Path, names: list[str]) -> int:
    """A descriptor of a folder; only the root itself may be a link."""
    descriptor = os.open(root, _FOLDER_FLAGS)
    for name in names:
        try:
            inner = os.open(name, _FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def _open_regular(name: str, folder: int | None) -> int:
    """A descriptor of a regular file; the look before the opening keeps devices unopened, the look after it is sure."""
    before = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(before.st_mode):
        raise OSError(errno.ELOOP if stat.S_ISLNK(before.st_mode) else errno.EISDIR, "is no regular file")
    descriptor = os.open(name, _FILE_FLAGS, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EISDIR, "is no regular file")
    return descriptor


def _explain(error: OSError) -> Problem:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return VANISHED
    if isinstance(error, PermissionError):
        return UNREADABLE
    if error.errno == errno.ELOOP:
        return OUTSIDE
    if error.errno == errno.EISDIR:
        return SPECIAL
    return Problem(
        reason="unreadable",
        message=f"it cannot be read: {error.strerror}",
        advice="check the disk, or exclude the path",
    )


def _read_time(status: os.stat_result) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=status.st_mtime_ns // 1000)
    except OverflowError:  # the year is outside 1 to 9999
        return None
