"""`expertloop evaluate` on a small company: one JSON object, resumed after a kill, compared, reported."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import CommandLine, kill_group, wait_until

FILES = {
    "company/opening.txt": "The canteen opens at noon and closes at two.",
    "company/hr/notice.md": "# Notice period\n\nThe notice period is six weeks to the end of a quarter.",
    "company/pump.html": "<h1>Pump P7</h1><p>The seal of pump P7 is changed every 900 hours.</p>",
    "company/visitors.txt": "Visitors sign in at the gate and wear a badge.",
}
SOURCES = """\
sources:
  - name: company
    url: company
    groups_by_glob:
      "hr/**": [hr]
"""
QUESTIONS: tuple[dict[str, Any], ...] = (
    {"id": "canteen", "question": "When does the canteen open?", "answers": ["at noon"], "documents": ["opening.txt"]},
    {"id": "seal", "question": "How often is the seal of pump P7 changed?", "answers": ["every 900 hours"],
     "documents": ["company/pump.pdf"]},
    {"id": "notice", "question": "How long is the notice period?", "groups": ["hr"], "documents": ["hr/notice"]},
    {"id": "forbidden", "question": "How long is the notice period?", "answers": ["six weeks"]},
    {"id": "nobody", "question": "Zzyzx qwrtz?", "answerable": False},
    {"id": "unknown", "question": "Where do visitors sign in?"},
)  # fmt: skip
MANY = 100
ISSUE = {
    "retrieval": {"hit@1", "hit@5", "mrr"},
    "answers": {
        *("em", "f1", "contains_gold", "citation_precision", "supported", "answered_share", "wrong_among_answered"),
        *("refusal_recall", "refusal_precision"),
    },
    "latency": {"p50_seconds", "p95_seconds"},
}


def write_questions(file: Path, questions: tuple[Mapping[str, Any], ...] = QUESTIONS) -> Path:
    file.write_text("".join(json.dumps(line) + "\n" for line in questions))
    return file


def count_results(shell: CommandLine) -> int:
    with sqlite3.connect(f"file:{shell.home / 'expertloop.db'}?mode=ro", uri=True) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'evaluation_results'").fetchall()
        return int(connection.execute("SELECT count(*) FROM evaluation_results").fetchone()[0]) if tables else 0


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory, api_url: str) -> CommandLine:
    folder = tmp_path_factory.mktemp("company")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "sources.yaml").write_text(SOURCES)
    write_questions(folder / "questions.jsonl")
    shell = CommandLine(folder).set(PREFECT_API_URL=api_url)
    assert shell.run("ingest", "--json").code == 0
    return shell


def test_json_is_one_object_with_the_keys_that_programs_rely_on(company: CommandLine) -> None:
    done = company.run("evaluate", "questions.jsonl", "--json", "--again")
    record = done.record
    assert done.code == 0, done.errors
    assert record["questions"] == len(QUESTIONS)
    assert {part: keys - set(record[part]) for part, keys in ISSUE.items()} == {part: set() for part in ISSUE}
    assert record["retrieval"] == {"hit@1": 1, "hit@5": 1, "mrr": 1, "ndcg@10": 1}
    assert (record["answers"]["supported"], record["answers"]["extractive_share"] > 0) == (1, True)
    assert record["unmatched"] == {"unknown": [], "ambiguous": []}
    assert sum(record["outcomes"].values()) == len(QUESTIONS)
    assert (record["outcomes"]["right"], record["outcomes"]["refused rightly"]) == (3, 1)
    # Who is not in hr cannot get the right answer, whether or not something else is said.
    assert record["outcomes"]["wrong"] + record["outcomes"]["refused wrongly"] == 1
    assert "Evaluate" not in done.out


def test_a_finished_run_is_shown_again_without_asking(company: CommandLine) -> None:
    first = company.run("evaluate", "questions.jsonl", "--json").record
    again = company.run("evaluate", "questions.jsonl", "--json")
    assert again.record["resumed"] == len(QUESTIONS)
    assert again.record == first | {"resumed": len(QUESTIONS)}
    assert f"{len(QUESTIONS)} of {len(QUESTIONS)} questions were judged before" in again.errors


def test_a_killed_run_goes_on_where_it_stopped(company: CommandLine) -> None:
    many = tuple({**QUESTIONS[number % 3], "id": f"q{number}"} for number in range(MANY))
    write_questions(company.folder / "many.jsonl", many)
    before = count_results(company)
    process = company.start("evaluate", "many.jsonl", "--json", "--batch", "1")
    wait_until(lambda: count_results(company) > before + 2 or process.poll() is not None, what="three results")
    kill_group(process)
    assert process.returncode == -9, "it was done before it could be killed"
    stored = count_results(company) - before
    done = company.run("evaluate", "many.jsonl", "--json", "--batch", "1")
    assert done.code == 0, done.errors
    assert 3 <= done.record["resumed"] == stored < MANY
    assert f"goes on: {stored} of {MANY}" in done.errors
    assert count_results(company) - before == MANY
    assert done.record["outcomes"]["right"] == MANY


def test_two_runs_are_compared_and_listed(company: CommandLine) -> None:
    first = company.run("evaluate", "questions.jsonl", "--json").record["run_id"]
    second = company.run("evaluate", "questions.jsonl", "--json", "--as", "hr", "--baseline", first).record
    listed = company.run("evaluate", "--runs", "--json").records
    assert {first, second["run_id"]} <= {run["run_id"] for run in listed}
    compared = company.run("evaluate", "--compare", first[:13], second["run_id"], "--json").record
    assert compared == second["comparison"]
    assert (compared["questions"], compared["metrics"]["contains_gold"]["difference"] > 0) == (6, True)
    assert {one["verdict"] for one in compared["metrics"].values()} == {"undecided", "neither"}
    shown = company.run("evaluate", "--compare", first, first).out
    assert "undecided" in shown
    assert "contains_gold" in shown


def test_a_report_lies_in_the_folder(company: CommandLine) -> None:
    done = company.run("evaluate", "questions.jsonl", "--report", "report")
    assert done.code == 0, done.errors
    assert "hit@1" in done.out
    names = {path.name for path in (company.folder / "report").iterdir()}
    assert names == {"report.html", "report.md", "outcomes.png", "latency.png"}


def test_wrong_question_files_are_named_line_by_line_and_nothing_is_asked(company: CommandLine) -> None:
    (company.folder / "wrong.jsonl").write_text('{"id": 1}\nnonsense\n{"id": "a", "question": "Fine?"}\n')
    done = company.run("evaluate", "wrong.jsonl", "--json")
    assert (done.code, done.out, len(done.said)) == (1, "", 2)
    assert "line 1: " in done.said[0]
    assert "line 2: " in done.said[0]
    assert "line 3: " not in done.said[0]


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["questions.jsonl", "--collection", "elsewhere"], 1, "elsewhere"),
        (["questions.jsonl", "--baseline", "0000"], 1, "0000"),
        (["--compare", "0000", "1111"], 1, "0000"),
        (["nowhere.jsonl"], 1, "nowhere.jsonl"),
        ([], 2, "QUESTIONS"),
        (["questions.jsonl", "--runs"], 2, "QUESTIONS"),
    ],
)
def test_what_is_not_there_is_named(company: CommandLine, arguments: list[str], code: int, named: str) -> None:
    done = company.run("evaluate", *arguments, "--json")
    assert (done.code, done.out) == (code, "")
    assert named in done.errors


def test_before_the_first_ingest_there_is_nothing_to_evaluate(tmp_path: Path) -> None:
    shell = CommandLine(tmp_path)
    done = shell.run("evaluate", write_questions(tmp_path / "q.jsonl"), "--json")
    assert (done.code, done.out, len(done.said)) == (1, "", 2)
    assert "expertloop ingest" in done.said[1]


def test_another_document_makes_another_run(company: CommandLine, tmp_path: Path) -> None:
    first = company.run("evaluate", "questions.jsonl", "--json").record
    (tmp_path / "more.txt").write_text("Parking is behind the hall.")
    assert company.run("ingest", tmp_path / "more.txt", "--json").code == 0
    second = company.run("evaluate", "questions.jsonl", "--json").record
    assert second["run_id"] != first["run_id"]
    assert second["resumed"] == 0


def test_arms_need_a_dataset_and_advice_says_that_evidence_is_missing(company: CommandLine) -> None:
    done = company.run("evaluate", "--arms", "--generator", "smollm2", "--json")
    assert (done.code, done.out, len(done.said)) == (1, "", 2), done.errors
    assert "expertloop curate snapshot" in done.said[1]
    advice = company.run("advise", "--json")
    assert advice.code == 0, advice.errors
    assert advice.record["recommendation"] == "not-enough-evidence"
    documents = len(company.run("documents", "--json").records)
    assert f"0 of {documents} documents (0%) changed" in " ".join(advice.record["sentences"])
    assert company.run("evaluate", "questions.jsonl", "--arms").code == 2


def test_another_glossary_is_another_run_and_a_wrong_one_keeps_what_is_judged(company: CommandLine) -> None:
    first = company.run("evaluate", "questions.jsonl", "--json").record
    (company.folder / "glossary.yaml").write_text("abbreviations: {QZX: notice period}\n")
    other = company.set(EXPERTLOOP_GLOSSARY="glossary.yaml")
    assert other.run("evaluate", "questions.jsonl", "--json").record["run_id"] != first["run_id"]
    (company.folder / "glossary.yaml").write_text("abbreviations: [\n")
    assert other.run("evaluate", "questions.jsonl", "--again", "--json").code == 1
    kept = {one["run_id"]: one["judged"] for one in company.run("evaluate", "--runs", "--json").records}
    assert kept[first["run_id"]] == len(QUESTIONS)
