"""`kill -9` at any moment, run again: the same state as if nothing had happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.chaos import Corpus, Killer, is_balanced, kill_leader
from tests.e2e.command import CommandLine, wait_until
from tests.e2e.stored import find_leftovers, find_unrecalled, read_stores

KILLS = {"sqlite": 10, "postgresql": 2}
SEED = 20260504


@pytest.mark.slow
@pytest.mark.server
def test_kills_of_an_ingest_of_changing_documents_leave_no_trace(
    request: pytest.FixtureRequest, tmp_path: Path, api_url: str, shell_on_both: CommandLine
) -> None:
    kills = KILLS[request.node.callspec.params["shell_on_both"]]
    corpus = Corpus(tmp_path / "documents", seed=SEED, documents=20)
    shell = shell_on_both.set(PREFECT_API_URL=api_url)
    killer = Killer(shell, corpus, seed=SEED)
    assert killer.measure()["unchanged"] == 20
    for killed in killer.kill(kills):
        assert killed.survivors == []
        assert is_balanced(killed.ledger), killed.ledger
        assert killed.faults == []
    corpus.repair()
    assert is_balanced(shell.run("ingest", corpus.folder, "--json").record)
    clean = shell.set(EXPERTLOOP_HOME=str(tmp_path / "clean"), EXPERTLOOP_DATABASE_URL="")
    assert is_balanced(clean.run("ingest", corpus.folder, "--json").record)
    assert read_stores(shell) == read_stores(clean)
    assert find_unrecalled(shell) == []
    assert find_leftovers(shell) == []


@pytest.mark.slow
def test_a_killed_command_takes_its_workers_and_its_temporary_server_with_it(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path / "documents", seed=SEED, documents=3)
    shell = CommandLine(tmp_path)
    ingest = shell.start("ingest", corpus.folder, "--json")
    wait_until(lambda: ingest.poll() is not None or _is_at_work(shell), what="a file in work")
    survivors, processes = kill_leader(ingest)
    assert processes > 2, "it was killed before anything was started"
    assert survivors == []
    done = shell.run("ingest", corpus.folder, "--json")
    assert done.record["listed"] == done.record["new"] == 3, done.errors


def _is_at_work(shell: CommandLine) -> bool:
    return any(path.is_file() for path in (shell.home / "tmp").rglob("*"))
