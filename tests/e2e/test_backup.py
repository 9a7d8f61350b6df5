"""Both stores are backed up while an ingest runs, restored elsewhere, and made good."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.chaos import is_balanced
from tests.e2e.command import CommandLine, finish, kill_group, wait_until
from tests.e2e.endpoint import Gate, Reply, embedding_endpoint
from tests.e2e.stored import find_faults, find_leftovers, find_unrecalled, read_stores
from tests.postgresql import PostgreSQLServer, find_binaries
from tests.weaviate_server import WeaviateServer, find_binary

pytestmark = [pytest.mark.slow, pytest.mark.server]

BACKUP = "nightly"


@contextmanager
def running_weaviate(folder: Path, backups: Path) -> Iterator[WeaviateServer]:
    """One that keeps its backups in a folder."""
    environment = {"ENABLE_MODULES": "backup-filesystem", "BACKUP_FILESYSTEM_PATH": str(backups)}
    server = WeaviateServer(folder, find_binary(), environment)
    try:
        yield server.start()
    finally:
        server.stop()


def call(server: WeaviateServer, path: str) -> None:
    """A backup or a restore, as Weaviate's manual says, until it is done."""
    url = f"http://127.0.0.1:{server.http_port}/v1/backups/filesystem{path}"
    body = {"id": BACKUP} if not path else {}
    httpx.post(url, json=body, timeout=60).raise_for_status()
    watched = url if path else f"{url}/{BACKUP}"

    def is_done() -> bool:
        state = httpx.get(watched, timeout=60).raise_for_status().json()
        assert state["status"] != "FAILED", state
        return bool(state["status"] == "SUCCESS")

    wait_until(is_done, what=f"Weaviate's {path or 'backup'}", limit_seconds=120, pause_seconds=0.1)


def write_documents(folder: Path, word: str, count: int) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"pump{number}.txt").write_text(f"{word} pump {number} weighs {number + 10} kg.")


def test_stores_backed_up_during_an_ingest_are_restored_elsewhere_verified_and_ingested_to_the_end(
    tmp_path: Path, shell: CommandLine, api_url: str, postgresql: PostgreSQLServer
) -> None:
    binaries = find_binaries()
    assert binaries
    folder, backups, dump = tmp_path / "documents", tmp_path / "backups", tmp_path / "expertloop.dump"
    backups.mkdir()
    here, there = postgresql.create_database(), postgresql.create_database()
    first, second = Gate("light pump 2 "), Gate("light pump 6 ")

    def decide(texts: Sequence[str]) -> Reply:
        first(texts)
        return second(texts)

    with (
        running_weaviate(tmp_path / "first", backups) as weaviate,
        running_weaviate(tmp_path / "second", backups) as other,
        embedding_endpoint() as endpoint,
    ):
        shell = endpoint.use(shell).set(
            PREFECT_API_URL=api_url,
            EXPERTLOOP_BATCH_DOCUMENTS="2",
            EXPERTLOOP_DATABASE_URL=postgresql.url(here),
            EXPERTLOOP_INDEX_URL=weaviate.url,
        )
        write_documents(folder, "heavy", 6)
        assert shell.run("ingest", folder, "--json").code == 0
        write_documents(folder, "light", 8)
        endpoint.decide = decide
        ingest = shell.start("ingest", folder, "--json")
        try:
            for gate in (first, second):
                wait_until(lambda: gate.reached.is_set() or ingest.poll() is not None, what="a batch at the embedder")  # noqa: B023
                if gate is first:
                    call(weaviate, "")
                else:
                    subprocess.run(
                        [binaries / "pg_dump", "--format=custom", f"--file={dump}", postgresql.dsn(here)], check=True
                    )
                gate.opened.set()
            assert finish(ingest).code == 0
        finally:
            first.opened.set()
            second.opened.set()
            kill_group(ingest)

        call(other, f"/{BACKUP}/restore")
        subprocess.run(
            [binaries / "pg_restore", "--no-owner", "--exit-on-error", f"--dbname={postgresql.dsn(there)}", dump],
            check=True,
        )
        restored = shell.set(EXPERTLOOP_DATABASE_URL=postgresql.url(there), EXPERTLOOP_INDEX_URL=other.url)
        verified = restored.run("index", "verify", "--all", "--json")
        assert verified.code == 0, verified.errors
        assert verified.record["missing"] > 0, "the dump is newer than the store"
        verified = restored.run("index", "verify", "--all", "--json")
        assert {key: verified.record[key] for key in ("missing", "extra", "self_recall", "repaired")} == {
            "missing": 0,
            "extra": 0,
            "self_recall": 1.0,
            "repaired": 0,
        }
        again = restored.run("ingest", folder, "--json")
        assert (again.code, again.record["live_after"]) == (0, 8), again.errors
        assert is_balanced(again.record)
        clean = shell.set(EXPERTLOOP_HOME=str(tmp_path / "clean"), EXPERTLOOP_DATABASE_URL="", EXPERTLOOP_INDEX_URL="")
        assert clean.run("ingest", folder, "--json").record["new"] == 8
        assert read_stores(restored) == read_stores(clean)
        assert (find_faults(restored), find_unrecalled(restored), find_leftovers(restored)) == ([], [], [])
