"""Summaries from the document to the search: made by an ingest, found by questions for an overview, gone with it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tasks.answer_models import Question
from tasks.errors import BackendUnavailable, ConfigurationError
from tasks.integrations.database.schema import versions
from tasks.integrations.database.summaries_schema import summaries
from tasks.models import EVERYONE, Hit, name_summaries
from tasks.retrieval.rebuild import compare_place, fill_place
from tasks.settings import Settings
from tasks.wiring import use_application
from tests.fakes.generator import FakeGenerator
from tests.fakes.vector_index import FakeIndex
from tests.integration.world import World

PARAGRAPHS = (
    "This agreement governs how Nordwerk maintains the compressors of Meyer at the site in Bremen.",
    "The parties agree on maintenance of all compressors, which Nordwerk carries out twice a year.",
    "Invoices are due within 30 days. Interest of five percent applies to late payment.",
    "Spare parts for the compressors are kept in stock. They are delivered on the next working day.",
    "Liability is limited to the yearly fee of the maintenance. It does not cover loss of profit.",
    "Either party may end the agreement with three months of notice to the end of a year.",
)
CONTRACT = "# Maintenance agreement Meyer\n" + "\n".join(
    f"# Part {number}\n{paragraph} " + "Nothing else was agreed about this point by the people who signed it. " * 12
    for number, paragraph in enumerate(PARAGRAPHS, start=1)
)
FILES = {
    "contract.txt": CONTRACT,
    "leave.txt": "# Leave\nEveryone gets 30 days of annual leave.",
    "memo.txt": "# Memo on the canteen\nThe canteen is closed in August. Meyer brings lunch instead.",
}
OVERVIEW = "What is the maintenance agreement with Meyer about?"


def fill(world: World) -> World:
    world.source.files = {name: text.encode() for name, text in FILES.items()}
    world.source.groups["contract.txt"] = ("sales",)
    world.ingest()
    return world


def search(world: World, text: str, *groups: str) -> list[Hit]:
    question = Question(text=text, principals=frozenset({EVERYONE, *groups}))
    return world.searcher.search([question], limit=4)[0]


def change(world: World, **settings: object) -> World:
    """The same documents with other settings."""
    other = World(world.settings.model_copy(update=settings))
    other.source, other.database = world.source, world.database
    other.fake_index, other.index = world.fake_index, world.fake_index
    other.fake_embedder = world.fake_embedder
    return other


def restart(world: World) -> World:
    """The same documents and stores with the environment's settings, for the flow too."""
    other = change(world)
    other.settings = Settings()
    use_application(other)
    return other


def stored(world: World) -> dict[str, str]:
    """Summaries in the database by id."""
    with world.database.read() as connection:
        rows = connection.execute(sa.select(summaries.c.summary_id, summaries.c.text))
        return {row.summary_id: row.text for row in rows}


def indexed(world: World) -> set[str]:
    """Summaries in the vector store."""
    pipeline = world.serving_pipeline()
    assert pipeline is not None
    return set(world.index.list_chunk_ids(name_summaries(pipeline.collection.name), "default"))


def test_who_asks_what_a_document_is_about_gets_its_beginning_word_for_word(world_on_both: World) -> None:
    world = fill(world_on_both)
    first, *_ = search(world, OVERVIEW, "sales")
    assert first.passage.title == "Maintenance agreement Meyer"
    assert first.passage.chunk.position == 0
    text = world.passages.read_text("default", first.passage.document_id, frozenset({"sales"}))
    assert text is not None
    for hit in search(world, OVERVIEW, "sales"):
        chunk = hit.passage.chunk
        assert hit.passage.document_id != first.passage.document_id or text[chunk.start : chunk.end] == chunk.text
        assert hit.passage.chunk_id not in stored(world)


def test_a_summary_is_made_of_sentences_of_the_document(world: World) -> None:
    fill(world)
    with world.database.read() as connection:
        row = connection.execute(sa.select(summaries, versions.c.text.label("document")).join(versions)).one()
    said = [row.document[start:end] for start, end in row.spans]
    assert row.text == " ".join(said)
    assert all(sentence.endswith(".") for sentence in said)
    assert row.leads[0] == 0


def test_who_may_not_read_a_document_is_not_led_to_it(world: World) -> None:
    fill(world)
    assert {hit.passage.title for hit in search(world, OVERVIEW)} == {"Leave", "Memo on the canteen"}
    # Nor is anything else found in another way because a summary came up that they may not read.
    assert search(world, OVERVIEW) == search(change(world, summaries="none"), "the maintenance agreement with Meyer")
    world.source.groups["contract.txt"] = ("board",)
    world.ingest()
    assert "Maintenance agreement Meyer" not in {hit.passage.title for hit in search(world, OVERVIEW, "sales")}
    assert "Maintenance agreement Meyer" in {hit.passage.title for hit in search(world, OVERVIEW, "board")}


def test_every_other_question_is_searched_exactly_as_without_summaries(world: World) -> None:
    without = change(fill(world), summaries="none")
    for text in ("When are invoices due?", "Wie viel Urlaub gibt es?", "notice of the agreement", "Meyer"):
        assert search(world, text, "sales") == search(without, text, "sales")
    assert search(world, OVERVIEW, "sales") != search(without, OVERVIEW, "sales")


