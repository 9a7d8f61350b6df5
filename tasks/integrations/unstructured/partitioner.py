"""The Partitioner port over unstructured: every file is read in a worker process with limits."""

from __future__ import annotations

import functools
import importlib.metadata
import os
from collections.abc import Iterable, Iterator

from tasks.document_ports import PartitionJob, PartitionOutcome
from tasks.errors import ConfigurationError, DocumentRejected
from tasks.integrations.unstructured import pdf, pool, rich
from tasks.integrations.unstructured.limits import restrict_worker
from tasks.integrations.unstructured.reading import ReadOptions
from tasks.integrations.unstructured.worker import partition_file
from tasks.models import Problem
from tasks.settings import Settings

READER_VERSION = "3"
"""Raise it when the same file would give other elements."""

_MOST_WORKERS = 8


def _find_programs() -> dict[str, str | bool]:
    return {
        "tesseract": ",".join(pdf.list_ocr_languages()),
        "libreoffice": bool(rich.find_libreoffice()),
        "pandoc": bool(rich.find_pandoc()),
    }


class UnstructuredPartitioner:
    """Implements `Partitioner`.

    Args:
        settings: Those whose names begin with `partition_`: the strategy for pdf and pictures (`fast` takes embedded
            text, `ocr_only` recognises it, `auto` does the first that gives text), processes, and limits per file.

    Raises:
        ConfigurationError: The strategy is hi_res.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.partition_strategy == "hi_res":
            raise ConfigurationError(
                "partition_strategy 'hi_res' needs layout detection models, which are not part of this installation",
                advice="set EXPERTLOOP_PARTITION_STRATEGY to auto, fast or ocr_only",
            )
        self._options = ReadOptions(settings.partition_strategy, language=None, max_text_mb=settings.max_text_mb)
        self._workers = settings.partition_workers or min(_MOST_WORKERS, len(os.sched_getaffinity(0)))
        self._timeout_seconds = settings.partition_timeout_seconds
        self._memory_mb = settings.partition_memory_mb

    @property
    def fingerprint(self) -> str:
        """Reader version, unstructured's version and strategy."""
        version = importlib.metadata.version("unstructured")
        return f"reader-{READER_VERSION}+unstructured-{version}+{self._options.strategy}"

    @property
    def supplied(self) -> frozenset[str]:
        """See `Partitioner`."""
        return frozenset(rich.name_need(program) for program, found in _find_programs().items() if found)

    @property
    def capabilities(self) -> str:
        """Programs found and limits set."""
        limits = {
            "timeout": f"{self._timeout_seconds:g}s",
            "memory": f"{self._memory_mb}MiB",
            "text": f"{self._options.max_text_mb:g}MB",
        }
        return " ".join(f"{name}={value}" for name, value in {**_find_programs(), **limits}.items())

    def warm_up(self) -> None:
        """Load the readers in the background, so that the first file need not wait for it."""
        pool.warm_up()

    def partition_documents(self, jobs: Iterable[PartitionJob]) -> Iterator[PartitionOutcome]:
        """Yield one outcome a job, in any order; at most two jobs a worker are taken ahead.

        Raises:
            BackendUnavailable: The worker pool itself broke.
        """
        finished = pool.run_jobs(
            functools.partial(partition_file, options=self._options),
            jobs,
            workers=self._workers,
            timeout_seconds=self._timeout_seconds,
            initializer=restrict_worker,
            initargs=(self._memory_mb * 2**20,),
        )
        for job, future in finished:
            error = future.exception()
            document = future.result() if error is None else None
            yield PartitionOutcome(job.key, document, self._explain(job, error) if error is not None else None)

    def _explain(self, job: PartitionJob, error: BaseException) -> Problem:
        """A person's view of why a worker gave no document."""
        import pebble

        if isinstance(error, DocumentRejected):
            return Problem(reason=error.reason, message=error.message, advice=error.advice)
        if isinstance(error, TimeoutError):
            return Problem(
                reason="timeout",
                message=f"{job.file_name} took longer than {self._timeout_seconds:g} s to read",
                advice="split it, or raise EXPERTLOOP_PARTITION_TIMEOUT_SECONDS",
            )
        if isinstance(error, MemoryError):
            return Problem(
                reason="out-of-memory",
                message=f"{job.file_name} needs more than {self._memory_mb} MiB to read",
                advice="split it, or raise EXPERTLOOP_PARTITION_MEMORY_MB",
            )
        if isinstance(error, pebble.ProcessExpired):
            return Problem(
                reason="crashed",
                message=f"reading {job.file_name} ended its process (exit code {error.exitcode})",
                advice="open it in its own program and save it again; it may also need more "
                "EXPERTLOOP_PARTITION_MEMORY_MB",
            )
        return Problem(
            reason="reader-failed",
            message=f"{job.file_name} made its reader fail: {type(error).__name__}: {str(error)[:200]}",
            advice="open it in its own program and save it again; if that does not help, report it with the file",
        )
