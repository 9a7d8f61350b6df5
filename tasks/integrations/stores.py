"""Any fsspec URL as a source: buckets, servers, archives. One folder's listing is in memory at a time.

Vendor errors become ours here. The libraries of the stores are optional, so their exception classes are looked up
only among the modules that the store itself has loaded.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

from tasks.errors import BackendUnavailable, ConfigurationError, ProductError
from tasks.integrations.guarded_stream import guard_stream
from tasks.integrations.listing import (
    MAX_SIDECAR_BYTES,
    OUTSIDE,
    REMOTE_LINK,
    SPECIAL,
    UNREADABLE,
    VANISHED,
    Entry,
    ListingRules,
    Readers,
    reject_document,
)
from tasks.integrations.store_folders import iterate_folder
from tasks.integrations.store_limits import PAUSE_SECONDS, limit_retries, limit_waiting
from tasks.models import ListedDocument, Problem, Trust
from tasks.source_models import FilesConfig, escape_path, escape_unprintable, hide_secrets, unescape_path

_VENDOR_ERRORS = (  # (module, class) of errors that are no OSError
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("aiohttp", "ClientError"),
    ("azure.core.exceptions", "AzureError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("gcsfs.retry", "HttpError"),
    ("paramiko", "SSHException"),
    ("zipfile", "BadZipFile"),
    ("tarfile", "TarError"),
)
_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError", "ClientAuthenticationError")
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az", "adl": "az"}
_ETAG_KEYS = ("ETag", "etag", "md5Hash", "content_md5", "sha256", "crc32c")
_Listed = tuple[Mapping[str, Any], str]
"""An entry of a folder, and its path inside the root."""
_TIME_KEYS = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")


def store_errors() -> tuple[type[BaseException], ...]:
    """What a store may raise: OSError, and the errors of those libraries that are loaded."""
    found = (getattr(sys.modules.get(module), name, None) for module, name in _VENDOR_ERRORS)
    return (OSError, *(error for error in found if isinstance(error, type)))


def map_store_error(error: BaseException, place: str) -> ProductError:
    """Our error for one of `store_errors` that concerns a whole source.

    Args:
        error: What the store raised.
        place: The source's URL without secrets.
    """
    if isinstance(error, FileNotFoundError) and isinstance(error.__cause__, store_errors()):
        error = error.__cause__  # fsspec's web store says so of servers that it cannot reach, too
    if isinstance(error, FileNotFoundError) or _read_status(error) in (404, 410):
        return ConfigurationError(f"there is nothing at {place}", advice="correct the url of the source")
    if _is_forbidden(error) or _read_status(error) in (401, 403) or type(error).__name__ in _CREDENTIALS:
        return ConfigurationError(
            f"{place} refuses access ({type(error).__name__})",
            advice="give credentials in storage_options or in the store's own way, and the right to list and read",
        )
    return BackendUnavailable(
        f"{place} failed ({type(error).__name__})",
        advice="nothing was removed; check the network and the store, run again",
    )


def _read_status(error: BaseException) -> int | None:
    """The status of the answer, under the name that the library gives it."""
    found = (getattr(error, name, None) for name in ("status", "status_code", "code"))
    return next((status for status in found if isinstance(status, int)), None)


def _is_forbidden(error: BaseException) -> bool:
    """Whether who asked is known, and may not read this: another object may be open to the same key."""
    if type(error).__name__ in _CREDENTIALS:
        return False
    # gcsfs gives a 403 no class of its own, and tells it by this word itself.
    return isinstance(error, PermissionError) or _read_status(error) == 403 or str(error).startswith("Forbidden:")


def open_store(url: str, options: Mapping[str, Any], *, pause_seconds: int = PAUSE_SECONDS) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it.

    Args:
        url: With every reference replaced.
        options: For fsspec.
        pause_seconds: Before a request that failed is sent again, where `limit_retries` has a say.

    Raises:
        ConfigurationError: The protocol is unknown, its library is missing, or an option is wrong.
        BackendUnavailable: The store does not answer.
    """
    from fsspec.core import url_to_fs

    place, scheme = escape_path(hide_secrets(url)), url.partition(":")[0].lower()
    try:
        with warnings.catch_warnings():
            # Google's packages tell who imports them which grpc they will ask for next year.
            warnings.filterwarnings("ignore", message=".*grpcio", category=FutureWarning)
            # An instance of our own: a shared one would keep listings of an earlier run.
            store, path = url_to_fs(url, skip_instance_cache=True, **limit_waiting(scheme, options))
        limit_retries(store, options, pause_seconds=pause_seconds)
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        advice = (
            f"pip install 'expertloop[{extra}]'" if extra else f"install the package that fsspec needs for {scheme}"
        )
        raise ConfigurationError(f"the library for {scheme}:// is not installed", advice=advice) from error
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            f"{place}: this kind of URL or one of its options is not known", advice="correct url or storage_options"
        ) from error
    except store_errors() as error:
        raise map_store_error(error, place) from error
    return store, str(path)


