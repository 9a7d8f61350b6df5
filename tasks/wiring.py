"""The composition root: settings in, concrete integrations out, each built once a process and only when asked for."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlparse

from tasks.access_models import ReadableDocument
from tasks.answering.answer import AnswerOptions, answer_questions
from tasks.answering.confidence import read_shipped
from tasks.answering.pair_support import PairSupport
from tasks.answering.trust import TrustedFirst
from tasks.curation.checks import CheckOptions
from tasks.curation.desk import CurationPorts, Desk
from tasks.documents.chunk import CHUNKER_VERSION, embedded_text
from tasks.documents.originals import open_original
from tasks.documents.sources import describe_path, load_sources
from tasks.errors import ConfigurationError, ProductError
from tasks.integrations.database.answers import DatabaseAnswers
from tasks.integrations.database.calibrations import DatabaseCalibrations
from tasks.integrations.database.catalogue import Catalogue
from tasks.integrations.database.cited import DatabaseCited
from tasks.integrations.database.datasets import DatabaseDatasets, DatabaseSplits
from tasks.integrations.database.engine import Database
from tasks.integrations.database.evaluations import DatabaseEvaluations
from tasks.integrations.database.gaps import DatabaseGaps
from tasks.integrations.database.index_truth import DatabaseIndexTruth
from tasks.integrations.database.keys import DatabaseKeys
from tasks.integrations.database.leases import Leases
from tasks.integrations.database.manifest import DatabaseManifest
from tasks.integrations.database.pairs import DatabasePairs
from tasks.integrations.database.passages import DatabasePassages
from tasks.integrations.database.runs import DatabaseRunLog
from tasks.integrations.database.served import DatabaseServedLog
from tasks.integrations.database.vector_cache import DatabaseVectorCache, NoVectorCache
from tasks.integrations.database.versions import DatabaseCollections, DatabaseVersions
from tasks.language import detect_language
from tasks.models import (
    Answer,
    Calibration,
    CalibrationKey,
    EmbedderSpec,
    Hit,
    IngestRequest,
    Pipeline,
    Question,
    Run,
    derive_id,
)
from tasks.ports import (
    Embedder,
    Generator,
    PageRenderer,
    Partitioner,
    Plotter,
    RawRow,
    Reranker,
    Searcher,
    Source,
    TokenReader,
    VectorCache,
    VectorIndex,
)
from tasks.retrieval.analysis import ANALYSIS_VERSION, analyse_text
from tasks.retrieval.index import Space, index_versions
from tasks.retrieval.search import HybridSearcher
from tasks.settings import Settings, read_variables
from tasks.source_models import SourceConfig, unescape_path

if TYPE_CHECKING:  # importing the client costs a second that commands on LanceDB do not pay
    from tasks.integrations.weaviate import WeaviateIndex

logger = logging.getLogger(__name__)
T = TypeVar("T")

PACKAGED_EMBEDDERS = ("default", "minilm", "use")
FIRST_SHARES = {"en": 0.8}
DEFAULT_FIRST_SHARE = 0.2
"""How much MiniLM counts in a question's similarity, by its language; docs/decisions/0010 has the table."""


_applications: dict[Settings, Application] = {}


def application(settings: Settings | None = None) -> Application:
    """The application of these settings; of the environment's when none are given. One a process and settings."""
    settings = settings or Settings()
    return _applications.setdefault(settings, Application(settings))


def use_application(app: Application) -> None:
    """Let `application()` return this one for its settings: how a test passes fakes through task wrappers."""
    _applications[app.settings] = app


