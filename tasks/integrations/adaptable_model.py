"""One base model in memory and the adapters on it, by PEFT: one of them, or none, computes at a time.

The base weights are there once, whatever is compared or swapped: an adapter is a hundredth of them, and is loaded
beside the one that serves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

from tasks.errors import ArtifactCorrupt, ConfigurationError
from tasks.integrations.causal_models import fingerprint_model, load_model
from tasks.integrations.qlora.quiet import quiet_vendors
from tasks.prompting import PROMPT_VERSION

_WEIGHTS = "adapter_model.safetensors"
_MOST_ADAPTERS = 3
"""In memory: the one that serves, the one before it, and a candidate that is judged."""


class AdapterFiles(NamedTuple):
    """An adapter on this machine's disk, and what it is made for."""

    adapter_id: str
    folder: Path
    base_hash: str
    prompt_version: str


class AdaptableModel:
    """A base model that takes adapters on and off.

    Args:
        folder: Of the base model.
        dtype: See `load_model`.
    """

    def __init__(self, folder: Path, *, dtype: str) -> None:
        self._folder = folder
        self._dtype = dtype
        self._base: Any = None
        self._adapted: Any = None
        self._known: list[str] = []
        self._lock = RLock()

    @contextmanager
    def activate(self, adapter: AdapterFiles | None) -> Iterator[Any]:
        """The model with the adapter, and nobody else using it meanwhile.

        Raises:
            ArtifactCorrupt: The adapter's files are damaged.
            ConfigurationError: It was made for another base model or prompt, or the base cannot be loaded.
        """
        with self._lock:
            if self._base is None:
                self._base = self._load_base()
            if adapter is not None:
                self._take_on(adapter)
                yield self._adapted
            elif self._adapted is None:
                yield self._base
            else:
                with self._adapted.disable_adapter():
                    yield self._adapted

    def _load_base(self) -> Any:
        from tasks.integrations.frozen_products import pack_products

        model = load_model(self._folder, dtype=self._dtype)
        if model.device.type == "cpu":
            pack_products(model)
        return model

    def _take_on(self, adapter: AdapterFiles) -> None:
        if adapter.adapter_id in self._known:
            self._known.remove(adapter.adapter_id)
        else:
            self._load(adapter)
        self._known.append(adapter.adapter_id)
        self._adapted.set_adapter(adapter.adapter_id)
        self._adapted.eval()
        while len(self._known) > _MOST_ADAPTERS:
            self._adapted.delete_adapter(self._known.pop(0))

    def _load(self, adapter: AdapterFiles) -> None:
        from safetensors import SafetensorError

        with quiet_vendors():
            from peft import PeftModel

        check_fit(adapter, fingerprint_model(self._folder))
        source, name = str(adapter.folder), adapter.adapter_id
        try:
            with quiet_vendors():
                if self._adapted is None:
                    self._adapted = PeftModel.from_pretrained(self._base, source, adapter_name=name)
                else:
                    self._adapted.load_adapter(source, adapter_name=name)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            # Whatever PEFT's parser, safetensors or torch found wrong in the files.
            self._forget()
            said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise ArtifactCorrupt(
                f"adapter {name} cannot be loaded: {said}", advice="promote another one, or train it again"
            ) from error

    def _forget(self) -> None:
        """PEFT puts an adapter's layers into the base model before it reads their weights: load everything anew."""
        self._base = self._adapted = None
        self._known.clear()


def check_fit(adapter: AdapterFiles, base_hash: str) -> None:
    """Make sure that an adapter was made for this base model and for our prompt, and is no pickle.

    Raises:
        ConfigurationError: It was made for another one.
        ArtifactCorrupt: Its files are not there, or its configuration cannot be read.
    """
    if adapter.base_hash != base_hash:
        raise ConfigurationError(
            f"adapter {adapter.adapter_id} was made for base model {adapter.base_hash}, this one is {base_hash}",
            advice="set EXPERTLOOP_GENERATOR to the model it was trained on, or train again on this one",
        )
    if adapter.prompt_version != PROMPT_VERSION:
        raise ConfigurationError(
            f"adapter {adapter.adapter_id} was trained with prompt version {adapter.prompt_version}, "
            f"this expertloop asks with {PROMPT_VERSION}",
            advice="train again: expertloop train",
        )
    if not (adapter.folder / _WEIGHTS).is_file():
        raise ArtifactCorrupt(
            f"adapter {adapter.adapter_id} has no {_WEIGHTS}", advice="pickled weights are never loaded; train again"
        )
    try:
        json.loads((adapter.folder / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactCorrupt(
            f"the configuration of adapter {adapter.adapter_id} cannot be read: {error}", advice="train it again"
        ) from error
