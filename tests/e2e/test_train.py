"""The learning half as a user runs it: pairs in, a decision out, a champion that answers follow without a restart.

The base model is a tiny Phi-3 with random weights: what it says is noise, what is done with it is not.
"""

from __future__ import annotations

import json
import shutil

import pytest

from tests.e2e.command import REPOSITORY, CommandLine
from tests.fakes.tiny_models import save_tiny_phi

pytestmark = pytest.mark.slow

LEAST_PAIRS = 40


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory, api_url: str) -> CommandLine:
    """The sample company's Markdown documents, and the pairs that quote nothing else."""
    folder = tmp_path_factory.mktemp("learning")
    (folder / "company").mkdir()
    for file in sorted((REPOSITORY / "data" / "documents").rglob("*.md")):
        shutil.copy(file, folder / "company")
    there = {file.name for file in (folder / "company").iterdir()}
    lines = (REPOSITORY / "data" / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
    quoting = [line for line in lines if {one["document"] for one in json.loads(line)["evidence"]} <= there]
    (folder / "pairs.jsonl").write_text("\n".join(quoting) + "\n", encoding="utf-8")
    shell = CommandLine(folder).set(
        PREFECT_API_URL=api_url, EXPERTLOOP_GENERATOR=str(save_tiny_phi(folder / "phi")), EXPERTLOOP_ANSWER_TOKENS="8"
    )
    assert shell.run("ingest", "company").code == 0
    imported = shell.run("curate", "import", "pairs.jsonl", "--json")
    assert imported.records[-1]["approved"] >= LEAST_PAIRS, imported.out
    return shell


def train(shell: CommandLine, *options: str) -> dict[str, object]:
    done = shell.run("train", "--json", "--set", f"base_model={shell.settings['EXPERTLOOP_GENERATOR']}", *options)
    assert done.code == 0, done.errors
    return done.record


def test_pairs_become_an_adapter_a_decision_and_a_champion(shell: CommandLine) -> None:
    planned = shell.run("train", "--plan", "--set", f"base_model={shell.settings['EXPERTLOOP_GENERATOR']}", "--json")
    made = train(shell, "--max-questions", "4", "--max-tokens", "9000")
    assert planned.record["adapter_id"] != made["adapter_id"], "another number of tokens is another adapter"
    assert {"dataset_id", "adapter_id", "training", "arms", "gate"} <= set(made)
    training, arms, gate = made["training"], made["arms"], made["gate"]
    assert isinstance(training, dict)
    assert isinstance(arms, dict)
    assert isinstance(gate, dict)
    assert 0 < training["tokens"] <= 9000
    assert training["tokens_per_second"] > 0
    assert training["peak_memory_bytes"] > 0
    assert set(arms) == {"base", "base+rag", "tuned", "tuned+rag"}
    assert {"f1", "f1_low", "f1_high", "em"} <= set(arms["tuned+rag"])
    assert gate["decision"] == "not-enough-evidence"
    again = train(shell, "--max-questions", "4", "--max-tokens", "9000")
    assert (again["adapter_id"], again["arms"]) == (made["adapter_id"], arms)
    (listed,) = shell.run("adapters", "--json").records
    assert (listed["adapter_id"], listed["state"], listed["champion"]) == (made["adapter_id"], "rejected", False)

    adapter = str(made["adapter_id"])
    tried = shell.run("ask", "What is the emergency number?", "--adapter", adapter[:8], "--json").record
    assert tried["versions"]["generator"].endswith(f"+{adapter}")
    refused = shell.run("promote", adapter)
    assert refused.code == 1
    assert "not-enough-evidence" in refused.said[0]
    assert shell.run("promote", adapter[:8], "--override", "a trial", "--json").record["changed"]
    assert not shell.run("promote", adapter, "--json").record["changed"]
    champion = shell.run("champion", "--json").record
    assert (champion["adapter_id"], champion["mark"]) == (adapter, None)
    answer = shell.run("ask", "What is the emergency number?", "--json").record
    assert answer["versions"]["generator"].endswith(f"+{adapter}")
    traced = shell.run("lineage", "emergency-card-all-sites.md", "--json").record
    assert traced["adapters"] in ([adapter], [])
    assert traced["pairs"]
    assert adapter in shell.run("lineage", adapter, "--json").record["adapters"]

    assert shell.run("rollback", "--json").record["adapter_id"] is None
    answer = shell.run("ask", "What is the emergency number?", "--json").record
    assert "+" not in answer["versions"]["generator"]


def test_a_wrong_configuration_is_told_at_once_with_all_its_faults(shell: CommandLine) -> None:
    done = shell.run("train", "--set", "rank=0", "--set", "lerning_rate=1e-4")
    assert done.code == 1
    assert "rank=0" in done.said[0]
    assert "learning_rate" in done.said[0]