class StoreSource:
    """Implements the port `Source` for a folder, prefix or single object behind a URL.

    Args:
        config: The source; references in its url and options are already replaced.
        max_file_mb: Larger files are listed with a problem, unless the source has its own limit.
        pause_seconds: See `open_store`.
    """

    def __init__(self, config: FilesConfig, *, max_file_mb: float, pause_seconds: int = PAUSE_SECONDS) -> None:
        self._config = config
        self._pause_seconds = pause_seconds
        self._place = escape_path(hide_secrets(config.url))
        self._rules = ListingRules(config, max_file_mb=max_file_mb)
        self._opened: tuple[Any, str] | None = None

    @property
    def name(self) -> str:
        """The source's name."""
        return self._config.name

    @property
    def trust(self) -> Trust:
        """How far its documents are believed."""
        return self._config.trust

    def list_documents(self) -> Iterator[ListedDocument]:
        """Stream the listing, one folder at a time.

        Raises:
            BackendUnavailable: The store failed before the end; nothing may be pruned.
            ConfigurationError: There is nothing at the URL, or access is refused.
        """
        store, root = self._open()
        try:
            single = self._find_single(store, root)
            if single is not None:
                yield self._describe_single(store, single, root)
                return
            folders: list[tuple[str, Readers | None]] = [("", None)]
            while folders:
                folder, named = folders.pop()
                if not self._rules.excludes(folder.rstrip("/")):
                    yield from self._list_folder(folder, named, folders)
            self._rules.report_unmatched()
            self._check_still_there(store, root)
        except store_errors() as error:
            raise map_store_error(error, self._place) from error

    @contextmanager
    def open_document(self, path: str) -> Iterator[BinaryIO]:
        """Open one object beneath the root.

        Raises:
            DocumentRejected: It vanished, may not be read, or its path leaves the root.
            BackendUnavailable: The store does not answer.
        """
        relative = unescape_path(path)
        if _leaves_root(relative):
            raise reject_document(path, OUTSIDE)
        store, root = self._open()
        try:
            single = relative == _last_name(root) and self._find_single(store, root) is not None
            stream = store.open(root if single else _join(root, relative), "rb")
        except store_errors() as error:
            raise self._map_open_error(error, path) from error
        with stream:
            yield guard_stream(stream, store_errors, lambda error: self._map_open_error(error, path))

    def _map_open_error(self, error: BaseException, path: str) -> ProductError:
        if isinstance(error, FileNotFoundError | IsADirectoryError):
            return reject_document(path, VANISHED)
        if _is_forbidden(error):
            return reject_document(path, UNREADABLE)
        return map_store_error(error, self._place)

    def _open(self) -> tuple[Any, str]:
        if self._opened is None:
            url, options = self._config.url, self._config.storage_options
            self._opened = open_store(url, options, pause_seconds=self._pause_seconds)
        return self._opened

    def _find_single(self, store: Any, root: str) -> Mapping[str, Any] | None:
        """What the store says of the root when it is a file; None for a folder."""
        if root.startswith("http") and root.endswith("/"):
            return None  # a web server has no folders; a URL that ends in / is taken as a page of links
        # With its slash, Azure would tell of the marker that some folders have: an empty file.
        info: Mapping[str, Any] = store.info(root.rstrip("/") or root)
        return info if info["type"] == "file" else None

    def _check_still_there(self, store: Any, root: str) -> None:
        try:
            self._find_single(store, root)
        except FileNotFoundError as error:
            raise BackendUnavailable(
                f"{self._place} vanished while it was listed", advice="nothing was removed; check the store, run again"
            ) from error

    def _list_folder(
        self, folder: str, inherited: Readers | None, folders: list[tuple[str, Readers | None]]
    ) -> Iterator[ListedDocument]:
        store, root = self._open()
        named = self._read_sidecar(root, folder) or inherited
        try:
            for info, relative, has_sidecar in self._pair(_iterate_inside(store, root, folder)):
                if info["type"] == "directory":
                    folders.append((relative.rstrip("/") + "/", named))
                elif self._rules.wants(relative):
                    own = self._read_sidecar(root, relative) if has_sidecar else None
                    yield self._describe(store, info, relative, own or named)
        except store_errors() as error:
            if not folder or not (isinstance(error, FileNotFoundError) or _is_forbidden(error)):
                raise
            if isinstance(error, FileNotFoundError):
                return  # it was deleted meanwhile
            uri = write_uri(self._config.url, store, _join(root, folder)) + "/"
            yield self._rules.describe(Entry(folder, uri, problem=UNREADABLE))

    def _describe_single(self, store: Any, info: Mapping[str, Any], root: str) -> ListedDocument:
        folder, name = root.rstrip("/").rpartition("/")[0], _last_name(root)
        return self._describe(store, info, name, self._read_sidecar(folder, name) or self._read_sidecar(folder, ""))

    def _pair(self, entries: Iterable[_Listed]) -> Iterator[tuple[Mapping[str, Any], str, bool]]:
        """Each entry, and whether it may have a sidecar: a bucket is asked only for those that it lists.

        Web and FTP servers may hide names from a listing, and a hidden sidecar must not open what it closes.
        """
        if self._config.url.partition(":")[0].lower() not in _EXTRAS:
            return ((*entry, True) for entry in entries)
        return pair_with_sidecars(entries, self._config.groups_sidecar)

    def _describe(self, store: Any, info: Mapping[str, Any], relative: str, named: Readers | None) -> ListedDocument:
        entry = Entry(
            relative,
            write_uri(self._config.url, store, str(info["name"])),
            size_bytes=info.get("size"),
            modified=_read_time(info),
            etag=_read_etag(info),
            problem=_find_problem(info, relative),
        )
        return self._rules.describe(entry, named)

    def _read_sidecar(self, root: str, relative: str) -> Readers | None:
        store, _ = self._open()

        def read(sidecar: str) -> bytes | None:
            try:
                return cast("bytes", store.cat_file(_join(root, sidecar), end=MAX_SIDECAR_BYTES + 1))
            except FileNotFoundError:
                return None
            except store_errors() as error:
                if _is_forbidden(error):
                    raise PermissionError(str(error)) from error  # what it speaks of is closed, and nothing else
                raise

        return self._rules.read_sidecar(relative, read)


