"""A person's consent: asked once, decided once, by somebody who may, or by the deadline; then the candidate serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
import sqlalchemy as sa

from tasks.approval_models import Approval, ApprovalDecision, ApprovalState
from tasks.errors import AccessDenied, ConfigurationError
from tasks.integrations.database.engine import Database
from tasks.integrations.database.schema import audit
from tasks.settings import Settings
from tasks.wiring import Application
from tests.unit.registry.test_register import register

Open = Callable[..., Application]


@pytest.fixture
def open_app(database: Database, database_url: str, tmp_path: Path) -> Iterator[Open]:
    """Another process on the same database."""
    opened: list[Application] = []

    def open_once_more(**values: object) -> Application:
        settings = {"home": tmp_path / "home", "database_url": database_url, "approvers": "anna, leads", **values}
        opened.append(Application(Settings.model_validate(settings)))
        return opened[-1]

    yield open_once_more
    for app in opened:
        app.database.close()


@pytest.fixture
def app(open_app: Open) -> Application:
    """One with two candidates that the gate would promote."""
    app = open_app()
    register(app, "one")
    register(app, "two")
    return app


def say(
    author: str,
    state: Literal[ApprovalState.APPROVED, ApprovalState.REJECTED] = ApprovalState.APPROVED,
    *groups: str,
) -> ApprovalDecision:
    return ApprovalDecision(
        state=state, author=author, groups=frozenset(groups), reason="looked at", at=datetime.now(UTC)
    )


def champion(app: Application) -> str | None:
    return app.champions.read_champion("default", "everyone")


def audited(database: Database) -> list[tuple[str, str]]:
    with database.read() as connection:
        return [(row.action, row.principal) for row in connection.execute(sa.select(audit)).all()]


def test_a_candidate_waits_and_serves_once_somebody_who_may_approves(app: Application, database: Database) -> None:
    asked = app.ask_approval("one")
    assert asked.state is ApprovalState.WAITING
    assert asked.reasons == ("better",)
    assert champion(app) is None
    assert app.decide_approval("one", say("bert", ApprovalState.APPROVED, "leads")).decided_by == "bert"
    assert champion(app) == "one"
    assert [one.author for one in app.champions.list_changes("default", "everyone")] == ["bert"]
    assert audited(database) == [("approve", "bert")]


def test_somebody_else_may_not_decide_and_it_goes_on_waiting(app: Application, database: Database) -> None:
    app.ask_approval("one")
    with pytest.raises(AccessDenied, match="bert may not decide about candidates") as caught:
        app.decide_approval("one", say("bert"))
    assert "anna, leads" in caught.value.advice
    assert app.approvals.find_approval("default", "one").state is ApprovalState.WAITING
    assert audited(database) == []


def test_who_was_rejected_is_not_asked_about_again(app: Application) -> None:
    first = app.ask_approval("one")
    app.decide_approval("one", say("anna", ApprovalState.REJECTED))
    again = app.ask_approval("one")
    assert (again.approval_id, again.state, again.reason) == (first.approval_id, ApprovalState.REJECTED, "looked at")
    assert champion(app) is None


def test_of_several_who_decide_at_once_one_wins_and_the_others_are_told(
    app: Application, database: Database, open_app: Open
) -> None:
    app.ask_approval("one")
    others = [open_app() for _ in range(4)]

    def decide(place: int) -> str:
        state: Literal[ApprovalState.APPROVED, ApprovalState.REJECTED] = (
            ApprovalState.APPROVED if place % 2 else ApprovalState.REJECTED
        )
        try:
            return others[place].decide_approval("one", say(f"person-{place}", state, "leads")).decided_by
        except ConfigurationError as error:
            return str(error)

    with ThreadPoolExecutor(len(others)) as pool:
        said = list(pool.map(decide, range(len(others))))
    (decided,) = app.approvals.list_approvals("default")
    assert said.count(decided.decided_by) == 1
    told = [one for one in said if one != decided.decided_by]
    assert all(one.startswith(f"{decided.decided_by} {decided.state} it at ") for one in told)
    assert len(told) == 3
    assert len(audited(database)) == 1
    assert champion(app) == ("one" if decided.state is ApprovalState.APPROVED else None)


def test_a_killed_promotion_is_made_up_for(app: Application) -> None:
    asked = app.ask_approval("one")
    app.approvals.decide_approval(asked.approval_id, say("anna"))
    assert champion(app) is None
    assert app.promote_approved() == ["one"]
    assert champion(app) == "one"
    app.roll_back("everyone", author="anna")
    assert app.promote_approved() == []


@pytest.mark.parametrize(("wish", "serves"), [("reject", None), ("promote", "one")])
def test_the_deadline_does_what_was_said(
    open_app: Open, wish: Literal["reject", "promote"], serves: str | None
) -> None:
    app = open_app(approval_deadline=wish, approval_hours=1e-9)
    register(app, "one")
    app.ask_approval("one")
    (ended,) = app.end_overdue_approvals()
    assert (ended.decided_by, champion(app)) == ("deadline", serves)
    assert app.end_overdue_approvals() == []
    with pytest.raises(ConfigurationError, match=r"deadline \w+ it at"):
        app.decide_approval("one", say("anna"))


def test_what_is_not_overdue_waits(app: Application) -> None:
    app.ask_approval("one")
    assert app.end_overdue_approvals() == []


def test_an_unknown_or_unclear_name_is_said(app: Application) -> None:
    made: list[Approval] = [app.ask_approval("one"), app.ask_approval("two")]
    assert len({one.approval_id for one in made}) == 2
    with pytest.raises(ConfigurationError, match="nothing to decide has the id 'three'"):
        app.decide_approval("three", say("anna"))
