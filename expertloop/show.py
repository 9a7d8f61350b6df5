"""`expertloop documents`, `quarantine` and `status`: what there is, what is missing, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from expertloop.deployed import read_deployments, show_deployments
from expertloop.learning import read_learning, show_learning
from expertloop.output import print_json, print_note, print_table, tell_moment
from tasks.settings import Settings
from tasks.wiring import Application, application

JsonOption = Annotated[bool, typer.Option("--json", help="one JSON object a line")]


def documents(*, as_json: JsonOption = False) -> None:
    """List every document that readers can find.

    Example: expertloop documents --json | head
    """
    app = application(Settings())
    found = app.catalogue.list_documents(app.settings.tenant)
    if as_json:
        for document in found:
            print_json(document.model_dump(mode="json", include=set(DOCUMENT_FIELDS)))
        return
    rows = [(d.state, d.title, d.chunks, " ".join(d.groups), d.uri) for d in found]
    print_table(f"{len(rows)} documents", ("state", "title", "chunks", "readers", "uri"), rows)


DOCUMENT_FIELDS = ("document_id", "uri", "title", "state", "groups", "chunks")


def quarantine(*, as_json: JsonOption = False) -> None:
    """List what cannot be read, why, and what to do about it.

    Example: expertloop quarantine
    """
    app = application(Settings())
    found = list(app.catalogue.list_quarantine(app.settings.tenant))
    if as_json:
        for entry in found:
            print_json({"uri": entry.uri, "reason": entry.reason, "advice": entry.advice})
        return
    rows = [(entry.reason, entry.uri, entry.message, entry.advice) for entry in found]
    print_table(f"{len(rows)} not readable", ("reason", "uri", "what", "what to do"), rows)


def gaps(
    *,
    close: Annotated[str | None, typer.Option("--close", metavar="ID", help="take one from the list")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the questions that got no answer: what people ask that no document tells them.

    Example: expertloop gaps --json
    """
    app = application(Settings())
    if close is not None:
        app.gaps.close_gap(app.settings.tenant, close)
        return
    found = app.gaps.list_gaps(app.settings.tenant)
    if as_json:
        for gap in found:
            print_json(gap)
        return
    rows = [(gap.asked, gap.question, gap.reason, f"{gap.last_asked:%Y-%m-%d}", gap.gap_id) for gap in found]
    print_table(f"{len(rows)} without an answer", ("asked", "question", "why", "last", "id"), rows)


def status(*, as_json: JsonOption = False) -> None:
    """Show sources, the collection that serves, what is learnt next, what waits, what is stuck, and the deployments.

    Example: expertloop status
    """
    app = application(Settings())
    record = read_status(app)
    learning, deployments = read_learning(app), read_deployments(app)
    if as_json:
        listed = None if deployments is None else [one.model_dump(mode="json") for one in deployments]
        print_json({**record, "learning": learning, "deployments": listed})
        return
    rows = [
        (name, *(one["documents"].get(state, 0) for state in STATES), one["last_run"], _tell_end(one["finished"]))
        for name, one in record["sources"].items()
    ]
    print_table("sources", ("source", *STATES, "last run", "finished"), rows)
    for name in record["unnamed"]:
        print_note(
            f"{name} is not in {app.settings.sources}: no schedule reads it, and it is answered from; "
            f"to take it away: expertloop ingest --drop {name}"
        )
    print_note(f"collection serving: {record['serving'] or 'none; run: expertloop ingest'}")
    print_note(f"open questions without an answer: {record['gaps']}")
    if record["building"]:
        print_note(f"collection being built: {record['building']}; documents still to read: {record['unread']}")
    show_learning(learning)
    show_deployments(deployments)


def _tell_end(finished: str | None) -> str:
    return tell_moment(datetime.fromisoformat(finished)) if finished else ""


STATES = ("live", "empty", "outdated", "quarantined")


def read_status(app: Application) -> dict[str, Any]:
    """Sources with counts and last runs, collections."""
    tenant = app.settings.tenant
    counts = app.catalogue.count_states(tenant)
    runs = {run["source"]: run for run in app.runs.read_last_runs(tenant)}
    serving, building = app.collections.read_serving(), app.collections.read_building()
    return {
        "tenant": tenant,
        "sources": {
            name: {
                "documents": counts.get(name, {}),
                "last_run": runs[name]["status"] if name in runs else "none",
                "finished": runs[name]["finished_at"].isoformat()
                if name in runs and runs[name]["finished_at"]
                else None,
                "error": runs[name]["error"] if name in runs else None,
            }
            for name in sorted({*counts, *runs})
        },
        "unnamed": app.list_unnamed_sources(),
        "gaps": app.gaps.count_gaps(tenant),
        "serving": serving.collection.name if serving else None,
        "building": building.collection.name if building else None,
        "unread": app.collections.count_unread(building) if building else {},
    }
