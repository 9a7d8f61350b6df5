"""The outbox: everything leaves, in a customer's order, and a repetition is recognisable."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tasks.cases.outbox import deliver_messages
from tasks.errors import BackendUnavailable, RateLimited
from tasks.integrations.database.cases import DatabaseOutbox
from tasks.integrations.database.engine import Database
from tests.fakes.cases import NOW, CaseWorld, FakeDeliverer


class Desk:
    """Cases of two customers, their messages waiting."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.world = CaseWorld(database, folder)
        self.outbox = DatabaseOutbox(database)
        self.deliverer = FakeDeliverer()
        self.now: datetime = NOW
        rows = [("a1", "anna"), ("b1", "bert"), ("a2", "anna")]
        self.world.handler.handle(
            [self.world.case(id=id_, body="Is hail insured?", **{"from": f"{who}@x.example"}) for id_, who in rows]
        )

    def list_due(self) -> list[str]:
        """Whose messages may leave now, in order."""
        due = self.outbox.list_due("default", self.deliverer.kinds, self.now, 10)
        return [message.customer.partition("@")[0] for message in due]

    def deliver(self) -> list[str]:
        """Who got something in this round, in order."""
        before = len(self.deliverer.delivered)
        self.report = deliver_messages(self.outbox, self.deliverer, "default", now=lambda: self.now)
        return [message.recipient.partition("@")[0] for message in self.deliverer.delivered[before:]]


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    return Desk(database, tmp_path)


def test_every_message_leaves_once(desk: Desk) -> None:
    assert desk.deliver() == ["anna", "bert", "anna"]
    assert desk.deliver() == []
    assert (desk.report.delivered, desk.report.waiting) == (0, 0)
    assert len({message.message_id for message in desk.deliverer.delivered}) == 3


def test_a_message_that_failed_waits_and_holds_back_only_its_customer(desk: Desk) -> None:
    desk.deliverer.failures = [BackendUnavailable("down")]
    assert desk.deliver() == ["bert"]
    assert (desk.report.failed, desk.report.waiting, desk.report.problem) == (1, 2, "down")
    desk.now += timedelta(seconds=29)
    assert desk.deliver() == []
    desk.now += timedelta(seconds=2)
    assert desk.deliver() == ["anna", "anna"]


def test_all_messages_of_a_customer_may_leave_in_one_sitting(desk: Desk) -> None:
    assert desk.list_due() == ["anna", "bert", "anna"]


def test_a_message_that_waits_holds_back_the_later_ones_and_none_before(desk: Desk) -> None:
    first, _, second = desk.outbox.list_due("default", desk.deliverer.kinds, NOW, 10)
    desk.outbox.postpone(second.message_id, NOW + timedelta(hours=1), "down")
    assert desk.list_due() == ["anna", "bert"]
    desk.outbox.postpone(first.message_id, NOW + timedelta(hours=2), "down")
    assert desk.list_due() == ["bert"]
    desk.now += timedelta(hours=1)
    assert desk.list_due() == ["bert"]


def test_a_failure_amid_a_page_holds_back_the_rest_of_its_customer(desk: Desk) -> None:
    rows = [("a3", "anna"), ("c1", "cleo"), ("a4", "anna")]
    desk.world.handler.handle(
        [desk.world.case(id=id_, body="Is hail insured?", **{"from": f"{who}@x.example"}) for id_, who in rows]
    )
    desk.deliverer.failures = [None, None, BackendUnavailable("down")]
    assert desk.deliver() == ["anna", "bert", "cleo"]
    assert (desk.report.failed, desk.report.waiting) == (1, 3)
    desk.now += timedelta(minutes=1)
    assert desk.deliver() == ["anna", "anna", "anna"]
    ids = [message.case_id for message in desk.deliverer.delivered if message.recipient.startswith("anna")]
    known = desk.world.store.read_cases(ids)
    assert [known[one].case.id for one in ids] == ["a1", "a2", "a3", "a4"]


def test_a_receiver_that_asks_for_patience_gets_it(desk: Desk) -> None:
    desk.deliverer.failures = [RateLimited("later", retry_after_seconds=600)]
    desk.deliver()
    desk.now += timedelta(seconds=599)
    assert desk.deliver() == []
    desk.now += timedelta(seconds=1)
    assert desk.deliver() == ["anna", "anna"]


def test_a_receiver_that_is_down_is_not_asked_for_every_message(desk: Desk) -> None:
    more = [desk.world.case(id=f"d{n}", body="Is hail insured?", **{"from": f"c{n}@x.example"}) for n in range(5)]
    desk.world.handler.handle(more)
    desk.deliverer.failures = [BackendUnavailable("down")] * 9
    assert desk.deliver() == []
    assert desk.report.failed == 3
    desk.now += timedelta(minutes=1)
    desk.deliverer.failures = []
    assert len(desk.deliver()) == 8


def test_a_crash_between_leaving_and_noting_it_repeats_the_same_id(desk: Desk) -> None:
    (first, *_) = desk.outbox.list_due("default", desk.deliverer.kinds, NOW, 10)
    desk.deliverer.deliver(first)
    desk.deliver()
    ids = [message.message_id for message in desk.deliverer.delivered]
    assert ids.count(first.message_id) == 2
    assert len(set(ids)) == 3
