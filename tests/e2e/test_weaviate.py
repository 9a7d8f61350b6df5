"""Weaviate as a user runs it: ingest, ask, and moving between the stores with two commands."""

from __future__ import annotations

import json
import shutil
import urllib.request
from typing import Any

import pytest

from tests.e2e.command import REPOSITORY, CommandLine, Finished, kill_group, wait_until
from tests.e2e.endpoint import embedding_endpoint, held
from tests.network import Proxy
from tests.weaviate_server import WeaviateServer

pytestmark = [pytest.mark.server, pytest.mark.slow]

DOCUMENTS = (
    "products/taktor-d-data-sheet.pdf",
    "products/dosing-arithmetic.md",
    "products/minim-s-quick-start.html",
    "it/vpn-setup-howto.md",
    "hr/parental-leave-case-guide.md",
)
QUESTION = "What suction lift does a primed D120 manage?"
TRIES = 4
VERIFIED = {"collection", "expected", "missing", "extra", "self_recall", "repaired"}


@pytest.fixture
def company(shell: CommandLine, api_url: str) -> CommandLine:
    """A shell with a few of the sample company's documents."""
    for path in DOCUMENTS:
        (shell.folder / "documents" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / "data" / "documents" / path, shell.folder / "documents" / path)
    return shell.set(PREFECT_API_URL=api_url)


def done(finished: Finished) -> dict[str, Any]:
    assert finished.code == 0, finished.errors
    return finished.record


