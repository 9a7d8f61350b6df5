"""Answers written by a real server of OpenAI's protocol: `transformers serve` with the packaged model."""

from __future__ import annotations

import os
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.command import BIN, CommandLine, kill_group, wait_until

pytestmark = pytest.mark.server

QUESTION = "How many days of annual leave do I get?"
LEAVE = "# Leave policy\n\nEveryone in the company gets 30 days of annual leave a year.\n"


def find_model() -> Path:
    """The packaged model as `expertloop init` converted it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "expertloop" / "models"
    found = sorted(cache.glob("smollm2-*"))
    assert found, f"no model in {cache}: run make install"
    return found[-1]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address, with /v1, of a server that is ready; killed at the end."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("generator") / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [BIN / "transformers", "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
            env={**os.environ, "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_until(lambda: is_ready(process, port, log), what=f"transformers serve, see {log}", pause_seconds=0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        kill_group(process)


def is_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    if process.poll() is not None:
        raise AssertionError(log.read_text())
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def prepare(folder: Path, endpoint: str, api_url: str, *, model: Path) -> CommandLine:
    """A document ingested, to be answered from by the model at the endpoint."""
    (folder / "documents").mkdir()
    (folder / "documents" / "leave.md").write_text(LEAVE)
    shell = CommandLine(folder).set(
        PREFECT_API_URL=api_url,
        EXPERTLOOP_GENERATOR="openai",
        EXPERTLOOP_GENERATOR_URL=endpoint,
        EXPERTLOOP_GENERATOR_MODEL=str(model),
        EXPERTLOOP_ANSWER_TOKENS="24",
        EXPERTLOOP_MAX_ERROR="1",
    )
    assert shell.run("ingest", "documents", "--json").code == 0
    return shell


def test_a_question_is_answered_through_the_endpoint_and_cited_from_the_document(
    tmp_path: Path, endpoint: str, api_url: str
) -> None:
    shell = prepare(tmp_path, endpoint, api_url, model=find_model())
    done = shell.run("ask", QUESTION, "--json")
    assert done.code == 0, done.errors
    answer = done.record
    assert answer["completion_tokens"] > 0
    assert answer["versions"]["generator"].startswith(str(find_model()))
    assert [citation["quote"] for citation in answer["citations"]] == [LEAVE.splitlines()[2]]
    # For a person it is asked for as a stream.
    streamed = shell.run("ask", QUESTION)
    assert streamed.out.startswith(answer["text"] + "\n"), streamed.errors


def test_a_model_that_the_server_does_not_have_is_an_error_that_names_the_settings(
    tmp_path: Path, endpoint: str, api_url: str
) -> None:
    done = prepare(tmp_path, endpoint, api_url, model=tmp_path / "nowhere").run("ask", QUESTION, "--json")
    assert done.code in (1, 4)
    assert done.out == ""
    assert len(done.said) == 2, done.errors
