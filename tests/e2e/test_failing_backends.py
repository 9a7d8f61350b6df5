"""What is around us fails: two lines that say what to do, an exit code that means it, and nothing lost afterwards."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.chaos import is_balanced
from tests.e2e.command import CommandLine, Finished, finish, wait_until
from tests.e2e.endpoint import Endpoint, Reply, embedding_endpoint, is_probe
from tests.e2e.stored import find_faults, read_stores

FAILED, TRY_LATER = 1, 4
DOCUMENTS = 6


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with embedding_endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    write_documents(folder, range(DOCUMENTS))
    return folder


def write_documents(folder: Path, numbers: Sequence[int], words: str = "weighs") -> None:
    for number in numbers:
        (folder / f"pump{number}.txt").write_text(f"Pump {number} {words} {number + 10} kg.")


def assert_two_lines(done: Finished, code: int, *words: str) -> None:
    """Our error, not a traceback: what happened, what to do."""
    assert done.code == code, done.errors
    assert "Traceback" not in done.errors
    assert [line.split(":")[0] for line in done.said] == ["error", "what to do"], done.errors
    assert all(word in done.errors for word in words), done.errors
    assert done.out == ""


def assert_complete(shell: CommandLine, folder: Path, *, listed: int) -> None:
    """A run with everything well again finishes the work."""
    done = shell.run("ingest", folder, "--json")
    assert done.code == 0, done.errors
    assert is_balanced(done.record)
    assert (done.record["listed"], done.record["live_after"]) == (listed, listed)
    assert find_faults(shell) == []


def only_probes_work(reply: Reply) -> Callable[[Sequence[str]], Reply]:
    return lambda texts: Reply() if is_probe(texts) else reply


# --- the embedder ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("decide", "code", "word"),
    [
        (lambda _: Reply(dimension=7), FAILED, "dimensions"),
        (only_probes_work(Reply(dimension=7)), FAILED, "dimensions"),
        (lambda _: Reply(status=429), TRY_LATER, "patience"),
        (only_probes_work(Reply(status=500)), TRY_LATER, "500"),
        (lambda _: Reply(hangs=True), TRY_LATER, "silent"),
    ],
    ids=["wrong-dimension", "wrong-dimension-later", "429", "500-later", "hangs"],
)
def test_an_embedder_that_fails_loses_nothing(
    tmp_path: Path,
    folder: Path,
    endpoint: Endpoint,
    api_url: str,
    decide: Callable[[Sequence[str]], Reply],
    code: int,
    word: str,
) -> None:
    shell = endpoint.use(CommandLine(tmp_path)).set(PREFECT_API_URL=api_url, EXPERTLOOP_EMBEDDER_TIMEOUT_SECONDS="3")
    endpoint.decide = decide
    assert_two_lines(shell.run("ingest", folder, "--json"), code, word)
    endpoint.decide = lambda _: Reply()
    assert_complete(shell, folder, listed=DOCUMENTS)


@pytest.mark.slow
def test_an_embedder_that_asks_for_patience_gets_it_within_one_command(
    tmp_path: Path, folder: Path, endpoint: Endpoint, api_url: str
) -> None:
    replies = iter([Reply(status=429, headers=(("Retry-After", "1"),)), Reply(status=503)])
    endpoint.decide = lambda texts: Reply() if is_probe(texts) else next(replies, Reply())
    shell = endpoint.use(CommandLine(tmp_path)).set(PREFECT_API_URL=api_url)
    assert_complete(shell, folder, listed=DOCUMENTS)


# --- the source ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_folder_that_vanishes_during_a_run_takes_no_document_with_it(
    tmp_path: Path, folder: Path, endpoint: Endpoint, api_url: str
) -> None:
    shell = endpoint.use(CommandLine(tmp_path)).set(PREFECT_API_URL=api_url, EXPERTLOOP_BATCH_DOCUMENTS="2")
    assert_complete(shell, folder, listed=DOCUMENTS)
    before = read_stores(shell)
    write_documents(folder, range(DOCUMENTS), "now weighs")
    reached, vanished = threading.Event(), threading.Event()

    def hold(texts: Sequence[str]) -> Reply:
        if not is_probe(texts):
            reached.set()
            vanished.wait()
        return Reply()

    endpoint.decide = hold
    ingest = shell.start("ingest", folder, "--json")
    wait_until(lambda: reached.is_set() or ingest.poll() is not None, what="the first batch at the embedder")
    folder.rename(tmp_path / "elsewhere")
    vanished.set()
    done = finish(ingest)
    assert done.code in (0, TRY_LATER), done.errors
    assert all(is_balanced(ledger) and ledger["removed"] == 0 for ledger in done.records)
    assert [document[0] for document in read_stores(shell).documents] == [document[0] for document in before.documents]
    gone = shell.run("ingest", folder, "--json")
    assert gone.code != 0
    assert len(read_stores(shell).documents) == DOCUMENTS
    (tmp_path / "elsewhere").rename(folder)
    assert_complete(shell, folder, listed=DOCUMENTS)
    assert {state for _, _, state, *_ in read_stores(shell).documents} == {"live"}


# --- the disk --------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mounted = tmp_path / "disk"
    mounted.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small tmpfs")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", mounted], check=False).returncode:
        pytest.skip("this container may not mount a tmpfs")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", "--lazy", mounted], check=True)


@pytest.mark.slow
def test_a_full_disk_is_said_and_more_room_mends_it(
    tmp_path: Path, folder: Path, endpoint: Endpoint, api_url: str, small_disk: Path
) -> None:
    shell = endpoint.use(CommandLine(tmp_path)).set(
        PREFECT_API_URL=api_url, EXPERTLOOP_HOME=str(small_disk / "home"), EXPERTLOOP_LOG_LEVEL="ERROR"
    )
    for number in range(DOCUMENTS):
        (folder / f"long{number}.txt").write_text(f"Pump {number} is long. " * 20_000)
    done = shell.run("ingest", folder, "--json")
    assert "disk" in done.errors or "space" in done.errors, done.errors
    assert_two_lines(done, TRY_LATER)
    subprocess.run(["mount", "-o", "remount,size=200m", small_disk], check=True)
    assert_complete(shell, folder, listed=2 * DOCUMENTS)


# --- the database ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_locked_database_is_waited_for_and_then_named(
    tmp_path: Path, folder: Path, endpoint: Endpoint, api_url: str
) -> None:
    shell = endpoint.use(CommandLine(tmp_path)).set(PREFECT_API_URL=api_url)
    assert_complete(shell, folder, listed=DOCUMENTS)
    with closing(sqlite3.connect(shell.home / "expertloop.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert_two_lines(shell.run("ingest", folder, "--json"), TRY_LATER, "locked")
        assert len(shell.run("documents", "--json").records) == DOCUMENTS
    assert_complete(shell, folder, listed=DOCUMENTS)


@pytest.mark.slow
def test_a_corrupt_database_is_named_and_a_new_one_can_be_built(
    tmp_path: Path, folder: Path, endpoint: Endpoint, api_url: str
) -> None:
    shell = endpoint.use(CommandLine(tmp_path)).set(PREFECT_API_URL=api_url)
    assert_complete(shell, folder, listed=DOCUMENTS)
    database = shell.home / "expertloop.db"
    for leftover in shell.home.glob("expertloop.db-*"):
        leftover.unlink()
    database.write_bytes(b"This was a database." * 500)
    for command in (["ingest", folder, "--json"], ["documents", "--json"], ["ask", "How heavy is pump 1?", "--json"]):
        assert_two_lines(shell.run(*command), FAILED, "damaged", "backup")
    shutil.move(database, tmp_path / "moved.db")
    assert_complete(shell, folder, listed=DOCUMENTS)
