"""sources.yaml read with all its faults at once, and the source that a bare path stands for.

A fault has the line, the field, what is wrong and what to write instead; values are never repeated, because a url may
hold a password.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tasks.errors import ConfigurationError, DocumentRejected
from tasks.models import ListedDocument, Trust
from tasks.source_models import (
    FilesConfig,
    MailConfig,
    RecordsConfig,
    SourceConfig,
    SourcesFile,
    SqlConfig,
    escape_path,
    expand_references,
    find_conflicts,
    find_references,
    hide_secrets,
    protect_references,
)
from tasks.yaml_lines import LinedYaml, Place, YamlFault, read_yaml

_KINDS: dict[str, type[SourceConfig]] = {
    "files": FilesConfig,
    "mail": MailConfig,
    "sql": SqlConfig,
    "records": RecordsConfig,
}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*(://|::)")
_RELATIVE_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:|file:|\$)(.+)", re.DOTALL)
_MAX_BYTES = 1_000_000
_SHAPES = {  # pydantic's error types in our words
    "string_type": "is no text; write it in quotes",
    "tuple_type": "is no list; write it in brackets: [hr, service]",
    "mapping_type": "is no mapping; write 'name: value' lines beneath it",
    "dict_type": "is no mapping; write 'name: value' lines beneath it",
    "bool_type": "is neither true nor false; write one of them",
    "bool_parsing": "is neither true nor false; write one of them",
    "float_type": "is no number; write for example 100",
    "float_parsing": "is no number; write for example 100",
    "too_short": "is empty; write at least one, or leave the line out",
    "string_too_short": "is empty; write a value, or leave the line out",
}
_PATTERNS = {
    "tenant": "has other characters than letters, digits, _ and -; write for example acme",
    "language": "is no language code; write two small letters, for example de or en",
}


class SourceFault(NamedTuple):
    """One fault of sources.yaml."""

    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.field}: {self.message}" if self.field else f"line {self.line}: {self.message}"


def load_sources(file: Path, *, variables: Mapping[str, str]) -> SourcesFile:
    """Read a sources.yaml; relative paths in it are relative to its folder.

    Args:
        file: The file.
        variables: What `${NAME}` may refer to: the environment, as the settings read it.

    Raises:
        ConfigurationError: The file is not there, or has faults; `details["faults"]` lists them.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"cannot read {file}: {error.strerror}",
            advice="run: expertloop init, or name the file in EXPERTLOOP_SOURCES",
        ) from error
    return parse_sources(content, name=str(file), folder=file.absolute().parent, variables=variables)


def parse_sources(content: bytes | str, *, name: str, folder: Path, variables: Mapping[str, str]) -> SourcesFile:
    """Read the text of a sources.yaml.

    Args:
        content: The text, or its UTF-8 bytes.
        name: What messages call it.
        folder: What relative paths start from.
        variables: What `${NAME}` may refer to.

    Raises:
        ConfigurationError: It has faults; `details["faults"]` lists them all.
    """
    if len(content) > _MAX_BYTES:
        raise _refuse(name, [SourceFault(1, "", "the file is larger than 1 MB; is it the right one?")])
    try:
        document = read_yaml(content)
    except YamlFault as error:
        raise _refuse(name, [SourceFault(error.line, "", str(error))]) from error
    faults = [SourceFault(line, "", message) for line, message in document.faults]
    configs = list(_read_sources(document, folder, variables, faults))
    faults += _find_doubles(document)
    if faults:
        raise _refuse(name, sorted(faults))
    return SourcesFile(sources=tuple(config for _, config in configs))


def describe_path(path_or_url: str) -> FilesConfig:
    """The source that a bare path or URL stands for; the same folder always gets the same name.

    Relative paths, trailing slashes and `file://` make no difference. Symbolic links are not followed: a folder
    reached through another link is another source.
    """
    if path_or_url.lower().startswith("file://"):
        path_or_url = unquote(urlsplit(path_or_url).path, errors="surrogateescape")
    if not _SCHEME.match(path_or_url):
        folder = str(_make_absolute(Path(path_or_url)))
        return FilesConfig(name=escape_path(folder), url=protect_references(folder))
    url = path_or_url.strip()
    if not url.lower().startswith("http") and not url.endswith("://"):
        url = url.rstrip("/")
    return FilesConfig(name=escape_path(hide_secrets(url)), url=protect_references(url))


