"""A trained adapter becomes a registered one: safetensors only, every file hashed, a card, a row."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from tasks.errors import ArtifactCorrupt
from tasks.prompting import PROMPT_VERSION
from tasks.registry.card import write_model_card
from tasks.registry_ports import AdapterStore, ArtifactStore
from tasks.training_models import Adapter, AdapterState, GateDecision, TrainedAdapter

CARD = "README.md"
WEIGHTS = ("adapter_config.json", "adapter_model.safetensors")
PICTURE = "loss.png"
KEEP_FORMER = timedelta(days=1)
"""What a row named before may still be about to be fetched."""

_PICKLED = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"}


def register_adapter(
    trained: TrainedAdapter,
    *,
    home: Path,
    tenant: str,
    scope: str,
    measured: str,
    base_license: str | None,
    decision: GateDecision | None,
    artifacts: ArtifactStore,
    store: AdapterStore,
    now: datetime,
) -> Adapter:
    """Copy the files, write the card, keep the row; the same adapter twice is one, with its newest decision.

    Args:
        trained: What training left below `home`.
        measured: Arms and decision as Markdown, for the card; empty: nobody judged it.
        base_license: Of the base model, for the card; None: nobody knows.
        decision: What the gate said.

    Raises:
        ArtifactCorrupt: A file is missing, or is pickled.
        BackendUnavailable: The artifact store cannot be written.
    """
    folder = home / trained.folder
    files = [folder / name for name in (*WEIGHTS, PICTURE) if name in WEIGHTS or (folder / name).exists()]
    require_safe(folder)
    rejected = decision is not None and decision.decision != "promote"
    adapter = Adapter(
        adapter_id=trained.adapter_id,
        tenant=tenant,
        scope=scope,
        dataset_id=trained.dataset_id,
        base_model=trained.config.base_model,
        base_hash=trained.base_hash,
        prompt_version=PROMPT_VERSION,
        config=trained.config,
        summary=trained.summary,
        decision=decision,
        state=AdapterState.REJECTED if rejected else AdapterState.CANDIDATE,
        reason=decision.decision if decision and rejected else "",
        url="",
        files={},
        created_at=now,
    )
    card = write_model_card(adapter, measured, base_license=base_license)
    place, hashes = artifacts.put(f"adapters/{adapter.adapter_id}", files, {CARD: card})
    kept = store.add_adapter(adapter.model_copy(update={"url": place, "files": hashes}))
    artifacts.sweep_former(f"adapters/{adapter.adapter_id}", keep=place, before=now - KEEP_FORMER)
    return kept


def require_safe(folder: Path) -> None:
    """Make sure that a folder holds an adapter as safetensors, and nothing that runs when it is loaded.

    Raises:
        ArtifactCorrupt: It does not.
    """
    pickled = sorted(file.name for file in folder.glob("*") if file.suffix in _PICKLED)
    if pickled:
        raise ArtifactCorrupt(
            f"{', '.join(pickled)} in {folder.name} may run code when it is loaded",
            advice="only safetensors are loaded: convert it where you trust it, or train again",
        )
    missing = [name for name in WEIGHTS if not (folder / name).is_file()]
    if missing:
        raise ArtifactCorrupt(f"{', '.join(missing)} of the adapter in {folder.name} is missing", advice="train again")
