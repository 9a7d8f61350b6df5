"""Everything that remembers: the database by its parts, the vector store, scratch space."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse

from tasks.errors import ConfigurationError
from tasks.integrations.database.catalogue import Catalogue
from tasks.integrations.database.definitions import DatabaseDefinitions
from tasks.integrations.database.engine import Database
from tasks.integrations.database.index_truth import DatabaseIndexTruth
from tasks.integrations.database.leases import Leases
from tasks.integrations.database.manifest import DatabaseManifest
from tasks.integrations.database.passages import DatabasePassages
from tasks.integrations.database.runs import DatabaseRunLog
from tasks.integrations.database.summaries import DatabaseSummaries
from tasks.integrations.database.summaries_schema import summaries
from tasks.integrations.database.vector_cache import DatabaseVectorCache, NoVectorCache
from tasks.integrations.database.versions import DatabaseCollections, DatabaseVersions
from tasks.models import Run, derive_id
from tasks.ports import VectorCache, VectorIndex
from tasks.settings import Settings
from tasks.telemetry_ports import Telemetry

if TYPE_CHECKING:  # importing the client costs a second that commands on LanceDB do not pay
    from tasks.integrations.weaviate import WeaviateIndex


class Stores:
    """Where things are kept."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def database(self) -> Database:
        """Migrated when first asked for."""
        settings = self.settings
        database = Database(settings.resolved_database_url, statement_timeout_seconds=settings.database_timeout_seconds)
        database.migrate()
        return database

    @cached_property
    def telemetry(self) -> Telemetry:
        """Who is told of traces and numbers; nobody unless the settings say so."""
        from tasks.integrations.opentelemetry import OpenTelemetry, open_sdk

        return open_sdk() if self.settings.telemetry else OpenTelemetry()

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
    def definitions(self) -> DatabaseDefinitions:
        """What documents say that abbreviations stand for."""
        return DatabaseDefinitions(self.database)

    @cached_property
    def summaries(self) -> DatabaseSummaries:
        """What documents and their sections are about."""
        return DatabaseSummaries(self.database)

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

    @cached_property
    def summary_truth(self) -> DatabaseIndexTruth:
        """The same of its collections with summaries."""
        return DatabaseIndexTruth(self.database, summaries.c.summary_id)

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
