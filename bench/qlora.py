"""Trained tokens a second and peak memory of QLoRA, against TRL as its documentation uses it, and against LoRA.

    EXPERTLOOP_HOME=… python bench/qlora.py [--examples 32] [--rounds 3]

Needs a home with a dataset (`expertloop curate snapshot`). Both train the same examples in the same order from the
same first weights, NF4 and rank alike, eight examples a step, without validation; each round is a process of its own,
and the arms take turns. "trl" gives `SFTTrainer` a step's eight examples at once, "trl, one at a time" lets it
accumulate, which takes less memory, in bfloat16 where the processor has it, as TRL does, or in float32. "ours, LoRA"
leaves the base weights as they are. Memory is the peak of the process, its libraries included (and told); the last
losses of all that train the same weights must agree.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tasks.integrations.causal_models import find_model
from tasks.integrations.processor import describe_processor
from tasks.settings import Settings
from tasks.training.presets import make_config
from tasks.training.train import prepare_training
from tasks.training_models import TrainingConfig
from tasks.training_ports import EncodedExample, TrainingJob
from tasks.wiring import Application

IGNORED = -100


class Measured(NamedTuple):
    """One training in one process."""

    tokens_per_second: float
    peak_megabytes: float
    imported_megabytes: float
    loss: float


def main() -> None:
    """Print a line an arm, and the ratios to the faster and to the smaller of TRL's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--run", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(run_arm(arguments.run, arguments.data)))
        return
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "examples.json"
        examples = choose_examples(arguments.examples)
        data.write_text(json.dumps(examples))
        tokens = [len(one.tokens) for one in examples]
        print(
            f"{describe_processor()}; {len(tokens)} examples, {sum(tokens)} tokens, longest {max(tokens)}", flush=True
        )
        runs: dict[str, list[Measured]] = {name: [] for name in arguments.arms}
        for _ in range(arguments.rounds):
            for name in arguments.arms:
                runs[name].append(start_arm(name, data))
                print(f"  {name:27} {runs[name][-1]}", file=sys.stderr, flush=True)
    report({name: Measured(*map(statistics.median, zip(*found, strict=True))) for name, found in runs.items()})


def choose_examples(count: int) -> list[EncodedExample]:
    """The first examples of the newest dataset, in the order in which they are learnt."""
    app = Application(Settings())
    config = make_config()
    base = app.trainer.open_base(config.base_model)
    content = app.read_dataset(app.find_dataset(None).dataset_id)
    prepared = prepare_training(content, config, base, app.training_ports.split_sentences)
    return [prepared.train.examples[place] for place in prepared.order[:count]]


