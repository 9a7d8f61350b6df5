"""Which model answers: the configured one, with the adapter that is the champion at that moment."""

from __future__ import annotations

import logging
import math
import time
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from tasks.documents.chunk import embedded_text
from tasks.errors import ArtifactCorrupt, BackendUnavailable, ConfigurationError
from tasks.integrations.artifacts import Artifacts
from tasks.integrations.database.registry import DatabaseAdapters, DatabaseChampions, DatabaseLineage
from tasks.ports import Generator
from tasks.prompting import PROMPT_VERSION
from tasks.retrieval.written import WrittenSummaries
from tasks.settings import Settings
from tasks.summary_ports import SummaryMaker
from tasks.training_models import Adapter, TrainedAdapter
from tasks.wiring.spaces import Spaces

if TYPE_CHECKING:  # torch is a matter of seconds, and quotations need none
    from tasks.integrations.transformers import TransformersGenerator
    from tasks.integrations.vllm_adapters import VLLMAdapters

logger = logging.getLogger(__name__)

ELSEWHERE = ("none", "openai")
"""Generators that are no model of this process."""

_TRIED_AGAIN_SECONDS = 60.0
"""A champion whose files cannot be had is asked for again after so long; a store that is away must not slow answers."""

_KEEP_COPIES = timedelta(days=1)
"""Of adapters that no longer serve, or never did: somebody may still compare them."""


class _Serving(NamedTuple):
    """Who answers while an adapter, or none, is the champion."""

    champion: str | None
    generator: Generator
    until: float
    """By the monotonic clock."""


