"""When the first verified words of a streamed answer arrive, and when it is whole: that is when they came before.

    python bench/first_words.py [--questions 40] [--askers 1] [--generator smollm2]

The sample company is ingested by the command line and asked over HTTP by `askers` at once, one question after the other
each. Answers that are written by the model are told apart from quotations, which have no words before their end.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import httpx

from tasks.integrations.processor import describe_processor
from tests.e2e.command import REPOSITORY, CommandLine
from tests.e2e.serving import add_key, serving


class Times(NamedTuple):
    """Of one answer, in seconds from its request."""

    mode: str
    sentences: int
    sources: float
    first: float
    whole: float
    retracted: bool


def main() -> int:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--askers", type=int, default=1)
    parser.add_argument("--generator", default="smollm2")
    options = parser.parse_args()
    print(describe_processor())
    lines = (REPOSITORY / "data" / "questions.jsonl").read_text().splitlines()[: options.questions]
    questions = [json.loads(line)["question"] for line in lines]
    with tempfile.TemporaryDirectory() as folder:
        shell = CommandLine(Path(folder)).set(
            EXPERTLOOP_GENERATOR=options.generator,
            EXPERTLOOP_EMBEDDER="default",
            EXPERTLOOP_RATE_PER_MINUTE="0",
            EXPERTLOOP_QUEUE_TIMEOUT_SECONDS="600",
        )
        done = shell.run("ingest", REPOSITORY / "data" / "documents", "--json")
        assert done.code == 0, done.errors
        key = add_key(shell, "reader", "hr", "service")
        with serving(shell) as server, ThreadPoolExecutor(options.askers) as askers:
            stream(server.address, key, "Is anybody there?")
            times = list(askers.map(lambda question: stream(server.address, key, question), questions))
    for name, chosen in (
        ("generated, several sentences", [one for one in times if one.mode == "generated" and one.sentences > 1]),
        ("generated, one sentence", [one for one in times if one.mode == "generated" and one.sentences == 1]),
        ("quoted or silent", [one for one in times if one.mode != "generated"]),
    ):
        tell(name, chosen)
    return 0


def tell(name: str, times: Sequence[Times]) -> None:
    """One line of the table: medians."""
    if not times:
        print(f"{name}: none")
        return
    sources, first, whole = (
        statistics.median(getattr(one, field) for one in times) for field in ("sources", "first", "whole")
    )
    retracted = sum(one.retracted for one in times)
    print(
        f"{name}: {len(times)} answers, sources {sources:.2f} s, first words {first:.2f} s, whole {whole:.2f} s, "
        f"retracted {retracted}"
    )


def stream(address: str, key: str, question: str) -> Times:
    """Ask, and look at the clock at each event."""
    headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
    arrived: dict[str, float] = {}
    sentences, name, answer = 0, "", {}
    started = time.perf_counter()
    with httpx.stream(
        "POST", f"{address}/v1/answers", json={"question": question}, headers=headers, timeout=900
    ) as got:
        for line in got.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
                arrived.setdefault(name, time.perf_counter() - started)
            elif line.startswith("data: "):
                sentences += name == "delta"
                answer = json.loads(line.removeprefix("data: "))
    assert name == "answer", answer
    return Times(
        answer["mode"], sentences, arrived["sources"], arrived["delta"], arrived["answer"], "retracted" in arrived
    )


if __name__ == "__main__":
    sys.exit(main())
