"""The only reader of the environment: EXPERTLOOP_* and `.env` become one frozen object.

Built in doors and task wrappers, never at import (rule of STYLE.md); secrets are SecretStr and never printed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from tasks import SPINNING, SPINS_ARE_OURS, SPINS_TOGETHER
from tasks.errors import ConfigurationError

_COUNTS = "PROMETHEUS_MULTIPROC_DIR"
"""Prometheus' own name; its library reads it once, when it is imported."""


def default_cache() -> Path:
    """Where models live: outside every EXPERTLOOP_HOME, shared by all of them."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "expertloop"


def names_collector() -> bool:
    """Whether the standard variables of OpenTelemetry name somebody to tell (its specification, "OTLP exporter")."""
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").casefold() == "true"
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
    return not disabled and any(os.environ.get(name) for name in names)


def quieten_vendors() -> None:
    """Switch off notices, telemetry, downloads and inner threads of document libraries; for workers, before imports."""
    os.environ.update(
        UNSTRUCTURED_DISABLE_NOTICE="1",
        DO_NOT_TRACK="1",
        SCARF_NO_ANALYTICS="true",
        HF_HUB_OFFLINE="1",
        OMP_THREAD_LIMIT="1",
    )


class Settings(BaseSettings):
    """Everything that can be set, with its unit and its default."""

    model_config = SettingsConfigDict(env_prefix="EXPERTLOOP_", env_file=".env", extra="ignore", frozen=True)

    home: Path = Field(default=Path("data/work"), description="holds all state; two homes are two worlds")
    cache: Path = Field(default_factory=default_cache, description="models, converted once; outside home")
    tenant: str = Field(default="default", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    sources: Path = Field(default=Path("sources.yaml"), description="the file that names the sources")
    time_zone: str = Field(default="Europe/Berlin", description="of the nightly schedule")

    database_url: SecretStr | None = Field(default=None, description="postgresql+psycopg://…; default: SQLite in home")
    database_timeout_seconds: float = Field(default=300, gt=0, description="longest statement on PostgreSQL")
    index_url: str | None = Field(default=None, description="the vector store; default: LanceDB in home")
    index_key: SecretStr | None = Field(default=None, description="Weaviate's API key")
    index_headers: SecretStr | None = Field(
        default=None, description="sent with every request to Weaviate: 'Name: value', separated by semicolons"
    )
    index_timeout_seconds: float = Field(default=30, gt=0, description="longest wait for one request to Weaviate")
    index_compression: Literal["none", "rq", "sq"] = Field(
        default="none", description="of vectors in Weaviate's memory, for collections created from now on"
    )

    partition_strategy: Literal["auto", "fast", "ocr_only", "hi_res"] = "auto"
    partition_workers: int = Field(default=0, ge=0, description="processes; 0: one a processor core, at most 8")
    partition_timeout_seconds: float = Field(default=300, gt=0, description="per file")
    partition_memory_mb: int = Field(default=2048, ge=256, description="per worker process")
    max_text_mb: float = Field(default=20, gt=0, description="documents with more text than this are quarantined")
    max_file_mb: int = Field(default=256, gt=0, description="larger files are quarantined unread")

    embedder: str = Field(default="default", description="'default', 'minilm', 'use', a path or hub id, or 'openai'")
    embedder_url: str | None = Field(default=None, description="an OpenAI-compatible endpoint, with /v1")
    embedder_model: str | None = None
    embedder_key: SecretStr | None = None
    embedder_dimensions: int | None = Field(default=None, gt=0, description="asked of endpoints that can shorten")
    embedder_timeout_seconds: float = Field(default=60, gt=0, description="of an endpoint's silence")
    embedder_backend: Literal["auto", "onnx-int8", "onnx-fp32", "torch"] = "auto"
    embedding_cache: bool = True
    chunk_tokens: int = Field(default=200, ge=32, description="longest chunk, in the embedder's tokens")

    search_limit: int = Field(default=10, ge=1)
    search_alpha: float | None = Field(default=None, ge=0, le=1, description="weight of dense; default: by language")
    reranker: str | None = Field(default=None, description="path or hub id of a cross-encoder")
    summaries: Literal["none", "extracted", "written"] = Field(
        default="extracted", description="of documents, for questions for an overview: their own sentences, or written"
    )
    expand_abbreviations: bool = Field(default=True, description="search what abbreviations stand for, too")

    generator: str = Field(default="smollm2", description="'smollm2', a path or hub id, 'openai', or 'none'")
    generator_dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="of a model in this process; auto: what this machine computes fastest"
    )
    generator_url: str | None = Field(default=None, description="an OpenAI-compatible endpoint, with /v1")
    generator_model: str | None = None
    generator_key: SecretStr | None = None
    generator_timeout_seconds: float = Field(default=120, gt=0)
    generator_adapters: Path | None = Field(
        default=None, description="folder that a vLLM server at generator_url sees, too: champions are loaded there"
    )
    entailment: str | None = Field(
        default=None, description="tells what documents imply: path or hub id, or a Text Embeddings Inference server"
    )
    entailment_key: SecretStr | None = None
    answer_passages: int = Field(default=3, ge=1, le=20, description="chunks shown to the generator")
    answer_tokens: int = Field(default=96, ge=8, description="longest generated answer, in the generator's tokens")

    scope: str = Field(default="everyone", description="whose champion answers here: everyone, or one group")
    artifacts_url: str | None = Field(default=None, description="fsspec URL for adapters; default: in home")

    max_error: float = Field(default=0.1, gt=0, le=1, description="wished share of wrong answers; 1: never hold back")
    hold_suspicious: bool = Field(default=True, description="leave out passages that give orders to a machine")
    answer_outdated: bool = Field(default=True, description="answer, marked, from documents that cannot be read anew")
    keep_gaps: bool = Field(default=True, description="keep questions that got no answer, for `expertloop gaps`")

    test_share: float = Field(default=0.25, ge=0, lt=1, description="of the documents: never trained on, for tests")
    validation_share: float = Field(default=0.1, ge=0, lt=1, description="of the documents: watched while training")
    distractor_passages: int = Field(default=3, ge=0, description="frozen in datasets behind those that are shown")

    glossary: Path | None = Field(default=None, description="the company's own words and abbreviations, a YAML file")
    gate_questions: int = Field(default=80, ge=1, description="fewer test questions decide nothing")
    gate_slices: str = Field(default="language,document_type,origin", description="parts that must not get worse")
    gate_slice_questions: int = Field(default=10, ge=1, description="smaller parts are not looked at")
    gate_tolerance: float = Field(default=0.1, ge=0, le=1, description="largest loss of silence and citations")
    gate_forgetting: float = Field(default=0.05, ge=0, le=1, description="largest drop on general questions")
    gate_perplexity: float = Field(default=1.25, ge=1, description="largest growth on general text, times")

    retrain_min_new_pairs: int = Field(default=200, ge=1, description="approved and not seen by the champion: train")
    retrain_min_share: float = Field(default=0.2, gt=0, description="... or so much more than the champion has seen")
    retrain_cooldown_hours: float = Field(default=24, ge=0, description="between two trainings of one scope")

    notify_url: SecretStr | None = Field(
        default=None,
        description="who is told of failed runs: an Apprise address, such as jsons://host/path or mailtos://…",
    )

    processes: Path = Field(default=Path("data/processes"), description="one folder a business process")
    inbox_key: SecretStr | None = Field(default=None, description="checks signed cases; IMAP's password")
    outbox_url: str | None = Field(
        default=None, description="where replies go: a folder, https://…, smtp(s)://…, or a database with ?table="
    )
    outbox_key: SecretStr | None = Field(default=None, description="signs webhooks; SMTP's password")
    outbox_sender: str = Field(default="expertloop@localhost", description="From of replies; its domain names messages")

    approvers: str = Field(default="", description="who may let a candidate serve, separated by commas; none: the gate")
    approval_hours: float = Field(default=72, gt=0, description="a candidate waits so long for a person's word")
    approval_deadline: Literal["reject", "promote"] = Field(default="reject", description="when nobody decided in time")
    marked_champion: Literal["keep", "fall-back"] = Field(
        default="keep", description="when text it learnt is erased or narrowed: until replaced, or back at once"
    )

    prune_share: float = Field(default=0.2, ge=0, le=1, description="a listing that shrank by more stops the prune")
    prune_minimum: int = Field(default=5, ge=0, description="... and by more documents than this")
    lease_seconds: float = Field(default=60, gt=0, description="a silent holder on another host loses the lease")
    batch_documents: int = Field(default=64, ge=1, description="documents per task and per commit")
    log_level: str = "WARNING"
    telemetry: bool = Field(
        default_factory=names_collector, description="tell OpenTelemetry; default: when OTEL_* names a collector"
    )

    extractive_fallback: bool = Field(default=True, description="quote documents while the generator does not answer")
    rate_per_minute: int = Field(default=120, ge=0, description="requests a minute that a key may send; 0: any number")
    body_kb: int = Field(default=256, ge=1, description="largest body of a request to the server")
    body_timeout_seconds: float = Field(default=30, gt=0, description="a slower body is not waited for")
    queue_questions: int = Field(default=256, ge=1, description="questions that may wait; more are sent away")
    queue_timeout_seconds: float = Field(default=60, gt=0, description="longest wait until an answer is begun")
    stop_timeout_seconds: int = Field(default=120, ge=1, description="longest wait for running answers at the end")
    log_questions: bool = Field(default=False, description="put questions into the access log")
    audit_days: int = Field(default=90, ge=1, description="what the server did for whom is kept so long")
    oidc_issuer: str | None = Field(default=None, description="accept this identity provider's tokens, too")
    oidc_audience: str | None = Field(default=None, description="what tokens must be made for")
    oidc_principal_claim: str = Field(default="sub", description="the claim that names the user")
    oidc_groups_claim: str = Field(default="groups", description="the claim that lists the user's groups")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _refuse(error) from None  # pydantic's text repeats the value, which may be a secret

    @property
    def resolved_database_url(self) -> str:
        """The setting with its password, or the SQLite file in home."""
        if self.database_url:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.home.absolute() / 'expertloop.db'}"

    @property
    def resolved_index_url(self) -> str:
        """The setting, or the LanceDB folder in home."""
        return self.index_url or f"lancedb://{self.home.absolute() / 'index'}"

    @property
    def resolved_artifacts_url(self) -> str:
        """The setting, or a folder in home."""
        return self.artifacts_url or f"file://{self.home.absolute() / 'artifacts'}"


def _refuse(error: ValidationError) -> ConfigurationError:
    faults = [f"EXPERTLOOP_{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors()]
    return ConfigurationError(
        f"wrong settings: {'; '.join(faults)}",
        advice="correct these variables in the environment or in .env; README.md describes the usual ones",
    )


def read_variables() -> Mapping[str, str]:
    """Every environment variable: what `${NAME}` in sources.yaml may refer to."""
    return dict(os.environ)


def prepare_prefect(settings: Settings) -> bool:
    """Give Prefect its home and its patience, before it is imported; what an operator has set already stays.

    Returns:
        Whether no server is named (`PREFECT_API_URL`), so that flows need one of ours, whose state belongs to our home.
    """
    alone = "PREFECT_API_URL" not in os.environ
    defaults = {
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # In memory, they would die with the server: the runs that hold slots are ended when they cannot renew them.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_LOGGING_LEVEL": settings.log_level,
        "DO_NOT_TRACK": "1",
    }
    if alone:
        defaults["PREFECT_HOME"] = str(settings.home.absolute() / "prefect")
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    return alone


def find_prefect_server() -> str | None:
    """The server that is named for flows of this process."""
    return os.environ.get("PREFECT_API_URL")


def find_prefect_login() -> tuple[str, str] | None:
    """User and password that the server asks for."""
    user, _, password = os.environ.get("PREFECT_API_AUTH_STRING", "").partition(":")
    return (user, password) if user else None


def find_visible_devices() -> str | None:
    """The GPUs that an operator lets this process see; None: all."""
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def use_devices(device_ids: Iterable[str]) -> None:
    """Let torch see some GPUs alone; before it looks for them."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(device_ids)


def join_processes(rank: int, processes: int, *, shared: bool) -> None:
    """Say to accelerate what its launcher would: which of how many this process is; before torch is imported.

    Args:
        rank: Its place among them, from 0.
        processes: On this machine, and nowhere else.
        shared: Whether they share one model (FSDP) instead of having one each.
    """
    places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
    os.environ.update({name: str(value) for name, value in places.items()})
    if shared:
        os.environ["ACCELERATE_USE_FSDP"] = "true"


def use_prefect_server(url: str) -> None:
    """Let flows of this process talk to a server, before Prefect is imported."""
    os.environ["PREFECT_API_URL"] = url


def share_cores() -> None:
    """Let the processes that this one starts from now on leave the cores to each other while they wait."""
    if SPINS_ARE_OURS:
        os.environ[SPINNING] = SPINS_TOGETHER


def count_together(folder: Path, mark: Mapping[str, str]) -> None:
    """Let the processes that this one starts add up what they count, and carry its mark."""
    os.environ.update({_COUNTS: str(folder), **mark})


def find_counts() -> Path | None:
    """The folder in which several serving processes count together; None where one serves alone."""
    folder = os.environ.get(_COUNTS)
    return Path(folder) if folder else None
