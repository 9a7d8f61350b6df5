"""Equal on SQLite and PostgreSQL: what a transaction sees, what a text becomes, the order of rows, who is first."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path
from threading import Barrier as ThreadBarrier
from typing import Any

import pytest
import sqlalchemy as sa

from tasks.answer_models import Answer, Silence
from tasks.errors import BackendUnavailable, DeviceBusy
from tasks.integrations.database.catalogue import Catalogue
from tasks.integrations.database.engine import HEAD_REVISION, Database, update_rows, upsert
from tasks.integrations.database.gaps import DatabaseGaps
from tasks.integrations.database.leases import Leases
from tasks.integrations.database.locks import lock_name
from tasks.integrations.database.manifest import DatabaseManifest
from tasks.integrations.database.passages import DatabasePassages
from tasks.integrations.database.schema import cached_vectors, document_readers, documents, leases, versions
from tasks.integrations.database.versions import DatabaseCollections, DatabaseVersions
from tasks.models import EmbedderIdentity, EmbedderSpec, Pipeline, Run
from tests.databases import on_postgresql_alone

Open = Callable[[], Database]
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def write_document(database: Database, number: int, **values: Any) -> None:
    """A live document without chunks."""
    version = {
        "version_id": f"v{number}", "document_id": f"d{number}", "tenant": "default", "source": "s",
        "content_hash": "h", "fingerprint": "f", "state": "ready", "title": "t", "language": "en", "text": "Text.",
        "groups": [], "document_type": "md", "chunk_count": 0, "created_at": NOW,
    }  # fmt: skip
    row: dict[str, Any] = {
        "document_id": f"d{number}", "tenant": "default", "source": "s", "path": str(number), "uri": f"file:{number}",
        "file_name": "f", "state": "live", "live_version_id": f"v{number}", "groups": ["staff"], "readers_stale": False,
        "updated_at": NOW,
    } | values  # fmt: skip
    with database.write() as connection:
        upsert(connection, versions, [version])
        upsert(connection, documents, [row])
        upsert(connection, document_readers, [{"document_id": row["document_id"], "principal": row["groups"][0]}])


# --- migrations ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'expertloop.db'}"
        return
    server = request.getfixturevalue("postgresql")
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)


def _migrate(url: str, start: Barrier) -> None:
    database = Database(url)
    start.wait()
    database.migrate()
    database.close()


def test_of_processes_that_start_together_one_migrates_and_none_fails(empty_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3)
    processes = [context.Process(target=_migrate, args=(empty_url, start)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    database = Database(empty_url)
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars().all() == [HEAD_REVISION]
    database.close()


# --- isolation -------------------------------------------------------------------------------------------------------


def test_a_read_sees_one_moment_and_a_write_what_was_committed(database: Database, open_database: Open) -> None:
    other = open_database()
    count = sa.select(sa.func.count()).select_from(documents)
    with database.read() as connection:
        assert connection.execute(count).scalar_one() == 0
        write_document(other, 1)
        assert connection.execute(count).scalar_one() == 0
    with database.write() as connection:
        assert connection.execute(count).scalar_one() == 1


@on_postgresql_alone
def test_the_isolation_levels_are_those_that_are_stated(database: Database) -> None:
    for opened, expected in ((database.read, ("repeatable read", "on")), (database.write, ("read committed", "off"))):
        with opened() as connection:
            names = ("transaction_isolation", "transaction_read_only")
            assert tuple(connection.execute(sa.text(f"SHOW {name}")).scalar_one() for name in names) == expected


def test_a_write_that_fails_leaves_nothing(database: Database) -> None:
    def fail_half_way() -> None:
        with database.write() as connection:
            connection.execute(sa.text("DELETE FROM documents"))
            raise DeviceBusy("it changed its mind")

    write_document(database, 1)
    with pytest.raises(DeviceBusy):
        fail_half_way()
    assert len(list(Catalogue(database).list_documents("default"))) == 1


def test_of_many_who_want_a_free_lease_at_once_one_gets_it(database: Database, open_database: Open) -> None:
    askers = [Leases(open_database(), lease_seconds=60) for _ in range(6)]
    start, asked = ThreadBarrier(len(askers)), ThreadBarrier(len(askers))

    def ask(asker: Leases) -> bool:
        start.wait()
        try:
            with asker.hold("source a"):
                asked.wait()
                return True
        except DeviceBusy:
            asked.wait()
            return False

    with ThreadPoolExecutor(len(askers)) as pool:
        assert sorted(pool.map(ask, askers)) == [False] * 5 + [True]
    with database.read() as connection:
        assert connection.execute(sa.select(leases)).all() == []


def test_writers_of_the_same_rows_in_another_order_do_not_lock_each_other_up(
    database: Database, open_database: Open
) -> None:
    keys = [f"{number:05}" for number in range(2_000)]
    start = ThreadBarrier(2)

    def write(some: list[str]) -> None:
        other = open_database()
        start.wait()
        for _ in range(3):
            with other.write() as connection:
                upsert(
                    connection,
                    cached_vectors,
                    [{"embedder": "e", "embedding_key": key, "vector": b"1"} for key in some],
                )

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, (keys, keys[::-1])))
    with database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(cached_vectors)).scalar_one() == len(keys)


# --- values ----------------------------------------------------------------------------------------------------------


def test_what_no_database_keeps_becomes_the_replacement_character_and_offsets_stay(database: Database) -> None:
    write_document(database, 1, path="a\0b\ud800c ä 🙂", groups=["x\0"])
    with database.read() as connection:
        path, groups = connection.execute(sa.select(documents.c.path, documents.c.groups)).one()
    assert path == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c ä 🙂"
    assert groups == ["x\0"], "JSON escapes it"


def test_two_names_do_not_become_one_by_what_is_kept_of_them(database: Database) -> None:
    write_document(database, 1, groups=["a\0"])
    passages = DatabasePassages(database)
    assert passages.read_text("default", "d1", frozenset({"a\N{REPLACEMENT CHARACTER}"})) == "Text."
    assert passages.read_text("default", "d1", frozenset({"a\0", "a\ud800"})) is None


def test_documents_come_in_the_order_of_code_points(database: Database) -> None:
    paths = ["a", "B", "ä", "Z", "a b", "a-b", "ab", "Ä", "_"]
    for number, path in enumerate(paths):
        write_document(database, number, path=path, uri=path)
    assert [document.uri for document in Catalogue(database).list_documents("default")] == sorted(paths)


def test_a_path_longer_than_an_index_entry_is_kept(database: Database) -> None:
    path = "".join(chr(letter) for letter in random.Random(1).choices(range(0x4E00, 0x9FA5), k=4_000))
    write_document(database, 1, path=path, uri=path)
    assert [document.uri for document in Catalogue(database).list_documents("default")] == [path]


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
)
def test_a_moment_comes_back_as_it_was(database: Database, moment: datetime) -> None:
    write_document(database, 1, seen_modified=moment, seen_size=2**40)
    with database.read() as connection:
        assert connection.execute(sa.select(documents.c.seen_modified, documents.c.seen_size)).one() == (moment, 2**40)


@on_postgresql_alone
def test_a_long_listing_is_read_from_a_cursor_of_the_server(database: Database, open_database: Open) -> None:
    for number in range(3):
        write_document(database, number)
    listing = Catalogue(database).list_documents("default")
    assert next(listing).uri == "file:0"
    query = "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
    with open_database().read() as connection:
        (running,) = connection.execute(sa.text(query)).scalars()
    assert running.startswith("FETCH FORWARD")
    assert len(list(listing)) == 2


def test_readers_of_many_documents_change_in_one_go_each_to_their_own(database: Database) -> None:
    for number in range(3):
        write_document(database, number)
    with database.write() as connection:
        update_rows(connection, sa.update(documents), {f"d{n}": {"groups": [str(n)], "seen_size": n} for n in (2, 0)})
        update_rows(connection, sa.update(documents), {})
    with database.read() as connection:
        rows = connection.execute(sa.select(documents.c.groups, documents.c.seen_size).order_by(documents.c.path)).all()
    assert [tuple(row) for row in rows] == [(["0"], 0), (["staff"], None), (["2"], 2)]


# --- locks with a name -----------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(database: Database, database_url: str) -> Iterator[Database]:
    """The same database for somebody who waits for nobody."""
    opened = Database(database_url, busy_timeout_seconds=0.1)
    yield opened
    opened.close()


PIPELINE = Pipeline(
    partitioner="p", chunker="c", chunk_tokens=100, analysis="a",
    embedder=EmbedderIdentity(name="e", revision="1", dimension=1), embedder_spec=EmbedderSpec(name="e"),
)  # fmt: skip


def test_who_moves_the_collection_waits_for_who_publishes(database: Database, impatient: Database) -> None:
    collections = DatabaseCollections(impatient)
    moves = (
        lambda: collections.open_collection(PIPELINE),
        lambda: collections.flip(PIPELINE),
        lambda: DatabaseVersions(impatient).mark_unindexed("f"),
    )
    with database.write() as connection:
        lock_name(connection, "collections", shared=True)
        for move in moves:
            with pytest.raises(BackendUnavailable, match="lock"):
                move()
    for move in moves:
        move()


def test_who_publishes_waits_for_who_moves_the_collection(database: Database, impatient: Database) -> None:
    with Leases(database, lease_seconds=60).hold("source s") as token:
        run = Run(run_id="r", tenant="default", source="s", lease_token=token, fingerprint="f", started_at=NOW)
        manifest = DatabaseManifest(impatient)
        with database.write() as connection:
            lock_name(connection, "collections")
            with pytest.raises(BackendUnavailable, match="lock"):
                manifest.publish_batch(run, 1, capabilities="")
        assert manifest.publish_batch(run, 1, capabilities="") == []


@on_postgresql_alone
def test_who_publishes_does_not_wait_for_another_source(database: Database, impatient: Database) -> None:
    with database.write() as one, impatient.write() as other:
        lock_name(one, "collections", shared=True)
        lock_name(other, "collections", shared=True)
        here = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        held = (
            f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted AND {here}"
        )
        assert other.execute(sa.text(held)).scalar_one() == 2


def test_a_question_that_many_ask_at_once_is_counted_for_each(database: Database, open_database: Open) -> None:
    silence = Answer(question="Who?", text="I do not know", abstained=True, reason=Silence.LOW_CONFIDENCE)
    askers = [DatabaseGaps(open_database()) for _ in range(4)]
    start = ThreadBarrier(len(askers))

    def ask(gaps: DatabaseGaps) -> None:
        start.wait()
        for _ in range(5):
            gaps.record_answers("default", [silence])

    with ThreadPoolExecutor(len(askers)) as pool:
        list(pool.map(ask, askers))
    assert [gap.asked for gap in askers[0].list_gaps("default")] == [20]
