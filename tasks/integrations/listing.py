"""What a listing keeps, who may read it, and how an entry becomes a ListedDocument; shared by folders and stores."""

from __future__ import annotations

import logging
import posixpath
import re
import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from tasks.errors import DocumentRejected
from tasks.models import ListedDocument, Problem
from tasks.source_models import FilesConfig, MailConfig, escape_path

MAX_SIDECAR_BYTES = 65_536
logger = logging.getLogger(__name__)

_MAIL_ENDINGS = (".eml", ".mbox", ".mbx", ".msg")

UNREADABLE = Problem(
    reason="unreadable",
    message="the account that runs expertloop may not read it",
    advice="give that account read permission, or exclude the path",
)
OUTSIDE = Problem(
    reason="outside-root",
    message="it points outside the source",
    advice="name its target as a source of its own, or copy it into the folder",
)
BROKEN_LINK = Problem(
    reason="broken-link",
    message="the symbolic link points to nothing",
    advice="delete the link, or restore its target",
)
SPECIAL = Problem(
    reason="special-file",
    message="it is a device, pipe or socket, not a file",
    advice="delete it, or exclude the path",
)
REMOTE_LINK = Problem(
    reason="link",
    message="it is a symbolic link, which is not followed in a store",
    advice="name its target as a source of its own, or exclude the path",
)
VANISHED = Problem(
    reason="vanished",
    message="it was listed, but is not there any more",
    advice="nothing, if it was deleted; otherwise run again",
)


class Entry(NamedTuple):
    """A file as a folder or store shows it; `relative` is its true path inside the source, '/' between names."""

    relative: str
    uri: str
    size_bytes: int | None = None
    modified: datetime | None = None
    etag: str | None = None
    problem: Problem | None = None


Readers = tuple[str, ...] | Problem
"""Groups that a sidecar names, or why it cannot be read: then nobody may read what it speaks of."""


def compile_glob(glob: str) -> re.Pattern[str]:
    """A glob by the rules of .gitignore, except that it ignores case and knows no `!`; for paths in composed form.

    Without a slash inside it matches a name at any depth, otherwise from the root; `*` stays inside one name, `**`
    spans folders; what matches a folder matches everything in it.
    """
    body = _compose(glob).removeprefix("./").strip("/")
    anchored = "/" in body or glob.startswith(("/", "./"))
    pattern = "" if anchored else "(?:.*/)?"
    for token in re.findall(r"\*\*/|/\*\*$|\*\*|\*|\?|\[[!^]?\]?[^\]]*\]|.", body, re.DOTALL):
        pattern += _translate_token(token)
    return re.compile(rf"{pattern}(?:/.*)?\Z", re.DOTALL | re.IGNORECASE)


def _compose(path: str) -> str:
    """One form of letters with marks: a Mac writes "ä" as two characters, a keyboard as one."""
    return unicodedata.normalize("NFC", path)