class Models(Spaces):
    """Base models, adapters, champions."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._models: dict[str, TransformersGenerator] = {}
        self._serving: _Serving | None = None

    @cached_property
    def adapters(self) -> DatabaseAdapters:
        """Registered adapters."""
        return DatabaseAdapters(self.database)

    @cached_property
    def champions(self) -> DatabaseChampions:
        """Who serves."""
        return DatabaseChampions(self.database)

    @cached_property
    def lineage(self) -> DatabaseLineage:
        """What came of what."""
        return DatabaseLineage(self.database)

    @cached_property
    def artifacts(self) -> Artifacts:
        """Adapters' files."""
        return Artifacts(self.settings.resolved_artifacts_url, cache=self.settings.cache)

    @property
    def generator(self) -> Generator | None:
        """The model that answers now; None when answers are to be quotations only.

        The champion of EXPERTLOOP_SCOPE is looked up each time, one short query: a promotion is effective with the
        next batch of questions, and what was begun ends with the adapter it began with.
        """
        name = self.settings.generator
        if name == "none":
            return None
        if name == "openai" and self.settings.generator_adapters is None:
            return self._endpoint
        champion = self.champions.read_champion(self.settings.tenant, self.settings.scope)
        serving = self._serving
        if serving is None or serving.champion != champion or serving.until < time.monotonic():
            serving = self._serving = self._open_champion(champion)
        if name == "openai":
            self._vllm.drop_left()
        # Not read again: another thread, which asked before a promotion, may have put back the former one meanwhile.
        return serving.generator

    def _open_champion(self, adapter_id: str | None) -> _Serving:
        """Loaded when first asked; where it cannot serve, the base model answers alone, as before the first champion.

        Not the adapter before it: that one may be what somebody rolled back from.
        """
        try:
            generator = self._adapt_champion(adapter_id) if adapter_id else None
            if self.settings.generator == "openai":
                self._vllm.keep_only(adapter_id if generator else None)
            self.artifacts.sweep_copies(self.champions.list_served_urls(), before=datetime.now(UTC) - _KEEP_COPIES)
            return _Serving(adapter_id, generator or self._base, math.inf)
        except (ArtifactCorrupt, BackendUnavailable) as error:
            logger.error("champion unusable adapter=%s error=%s advice=%s", adapter_id, error, error.advice)  # noqa: TRY400
            return _Serving(adapter_id, self._base, time.monotonic() + _TRIED_AGAIN_SECONDS)

    def _adapt_champion(self, adapter_id: str) -> Generator | None:
        """The champion on the configured base model; None when it was made for another one, or for other prompts."""
        adapter, settings = self.adapters.find_adapter(self.settings.tenant, adapter_id), self.settings
        configured = settings.generator_model if settings.generator == "openai" else settings.generator
        made_for, asked = (adapter.base_model, adapter.prompt_version), (configured, PROMPT_VERSION)
        if made_for != asked:
            logger.warning("champion unused adapter=%s made_for=%s configured=%s", adapter_id, made_for, asked)
            return None
        if settings.generator != "openai":
            return self.adapt(adapter)
        return self._vllm.open(adapter_id, self.artifacts.fetch(adapter.url, adapter.files))

    @property
    def _base(self) -> Generator:
        """The configured model alone."""
        name = self.settings.generator
        return self._endpoint if name == "openai" else self.local_model(name)

    @cached_property
    def _endpoint(self) -> Generator:
        from tasks.integrations.openai import OpenAIGenerator

        return OpenAIGenerator(self.settings)

    @property
    def summary_maker(self) -> SummaryMaker | None:
        """See `Spaces`; with EXPERTLOOP_SUMMARIES=written the endpoint writes them.

        Raises:
            ConfigurationError: There is no endpoint.
        """
        if self.settings.summaries != "written":
            return super().summary_maker
        if self.settings.generator != "openai":
            raise ConfigurationError(
                f"EXPERTLOOP_SUMMARIES is 'written', and EXPERTLOOP_GENERATOR is {self.settings.generator!r}: only an "
                "endpoint writes summaries",
                advice="set EXPERTLOOP_GENERATOR to openai, or EXPERTLOOP_SUMMARIES to extracted",
            )
        # The base model: a champion was taught to answer, and the next one must not have all texts summarised again.
        return WrittenSummaries(self.extracted_summaries, self._endpoint, embedded_text=embedded_text)

    @cached_property
    def _vllm(self) -> VLLMAdapters:
        from tasks.integrations.vllm_adapters import VLLMAdapters

        return VLLMAdapters(self.settings)

    def local_model(self, name: str) -> TransformersGenerator:
        """A base model in this process; its weights are loaded once.

        Args:
            name: "smollm2", a folder or a hub id.
        """
        from tasks.integrations.transformers import TransformersGenerator

        settings = self.settings
        model = TransformersGenerator(name, cache=settings.cache, dtype=settings.generator_dtype)
        return self._models.setdefault(name, model)

    def base_generator(self, model: str | None = None) -> TransformersGenerator:
        """A model without an adapter.

        Args:
            model: "smollm2", a folder or a hub id; the configured generator without one.

        Raises:
            ConfigurationError: The configured generator is no model of this process, so it has no base to compare.
        """
        name = model or self.settings.generator
        if name in ELSEWHERE:
            raise ConfigurationError(
                f"EXPERTLOOP_GENERATOR is {name!r}: a model in this process is needed",
                advice="set EXPERTLOOP_GENERATOR to smollm2, a folder or a hub id",
            )
        return self.local_model(name)

    def generator_for(self, name: str) -> Generator:
        """A registered adapter on its base model, the files' hashes compared.

        Args:
            name: Its id, or the unique beginning of it.

        Raises:
            ConfigurationError: There is no such adapter, or it was made for another base model or prompt.
            ArtifactCorrupt: Its files are not what was registered.
        """
        return self.adapt(self.adapters.find_adapter(self.settings.tenant, name))

    def candidate_generator(self, trained: TrainedAdapter) -> Generator:
        """What training left on this machine, before it is registered."""
        from tasks.integrations.adaptable_model import AdapterFiles

        folder = self.settings.home / trained.folder
        files = AdapterFiles(trained.adapter_id, folder, trained.base_hash, PROMPT_VERSION)
        return self.local_model(trained.config.base_model).with_adapter(files)

    def adapt(self, adapter: Adapter) -> Generator:
        """An adapter on its base model."""
        from tasks.integrations.adaptable_model import AdapterFiles

        folder = self.artifacts.fetch(adapter.url, adapter.files)
        files = AdapterFiles(adapter.adapter_id, folder, adapter.base_hash, adapter.prompt_version)
        return self.local_model(adapter.base_model).with_adapter(files)
