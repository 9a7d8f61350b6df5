"""`expertloop index status | rebuild | verify | drop`: the vector store, made good from the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from expertloop.output import messages, print_json, print_note, print_table
from tasks.errors import ConfigurationError
from tasks.retrieval.rebuild import SAMPLE, Comparison, Filled, compare_place, fill_place, repair_place
from tasks.settings import Settings
from tasks.wiring import application

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

JsonOption = Annotated[bool, typer.Option("--json", help="one JSON object a collection, on one line")]


@app.callback()
def index() -> None:
    """Look after the vector store: everything in it can be made again from the database.

    Example: expertloop index verify
    """


@app.command("status")
def status(*, as_json: JsonOption = False) -> None:
    """Show the store and, for each collection, how many chunks (or summaries) it holds and should hold.

    Example: expertloop index status
    """
    wired = application(Settings())
    store = wired.describe_index()
    serving = wired.serving_collection()
    records = []
    for one in wired.list_contents():
        name, fingerprint = one.collection.name, one.pipeline.fingerprint
        wired.index.ensure_collection(one.collection)
        tenants = wired.list_index_tenants(one.pipeline)
        records.append(
            {
                "store": store,
                "collection": name,
                "state": "serving" if one.pipeline.collection.name == serving else "building",
                "tenants": len(tenants),
                "expected": sum(one.truth.count_chunks(fingerprint, tenant) for tenant in tenants),
                "present": sum(1 for tenant in tenants for _ in wired.index.list_chunk_ids(name, tenant)),
            }
        )
    _show(store, records, as_json=as_json, empty="nothing is ingested yet; run: expertloop ingest PATH")


@app.command("rebuild")
def rebuild(
    *,
    again: Annotated[bool, typer.Option("--all", help="write also the chunks that are there")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fill the store that EXPERTLOOP_INDEX_URL names from the database and the embedding cache.

    No document is read. Run it again after it was interrupted: it goes on with what is missing.

    Example: expertloop index rebuild
    """
    wired = application(Settings())
    records = []
    with wired.hold_places() as places:
        for collection, members in places.items():
            started = time.monotonic()
            total = sum(place.truth.count_chunks(place.fingerprint, place.tenant) for place in members)
            with _progress(collection, total, quiet=as_json) as report:
                done = [fill_place(place, report, again=again) for place in members]
            filled = Filled(*(sum(column) for column in zip(*done, strict=True))) if done else Filled()
            seconds = round(time.monotonic() - started, 1)
            records.append({"collection": collection, "expected": total, **filled._asdict(), "seconds": seconds})
    _show(wired.settings.resolved_index_url, records, as_json=as_json)


@app.command("verify")
def verify(
    *,
    all_vectors: Annotated[bool, typer.Option("--all", help="search for every vector, not for a sample")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the store with the database, search for the vectors of a sample, and repair what is wrong.

    Exit code 1: something stays wrong.

    Example: expertloop index verify
    """
    wired = application(Settings())
    records, wrong, sample = [], False, None if all_vectors else SAMPLE
    with wired.hold_places() as places:
        for collection, members in places.items():
            found = [compare_place(place, sample=sample) for place in members]
            repaired = sum(
                repair_place(place, one) for place, one in zip(members, found, strict=True) if _is_wrong(one)
            )
            if repaired:
                wrong = wrong or any(_is_wrong(compare_place(place, sample=sample)) for place in members)
            records.append({"collection": collection, **_summarise(found), "repaired": repaired})
    _show(wired.settings.resolved_index_url, records, as_json=as_json)
    if wrong:
        print_note("something is wrong again right after it was repaired: look at the store's own log")
        raise typer.Exit(1)


@app.command("drop")
def drop(*, confirmed: Annotated[bool, typer.Option("--yes", help="I mean it")] = False) -> None:
    """Remove our collections from the store that EXPERTLOOP_INDEX_URL names; searches find nothing until a rebuild.

    Example: expertloop index drop --yes
    """
    wired = application(Settings())
    names = [one.collection.name for one in wired.list_contents()]
    if not confirmed:
        raise ConfigurationError(
            f"nothing was dropped: searches would find nothing until a rebuild of {', '.join(names) or 'nothing'}",
            advice="if that is what you want: expertloop index drop --yes",
        )
    for name in names:
        wired.index.drop_collection(name)
        print_note(f"dropped {name}; fill it again with: expertloop index rebuild")


def _is_wrong(found: Comparison) -> bool:
    return bool(found.missing or found.extra or found.unfound)


def _summarise(found: list[Comparison]) -> dict[str, Any]:
    sampled = sum(one.sampled for one in found)
    lost = sum(len(one.unfound) for one in found)
    return {
        "expected": sum(one.expected for one in found),
        "missing": sum(len(one.missing) for one in found),
        "extra": sum(len(one.extra) for one in found),
        "self_recall": round(1 - lost / sampled, 4) if sampled else 1.0,
    }


def _show(title: str, records: list[dict[str, Any]], *, as_json: bool, empty: str = "nothing to do") -> None:
    if as_json:
        for record in records:
            print_json(record)
    elif records:
        shown = [
            {key: value for key, value in record.items() if key != "store"} for record in records
        ]  # it is the title
        print_table(title, shown[0], [record.values() for record in shown])
    else:
        print_note(empty)


@contextmanager
def _progress(collection: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar over the chunks of a collection; nothing when piped."""
    if quiet or not messages.is_terminal:
        yield lambda _chunks: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=messages, transient=True) as progress:
        bar = progress.add_task(f"rebuild {collection}", total=total)
        yield lambda chunks: progress.update(bar, advance=chunks)
