"""`expertloop curate generate`, `snapshot` and `datasets`: candidates from documents, approved pairs frozen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any

import typer

from expertloop.curate import JsonOption, refresh
from expertloop.output import print_json, print_note, print_table
from expertloop.pair_text import pair_record
from tasks.curation.rows import Draft
from tasks.curation_models import Removal
from tasks.errors import ConfigurationError
from tasks.models import EVERYONE
from tasks.settings import Settings
from tasks.wiring import Application, application


def generate(
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, help="at most so many new candidates")] = 50,
    document: Annotated[
        str | None, typer.Option("--document", help="only from this one: file name, title or uri")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make candidates from documents, for a person to approve: by the configured model, else by templates.

    The packaged smollm2 is too small to ask good questions; templates over tables and headings ask instead.

    Example: expertloop curate generate --limit 20
    """
    from tasks.curation.collect import Importer, ImportOptions
    from tasks.curation_models import ImportSummary, Origin

    wired = application(Settings())
    name, drafts = _draft(wired, document)
    importer = Importer(wired.open_desk(), ImportOptions(name, datetime.now(UTC), {}, Origin.SYNTHETIC, "generate"))
    summary = ImportSummary()
    while summary.imported < limit and (batch := list(islice(drafts, min(_BATCH, limit - summary.imported)))):
        progress = importer.import_drafts(batch)
        summary = progress.summary
        for pair in progress.pairs if as_json else ():
            print_json(pair_record(pair))
    print_note(f"{summary.imported} candidates by {name}, {summary.flagged} of them flagged; curate review shows them")


def _draft(wired: Application, document: str | None) -> tuple[str, Iterator[Draft]]:
    """Who drafts, and the drafts."""
    from tasks.curation.generate import Source, draft_by_generator, draft_by_templates

    desk, tenant = wired.open_desk(), wired.settings.tenant
    wanted = set(desk.ports.cited.find_documents(tenant, document)) if document else None
    if wanted is not None and not wanted:
        raise ConfigurationError(f"no document is called {document!r}", advice="see them with: expertloop documents")
    sources = (
        Source(document_id, found.title, chunk)
        for document_id, chunk in desk.ports.cited.list_chunks(tenant)
        if (wanted is None or document_id in wanted) and (found := desk.read_document(document_id))
    )
    if wired.settings.generator in ("none", "smollm2") or wired.generator is None:
        return "templates", draft_by_templates(sources)
    return wired.generator.identity, draft_by_generator(sources, wired.generator)


_BATCH = 32


def snapshot(
    *,
    scope: Annotated[str, typer.Option("--scope", help="who will be served: everyone, or one group")] = EVERYONE,
    as_json: JsonOption = False,
) -> None:
    """Freeze the approved pairs into a dataset that never changes; the same pairs give the same dataset.

    Example: expertloop curate snapshot
    """
    wired = application(Settings())
    refresh(wired, None)
    taken = wired.freeze_pairs(scope, report=print_note)
    record = {**taken.dataset.model_dump(mode="json", exclude={"tenant"}), "new": taken.is_new}
    if as_json:
        print_json(record | {"removed": dict(Counter(one.reason for one in taken.removals))})
        return
    _print_counts(record, taken.removals)
    print_note(f"files and data card: {wired.settings.home / taken.dataset.folder}")


def _print_counts(record: dict[str, Any], removals: tuple[Removal, ...]) -> None:
    what = "new dataset" if record["new"] else "dataset, as before"
    print_table(f"{what} {record['dataset_id']}", ("split", "pairs"), list(record["counts"].items()))
    reasons = Counter(one.reason for one in removals)
    if reasons:
        print_table("left out (each one is in removed.jsonl)", ("why", "count"), sorted(reasons.items()))


def datasets(
    dataset_id: Annotated[str | None, typer.Argument(metavar="ID", help="show this one's data card")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List the datasets, or show one, once its files are proven to be what was written.

    Example: expertloop curate datasets
    """
    from tasks.curation.snapshot import read_manifest

    wired = application(Settings())
    tenant = wired.settings.tenant
    if dataset_id is None:
        _list_all(wired, as_json=as_json)
        return
    folder = wired.settings.home / wired.datasets.find_dataset(tenant, dataset_id).folder
    manifest = read_manifest(folder)
    if as_json:
        print_json(manifest)
    else:
        typer.echo((folder / "card.md").read_text(encoding="utf-8"))


def _list_all(wired: Application, *, as_json: bool) -> None:
    found = wired.datasets.list_datasets(wired.settings.tenant)
    marks = wired.tell_marks()
    if as_json:
        for one in found:
            print_json(one.model_dump(mode="json", exclude={"tenant"}) | {"mark": marks.get(one.dataset_id)})
        return
    rows = [
        (
            one.dataset_id,
            one.scope,
            *(one.counts.get(name, 0) for name in _COUNTED),
            f"{one.created_at:%Y-%m-%d %H:%M}",
            marks.get(one.dataset_id, ""),
        )
        for one in found
    ]
    print_table(f"{len(rows)} datasets", ("dataset", "scope", *_COUNTED, "taken (UTC)", "marked"), rows)


_COUNTED = ("train", "validation", "test", "removed")