class Application:
    """Everything that is wired, lazily."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._embedders: dict[EmbedderSpec, Embedder] = {}
        self._remembering: dict[EmbedderSpec, Embedder] = {}
        self._sources: dict[str, Source] = {}

    @cached_property
    def database(self) -> Database:
        """Migrated when first asked for."""
        settings = self.settings
        database = Database(settings.resolved_database_url, statement_timeout_seconds=settings.database_timeout_seconds)
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
        if urlparse(url).scheme.startswith("weaviate+"):
            return self.weaviate
        if urlparse(url).scheme != "lancedb":
            raise ConfigurationError(
                f"EXPERTLOOP_INDEX_URL has the unknown scheme {urlparse(url).scheme!r}",
                advice="write lancedb:///absolute/path, weaviate+http://host:8080?grpc=50051, weaviate+https://host or "
                "weaviate+embedded://",
            )
        from tasks.integrations.lancedb import LanceIndex

        return LanceIndex(Path(urlparse(url).path))

    @cached_property
    def weaviate(self) -> WeaviateIndex:
        """The Weaviate that EXPERTLOOP_INDEX_URL names."""
        from tasks.integrations.weaviate import WeaviateIndex, parse_address, parse_headers

        settings = self.settings
        return WeaviateIndex(
            parse_address(settings.resolved_index_url, home=settings.home),
            key=settings.index_key,
            headers=parse_headers(settings.index_headers),
            timeout_seconds=settings.index_timeout_seconds,
            compression=settings.index_compression,
            binaries=settings.cache / "bin",
        )

    def describe_index(self) -> str:
        """The vector store, as the doctor shows it: asks a server for its version."""
        if not urlparse(self.settings.resolved_index_url).scheme.startswith("weaviate+"):
            return self.settings.resolved_index_url
        return self.weaviate.describe()

    @cached_property
    def index_truth(self) -> DatabaseIndexTruth:
        """What the vector store must hold."""
        return DatabaseIndexTruth(self.database)

    def hold_source(self, tenant: str, source: str) -> AbstractContextManager[str]:
        """The lease of a source: whoever has it is the only one that changes its documents and their chunks."""
        return self.leases.hold(f"source {tenant}/{source}")

    def scratch(self, run: Run, *, emptied: bool = False) -> Path:
        """Where the bytes of a source's documents lie while they are read; what a killed run left is removed."""
        folder = self.settings.home / "tmp" / derive_id("scratch", run.tenant, run.source)
        if emptied:
            shutil.rmtree(folder, ignore_errors=True)
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
        default = self.settings.tenant
        return [IngestRequest(source=config.name, tenant=config.tenant or default) for config in self._source_configs]

    def open_source(self, run: Run, request: IngestRequest) -> Source:
        """The source of a run: one object while the run lasts, since what it opens is what it listed."""
        if run.run_id not in self._sources:
            self._sources = {run.run_id: self.find_source(request)}
        return self._sources[run.run_id]

    def find_source(self, request: IngestRequest) -> Source:
        """The source that a request names.

        Raises:
            ConfigurationError: sources.yaml is wrong or does not name it.
        """
        from tasks.integrations.sources import build_source

        if request.url is not None:
            config: SourceConfig = describe_path(request.url)
        else:
            default = self.settings.tenant
            named = {(config.tenant or default, config.name): config for config in self._source_configs}
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
        from tasks.integrations.minilm_encoder import load_minilm
        from tasks.integrations.universal_encoder import load_use

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

    # --- answering ---

    @cached_property
    def searcher(self) -> Searcher:
        """Hybrid search over whatever collection serves at that moment, joined with the database."""
        return ServingSearcher(self)

    @cached_property
    def reranker(self) -> Reranker | None:
        """The configured cross-encoder; none by default."""
        if self.settings.reranker is None:
            return None
        from tasks.integrations.cross_encoder import CrossEncoderReranker

        return CrossEncoderReranker(self.settings.reranker)

    @cached_property
    def generator(self) -> Generator | None:
        """The configured model; None when answers are to be quotations only."""
        settings = self.settings
        if settings.generator == "none":
            return None
        if settings.generator != "openai":
            from tasks.integrations.transformers import TransformersGenerator

            return TransformersGenerator(settings.generator, cache=settings.cache)
        from tasks.integrations.openai import OpenAIGenerator

        return OpenAIGenerator(settings)

    @cached_property
    def answers(self) -> DatabaseAnswers:
        """Questions and answers by id."""
        return DatabaseAnswers(self.database)

    @cached_property
    def gaps(self) -> DatabaseGaps:
        """What is asked that no document answers."""
        return DatabaseGaps(self.database)

    @cached_property
    def calibrations(self) -> DatabaseCalibrations:
        """What signals are worth, by collection and generator."""
        return DatabaseCalibrations(self.database)

    def calibration_key(self) -> CalibrationKey:
        """What a calibration of the serving collection and the configured generator is kept under."""
        pipeline = self.serving_pipeline()
        return CalibrationKey(
            collection=pipeline.collection.name if pipeline else "none",
            generator=self.generator.identity if self.generator else "none",
        )

    def calibration(self) -> Calibration:
        """The one fitted on this collection with this generator, else the shipped one, which says so by its name."""
        return self.calibrations.read_calibration(self.calibration_key()) or read_shipped()

    def answer_questions(
        self,
        questions: Sequence[Question],
        *,
        searcher: Searcher | None = None,
        generate: bool = True,
        max_error: float | None = None,
    ) -> list[Answer]:
        """One answer a question, in their order; those without an answer are counted as gaps.

        Args:
            searcher: Instead of the search over the serving collection.
            generate: False: quoted from the documents.
            max_error: Instead of the setting; 1 holds no answer back.
        """
        settings, pipeline = self.settings, self.serving_pipeline()
        answers = answer_questions(
            questions,
            searcher=TrustedFirst(searcher or self.searcher, list_believed=self.passages.list_believed_sources),
            reader=self.passages,
            generator=self.generator if generate else None,
            embedder=self.asking_embedder(pipeline.embedder_spec) if pipeline else None,
            calibration=self.calibration(),
            options=AnswerOptions(
                passages=settings.answer_passages,
                max_tokens=settings.answer_tokens,
                max_error=max_error if max_error is not None else settings.max_error,
                hold_suspicious=settings.hold_suspicious,
                outdated=settings.answer_outdated,
            ),
        )
        versions = {"expertloop": version("expertloop"), "collection": pipeline.collection.name if pipeline else "none"}
        answers = [
            answer.model_copy(update={"id": question.id, "versions": answer.versions | versions})
            for question, answer in zip(questions, answers, strict=True)
        ]
        if settings.keep_gaps:
            self._record_gaps(questions, answers)
        return answers

    def _record_gaps(self, questions: Sequence[Question], answers: Sequence[Answer]) -> None:
        by_tenant: dict[str, list[Answer]] = {}
        for question, answer in zip(questions, answers, strict=True):
            by_tenant.setdefault(question.tenant, []).append(answer)
        for tenant, given in by_tenant.items():
            self.gaps.record_answers(tenant, given)

    @cached_property
    def evaluations(self) -> DatabaseEvaluations:
        """Evaluations and their results."""
        return DatabaseEvaluations(self.database)

    @cached_property
    def plotter(self) -> Plotter:
        """Draws a report's pictures."""
        from tasks.integrations.matplotlib import MatplotlibPlotter

        return MatplotlibPlotter()

    # --- curation ---

    @cached_property
    def pairs(self) -> DatabasePairs:
        """What experts stand for."""
        return DatabasePairs(self.database)

    @cached_property
    def splits(self) -> DatabaseSplits:
        """What each document's pairs are used for."""
        return DatabaseSplits(self.database)

    @cached_property
    def datasets(self) -> DatabaseDatasets:
        """Frozen pairs."""
        return DatabaseDatasets(self.database)

    def read_pair_file(self, file: Path) -> Iterator[RawRow]:
        """Rows of a file of pairs, streamed."""
        from tasks.integrations.pair_files import read_rows

        return read_rows(file)

    def write_pair_file(self, file: Path, rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> int:
        """Write rows in the format of the name's end; returns how many."""
        from tasks.integrations.pair_files import write_rows

        return write_rows(file, rows, columns)

    def likeness_embedder(self) -> Embedder:
        """Tells whether two texts mean the same, in two languages, too: the multilingual one of those packaged."""
        spec = self.serving_pipeline() or self.current_pipeline()
        packaged = spec.embedder_spec.name in PACKAGED_EMBEDDERS
        return self.embedder(EmbedderSpec(name="use") if packaged else spec.embedder_spec)

    def open_desk(self, tenant: str | None = None) -> Desk:
        """Where a tenant's pairs are looked at; for one command, since it remembers documents."""
        from tasks.integrations.spacy_names import SpacyNames

        ports = CurationPorts(
            pairs=self.pairs,
            cited=DatabaseCited(self.database),
            searcher=self.searcher,
            support=PairSupport(),
            names=SpacyNames(),
            embedder=self.likeness_embedder(),
        )
        return Desk(tenant or self.settings.tenant, ports, CheckOptions())

    # --- access ---

    @cached_property
    def keys(self) -> DatabaseKeys:
        """API keys."""
        return DatabaseKeys(self.database)

    @cached_property
    def served(self) -> DatabaseServedLog:
        """What the server did for whom."""
        return DatabaseServedLog(self.database)

    @cached_property
    def tokens(self) -> TokenReader | None:
        """The identity provider's tokens; None when none is configured.

        Raises:
            ConfigurationError: There is an issuer without an audience.
        """
        settings = self.settings
        if settings.oidc_issuer is None:
            return None
        if not settings.oidc_audience:
            raise ConfigurationError(
                "EXPERTLOOP_OIDC_ISSUER is set without an audience: tokens made for any program would be accepted",
                advice="set EXPERTLOOP_OIDC_AUDIENCE to what the issuer writes into tokens for expertloop",
            )
        from tasks.integrations.oidc import OidcTokens

        return OidcTokens(
            settings.oidc_issuer,
            audience=settings.oidc_audience,
            tenant=settings.tenant,
            principal_claim=settings.oidc_principal_claim,
            groups_claim=settings.oidc_groups_claim,
        )

    @cached_property
    def pages(self) -> PageRenderer:
        """Page images."""
        from tasks.integrations.pdf_pages import PdfPages

        return PdfPages()

    def open_original(self, document: ReadableDocument) -> AbstractContextManager[Path]:
        """The file that a document's text was read from, if it still is that file."""
        folder = self.settings.home / "tmp" / "originals"
        return open_original(document, self._origin(document), folder, max_bytes=self.settings.max_file_mb << 20)

    def _origin(self, document: ReadableDocument) -> Source | None:
        """The source of a document: one of sources.yaml, or the path or URL that an ingest was given."""
        default = self.settings.tenant
        if self.settings.sources.exists():
            names = {(config.tenant or default, config.name) for config in self._source_configs}
            if (document.tenant, document.source) in names:
                return self.find_source(IngestRequest(source=document.source, tenant=document.tenant))
        place = unescape_path(document.source)
        if describe_path(place).name != document.source:
            return None
        return self.find_source(IngestRequest(url=place, tenant=document.tenant))

    def prepare_serving(self) -> None:
        """Load what the first answer needs: the embedder, the index, the generator where it runs in this process."""
        pipeline = self.serving_pipeline()
        spec = pipeline.embedder_spec if pipeline else self.current_pipeline().embedder_spec
        self.embedder(spec).embed_queries(["ready"])
        self.searcher.search([Question(text="ready", principals=frozenset(), tenant=self.settings.tenant)], limit=1)
        if self.generator:
            self.generator.count_tokens(["ready"])

    def find_faults(self) -> list[str]:
        """Why questions cannot be answered now; empty when they can.

        Raises:
            BackendUnavailable: The database or the index does not answer.
        """
        serving = self.serving_pipeline()
        if serving is None:
            return ["nothing is ingested yet"]
        if self.index_is_empty(serving) and any(self.catalogue.list_live_chunk_ids(self.settings.tenant)):
            return ["the index lost its rows"]
        return []

    def serving_collection(self) -> str | None:
        """The name of the collection that searches read."""
        pipeline = self.serving_pipeline()
        return pipeline.collection.name if pipeline else None

    def prepare_models(self) -> None:
        """Build what the settings' models need in the cache, so that the first question does not wait for it."""
        self.embedder(self.current_pipeline().embedder_spec).embed_queries(["ready"])
        if self.generator:
            self.generator.count_tokens(["ready"])


class ServingSearcher:
    """The `Searcher` port over the collection that serves when the search begins: a flip needs no restart."""

    def __init__(self, app: Application) -> None:
        self._app = app

    def search(self, questions: Sequence[Question], *, limit: int) -> list[list[Hit]]:
        """The hits of each question; none before the first ingest.

        A search that a flip overtook found chunks that nobody may see any more: it is done again.
        """
        while True:
            pipeline = self._app.serving_pipeline()
            if pipeline is None:
                return [[] for _ in questions]
            try:
                found = self._search(pipeline, questions, limit)
            except ProductError:
                if self._app.serving_pipeline() == pipeline:
                    raise
            else:
                if all(len(hits) == limit for hits in found) or self._app.serving_pipeline() == pipeline:
                    return found

    def _search(self, pipeline: Pipeline, questions: Sequence[Question], limit: int) -> list[list[Hit]]:
        searcher = HybridSearcher(
            pipeline.collection.name,
            embedder=self._app.asking_embedder(pipeline.embedder_spec),
            index=self._app.index,
            reader=self._app.passages,
            alpha=self._app.settings.search_alpha,
            reranker=self._app.reranker,
        )
        return searcher.search(questions, limit=limit)
