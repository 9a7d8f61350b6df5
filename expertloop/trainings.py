"""`expertloop trainings`: what is trained by itself, waiting, running and done."""

from __future__ import annotations

from typing import Annotated

import typer

from expertloop.output import print_json, print_table
from tasks.automation_models import QueuedTraining, TrainingState
from tasks.settings import Settings
from tasks.wiring import application


def trainings(
    *,
    state: Annotated[list[TrainingState] | None, typer.Option("--state", help="only these; repeatable")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON objects, one a line")] = False,
) -> None:
    """List trainings that began by themselves, the newest first.

    Example: expertloop trainings --state waiting --state running
    """
    app = application(Settings())
    found = app.trainings.list_trainings(app.settings.tenant, state or ())
    stuck = {one.training_id for one in app.list_stuck_trainings()}
    if as_json:
        for one in found:
            print_json(one.model_dump(mode="json", exclude={"tenant"}) | {"stuck": one.training_id in stuck})
        return
    rows = [_row(one, stuck=one.training_id in stuck) for one in found]
    columns = ("training", "state", "for", "dataset", "preset", "begun", "since (UTC)", "why, how it ended")
    print_table(f"{len(rows)} trainings", columns, rows)


def _row(training: QueuedTraining, *, stuck: bool) -> tuple[object, ...]:
    reason = "its process is gone; reconcile starts it again" if stuck else training.reason
    return (
        training.training_id[:8],
        training.state,
        training.scope,
        training.dataset_id[:8],
        training.request.config.preset,
        f"{training.attempts} times",
        f"{training.ended_at or training.started_at or training.asked_at:%Y-%m-%d %H:%M}",
        reason,
    )
