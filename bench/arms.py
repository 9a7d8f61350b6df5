"""Answers a second of the four arms, against a plain loop that asks one question after the other.

    EXPERTLOOP_HOME=… python bench/arms.py [--questions 8] [--plain 4]

Needs a home with a dataset (`expertloop curate snapshot`). "plain" is the shortest program that does the same: the chat
template, one `model.generate` a question, with the same model, number format, greedy search and longest answer. base
and tuned are the same model here: an adapter changes the weights and not the work. The second line of ours judges
another adapter: what the base said is remembered.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tasks.curation_models import Example
from tasks.evaluation.arms import ArmOptions, ask_prompts, plan_prompts, sample_examples
from tasks.integrations.causal_models import find_model, load_model, load_tokenizer
from tasks.integrations.database.arms import DatabaseArms
from tasks.integrations.database.engine import Database
from tasks.integrations.processor import describe_processor
from tasks.integrations.transformers import TransformersGenerator
from tasks.settings import Settings
from tasks.wiring import Application


class Named(TransformersGenerator):
    """The same model under another name: what is asked of one is not remembered of the other."""

    identity = "adapter"


def main() -> None:
    """Print answers a second of both, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=8)
    parser.add_argument("--plain", type=int, default=4, help="questions of them that the plain loop is asked")
    arguments = parser.parse_args()
    app = Application(Settings())
    settings = app.settings
    options = ArmOptions(settings.tenant, settings.answer_passages, settings.answer_tokens)
    examples = sample_examples(app.read_test_examples(app.find_dataset(None)), arguments.questions)
    base = TransformersGenerator("smollm2", cache=settings.cache)
    base.generate([plan_prompts(examples[:1], base, options, with_passages=False)[0].messages], max_tokens=8)
    print(f"{describe_processor()}; {len(examples)} questions, {options.max_tokens} tokens at most")
    plain = time_plain(examples[: arguments.plain], base, options, settings.cache)
    print(f"plain loop        {plain:.2f} answers/s")
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'arms.db'}")
        database.migrate()
        store = DatabaseArms(database)
        for name in ("first adapter", "second adapter"):
            tuned = type(name, (Named,), {"identity": name})("smollm2", cache=settings.cache)
            tuned.__dict__["_model"] = base._model
            speed = time_ours(examples, (base, tuned), options, store)
            print(f"{name:17} {speed:.2f} answers/s, {speed / plain:.2f} times")


def time_ours(
    examples: Sequence[Example], models: Sequence[TransformersGenerator], options: ArmOptions, store: DatabaseArms
) -> float:
    """Answers a second of four arms."""
    started = time.perf_counter()
    for generator in models:
        for with_passages in (False, True):
            prompts = plan_prompts(examples, generator, options, with_passages=with_passages)
            for _ in ask_prompts(prompts, generator, store, options):
                pass
    return 4 * len(examples) / (time.perf_counter() - started)


def time_plain(
    examples: Sequence[Example], generator: TransformersGenerator, options: ArmOptions, cache: Path
) -> float:
    """Answers a second, one prompt at a time."""
    import torch

    folder = find_model("smollm2", cache=cache)
    tokenizer, model = load_tokenizer(folder), load_model(folder)
    started = time.perf_counter()
    for _ in range(2):
        for with_passages in (False, True):
            for prompt in plan_prompts(examples, generator, options, with_passages=with_passages):
                chat = [one.model_dump() for one in prompt.messages]
                ids = tokenizer.apply_chat_template(
                    chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
                )
                with torch.inference_mode():
                    model.generate(**ids, max_new_tokens=options.max_tokens, do_sample=False)
    return 4 * len(examples) / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