def start_arm(name: str, data: Path) -> Measured:
    """Run an arm in a process of its own."""
    command = [sys.executable, __file__, "--run", name, "--data", str(data)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Measured(*json.loads(done.stdout.splitlines()[-1]))


def run_arm(name: str, data: Path) -> Measured:
    """Train once, in this process."""
    from tasks.integrations.qlora.quiet import quiet_vendors

    examples = [EncodedExample(*one) for one in json.loads(data.read_text())]
    with quiet_vendors():
        return ARMS[name](examples)


def train_ours(examples: Sequence[EncodedExample], method: str = "qlora") -> Measured:
    """As `expertloop train` does."""
    import peft
    import trl.trainer.sft_trainer

    from tasks.integrations.qlora import QLoRATrainer

    del peft, trl
    imported = read_peak()
    config = make_config(values={"warmup_share": 0, "method": method})
    with tempfile.TemporaryDirectory() as folder:
        job = TrainingJob(config, Path(folder), examples, list(range(len(examples))), [])
        outcome = QLoRATrainer(cache=Settings().cache).train(job, lambda _: None)
    summary = outcome.summary
    return Measured(summary.tokens_per_second, read_peak(), imported, summary.final_loss)


def train_with_trl(examples: Sequence[EncodedExample], at_once: int, dtype_name: str | None = None) -> Measured:
    """A 4-bit model, a LoRA configuration and `SFTTrainer`; loss on the answers alone.

    Args:
        at_once: Examples computed together; the rest of a step is accumulated.
        dtype_name: Computed in; None: bfloat16 where the processor has it, which is TRL's own default.
    """
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, set_seed
    from trl.trainer.sft_trainer import SFTTrainer

    from tasks.integrations.causal_models import choose_dtype

    imported = read_peak()
    config = make_config()
    folder = find_model(config.base_model, cache=Settings().cache)
    dtype = getattr(torch, dtype_name or choose_dtype("cpu"))
    packing = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    model = AutoModelForCausalLM.from_pretrained(folder, quantization_config=packing, dtype=dtype, device_map="cpu")
    set_seed(config.seed)
    rows = [
        {
            "input_ids": list(one.tokens),
            "labels": [IGNORED] * (len(one.tokens) - one.answer_tokens) + list(one.tokens[-one.answer_tokens :]),
        }
        for one in examples
    ]
    with tempfile.TemporaryDirectory() as output:
        trainer = SFTTrainer(
            model=model,
            args=make_arguments(config, output, at_once, bf16=dtype is torch.bfloat16),
            train_dataset=Dataset.from_list(rows),
            processing_class=AutoTokenizer.from_pretrained(folder),
            peft_config=make_lora(config),
        )
        started = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - started
    losses = [one["loss"] for one in trainer.state.log_history if "loss" in one]
    last = losses[-max(1, len(losses) // 10) :]
    tokens = sum(len(one.tokens) for one in examples)
    return Measured(tokens / seconds, read_peak(), imported, sum(last) / len(last))


def make_arguments(config: TrainingConfig, output: str, at_once: int, *, bf16: bool) -> Any:
    """What a user writes; the order is kept, so that both learn the same."""
    from trl.trainer.sft_config import SFTConfig

    return SFTConfig(
        output_dir=output,
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=config.batch_examples // at_once,
        num_train_epochs=1,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0,
        max_grad_norm=config.max_gradient_norm,
        train_sampling_strategy="sequential",
        gradient_checkpointing=False,
        bf16=bf16,
        use_cpu=True,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        max_length=None,
        seed=config.seed,
        dataloader_pin_memory=False,
    )


def make_lora(config: TrainingConfig) -> Any:
    """The same adapter as ours."""
    from peft import LoraConfig

    return LoraConfig(
        task_type="CAUSAL_LM",
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules="all-linear",
    )


def read_peak() -> float:
    """Megabytes of this process until now."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def report(medians: dict[str, Measured]) -> None:
    """Medians, and ratios to TRL's faster and smaller run."""
    ours = medians["ours"]
    for name, one in medians.items():
        print(
            f"{name:27} {one.tokens_per_second:7.1f} tokens/s  {one.peak_megabytes:6.0f} MB at the peak "
            f"({one.imported_megabytes:.0f} MB libraries)  last loss {one.loss:.3f}"
        )
    for name, one in list(medians.items())[1:]:
        own = (ours.peak_megabytes - ours.imported_megabytes) / (one.peak_megabytes - one.imported_megabytes)
        print(
            f"ours to {name}: {ours.tokens_per_second / one.tokens_per_second:.2f} times the tokens/s, "
            f"{ours.peak_megabytes / one.peak_megabytes:.2f} times the memory ({own:.2f} without libraries), "
            f"loss {ours.loss - one.loss:+.3f}"
        )


ARMS: dict[str, Callable[[Sequence[EncodedExample]], Measured]] = {
    "ours": train_ours,
    "ours, LoRA": lambda examples: train_ours(examples, "lora"),
    "trl": lambda examples: train_with_trl(examples, make_config().batch_examples),
    "trl, one at a time": lambda examples: train_with_trl(examples, 1),
    "trl, float32, one at a time": lambda examples: train_with_trl(examples, 1, "float32"),
}

if __name__ == "__main__":
    main()
