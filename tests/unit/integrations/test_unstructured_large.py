"""Very large files take bounded time and memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.document_ports import PartitionJob
from tasks.integrations.unstructured import UnstructuredPartitioner
from tasks.models import PartitionedDocument
from tasks.settings import Settings
from tests.fakes.hostile_files import write_pdf


def partition(file: Path) -> PartitionedDocument:
    partitioner = UnstructuredPartitioner(Settings(partition_workers=1, partition_timeout_seconds=280, max_text_mb=300))
    (outcome,) = partitioner.partition_documents([PartitionJob("k", file, file.name, None)])
    assert outcome.document is not None, outcome.problem
    return outcome.document


@pytest.mark.slow
def test_a_pdf_of_ten_thousand_pages_is_read_to_the_last(tmp_path: Path) -> None:
    document = partition(write_pdf(tmp_path / "long.pdf", pages=10_000))
    assert document.elements[-1].page == 10_000
    assert "Pump manual page 10000" in document.elements[-1].text + document.elements[-2].text


@pytest.mark.slow
def test_a_csv_of_two_hundred_megabytes_is_read_within_the_memory_limit(tmp_path: Path) -> None:
    file = tmp_path / "long.csv"
    row = "17,Pump of line seven,Hamburg,in operation since 2019,12345.67,checked by the night shift\n"
    with file.open("w") as stream:
        stream.write("Number,Name,Place,State,Value,Remark\n")
        for _ in range(200 * 2**20 // (len(row) * 10_000) + 1):
            stream.write(row * 10_000)
    assert file.stat().st_size > 200 * 2**20
    (table,) = partition(file).elements
    assert table.header_rows == 1
    assert len(table.text) > 200 * 2**20
