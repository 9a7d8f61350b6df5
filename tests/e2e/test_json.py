"""What programs rely on: the shapes of JSON on stdout, exit codes, who sees what, two worlds in two homes."""

from __future__ import annotations

import importlib.metadata
import json
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.chaos import is_balanced
from tests.e2e.command import REPOSITORY, CommandLine, Finished, finish, wait_until
from tests.e2e.endpoint import Reply, embedding_endpoint, is_probe

DOCUMENT = {"document_id", "uri", "title", "state", "groups", "chunks"}
HIT = {"rank", "score", "document_id", "chunk_id", "uri", "title", "page", "text"}
CITATION = {
    *("number", "document_id", "chunk_id", "uri", "title", "page", "quote", "start", "end", "outdated", "trust"),
    *("dated",),
}
ANSWER = {
    *("question", "text", "citations", "abstained", "reason", "mode", "sources", "timings", "prompt_tokens"),
    *("completion_tokens", "versions", "id", "confidence", "conflicting", "signals", "found", "suspicious"),
    "expansions",
}
LEDGER = {
    *("source", "tenant", "run_id", "listed", "new", "changed", "renamed", "unchanged", "outdated", "quarantined"),
    *("removed", "live_before", "live_after", "reprocessed", "embedded", "chunks", "prune_blocked", "seconds"),
}
SOURCES = """\
sources:
  - name: handbook
    url: company
    groups_by_glob:
      "hr/**": [hr]
  - name: service
    url: service
    groups: [service]
"""
FILES = {
    "company/opening.txt": "The canteen opens at noon and closes at two.",
    "company/hr/notice.md": "# Notice period\n\nThe notice period is six weeks to the end of a quarter.",
    "company/broken.pdf": "%PDF-1.4 cut off",
    "company/empty.txt": "",
    "service/pump.html": "<h1>Pump P7</h1><p>The seal of pump P7 is changed every 900 hours.</p>",
}


@dataclass(frozen=True)
class Company:
    """A shell with two sources that were ingested."""

    shell: CommandLine
    ingest: Finished

    def questions(self, *lines: dict[str, object]) -> Path:
        """A question file."""
        file = self.shell.folder / "questions.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return file


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory, api_url: str, either_database: dict[str, str]) -> Company:
    folder = tmp_path_factory.mktemp("company")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "sources.yaml").write_text(SOURCES)
    shell = CommandLine(folder).set(PREFECT_API_URL=api_url, **either_database)
    return Company(shell, shell.run("ingest", "--json"))


def test_ingest_prints_one_balanced_ledger_a_source(company: Company) -> None:
    assert (company.ingest.code, company.ingest.said) == (0, []), company.ingest.errors
    handbook, service = company.ingest.records
    assert set(handbook) == LEDGER
    assert is_balanced(handbook)
    assert (handbook["source"], handbook["listed"], handbook["new"], handbook["quarantined"]) == ("handbook", 4, 3, 1)
    assert (service["source"], service["listed"], service["live_after"]) == ("service", 1, 1)


def test_documents_and_quarantine_have_their_documented_keys(company: Company) -> None:
    documents = company.shell.run("documents", "--json").records
    assert all(set(document) == DOCUMENT for document in documents)
    groups = {document["uri"].rpartition("/")[2]: (document["state"], document["groups"]) for document in documents}
    assert groups == {
        "opening.txt": ("live", ["everyone"]),
        "notice.md": ("live", ["hr"]),
        "empty.txt": ("empty", ["everyone"]),
        "pump.html": ("live", ["service"]),
    }
    (entry,) = company.shell.run("quarantine", "--json").records
    assert set(entry) == {"uri", "reason", "advice"}
    assert entry["uri"] == (company.shell.folder / "company/broken.pdf").as_uri()


def test_a_search_shows_each_asker_only_what_that_asker_may_read(company: Company) -> None:
    question = {"question": "notice period, pump seal, canteen"}
    file = company.questions(
        {"id": "stranger", **question},
        {"id": "hr", "groups": ["hr"], **question},
        {"id": "both", "groups": ["hr", "service"], **question},
    )
    seen = {}
    for record in company.shell.run("search", "--questions", file, "--k", "10").records:
        assert set(record) == {"id", "question", "hits"}
        assert all(set(hit) == HIT for hit in record["hits"])
        assert [hit["rank"] for hit in record["hits"]] == list(range(1, len(record["hits"]) + 1))
        seen[record["id"]] = {hit["uri"].rpartition("/")[2] for hit in record["hits"]}
    assert seen == {
        "stranger": {"opening.txt"},
        "hr": {"opening.txt", "notice.md"},
        "both": {"opening.txt", "notice.md", "pump.html"},
    }


def test_as_on_the_command_line_opens_what_its_group_may_read(company: Company) -> None:
    found = company.shell.run("search", "How often is the seal changed?", "--as", "service", "--k", "1", "--json")
    assert set(found.record) == {"question", "hits"}
    (hit,) = found.record["hits"]
    assert "900 hours" in hit["text"]
    assert found.said == []


