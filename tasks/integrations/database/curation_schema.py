"""The tables of curation and datasets.

pair ─< pair_evidence · pair_band                questions and answers of people · what they quote · how alike are found
document_split · dataset ─< dataset_pair         what a document's pairs are used for · frozen datasets
"""

from __future__ import annotations

import sqlalchemy as sa

from tasks.integrations.database.schema import StoredText, UtcDateTime, make_id, metadata

pairs = sa.Table(
    "pairs",
    metadata,
    make_id("pair_id", primary_key=True),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("question", StoredText, nullable=False),
    sa.Column("answer", StoredText, nullable=False),
    sa.Column("language", sa.String(8), nullable=False),
    sa.Column("origin", sa.String(16), nullable=False),  # import | correction | synthetic
    sa.Column("author", StoredText, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # candidate | approved | rejected | stale
    sa.Column("groups", sa.JSON(none_as_null=True)),  # narrows the readers further
    sa.Column("findings", sa.JSON, nullable=False),
    sa.Column("accepted", sa.JSON, nullable=False),  # codes of findings that an approver has seen
    sa.Column("reason", StoredText, nullable=False),
    sa.Column("history", sa.JSON, nullable=False),
    make_id("content_key", nullable=False),  # of question and answer as they are now; the id is of what they were first
    make_id("question_key", nullable=False),
    sa.Column("vector", sa.LargeBinary),  # of the question, little-endian float16; null: not compared by meaning
    make_id("embedder"),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Index("ix_pairs_tenant_state", "tenant", "state"),
    sa.Index("ix_pairs_tenant_content_key", "tenant", "content_key"),
    sa.Index("ix_pairs_tenant_question_key", "tenant", "question_key"),
)

pair_evidence = sa.Table(
    "pair_evidence",
    metadata,
    make_id("pair_id", sa.ForeignKey("pairs.pair_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    make_id("document_id", nullable=False),  # no foreign key: a pair outlives its document, and says so
    sa.Column("quote", StoredText, nullable=False),
    sa.Column("start", sa.Integer),  # in the live version; null: not there
    sa.Column("end", sa.Integer),
    make_id("version_id"),  # the version it was last looked for in
    sa.Column("groups", sa.JSON, nullable=False),  # the document's readers at that time
    sa.Column("proposed", sa.Boolean, nullable=False),
    sa.Column("now", StoredText),  # what the document says instead
    sa.Index("ix_pair_evidence_document_id", "document_id"),
)

pair_bands = sa.Table(
    "pair_bands",
    metadata,
    make_id("pair_id", sa.ForeignKey("pairs.pair_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("band", sa.BigInteger, primary_key=True),  # one band of the question's MinHash signature
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Index("ix_pair_bands_tenant_band", "tenant", "band"),
)

document_splits = sa.Table(
    "document_splits",
    metadata,
    make_id("document_id", primary_key=True),  # no foreign key: a document that comes back has its split
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("split", sa.String(16), nullable=False),  # train | validation | test
    sa.Column("text_hash", sa.String(64), nullable=False),  # the same text under another name has the same split
    sa.Column("assigned_at", UtcDateTime, nullable=False),
    sa.Index("ix_document_splits_tenant_text_hash", "tenant", "text_hash"),
)

datasets = sa.Table(
    "datasets",
    metadata,
    make_id("dataset_id", primary_key=True),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("scope", StoredText, nullable=False),  # the principal that must be able to read all of it
    sa.Column("folder", StoredText, nullable=False),  # below EXPERTLOOP_HOME
    sa.Column("counts", sa.JSON, nullable=False),
    sa.Column("manifest", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

dataset_pairs = sa.Table(
    "dataset_pairs",
    metadata,
    make_id("dataset_id", sa.ForeignKey("datasets.dataset_id", ondelete="CASCADE"), primary_key=True),
    make_id("pair_id", primary_key=True),
    sa.Column("split", sa.String(16), nullable=False),
    sa.Index("ix_dataset_pairs_pair_id", "pair_id"),
)