def look_after(shell: CommandLine, command: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `index COMMAND` says of the chunks, and of the summaries beside them."""
    finished = shell.run("index", command, "--json")
    assert finished.code == 0, finished.errors
    chunks, summaries = finished.records
    assert summaries["collection"] == f"{chunks['collection']}_summaries"
    return chunks, summaries


def search(shell: CommandLine) -> list[str]:
    return [hit["chunk_id"] for hit in done(shell.run("search", QUESTION, "--k", "5", "--json"))["hits"]]


def list_collections(server: WeaviateServer) -> set[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}/v1/schema", timeout=10) as response:
        return {one["class"] for one in json.load(response)["classes"]}


def test_documents_are_ingested_into_weaviate_and_questions_answered_from_it(
    company: CommandLine, weaviate_server: WeaviateServer
) -> None:
    shell = company.set(EXPERTLOOP_INDEX_URL=weaviate_server.url)
    ledger = done(shell.run("ingest", "documents", "--json"))
    assert (ledger["listed"], ledger["new"]) == (len(DOCUMENTS), len(DOCUMENTS))
    answer = done(shell.run("ask", QUESTION, "--json"))
    assert "3.0 m" in answer["citations"][0]["quote"]
    findings = {record["what"]: record for record in shell.run("doctor", "--json").records}
    assert findings["index"]["state"] == "ok"
    assert f"127.0.0.1:{weaviate_server.http_port}, Weaviate 1." in findings["index"]["detail"]
    chunks, summaries = look_after(shell, "verify")
    for verified in (chunks, summaries):
        assert verified.keys() == VERIFIED
        assert {key: verified[key] for key in ("missing", "extra", "self_recall", "repaired")} == {
            "missing": 0,
            "extra": 0,
            "self_recall": 1.0,
            "repaired": 0,
        }
    assert (chunks["expected"], summaries["expected"]) == (ledger["chunks"], len(DOCUMENTS))
    (first, *_) = done(shell.run("search", "What is the guide on VPN about?", "--json"))["hits"]
    assert first["uri"].endswith("vpn-setup-howto.md")
    assert first["text"].startswith("How to get on the VPN")
    assert done(shell.run("ingest", "documents", "--json"))["unchanged"] == len(DOCUMENTS)
    assert not (shell.home / "index").exists()


def test_rebuild_alone_moves_from_lancedb_to_weaviate_and_back(
    company: CommandLine, weaviate_server: WeaviateServer
) -> None:
    company = company.set(EXPERTLOOP_CHUNK_TOKENS="180")  # a collection that no other test of this server has made
    ledger = done(company.run("ingest", "documents", "--json"))
    present = [one["present"] for one in look_after(company, "status")]
    assert present[0] == ledger["chunks"]
    before = search(company)
    shutil.rmtree(company.folder / "documents")  # nobody may need them again
    there = company.set(EXPERTLOOP_INDEX_URL=weaviate_server.url)
    known = list_collections(weaviate_server)

    killed = there.start("index", "rebuild")
    try:
        collections = wait_until(lambda: list_collections(weaviate_server) - known, what="a new collection in Weaviate")
    finally:
        kill_group(killed)
    assert search(company) == before
    look_after(there, "rebuild")
    assert [one["present"] for one in look_after(there, "status")] == present
    assert search(there) == before

    shutil.rmtree(company.home / "index")
    rebuilt = look_after(company, "rebuild")
    assert [(one["written"], one["embedded"]) for one in rebuilt] == [(count, 0) for count in present]
    assert [one["repaired"] for one in look_after(company, "verify")] == [0, 0]
    assert search(company) == before

    refused = there.run("index", "drop")
    assert refused.code == 1
    assert collections <= list_collections(weaviate_server)
    assert there.run("index", "drop", "--yes").code == 0
    assert not collections & list_collections(weaviate_server)
    assert search(company) == before


def test_a_server_that_is_down_is_exit_code_4_in_two_lines(company: CommandLine) -> None:
    done(company.run("ingest", "documents/it", "--json"))
    there = company.set(EXPERTLOOP_INDEX_URL="weaviate+http://127.0.0.1:9?grpc=10")
    for command in (("search", QUESTION), ("index", "rebuild")):
        finished = there.run(*command)
        assert finished.code == 4
        assert len(finished.said) == 2
        assert "127.0.0.1:9" in finished.said[0]


def test_an_ingest_whose_network_breaks_tries_a_few_times_ends_with_4_and_the_next_one_finishes(
    shell: CommandLine, api_url: str, weaviate_server: WeaviateServer
) -> None:
    folder = shell.folder / "documents"
    folder.mkdir()
    for number in range(6):
        (folder / f"pump{number}.txt").write_text(f"heavy pump {number} weighs {number + 10} kg.")
    with (
        Proxy(weaviate_server.http_port).running() as http,
        Proxy(weaviate_server.grpc_port).running() as grpc,
        embedding_endpoint() as endpoint,
    ):
        shell = endpoint.use(shell).set(
            PREFECT_API_URL=api_url,
            EXPERTLOOP_BATCH_DOCUMENTS="2",
            EXPERTLOOP_INDEX_URL=f"weaviate+http://127.0.0.1:{http.port}?grpc={grpc.port}",
        )
        with held(shell, endpoint, folder, "heavy") as gate:
            known = http.connections + grpc.connections
            http.reset()
            grpc.reset()
        assert gate.done.code == 4, gate.done.errors
        assert len(gate.done.said) == 2
        tried = http.connections + grpc.connections - known
        # Of each of the two batches in flight one step is tried again, with a connection or a few at each try.
        assert TRIES <= tried <= 2 * 3 * TRIES
        http.heal()
        grpc.heal()
        finished = done(shell.run("ingest", folder, "--json"))
        assert (finished["new"], finished["live_after"]) == (6, 6)
        assert done(shell.run("index", "verify", "--all", "--json"))["self_recall"] == 1.0


def test_cases_wait_for_an_index_that_is_down_say_why_and_are_handled_when_it_is_back(company: CommandLine) -> None:
    company = company.set(EXPERTLOOP_PROCESSES=str(REPOSITORY / "data/processes"), EXPERTLOOP_MAX_ERROR="1")
    done(company.run("ingest", "documents/products", "--json"))
    case = {"id": "c1", "subject": "Question", "body": f"Hello,\n\n{QUESTION}", "from": "eva@customer.example"}
    (company.folder / "cases.jsonl").write_text(json.dumps(case) + "\n")
    run, list_ = ("cases", "run", "cases.jsonl", "--json"), ("cases", "list", "--json")
    down = company.set(EXPERTLOOP_INDEX_URL="weaviate+http://127.0.0.1:9?grpc=10")
    finished = down.run(*run)
    assert (finished.code, finished.out) == (4, "")
    (waiting,) = down.run(*list_).records
    assert waiting["state"] == "waiting"
    assert "127.0.0.1:9" in waiting["note"]
    assert done(company.run(*run))["id"] == "c1"
    (handled,) = company.run(*list_).records
    assert handled["state"] == "handled"
    assert "3.0 m" in handled["reply"]