def test_ask_answers_with_citations_that_are_in_the_document(company: Company) -> None:
    file = company.questions(
        {"id": "allowed", "question": "How long is the notice period?", "groups": ["hr"]},
        {"id": "forbidden", "question": "How long is the notice period?"},
    )
    done = company.shell.run("ask", "--questions", file)
    allowed, forbidden = done.records
    assert (done.code, allowed["id"], forbidden["id"]) == (0, "allowed", "forbidden")
    assert set(allowed) == set(forbidden) == ANSWER
    assert allowed["mode"] == "extractive"
    assert all(set(citation) == CITATION for citation in allowed["citations"])
    assert "six weeks" in "".join(citation["quote"] for citation in allowed["citations"])
    assert "six weeks" not in json.dumps(forbidden)


def test_a_question_without_an_answer_is_a_gap_until_a_person_closes_it(company: Company) -> None:
    for question in ("Who won the football world cup in 1990?", "who won the football world cup in 1990"):
        answer = company.shell.run("ask", question, "--json").record
        assert (answer["abstained"], answer["citations"], answer["mode"]) == (True, [], "none")
        assert answer["reason"]
    (gap,) = [one for one in company.shell.run("gaps", "--json").records if "football" in one["question"]]
    assert gap["asked"] == 2
    assert company.shell.run("gaps", "--close", gap["gap_id"]).code == 0
    assert not [one for one in company.shell.run("gaps", "--json").records if "football" in one["question"]]
    assert company.shell.run("gaps", "--close", gap["gap_id"]).code == 1


def test_a_question_does_not_wait_for_prefect(company: Company) -> None:
    done = company.shell.set(PYTHONPROFILEIMPORTTIME="1").run("ask", "When does the canteen open?", "--json")
    imported = {line.rpartition("|")[2].strip() for line in done.errors.splitlines() if line.startswith("import time")}
    assert "expertloop.ask" in imported
    assert {name for name in imported if name.partition(".")[0] in {"prefect", "flows"}} == set()
    assert "noon" in done.record["text"]


def test_status_and_doctor_print_json_only(company: Company) -> None:
    status = company.shell.run("status", "--json").record
    assert set(status) == {
        *("tenant", "sources", "unnamed", "gaps", "serving", "building", "unread", "learning", "deployments")
    }
    assert status["sources"]["handbook"]["last_run"] == "done"
    findings = company.shell.run("doctor", "--json").records
    assert all(set(finding) == {"what", "state", "detail"} for finding in findings)
    wanted = {"python", "processor", "embedder", "database", "index", "sources", "tesseract"}
    assert wanted <= {finding["what"] for finding in findings}


def test_without_a_terminal_nothing_is_painted(company: Company) -> None:
    done = company.shell.run("ingest", "--source", "service")
    assert done.code == 0
    assert "unchanged" in done.out
    assert "\x1b" not in done.out + done.errors
    assert "\r" not in done.out + done.errors


def test_an_unknown_source_is_named_with_the_known_ones(company: Company) -> None:
    done = company.shell.run("ingest", "--source", "nowhere", "--json")
    assert (done.code, done.out) == (1, "")
    assert "nowhere" in done.said[0]
    assert "handbook" in done.said[1]
    assert "service" in done.said[1]
    assert len(done.said) == 2


def test_another_home_is_another_world(company: Company) -> None:
    settings = {name: value for name, value in company.shell.settings.items() if name != "EXPERTLOOP_DATABASE_URL"}
    other = CommandLine(company.shell.folder, settings).set(EXPERTLOOP_HOME="other-home")
    assert other.run("documents", "--json").records == []
    assert other.run("search", "canteen", "--json").record["hits"] == []
    answer = other.run("ask", "When does the canteen open?", "--json").record
    assert (answer["abstained"], answer["citations"]) == (True, [])


def test_wrong_commands_exit_with_2(company: Company) -> None:
    for arguments in (["search"], ["ingest", "--nonsense"], ["nonsense"], ["ask", "x", "--questions", "y"]):
        done = company.shell.run(*arguments)
        assert (done.code, done.out) == (2, ""), arguments


def test_the_version_is_that_of_the_package(shell: CommandLine) -> None:
    done = shell.run("--version")
    assert (done.code, done.out.strip()) == (0, importlib.metadata.version("expertloop"))


def test_a_wrong_sources_file_lists_all_its_faults(shell: CommandLine) -> None:
    (shell.folder / "sources.yaml").write_text("sources:\n  - name: a\n    kind: nonsense\n  - nam: b\n    url: ./x\n")
    done = shell.run("ingest", "--json")
    assert (done.code, done.out) == (1, "")
    faults = [line for line in done.said if line.strip().startswith("line ")]
    assert [re.search(r"line (\d+)", fault)[1] for fault in faults] == ["2", "3", "4", "4"]  # type: ignore[index]
    assert done.said[-1].startswith("what to do:")


