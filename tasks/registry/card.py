"""An adapter's model card, in the hub's format: what it is, what it was made from, what was measured, its limits.

Mitchell et al., "Model Cards for Model Reporting", 2019; the head is what the hub reads.
"""

from __future__ import annotations

import yaml

from tasks.training_models import Adapter


def write_model_card(adapter: Adapter, measured: str, *, base_license: str | None) -> str:
    """The text of README.md.

    Args:
        adapter: What is described.
        measured: Arms and decision, as Markdown; empty when nobody judged it.
        base_license: Of the base model, in the hub's words; None: nobody knows.
    """
    unknown = {"license": "other", "license_name": "that of the base model, which does not say"}
    head = {
        "library_name": "peft",
        "base_model": adapter.base_model,
        "tags": ["expertloop", adapter.config.method, "rag"],
        "datasets": [adapter.dataset_id],
        **({"license": base_license} if base_license else unknown),
    }
    parts = [
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---",
        f"# Adapter {adapter.adapter_id}",
        _describe_use(adapter),
        _describe_data(adapter),
        _describe_training(adapter),
        measured.strip() or "## Arms\n\nNobody has judged it.",
        _LIMITS,
    ]
    return "\n\n".join(parts) + "\n"


_LIMITS = """## Limits

It was trained on the answers of one company's experts to questions about one state of its documents. It says nothing
reliable without passages, its facts are as old as its dataset, and it must be asked with the prompt version above: what
it was trained on is what it is asked. An adapter is no place for secrets: whoever may load it may get its training data
out of it."""


def _describe_use(adapter: Adapter) -> str:
    return (
        f"LoRA weights for `{adapter.base_model}` ({adapter.base_hash}), to be used by expertloop with prompt version "
        f"{adapter.prompt_version}, for tenant `{adapter.tenant}`, for {adapter.scope}."
    )


def _describe_data(adapter: Adapter) -> str:
    summary = adapter.summary
    return (
        f"## Data\n\nDataset `{adapter.dataset_id}`: {summary.examples} examples trained, {summary.left_out} too long. "
        f"`expertloop curate datasets {adapter.dataset_id}` shows its own card, `expertloop lineage "
        f"{adapter.adapter_id}` the documents and pairs in the weights."
    )


def _describe_training(adapter: Adapter) -> str:
    config, summary = adapter.config, adapter.summary
    made = (
        f"- {config.method}, rank {config.rank}, alpha {config.alpha}, learning rate {config.learning_rate:g}, "
        f"{config.epochs:g} epochs, {config.batch_examples} examples a step, seed {config.seed}"
    )
    took = (
        f"- {summary.tokens} tokens in {summary.steps} steps, {summary.seconds:.0f} s on {summary.device}, "
        f"{summary.tokens_per_second:.0f} tokens/s, {summary.peak_memory_bytes / 1e9:.1f} GB"
    )
    validation = f", validation {summary.validation_loss:.4f}" if summary.validation_loss is not None else ""
    lines = [made, took, f"- final loss {summary.final_loss:.4f}{validation}"]
    return "## Training\n\n" + "\n".join(lines) + "\n\n![loss](loss.png)"
