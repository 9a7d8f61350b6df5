"""The database: migrations, leases, isolation, damage."""

from __future__ import annotations

import multiprocessing
import signal
import sqlite3
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from tasks.errors import ArtifactCorrupt, BackendUnavailable, ConfigurationError, DeviceBusy
from tasks.integrations.database import (
    approvals_schema,
    arms_schema,
    automation_schema,
    cases_schema,
    curation_schema,
    definitions_schema,
    engine,
    erasure_schema,
    registry_schema,
    summaries_schema,
)
from tasks.integrations.database.engine import Database
from tasks.integrations.database.leases import Leases, check_lease
from tasks.integrations.database.schema import leases, metadata
from tasks.integrations.database.vector_cache import DatabaseVectorCache
from tasks.models import EmbedderIdentity


def test_the_migrations_make_exactly_the_declared_tables(database: Database) -> None:
    declared = [approvals_schema, arms_schema, automation_schema, cases_schema, curation_schema, definitions_schema]
    declared += [erasure_schema, registry_schema, summaries_schema]
    assert all(module.metadata is metadata for module in declared)
    with database.read() as connection:
        # Alembic does not look at `ddl_if`.
        absent = {"ix_documents_tenant_source_path"} if connection.dialect.name == "postgresql" else set()
        options = {"include_object": lambda _, name, *__: name not in absent}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
        assert absent.isdisjoint(index["name"] for index in sa.inspect(connection).get_indexes("documents"))


def test_the_head_revision_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(engine.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == engine.HEAD_REVISION


def test_migrating_twice_changes_nothing(database: Database) -> None:
    database.migrate()
    with database.read() as connection:
        assert "documents" in sa.inspect(connection).get_table_names()


def test_the_cache_is_asked_for_more_vectors_than_a_statement_has_parameters(database: Database) -> None:
    cache = DatabaseVectorCache(database)
    embedder = EmbedderIdentity(name="small", revision="1", dimension=1)
    keys = [f"key {number}" for number in range(33_000)]
    cache.write_vectors(embedder, {key: np.array([1.0], dtype=np.float32) for key in (keys[0], keys[-1])})
    assert set(cache.read_vectors(embedder, keys)) == {keys[0], keys[-1]}


def test_a_database_of_a_newer_version_is_refused_with_advice(database: Database) -> None:
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="does not know") as caught:
        database.migrate()
    assert "upgrade" in caught.value.advice


def test_a_damaged_database_is_named_as_such(tmp_path: Path) -> None:
    file = tmp_path / "expertloop.db"
    file.write_bytes(b"this is not a database" * 100)
    with pytest.raises(ArtifactCorrupt, match="damaged"):
        Database(f"sqlite:///{file}").migrate()


def test_a_home_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot create"):
        Database(f"sqlite:///{tmp_path / 'file' / 'home' / 'x.db'}").migrate()


def test_a_database_locked_by_another_program_is_transient(tmp_path: Path) -> None:
    file = tmp_path / "expertloop.db"
    Database(f"sqlite:///{file}").migrate()
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    impatient = Database(f"sqlite:///{file}", busy_timeout_seconds=0.1)
    with pytest.raises(BackendUnavailable, match="locked"), impatient.write():
        pass
    other.close()


def test_a_lease_has_one_holder_at_a_time(database: Database) -> None:
    held = Leases(database, lease_seconds=60)
    with held.hold("source a"), pytest.raises(DeviceBusy, match="being worked on"), held.hold("source a"):
        pass
    with held.hold("source a"):
        pass


def test_leases_of_different_names_do_not_meet(database: Database) -> None:
    held = Leases(database, lease_seconds=60)
    with held.hold("source a") as first, held.hold("source b") as second:
        assert first != second


def _die_holding(url: str) -> None:
    Leases(Database(url), lease_seconds=60).hold("source a").__enter__()
    psutil.Process().kill()


def test_a_holder_that_was_killed_on_this_host_loses_the_lease_at_once(database: Database, database_url: str) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_die_holding, args=(database_url,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with Leases(database, lease_seconds=3600).hold("source a") as token, database.write() as connection:
        check_lease(connection, token)


def test_a_silent_holder_on_another_host_loses_the_lease_after_its_time(database: Database) -> None:
    _hold_elsewhere(database)
    with Leases(database, lease_seconds=0.2).hold("source a") as token:
        assert token


def test_a_beating_holder_on_another_host_keeps_the_lease(database: Database) -> None:
    _hold_elsewhere(database)
    stopped = threading.Event()

    def beat() -> None:
        while not stopped.wait(0.01):
            with database.write() as connection:
                connection.execute(sa.update(leases).values(beats=leases.c.beats + 1))

    heart = threading.Thread(target=beat)
    heart.start()
    try:
        with pytest.raises(DeviceBusy, match="elsewhere"), Leases(database, lease_seconds=5).hold("source a"):
            pass
    finally:
        stopped.set()
        heart.join()


def test_who_lost_the_lease_cannot_commit(database: Database) -> None:
    with Leases(database, lease_seconds=60).hold("source a") as token:
        with database.write() as connection:
            connection.execute(sa.update(leases).values(token="somebody else"))
        with pytest.raises(DeviceBusy, match="silent for too long"), database.write() as connection:
            check_lease(connection, token)


def _hold_elsewhere(database: Database) -> None:
    with Leases(database, lease_seconds=60).hold("source a"), database.read() as connection:
        row = dict(connection.execute(sa.select(leases)).mappings().one())
    with database.write() as connection:
        connection.execute(sa.insert(leases).values(row | {"host": "elsewhere", "pid": 1}))
