"""How text becomes vectors, and which collections hold them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple, TypeVar

from tasks.answering.sentences import cut_sentences
from tasks.documents.chunk import CHUNKER_VERSION, embedded_text
from tasks.errors import ConfigurationError, ProductError
from tasks.language import detect_language
from tasks.models import CollectionSpec, EmbedderSpec, Pipeline, Run, name_summaries
from tasks.ports import Embedder, IndexTruth, VersionReader
from tasks.retrieval.analysis import ANALYSIS_VERSION, analyse_text
from tasks.retrieval.index import Space, index_versions, summarise_versions
from tasks.retrieval.summarise import ExtractedSummaries
from tasks.settings import Settings
from tasks.summary_ports import SummaryMaker
from tasks.wiring.documents import Documents

logger = logging.getLogger(__name__)

T = TypeVar("T")

PACKAGED_EMBEDDERS = ("default", "e5", "minilm", "use")
FIRST_SHARES = {"en": 0.8}
DEFAULT_FIRST_SHARE = 0.2
"""How much MiniLM counts in a question's similarity, by its language; docs/decisions/0010 has the table."""


class Contents(NamedTuple):
    """What one collection of the vector store must hold, and where that is written."""

    pipeline: Pipeline
    collection: CollectionSpec
    truth: IndexTruth
    versions: VersionReader


