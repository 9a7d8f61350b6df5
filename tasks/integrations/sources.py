"""A source's configuration becomes a source; the only place where `${NAME}` turns into a secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from tasks.document_ports import Source
from tasks.errors import ConfigurationError
from tasks.integrations.files import FilesSource
from tasks.integrations.rows import RowsSource
from tasks.integrations.stores import StoreSource
from tasks.source_models import FilesConfig, RecordsConfig, SourceConfig, SqlConfig, expand_references


def build_source(config: SourceConfig, *, variables: Mapping[str, str], max_file_mb: float) -> Source:
    """The source of a configuration; nothing is contacted yet.

    Args:
        config: One source of sources.yaml, or of `describe_path`.
        variables: What `${NAME}` in its url and storage_options refers to.
        max_file_mb: The limit of sources that have none of their own.

    Raises:
        ConfigurationError: A variable is not set.
    """
    config = _expand(config, variables)
    if isinstance(config, SqlConfig):
        from tasks.integrations.sql import SqlReader

        return RowsSource(config, SqlReader(config))
    if isinstance(config, RecordsConfig):
        from tasks.integrations.records import RecordsReader

        return RowsSource(config, RecordsReader(config))
    return _build_files(config, max_file_mb)


def _build_files(config: FilesConfig, max_file_mb: float) -> Source:
    url = config.url
    if url.lower().startswith("file://"):
        url = unquote(urlsplit(url).path, errors="surrogateescape")
    if "://" in url or "::" in url:
        return StoreSource(config, max_file_mb=max_file_mb)
    return FilesSource(config.model_copy(update={"url": url}), max_file_mb=max_file_mb)


def _expand(config: SourceConfig, variables: Mapping[str, str]) -> SourceConfig:
    def replace(value: Any) -> Any:
        if isinstance(value, str):
            return expand_references(value, variables)
        if isinstance(value, Mapping):
            return {key: replace(inner) for key, inner in value.items()}
        return [replace(inner) for inner in value] if isinstance(value, list | tuple) else value

    fields = [field for field in ("url", "storage_options") if hasattr(config, field)]
    try:
        expanded = {field: replace(getattr(config, field)) for field in fields}
    except KeyError as error:
        raise ConfigurationError(
            f"source {config.name}: the variable {error.args[0]} is not set",
            advice="set it in the environment or in .env",
        ) from error
    return config.model_copy(update=expanded)
