"""The whole circle on a real Prefect server: documents, pairs, a training that starts itself, a new champion, cases.

The base model is a tiny Phi-3 with random weights: what it says is noise, so a person promotes its adapter; everything
between the steps is what runs at a customer's.
"""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.command import REPOSITORY, CommandLine, Finished
from tests.e2e.loop_company import DOCUMENTS
from tests.e2e.running import Up, running_up
from tests.e2e.serving import add_key
from tests.fakes.tiny_models import save_tiny_phi
from tests.postgresql import PostgreSQLServer
from tests.weaviate_server import WeaviateServer

pytestmark = [pytest.mark.server, pytest.mark.slow]

LEAST_PAIRS = 15
QUESTION = "What is the emergency number?"
CASE = {"id": "c1", "subject": "Question", "body": f"Hello,\n\n{QUESTION}\n\nRegards", "from": "eva@customer.example"}
RETRAIN = "retrain-when-ready/retrain-on-event"


@pytest.fixture(params=["lancedb+sqlite", "weaviate+postgresql"])
def stores(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Settings that name the stores."""
    if request.param == "lancedb+sqlite":
        yield {}
        return
    weaviate: WeaviateServer = request.getfixturevalue("weaviate_server")
    postgresql: PostgreSQLServer = request.getfixturevalue("postgresql")
    name, prefects = postgresql.create_database(), postgresql.create_database()
    # A size of chunks that no other test of this server has: collections are told apart by it.
    yield {
        "EXPERTLOOP_INDEX_URL": weaviate.url,
        "EXPERTLOOP_DATABASE_URL": postgresql.url(name),
        "EXPERTLOOP_CHUNK_TOKENS": "170",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": postgresql.url(prefects).replace("+psycopg", "+asyncpg"),
    }
    postgresql.drop_database(name)
    postgresql.drop_database(prefects)


@pytest.fixture
def company(tmp_path: Path, stores: dict[str, str]) -> CommandLine:
    """A few documents of the sample company, the pairs that quote nothing else, a model of 2 layers."""
    (tmp_path / "documents").mkdir()
    for file in (REPOSITORY / "data" / "documents").rglob("*.md"):
        if file.name in DOCUMENTS:
            shutil.copy(file, tmp_path / "documents")
    lines = (REPOSITORY / "data" / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
    quoting = [line for line in lines if {one["document"] for one in json.loads(line)["evidence"]} <= set(DOCUMENTS)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(quoting) + "\n", encoding="utf-8")
    (tmp_path / "sources.yaml").write_text("sources:\n  - name: handbook\n    url: documents\n")
    (tmp_path / "cases.jsonl").write_text(json.dumps(CASE) + "\n")
    return CommandLine(tmp_path).set(
        EXPERTLOOP_PROCESSES=str(REPOSITORY / "data/processes"),
        EXPERTLOOP_GENERATOR=str(save_tiny_phi(tmp_path / "phi")),
        EXPERTLOOP_ANSWER_TOKENS="8",
        EXPERTLOOP_MAX_ERROR="1",
        EXPERTLOOP_GATE_QUESTIONS="1",
        EXPERTLOOP_RETRAIN_MIN_NEW_PAIRS=str(LEAST_PAIRS),
        **stores,
    )


def write_schedule(company: CommandLine) -> Path:
    """What ships, with a training of a few steps."""
    text = (REPOSITORY / "prefect.yaml").read_text()
    short = (
        f"      preset: smollm2-135m-cpu\n      max_questions: 2\n"
        f"      changes: {{base_model: {company.settings['EXPERTLOOP_GENERATOR']}, max_tokens: 3000}}\n"
    )
    place = company.folder / "short.yaml"
    place.write_text(text.replace("      preset: smollm2-135m-cpu\n", short))
    return place


def done(finished: Finished) -> dict[str, Any]:
    assert finished.code == 0, finished.errors
    return finished.records[-1]


def ask(up: Up, key: str) -> dict[str, Any]:
    """The running server's answer."""
    headers = {"Authorization": f"Bearer {key}"}
    response = httpx.post(f"{up.address}/v1/answers", json={"question": QUESTION}, headers=headers, timeout=120)
    assert response.status_code == 200, response.text
    return dict(response.json())


def test_the_whole_circle_runs_by_itself(company: CommandLine) -> None:
    with running_up(company, "--file", write_schedule(company)) as up:
        up.finish_run(up.start_run("ingest/ingest-nightly"))
        assert len(up.shell.run("documents", "--json").records) == len(DOCUMENTS)
        key = add_key(company, "anna")
        before = ask(up, key)["versions"]["generator"]
        assert "+" not in before

        imported = done(company.run("curate", "import", "pairs.jsonl", "--json"))
        assert imported["approved"] >= LEAST_PAIRS
        up.finish_run(up.start_run("curate/curate-hourly"))
        up.send_event("expertloop.pairs.threshold-reached", scope="everyone")  # once more: it must not train twice
        runs = up.wait_until(lambda: up.list_ended_runs(RETRAIN, at_least=2), "both retraining runs")
        assert {run["state_name"] for run in runs} == {"Completed"}, runs
        (adapter,) = company.run("adapters", "--json").records
        assert adapter["state"] in {"champion", "candidate", "rejected"}

        if not adapter["champion"]:
            done(company.run("promote", adapter["adapter_id"], "--override", "it is only a test", "--json"))
        assert ask(up, key)["versions"]["generator"].endswith(f"+{adapter['adapter_id']}"), "without a restart"

        up.finish_run(up.start_run("handle-cases/handle-cases", places=["cases.jsonl"]))
        (case,) = company.run("cases", "list", "--json").records
        assert case["state"] == "handled"
        shown = company.run("cases", "show", "c1", "--json").record
        assert adapter["adapter_id"] in json.dumps(shown)
        corrected = done(company.run("cases", "correct", "c1", "--text", "The emergency number is 112.", "--json"))
        assert corrected["candidates"] == 1
        candidates = company.run("curate", "list", "--state", "candidate", "--json").records
        assert [one["answer"] for one in candidates if one["origin"] == "correction"] == [
            "The emergency number is 112."
        ]

        status = up.shell.run("status", "--json").record
        ran = {one["name"]: one["last_state"] for one in status["deployments"]}
        assert ran[RETRAIN] == ran["ingest/ingest-nightly"] == "Completed"
        rest = up.list_processes()
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(timeout=120) == 0
    assert [one for one in rest if one.is_running()] == []
