"""What a source of files lists, in short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.document_ports import Source
from tasks.integrations.sources import build_source
from tasks.source_models import FilesConfig


def open_folder(folder: Path | str, **options: Any) -> Source:
    config = FilesConfig(name="docs", url=str(folder), **options)
    return build_source(config, variables={}, max_file_mb=1)


def list_paths(source: Source) -> list[str]:
    return sorted(document.path for document in source.list_documents())


def list_reasons(source: Source) -> dict[str, str | None]:
    return {
        document.path: document.problem.reason if document.problem else None for document in source.list_documents()
    }


def write(folder: Path, *names: str, text: str = "text") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def groups_of(source: Source) -> dict[str, tuple[str, ...]]:
    return {document.path: document.groups for document in source.list_documents()}
