"""`expertloop ingest`: run the ingest flow for one source or all of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from expertloop.output import messages, print_error, print_json, print_note, print_table
from expertloop.prefect_server import start_prefect_server
from tasks.errors import ConfigurationError, DeviceBusy, ProductError
from tasks.models import IngestRequest, Ledger
from tasks.settings import Settings
from tasks.wiring import Application, application

LEDGER_WORDS = ("listed", "new", "changed", "renamed", "unchanged", "outdated", "quarantined", "removed")


def ingest(
    path: Annotated[str | None, typer.Argument(help="a folder, file or URL; default: all of sources.yaml")] = None,
    *,
    source: Annotated[list[str] | None, typer.Option("--source", help="only this source of sources.yaml")] = None,
    confirm_prune: Annotated[
        bool, typer.Option("--confirm-prune", help="many vanished documents are really gone")
    ] = False,
    drop: Annotated[
        str | None, typer.Option("--drop", metavar="NAME", help="take away every document of a source that is no more")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="the ledger as JSON, one line a source")] = False,
) -> None:
    """Read what changed, index it, take away what is gone.

    Example: expertloop ingest ./handbooks
    """
    settings = Settings()
    attached = start_prefect_server(settings)
    app = application(settings)
    if drop is not None and (path is not None or source):
        raise typer.BadParameter("--drop takes a source away, and reads nothing")
    dropped = [_drop(app, drop)] if drop is not None else None
    requests = dropped or _requests(app, path, source, confirm_prune=confirm_prune)
    announce_pipeline_change(app)
    ledgers, failures = [], []
    for request in requests:
        try:
            with _progress(app, request, quiet=as_json), attached():
                ledger = _run(request)
        except DeviceBusy as error:
            print_note(f"{error.message}; {error.advice}")
            continue
        except ProductError as error:
            failures.append(error)
            continue
        _show_ledger(ledger, as_json=as_json)
        ledgers.append(ledger)
    for failure in failures[:-1]:
        print_error(failure)
    if failures:
        raise failures[-1]
    _require_confirmed_prunes(ledgers)


def announce_pipeline_change(app: Application) -> None:
    """Say beforehand that every document will be read again, and why nobody will notice."""
    serving, wanted = app.serving_pipeline(), app.current_pipeline()
    if serving is None or serving.fingerprint == wanted.fingerprint:
        return
    changed = [
        f"{name} {getattr(serving, name)} → {getattr(wanted, name)}"
        for name in ("partitioner", "chunker", "chunk_tokens", "analysis", "embedder")
        if getattr(serving, name) != getattr(wanted, name)
    ]
    print_note(
        f"the pipeline changed ({'; '.join(changed)}): every document is read again into {wanted.collection.name}; "
        f"{serving.collection.name} serves until that is done"
    )


def _requests(
    app: Application, path: str | None, sources: list[str] | None, *, confirm_prune: bool
) -> list[IngestRequest]:
    if path is not None:
        return [IngestRequest(url=path, tenant=app.settings.tenant, confirm_prune=confirm_prune)]
    from tasks.documents.tasks import list_requests

    return list_requests(sources, confirm_prune=confirm_prune)


def _drop(app: Application, name: str) -> IngestRequest:
    """The run that takes a source away.

    Raises:
        ConfigurationError: sources.yaml still names it, or it has no document.
    """
    tenant = app.settings.tenant
    known = app.catalogue.count_states(tenant)
    if name in app.list_named_sources():
        raise ConfigurationError(
            f"{app.settings.sources} still names the source {name}, so the next ingest would read it again",
            advice="take it out of that file first",
        )
    if name not in known:
        raise ConfigurationError(
            f"no document is of a source {name!r}", advice=f"sources with documents: {', '.join(known) or 'none'}"
        )
    return IngestRequest(source=name, tenant=tenant, confirm_prune=True, gone=True)


def _run(request: IngestRequest) -> Ledger:
    from flows.ingest import ingest_source

    return ingest_source(request)


def _require_confirmed_prunes(ledgers: list[Ledger]) -> None:
    from tasks.documents.tasks import require_confirmed_prunes

    require_confirmed_prunes(ledgers)


def _show_ledger(ledger: Ledger, *, as_json: bool) -> None:
    if as_json:
        print_json(ledger)
        return
    counts = [(word, getattr(ledger, word)) for word in LEDGER_WORDS]
    print_table(
        f"{ledger.source}: {ledger.live_after} documents live", [w for w, _ in counts], [[n for _, n in counts]]
    )
    print_note(f"{ledger.chunks} chunks written, {ledger.embedded} embedded, {ledger.seconds:.1f} s")
    if ledger.quarantined or ledger.outdated:
        print_note("what could not be read, and why: expertloop quarantine")


@contextmanager
def _progress(app: Application, request: IngestRequest, *, quiet: bool) -> Iterator[None]:
    """A bar over the documents of the run, drawn from the database; nothing when piped."""
    if quiet or not messages.is_terminal:
        yield
        return
    stopped = threading.Event()
    source = app.find_source(request).name
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=messages, transient=True) as progress:
        bar = progress.add_task(f"ingest {request.label}", total=None)

        def draw() -> None:
            while not stopped.wait(0.5):
                done, total = app.runs.count_progress(request.tenant, source)
                progress.update(bar, completed=done, total=total or None)

        painter = threading.Thread(target=draw, daemon=True)
        painter.start()
        try:
            yield
        finally:
            stopped.set()
            painter.join()
