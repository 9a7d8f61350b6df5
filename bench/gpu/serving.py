"""How fast adapters follow each other in one process, and several of them in one batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bench.gpu.device import wait
from bench.gpu.shapes import ADAPTERS, Size
from tasks.integrations.adaptable_model import AdaptableModel, AdapterFiles
from tasks.integrations.causal_models import choose_dtype, fingerprint_model
from tasks.integrations.qlora.memory import read_peak, reset_peak
from tasks.prompting import PROMPT_VERSION


def measure_serving(size: Size, work: Path, device: str) -> Iterator[dict[str, Any]]:
    """Rows of `AdaptableModel`, with which `expertloop serve` swaps, then rows of generation."""
    base_hash = fingerprint_model(work / "model")
    files = [AdapterFiles(name, work / "adapters" / name, base_hash, PROMPT_VERSION) for name in ADAPTERS]
    model = AdaptableModel(work / "model", dtype=choose_dtype(device))
    yield {"what": "base and first adapter loaded", "seconds": clock(partial(activate, model, files[0]), device)}
    yield {"what": "second adapter loaded beside", "seconds": clock(partial(activate, model, files[1]), device)}
    activate(model, files[2])
    swaps = sorted(clock(partial(activate, model, files[turn % 3]), device) for turn in range(size.swaps))
    yield {"what": "switched to a loaded one, median", "seconds": swaps[len(swaps) // 2]}
    yield {"what": "switched to a loaded one, slowest", "seconds": swaps[-1]}
    yield from measure_generation(model, files, size, device)


def activate(model: AdaptableModel, adapter: AdapterFiles) -> None:
    """Nothing is asked."""
    with model.activate(adapter):
        pass


def clock(do: Callable[[], object], device: str) -> float:
    """Seconds until the device is done."""
    wait(device)
    started = time.perf_counter()
    do()
    wait(device)
    return time.perf_counter() - started


def measure_generation(
    model: AdaptableModel, files: list[AdapterFiles], size: Size, device: str
) -> Iterator[dict[str, Any]]:
    """The same prompts: one adapter for all, three in one batch by PEFT's adapter_names, three batches in turn."""
    import torch

    torch.manual_seed(0)
    prompts: Any = torch.randint(10, size.small["vocab_size"], (size.prompts, size.prompt_tokens), device=device)
    share = size.prompts // len(files)
    names = [one.adapter_id for one in files for _ in range(share)]

    def alone() -> Any:
        return ask(model, files[0], prompts, size)

    def mixed() -> Any:
        return ask(model, files[0], prompts, size, adapter_names=names)

    def in_turn() -> Any:
        parts = zip(files, prompts.split(share), strict=True)
        return torch.cat([ask(model, one, part, size) for one, part in parts])

    reset_peak(device)
    for what, do in (("one adapter", alone), ("three in one batch", mixed), ("three in turn", in_turn)):
        do()
        seconds = clock(do, device)
        yield {
            "what": f"generated with {what}",
            "seconds": seconds,
            "tokens_per_second": size.prompts * size.new_tokens / seconds,
            "peak_memory_bytes": read_peak(device),
        }
    # Rounding may turn a tie between tokens of random weights, and all that follow: the first ones are compared.
    same = (mixed()[:, 0] == in_turn()[:, 0]).float().mean().item()
    yield {"what": "first tokens of one batch like those in turn", "share": same}


def ask(model: AdaptableModel, adapter: AdapterFiles, prompts: Any, size: Size, **more: Any) -> Any:
    """The new tokens."""
    import torch

    with model.activate(adapter) as adapted, torch.inference_mode():
        written = adapted.generate(
            input_ids=prompts,
            attention_mask=torch.ones_like(prompts),
            do_sample=False,
            min_new_tokens=size.new_tokens,
            max_new_tokens=size.new_tokens,
            pad_token_id=0,
            **more,
        )
    return written[:, prompts.shape[1] :]