class Spaces(Documents):
    """Embedders, pipelines, collections."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._embedders: dict[EmbedderSpec, Embedder] = {}
        self._remembering: dict[EmbedderSpec, Embedder] = {}

    def embedder(self, spec: EmbedderSpec) -> Embedder:
        """The embedder of a spec, loaded once."""
        if spec not in self._embedders:
            self._embedders[spec] = self._build_embedder(spec)
        return self._embedders[spec]

    def asking_embedder(self, spec: EmbedderSpec) -> Embedder:
        """The same vectors, remembered: for questions and what is quoted, not for ingests."""
        from tasks.integrations.remembering import RememberingEmbedder

        return self._remembering.setdefault(spec, RememberingEmbedder(self.embedder(spec)))

    def _build_embedder(self, spec: EmbedderSpec) -> Embedder:
        from tasks.integrations.processor import choose_backend, describe_processor

        cache = self.settings.cache
        backend = choose_backend(describe_processor(), self.settings.embedder_backend)
        if spec.name == "openai":
            return self._build_endpoint_embedder(spec)
        if spec.name not in PACKAGED_EMBEDDERS:
            from tasks.integrations.sentence_transformers import SentenceTransformersEmbedder

            return SentenceTransformersEmbedder(spec.name)
        from tasks.integrations.concatenated import ConcatenatedEmbedder
        from tasks.integrations.e5_encoder import load_e5
        from tasks.integrations.minilm_encoder import load_minilm
        from tasks.integrations.universal_encoder import load_use

        if spec.name == "e5":
            return load_e5(cache, backend)
        if spec.name == "minilm":
            return load_minilm(cache, backend)
        if spec.name == "use":
            return load_use(cache, backend)
        return ConcatenatedEmbedder(
            load_minilm(cache, backend),
            load_use(cache, backend),
            detect_language=detect_language,
            first_shares=FIRST_SHARES,
            default_share=DEFAULT_FIRST_SHARE,
        )

    def _build_endpoint_embedder(self, spec: EmbedderSpec) -> Embedder:
        from tasks.integrations.openai_embedder import OpenAIEmbedder
        from tasks.integrations.openai_endpoint import OpenAIEndpoint

        if not spec.url or not spec.model:
            raise ConfigurationError(
                "EXPERTLOOP_EMBEDDER=openai needs an endpoint and a model",
                advice="set EXPERTLOOP_EMBEDDER_URL (with /v1) and EXPERTLOOP_EMBEDDER_MODEL",
            )
        settings = self.settings
        endpoint = OpenAIEndpoint(
            spec.url, key=settings.embedder_key, timeout_seconds=settings.embedder_timeout_seconds
        )
        return OpenAIEmbedder(endpoint, model=spec.model, dimensions=spec.dimensions)

    def current_pipeline(self) -> Pipeline:
        """The pipeline that the settings ask for."""
        spec = EmbedderSpec(
            name=self.settings.embedder,
            url=self.settings.embedder_url,
            model=self.settings.embedder_model,
            dimensions=self.settings.embedder_dimensions,
        )
        return Pipeline(
            partitioner=self.partitioner.fingerprint,
            chunker=CHUNKER_VERSION,
            chunk_tokens=self.settings.chunk_tokens,
            analysis=ANALYSIS_VERSION,
            embedder=self.embedder(spec).identity,
            embedder_spec=spec,
        )

    def serving_pipeline(self) -> Pipeline | None:
        """What searches read; None before the first ingest."""
        return self.collections.read_serving()

    def written_pipelines(self) -> list[Pipeline]:
        """What an ingest keeps up: the serving one and, while another is being built, that too."""
        found = [self.collections.read_serving(), self.collections.read_building()]
        return [pipeline for pipeline in found if pipeline is not None]

    def open_pipeline(self) -> Pipeline:
        """The settings' pipeline, with its collection ready to be written.

        Raises:
            ConfigurationError: There is nothing to embed or to summarise with, as the settings want it.
        """
        pipeline, maker = self.current_pipeline(), self.summary_maker
        logger.info("pipeline fingerprint=%s summaries=%s", pipeline.fingerprint, maker.rules if maker else "none")
        for name in self.collections.open_collection(pipeline):
            self.drop_collection(name)
        for written in self.written_pipelines():
            self.index.ensure_collection(written.collection)
            if self.index_is_empty(written.collection):
                self.versions.mark_unindexed(written.fingerprint)
            if self.summaries.has_summaries(written.fingerprint):
                self.index.ensure_collection(written.collection.summaries)
                if self.index_is_empty(written.collection.summaries):
                    self.summaries.mark_unsummarised(written.fingerprint)
        return pipeline

    def index_is_empty(self, collection: CollectionSpec) -> bool:
        """Whether the vector store lost (or never had) the collection's rows."""
        return next(self.index.list_chunk_ids(collection.name, self.settings.tenant), None) is None

    def drop_collection(self, name: str) -> None:
        """Remove a collection, and the one beside it."""
        self.index.drop_collection(name)
        self.index.drop_collection(name_summaries(name))

    def list_contents(self) -> list[Contents]:
        """The collections of the pipelines that are kept up; one with summaries only where there are any."""
        found = []
        for pipeline in self.written_pipelines():
            found.append(Contents(pipeline, pipeline.collection, self.index_truth, self.versions))
            if self.summaries.has_summaries(pipeline.fingerprint):
                found.append(Contents(pipeline, pipeline.collection.summaries, self.summary_truth, self.summaries))
        return found

    def spaces(self) -> dict[str, Space]:
        """What is written into each collection, by pipeline fingerprint."""
        return {
            pipeline.fingerprint: Space(
                collection=pipeline.collection.name,
                embedder=self.embedder(pipeline.embedder_spec),
                embedded_text=lambda version, number: embedded_text(version.title, version.chunks[number].chunk),
                analyse_text=analyse_text,
            )
            for pipeline in self.written_pipelines()
        }

    def with_collections(self, work: Callable[[dict[str, str]], T]) -> T:
        """Do work on the collections that are kept up, by fingerprint; again when a flip took one away meanwhile."""
        while True:
            names = {pipeline.fingerprint: pipeline.collection.name for pipeline in self.written_pipelines()}
            try:
                return work(names)
            except ProductError:
                if names.keys() == {pipeline.fingerprint for pipeline in self.written_pipelines()}:
                    raise

    def index_versions(self, run: Run, version_ids: Sequence[str]) -> None:
        """Embed versions and write them to their collections."""
        embedded = self.with_collections(
            lambda _: index_versions(
                run,
                version_ids,
                spaces=self.spaces(),
                versions=self.versions,
                cache=self.vector_cache,
                index=self.index,
            )
        )
        self.runs.add_embedded(run.run_id, embedded)

    @property
    def summary_maker(self) -> SummaryMaker | None:
        """Makes summaries as the settings say; None: nobody does."""
        return None if self.settings.summaries == "none" else self.extracted_summaries

    @cached_property
    def extracted_summaries(self) -> ExtractedSummaries:
        """Makes them of documents' own sentences."""
        return ExtractedSummaries(split_sentences=cut_sentences, embedded_text=embedded_text)

    def summarise_versions(self, run: Run) -> int:
        """Summarise what is indexed and not summarised yet; returns how many summaries were written."""
        maker = self.summary_maker
        if maker is None:
            return 0
        return self.with_collections(
            lambda _: summarise_versions(
                run,
                maker=maker,
                spaces={
                    key: space._replace(collection=name_summaries(space.collection))
                    for key, space in self.spaces().items()
                },
                versions=self.versions,
                summaries=self.summaries,
                cache=self.vector_cache,
                index=self.index,
            )
        )
