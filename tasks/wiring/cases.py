"""What business processes need."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from tasks.cases.collect import Collector, MailboxCases, StayingCases
from tasks.cases.handle import CaseHandler, CasePorts
from tasks.cases.process import PROCESS_NAME, Process, load_process
from tasks.cases_ports import CaseSource, Deliverer, FieldReader
from tasks.errors import ConfigurationError
from tasks.integrations.causal_models import DEFAULT_MODEL
from tasks.integrations.database.cases import DatabaseCases, DatabaseOutbox
from tasks.wiring.curation import Curation


class Cases(Curation):
    """Cases, their processes, the way out."""

    @cached_property
    def cases(self) -> DatabaseCases:
        """Cases and their outcomes."""
        return DatabaseCases(self.database)

    @cached_property
    def outbox(self) -> DatabaseOutbox:
        """Messages that still have to leave."""
        return DatabaseOutbox(self.database)

    def load_process(self, name: str) -> Process:
        """A process by its name, checked."""
        return load_process(self.settings.processes / name)

    def find_collector(self, tenant: str, name: str) -> Collector | None:
        """Who reads a tenant's cases of a process; None when there is no such process: a name may come from anybody."""
        known = PROCESS_NAME.fullmatch(name) and (self.settings.processes / name / "process.yaml").is_file()
        return Collector(tenant, self.load_process(name)) if known else None

    def open_handler(self, process: Process) -> CaseHandler:
        """Who works through a process's cases."""
        ports = CasePorts(
            answer=self.answer_questions,
            embedder=self.likeness_embedder(),
            store=self.cases,
            fields=self.field_reader,
        )
        return CaseHandler(process, ports)

    def open_collector(self, process: Process) -> Collector:
        """Who reads cases of files and payloads."""
        return Collector(self.settings.tenant, process)

    def open_case_source(self, process: Process, place: str) -> CaseSource:
        """Cases of a folder, a file, a mailbox (imap(s)://…), or a table (an URL with `?table=`)."""
        collector = self.open_collector(process)
        if "://" not in place:
            return StayingCases(lambda: collector.read_path(Path(place)))
        if urlsplit(place).scheme in ("imap", "imaps"):
            from tasks.integrations.case_imap import ImapMailbox

            key = self.settings.inbox_key.get_secret_value() if self.settings.inbox_key else None
            return MailboxCases(ImapMailbox(place, key), collector)
        from tasks.integrations.case_tables import read_table

        return StayingCases(lambda: collector.read_rows(read_table(place), "the table"))

    @cached_property
    def field_reader(self) -> FieldReader | None:
        """The model that answers, kept to a JSON schema; with the packaged one, which is slow, patterns alone."""
        name = self.settings.generator
        if name in ("none", DEFAULT_MODEL):
            return None
        if name == "openai":
            from tasks.integrations.openai_fields import OpenAIFieldReader

            return OpenAIFieldReader(self.settings)
        from tasks.integrations.local_fields import LocalFieldReader

        return LocalFieldReader(self.local_model(name))

    @cached_property
    def deliverer(self) -> Deliverer:
        """The way out that EXPERTLOOP_OUTBOX_URL names; a folder in home without it."""
        from tasks.integrations.outbox_mail import FolderOutbox, SmtpOutbox

        settings = self.settings
        url = settings.outbox_url or str(settings.home / "outbox")
        key = settings.outbox_key.get_secret_value() if settings.outbox_key else None
        scheme = urlsplit(url).scheme
        if scheme in ("", "file"):
            return FolderOutbox(Path(urlsplit(url).path if scheme else url), settings.outbox_sender)
        if scheme in ("smtp", "smtps"):
            return SmtpOutbox(urlsplit(url), settings.outbox_sender, key)
        if scheme in ("http", "https"):
            from tasks.integrations.outbox_webhook import WebhookOutbox

            return WebhookOutbox(url, key)
        if scheme.partition("+")[0] in ("sqlite", "postgresql"):
            from tasks.integrations.outbox_table import TableOutbox

            return TableOutbox(url)
        raise ConfigurationError(
            f"EXPERTLOOP_OUTBOX_URL has the unknown scheme {scheme!r}",
            advice="write a folder, https://…, smtp://…, sqlite:///…?table=… or postgresql+psycopg://…?table=…",
        )
