"""What fills a vector store from the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tasks.errors import ConfigurationError
from tasks.models import Pipeline
from tasks.retrieval.rebuild import Place
from tasks.wiring.spaces import Contents, Spaces


class Rebuilding(Spaces):
    """The places to be filled, held still meanwhile."""

    def list_index_tenants(self, pipeline: Pipeline) -> list[str]:
        """Those with a document of the pipeline."""
        return sorted({tenant for tenant, _ in self.index_truth.list_sources(pipeline.fingerprint)})

    @contextmanager
    def hold_places(self) -> Iterator[dict[str, list[Place]]]:
        """The tenants of each collection, while no ingest changes what they hold.

        Raises:
            ConfigurationError: There is nothing to fill a store with.
            DeviceBusy: A source is being ingested.
        """
        pipelines = self.written_pipelines()
        if not pipelines:
            raise ConfigurationError("nothing is ingested yet", advice="run: expertloop ingest PATH")
        with ExitStack() as held:
            sources = {pair for pipeline in pipelines for pair in self.index_truth.list_sources(pipeline.fingerprint)}
            for tenant, source in sorted(sources):
                held.enter_context(self.hold_source(tenant, source))
            contents = self.list_contents()
            for one in contents:
                self.index.ensure_collection(one.collection)
            yield {
                one.collection.name: [self._place(one, tenant) for tenant in self.list_index_tenants(one.pipeline)]
                for one in contents
            }

    def _place(self, contents: Contents, tenant: str) -> Place:
        fingerprint = contents.pipeline.fingerprint
        return Place(
            fingerprint=fingerprint,
            tenant=tenant,
            space=self.spaces()[fingerprint]._replace(collection=contents.collection.name),
            truth=contents.truth,
            versions=contents.versions,
            cache=self.vector_cache,
            store=self.index,
        )
