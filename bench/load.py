"""Many askers at once for minutes against `expertloop serve`: statuses, answers/s, latencies, memory.

    python bench/load.py [--seconds 600] [--askers 100] [--processes 1] [--generator none]
                         [--documents FOLDER --questions FILE.jsonl]

The documents (default: the sample company's) are ingested by the command line; every asker sends questions of the file,
one after the other without a pause, all with one key that reads everything. `wrk` (Debian's package) sends: it takes
little of the two cores that it shares with the server. Questions repeat, as people's do: there is no cache of answers,
but what was computed of a passage or a question is remembered. The rate limit is off. The first tenth of the time warms
up and is not counted; memory is looked at from there on.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import psutil

from tasks.integrations.processor import describe_processor
from tests.e2e.command import REPOSITORY, CommandLine
from tests.e2e.serving import add_key, serving

SAMPLE_SECONDS = 1.0

SCRIPT = """
local bodies, next_body = {}, 0
for line in io.lines(os.getenv("BODIES")) do bodies[#bodies + 1] = line end
local headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. os.getenv("KEY") }
function init(args) math.randomseed(os.time()); next_body = math.random(#bodies) end
function request()
  next_body = next_body % #bodies + 1
  return wrk.format("POST", "/v1/answers", headers, bodies[next_body])
end
function done(summary, latency, requests)
  local failed = summary.errors
  local broken = failed.connect + failed.read + failed.write + failed.timeout
  local form = 'RESULT {"requests": %d, "seconds": %.3f, "not_200": %d, "broken": %d'
  io.write(string.format(form, summary.requests, summary.duration / 1e6, failed.status, broken))
  io.write(string.format(', "longest": %.4f', latency.max / 1e6))
  for name, share in pairs({p50 = 50, p95 = 95, p99 = 99}) do
    io.write(string.format(', "%s": %.4f', name, latency:percentile(share) / 1e6))
  end
  io.write("}\\n")
end
"""


class MemoryWatch(threading.Thread):
    """Resident memory of a process and those that it started, looked at until it is told to stop."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.megabytes: list[float] = []
        self.ended = threading.Event()
        self._process = psutil.Process(pid)

    def run(self) -> None:
        """Look."""
        while not self.ended.wait(SAMPLE_SECONDS):
            family = [self._process, *self._process.children(recursive=True)]
            self.megabytes.append(sum(one.memory_info().rss for one in family) / 1e6)


def main() -> int:
    """Print one table; 1 when a response was no 200."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--askers", type=int, default=100)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--generator", default="none")
    parser.add_argument("--documents", type=Path, default=REPOSITORY / "data" / "documents")
    parser.add_argument("--questions", type=Path, default=REPOSITORY / "data" / "questions.jsonl")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is not installed: apt-get install wrk", file=sys.stderr)
        return 2
    print(describe_processor())
    with tempfile.TemporaryDirectory() as folder:
        shell = CommandLine(Path(folder)).set(
            EXPERTLOOP_GENERATOR=options.generator,
            EXPERTLOOP_EMBEDDER="default",
            EXPERTLOOP_RATE_PER_MINUTE="0",
            EXPERTLOOP_QUEUE_QUESTIONS=str(4 * options.askers),
            EXPERTLOOP_QUEUE_TIMEOUT_SECONDS="600",
        )
        done = shell.run("ingest", options.documents.absolute(), "--json")
        assert done.code == 0, done.errors
        questions = [json.loads(line)["question"] for line in options.questions.read_text().splitlines()]
        return measure(shell, questions, askers=options.askers, seconds=options.seconds, processes=options.processes)


def measure(shell: CommandLine, questions: Sequence[str], *, askers: int, seconds: int, processes: int) -> int:
    """Warm up, then load; prints what came of it."""
    key = add_key(shell, "load", "hr", "service")
    bodies, script = shell.folder / "bodies.jsonl", shell.folder / "ask.lua"
    bodies.write_text("".join(json.dumps({"question": question}) + "\n" for question in questions))
    script.write_text(SCRIPT)
    environment = {"BODIES": str(bodies), "KEY": key}
    with serving(shell, "--processes", str(processes)) as server:
        send(server.address, script, environment, askers=askers, seconds=max(5, seconds // 10))
        watch = MemoryWatch(server.process.pid)
        watch.start()
        result = send(server.address, script, environment, askers=askers, seconds=seconds)
        watch.ended.set()
        watch.join()
    good = result["requests"] - result["not_200"]
    print(f"{processes} serving processes, {askers} askers, {result['seconds']:.0f} s, {len(questions)} questions")
    print(f"responses {result['requests']:.0f}, not 200 {result['not_200']:.0f}, broken {result['broken']:.0f}")
    print(f"answers/s {good / result['seconds']:.1f}")
    print("seconds p50 {p50:.2f}, p95 {p95:.2f}, p99 {p99:.2f}, longest {longest:.2f}".format(**result))
    tenth = max(1, len(watch.megabytes) // 10)
    parts = [max(watch.megabytes[start : start + tenth]) for start in range(0, len(watch.megabytes), tenth)]
    print("memory by tenths of the time, MB: " + " ".join(f"{part:.0f}" for part in parts))
    return int(result["not_200"] + result["broken"] > 0)


def send(address: str, script: Path, environment: dict[str, str], *, askers: int, seconds: int) -> dict[str, float]:
    """Run wrk; returns what its script counted."""
    environment |= {"PATH": "/usr/bin:/bin"}
    command = ["wrk", "-t1", f"-c{askers}", f"-d{seconds}s", "--timeout", "600s", "-s", str(script), address]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = re.search(r"RESULT (\{.*\})", done.stdout)
    assert found, done.stdout
    result: dict[str, float] = json.loads(found[1])
    return result


if __name__ == "__main__":
    sys.exit(main())
