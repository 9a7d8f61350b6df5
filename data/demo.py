"""`make demo`: the sample company goes once around, through the same commands that a user types.

Documents in, cited answers out; experts' pairs in, a fine-tuned candidate out, measured against what serves; cases
worked through, and what a person corrects is a candidate for the next training. Run again, it finds what it did before.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent
HOME = DATA / "work" / "demo"
COMMAND = Path(sys.executable).with_name("expertloop")
QUESTIONS = (
    ("What suction lift does a primed D120 manage?", ()),
    ("Wie viel Öl gehört ins Getriebe einer D240?", ()),
    ("What is the salary band of a service technician?", ()),
    ("What is the salary band of a service technician?", ("hr",)),
    ("Who won the football world cup in 1990?", ()),
)
SERVED_QUESTION = "What is the list price of a Taktor D480 in euros?"
LEARNT_QUESTION = "How much tube do I have to order when I replace the hose of a Minim pump?"
CORRECTED = "case-058"
CORRECTION = (
    *("--question", "Was soll mit einer falsch gelieferten Pumpe geschehen?"),
    *("--text", "Behalten Sie die falsch gelieferte Pumpe bitte, bis wir sie beim Umtausch kostenlos abholen."),
)
# A first look on two processor cores; without the limits it is the real thing, and takes hours.
TRAINING = ("train", "--max-tokens", "25000", "--max-questions", "20")


def main() -> int:
    """Run the demo; the first command that fails ends it with its own exit code."""
    started = time.monotonic()
    environment = os.environ | {
        "EXPERTLOOP_HOME": str(HOME),
        "EXPERTLOOP_SOURCES": str(DATA / "sources.yaml"),
        "EXPERTLOOP_GLOSSARY": str(DATA / "glossary.yaml"),
        "EXPERTLOOP_PROCESSES": str(DATA / "processes"),
        # Shorter than by default: on two processor cores each token counts.
        "EXPERTLOOP_ANSWER_TOKENS": "64",
    }
    load_database(HOME / "products.db")
    try:
        show(environment, ["ingest"], ["status"], *ask_commands(), ["quarantine"])
        ask_the_server(environment)
        show(environment, ["curate", "import", str(DATA / "pairs.jsonl")], [*TRAINING])
        show(environment, ["adapters"], ["ask", LEARNT_QUESTION], ["advise"])
        show(environment, ["cases", "run", str(DATA / "cases" / "mails")], ["cases", "list", "--limit", "10"])
        correct_a_case(environment)
    except subprocess.CalledProcessError as error:
        return error.returncode
    print(f'\nDone in {time.monotonic() - started:.0f} s. Ask your own: EXPERTLOOP_HOME={HOME} {COMMAND} ask "…"')
    return 0


def show(environment: Mapping[str, str], *commands: Sequence[str]) -> None:
    """Each command as a user sees it."""
    for arguments in commands:
        print(f"\n$ expertloop {' '.join(quote(argument) for argument in arguments)}", flush=True)
        subprocess.run([str(COMMAND), *arguments], env=environment, check=True)


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


def correct_a_case(environment: Mapping[str, str]) -> None:
    """A person answers a case that waits: it is closed, and the pair is a candidate for the next training."""
    waiting = run_command(environment, "cases", "list", "--state", "handled", "--json").splitlines()
    if CORRECTED in {json.loads(line)["id"] for line in waiting}:
        show(environment, ["cases", "correct", CORRECTED, *CORRECTION])
    show(environment, ["curate", "list", "--state", "candidate"])


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
