"""The data card: what a dataset is, in words and tables, for whoever has to answer for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_REASONS = {
    "readers": "not everyone in the scope may read all of it",
    "crosses-splits": "quotes documents of two splits",
    "near-test": "question, answer or passage is nearly that of a test pair",
    "near-validation": "question, answer or passage is nearly that of a validation pair",
    "held-out-passage": "a retrieved passage (not the pair) was left out: its document is held out, or says the same",
}


def write_card(manifest: Mapping[str, Any]) -> str:
    """Markdown."""
    splits, options = manifest["statistics"]["splits"], manifest["options"]
    shares = options["shares"]
    head = f"""\
# Dataset {manifest["dataset_id"]}

Questions and answers that people approved, each with the sentences it rests on and the passages that search found for
its question when this snapshot was taken. Training and evaluation read these files and nothing else.

* Scope: **{options["scope"]}** may read every document that is quoted here. Tenant: {manifest["tenant"]}.
* {_list_facts(manifest["facts"])}
* Held out **by document**: {shares["test"]:.0%} of the documents for tests, {shares["validation"]:.0%} for
  validation, assigned once and for ever; documents that say nearly the same, or that one pair quotes together, go
  together.
* {options["passages"]} passages a pair are frozen, best first, with hash and place; those of held-out documents were
  taken out of training.

## What is in it

| | {" | ".join(splits)} |
| --- |{" ---: |" * len(splits)}
"""
    rows = [
        ("pairs", "pairs"),
        ("documents quoted", "documents"),
        ("without an answer (refusal)", "unanswerable"),
        ("quoted sentence among the passages found", "gold_found"),
    ]
    lines = [_row(label, [one[name] for one in splits.values()]) for label, name in rows]
    lines += [_row("languages", [_list_counts(one["languages"]) for one in splits.values()])]
    lines += [_row("origins", [_list_counts(one["origins"]) for one in splits.values()])]
    lines += [_row("mean length of a question", [_mean(one, "question_characters") for one in splits.values()])]
    lines += [_row("mean length of an answer", [_mean(one, "answer_characters") for one in splits.values()])]
    return head + "\n".join([*lines, *_list_removed(manifest), _LIMITS]) + "\n"


def _row(label: str, values: list[Any]) -> str:
    return f"| {label} | {' | '.join(map(str, values))} |"


def _mean(split: Mapping[str, Any], name: str) -> str:
    return f"{split[name] / split['pairs']:.0f} characters" if split["pairs"] else "–"


def _list_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "–"


def _list_facts(facts: Mapping[str, str]) -> str:
    return " · ".join(f"{name}: {value}" for name, value in facts.items())


def _list_removed(manifest: Mapping[str, Any]) -> list[str]:
    removed = manifest["statistics"]["removed"]
    if not removed:
        return ["", "## What was left out", "", "Nothing."]
    lines = [
        "",
        "## What was left out",
        "",
        "Each one is listed in `removed.jsonl`.",
        "",
        "| why | count |",
        "| --- | ---: |",
    ]
    return [*lines, *(_row(_REASONS.get(reason, reason), [count]) for reason, count in removed.items())]


_LIMITS = """
## Limits

The answers are right as far as the people who approved them saw. Personal data is flagged by patterns and, in English,
by a model of names; what an approver accepted is in here. Near duplicates across languages are found by a multilingual
encoder, which misses some. The texts belong to the company: a model trained on them gives parts of them away."""
