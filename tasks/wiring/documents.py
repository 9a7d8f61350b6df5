"""How documents are found and read."""

from __future__ import annotations

from functools import cached_property

from tasks.document_ports import Partitioner, Source
from tasks.documents.sources import GoneSource, describe_path, load_sources, refuse_opening
from tasks.errors import ConfigurationError
from tasks.models import IngestRequest, Run
from tasks.settings import Settings, read_variables
from tasks.source_models import SourceConfig
from tasks.wiring.stores import Stores


class Documents(Stores):
    """Sources and the partitioner."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._sources: dict[str, Source] = {}

    @cached_property
    def partitioner(self) -> Partitioner:
        """Unstructured, in worker processes with limits."""
        from tasks.integrations.unstructured import UnstructuredPartitioner

        return UnstructuredPartitioner(self.settings)

    def configured_sources(self) -> list[IngestRequest]:
        """One request a source of sources.yaml."""
        default = self.settings.tenant
        return [IngestRequest(source=config.name, tenant=config.tenant or default) for config in self._source_configs]

    def list_named_sources(self) -> set[str]:
        """Names of this tenant's sources in sources.yaml; none where there is no such file.

        Raises:
            ConfigurationError: The file is wrong.
        """
        if not self.settings.sources.is_file():
            return set()
        return {config.name for config in self._source_configs if config.tenant in (None, self.settings.tenant)}

    def list_unnamed_sources(self) -> list[str]:
        """Sources with documents that sources.yaml does not name, where it is there and right: nothing reads them."""
        if not self.settings.sources.is_file():
            return []
        try:
            named = self.list_named_sources()
        except ConfigurationError:
            return []
        # What was ingested by its bare path is named like it, and never stood there.
        known = self.catalogue.count_states(self.settings.tenant)
        return [name for name in known if name not in named and describe_path(name).name != name]

    def open_source(self, run: Run, request: IngestRequest) -> Source:
        """The source of a run: one object while the run lasts, since what it opens is what it listed."""
        if run.run_id not in self._sources:
            self._sources = {run.run_id: self.find_source(request)}
        return self._sources[run.run_id]

    def find_source(self, request: IngestRequest) -> Source:
        """The source that a request names.

        Raises:
            ConfigurationError: sources.yaml is wrong, does not name it, or restricts who may read what a path holds.
        """
        from tasks.integrations.sources import build_source

        if request.gone:
            return GoneSource(request.label)
        if request.url is not None:
            path = describe_path(request.url)
            if self.settings.sources.is_file():
                refuse_opening(path, self._source_configs, file=str(self.settings.sources), variables=read_variables())
            config: SourceConfig = path
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
