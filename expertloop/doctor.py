"""`expertloop init` and `expertloop doctor`: set up, and say what is missing and what that costs."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from expertloop.output import print_json, print_note, print_table
from tasks.errors import ProductError
from tasks.settings import Settings
from tasks.wiring import Application, application
from tasks.wiring.models import ELSEWHERE

PACKAGES = (
    "prefect",
    "unstructured",
    "lancedb",
    "weaviate-client",
    "onnxruntime",
    "torch",
    "transformers",
    "sqlalchemy",
)
PROGRAMS = {
    "tesseract": "scanned pages and images cannot be read",
    "soffice": "doc, ppt and xls of old Office versions cannot be read",
}
SOURCES_TEMPLATE = """\
# Where documents come from. Every key is described in docs/sources.md.
sources:
  - name: handbooks
    url: ./documents
    # groups: [everyone]
    # groups_by_glob:
    #   "hr/**": [hr]
"""
LOW_DISK_GB = 5


class Finding(NamedTuple):
    """One line of the doctor's report."""

    what: str
    state: str
    detail: str


def init(
    *, only_models: Annotated[bool, typer.Option("--only-models", help="prepare the model cache, nothing else")] = False
) -> None:
    """Create the home, the database, the model cache and a first sources.yaml.

    Example: expertloop init
    """
    app = application(Settings())
    print_note("preparing models (once; later starts take no time) …")
    app.prepare_models()
    if only_models:
        return
    app.settings.home.mkdir(parents=True, exist_ok=True)
    app.database.close()
    if not app.settings.sources.exists():
        app.settings.sources.write_text(SOURCES_TEMPLATE, encoding="utf-8")
        print_note(f"wrote {app.settings.sources}: name your documents there, then run: expertloop ingest")
    print_note(f"ready: {app.settings.home}")


def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="one JSON object a finding")] = False) -> None:
    """Check the installation; each missing thing is named with what it costs.

    Example: expertloop doctor
    """
    app = application(Settings())
    findings = [finding for check in CHECKS for finding in _guarded(check, app)]
    if as_json:
        for finding in findings:
            print_json(finding._asdict())
    else:
        print_table("expertloop doctor", Finding._fields, findings)
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)


def _guarded(check: Callable[[Application], Iterator[Finding]], app: Application) -> Iterator[Finding]:
    try:
        yield from check(app)
    except ProductError as error:
        yield Finding(check.__name__.removeprefix("_check_"), "broken", f"{error.message}; {error.advice}")


def _check_python(_app: Application) -> Iterator[Finding]:
    version = platform.python_version()
    tested = sys.version_info[:2] == (3, 11)
    yield Finding("python", "ok", version if tested else f"{version} (untested; 3.11 is what we test with)")
    for package in PACKAGES:
        yield Finding(package, "ok", importlib.metadata.version(package))


def _check_processor(_app: Application) -> Iterator[Finding]:
    from tasks.integrations.processor import describe_processor

    yield Finding("processor", "ok", str(describe_processor()))


def _check_disk(app: Application) -> Iterator[Finding]:
    for name, folder in (("home", app.settings.home), ("cache", app.settings.cache)):
        free_gb = shutil.disk_usage(_existing(folder)).free / 1e9
        yield Finding(f"disk of {name}", "ok" if free_gb > LOW_DISK_GB else "low", f"{folder}: {free_gb:.0f} GB free")


def _check_models(app: Application) -> Iterator[Finding]:
    pipeline = app.current_pipeline()
    yield Finding("embedder", "ok", f"{pipeline.embedder.name}, {pipeline.embedder.dimension} dimensions")
    yield Finding("generator", "ok", app.generator.identity if app.generator else "none: answers are quotations")
    if app.settings.generator not in ELSEWHERE:
        from tasks.integrations.causal_models import describe_numbers

        yield Finding("its numbers", "ok", describe_numbers(app.settings.generator_dtype))


def _check_database(app: Application) -> Iterator[Finding]:
    counts = app.catalogue.count_states(app.settings.tenant)
    live = sum(states.get("live", 0) for states in counts.values())
    yield Finding("database", "ok", f"{app.database.shown_url}: {live} live documents")


def _check_index(app: Application) -> Iterator[Finding]:
    serving, store = app.serving_pipeline(), app.describe_index()
    if serving is None:
        yield Finding("index", "empty", f"{store}: nothing ingested yet; run: expertloop ingest PATH")
    elif app.index_is_empty(serving.collection) and any(app.catalogue.list_live_chunk_ids(app.settings.tenant)):
        yield Finding("index", "broken", f"{store}: it lost its rows; run: expertloop index rebuild")
    else:
        yield Finding("index", "ok", f"{store}: {serving.collection.name}")


def _check_sources(app: Application) -> Iterator[Finding]:
    if not app.settings.sources.exists():
        yield Finding("sources", "none", f"no {app.settings.sources}; run: expertloop init, or ingest a path")
        return
    names = [request.label for request in app.configured_sources()]
    yield Finding("sources", "ok", f"{app.settings.sources}: {', '.join(names)}")


def _check_programs(_app: Application) -> Iterator[Finding]:
    for program, cost in PROGRAMS.items():
        found = shutil.which(program)
        yield Finding(program, "ok" if found else "missing", found or f"{cost}; install it with: make system-packages")


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


CHECKS = (
    _check_python,
    _check_processor,
    _check_disk,
    _check_models,
    _check_database,
    _check_index,
    _check_sources,
    _check_programs,
)
