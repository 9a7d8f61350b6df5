"""What was trained on this machine, read from the manifests that training leaves; the `AdapterFinder` port."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from tasks.errors import ArtifactCorrupt

_MANIFEST = "training.json"


class TrainedFolders:
    """The folders `trainings/<adapter_id>`.

    Args:
        home: EXPERTLOOP_HOME.
    """

    def __init__(self, home: Path) -> None:
        self._root = home / "trainings"

    def find_adapters(self, tenant: str, dataset_ids: Collection[str]) -> list[str]:  # noqa: ARG002  # datasets have one
        """adapter_ids, ascending, of what was trained on any of the datasets.

        Raises:
            ArtifactCorrupt: A manifest cannot be read: what it was trained on is then not known.
        """
        manifests = sorted(self._root.glob(f"*/{_MANIFEST}"))
        return [file.parent.name for file in manifests if _read_dataset_id(file) in dataset_ids]


def _read_dataset_id(file: Path) -> str:
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["adapter"]["dataset_id"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactCorrupt(
            f"the training in {file.parent} is incomplete: {error}", advice="remove the folder and train again"
        ) from error
