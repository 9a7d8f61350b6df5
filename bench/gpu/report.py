"""The results as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def write_table(results: Mapping[str, Row]) -> str:
    """Every part that was run: its rows, and what failed."""
    device: Row = next(iter(results.get("device", {}).get("rows", [])), {})
    writers = {
        "device": lambda rows: _describe(rows),
        "training": lambda rows: _tell_training(rows, device),
        "70b": lambda rows: _tell_large(rows),
        "serving": lambda rows: _tell_serving(rows),
    }
    lines: list[str] = []
    for name, part in results.items():
        lines += [f"## {name} ({part['seconds']:.0f} s)", "", *writers[name](part["rows"])]
        lines += [f"**Failed:** {part['failure']}", ""] if part["failure"] else [""]
    return "\n".join(lines)


def _describe(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        told = f"{row['data_sheet_flops'] / 1e12:.0f}" if row["data_sheet_flops"] else "not known"
        memory = f"{row['memory_bytes'] / 1e9:.0f} GB, " if row["memory_bytes"] else ""
        yield (
            f"{row['device']}, {memory}TFLOP/s: {told} by its data sheet, {row['matmul_flops'] / 1e12:.2f} in a matrix "
            f"product; torch {row['torch']}, transformers {row['transformers']}, peft {row['peft']}, trl {row['trl']}, "
            f"bitsandbytes {row['bitsandbytes']}"
        )


def _tell_training(rows: Sequence[Row], device: Row) -> Iterator[str]:
    yield "| tokens a step | method | s a step | tokens/s | peak GB | of data sheet | of matmul | QLoRA / LoRA |"
    yield "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    plain = {row["tokens_per_step"]: row["seconds_per_step"] for row in rows if row["method"] == "lora"}
    for row in sorted(rows, key=lambda row: (row["tokens_per_step"], row["method"])):
        before = plain.get(row["tokens_per_step"]) if row["method"] == "qlora" else None
        yield (
            f"| {row['tokens_per_step']} | {row['method']} | {row['seconds_per_step']:.3f} | "
            f"{row['tokens_per_second']:.0f} | {row['peak_memory_bytes'] / 1e9:.2f} | "
            f"{_share(row, device, 'data_sheet_flops')} | {_share(row, device, 'matmul_flops')} | "
            f"{_divide(row['seconds_per_step'], before)} |"
        )
    for row in rows:
        if row["note"]:
            yield f"{row['method']}, {row['tokens_per_step']} tokens: {row['note']}"


def _divide(seconds: float, before: float | None) -> str:
    return f"{seconds / before:.2f}" if before else ""


def _share(row: Row, device: Row, peak: str) -> str:
    return f"{row['flops_per_second'] / device[peak]:.1%}" if device.get(peak) else "–"


def _tell_large(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        yield (
            f"{row['parameters'] / 1e9:.2f}e9 parameters built and packed in {row['seconds_to_build']:.1f} s, "
            f"{row['weights_bytes'] / 1e9:.2f} GB; one step of {row['tokens_per_step']} tokens in "
            f"{row['seconds_per_step']:.1f} s, {row['peak_memory_bytes'] / 1e9:.2f} GB at the peak "
            f"({row['planned_bytes'] / 1e9:.2f} planned), loss {row['loss']:.2f}"
        )


def _tell_serving(rows: Sequence[Row]) -> Iterator[str]:
    yield "| what | ms | tokens/s | share |"
    yield "| --- | ---: | ---: | ---: |"
    for row in rows:
        seconds, speed, share = row.get("seconds"), row.get("tokens_per_second"), row.get("share")
        yield (
            f"| {row['what']} | {'' if seconds is None else f'{1000 * seconds:.2f}'} | "
            f"{'' if speed is None else f'{speed:.0f}'} | {'' if share is None else f'{share:.2f}'} |"
        )
