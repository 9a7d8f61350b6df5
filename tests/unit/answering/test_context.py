"""What of a found passage can be quoted."""

from __future__ import annotations

from tasks.answering.context import list_quotables
from tasks.models import Hit, Section
from tests.fakes.passage_reader import FakePassageReader


def test_headings_within_a_passage_say_where_and_are_no_quotes() -> None:
    text = "Goodwill\n\nIt may be given once.\n\nExports\n\nAsk the customs desk first."
    (passage,) = FakePassageReader().add_document("rules.md", [text], title="Rules")
    sections = (Section(0, ("Goodwill",)), Section(text.index("Exports"), ("Exports",)))
    hit = Hit(rank=1, score=1.0, passage=passage.model_copy(update={"sections": sections}))
    assert [(one.quote, one.place) for one in list_quotables([hit])] == [
        ("It may be given once.", "Rules > Goodwill"),
        ("Ask the customs desk first.", "Rules > Exports"),
    ]
