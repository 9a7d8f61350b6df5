"""`expertloop approvals`, `approve` and `reject`: a person's word about a candidate."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from expertloop.output import print_json, print_note, print_table
from tasks.approval_models import Approval, ApprovalDecision, ApprovalState
from tasks.settings import Settings
from tasks.wiring import application

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="of the approval or its adapter, or the beginning")]
AsOption = Annotated[str | None, typer.Option("--as", metavar="NAME", help="who decides; default: your user name")]
GroupOption = Annotated[list[str] | None, typer.Option("--group", help="a group of yours; repeatable")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON objects, one a line")]


def approvals(
    *,
    everything: Annotated[bool, typer.Option("--all", help="also what is decided")] = False,
    as_json: JsonOption = False,
) -> None:
    """List candidates that wait for a person's word.

    Example: expertloop approvals
    """
    app = application(Settings())
    states = () if everything else (ApprovalState.WAITING,)
    found = app.approvals.list_approvals(app.settings.tenant, states)
    if as_json:
        for one in found:
            print_json(one)
        return
    rows = [
        (one.approval_id[:8], one.state, one.adapter_id[:8], one.scope, ", ".join(one.approvers), _tell(one))
        for one in found
    ]
    print_table(f"{len(rows)} to decide", ("id", "state", "adapter", "for", "who may", "when (UTC), why"), rows)


def approve(
    name: IdArgument,
    *,
    reason: Annotated[str, typer.Option(help="is kept")] = "",
    author: AsOption = None,
    group: GroupOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a candidate serve; servers notice with their next answer.

    Example: expertloop approve 3f2a --as anna
    """
    _decide(name, ApprovalState.APPROVED, reason, author, group, as_json=as_json)


def reject(
    name: IdArgument,
    *,
    reason: Annotated[str, typer.Option(help="is kept, and shown to those who trained it")],
    author: AsOption = None,
    group: GroupOption = None,
    as_json: JsonOption = False,
) -> None:
    """Do not let a candidate serve; nobody is asked about it again.

    Example: expertloop reject 3f2a --reason "its German answers say du"
    """
    _decide(name, ApprovalState.REJECTED, reason, author, group, as_json=as_json)


def _decide(
    name: str,
    state: Literal[ApprovalState.APPROVED, ApprovalState.REJECTED],
    reason: str,
    author: str | None,
    groups: list[str] | None,
    *,
    as_json: bool,
) -> None:
    decision = ApprovalDecision(
        state=state,
        author=author or getpass.getuser(),
        groups=frozenset(groups or ()),
        reason=reason,
        at=datetime.now(UTC),
    )
    decided = application(Settings()).decide_approval(name, decision)
    if as_json:
        print_json(decided)
    else:
        print_note(f"adapter {decided.adapter_id}: {decided.state} by {decided.decided_by}")


def _tell(approval: Approval) -> str:
    if approval.decided_at is None:
        return f"until {approval.until:%Y-%m-%d %H:%M}, else {approval.at_deadline}"
    return f"{approval.decided_at:%Y-%m-%d %H:%M} {approval.decided_by} {approval.reason}".strip()
