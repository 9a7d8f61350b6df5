"""Definitions in the database: they live with their document's live version, and are read only by who may read that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from tasks.abbreviations import Definition, Meaning
from tasks.errors import DeviceBusy
from tasks.integrations.database.definitions import DatabaseDefinitions
from tasks.integrations.database.definitions_schema import definitions
from tasks.integrations.database.engine import Database, upsert
from tasks.integrations.database.erased_texts import DatabaseTexts, HiddenDocuments
from tasks.integrations.database.erasure import DatabaseErasures
from tasks.integrations.database.leases import Leases
from tasks.integrations.database.schema import documents, sources, versions
from tasks.integrations.database.versions import DatabaseVersions
from tasks.models import EVERYONE, Run
from tests.fakes.pairs import add_document, remove_document

RULES = 1
ALL = frozenset({EVERYONE})
BA = Definition("BA", "Betriebsanweisung")


class World:
    """Documents with definitions, learnt under the source's lease."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.definitions = DatabaseDefinitions(database)

    def add(self, path: str, *found: Definition, readers: Sequence[str] = (EVERYONE,), text: str = "Text.") -> str:
        document_id = add_document(self.database, path, text, readers=readers)
        self.learn(found)
        return document_id

    def learn(self, found: Sequence[Definition]) -> None:
        with Leases(self.database, lease_seconds=60).hold("source default/test") as token:
            for page in self.definitions.find_unlearnt(self.run(token), RULES):
                self.definitions.write_definitions(self.run(token), {one.version_id: found for one in page}, RULES)

    def run(self, token: str) -> Run:
        now = datetime(2026, 5, 4, tzinfo=UTC)
        return Run(run_id="r", tenant="default", source="test", lease_token=token, fingerprint="f", started_at=now)

    def find(
        self, short: str = "ba", *, long: str = "", groups: Sequence[str] = (), tenant: str = "default"
    ) -> list[Meaning]:
        longs = [long] if long else []
        return self.definitions.find_meanings(tenant, ALL | frozenset(groups), shorts=[short], longs=longs)


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def test_documents_that_say_the_same_are_one_meaning_and_counted(world: World) -> None:
    first = world.add("a.md", BA, Definition("SOP", "standard operating procedure"))
    second = world.add("b.md", Definition("B.A.", "Betriebsanweisungen"))
    (meaning,) = world.find()
    assert (meaning.documents, meaning.document_id) == (2, min(first, second))
    assert world.find("nothing", long="betriebsanweisung") == world.find("ba")
    assert world.find("nothing") == []
    assert [one.short for one in world.definitions.list_meanings("default", None)] == [meaning.short, "SOP"]


def test_only_who_may_read_the_document_learns_from_it(world: World) -> None:
    world.add("open.md", BA)
    world.add(
        "hr/secret.md", Definition("BA", "Besoldungsanpassung"), Definition("PZ", "Projekt Zugspitze"), readers=("hr",)
    )
    assert [one.long for one in world.find()] == ["Betriebsanweisung"]
    assert {one.long for one in world.find(groups=["hr"])} == {"Betriebsanweisung", "Besoldungsanpassung"}
    assert world.find("pz") == world.find("x", long="projekt zugspitz") == []
    assert len(world.find("x", long="projekt zugspitz", groups=["hr"])) == 1
    assert world.find(tenant="other") == []
    assert [one.long for one in world.definitions.list_meanings("default", ALL)] == ["Betriebsanweisung"]
    assert len(world.definitions.list_meanings("default", None)) == 3


def test_a_deleted_document_and_a_former_version_take_their_definitions_with_them(world: World) -> None:
    gone = world.add("a.md", BA)
    remove_document(world.database, gone)
    assert world.find() == []
    world.add("b.md", BA)
    world.add("b.md", Definition("BA", "Bauabschnitt"), text="Its next version.")
    assert [one.long for one in world.find()] == ["Bauabschnitt"]


def test_a_swept_version_keeps_no_definitions(world: World) -> None:
    world.add("a.md", BA)
    with world.database.write() as connection:
        version_id = connection.execute(sa.select(versions.c.version_id)).scalar_one()
    with Leases(world.database, lease_seconds=60).hold("source default/test") as token:
        DatabaseVersions(world.database).mark_swept(world.run(token), [version_id])
    with world.database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(definitions)).scalar_one() == 0


def test_an_erased_document_leaves_no_definitions(world: World) -> None:
    world.add("a.md", BA)
    kept = world.add("b.md", Definition("SOP", "standard operating procedure"))
    subject = DatabaseErasures(world.database).find_document("default", "a.md")
    for store in (HiddenDocuments(world.database), DatabaseTexts(world.database)):
        store.erase(subject)
    with world.database.read() as connection:
        assert connection.execute(sa.select(definitions.c.short)).scalars().all() == ["SOP"]
    assert [one.document_id for one in world.definitions.list_meanings("default", None)] == [kept]


def test_a_little_trusted_source_teaches_nothing(world: World) -> None:
    world.add("a.md", BA)
    with world.database.write() as connection:
        upsert(connection, sources, [{"tenant": "default", "source": "test", "trust": "low"}])
    assert world.find() == []


def test_a_text_is_learnt_from_once_by_each_version_of_the_rules(world: World) -> None:
    world.add("a.md", BA)
    with Leases(world.database, lease_seconds=60).hold("source default/test") as token:
        run = world.run(token)
        assert list(world.definitions.find_unlearnt(run, RULES)) == []
        ((again,),) = world.definitions.find_unlearnt(run, RULES + 1)
        assert again.text == "Text."
        world.definitions.write_definitions(run, {again.version_id: []}, RULES + 1)
    assert world.find() == []
    with pytest.raises(DeviceBusy):
        world.definitions.write_definitions(run, {again.version_id: [BA]}, RULES + 2)


def test_an_outdated_document_still_explains(world: World) -> None:
    document_id = world.add("a.md", BA)
    with world.database.write() as connection:
        connection.execute(sa.update(documents).where(documents.c.document_id == document_id).values(state="outdated"))
    assert [one.long for one in world.find()] == ["Betriebsanweisung"]
