"""What a listed file's content means for what we already know: pure decisions, no input or output."""

from __future__ import annotations

from enum import StrEnum

from tasks.document_ports import Gone, Known
from tasks.models import DocumentState

LIVE_STATES = frozenset(DocumentState)


class Decision(StrEnum):
    """What to do with a candidate whose bytes have been hashed."""

    READ = "read"
    REPROCESS = "reprocess"
    KEEP = "keep"
    RESTORE = "restore"
    STILL_UNREADABLE = "still-unreadable"


def decide(known: Known | None, content_hash: str, *, fingerprint: str, capabilities: str) -> Decision:
    """Decide without reading more than the hash.

    READ: partition it. REPROCESS: the content is live, but another pipeline read it. KEEP: nothing to do. RESTORE: an
    outdated document is again what its live version says. STILL_UNREADABLE: the same bytes failed under the same
    conditions before.
    """
    if known is None:
        return Decision.READ
    live = known.state in LIVE_STATES
    if live and content_hash == known.content_hash:
        if not known.has_current:
            return Decision.REPROCESS
        return Decision.RESTORE if known.state == DocumentState.OUTDATED else Decision.KEEP
    failed_before = known.state in {"quarantined", DocumentState.OUTDATED} and content_hash == known.seen_hash
    if failed_before and (known.read_fingerprint, known.read_capabilities) == (fingerprint, capabilities):
        return Decision.STILL_UNREADABLE
    return Decision.READ


def failed_outcome(known: Known | None) -> str:
    """The ledger's word for a file that cannot be read: readers keep the old version where there is one."""
    return "outdated" if known and known.state in LIVE_STATES else "quarantined"


def read_outcome(known: Known | None) -> str:
    """The ledger's word for a file that was read."""
    return "changed" if known and known.state in LIVE_STATES else "new"


def prune_is_suspicious(gone: Gone, *, share: float, minimum: int) -> bool:
    """Whether so many documents vanished at once that a person should say yes first.

    Args:
        gone: Counts before the prune.
        share: Largest share of live documents that may vanish, 0 to 1.
        minimum: Vanishing of this many or fewer is never suspicious.
    """
    return gone.gone > minimum and gone.gone > share * gone.live
