"""The composition root: settings in, concrete integrations out, each built once a process and only when asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from urllib.parse import urlparse

from tasks.documents.chunk import CHUNKER_VERSION, embedded_text
from tasks.errors import ConfigurationError
from tasks.integrations.database.catalogue import Catalogue
from tasks.integrations.database.engine import Database
from tasks.integrations.database.leases import Leases
from tasks.integrations.database.manifest import DatabaseManifest
from tasks.integrations.database.passages import DatabasePassages
from tasks.integrations.database.runs import DatabaseRunLog
from tasks.integrations.database.vector_cache import DatabaseVectorCache, NoVectorCache
from tasks.integrations.database.versions import DatabaseCollections, DatabaseVersions
from tasks.models import EmbedderSpec, IngestRequest, Pipeline
from tasks.ports import Embedder, Generator, Partitioner, Searcher, Source, StoredVersion, VectorCache, VectorIndex
from tasks.retrieval.analysis import ANALYSIS_VERSION, analyse_text
from tasks.retrieval.index import Space
from tasks.settings import Settings

logger = logging.getLogger(__name__)


@lru_cache(maxsize=4)
def _application(settings: Settings) -> Application:
    return Application(settings)


def application(settings: Settings | None = None) -> Application:
    """The application of these settings; of the environment's when none are given. One a process and settings."""
    return _application(settings or Settings())


class Application:
    """Everything that is wired, lazily."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._embedders: dict[EmbedderSpec, Embedder] = {}

    @cached_property
    def database(self) -> Database:
        """Migrated when first asked for."""
        database = Database(self.settings.resolved_database_url)
        database.migrate()
        return database

    @cached_property
    def leases(self) -> Leases:
        """Who works on what."""
        return Leases(self.database, lease_seconds=self.settings.lease_seconds)

    @cached_property
    def manifest(self) -> DatabaseManifest:
        """What is known of every listed file."""
        return DatabaseManifest(self.database)

    @cached_property
    def runs(self) -> DatabaseRunLog:
        """Runs and their ledgers."""
        return DatabaseRunLog(self.database)

    @cached_property
    def versions(self) -> DatabaseVersions:
        """Versions on their way into the vector store."""
        return DatabaseVersions(self.database)

    @cached_property
    def collections(self) -> DatabaseCollections:
        """Which embedding space serves."""
        return DatabaseCollections(self.database)

    @cached_property
    def passages(self) -> DatabasePassages:
        """What an asker may see."""
        return DatabasePassages(self.database)

    @cached_property
    def catalogue(self) -> Catalogue:
        """What the doors list."""
        return Catalogue(self.database)

    @cached_property
    def vector_cache(self) -> VectorCache:
        """The embedding cache, or none."""
        return DatabaseVectorCache(self.database) if self.settings.embedding_cache else NoVectorCache()

    @cached_property
    def index(self) -> VectorIndex:
        """The vector store named by the URL's scheme."""
        url = self.settings.resolved_index_url
        if urlparse(url).scheme != "lancedb":
            raise ConfigurationError(
                f"EXPERTLOOP_INDEX_URL has the unknown scheme {urlparse(url).scheme!r}",
                advice="write lancedb:///absolute/path",
            )
        from tasks.integrations.lancedb import LanceIndex

        return LanceIndex(Path(urlparse(url).path))

    @property
    def scratch(self) -> Path:
        """Where bytes of documents lie while they are read."""
        folder = self.settings.home / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    # --- documents ---

    @cached_property
    def partitioner(self) -> Partitioner:
        """Unstructured, in worker processes with limits."""
        from tasks.integrations.unstructured import UnstructuredPartitioner

        return UnstructuredPartitioner(self.settings)

    def configured_sources(self) -> list[IngestRequest]:
        """One request a source of sources.yaml."""
        return [IngestRequest(source=config.name, tenant=config.tenant) for config in self._source_configs]

    def find_source(self, request: IngestRequest) -> Source:
        """The source that a request names.

        Raises:
            ConfigurationError: sources.yaml is wrong or does not name it.
        """
        from tasks.integrations.sources import build_source

        if request.url is not None:
            config: SourceConfig = describe_path(request.url)
        else:
            named = {(config.tenant, config.name): config for config in self._source_configs}
            if (request.tenant, request.source or "") not in named:
                known = ", ".join(sorted(name for _, name in named)) or "none"
                raise ConfigurationError(
                    f"{self.settings.sources} names no source {request.source!r}", advice=f"it names: {known}"
                )
            config = named[request.tenant, request.source or ""]
        return build_source(config, max_file_mb=self.settings.max_file_mb, variables=read_variables())

    @cached_property
    def _source_configs(self) -> list[SourceConfig]:
        return list(load_sources(self.settings.sources, variables=read_variables()).sources)

    # --- embedding spaces ---

    def embedder(self, spec: EmbedderSpec) -> Embedder:
        """The embedder of a spec, loaded once."""
        if spec not in self._embedders:
            self._embedders[spec] = self._build_embedder(spec)
        return self._embedders[spec]

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
        """The settings' pipeline, with its collection ready to be written."""
        pipeline = self.current_pipeline()
        for name in self.collections.open_collection(pipeline):
            self.index.drop_collection(name)
        for written in self.written_pipelines():
            self.index.ensure_collection(written.collection)
            if self.index_is_empty(written):
                self.versions.mark_unindexed(written.fingerprint)
        return pipeline

    def index_is_empty(self, pipeline: Pipeline) -> bool:
        """Whether the vector store lost (or never had) the collection's rows."""
        return next(self.index.list_chunk_ids(pipeline.collection.name, self.settings.tenant), None) is None

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
