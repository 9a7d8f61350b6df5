"""Four arms on TeleQuAD: does fine-tuning on retrieved passages make a small model better at telecommunications?

    python bench/telequad.py FOLDER HOME [--questions 320] [--minutes 110] [-- more words of `expertloop train`]

FOLDER holds TeleQuAD-v4-full.json (CC BY-ND 4.0; it is read where it lies). HOME keeps everything: killed, or stopped
after --minutes, the same command goes on where it was. The passages become documents, one each: those of a web page
stay together, so that splits by document never divide a page. Pairs quote the paragraph around their answer; impossible
questions have the refusal as their answer. Everything else is done by the commands that a user types.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.integrations.processor import describe_processor
from tasks.prompting import REFUSAL

COMMAND = Path(sys.executable).with_name("expertloop")
ACCEPTED = ("not-supported", "support-unclear", "language", "near-duplicate", "conflict", "personal-data")
"""What TeleQuAD's authors vouch for; short verbatim answers in their quotes need no second look."""

SETTINGS = {
    "EXPERTLOOP_CHUNK_TOKENS": "128",
    "EXPERTLOOP_ANSWER_PASSAGES": "2",
    "EXPERTLOOP_ANSWER_TOKENS": "48",
    "EXPERTLOOP_TEST_SHARE": "0.2",
    "EXPERTLOOP_DISTRACTOR_PASSAGES": "2",
}
TRAINING = ("--set", "passages=2", "--set", "layers_share=0.5", "--set", "epochs=1", "--set", "max_example_tokens=640")


def main() -> None:
    """Prepare what is missing, train, compare, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("home", type=Path)
    parser.add_argument("--questions", type=int, default=320, help="held-out questions an arm")
    parser.add_argument("--minutes", type=float, default=110, help="of one sitting")
    mine, more = split_words(sys.argv[1:])
    arguments = parser.parse_args(mine)
    home = arguments.home.absolute()
    prepare(arguments.folder, home)
    print(describe_processor(), flush=True)
    words = ("train", *TRAINING, "--max-questions", str(arguments.questions), *more, "--json")
    try:
        result = json.loads(run(home, *words, seconds=60 * arguments.minutes))
    except subprocess.TimeoutExpired:
        print(f"stopped after {arguments.minutes:g} minutes; the same command goes on")
        return
    show(result)


def split_words(words: list[str]) -> tuple[list[str], list[str]]:
    """Our own options, and what comes after "--": those of `expertloop train`."""
    place = words.index("--") if "--" in words else len(words)
    return words[:place], words[place + 1 :]


def prepare(folder: Path, home: Path) -> None:
    """Documents in, pairs in; once."""
    done = home / "prepared"
    if done.exists():
        return
    documents, pairs = home / "documents", home / "pairs.jsonl"
    found = group(load(folder))
    write_documents(found, documents)
    with pairs.open("w", encoding="utf-8") as stream:
        for name, paragraphs in found.items():
            stream.writelines(json.dumps(pair) + "\n" for one in paragraphs for pair in make_pairs(one, name))
    run(home, "ingest", str(documents))
    print(run(home, "curate", "import", str(pairs))[-700:])
    approve_rest(home)
    done.touch()


def load(folder: Path) -> list[dict[str, Any]]:
    """The entries of the data set."""
    found: list[dict[str, Any]] = json.loads((folder / "TeleQuAD-v4-full.json").read_text(encoding="utf-8"))["data"]
    return found


def write_documents(paragraphs: Mapping[str, list[dict[str, Any]]], folder: Path) -> None:
    """One file a document."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, parts in paragraphs.items():
        (folder / name).write_text("\n\n".join(one["context"] for one in parts), encoding="utf-8")


def group(data: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Paragraphs by the document they become: one an entry of a specification, one a web page."""
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in data:
        name = entry["title"] if entry["source"].startswith("3GPP") else entry["source"]
        found.setdefault(re.sub(r"[^A-Za-z0-9.-]+", "_", name)[-120:] + ".txt", []).extend(entry["paragraphs"])
    return found


def make_pairs(paragraph: dict[str, Any], document: str) -> Iterator[dict[str, Any]]:
    """One a question, in the form of `curate import`."""
    for asked in paragraph["qas"]:
        pair = {"question": asked["question"], "language": "en", "author": "telequad", "state": "approved"}
        if asked["is_impossible"]:
            yield pair | {"answer": REFUSAL["en"]}
        elif asked["answers"]:
            answer = asked["answers"][0]
            quote = surrounding(paragraph["context"], answer["answer_start"], answer["answer_end"])
            yield pair | {"answer": answer["text"], "evidence": [{"document": document, "quote": quote}]}


def surrounding(text: str, start: int, end: int) -> str:
    """The lines that an answer stands in."""
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", end)
    return text[first : last if last >= 0 else len(text)].strip()


def approve_rest(home: Path) -> None:
    """Candidates with findings that a person may accept are approved, as their authors did."""
    lines = run(home, "curate", "list", "--state", "candidate", "--json").splitlines()
    flagged = [json.loads(line)["pair_id"] for line in lines]
    accepted = [word for code in ACCEPTED for word in ("--accept", code)]
    approved = 0
    for place in range(0, len(flagged), 200):
        done = subprocess.run(
            [str(COMMAND), "curate", "approve", *flagged[place : place + 200], *accepted],
            env=environment(home),
            check=False,
            capture_output=True,
        )
        approved += done.returncode == 0
    print(f"{len(flagged)} pairs had findings; {approved} batches of them are approved")


def run(home: Path, *arguments: str, seconds: float | None = None) -> str:
    """What a command prints on stdout; its notes are seen.

    Raises:
        TimeoutExpired: It was stopped; what it did so far is kept.
    """
    print(f"$ expertloop {' '.join(arguments)}", file=sys.stderr, flush=True)
    return subprocess.run(
        [str(COMMAND), *arguments],
        env=environment(home),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=seconds,
    ).stdout


def environment(home: Path) -> dict[str, str]:
    """Ours, in this home."""
    return os.environ | SETTINGS | {"EXPERTLOOP_HOME": str(home), "EXPERTLOOP_GATE_SLICES": "language"}


def show(result: dict[str, Any]) -> None:
    """The table of docs/benchmarks.md."""
    training = result["training"]
    print(
        f"adapter {result['adapter_id']}: {training['tokens']} tokens, {training['tokens_per_second']:.0f} tokens/s, "
        f"{training['peak_memory_bytes'] / 1e9:.1f} GB, loss {training['final_loss']:.3f}"
    )
    print("arm         questions  F1 (95 %)          EM    refusal precision/recall")
    for name, arm in result["arms"].items():
        print(
            f"{name:11} {arm['questions']:9}  {arm['f1']:.3f} ({arm['f1_low']:.3f}-{arm['f1_high']:.3f})  "
            f"{arm['em']:.3f}  {arm['refusal_precision']} / {arm['refusal_recall']}"
        )
    print(f"gate: {result['gate']['decision']}")
    for reason in result["gate"]["reasons"]:
        print(f"  {reason}")


if __name__ == "__main__":
    main()
