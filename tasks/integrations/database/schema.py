"""The tables. Ids are derived strings (rule 2), times are UTC, JSON columns hold lists and small objects.

tenant ─ document ─< version ─< chunk          what is known; a document's live_version_id is what readers see
             └─< document_reader                who may read it
run ─< listing                                  one ingest: every listed file and what became of it
collection                                      one embedding space in the vector store
cached_vector · lease                           what was embedded before · who works on what
evaluation ─< evaluation_result                 one run over a question file: each question's answer and scores
api_key                                         who may ask the server, as what
audit · served_answer ─< feedback               what the server did for whom · what it answered · what they say of it
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect


class UtcDateTime(sa.TypeDecorator[datetime]):
    """Aware UTC datetimes on every database; SQLite keeps no zone of its own."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """To UTC; a naive datetime is a bug of ours."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """To aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Whether every database keeps the text as it is."""
    return _UNSTORABLE.search(text) is None


class StoredText(sa.TypeDecorator[str]):
    """Text that is equal on every database.

    PostgreSQL refuses NUL, and neither database takes half of a surrogate pair: both become the replacement character,
    one for one, so that offsets of citations stay true. Order is that of code points (collation "C"), as in SQLite; it
    also keeps indexes valid when the operating system's rules for a language change.
    """

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[str]:
        """TEXT, with its order on PostgreSQL."""
        return dialect.type_descriptor(sa.Text(collation="C") if dialect.name == "postgresql" else sa.Text())

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        """As it can be stored."""
        return None if value is None else _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def make_id(name: str, *args: Any, **keywords: Any) -> sa.Column[str]:
    """A column of a derived id."""
    return sa.Column(name, sa.String(36), *args, **keywords)


documents = sa.Table(
    "documents",
    metadata,
    make_id("document_id", primary_key=True),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("source", StoredText, nullable=False),
    sa.Column("path", StoredText, nullable=False),
    sa.Column("uri", StoredText, nullable=False),
    sa.Column("file_name", StoredText, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # live | empty | outdated | quarantined | removed
    make_id("live_version_id"),  # the version readers see; null when quarantined or removed
    sa.Column("content_hash", sa.String(64)),  # sha256 of the live version's bytes
    sa.Column("groups", sa.JSON, nullable=False),
    sa.Column("readers_stale", sa.Boolean, nullable=False),  # the vector store still has the former readers
    sa.Column("seen_size", sa.BigInteger),  # as listed when it was last read, well or not
    sa.Column("seen_modified", UtcDateTime),
    sa.Column("seen_etag", StoredText),
    sa.Column("seen_hash", sa.String(64)),
    sa.Column("read_fingerprint", sa.String(16)),  # pipeline of the last reading
    sa.Column(
        "read_capabilities",
        StoredText,  # what was installed and allowed then; a failure is tried again with more
    ),
    sa.Column("problem", sa.JSON(none_as_null=True)),
    sa.Column("part_problems", sa.JSON(none_as_null=True)),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    # PostgreSQL indexes 2,704 bytes, and paths may be longer; document_id is derived from all three anyway.
    sa.Index("ix_documents_tenant_source_path", "tenant", "source", "path", unique=True).ddl_if(dialect="sqlite"),
    sa.Index("ix_documents_tenant_source_hash", "tenant", "source", "content_hash"),
)

document_readers = sa.Table(
    "document_readers",
    metadata,
    make_id("document_id", sa.ForeignKey("documents.document_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("principal", StoredText, primary_key=True),
)

versions = sa.Table(
    "versions",
    metadata,
    make_id("version_id", primary_key=True),
    make_id("document_id", nullable=False),  # no foreign key: written before its document is published
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("source", StoredText, nullable=False),
    sa.Column("content_hash", sa.String(64), nullable=False),
    sa.Column("fingerprint", sa.String(16), nullable=False),
    sa.Column("state", sa.String(8), nullable=False),  # writing | ready | swept
    sa.Column("title", StoredText, nullable=False),
    sa.Column("language", sa.String(8), nullable=False),
    sa.Column("text", StoredText, nullable=False),  # empty once swept
    sa.Column("modified", UtcDateTime),  # the document's date when this content was first seen
    sa.Column("groups", sa.JSON, nullable=False),  # readers written to the vector store with it
    sa.Column("document_type", sa.String(32), nullable=False),
    sa.Column("chunk_count", sa.Integer, nullable=False),
    sa.Column("wants", StoredText),  # reasons `needs-…` for which parts were not read; null: none
    make_id("copied_from"),  # the version a rename copied; its vectors are taken over
    sa.Column("definition_rules", sa.Integer),  # by which its definitions were found; null: not looked for yet
    sa.Column("summary_rules", sa.String(64)),  # by which the summaries that are indexed were made; null: not yet
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Index("ix_versions_document_id", "document_id"),
    # Few have any: an ingest finds them without a look at the others.
    sa.Index(
        "ix_versions_wants",
        "wants",
        "version_id",
        sqlite_where=sa.text("wants IS NOT NULL"),
        postgresql_where=sa.text("wants IS NOT NULL"),
    ),
    # With the rules in the index nobody reads through long texts to find that all of them are learnt from.
    sa.Index("ix_versions_tenant_source_state_rules", "tenant", "source", "state", "definition_rules"),
    sa.Index("ix_versions_tenant_source_state_summaries", "tenant", "source", "state", "summary_rules"),
)

is_live = sa.and_(
    documents.c.document_id == versions.c.document_id, documents.c.live_version_id == versions.c.version_id
)
"""Joins a version to the document whose readers see it: by the document's key, since no index finds a live version."""

