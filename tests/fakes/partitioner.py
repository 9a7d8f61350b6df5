"""A partitioner for plain text: `# ` lines are titles, BROKEN cannot be read.

What follows `PICTURE` needs tesseract; with it, a file with a `SMEARED PICTURE` cannot be read at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tasks.document_ports import PartitionJob, PartitionOutcome
from tasks.models import Element, PartitionedDocument, PartProblem, Problem


class FakePartitioner:
    """In this process, no limits."""

    def __init__(self) -> None:
        self.fingerprint = "fake-1"
        self.capabilities = "none"
        self.supplied: frozenset[str] = frozenset()
        self.read: list[str] = []

    def partition_documents(self, jobs: Iterable[PartitionJob]) -> Iterator[PartitionOutcome]:
        """One outcome a job, in order."""
        for job in jobs:
            self.read.append(job.file_name)
            text = job.file.read_text(encoding="utf-8")
            if "BROKEN" in text or ("SMEARED PICTURE" in text and "needs-tesseract" in self.supplied):
                problem = Problem(reason="damaged", message=f"{job.file_name} is damaged", advice="repair it")
                yield PartitionOutcome(job.key, None, problem)
            else:
                yield PartitionOutcome(job.key, self._partition(text), None)

    def _partition(self, text: str) -> PartitionedDocument:
        if "PICTURE" not in text or "needs-tesseract" in self.supplied:
            return _partition(text.replace("PICTURE", ""))
        kept, _, _ = text.partition("PICTURE")
        missing = Problem(reason="needs-tesseract", message="a picture needs tesseract", advice="install it")
        return _partition(kept).model_copy(update={"problems": (PartProblem(part="picture", problem=missing),)})


def _partition(text: str) -> PartitionedDocument:
    elements = [
        Element(
            element_id=str(number),
            kind="title" if block.startswith("# ") else "text",
            text=block.removeprefix("# "),
        )
        for number, block in enumerate(filter(str.strip, text.split("\n")))
    ]
    title = next((element.text for element in elements if element.kind == "title"), None)
    return PartitionedDocument(elements=tuple(elements), title=title, may_be_empty=True)
