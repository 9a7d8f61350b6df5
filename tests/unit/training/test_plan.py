"""The plan's arithmetic: what is known of published models, and what must grow with what."""

from __future__ import annotations

import pytest

from tasks.answering.sentences import split_sentences
from tasks.training.plan import (
    LLAMA_70B,
    Machine,
    count_activations,
    count_adapter,
    explain_70b,
    explain_devices,
    explain_peak,
    need_memory,
    plan_training,
)
from tasks.training.presets import make_config
from tasks.training.train import DatasetContent, prepare_training
from tasks.training_models import ModelShape, TrainingPlan
from tests.fakes.training import LetterBase, make_example

CONTENT = DatasetContent("dataset-1", [make_example(n) for n in range(40)], [make_example(90)], documents=40)
CPU = Machine("cpu", compute_bytes=4, process_bytes=800_000_000, tokens_per_second=None)


def plan(machine: Machine = CPU, **values: object) -> TrainingPlan:
    config = make_config(values=values)
    return plan_training(prepare_training(CONTENT, config, LetterBase(), split_sentences), config, machine)


def test_a_published_model_has_its_published_number_of_parameters() -> None:
    assert pytest.approx(70.55e9, rel=0.001) == LLAMA_70B.parameters


def test_an_adapter_has_rank_times_in_and_out_of_each_map() -> None:
    whole, half = (count_adapter(LLAMA_70B, make_config(values={"layers_share": share})) for share in (1.0, 0.5))
    assert whole == 80 * 16 * sum(before + after for before, after in LLAMA_70B.linear_shapes)
    assert half * 2 == whole


def test_full_fine_tuning_takes_sixteen_bytes_a_parameter_and_qlora_a_fraction() -> None:
    full, lora, qlora = (
        need_memory(method, LLAMA_70B, make_config(), activations=0, tokens=1) for method in ("full", "lora", "qlora")
    )
    assert full.total_bytes == 16 * LLAMA_70B.parameters
    assert full.devices > lora.devices > qlora.devices == 1
    assert "16 devices" in explain_70b(make_config())


def test_steps_tokens_and_examples_are_those_of_the_training() -> None:
    made = plan(max_tokens=4000)
    assert made.tokens <= 4000
    assert made.examples == 40
    assert sum(made.kinds.values()) == 40
    assert any(f"{made.tokens} tokens in {made.steps} steps" in line for line in made.lines)


def test_memory_grows_with_what_is_computed_at_once_and_shrinks_with_checkpointing() -> None:
    small, large = plan(micro_batch_examples=1), plan(micro_batch_examples=8)
    assert large.peak_memory_bytes > small.peak_memory_bytes
    assert plan(micro_batch_examples=8, gradient_checkpointing=True).peak_memory_bytes < large.peak_memory_bytes


def test_memory_here_is_the_process_and_what_training_adds_and_the_sum_is_shown() -> None:
    more = plan(CPU._replace(process_bytes=1_800_000_000))
    assert more.peak_memory_bytes - plan().peak_memory_bytes == 1_000_000_000
    line = next(line for line in more.lines if line.startswith("memory here"))
    assert "process 1.97 + weights" in line
    assert line.endswith(f"= {more.peak_memory_bytes / 1e9:.2f} GB")


def test_what_a_step_keeps_is_what_was_counted_block_by_block_in_a_real_one() -> None:
    # SmolLM2-135M in bfloat16 by torch's saved tensors: 13.6 MiB a layer of 512 tokens, adapter casts included.
    shape = ModelShape(
        layers=30,
        hidden=576,
        intermediate=1536,
        heads=9,
        key_value_heads=3,
        head_size=64,
        vocabulary=49152,
        tied=True,
    )
    counted = count_activations(shape, make_config(), 512, 0, 2)
    assert counted / 30 == pytest.approx(13.6 * 2**20, rel=0.05)


def test_time_is_told_where_it_was_measured() -> None:
    assert plan().expected_seconds is None
    measured = plan(CPU._replace(tokens_per_second=100.0))
    assert measured.expected_seconds == pytest.approx(measured.tokens / 100)


GPU = Machine("cuda", compute_bytes=2, process_bytes=0, tokens_per_second=None)


def peak_of_70b(**values: object) -> float:
    config = make_config("70b-fsdp-qlora", values)
    return explain_peak(LLAMA_70B, config, 2_000_000_000, GPU)[0] / 1e9


def test_devices_that_share_a_model_load_it_whole_and_then_keep_their_share() -> None:
    alone = peak_of_70b(strategy="single", devices=1)
    assert peak_of_70b(devices=2) == pytest.approx(39.5, abs=1.0)  # what it takes to load 4-bit weights
    assert peak_of_70b(devices=2) < alone
    assert peak_of_70b(strategy="ddp", devices=2) == alone


def test_what_nobody_has_seen_run_is_labelled_in_the_plan() -> None:
    shared = make_config("70b-fsdp-qlora")
    assert explain_devices(shared, GPU) == [
        "2 GPUs, a share of the model on each (strategy=fsdp); never run: it needs two GPUs"
    ]
    both = make_config(values={"strategy": "ddp", "devices": 2})
    assert explain_devices(both, CPU) == ["2 processes on a processor, the whole model on each (strategy=ddp)"]


def test_processes_that_share_a_processor_take_its_memory_together() -> None:
    one, two = plan(micro_batch_examples=1), plan(micro_batch_examples=1, strategy="ddp", devices=2)
    assert two.peak_memory_bytes == 2 * one.peak_memory_bytes + CPU.process_bytes
    assert two.adapter_id == one.adapter_id
