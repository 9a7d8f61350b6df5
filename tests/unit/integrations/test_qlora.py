"""Training on the real libraries: a tiny Phi-3 with random weights, through kills, full disks and too little memory."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.answer_models import Message
from tasks.errors import BackendUnavailable, ConfigurationError, TrainingDiverged
from tasks.integrations.qlora import QLoRATrainer
from tasks.integrations.qlora.loading import Loaded, load_trainable, unpack_weights
from tasks.integrations.qlora.quiet import quiet_vendors
from tasks.training_models import TrainingConfig
from tasks.training_ports import EncodedExample, TrainingOutcome, TrainingProgress
from tests.conftest import REPOSITORY
from tests.fakes.tiny_models import save_tiny_phi
from tests.fakes.training import make_job

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def phi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_phi(tmp_path_factory.mktemp("phi") / "tiny-phi3")


class Run(list[TrainingProgress]):
    """A training and what it reported."""

    def __init__(
        self, phi: Path, folder: Path, trainer: QLoRATrainer | None = None, *, unlike: str = "", **values: object
    ) -> None:
        super().__init__()
        trainer = trainer or QLoRATrainer(cache=folder)
        self.folder = folder
        base = trainer.open_base(str(phi))
        job = make_job(base, str(phi), folder, **values)
        if unlike:
            # What training makes unlikely: the more is learnt, the worse it is judged, on every processor.
            answer = base.encode_answer(unlike)
            judged = [(*one.tokens[: -one.answer_tokens], *answer) for one in job.validation]
            validation = [EncodedExample(f"unlike-{place}", ids, len(answer)) for place, ids in enumerate(judged)]
            job = job._replace(validation=validation)
        self.outcome: TrainingOutcome = trainer.train(job, self.append)

    def weights(self) -> dict[str, Any]:
        from safetensors.torch import load_file

        return load_file(self.folder / "adapter_model.safetensors")


@pytest.fixture(scope="module")
def whole(phi: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One that nothing interrupts."""
    return Run(phi, tmp_path_factory.mktemp("whole"), epochs=4)