class GoneSource:
    """Implements the port `Source` for a source that is no more: it lists nothing."""

    trust: Trust = "normal"

    def __init__(self, name: str) -> None:
        self.name = name

    def list_documents(self) -> Iterator[ListedDocument]:
        """Nothing."""
        return iter(())

    def open_document(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Refused: nothing was listed."""
        raise DocumentRejected(f"{path} is gone", reason="vanished", advice="nothing: its source was taken away")


def refuse_opening(
    path: FilesConfig, known: Iterable[SourceConfig], *, file: str, variables: Mapping[str, str]
) -> None:
    """Refuse a bare path that overlaps a source with readers of its own: read by itself, everyone could read it.

    Args:
        path: Of `describe_path`.
        known: The sources of sources.yaml.
        file: Where they stand.
        variables: What `${NAME}` in a url refers to.

    Raises:
        ConfigurationError: It lies in one of them, or one of them in it.
    """
    for config in known:
        if isinstance(config, SqlConfig) or not config.is_restricted:
            continue
        mine, theirs = (_list_steps(expand_references(one.url, variables)) for one in (path, config))
        length = min(len(mine), len(theirs))
        if mine[:length] == theirs[:length]:
            raise ConfigurationError(
                f"{path.name} is in the source {config.name} of {file}, or that in it, and not everyone may read that",
                advice=f"run: expertloop ingest --source {config.name}",
            )


def _list_steps(url: str) -> list[str]:
    """Of a place, from the outermost; of a local one where its links lead."""
    if url.lower().startswith("file://"):
        url = unquote(urlsplit(url).path, errors="surrogateescape")
    place = url if _SCHEME.match(url) else str(Path(url).resolve())
    return place.rstrip("/").split("/")


def _make_absolute(path: Path) -> Path:
    # `..` is taken as the operating system takes it, after a link; what stands behind the last `..` keeps its links.
    path = path.expanduser().absolute()
    if ".." not in path.parts:
        return path
    behind = len(path.parts) - path.parts[::-1].index("..")
    return Path(*path.parts[:behind]).resolve().joinpath(*path.parts[behind:])


def _read_sources(
    document: LinedYaml, folder: Path, variables: Mapping[str, str], faults: list[SourceFault]
) -> Iterator[tuple[int, SourceConfig]]:
    """Yield (position, config) of the sources without faults; append the faults of the others."""
    data = document.data
    if not isinstance(data, dict) or not isinstance(data.get("sources"), list):
        if not document.faults:
            faults.append(SourceFault(1, "", "no list of sources; write 'sources:' and beneath it '- name: handbook'"))
        return
    strange = [key for key in data if key != "sources"]
    faults += [SourceFault(document.find_line((key,)), key, _suggest(key, ["sources"])) for key in strange]
    for position, raw in enumerate(data["sources"]):
        found = list(_find_faults(document, position, raw, variables))
        faults += found
        if not found:
            model = _KINDS[raw.get("kind", "files")]
            yield position, model.model_validate({**raw, "url": _anchor_url(raw["url"], model, folder)})


def _find_faults(document: LinedYaml, position: int, raw: Any, variables: Mapping[str, str]) -> Iterator[SourceFault]:
    for at, message in _check_source(raw, variables):
        place = ("sources", position, *at)
        yield SourceFault(document.find_line(place), _show_place(place), message)


def _check_source(raw: Any, variables: Mapping[str, str]) -> Iterator[tuple[Place, str]]:
    if not isinstance(raw, dict):
        yield (), "is no source; write '- name: handbook' and 'url: ...' beneath it"
        return
    kind = raw.get("kind", "files")
    model = _KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        yield ("kind",), _suggest(kind, list(_KINDS), what="kind")
        yield from _check_common_fields({field: value for field, value in raw.items() if field != "kind"})
        return
    yield from _check_fields(raw, model)
    for field, message in find_conflicts(kind, raw):
        yield (field,), message
    for at, text in _walk_texts({field: raw.get(field) for field in ("url", "storage_options")}):
        for variable in find_references(text):
            if variable not in variables:
                yield at, f"the variable {variable} is not set; set it in the environment or in .env"


def _check_common_fields(raw: dict[str, Any]) -> Iterator[tuple[Place, str]]:
    """Faults of a source whose kind is not known: those that every kind would have."""
    fields = [model.model_fields.keys() for model in _KINDS.values()]
    common, known = set.intersection(*map(set, fields)), set().union(*fields)
    for place, message in _check_fields(raw, FilesConfig):
        if place and (place[0] in common or place[0] not in known):
            yield place, message


def _check_fields(raw: dict[str, Any], model: type[SourceConfig]) -> Iterator[tuple[Place, str]]:
    try:
        model.model_validate(raw)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        faulty_items = {detail["loc"][:-1] for detail in details if len(detail["loc"]) > 1}
        for detail in details:
            # What has no place is said by find_conflicts; pydantic counts faulty items as missing ones.
            if not detail["loc"] or (detail["type"] == "too_short" and detail["loc"] in faulty_items):
                continue
            # pydantic marks a fault in a mapping's key by a part that is not in the file
            yield tuple(part for part in detail["loc"] if part != "[key]"), _describe_fault(detail, model)


def _describe_fault(detail: ErrorDetails, model: type[SourceConfig]) -> str:
    kind, field = detail["type"], str(detail["loc"][-1])
    if kind == "missing":
        return f"is missing; write {field}: ..."
    if kind == "extra_forbidden":
        return _suggest(field, list(model.model_fields))
    if kind == "string_pattern_mismatch" and field in _PATTERNS:
        return _PATTERNS[field]
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    if kind == "literal_error":
        return f"is not known; write one of {detail['ctx']['expected']}"
    if kind == "greater_than":
        return "is not larger than 0; write for example 100"
    return _SHAPES.get(kind, detail["msg"][:1].lower() + detail["msg"][1:])


def _suggest(given: object, known: list[str], *, what: str = "key") -> str:
    near = difflib.get_close_matches(str(given).lower(), known, n=1, cutoff=0.5)
    return f"unknown {what}; " + (f"did you mean {near[0]}?" if near else f"write one of {', '.join(sorted(known))}")


def _show_place(place: tuple[str | int, ...]) -> str:
    shown = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return shown.removeprefix(".")


def _walk_texts(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _walk_texts(inner, (*place, key))


def _anchor_url(url: str, model: type[SourceConfig], folder: Path) -> str:
    """The url with a relative path made absolute from the folder of the sources.yaml."""
    if match := _RELATIVE_SQLITE.match(url) if model is SqlConfig else None:
        path, mark, query = match.group(2).partition("?")
        return f"{match.group(1)}{_make_absolute(folder / path)}{mark}{query}"
    if model is SqlConfig or _SCHEME.match(url) or url.startswith("${"):
        return url
    return str(_make_absolute(folder / Path(url).expanduser()))


def _find_doubles(document: LinedYaml) -> Iterator[SourceFault]:
    """Also among sources that have other faults."""
    data = document.data.get("sources") if isinstance(document.data, dict) else None
    seen: dict[tuple[str, str], int] = {}
    for position, raw in enumerate(data if isinstance(data, list) else ()):
        if not isinstance(raw, dict) or not isinstance(raw.get("name"), str):
            continue
        place = ("sources", position, "name")
        first = seen.setdefault((str(raw.get("tenant")), raw["name"]), position)
        if first != position:
            line = document.find_line(("sources", first, "name"))
            message = f"the source in line {line} has this name too; write another one"
            yield SourceFault(document.find_line(place), _show_place(place), message)


def _refuse(name: str, faults: list[SourceFault]) -> ConfigurationError:
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    lines = "".join(f"\n  {fault}" for fault in faults)
    return ConfigurationError(
        f"{name} has {count}:{lines}",
        advice="correct these lines and run again; docs/sources.md shows every key",
        faults=[fault._asdict() for fault in faults],
    )
