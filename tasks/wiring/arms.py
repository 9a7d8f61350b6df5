"""What judges an adapter: models to ask, held-out examples, the company's words, the gate's limits."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cached_property

from tasks.answering.claim_support import ClaimSupport
from tasks.arm_models import CompanyFacts
from tasks.curation.snapshot import read_examples, read_manifest
from tasks.curation_models import Dataset, Example, PairState, Split
from tasks.errors import ConfigurationError
from tasks.evaluation.arms_card import write_arms_card
from tasks.evaluation.gate import GateLimits
from tasks.evaluation_ports import ClaimChecker, LikelihoodScorer
from tasks.integrations.database.arms import DatabaseArms, count_changes
from tasks.ports import Generator
from tasks.training_models import ArmsReport, GateDecision
from tasks.wiring.curation import Curation

logger = logging.getLogger(__name__)

_DAYS = 30
"""How far back changes of documents are counted."""


class Arms(Curation):
    """Arms and gate."""

    @cached_property
    def arms(self) -> DatabaseArms:
        """What models said, and the reports."""
        return DatabaseArms(self.database)

    @cached_property
    def claim_checker(self) -> ClaimChecker:
        """Tells whether what was said stands in the passages."""
        return ClaimSupport()

    def find_dataset(self, name: str | None) -> Dataset:
        """The dataset of an id or of its beginning; the newest without a name.

        Raises:
            ConfigurationError: There is none.
        """
        if name:
            return self.datasets.find_dataset(self.settings.tenant, name)
        found = self.datasets.list_datasets(self.settings.tenant)
        if not found:
            raise ConfigurationError(
                "there is no dataset to judge arms on",
                advice="import and approve pairs, then run: expertloop curate snapshot",
            )
        return found[0]

    def read_test_examples(self, dataset: Dataset) -> list[Example]:
        """The held-out examples of a dataset, its files proved genuine.

        Raises:
            ArtifactCorrupt: A file is missing or was changed.
        """
        folder = self.settings.home / dataset.folder
        read_manifest(folder)
        return read_examples(folder, Split.TEST)

    def likelihood_of(self, generator: Generator) -> LikelihoodScorer:
        """How surprised a local model is by texts.

        Raises:
            ConfigurationError: The model runs elsewhere, and its likelihoods cannot be read.
        """
        from tasks.integrations.likelihood import HeldLikelihood, ModelHolder

        if not isinstance(generator, ModelHolder):
            raise ConfigurationError(
                f"{generator.identity} does not tell likelihoods, so what it forgot cannot be measured",
                advice="judge adapters on a model in this process: a folder or a hub id",
            )
        return HeldLikelihood(generator)

    def report_arms(self, arm: str, done: int, total: int) -> None:
        """How far the arms are; doors that watch put their own in its place."""
        logger.info("arm asked arm=%s done=%s of=%s", arm, done, total)

    def describe_arms(self, report: ArmsReport, decision: GateDecision) -> str:
        """Arms and decision as Markdown, for a model card."""
        return write_arms_card(report, decision)

    def gate_limits(self) -> GateLimits:
        """The settings EXPERTLOOP_GATE_*."""
        settings = self.settings
        return GateLimits(
            questions=settings.gate_questions,
            slices=tuple(name.strip() for name in settings.gate_slices.split(",") if name.strip()),
            slice_questions=settings.gate_slice_questions,
            tolerance=settings.gate_tolerance,
            forgetting=settings.gate_forgetting,
            perplexity=settings.gate_perplexity,
        )

    def company_facts(self) -> CompanyFacts:
        """What advice rests on, as of now."""
        from tasks.integrations.processor import describe_processor

        tenant, now = self.settings.tenant, datetime.now(UTC)
        documents, changed, first = count_changes(self.database, tenant, since=now - timedelta(days=_DAYS))
        languages = Counter(pair.language for pair in self.pairs.list_pairs(tenant, [PairState.APPROVED]))
        watched = (now - first).days if first else 0
        return CompanyFacts(
            documents=documents,
            changed_documents=changed,
            days=max(1, min(_DAYS, watched)),
            approved_pairs=languages.total(),
            languages=tuple(name for name, _ in languages.most_common()),
            hardware=str(describe_processor()),
            stored=self.arms.find_report(tenant),
        )
