"""Erases a document's or a person's text from every store, and says in a certificate what was and was not reached.

The order matters: readers stop seeing it first, the row by which it is found goes last. Killed in between, the same
command goes on, and every step finds nothing where it was before.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from tasks.erasure_models import Certificate, Cleaned, DatasetMark, NotCovered, Subject, derive_certificate_id
from tasks.erasure_ports import AdapterFinder, ErasableStore, ErasureLog, MarkStore
from tasks.errors import ConfigurationError

logger = logging.getLogger(__name__)

NOT_COVERED = (
    NotCovered(
        where="backups of the database, of the vector store and of EXPERTLOOP_HOME",
        how="delete or rotate them by your schedule; after restoring one, run this erasure again",
    ),
    NotCovered(
        where="Prefect's own database and logs (they hold ids, and names of sources)",
        how="delete its old flow runs: prefect flow-run delete ID, or drop its database",
    ),
    NotCovered(
        where="log files, and memories of servers that run (questions and embeddings of the last minutes)",
        how="restart `expertloop serve`; rotate its log and that of a proxy before it",
    ),
    NotCovered(
        where="adapters trained before (weights keep what they learnt), wherever their files were copied",
        how="train again without it: expertloop train; then delete the marked adapters' files",
    ),
    NotCovered(
        where="messages of cases that left the house: the outbox folder, mail servers, receivers of webhooks",
        how="delete them there",
    ),
    NotCovered(
        where="files that people exported: reports, pairs, answers", how="ask who ran curate export or evaluate"
    ),
)
_SOURCE = NotCovered(
    where="the file itself in its source",
    how="delete it there, or exclude it in sources.yaml: the next ingest reads it",
)


def erase_subject(
    subject: Subject,
    stores: Sequence[ErasableStore],
    *,
    marks: MarkStore,
    adapters: AdapterFinder,
    log: ErasureLog,
    dataset_ids: Sequence[str],
    also: Sequence[NotCovered] = (),
    now: datetime,
) -> Certificate:
    """Mark what was trained on it, clean every store in this order, keep the certificate.

    Args:
        subject: Resolved: nothing is looked up by name any more.
        stores: Every one that holds text, the one that hides it from readers first.
        marks: Which datasets may not be used any more.
        adapters: Finds what was trained on them.
        log: Keeps the certificate.
        dataset_ids: Datasets that hold text of the subject.
        also: What besides cannot be reached, of this subject alone.
        now: With a time zone.

    Raises:
        ConfigurationError: Nothing is known of the subject: no certificate says otherwise.
        BackendUnavailable, ArtifactCorrupt: See `ErasableStore`; run it again when that is mended.
    """
    if subject.kind == "document" and not subject.documents:
        raise ConfigurationError("nothing is known of such a document", advice="see them with: expertloop documents")
    reason = f"text of an erased {subject.kind} was in it"
    marks.mark_datasets(subject.tenant, [DatasetMark(one, "erased", reason) for one in sorted(dataset_ids)], now)
    cleaned = [one for store in stores for one in store.erase(subject)]
    if subject.kind == "author" and not subject.pair_ids and not _sum(cleaned):
        raise ConfigurationError(
            "nothing of a person of that name is known, so nothing was erased",
            advice="write the name as `expertloop curate list` and `expertloop keys list` show it",
        )
    certificate = Certificate(
        certificate_id=derive_certificate_id(subject, now),
        tenant=subject.tenant,
        kind=subject.kind,
        subject_hash=subject.subject_hash,
        at=now,
        documents={one.document_id: one.content_hashes for one in subject.documents},
        pairs=tuple(sorted(subject.pair_ids)),
        datasets=tuple(sorted(dataset_ids)),
        adapters=tuple(adapters.find_adapters(subject.tenant, dataset_ids)),
        cleaned=tuple(cleaned),
        not_covered=(*((_SOURCE,) if subject.documents else ()), *also, *NOT_COVERED),
    )
    log.add_certificate(certificate)
    logger.info("erased kind=%s certificate_id=%s counts=%s", subject.kind, certificate.certificate_id, _sum(cleaned))
    return certificate


def _sum(cleaned: Sequence[Cleaned]) -> int:
    return sum(one.count for one in cleaned)