def far_apart(first: dict[str, Any], second: dict[str, Any]) -> float:
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def test_every_linear_map_of_phi_3_gets_an_adapter_its_fused_ones_too(whole: Run) -> None:
    names = {name.split(".")[-3] for name in whole.weights()}
    assert names == {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"}
    assert len(whole.weights()) == 2 * 2 * 4
    assert {file.name for file in whole.folder.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}


def test_training_lowers_both_losses_and_tells_every_step(whole: Run) -> None:
    summary = whole.outcome.summary
    assert [one.step for one in whole] == list(range(1, 13))
    assert whole[-1].seconds_left == 0
    assert summary.final_loss < whole.outcome.losses[0][1] - 0.5
    assert summary.validation_loss == min(loss for _, loss in whole.outcome.validation_losses)
    assert [step for step, _ in whole.outcome.validation_losses] == [2, 4, 6, 8, 10, 12]
    assert summary.tokens_per_second == pytest.approx(summary.tokens / summary.seconds)
    assert (summary.steps, summary.resumed, summary.stopped_early, summary.device) == (12, 0, False, "cpu")


def test_the_saved_adapter_answers_as_the_trained_one(phi: Path, tmp_path: Path) -> None:
    import torch
    from peft import PeftModel

    kept: list[Loaded] = []

    def load(folder: Path, config: TrainingConfig, device: str) -> Loaded:
        kept.append(load_trainable(folder, config, device))
        return kept[-1]

    run = Run(phi, tmp_path, QLoRATrainer(cache=tmp_path, load=load), epochs=2)
    base = QLoRATrainer(cache=tmp_path).open_base(str(phi))
    ids = torch.tensor([base.encode_prompt([Message(role="user", content="What is 3?")])])
    with quiet_vendors():
        fresh = load_trainable(phi, make_job(base, str(phi), tmp_path).config, "cpu").model.unload()
        untrained = fresh(ids).logits.float()
        reloaded = PeftModel.from_pretrained(fresh, run.folder).eval()
    trained = kept[0].model.eval()
    with torch.inference_mode():
        assert float((reloaded(ids).logits.float() - trained(ids).logits.float()).abs().max()) < 1e-6
        assert float((reloaded(ids).logits.float() - untrained).abs().max()) > 0.1


def test_after_kill_9_it_goes_on_to_the_same_adapter(phi: Path, tmp_path: Path, whole: Run) -> None:
    command = [sys.executable, "-m", "tests.fakes.killed_training", str(phi), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        # After step 5 there is the checkpoint of step 4, and a step that is lost.
        next(line for line in process.stdout if line.strip() == "5")
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "adapter_model.safetensors").exists()
    half_written = tmp_path / "checkpoints" / "checkpoint-9"
    half_written.mkdir()
    (half_written / "adapter_model.safetensors").write_text("killed while it was written")
    resumed = Run(phi, tmp_path, epochs=4)
    assert resumed[0].step == 5
    assert resumed.outcome.summary.resumed == 1
    assert far_apart(resumed.weights(), whole.weights()) < 1e-5
    assert dict(resumed.outcome.losses) == pytest.approx(dict(whole.outcome.losses))


def fail_when(condition: Callable[[Any], bool], error: Callable[[], Exception]) -> Callable[..., Loaded]:
    """A loader whose model raises at inputs for which the condition holds."""

    def load(folder: Path, config: TrainingConfig, device: str) -> Loaded:
        loaded = load_trainable(folder, config, device)

        def look(_module: Any, _args: Any, kwargs: dict[str, Any]) -> None:
            if condition(kwargs["input_ids"]):
                raise error()

        loaded.model.get_base_model().base_model.register_forward_pre_hook(look, with_kwargs=True)
        return loaded

    return load


def test_too_little_memory_halves_the_examples_at_once_and_changes_no_result(
    phi: Path, tmp_path: Path, whole: Run
) -> None:
    import torch

    load = fail_when(lambda ids: ids.shape[0] > 2, lambda: torch.OutOfMemoryError("no memory"))
    run = Run(phi, tmp_path, QLoRATrainer(cache=tmp_path, load=load), epochs=4, micro_batch_examples=4)
    assert run[0].note == (
        "out of memory with 4 examples at once: going on with 2 at once and 2 rounds a step, which changes no result"
    )
    assert far_apart(run.weights(), whole.weights()) < 1e-5


def test_memory_for_not_even_one_example_is_told(phi: Path, tmp_path: Path) -> None:
    words = (
        "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
    )
    load = fail_when(lambda _: True, lambda: RuntimeError(words))
    with pytest.raises(BackendUnavailable, match="does not hold one example"):
        Run(phi, tmp_path, QLoRATrainer(cache=tmp_path, load=load))


def test_other_faults_of_torch_are_left_alone(phi: Path, tmp_path: Path) -> None:
    load = fail_when(lambda _: True, lambda: RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        Run(phi, tmp_path, QLoRATrainer(cache=tmp_path, load=load))


def test_a_loss_that_is_no_number_ends_the_training(phi: Path, tmp_path: Path) -> None:
    def load(folder: Path, config: TrainingConfig, device: str) -> Loaded:
        loaded = load_trainable(folder, config, device)
        loaded.model.get_output_embeddings().weight.data[3, 3] = float("nan")
        return loaded

    with pytest.raises(TrainingDiverged, match="loss of step 1 is not a number"):
        Run(phi, tmp_path, QLoRATrainer(cache=tmp_path, load=load))
    assert not (tmp_path / "adapter_model.safetensors").exists()


def test_a_full_disk_in_a_checkpoint_is_told_and_gone_on_from(phi: Path, tmp_path: Path, whole: Run) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(BackendUnavailable, match="a checkpoint cannot be written") as caught:
            Run(phi, tmp_path, epochs=4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "goes on from the last checkpoint" in caught.value.advice
    assert far_apart(Run(phi, tmp_path, epochs=4).weights(), whole.weights()) < 1e-5


def test_patience_ends_a_training_and_the_best_weights_are_kept(phi: Path, tmp_path: Path) -> None:
    run = Run(phi, tmp_path, unlike="Not so, never.", epochs=12, learning_rate=0.05, patience_evaluations=2, dropout=0)
    summary = run.outcome.summary
    assert summary.stopped_early
    assert summary.steps < 36
    judged = [loss for _, loss in run.outcome.validation_losses]
    assert summary.validation_loss == min(judged)
    assert summary.validation_loss < judged[-1]


def test_adapters_in_the_upper_half_only(phi: Path, tmp_path: Path) -> None:
    run = Run(phi, tmp_path, layers_share=0.5)
    assert {name.split(".layers.")[1][0] for name in run.weights()} == {"1"}


def test_lora_trains_without_four_bits(phi: Path, tmp_path: Path) -> None:
    run = Run(phi, tmp_path, method="lora", gradient_checkpointing=True, epochs=2)
    assert run.outcome.summary.final_loss < run.outcome.losses[0][1]


def test_a_base_model_without_a_chat_template_is_refused(tmp_path: Path) -> None:
    base = QLoRATrainer(cache=tmp_path).open_base(str(save_tiny_phi(tmp_path / "bare", template=None)))
    with pytest.raises(ConfigurationError, match="no chat template"):
        base.encode_prompt([Message(role="user", content="Hi")])


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    folder = save_tiny_phi(tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ConfigurationError, match="no safetensors weights"):
        QLoRATrainer(cache=tmp_path).open_base(str(folder))


@pytest.mark.parametrize("unpacked", [False, True])
def test_gradients_through_four_bits_equal_those_through_their_value(phi: Path, *, unpacked: bool) -> None:
    import torch
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn.modules import Linear4bit
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    packing = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    packed: Any = AutoModelForCausalLM.from_pretrained(
        phi, quantization_config=packing, dtype=torch.float32, device_map={"": "cpu"}
    )
    reference: Any = AutoModelForCausalLM.from_pretrained(phi, dtype=torch.float32)
    for name, layer in packed.named_modules():
        if isinstance(layer, Linear4bit):
            weight: Any = layer.weight
            reference.get_submodule(name).weight.data = dequantize_4bit(weight.data, weight.quant_state).float()
    # Without the memory for it the layers stay packed, and the result is the same.
    assert unpack_weights(packed, torch.float32, share=0.25 if unpacked else 0.0) is unpacked
    gradients = []
    for model in (packed, reference):
        torch.manual_seed(3)
        with quiet_vendors():
            peft = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear"))
        for name, parameter in peft.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter)
        ids = torch.arange(40).reshape(2, 20) + 30
        peft.train()
        peft(input_ids=ids, labels=ids).loss.backward()
        gradients.append({n: p.grad for n, p in peft.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        other = gradients[1][name]
        cosine = torch.nn.functional.cosine_similarity(gradient.flatten(), other.flatten(), dim=0)
        assert float(cosine) > 0.99999, name
