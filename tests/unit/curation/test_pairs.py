"""Pairs in the database: found again, joined with today's readers, moved with their documents."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.curation.texts import cut_letters, sign_bands
from tasks.curation_models import Evidence, Pair, PairState, Split, intersect_readers, is_refusal
from tasks.curation_ports import Asked
from tasks.errors import ConfigurationError
from tasks.integrations.database.cited import DatabaseCited
from tasks.integrations.database.datasets import DatabaseSplits
from tasks.integrations.database.engine import Database
from tasks.integrations.database.manifest import move_document
from tasks.integrations.database.pairs import PAGE, DatabasePairs
from tests.fakes.pairs import add_document, indexed, make_pair, remove_document

TEXT = "The pump needs 2 litres of oil."


def quote(database: Database, document_id: str) -> Evidence:
    found = DatabaseCited(database).read_documents("default", [document_id])[document_id]
    return Evidence(
        document_id=document_id, quote="2 litres", start=15, end=23, version_id=found.version_id, groups=found.groups
    )


def test_a_pair_comes_back_as_it_was_written_with_its_documents_name_and_readers(database: Database) -> None:
    store = DatabasePairs(database)
    document_id = add_document(database, "manual.md", TEXT, readers=["service", "hr"])
    pair = make_pair(evidence=[quote(database, document_id)], groups=("service", "sales"))
    store.write_pairs([indexed(pair)])
    store.write_pairs([indexed(pair)])
    (found,) = store.list_pairs("default")
    assert found.evidence[0].uri == "file:///test/manual.md"
    assert found.readers == ("service",)
    named = tuple(one.model_copy(update={"uri": "", "title": ""}) for one in found.evidence)
    assert found.model_copy(update={"readers": (), "evidence": named}) == pair
    assert list(store.list_pairs("other")) == []


@pytest.mark.parametrize(
    ("groups", "readers"),
    [
        ([], ("everyone",)),
        ([["everyone"], ["hr"]], ("hr",)),
        ([["hr", "service"], ["service"]], ("service",)),
        ([["hr"], ["service"]], ()),
        ([["hr"], []], ()),
    ],
)
def test_readers_of_a_pair_are_those_of_all_its_documents(groups: list[list[str]], readers: tuple[str, ...]) -> None:
    assert intersect_readers(groups) == readers


def test_a_pair_of_a_deleted_document_has_no_reader(database: Database) -> None:
    store = DatabasePairs(database)
    document_id = add_document(database, "manual.md", TEXT)
    store.write_pairs([indexed(make_pair(evidence=[quote(database, document_id)]))])
    remove_document(database, document_id)
    (found,) = store.list_pairs("default")
    assert (found.readers, found.evidence[0].uri) == ((), "")


def test_a_pair_is_known_by_its_first_words_and_by_its_present_ones(database: Database) -> None:
    store = DatabasePairs(database)
    pair = make_pair()
    edited = pair.model_copy(update={"answer": "3 litres"})
    store.write_pairs([indexed(edited)])
    assert store.find_known("default", [pair]) == {pair.pair_id: store.find_pair("default", pair.pair_id)}
    again = make_pair(answer="3  Litres.")
    assert again.pair_id != pair.pair_id
    assert store.find_known("default", [again])[again.pair_id].pair_id == pair.pair_id
    assert store.find_known("default", [make_pair(answer="4 litres")]) == {}


def test_alike_questions_are_found_and_rejected_ones_are_not(database: Database) -> None:
    store = DatabasePairs(database)
    near = make_pair("How much oil does the big pump need?")
    rejected = make_pair(answer="none", state=PairState.REJECTED)
    store.write_pairs([indexed(near), indexed(rejected), indexed(make_pair("Who signs travel expenses?", "The boss"))])
    question = "How much oil does this big pump need?"
    (found,) = store.find_alike("default", [Asked(question, sign_bands(cut_letters(question)))])
    assert [pair.question for pair in found] == [near.question]


def test_a_beginning_of_an_id_must_mean_one_pair(database: Database) -> None:
    store = DatabasePairs(database)
    pair = make_pair()
    store.write_pairs([indexed(pair)])
    assert store.find_pair("default", pair.pair_id[:6]).pair_id == pair.pair_id
    for name in ("", "zzz", "%"):
        with pytest.raises(ConfigurationError):
            store.find_pair("default", name)


def test_every_page_of_pairs_is_listed_once(database: Database) -> None:
    store = DatabasePairs(database)
    pairs = [make_pair(f"What is number {number}?", str(number)) for number in range(PAGE + 3)]
    store.write_pairs([indexed(pair) for pair in pairs])
    listed = [pair.pair_id for pair in store.list_pairs("default")]
    assert listed == [pair.pair_id for pair in pairs]


def test_a_new_version_other_readers_and_a_deletion_are_noticed_once(database: Database) -> None:
    store = DatabasePairs(database)
    document_id = add_document(database, "manual.md", TEXT)
    pair = make_pair(evidence=[quote(database, document_id)])
    store.write_pairs([indexed(pair)])
    assert store.find_moved("default") == []
    add_document(database, "manual.md", f"New. {TEXT}")
    assert store.find_moved("default") == [pair.pair_id]
    seen = pair.model_copy(update={"evidence": (quote(database, document_id),)})
    store.write_pairs([indexed(seen)])
    add_document(database, "manual.md", f"New. {TEXT}", readers=["hr"])
    assert store.find_moved("default") == [pair.pair_id]
    remove_document(database, document_id)
    assert store.find_moved("default") == [pair.pair_id]
    gone = pair.evidence[0].model_copy(update={"version_id": None, "start": None, "end": None})
    store.write_pairs([indexed(pair.model_copy(update={"evidence": (gone,)}))])
    assert store.find_moved("default") == []


def test_a_rename_takes_pairs_and_the_split_along(database: Database) -> None:
    store, splits = DatabasePairs(database), DatabaseSplits(database)
    old = add_document(database, "old.md", TEXT)
    store.write_pairs([indexed(make_pair(evidence=[quote(database, old)]))])
    splits.assign("default", {old: (Split.TEST, "h")})
    new = add_document(database, "new.md", TEXT)
    with database.write() as connection:
        move_document(connection, old, new)
    (pair,) = store.list_pairs("default")
    assert pair.evidence[0].document_id == new
    assert pair.evidence[0].uri.endswith("/new.md")
    assert splits.read_splits("default") == {new: Split.TEST}


def test_a_split_is_never_assigned_again(database: Database) -> None:
    splits = DatabaseSplits(database)
    splits.assign("default", {"d": (Split.TEST, "h")})
    splits.assign("default", {"d": (Split.TRAIN, "h"), "e": (Split.TRAIN, "i")})
    assert splits.read_splits("default") == {"d": Split.TEST, "e": Split.TRAIN}
    assert splits.find_by_text("default", "h") is Split.TEST
    assert splits.find_by_text("other", "h") is None


def test_changing_a_pair_returns_what_is_stored(database: Database) -> None:
    store = DatabasePairs(database)
    pair = make_pair()
    store.write_pairs([indexed(pair)])

    def approve(before: Pair) -> object:
        return indexed(before.model_copy(update={"state": PairState.APPROVED}))

    assert store.change_pair("default", pair.pair_id, approve).state is PairState.APPROVED  # type: ignore[arg-type]
    assert store.count_states("default") == {"approved": 1}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("file:///test/docs/a/manual.md", True),
        ("docs/a/manual.md", True),
        ("a/manual.md", True),
        ("manual.md", True),
        ("MANUAL.MD", True),
        ("anual.md", False),
        ("%", False),
    ],
)
def test_a_document_is_found_by_whatever_people_call_it(database: Database, name: str, *, found: bool) -> None:
    document_id = add_document(database, "docs/a/manual.md", TEXT)
    assert DatabaseCited(database).find_documents("default", name) == ([document_id] if found else [])


def test_the_refusal_is_no_answer() -> None:
    assert is_refusal("the passages do not answer this question")
    assert not is_refusal("yes")


def test_vectors_are_read_in_pages_and_none_twice(database: Database) -> None:
    store = DatabasePairs(database)
    made = [make_pair(f"What is number {number}?", str(number)) for number in range(PAGE + 3)]
    vectors = {pair.pair_id: np.full(4, number, dtype=np.float32) for number, pair in enumerate(made)}
    store.write_pairs([indexed(pair)._replace(vector=vectors[pair.pair_id], embedder="use") for pair in made])
    pages = list(store.read_vectors("default", "use"))
    assert [len(ids) for ids, _ in pages] == [PAGE, 3]
    found = {pair_id: vector.tolist() for ids, page in pages for pair_id, vector in zip(ids, page, strict=True)}
    assert found == {pair_id: vector.tolist() for pair_id, vector in vectors.items()}
    assert list(store.read_vectors("default", "another")) == []
