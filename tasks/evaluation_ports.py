"""What the evaluation room needs of the world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.answer_models import Calibration, Message
from tasks.arm_models import ArmAnswer, StoredReport
from tasks.curation_models import FrozenPassage
from tasks.evaluation_models import EvaluationRun, JudgedAnswer, Share


class EvaluationStore(Protocol):
    """The database's memory of evaluations; every write is one commit, and writing twice equals writing once."""

    def begin_run(self, run: EvaluationRun, *, again: bool) -> None:
        """Write the run where it is not known; with `again`, forget its results first."""

    def write_results(self, run_id: str, results: Mapping[int, JudgedAnswer]) -> None:
        """Store results by the question's position in its file."""

    def read_results(self, run_id: str) -> dict[int, JudgedAnswer]:
        """What is stored of a run, by position and in its order."""

    def finish_run(self, run_id: str, summary: Mapping[str, Any]) -> None:
        """All questions are judged."""

    def find_run(self, tenant: str, name: str) -> EvaluationRun:
        """The run of an id or of its unique beginning.

        Raises:
            ConfigurationError: There is none, or more than one.
        """

    def list_runs(self, tenant: str) -> list[EvaluationRun]:
        """Every run, the newest first."""


class Plotter(Protocol):
    """Draws the pictures of a report."""

    def draw_bars(self, title: str, counts: Mapping[str, int]) -> bytes:
        """A PNG with one labelled bar a count, in their order."""

    def draw_histogram(self, title: str, label: str, values: Sequence[float]) -> bytes:
        """A PNG of how often values occur; `label` names their unit."""

    def draw_calibration(
        self,
        calibration: Calibration,
        confidences: NDArray[np.float64],
        right: NDArray[np.bool_],
        *,
        max_error: float,
    ) -> bytes:
        """A PNG of reliability and coverage.

        Args:
            calibration: What was fitted.
            confidences: [n] it gives to answers that it was not fitted on.
            right: [n] whether they are right.
            max_error: The wished share of wrong answers, 0 to 1.
        """

    def draw_coverage(self, calibration: Calibration, *, max_error: float) -> bytes:
        """A PNG of the share of wrong answers by the share answered; `max_error` is the wished one."""

    def draw_intervals(self, title: str, label: str, values: Mapping[str, tuple[float, float, float]]) -> bytes:
        """A PNG with a bar and its interval a name, the first on top; each is (value, low, high), 0 to 1."""


class ArmStore(Protocol):
    """The database's memory of what models said in the arms, and of the reports; writing twice equals writing once."""

    def read_answers(self, tenant: str, answer_keys: Sequence[str]) -> dict[str, ArmAnswer]:
        """Those of the keys that there are, by key."""

    def write_answers(self, tenant: str, answers: Sequence[ArmAnswer]) -> None:
        """Keep answers, in one commit."""

    def write_report(self, tenant: str, stored: StoredReport) -> None:
        """Keep the report of a dataset, adapter and champion, replacing an earlier one."""

    def find_report(self, tenant: str) -> StoredReport | None:
        """The newest report that has an adapter."""


class ClaimChecker(Protocol):
    """Tells which claims of a text the passages carry; `tasks.answering` knows how."""

    def count_supported(self, text: str, passages: Sequence[FrozenPassage], *, language: str) -> Share:
        """Claims that the passages carry, over all claims."""


class LikelihoodScorer(Protocol):
    """A model that tells how surprised it is by a text, and by an answer to a prompt."""

    def score(self, texts: Sequence[str]) -> list[tuple[float, int]]:
        """Of each text the negative log-likelihood of all its tokens but the first, in nats, and their number."""

    def score_answers(self, messages: Sequence[Message], answers: Sequence[str], *, max_tokens: int) -> list[float]:
        """Of each answer the log-likelihood after the prompt, in nats: of its first `max_tokens` tokens."""
