"""The nouns of sources.yaml (kernel): where documents come from, who reads them, how a row becomes a text.

Integrations read these models and `tasks.documents.sources` fills them. They hold `${NAME}` references as written:
secrets enter only when a source is built, so a model may be printed, stored and passed on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote, unquote_to_bytes

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator
from typing_extensions import override

from tasks.models import EVERYONE, Noun, Trust

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_REFERENCE = re.compile(r"(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_FIELD = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_SQL_LITERALS = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|--[^\n]*|/\*.*?\*/", re.DOTALL)
_SQL_READING = re.compile(r"[(\s]*(select|with|values|table)\b", re.IGNORECASE)


def escape_path(path: str) -> str:
    """A path as a readable string that every database stores: `%`, control characters and undecodable bytes as %XX."""
    return escape_unprintable(path.replace("%", "%25"))


def escape_unprintable(text: str) -> str:
    """A text with control characters and undecodable bytes as %XX; what is %XX already stays."""
    return _UNPRINTABLE.sub(lambda match: quote(match.group().encode("utf-8", "surrogateescape"), safe=""), text)


def unescape_path(path: str) -> str:
    """The inverse of `escape_path`: the path as the operating system knows it."""
    return unquote_to_bytes(path).decode("utf-8", "surrogateescape")


def hide_secrets(url: str) -> str:
    """A URL without its password and without the values of query fields that look like keys."""
    url = re.sub(r"(://[^/?#@:]*):[^/?#@]*@", r"\1@", url)
    return re.sub(r"(?i)([?&][^=&#]*(?:sig|token|secret|passw|credential|key)[^=&#]*=)[^&#]*", r"\1***", url)


def find_references(text: str) -> list[str]:
    """The variables that `${NAME}` references in a text name; `$${NAME}` is none."""
    return [match.group(2) for match in _REFERENCE.finditer(text) if not match.group(1)]


def expand_references(text: str, variables: Mapping[str, str]) -> str:
    """A text with every `${NAME}` replaced, and every `$${NAME}` read as a plain `${NAME}`.

    Raises:
        KeyError: A variable is not set.
    """
    return _REFERENCE.sub(
        lambda match: match.group()[1:] if match.group(1) else variables[match.group(2)],
        text,
    )


def protect_references(text: str) -> str:
    """A text that `expand_references` gives back unchanged."""
    return _REFERENCE.sub(lambda match: "$" + match.group(), text)


def split_template(template: str) -> list[tuple[str, str | None]]:
    """Parts of a template in order: literal text before a column, and the column's name; the last has none.

    Raises:
        ValueError: A brace stands alone, or names no column.
    """
    parts: list[tuple[str, str | None]] = []
    literal, end = "", 0
    for match in _FIELD.finditer(template):
        literal += template[end : match.start()]
        end = match.end()
        if match.group() in ("{{", "}}"):
            literal += match.group()[0]
        elif match.group(1) is not None and match.group(1).strip():
            parts.append((literal, match.group(1).strip()))
            literal = ""
        else:
            raise ValueError("a brace names no column; write {column}, and {{ or }} for a brace itself")
    return [*parts, (literal + template[end:], None)]


def template_columns(template: str) -> list[str]:
    """The columns that a template names, in order."""
    return [column for _, column in split_template(template) if column is not None]


def _check_printable(text: str) -> str:
    if not text.strip() or _UNPRINTABLE.search(text):
        raise ValueError("is empty or holds control characters; write a visible name")
    return text


def _check_glob(glob: str) -> str:
    if not glob.strip("/. "):
        raise ValueError("matches nothing; write ** for everything")
    if glob.startswith("!") or any(character in glob for character in "{}\\"):
        raise ValueError("holds !, { } or \\, which no glob knows; write one glob for each case")
    if ".." in glob.split("/"):
        raise ValueError("holds .., which leaves the source; write a glob relative to the source's url")
    return glob


def _check_template(template: str) -> str:
    split_template(template)
    return template


def _check_query(query: str) -> str:
    bare = _SQL_LITERALS.sub(lambda match: "''" if match.group()[0] in "'\"`" else " ", query).strip().rstrip("; \t\n")
    if not _SQL_READING.match(bare):
        raise ValueError("is no SELECT; only a reading statement is run")
    if ";" in bare:
        raise ValueError("holds several statements; write one SELECT")
    return query.strip().rstrip(";")


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Label = Annotated[str, AfterValidator(_check_printable), Field(max_length=200)]
Glob = Annotated[str, AfterValidator(_check_glob)]
Template = Annotated[str, AfterValidator(_check_template), Field(min_length=1)]
Query = Annotated[str, AfterValidator(_check_query)]
Groups = Annotated[tuple[Label, ...], Field(min_length=1)]
Columns = Annotated[tuple[Label, ...], BeforeValidator(_as_list)]


class SourceBase(Noun):
    """What every source has."""

    name: Annotated[str, AfterValidator(_check_printable)] = Field(
        description="part of every document_id: another name, other documents"
    )
    tenant: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$", description="default: the setting")
    language: str | None = Field(default=None, pattern=r"^[a-z]{2,3}$", description="hint, ISO 639-1")
    groups: Groups = Field(default=(EVERYONE,), description="who reads what nothing nearer speaks of")
    trust: Trust = Field(default="normal", description="how far its documents are believed")
    url: str = Field(min_length=1, repr=False, description="${NAME} is replaced by an environment variable")

    @property
    def is_restricted(self) -> bool:
        """Whether not everyone reads all of it, as far as its description tells."""
        return self.groups != (EVERYONE,)


class FilesConfig(SourceBase):
    """A folder, bucket or single file; every regular file is one document."""

    kind: Literal["files"] = "files"
    storage_options: Mapping[str, Any] = Field(default_factory=dict, repr=False, description="for fsspec; ${NAME}")
    include: tuple[Glob, ...] = Field(default=(), description="empty: everything")
    exclude: tuple[Glob, ...] = Field(default=(), description="wins over include")
    max_file_mb: float | None = Field(default=None, gt=0, description="default: the setting")
    groups_by_glob: Mapping[Glob, Groups] = Field(default_factory=dict, description="the first glob that matches wins")
    groups_sidecar: str | None = Field(default=None, description="ending of the files that name readers: '.groups'")

    @property
    @override
    def is_restricted(self) -> bool:
        return super().is_restricted or bool(self.groups_by_glob) or self.groups_sidecar is not None

    @field_validator("groups_sidecar")
    @classmethod
    def _check_sidecar(cls, value: str | None) -> str | None:
        if value is not None and (not re.fullmatch(r"\.[^/\s]+", value)):
            raise ValueError("is no file ending; write for example .groups")
        return value


class MailConfig(FilesConfig):
    """A folder of mails: eml files, mbox files, Maildir folders. Other files are left out."""

    kind: Literal["mail"] = "mail"  # type: ignore[assignment]
    include: tuple[Glob, ...] = Field(default=("*.eml", "*.mbox", "**/cur/*", "**/new/*"))


class RowsBase(SourceBase):
    """What sources of rows share: a row becomes one document through a template."""

    key: Columns = Field(default=(), description="columns that name a row for ever")
    template: Template | None = Field(default=None, description="text with {column}; default: a line a column")
    title: Template | None = Field(default=None, description="text with {column}; default: source name and key")
    modified_column: Label | None = None
    groups_column: Label | None = Field(default=None, description="its cells name readers; empty: the source's groups")
    overview: bool = Field(default=True, description="one more document: columns, units, counts, smallest, largest")
    units: Mapping[str, str] = Field(default_factory=dict, description="column to unit, where the name does not say it")

    @property
    @override
    def is_restricted(self) -> bool:
        return super().is_restricted or self.groups_column is not None


class SqlConfig(RowsBase):
    """A query over any SQLAlchemy URL; every row is one document."""

    kind: Literal["sql"] = "sql"
    table: Label | None = Field(default=None, description="[schema.]table; instead of a query")
    query: Query | None = Field(default=None, description="one SELECT; instead of a table")
    overview_tables: tuple[Label, ...] = Field(default=(), description="[schema.]tables with an overview, no rows")

    @model_validator(mode="after")
    def _check_together(self) -> SqlConfig:
        faults = find_conflicts("sql", self.model_dump(exclude_none=True))
        if faults:
            raise ValueError("; ".join(fault for _, fault in faults))
        return self


class RecordsConfig(RowsBase):
    """A CSV or JSONL file at any fsspec URL; every record is one document."""

    kind: Literal["records"] = "records"
    key: Annotated[Columns, Field(min_length=1)]
    storage_options: Mapping[str, Any] = Field(default_factory=dict, repr=False, description="for fsspec; ${NAME}")
    format: Literal["csv", "jsonl"] | None = Field(default=None, description="default: by the file's ending")
    delimiter: str | None = Field(default=None, min_length=1, max_length=1, description="default: found out")
    encoding: str | None = Field(default=None, description="default: UTF-8, or what its first bytes say, or cp1252")

    @field_validator("encoding")
    @classmethod
    def _check_encoding(cls, value: str | None) -> str | None:
        try:
            "".encode(value or "utf-8")
        except LookupError as error:
            raise ValueError("is no encoding; write for example utf-8, cp1252 or utf-16") from error
        return value


SourceConfig = FilesConfig | MailConfig | SqlConfig | RecordsConfig


def find_conflicts(kind: str, given: Mapping[str, object]) -> list[tuple[str, str]]:
    """Fields that cannot stand together, as (field, what is wrong and what to write)."""
    if kind != "sql":
        return []
    faults = []
    has_table, has_query = given.get("table") is not None, given.get("query") is not None
    if has_table == has_query:
        said = "both table and query are given" if has_table else "neither table nor query is given"
        faults.append(("query", f"{said}; write one of them"))
    if has_query and not given.get("key"):
        faults.append(("key", "is missing beside a query; write the column that names a row, such as key: id"))
    return faults


class SourcesFile(Noun):
    """All sources of one sources.yaml, names unique within a tenant."""

    sources: tuple[SourceConfig, ...] = ()