@pytest.mark.slow
def test_a_source_that_is_no_more_is_told_of_and_taken_away(shell: CommandLine, api_url: str) -> None:
    shell = shell.set(PREFECT_API_URL=api_url)
    for name in ("kept", "sold"):
        (shell.folder / name).mkdir()
        (shell.folder / name / f"{name}.txt").write_text(f"The {name} pump lifts nine metres.")
    sources = shell.folder / "sources.yaml"
    sources.write_text("sources:\n- {name: kept, url: kept}\n- {name: sold, url: sold}\n")
    assert [one["new"] for one in shell.run("ingest", "--json").records] == [1, 1]
    still_named = shell.run("ingest", "--drop", "sold")
    assert still_named.code == 1
    assert "still names the source sold" in still_named.said[0]
    sources.write_text("sources:\n- {name: kept, url: kept}\n")
    assert shell.run("status", "--json").record["unnamed"] == ["sold"]
    ledger = shell.run("ingest", "--drop", "sold", "--json").record
    assert (ledger["source"], ledger["listed"], ledger["removed"], ledger["live_after"]) == ("sold", 0, 1, 0)
    assert is_balanced(ledger)
    assert [one["title"] for one in shell.run("documents", "--json").records] == ["kept"]
    assert "sold.txt" not in shell.run("search", "Which pump was sold?", "--json").out
    assert shell.run("status", "--json").record["unnamed"] == []
    assert shell.run("ingest", "--drop", "sold").code == 1
    assert shell.run("ingest", "kept", "--drop", "sold").code == 2


@pytest.mark.slow
def test_a_listing_that_shrank_asks_before_it_takes_away(shell: CommandLine, api_url: str) -> None:
    shell = shell.set(PREFECT_API_URL=api_url)
    folder = shell.folder / "documents"
    folder.mkdir()
    for number in range(10):
        (folder / f"{number}.txt").write_text(f"Room {number} has {number} windows.")
    assert shell.run("ingest", folder, "--json").record["new"] == 10
    for number in range(6):
        (folder / f"{number}.txt").unlink()
    stopped = shell.run("ingest", folder, "--json")
    assert stopped.code == 3
    assert (stopped.record["removed"], stopped.record["prune_blocked"]) == (0, 6)
    assert is_balanced(stopped.record)
    assert len(stopped.said) == 2
    assert "--confirm-prune" in stopped.said[1]
    assert len(shell.run("documents", "--json").records) == 10
    confirmed = shell.run("ingest", folder, "--confirm-prune", "--json")
    assert (confirmed.code, confirmed.record["removed"], confirmed.record["live_after"]) == (0, 6, 4)


@pytest.mark.slow
def test_of_two_ingests_of_one_source_one_works_and_the_other_says_so(shell: CommandLine, api_url: str) -> None:
    folder = shell.folder / "documents"
    folder.mkdir()
    (folder / "a.txt").write_text("The gate closes at six.")
    reached, free = threading.Event(), threading.Event()

    def hold(texts: Sequence[str]) -> Reply:
        if not is_probe(texts):
            reached.set()
            free.wait()
        return Reply()

    with embedding_endpoint() as endpoint:
        endpoint.decide = hold
        shell = endpoint.use(shell).set(PREFECT_API_URL=api_url)
        first = shell.start("ingest", folder, "--json")
        wait_until(lambda: reached.is_set() or first.poll() is not None, what="the first ingest at the embedder")
        second = shell.run("ingest", folder, "--json")
        free.set()
        done = finish(first)
    assert (second.code, second.out) == (0, ""), second.errors
    assert str(first.pid) in second.errors
    assert "run the command again" in second.errors
    assert (done.code, done.record["new"]) == (0, 1), done.errors


# --- documentation ---------------------------------------------------------------------------------------------------


def test_every_command_is_in_the_readme_and_every_documented_command_exists(shell: CommandLine) -> None:
    listed = shell.run("--help").out.partition("Commands")[2]
    commands = set(re.findall(r"^\W*([a-z]+) {2,}", listed, re.MULTILINE))
    assert {"init", "ingest", "search", "ask", "documents", "quarantine", "status", "doctor", "evaluate"} <= commands
    readme = (REPOSITORY / "README.md").read_text()
    # The roadmap names what is still to come.
    documented = [page for page in sorted((REPOSITORY / "docs").rglob("*.md")) if page.name != "roadmap.md"]
    pages = {page: page.read_text() for page in documented}
    named = {page.name: named_commands(text) for page, text in pages.items()} | {"README.md": named_commands(readme)}
    assert {page: words - commands for page, words in named.items() if words - commands} == {}
    assert commands - named["README.md"] == set()


def named_commands(text: str) -> set[str]:
    """Words after `expertloop` where it is a command: in code spans and blocks, not in sentences or imports."""
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL)).replace("from expertloop import", "")
    return set(re.findall(r"(?:^|[`/ ])expertloop ([a-z]+)\b", code, re.MULTILINE))


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "init",
        "ingest",
        "search",
        "ask",
        "evaluate",
        "documents",
        "quarantine",
        "gaps",
        "status",
        "doctor",
        "keys",
        "index",
        "serve",
        "curate",
    ],
)
def test_the_help_of_every_command_has_an_example(shell: CommandLine, command: str) -> None:
    assert f"Example: expertloop {command}" in shell.run(command, "--help").out
