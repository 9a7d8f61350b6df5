"""docs/examples/order_desk.py as its reader runs it: somebody else's flow asks in all three ways."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.command import LIMIT_SECONDS, REPOSITORY, CommandLine
from tests.e2e.running import Up, running_up
from tests.e2e.serving import add_key

pytestmark = [pytest.mark.server, pytest.mark.slow]

GUARANTEE = "# Guarantee\n\nThe guarantee on every pump is three years from the day of delivery."
INQUIRIES = (
    {"inquiry": "mail-1", "question": "How long is the guarantee on a pump?"},
    {"inquiry": "mail-2", "question": "What is the capital of Australia?"},
)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """Everything that `expertloop up` starts, over one document."""
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "guarantee.md").write_text(GUARANTEE)
    (tmp_path / "sources.yaml").write_text("sources:\n  - name: desk\n    url: documents\n")
    shell = CommandLine(tmp_path).set(EXPERTLOOP_PROCESSES=str(REPOSITORY / "data/processes"))
    with running_up(shell) as up:
        assert up.shell.run("ingest", "--json").code == 0
        yield up


def run_python(up: Up, *arguments: str | Path, told: str = "") -> str:
    """A Python of the reader's, in the folder where the state is."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=up.shell.folder,
        env=up.shell.environment(),
        input=told,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_documented_flow_asks_in_three_ways_and_leaves_the_rest_to_a_person(up: Up) -> None:
    page = (REPOSITORY / "docs" / "embedding.md").read_text()
    keeping = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    run_python(up, "-c", keeping.replace("elk_…", add_key(up.shell, "order-desk")))

    told = "".join(json.dumps(inquiry) + "\n" for inquiry in INQUIRIES)
    ways = ("server", "here", "flow")
    out = run_python(up, REPOSITORY / "docs/examples/order_desk.py", up.address, *ways, told=told)
    replies = [json.loads(line) for line in out.splitlines()]
    known, unknown = replies[: len(ways)], replies[len(ways) :]

    assert {reply["by"] for reply in known} == {"documents"}
    assert all("three years" in reply["text"] for reply in known)
    assert [(reply["by"], reply["text"]) for reply in unknown] == [("person", "")] * len(ways)
    # One key is one answer: what the server gave, the process itself gives again; the flow writes the newest.
    assert known[0] == known[1]
    metrics = httpx.get(f"{up.address}/metrics", timeout=60).text
    given = re.findall(r"^expertloop_answers_total\{.*\} (\S+)$", metrics, re.MULTILINE)
    assert sum(map(float, given)) == len(INQUIRIES)
    assert len(up.list_ended_runs("answer/answer", at_least=1)) == len(INQUIRIES)
