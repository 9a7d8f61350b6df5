"""A company for the running circle: what is there, what comes in each round, and what must have become of it."""

from __future__ import annotations

import email.policy
import json
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from email.parser import BytesParser
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from tests.e2e.command import REPOSITORY, CommandLine, Finished
from tests.e2e.serving import add_key

CASES_A_ROUND = 20
DOCUMENTS = (
    "onboarding-first-week.md",
    "gateway-g1-release-notes.md",
    "dosing-arithmetic.md",
    "drucker-und-scanner.md",
    "emergency-card-all-sites.md",
    "vpn-setup-howto.md",
)


@dataclass(frozen=True)
class Company:
    """Documents that are read already; pairs and cases, a portion a round."""

    shell: CommandLine
    key: str
    schedule: Path
    rounds: int

    def import_pairs(self, shell: CommandLine, number: int) -> None:
        """Approve a round's pairs."""
        check(shell.run("curate", "import", self.shell.folder / f"pairs-{number}.jsonl", "--json"))

    @property
    def cases(self) -> Path:
        """Those of all rounds."""
        return self.shell.folder / "cases.jsonl"

    def read_cases(self, number: int) -> list[dict[str, Any]]:
        """A round's."""
        lines = self.cases.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines[number * CASES_A_ROUND :][:CASES_A_ROUND]]


@dataclass(frozen=True)
class End:
    """What is left when all is done: equal, whatever happened on the way."""

    datasets: list[str]
    """What was trained on, once each."""
    cases: list[tuple[str, str, str]]
    """Id, decision and reply of each."""
    messages: list[tuple[str, str]]
    """Message-ID and text of what left."""


def check(finished: Finished) -> Finished:
    """It ended well."""
    assert finished.code == 0, finished.errors
    return finished


def found_company(folder: Path, model: Path, *, rounds: int) -> Company:
    """A few documents of the sample company, the pairs that quote nothing else, questions as cases; a tiny model."""
    (folder / "documents").mkdir()
    for file in (REPOSITORY / "data" / "documents").rglob("*.md"):
        if file.name in DOCUMENTS:
            shutil.copy(file, folder / "documents")
    (folder / "sources.yaml").write_text("sources:\n  - name: handbook\n    url: documents\n")
    _write_portions(folder, rounds)
    shell = CommandLine(folder).set(
        EXPERTLOOP_PROCESSES=str(REPOSITORY / "data/processes"),
        EXPERTLOOP_ANSWER_TOKENS="8",
        EXPERTLOOP_MAX_ERROR="1",
        EXPERTLOOP_RETRAIN_MIN_NEW_PAIRS="1",
        EXPERTLOOP_RETRAIN_COOLDOWN_HOURS="0",
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY="30",
    )
    check(shell.run("ingest", "--json"))
    return Company(shell, add_key(shell, "shop"), _write_schedule(folder, model), rounds)


def _write_portions(folder: Path, rounds: int) -> None:
    """Half of the pairs come at first: a dataset needs some; the rest and the cases in equal parts."""
    pairs = [line for line in _read_lines("pairs.jsonl") if _quotes_only(json.loads(line), DOCUMENTS)]
    half = len(pairs) // 2
    for number, portion in enumerate([pairs[:half], *(pairs[half + part :: rounds - 1] for part in range(rounds - 1))]):
        (folder / f"pairs-{number}.jsonl").write_text("\n".join(portion) + "\n", encoding="utf-8")
    questions = [json.loads(line)["question"] for line in _read_lines("questions.jsonl")]
    cases = [
        {"id": f"t{one}", "from": f"c{one}@customer.example", "subject": "Question", "body": question}
        for one, question in enumerate(islice(cycle(questions), rounds * CASES_A_ROUND))
    ]
    (folder / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases), encoding="utf-8")


def _read_lines(name: str) -> list[str]:
    return (REPOSITORY / "data" / name).read_text(encoding="utf-8").splitlines()


def _quotes_only(pair: dict[str, Any], documents: Sequence[str]) -> bool:
    return {one["document"] for one in pair["evidence"]} <= set(documents)


def _write_schedule(folder: Path, model: Path) -> Path:
    """What ships, with a training of a few steps and automations that wait less than ten minutes."""
    short = f"      max_questions: 2\n      changes: {{base_model: {model}, max_tokens: 3000}}\n"
    preset = "      preset: smollm2-135m-cpu\n"
    text = (REPOSITORY / "prefect.yaml").read_text().replace(preset, preset + short)
    place = folder / "impatient.yaml"
    place.write_text(text.replace("within: 600", "within: 100"))
    return place


def work_undisturbed(company: Company) -> End:
    """The same work by commands, in a copy of the home, where nobody kills anything."""
    home = company.shell.folder / "undisturbed"
    shutil.copytree(company.shell.home, home)
    shell = company.shell.set(EXPERTLOOP_HOME=str(home))
    datasets = []
    for number in range(company.rounds):
        company.import_pairs(shell, number)
        datasets.append(check(shell.run("curate", "snapshot", "--json")).record["dataset_id"])
    check(shell.run("cases", "run", company.cases, "--process", "tickets", "--json"))
    check(shell.run("cases", "send", "--json"))
    return _read_end(shell, sorted(set(datasets)))


def read_end(shell: CommandLine) -> End:
    """Of the circle."""
    trained = check(shell.run("trainings", "--json")).records
    assert {one["state"] for one in trained} == {"done"}, trained
    return _read_end(shell, sorted(one["dataset_id"] for one in trained))


def _read_end(shell: CommandLine, datasets: list[str]) -> End:
    with closing(open_database(shell)) as database:
        rows = database.execute("SELECT external_id, decision, outcome FROM cases").fetchall()
    cases = [(id_, decision, json.loads(outcome).get("reply") or "") for id_, decision, outcome in rows]
    mails = [
        BytesParser(policy=email.policy.default).parsebytes(place.read_bytes())
        for place in (shell.home / "outbox").glob("*.eml")
    ]
    return End(datasets, sorted(cases), sorted((str(mail["Message-ID"]), mail.get_content()) for mail in mails))


def open_database(shell: CommandLine) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{shell.home / 'expertloop.db'}?mode=ro", uri=True, timeout=30)