chunks = sa.Table(
    "chunks",
    metadata,
    make_id("chunk_id", primary_key=True),
    make_id("version_id", sa.ForeignKey("versions.version_id", ondelete="CASCADE"), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("start", sa.Integer, nullable=False),
    sa.Column("end", sa.Integer, nullable=False),
    sa.Column("text", StoredText, nullable=False),
    sa.Column("repeated_header", StoredText, nullable=False),
    sa.Column("heading_path", sa.JSON, nullable=False),
    sa.Column("part", StoredText),
    sa.Column("page", sa.Integer),
    sa.Column("language", sa.String(8), nullable=False),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("element_ids", sa.JSON, nullable=False),
    sa.Column("embedding_key", sa.String(64), nullable=False),  # sha256 of the embedded text
    sa.UniqueConstraint("version_id", "position"),
)

runs = sa.Table(
    "runs",
    metadata,
    make_id("run_id", primary_key=True),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("source", StoredText, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),  # counts the runs of this source
    sa.Column("status", sa.String(16), nullable=False),  # running | done | prune-blocked | failed | abandoned
    sa.Column("live_before", sa.Integer, nullable=False),
    sa.Column("removed", sa.Integer, nullable=False),
    sa.Column("embedded", sa.Integer, nullable=False),
    sa.Column("ledger", sa.JSON(none_as_null=True)),
    sa.Column("error", StoredText),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime),
    sa.UniqueConstraint("tenant", "source", "number"),
)

listing = sa.Table(
    "listing",
    metadata,
    make_id("run_id", sa.ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True),
    make_id("document_id", primary_key=True),
    sa.Column("path", StoredText, nullable=False),
    sa.Column("uri", StoredText, nullable=False),
    sa.Column("file_name", StoredText, nullable=False),
    sa.Column("size_bytes", sa.BigInteger),
    sa.Column("modified", UtcDateTime),
    sa.Column("etag", StoredText),
    sa.Column("title", StoredText),
    sa.Column("groups", sa.JSON, nullable=False),
    sa.Column("language", sa.String(8)),
    sa.Column("problem", sa.JSON(none_as_null=True)),
    sa.Column("batch", sa.Integer),  # which batch reads it; null: nothing to read
    sa.Column("reprocess", sa.Boolean, nullable=False),  # content as before, pipeline another
    sa.Column("outcome", sa.String(16)),  # new | changed | renamed | unchanged | outdated | quarantined
    sa.Column("content_hash", sa.String(64)),
    make_id("renamed_from"),
    sa.Column("part_problems", sa.JSON(none_as_null=True)),
    sa.Index("ix_listing_run_id_batch", "run_id", "batch"),
)

