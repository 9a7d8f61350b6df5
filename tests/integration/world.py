"""The application over a real database, with fakes of what is outside."""

from __future__ import annotations

from flows.ingest import ingest_source
from tasks.document_ports import Source
from tasks.models import EmbedderSpec, IngestRequest, Ledger
from tasks.ports import Embedder, Generator, IndexQuery
from tasks.settings import Settings
from tasks.wiring import Application, use_application
from tests.fakes.embedder import FakeEmbedder
from tests.fakes.partitioner import FakePartitioner
from tests.fakes.sources import FakeSource
from tests.fakes.vector_index import FakeIndex


class World(Application):
    """The application with fakes outside; its database is real."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.source = FakeSource()
        self.fake_partitioner = FakePartitioner()
        self.fake_embedder = FakeEmbedder()
        self.fake_index = FakeIndex()
        self.partitioner = self.fake_partitioner
        self.index = self.fake_index
        self.fake_generator: Generator | None = None

    @property
    def generator(self) -> Generator | None:
        """The fake when a test has one; else what the settings say."""
        return self.fake_generator or super().generator

    def find_source(self, request: IngestRequest) -> Source:
        """The one source there is."""
        return self.source

    def embedder(self, spec: EmbedderSpec) -> Embedder:
        """The fake of the spec's name, so that two pipelines can live side by side."""
        return FakeEmbedder(spec.model or self.fake_embedder.identity.name) if spec.model else self.fake_embedder

    def add_manuals(self, count: int = 8) -> None:
        """Put some documents into the source."""
        for number in range(count):
            self.source.files[f"doc{number}.txt"] = f"# Manual {number}\nPump {number} weighs {number} kg.".encode()

    def ingest(self, *, confirm_prune: bool = False) -> Ledger:
        """One run of the flow."""
        return ingest_source(IngestRequest(source=self.source.name, confirm_prune=confirm_prune))

    def visible(self) -> dict[str, str]:
        """State by uri of every document that readers can find."""
        return {document.uri: document.state.value for document in self.catalogue.list_documents("default")}

    def indexed(self) -> set[str]:
        """Every chunk_id in the serving collection."""
        pipeline = self.serving_pipeline()
        assert pipeline is not None
        return set(self.index.list_chunk_ids(pipeline.collection.name, "default"))

    def found_in_index(self, principals: set[str]) -> set[str]:
        """What the vector store itself shows them, before the database has its say."""
        pipeline = self.serving_pipeline()
        assert pipeline is not None
        vector = self.fake_embedder.embed_queries(["pump"])[0]
        query = IndexQuery("default", frozenset(principals), vector, "", 1.0, 100)
        (hits,) = self.index.search_rows(pipeline.collection.name, [query])
        return {hit.chunk_id for hit in hits}

    def live_chunks(self) -> set[str]:
        """Every chunk_id that searches may show."""
        return set(self.catalogue.list_live_chunk_ids("default"))


def reopen(world: World) -> World:
    """The same database, index and source under settings read again."""
    other = World(Settings())
    other.source, other.index = world.source, world.index
    other.fake_index = world.fake_index
    use_application(other)
    return other