def write_uri(url: str, store: Any, name: str) -> str:
    """Where a person opens an object of a source's store, by the name of the store that the source's URL has."""
    first, chain, rest = url.partition("::")
    scheme = first.partition("://")[0]
    uri = f"{scheme}://{name}::{rest}" if chain else str(store.unstrip_protocol(name))
    if not chain and scheme in _EXTRAS:
        uri = f"{scheme}://{uri.partition('://')[2]}"
    return hide_secrets(escape_unprintable(uri))


def pair_with_sidecars(entries: Iterable[_Listed], ending: str | None) -> Iterator[tuple[Mapping[str, Any], str, bool]]:
    """Each entry, and whether its path with the ending is among them.

    Args:
        entries: Files sorted by path: between a file and its sidecar stands only what begins with the file's path, so
            that few wait at any time, however many there are.
        ending: None: no entry has a sidecar.
    """
    waiting: dict[str, Mapping[str, Any]] = {}
    for info, relative in entries:
        if info["type"] == "directory":  # a bucket tells those of a page before its files
            yield info, relative, False
            continue
        for path in [path for path in waiting if not relative.startswith(path)]:
            yield waiting.pop(path), path, False
        owner = relative.removesuffix(ending) if ending else relative
        if owner in waiting and owner != relative:
            yield waiting.pop(owner), owner, True
        waiting[relative] = info
    yield from ((info, path, False) for path, info in waiting.items())


def _iterate_inside(store: Any, root: str, folder: str) -> Iterator[_Listed]:
    """Each entry of a folder and its path inside the root, sorted."""
    for info in iterate_folder(store, _join(root, folder)):
        relative = _relate(str(info["name"]), root)
        # Links of a web page may lead elsewhere; buckets have marker objects named like the folder itself.
        if relative is not None and relative.rstrip("/") != folder.rstrip("/"):
            yield info, relative


def _find_problem(info: Mapping[str, Any], relative: str) -> Problem | None:
    if _leaves_root(relative):
        return OUTSIDE
    if info.get("islink") or info["type"] == "link":
        return REMOTE_LINK
    return None if info["type"] == "file" else SPECIAL


def _leaves_root(relative: str) -> bool:
    return not relative or any(part in (".", "..") for part in relative.split("/"))


def _last_name(root: str) -> str:
    return root.rstrip("/").rpartition("/")[2]


def _join(root: str, relative: str) -> str:
    return f"{root.rstrip('/')}/{relative}".rstrip("/") if root else relative.rstrip("/")


def _relate(name: str, root: str) -> str | None:
    """The path of an object inside the root; None when it is not inside."""
    name, prefix = name.lstrip("/"), root.strip("/")
    if not prefix:
        return name
    return name[len(prefix) + 1 :] if name.startswith(prefix + "/") else None


def _read_etag(info: Mapping[str, Any]) -> str | None:
    found = next((info[key] for key in _ETAG_KEYS if info.get(key)), None)
    return None if found is None else str(found.hex() if isinstance(found, bytes | bytearray) else found).strip('"')


def _read_time(info: Mapping[str, Any]) -> datetime | None:
    value = next((info[key] for key in _TIME_KEYS if info.get(key)), None)
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        elif isinstance(value, int | float):
            value = datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    if not isinstance(value, datetime):
        return None
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