collections = sa.Table(
    "collections",
    metadata,
    sa.Column("fingerprint", sa.String(16), primary_key=True),
    sa.Column("name", sa.String(128), nullable=False, unique=True),
    sa.Column("pipeline", sa.JSON, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # serving | building | retired
    sa.Column("created_at", UtcDateTime, nullable=False),
)

cached_vectors = sa.Table(
    "cached_vectors",
    metadata,
    sa.Column("embedder", sa.String(36), primary_key=True),  # derived from the embedder's identity
    sa.Column("embedding_key", sa.String(64), primary_key=True),
    sa.Column("vector", sa.LargeBinary, nullable=False),  # little-endian float16
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", StoredText, primary_key=True),
    sa.Column("token", sa.String(36), nullable=False),  # derived from holder and beginning; fences every commit
    sa.Column("host", StoredText, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("process_started", sa.Float, nullable=False),  # seconds since the epoch; pids are reused
    sa.Column("beats", sa.Integer, nullable=False),  # counts up; compared, never read as a clock
    sa.Column("taken_at", UtcDateTime, nullable=False),
)

questions = sa.Table(
    "questions",
    metadata,
    make_id("question_id", primary_key=True),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("text", StoredText, nullable=False),
    sa.Column("principals", sa.JSON, nullable=False),
    sa.Column("terms", sa.JSON(none_as_null=True)),  # how it is asked besides its words; null: as by default
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Index("ix_questions_asked_at", "asked_at"),
)

answers = sa.Table(
    "answers",
    metadata,
    make_id("answer_id", primary_key=True),
    make_id("question_id", sa.ForeignKey("questions.question_id", ondelete="CASCADE"), nullable=False),
    sa.Column("answer", sa.JSON, nullable=False),
    sa.Column("answered_at", UtcDateTime, nullable=False),
)

gaps = sa.Table(
    "gaps",
    metadata,
    make_id("gap_id", primary_key=True),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("question", StoredText, nullable=False),
    sa.Column("language", sa.String(8), nullable=False),
    sa.Column("reason", sa.String(32), nullable=False),
    sa.Column("asked", sa.Integer, nullable=False),
    sa.Column("first_asked", UtcDateTime, nullable=False),
    sa.Column("last_asked", UtcDateTime, nullable=False),
    sa.Column("sources", sa.JSON, nullable=False),
    sa.Column("closed_at", UtcDateTime),  # set by a person; asked again after that, it opens again
    sa.Index("ix_gaps_tenant_asked", "tenant", "asked"),
)

calibrations = sa.Table(
    "calibrations",
    metadata,
    make_id("calibration_id", primary_key=True),  # derived from the key
    sa.Column("key", sa.JSON, nullable=False),
    sa.Column("calibration", sa.JSON, nullable=False),
    sa.Column("fitted_at", UtcDateTime, nullable=False),
)

evaluations = sa.Table(
    "evaluations",
    metadata,
    make_id("run_id", primary_key=True),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("questions_file", StoredText, nullable=False),
    sa.Column("questions_hash", sa.String(64), nullable=False),
    sa.Column("collection", sa.String(128), nullable=False),
    sa.Column("generator", StoredText, nullable=False),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("summary", sa.JSON(none_as_null=True)),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime),
    sa.Index("ix_evaluations_tenant_started_at", "tenant", "started_at"),
)

evaluation_results = sa.Table(
    "evaluation_results",
    metadata,
    make_id("run_id", sa.ForeignKey("evaluations.run_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),  # of the question in its file, from 0
    sa.Column("result", sa.JSON, nullable=False),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("key_id", sa.String(16), primary_key=True),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("principal", StoredText, nullable=False),
    sa.Column("groups", sa.JSON, nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("secret_hash", sa.String(64), nullable=False),  # sha256; the secret itself is kept nowhere
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("revoked_at", UtcDateTime),
    sa.Index("ix_api_keys_tenant", "tenant"),
)

audit = sa.Table(
    "audit",
    metadata,
    make_id("audit_id", primary_key=True),
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Column("action", sa.String(16), nullable=False),  # answer | search | document
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("principal", StoredText, nullable=False),
    sa.Column("key_id", StoredText, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("question_hash", sa.String(64)),
    sa.Column("document_ids", sa.JSON, nullable=False),  # shown: cited, or listed as a source
    sa.Column("mode", sa.String(16)),
    sa.Column("reason", StoredText),
    sa.Index("ix_audit_at", "at"),
    sa.Index("ix_audit_tenant_principal", "tenant", "principal"),
)

served_answers = sa.Table(
    "served_answers",
    metadata,
    make_id("answer_id", primary_key=True),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("principal", StoredText, nullable=False),
    sa.Column("principals", sa.JSON, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("answer", sa.JSON, nullable=False),
    sa.Index("ix_served_answers_at", "at"),
)

feedback = sa.Table(
    "feedback",
    metadata,
    make_id("answer_id", sa.ForeignKey("served_answers.answer_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("principal", StoredText, primary_key=True),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("verdict", sa.String(16), nullable=False),  # good | wrong | corrected
    sa.Column("text", StoredText),
    sa.Column("at", UtcDateTime, nullable=False),
)

sources = sa.Table(
    "sources",
    metadata,
    sa.Column("tenant", sa.String(64), primary_key=True),
    sa.Column("source", StoredText, primary_key=True),
    sa.Column("trust", sa.String(8), nullable=False),  # high | normal | low
)
