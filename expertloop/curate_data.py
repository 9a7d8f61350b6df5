"""`expertloop curate snapshot` and `curate datasets`: approved pairs, frozen for training and evaluation."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Annotated, Any

import typer

from expertloop.curate import JsonOption, refresh
from expertloop.output import print_json, print_note, print_table
from tasks.curation_models import Removal
from tasks.models import EVERYONE
from tasks.settings import Settings
from tasks.wiring import Application, application


def snapshot(
    *,
    scope: Annotated[str, typer.Option("--scope", help="who will be served: everyone, or one group")] = EVERYONE,
    as_json: JsonOption = False,
) -> None:
    """Freeze the approved pairs into a dataset that never changes; the same pairs give the same dataset.

    Example: expertloop curate snapshot
    """
    from tasks.curation.snapshot import SnapshotOptions, take_snapshot
    from tasks.curation.split import SplitShares

    wired = application(Settings())
    refresh(wired, None)
    settings = wired.settings
    options = SnapshotOptions(
        scope=scope,
        passages=settings.answer_passages + settings.distractor_passages,
        shares=SplitShares(validation=settings.validation_share, test=settings.test_share),
    )
    taken = take_snapshot(
        wired.open_desk(),
        wired.splits,
        wired.datasets,
        home=settings.home,
        options=options,
        facts=_describe_world(wired),
        now=datetime.now(UTC),
        report=print_note,
    )
    record = {**taken.dataset.model_dump(mode="json", exclude={"tenant"}), "new": taken.is_new}
    if as_json:
        print_json(record | {"removed": dict(Counter(one.reason for one in taken.removals))})
        return
    _print_counts(record, taken.removals)
    print_note(f"files and data card: {settings.home / taken.dataset.folder}")


def _describe_world(wired: Application) -> dict[str, str]:
    """What the frozen passages came from."""
    return {
        "collection": wired.serving_collection() or "none",
        "likeness": wired.likeness_embedder().identity.name,
        "expertloop": version("expertloop"),
    }


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
    if as_json:
        for one in found:
            print_json(one.model_dump(mode="json", exclude={"tenant"}))
        return
    rows = [
        (one.dataset_id, one.scope, *(one.counts.get(name, 0) for name in _COUNTED), f"{one.created_at:%Y-%m-%d %H:%M}")
        for one in found
    ]
    print_table(f"{len(rows)} datasets", ("dataset", "scope", *_COUNTED, "taken (UTC)"), rows)


_COUNTED = ("train", "validation", "test", "removed")
