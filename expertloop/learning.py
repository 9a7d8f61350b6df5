"""What `status` says of the circle: who serves, how far the next training is, what waits and what is stuck."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from expertloop.output import print_note, print_table
from tasks.approval_models import ApprovalState
from tasks.automation_models import OPEN
from tasks.case_models import CaseState
from tasks.wiring import Application

PATIENCE = timedelta(hours=1)
"""Cases that wait longer are stuck: the flow that handles them runs every few minutes."""


def read_learning(app: Application) -> dict[str, Any]:
    """The object of `--json`, beside sources and collections."""
    tenant = app.settings.tenant
    readiness = [app.read_readiness(scope) for scope in app.list_scopes()]
    queue = app.trainings.list_trainings(tenant, OPEN)
    return {
        "scopes": {
            one.scope: one.model_dump(mode="json", exclude={"scope"})
            | {"champion": app.champions.read_champion(tenant, one.scope), "missing_pairs": one.missing_pairs}
            for one in readiness
        },
        "trainings": {state.value: sum(one.state is state for one in queue) for state in OPEN},
        "approvals_waiting": len(app.approvals.list_approvals(tenant, [ApprovalState.WAITING])),
        "cases_waiting": app.cases.count_cases(tenant, CaseState.WAITING),
        "messages_waiting": app.outbox.count_waiting(tenant, ("reply", "correction")),
        "stuck": list_stuck(app),
    }


def list_stuck(app: Application) -> list[str]:
    """What does not go on by itself as it should, in words."""
    tenant, now = app.settings.tenant, datetime.now(UTC)
    stuck = [
        f"training {one.training_id[:8]} for {one.scope}: its process is gone; reconcile starts it again"
        for one in app.list_stuck_trainings()
    ]
    late = app.cases.count_cases(tenant, CaseState.WAITING, before=now - PATIENCE)
    if late:
        stuck.append(f"{late} cases wait for more than an hour: expertloop cases list --state waiting says why")
    failed = app.outbox.count_failed(tenant)
    if failed:
        stuck.append(f"{failed} messages could not be delivered yet: expertloop cases send tries again and says why")
    return stuck


def show_learning(record: dict[str, Any]) -> None:
    """The same for people."""
    rows = [
        (name, one["champion"] or "base model", one["new_pairs"], one["missing_pairs"], one["reason"])
        for name, one in record["scopes"].items()
    ]
    print_table("learning", ("for", "champion", "new pairs", "until training", "next training"), rows)
    trainings = record["trainings"]
    print_note(
        f"trainings: {trainings['running']} running, {trainings['waiting']} waiting; "
        f"approvals waiting: {record['approvals_waiting']}; cases waiting: {record['cases_waiting']}; "
        f"messages waiting: {record['messages_waiting']}"
    )
    for line in record["stuck"]:
        print_note(f"stuck: {line}")
