"""Curation as experts do it: files in, one key a pair, files and datasets out."""

from __future__ import annotations

import csv
import json
import os
import pty
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.command import BIN, CommandLine, kill_group

FILES = {
    "pump.md": "# Pump P7\n\nThe seal of pump P7 is changed every 900 hours. It must not run dry.",
    "canteen.md": "# Canteen\n\n## Opening hours\n\nThe canteen opens at noon and closes at two.",
    "travel.md": "# Travel\n\nTravel above 500 euros is signed by the head of department.",
    "hr/notice.md": "# Notice\n\nThe notice period is six weeks to the end of a quarter.",
}
ROWS = (
    ("How often is the seal of pump P7 changed?", "every 900 hours", "pump.md", "changed every 900 hours"),
    ("When does the canteen open?", "at noon", "canteen.md", "The canteen opens at noon"),
    ("Who signs travel above 500 euros?", "the head of department", "travel.md", "signed by the head of department"),
    ("How long is the notice period?", "six weeks", "notice.md", "six weeks to the end of a quarter"),
    ("When does the canteen close?", "at three", "canteen.md", "closes at two"),
    ("Where is the office?", "in Dayton", "nowhere.md", "Dayton"),
)
PAIR = {
    *("pair_id", "question", "answer", "language", "origin", "author", "state", "groups", "evidence", "findings"),
    *("accepted", "reason", "readers", "history"),
}
SUMMARY = {"rows", "imported", "unchanged", "duplicates", "rejected", "approved", "flagged", "proposed", "embedded"}
SOURCES = 'sources:\n  - name: handbook\n    url: company\n    groups_by_glob:\n      "hr/**": [hr]\n'


@dataclass(frozen=True)
class Desk:
    """A shell whose company was ingested and whose file of pairs waits."""

    shell: CommandLine
    file: Path


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, api_url: str) -> Desk:
    folder = tmp_path_factory.mktemp("curated")
    for name, text in FILES.items():
        (folder / "company" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "company" / name).write_text(text)
    (folder / "sources.yaml").write_text(SOURCES)
    shell = CommandLine(folder).set(
        PREFECT_API_URL=api_url, EXPERTLOOP_TEST_SHARE="0.5", EXPERTLOOP_VALIDATION_SHARE="0"
    )
    assert shell.run("ingest").code == 0
    file = folder / "pairs.csv"
    with file.open("w", newline="", encoding="utf-16") as out:
        csv.writer(out, delimiter=";").writerows([("Frage", "answer", "document", "quote"), *ROWS])
    return Desk(shell, file)


def review(desk: Desk, keys: str) -> str:
    """What the terminal shows while a person presses these keys."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [BIN / "expertloop", "curate", "review"],
        cwd=desk.shell.folder,
        env=desk.shell.environment(),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    os.write(ours, keys.encode())
    out, _ = process.communicate(timeout=300)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0, out.decode()
    return out.decode()


def test_pairs_go_from_a_sheet_through_a_persons_keys_into_a_dataset(desk: Desk) -> None:
    arguments = ("curate", "import", desk.file, "--map", "question=Frage", "--author", "anna", "--json")
    done = desk.shell.run(*arguments)
    assert done.code == 0, done.errors
    *lines, summary = done.records
    assert set(summary) == SUMMARY
    counted = [summary[name] for name in ("rows", "imported", "flagged", "rejected")]
    assert counted == [6, 5, 1, 1]
    told = {(line["row"], line["outcome"], line["reason"]) for line in lines}
    assert told == {(6, "flagged", "not-supported"), (7, "rejected", "unknown-document")}
    assert all(line["advice"] for line in lines)
    again = desk.shell.run(*arguments).records[-1]
    assert (again["unchanged"], again["imported"]) == (5, 0)

    shown = review(desk, "aaaarwrong\nq")
    assert "changed every 900 hours" in shown
    pairs = desk.shell.run("curate", "list", "--json").records
    assert all(set(pair) == PAIR for pair in pairs)
    states = {pair["answer"]: pair["state"] for pair in pairs}
    assert sorted(states.values()) == ["approved"] * 4 + ["rejected"], shown
    (notice,) = [pair for pair in pairs if pair["answer"] == "six weeks"]
    assert (notice["readers"], notice["author"]) == (["hr"], "anna")

    taken = desk.shell.run("curate", "snapshot", "--json").record
    assert taken["removed"]["readers"] == 1
    assert desk.shell.run("curate", "snapshot", "--json").record == {**taken, "new": False}
    listed = desk.shell.run("curate", "datasets", "--json").record
    assert listed["dataset_id"] == taken["dataset_id"]
    assert "What is in it" in desk.shell.run("curate", "datasets", taken["dataset_id"][:8]).out

    exported = desk.shell.folder / "out.jsonl"
    assert desk.shell.run("curate", "export", exported, "--state", "approved", "--json").record["pairs"] == 4
    other = desk.shell.run("curate", "import", exported, "--json").record
    assert (other["rows"], other["unchanged"]) == (4, 4)


@pytest.mark.slow
def test_a_killed_import_goes_on_where_it_was(tmp_path: Path, api_url: str, shell_on_both: CommandLine) -> None:
    """Nothing twice, nothing lost: batches that were written stay, the others come with the next try."""
    shell = shell_on_both.set(PREFECT_API_URL=api_url)
    (tmp_path / "company").mkdir()
    (tmp_path / "company" / "canteen.md").write_text(FILES["canteen.md"])
    assert shell.run("ingest", tmp_path / "company").code == 0
    file = tmp_path / "pairs.csv"
    with file.open("w", newline="") as out:
        rows = ((f"When does canteen {number} open?", "at one", *ROWS[1][2:]) for number in range(1500))
        csv.writer(out).writerows([("question", "answer", "document", "quote"), *rows])
    started = shell.start("curate", "import", file, "--json")
    assert started.stdout is not None
    assert json.loads(started.stdout.readline())["reason"] == "not-supported"  # the first batch is written
    kill_group(started)
    summary = shell.run("curate", "import", file, "--json").records[-1]
    assert summary["rows"] == 1500 == summary["imported"] + summary["unchanged"]
    assert summary["imported"] > 0 < summary["unchanged"]
    pairs = shell.run("curate", "list", "--json").records
    assert [pair["question"] for pair in pairs] == [f"When does canteen {number} open?" for number in range(1500)]
    assert all(len(pair["history"]) == len(pair["evidence"]) == 1 for pair in pairs)


def test_a_wrong_file_ends_in_two_lines(desk: Desk) -> None:
    (desk.shell.folder / "empty.csv").write_text("")
    for name in ("empty.csv", "missing.csv", "pump.pdf"):
        done = desk.shell.run("curate", "import", name)
        assert (done.code, len(done.said)) == (1, 2), done.errors


def test_candidates_from_documents_are_never_approved_by_themselves(desk: Desk) -> None:
    made = desk.shell.run("curate", "generate", "--document", "canteen.md", "--json").records
    assert {pair["state"] for pair in made} == {"candidate"}
    assert {pair["origin"] for pair in made} == {"synthetic"}
    assert "The canteen opens at noon" in made[0]["answer"]
