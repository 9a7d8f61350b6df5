"""Two workers on one database, and a PostgreSQL that dies: nothing lost, nothing double, no password shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.chaos import is_balanced
from tests.e2e.command import CommandLine
from tests.e2e.endpoint import Endpoint, embedding_endpoint, held
from tests.e2e.stored import find_faults, find_leftovers, read_stores
from tests.postgresql import PASSWORD, PostgreSQLServer

pytestmark = [pytest.mark.slow, pytest.mark.server]

TRY_LATER = 4


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with embedding_endpoint() as endpoint:
        yield endpoint


def write_documents(folder: Path, word: str, count: int = 6) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"pump{number}.txt").write_text(f"{word} pump {number} weighs {number + 10} kg.")
    return folder


def test_a_source_is_ingested_while_another_run_flips_the_collection(
    tmp_path: Path, shell_on_both: CommandLine, endpoint: Endpoint, api_url: str
) -> None:
    old = endpoint.use(shell_on_both).set(PREFECT_API_URL=api_url, EXPERTLOOP_BATCH_DOCUMENTS="2")
    new = old.set(EXPERTLOOP_CHUNK_TOKENS="100")
    first, second = write_documents(tmp_path / "first", "first"), write_documents(tmp_path / "second", "second")
    assert old.run("ingest", first, "--json").code == 0
    with held(old, endpoint, second, "second") as gate:
        flipped = new.run("ingest", first, "--json")
        assert (flipped.code, flipped.record["reprocessed"]) == (0, 6), flipped.errors
    done = gate.done
    assert done.code == 0, done.errors
    assert is_balanced(done.record)
    assert (done.record["new"], done.record["live_after"]) == (6, 6)
    assert find_faults(new) == []
    found = new.run("search", "second pump 3", "--k", "1", "--json").record
    assert found["hits"][0]["uri"].endswith("second/pump3.txt")
    again = new.run("ingest", second, "--json").record
    assert (again["unchanged"], again["live_after"]) == (6, 6)
    assert (find_faults(new), find_leftovers(new)) == ([], [])


def test_a_postgresql_that_dies_during_an_ingest_loses_nothing(
    tmp_path: Path, endpoint: Endpoint, api_url: str, postgresql: PostgreSQLServer
) -> None:
    name = postgresql.create_database()
    shell = endpoint.use(CommandLine(tmp_path)).set(
        PREFECT_API_URL=api_url, EXPERTLOOP_BATCH_DOCUMENTS="2", EXPERTLOOP_DATABASE_URL=postgresql.url(name)
    )
    folder = write_documents(tmp_path / "documents", "heavy")
    with held(shell, endpoint, folder, "heavy") as gate:
        postgresql.kill()
        postgresql.start()
    done = gate.done
    assert (done.code, done.record["live_after"]) == (0, 6), done.errors
    write_documents(folder, "light", 8)
    try:
        with held(shell, endpoint, folder, "light") as gate:
            postgresql.kill()
        done = gate.done
    finally:
        postgresql.start()
    assert done.code == TRY_LATER, done.errors
    assert [line.split(":")[0] for line in done.said] == ["error", "what to do"], done.errors
    assert PASSWORD not in done.errors + done.out
    again = shell.run("ingest", folder, "--json")
    assert (again.code, again.record["live_after"]) == (0, 8), again.errors
    assert is_balanced(again.record)
    clean = shell.set(EXPERTLOOP_HOME=str(tmp_path / "clean"), EXPERTLOOP_DATABASE_URL="")
    assert clean.run("ingest", folder, "--json").record["new"] == 8
    assert read_stores(shell) == read_stores(clean)
    assert (find_faults(shell), find_leftovers(shell)) == ([], [])
    postgresql.drop_database(name)


def test_no_command_shows_the_password_of_the_database(tmp_path: Path, postgresql: PostgreSQLServer) -> None:
    url = postgresql.url("missing")
    shell = CommandLine(tmp_path).set(EXPERTLOOP_DATABASE_URL=url, EXPERTLOOP_LOG_LEVEL="DEBUG")
    for command in (["status"], ["doctor", "--json"]):
        done = shell.run(*command)
        assert done.code == 1
        assert "does not exist" in done.errors + done.out
        assert PASSWORD not in done.errors + done.out