def _translate_token(token: str) -> str:
    fixed = {"**/": "(?:.*/)?", "/**": "/.*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if token in fixed:
        return fixed[token]
    if len(token) > 2 and token.startswith("["):
        inside = token[1:-1].replace("\\", "\\\\").replace("[", "\\[")
        return f"(?!/)[{'^' + inside[1:] if inside[0] in '!^' else inside}]"
    return re.escape(token)


class ListingRules:
    """Globs, sizes and readers of one source.

    Readers come from the nearest word: the file's own sidecar, the sidecar of the folder or of one around it, the
    first glob that matches, the source's groups.
    """

    def __init__(self, config: FilesConfig, *, max_file_mb: float, in_capitals: bool = False) -> None:
        self._config = config
        ending = config.groups_sidecar
        # In capitals as other systems write it; it costs a look more for each file.
        self._sidecars = [] if ending is None else [ending, *([ending.upper()] if in_capitals else [])]
        self._max_bytes = (config.max_file_mb or max_file_mb) * 1_000_000
        self._include = [compile_glob(glob) for glob in config.include]
        self._exclude = [compile_glob(glob) for glob in config.exclude]
        self._unmatched = set(config.groups_by_glob)
        self._groups = [(glob, compile_glob(glob), groups) for glob, groups in config.groups_by_glob.items()]

    def excludes(self, relative: str) -> bool:
        """Whether a path, and everything in it when it is a folder, is excluded."""
        return any(pattern.match(_compose(relative)) for pattern in self._exclude)

    def wants(self, relative: str) -> bool:
        """Whether a file is listed."""
        if self.is_sidecar(relative) or self.excludes(relative):
            return False
        return not self._include or any(pattern.match(_compose(relative)) for pattern in self._include)

    def is_sidecar(self, relative: str) -> bool:
        """Whether a file names readers; such a file is no document."""
        return relative.endswith(tuple(self._sidecars))

    def read_sidecar(self, relative: str, read: Callable[[str], bytes | None]) -> Readers | None:
        """The readers that the sidecar of a file, or of a folder (its path with '/' or ''), names.

        Args:
            relative: Path inside the source.
            read: Content of a file inside the source, None when it is not there; OSError when it cannot be read.
        """
        try:
            contents = (read(relative + ending) for ending in self._sidecars)
            content = next((one for one in contents if one is not None), None)
        except OSError:
            return _refuse_sidecar("cannot be read")
        return None if content is None else parse_sidecar(content)

    def describe(self, entry: Entry, named: Readers | None = None) -> ListedDocument:
        """The listed document of an entry.

        Args:
            entry: The file.
            named: What its sidecars say, None when they say nothing.
        """
        problem = entry.problem or self._find_problem(entry, named)
        groups = self._match_groups(entry.relative) if named is None else named
        return ListedDocument(
            path=escape_path(entry.relative),
            uri=entry.uri,
            file_name=self._name_file(entry.relative),
            size_bytes=entry.size_bytes,
            modified=entry.modified,
            etag=entry.etag,
            groups=() if isinstance(groups, Problem) else groups,
            language=self._config.language,
            problem=problem,
        )

    def report_unmatched(self) -> None:
        """Warn of globs for readers that matched nothing in a listing: a misspelt one opens what it should close."""
        for glob in sorted(self._unmatched):
            logger.warning("glob for readers matched nothing source=%s glob=%s", self._config.name, glob)

    def _find_problem(self, entry: Entry, named: Readers | None) -> Problem | None:
        if isinstance(named, Problem):
            return named
        ending = self._config.groups_sidecar
        if ending is not None and entry.relative.casefold().endswith(ending.casefold()):
            return Problem(
                reason="groups-unreadable",
                message=f"it looks like a file that names readers, and names none: it does not end with {ending}",
                advice=f"rename it to end with {ending}; until then what it speaks of is as open as without it",
            )
        if entry.size_bytes is not None and entry.size_bytes > self._max_bytes:
            return Problem(
                reason="too-large",
                message=f"it has {entry.size_bytes / 1e6:,.1f} MB, the limit is {self._max_bytes / 1e6:,.0f} MB",
                advice="raise max_file_mb of the source (or EXPERTLOOP_MAX_FILE_MB), or split the file",
            )
        return None

    def _match_groups(self, relative: str) -> tuple[str, ...]:
        for glob, pattern, groups in self._groups:
            if pattern.match(_compose(relative)):
                self._unmatched.discard(glob)
                return groups
        return self._config.groups

    def _name_file(self, relative: str) -> str:
        folder, name = posixpath.split(relative.rstrip("/"))
        name = "".join(character if character.isprintable() else "\ufffd" for character in name)
        if isinstance(self._config, MailConfig) and not name.lower().endswith(_MAIL_ENDINGS):
            # In a mail folder a name without ending is a Maildir message, or an mbox as mail programs store it.
            name += ".eml" if posixpath.basename(folder) in ("cur", "new") else ".mbox"
        return name


def parse_sidecar(content: bytes) -> Readers:
    """Groups of a sidecar: one a line, `#` begins a comment."""
    if len(content) > MAX_SIDECAR_BYTES:
        return _refuse_sidecar("is larger than 64 KB")
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return _refuse_sidecar("is not UTF-8")
    groups = tuple(dict.fromkeys(filter(None, (line.partition("#")[0].strip() for line in lines))))
    if not groups or not all(group.isprintable() for group in groups):
        return _refuse_sidecar("names no group")
    return groups


def _refuse_sidecar(fault: str) -> Problem:
    return Problem(
        reason="groups-unreadable",
        message=f"the sidecar file that names its readers {fault}, so nobody may read it",
        advice="write one group a line into the sidecar file, or delete it",
    )


def is_inside(relative: str) -> bool:
    """Whether a path inside a source names something beneath its root: no empty part, no `.`, no `..`."""
    return bool(relative) and not any(part in ("", ".", "..") for part in relative.split("/"))


def reject_document(path: str, problem: Problem) -> DocumentRejected:
    """The error of a document that cannot be opened."""
    return DocumentRejected(f"{path}: {problem.message}", reason=problem.reason, advice=problem.advice)
