"""What the registry needs of the world."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from tasks.approval_models import Approval, ApprovalDecision, ApprovalState
from tasks.models import Noun
from tasks.training_models import Adapter


class ChampionChange(Noun):
    """One move of a champion; the newest says who it is."""

    number: int
    tenant: str
    scope: str
    adapter_id: str | None
    """None: the base model alone."""
    action: str
    """promote | rollback | fall back"""
    author: str
    reason: str = ""
    at: datetime


class Move(Noun):
    """A champion's move that is asked for."""

    tenant: str
    scope: str
    action: str
    author: str
    reason: str = ""
    at: datetime


class Lineage(Noun):
    """What came of what, both ways; ids ascending, each once."""

    documents: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    adapters: tuple[str, ...] = ()


class AdapterStore(Protocol):
    """The database's memory of adapters; every method is one commit."""

    def add_adapter(self, adapter: Adapter) -> Adapter:
        """Keep one, or its newer decision; what a person has done with it since stays. Returns what is kept."""

    def list_adapters(self, tenant: str) -> list[Adapter]:
        """Every one, the newest first."""

    def find_adapter(self, tenant: str, name: str) -> Adapter:
        """The one of an id or of its unique beginning.

        Raises:
            ConfigurationError: There is none, or more than one.
        """


class ChampionStore(Protocol):
    """Who serves: one row a tenant and scope, moved by one commit."""

    def read_champion(self, tenant: str, scope: str) -> str | None:
        """The adapter_id; None: the base model alone."""

    def promote(self, adapter_id: str, move: Move) -> ChampionChange | None:
        """Make it the champion and say so of the adapter, in one commit; None, nothing written, when it is already.

        Raises:
            ConfigurationError: It is marked in that moment.
        """

    def roll_back(self, move: Move) -> ChampionChange | None:
        """Back to the champion before this one; None when there was none."""

    def list_changes(self, tenant: str, scope: str) -> list[ChampionChange]:
        """Every move, the newest first."""


class ApprovalStore(Protocol):
    """What people are asked about candidates."""

    def add_approval(self, approval: Approval) -> Approval:
        """Ask; a question that was asked before stays as it is. Returns what is kept."""

    def list_approvals(self, tenant: str, states: Sequence[ApprovalState] = ()) -> list[Approval]:
        """Every one in these states, or in all, the oldest first."""

    def find_approval(self, tenant: str, name: str) -> Approval:
        """The one of an id, or of its adapter's, or of a unique beginning.

        Raises:
            ConfigurationError: There is none, or more than one.
        """

    def decide_approval(self, approval_id: str, verdict: ApprovalDecision) -> Approval:
        """Decide what waits, with a line in the audit, in one commit; what was decided before stays.

        Returns:
            What is kept: of two verdicts at once the first.
        """


class ArtifactStore(Protocol):
    """Adapters' files, on any file system."""

    def put(self, name: str, files: Sequence[Path], texts: dict[str, str]) -> tuple[str, dict[str, str]]:
        """Write files and texts into a folder, its manifest last; returns its path in the store, and each sha256.

        Raises:
            BackendUnavailable: The store cannot be written.
        """

    def fetch(self, place: str, files: dict[str, str]) -> Path:
        """A local folder with exactly these files.

        Raises:
            ArtifactCorrupt: One is missing, or is not what was written.
            BackendUnavailable: The store does not answer.
        """

    def sweep_former(self, name: str, *, keep: str, before: datetime) -> None:
        """Delete other folders of a name, put before a moment: who read a row that names one has fetched it by then.

        Raises:
            BackendUnavailable: The store does not answer.
        """
