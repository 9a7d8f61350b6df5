"""`make demo`: the sample company's documents in, cited answers out, through the same commands that a user types."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent
HOME = DATA / "work" / "demo"
COMMAND = Path(sys.executable).with_name("expertloop")
QUESTIONS = (
    ("What suction lift does a primed D120 manage?", ()),
    ("Wie viel Öl gehört ins Getriebe einer D240?", ()),
    ("What is the list price of a Taktor D480 in euros?", ()),
    ("What is the salary band of a service technician?", ()),
    ("What is the salary band of a service technician?", ("hr",)),
    ("Who won the football world cup in 1990?", ()),
)
SERVED_QUESTION = "What is the list price of a Taktor D480 in euros?"


def main() -> int:
    """Run the demo; the first command that fails ends it with its own exit code."""
    started = time.monotonic()
    environment = os.environ | {"EXPERTLOOP_HOME": str(HOME), "EXPERTLOOP_SOURCES": str(DATA / "sources.yaml")}
    load_database(HOME / "products.db")
    commands = [["ingest"], ["status"], *ask_commands(), ["quarantine"]]
    for arguments in commands:
        print(f"\n$ expertloop {' '.join(quote(argument) for argument in arguments)}", flush=True)
        code = subprocess.run([str(COMMAND), *arguments], env=environment, check=False).returncode
        if code:
            return code
    ask_the_server(environment)
    print(f'\nDone in {time.monotonic() - started:.0f} s. Ask your own: EXPERTLOOP_HOME={HOME} {COMMAND} ask "…"')
    return 0


def ask_the_server(environment: Mapping[str, str]) -> None:
    """The same over HTTP, as any program that speaks OpenAI's protocol asks."""
    import openai

    added = run_command(environment, "keys", "add", "--principal", "demo", "--role", "reader", "--json")
    key = json.loads(added)
    with serve(environment) as address:
        print(f"\n$ expertloop serve, and the official openai client at {address}/v1", flush=True)
        with openai.OpenAI(base_url=f"{address}/v1", api_key=key["key"], timeout=300) as client:
            message: Any = (
                client.chat.completions.create(
                    model="expertloop", messages=[{"role": "user", "content": SERVED_QUESTION}]
                )
                .choices[0]
                .message
            )
        print(f"> {SERVED_QUESTION}\n{message.content}")
        for annotation in message.annotations or ():
            print(f"  {annotation.url_citation.title}  {annotation.url_citation.url}")
    run_command(environment, "keys", "revoke", key["key_id"])


@contextmanager
def serve(environment: Mapping[str, str]) -> Iterator[str]:
    """A server on a free port for as long as the block runs; its address."""
    command = [str(COMMAND), "serve", "--port", "0"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None, "it is a pipe"
            lines = (re.search(r"http://\S+", line) for line in process.stderr)
            yield next(match.group() for match in lines if match)
        finally:
            process.terminate()
            process.communicate()


def run_command(environment: Mapping[str, str], *arguments: str) -> str:
    """What a command prints on stdout."""
    return subprocess.run(
        [str(COMMAND), *arguments], env=environment, check=True, capture_output=True, text=True
    ).stdout


def ask_commands() -> list[list[str]]:
    """One command a question, as its askers."""
    return [
        ["ask", question, *(part for group in groups for part in ("--as", group))] for question, groups in QUESTIONS
    ]


def load_database(file: Path) -> None:
    """The SQL seed as an SQLite file, new each time, so that an edited seed is seen."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    connection = sqlite3.connect(fresh)
    connection.executescript((DATA / "sql" / "seed.sql").read_text(encoding="utf-8"))
    connection.close()
    fresh.replace(file)


def quote(argument: str) -> str:
    """As a shell would need it."""
    return f'"{argument}"' if " " in argument else argument


if __name__ == "__main__":
    sys.exit(main())