def test_a_changed_document_replaces_its_summary_and_a_deleted_one_takes_it_away(world_on_both: World) -> None:
    world = fill(world_on_both)
    before = stored(world)
    assert indexed(world) == set(before)
    world.source.files["contract.txt"] = CONTRACT.replace("compressors", "turbines").encode()
    world.ingest()
    (text,) = stored(world).values()
    assert "turbines" in text
    assert indexed(world) == set(stored(world))
    assert not set(before) & indexed(world)
    del world.source.files["contract.txt"]
    world.ingest(confirm_prune=True)
    assert stored(world) == {}
    assert indexed(world) == set()


def test_a_second_run_changes_nothing_and_new_rules_read_no_document(world: World) -> None:
    fill(world)
    before, embedded = stored(world), world.fake_embedder.embedded
    world.ingest()
    assert (stored(world), world.fake_embedder.embedded) == (before, embedded)
    with world.database.write() as connection:
        connection.execute(sa.update(versions).values(summary_rules="older"))
        connection.execute(sa.update(summaries).values(text="Older.", summary_id="older"))
    world.source.opened.clear()
    assert world.ingest().unchanged == len(FILES)
    assert world.source.opened == []
    assert stored(world) == before
    assert indexed(world) == set(before)


def test_documents_from_before_are_summarised_without_being_read(world_on_both: World) -> None:
    world = fill(world_on_both)
    before = stored(world)
    pipeline = world.serving_pipeline()
    assert pipeline is not None
    with world.database.write() as connection:
        connection.execute(sa.delete(summaries))
        connection.execute(sa.update(versions).values(summary_rules=None))
    world.index.drop_collection(name_summaries(pipeline.collection.name))
    assert search(world, OVERVIEW, "sales")
    world.source.opened.clear()
    assert world.ingest().unchanged == len(FILES)
    assert world.source.opened == []
    # One of six chunks and more; the others are short.
    assert (stored(world), indexed(world)) == (before, set(before))
    assert len(before) == 1


def test_a_renamed_document_keeps_its_summary(world: World) -> None:
    fill(world)
    (text,) = stored(world).values()
    world.source.files["renamed.txt"] = world.source.files.pop("contract.txt")
    assert world.ingest(confirm_prune=True).renamed == 1
    assert list(stored(world).values()) == [text]
    assert indexed(world) == set(stored(world))


def fail() -> None:
    raise BackendUnavailable("away")


def lose(world: World) -> None:
    """Another, empty store in the place of the filled one."""
    world.index = world.fake_index = FakeIndex()


def test_a_lost_store_gets_them_back(world: World) -> None:
    fill(world)
    lose(world)
    with world.hold_places() as places:
        filled = {name: fill_place(members[0], lambda _: None) for name, members in places.items()}
    assert sorted(one.written for one in filled.values())[0] == 1
    assert all(one.embedded == 0 for one in filled.values())
    assert indexed(world) == set(stored(world))
    lose(world)
    world.ingest()
    assert indexed(world) == set(stored(world))
    with world.hold_places() as places:
        found = [compare_place(place) for members in places.values() for place in members]
    assert [(one.missing, one.extra, one.unfound) for one in found] == [([], [], [])] * 2


def test_another_embedder_takes_over_with_its_summaries(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(world)
    former = world.serving_pipeline()
    assert former is not None
    monkeypatch.setenv("EXPERTLOOP_EMBEDDER_MODEL", "other")
    other = restart(world)
    other.ingest()
    assert indexed(other) == set(stored(other)) != set()
    with pytest.raises(ConfigurationError, match="no collection"):
        next(other.index.list_chunk_ids(name_summaries(former.collection.name), "default"))


def test_an_endpoint_writes_them_when_asked_and_only_then(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = list(fill(world).source.opened)
    world.source.files["memo.txt"] += b" And the bistro."
    monkeypatch.setenv("EXPERTLOOP_SUMMARIES", "written")
    with pytest.raises(ConfigurationError, match="endpoint"):
        restart(world).ingest()
    assert world.source.opened == opened
    monkeypatch.setenv("EXPERTLOOP_GENERATOR", "openai")
    other = restart(world)
    generator = FakeGenerator("How the presses in Bremen are looked after.")
    other.__dict__["_endpoint"] = generator
    other.ingest()
    other.ingest()
    assert len(generator.prompts) == 1
    assert list(stored(other).values()) == ["How the presses in Bremen are looked after."]
    assert indexed(other) == set(stored(other))
    # While it is away, what it wrote stays, and what is new is extracted.
    other.__dict__["_endpoint"] = FakeGenerator("", before=fail)
    other.source.files["manual.txt"] = CONTRACT.replace("agreement", "manual").encode()
    other.ingest()
    away = stored(other)
    assert "How the presses in Bremen are looked after." in away.values()
    assert len(away) == 2
    other.ingest()
    assert stored(other) == away
    assert indexed(other) == set(away)
    # What was written is searched, and nobody is shown it.
    (first, *_) = search(other, "Give me an overview of the presses in Bremen", "sales")
    assert (first.passage.title, first.passage.chunk.position) == ("Maintenance agreement Meyer", 0)
    assert "presses" not in first.passage.chunk.text


def test_an_erased_document_leaves_no_summary(world: World) -> None:
    fill(world)
    certificate = world.erase(world.find_subject("contract.txt"))
    assert {one.what.rpartition("_")[2]: one.count for one in certificate.cleaned if one.store == "vector store"}[
        "summaries"
    ] == 1
    assert (stored(world), indexed(world)) == ({}, set())
