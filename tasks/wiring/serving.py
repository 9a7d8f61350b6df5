"""What only the server needs."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path

from tasks.access_models import ReadableDocument
from tasks.access_ports import PageRenderer, TokenReader
from tasks.answer_models import Question
from tasks.document_ports import Source
from tasks.documents.originals import open_original
from tasks.documents.sources import describe_path
from tasks.errors import ConfigurationError
from tasks.integrations.database.backlog import read_backlog
from tasks.integrations.database.keys import DatabaseKeys
from tasks.models import IngestRequest
from tasks.source_models import unescape_path
from tasks.telemetry_models import Backlog
from tasks.wiring.curation import Curation


class Serving(Curation):
    """Keys, tokens, audit, originals, readiness."""

    @cached_property
    def keys(self) -> DatabaseKeys:
        """API keys."""
        return DatabaseKeys(self.database)

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
        if self.index_is_empty(serving.collection) and any(self.catalogue.list_live_chunk_ids(self.settings.tenant)):
            return ["the index lost its rows"]
        return []

    def serving_collection(self) -> str | None:
        """The name of the collection that searches read."""
        pipeline = self.serving_pipeline()
        return pipeline.collection.name if pipeline else None

    def read_backlog(self) -> Backlog:
        """What waits, for those who watch."""
        return read_backlog(self.database, self.settings.tenant)

    def prepare_models(self) -> None:
        """Build what the settings' models need in the cache, so that the first question does not wait for it."""
        self.embedder(self.current_pipeline().embedder_spec).embed_queries(["ready"])
        if self.generator:
            self.generator.count_tokens(["ready"])
