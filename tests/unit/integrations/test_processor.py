"""Which processor, and which backend fits it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tasks.integrations.processor import (
    Processor,
    choose_backend,
    count_cores,
    count_free_bytes,
    describe_processor,
    parse_cpuinfo,
)


def test_name_and_flags_are_read_from_the_first_processor() -> None:
    text = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2 sse2\n\nprocessor\t: 1\nmodel name\t: no\n"

    assert parse_cpuinfo(text) == ("AMD EPYC", frozenset({"fpu", "avx2", "sse2"}))


def test_arm_lists_its_flags_as_features() -> None:
    assert parse_cpuinfo("processor : 0\nFeatures : fp asimd asimddp i8mm\n")[1] == {"fp", "asimd", "asimddp", "i8mm"}


@pytest.mark.parametrize(
    ("flags", "backend", "words"),
    [
        ({"avx2"}, "onnx-int8", "AVX2"),
        ({"avx2", "avx512bw", "avx512_vnni"}, "onnx-int8", "AVX-512 VNNI"),
        ({"avx2", "avx512_vnni", "amx_int8", "amx_bf16"}, "onnx-int8", "AMX int8"),
        ({"asimd", "asimddp"}, "onnx-int8", "Arm dot product"),
        ({"sse2"}, "onnx-fp32", None),
    ],
)
def test_bytes_are_multiplied_where_the_processor_can(flags: set[str], backend: str, words: str | None) -> None:
    processor = Processor("some", 2, frozenset(flags))

    assert choose_backend(processor) == backend
    assert processor.byte_products == words


def test_a_setting_overrides_the_choice() -> None:
    assert choose_backend(Processor("new", 2, frozenset({"amx_int8"})), "onnx-fp32") == "onnx-fp32"
    assert choose_backend(Processor("old", 2, frozenset()), "onnx-int8") == "onnx-int8"


def test_a_container_with_half_a_core_has_one(tmp_path: Path) -> None:
    limit = tmp_path / "cpu.max"
    limit.write_text("50000 100000\n")

    assert count_cores(limit) == 1


def test_without_a_container_the_affinity_counts(tmp_path: Path) -> None:
    limit = tmp_path / "cpu.max"
    limit.write_text("max 100000\n")

    assert count_cores(limit) == count_cores(tmp_path / "absent") >= 1


@pytest.mark.parametrize(
    ("limit", "counted", "free"),
    [
        ("1000", "anon 300\nfile 600\n", 700),
        ("1000", "anon 1300\nfile 0\n", 0),
        ("9000", "anon 300\nfile 600\n", 5000),
        ("max", "anon 300\nfile 600\n", 5000),
        ("1000", "file 600\n", 5000),
    ],
)
def test_free_memory_is_what_the_container_leaves_of_the_machines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: str, counted: str, free: int
) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=5000))
    assert count_free_bytes(tmp_path) == 5000
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.stat").write_text(counted)
    assert count_free_bytes(tmp_path) == free


def test_this_machine_has_a_name_and_cores() -> None:
    processor = describe_processor()

    assert processor.name
    assert processor.cores >= 1
    assert processor.name in str(processor)
