"""The documents that pairs quote: read once while they are remembered, and not remembered without end."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.curation.library import Library
from tasks.curation_models import CitedDocument
from tasks.curation_ports import Place
from tasks.integrations.database.cited import DatabaseCited
from tests.fakes.curation import CuratedWorld
from tests.fakes.pairs import add_document


class CountingCited(DatabaseCited):
    """Remembers what it was asked for."""

    def __init__(self, world: CuratedWorld) -> None:
        super().__init__(world.database)
        self.read: list[list[str]] = []

    def read_documents(self, tenant: str, document_ids: Sequence[str]) -> dict[str, CitedDocument]:
        self.read.append(list(document_ids))
        return super().read_documents(tenant, document_ids)


def test_documents_are_read_together_and_once(world: CuratedWorld) -> None:
    ids = [add_document(world.database, f"{name}.md", f"Text of {name}.") for name in "abc"]
    cited = CountingCited(world)
    library = Library("default", cited)
    library.fetch([*ids, *ids, "gone"])
    texts = [document.text for id_ in ids if (document := library.read(id_))]
    assert texts == ["Text of a.", "Text of b.", "Text of c."]
    assert library.read("gone") is None
    assert cited.read == [[*ids, "gone"]]


def test_what_was_not_asked_for_longest_is_forgotten_first(world: CuratedWorld) -> None:
    a, b, c, long = (
        add_document(world.database, f"{text[0]}.md", text) for text in ("a" * 10, "b" * 10, "c", "l" * 99)
    )
    cited = CountingCited(world)
    library = Library("default", cited, most_characters=20)
    for document_id in (a, b, a, c, a, b):
        assert library.read(document_id) is not None
    assert cited.read == [[a], [b], [c], [b]]
    for document_id in (long, long, a):
        assert library.read(document_id) is not None
    assert cited.read[4:] == [[long], [a]]


def test_a_place_is_in_the_last_chunk_that_begins_before_it(world: CuratedWorld) -> None:
    ids = [add_document(world.database, f"{name}.md", f"Text of {name}.") for name in "ab"]
    cited = DatabaseCited(world.database)
    found = cited.read_documents("default", ids)
    places = [Place(found[id_].version_id, start) for id_ in ids for start in (0, 5)]
    around = cited.find_places({*places, Place("no version", 3)})
    assert {place: around[place].text for place in around} == {
        place: found[id_].text for place, id_ in zip(places, [ids[0]] * 2 + [ids[1]] * 2, strict=True)
    }
