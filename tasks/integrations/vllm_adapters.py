"""Adapters on a vLLM server, loaded and unloaded while it serves, by the endpoints that its documentation names.

    GET  /v1/models               what can be asked for: the base model, and each adapter under its name
    POST /v1/load_lora_adapter    {"lora_name": …, "lora_path": …}, answered in words; 400 or 404 says why not
    POST /v1/unload_lora_adapter  {"lora_name": …}

The server runs with --enable-lora, --max-lora-rank of at least the adapters' rank, --max-loras of at least two, and
VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, and sees the folder of the adapters under the path under which we see it.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from threading import get_ident

from pydantic import BaseModel, ValidationError

from tasks.answer_models import Generation, Message
from tasks.errors import BackendUnavailable, ConfigurationError
from tasks.integrations.model_cache import hash_file
from tasks.integrations.openai import OpenAIGenerator, open_endpoint
from tasks.models import derive_id
from tasks.ports import Generator, Watcher
from tasks.settings import Settings

logger = logging.getLogger(__name__)

_FILES = ("adapter_config.json", "adapter_model.safetensors")


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    data: list[_Model]


class VLLMAdapters:
    """Ours on one server: a tenant's and scope's champion, and the one before it until nobody asks for that any more.

    Args:
        settings: The generator's endpoint, `generator_adapters`, tenant and scope.
        clock: Seconds that only grow.

    Raises:
        ConfigurationError: The endpoint is not set, or no folder is.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        if settings.generator_adapters is None:
            raise ConfigurationError(
                "no folder for adapters is set",
                advice="set EXPERTLOOP_GENERATOR_ADAPTERS to one that the vLLM server sees under the same path",
            )
        self._settings = settings
        self._shared = settings.generator_adapters
        self._endpoint = open_endpoint(settings)
        self._prefix = f"expertloop-{derive_id('served', settings.tenant, settings.scope)[:8]}-"
        self._clock = clock
        self._leaving: dict[str, float] = {}

    def open(self, adapter_id: str, folder: Path) -> Generator:
        """The server's model with an adapter, which it has loaded when this returns.

        Args:
            adapter_id: Names it.
            folder: Its files, verified.

        Raises:
            BackendUnavailable: The server does not answer, or does not load it; the message has its reason.
        """
        name = self._prefix + adapter_id
        return _AdaptedEndpoint(self, self._settings, adapter_id, name, folder)

    def load(self, name: str, folder: Path) -> None:
        """Let the server load what it does not have, from a copy of the folder where it sees it.

        Raises:
            BackendUnavailable: It cannot.
        """
        shared = self._share(name, folder)
        if name in self._list():
            return
        try:
            self._endpoint.tell("load_lora_adapter", {"lora_name": name, "lora_path": str(shared)})
        except ConfigurationError as error:
            # Another of our processes may have been quicker.
            if name not in self._list():
                raise BackendUnavailable(
                    f"adapter {name} is not loaded: {error.message}",
                    advice="does vLLM run with --enable-lora, --max-lora-rank, VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, "
                    "and see EXPERTLOOP_GENERATOR_ADAPTERS under the same path? docs/adapters.md",
                ) from error

    def keep_only(self, adapter_id: str | None) -> None:
        """Let our other adapters leave, once what was asked of them has been answered or given up."""
        kept = self._prefix + (adapter_id or "")
        until = self._clock() + self._settings.generator_timeout_seconds
        ours = {name for name in self._list() if name.startswith(self._prefix)}
        ours |= {folder.name for folder in self._shared.glob(f"{self._prefix}*")}
        self._leaving = {name: until for name in ours if name != kept}

    def drop_left(self) -> None:
        """Unload those whose time has come, and delete their files; one that the server has lost by itself, too."""
        for name in [name for name, until in self._leaving.items() if until <= self._clock()]:
            self._leaving.pop(name, None)
            try:
                self._endpoint.tell("unload_lora_adapter", {"lora_name": name})
            except (BackendUnavailable, ConfigurationError) as error:
                logger.warning("adapter not unloaded adapter=%s reason=%s", name, error.message)
            shutil.rmtree(self._shared / name, ignore_errors=True)

    def _list(self) -> set[str]:
        try:
            return {model.id for model in _Models.model_validate(self._endpoint.get("models")).data}
        except ValidationError as error:
            raise BackendUnavailable(
                f"{self._endpoint.name} lists no models",
                advice="is EXPERTLOOP_GENERATOR_URL a vLLM server's, with /v1?",
            ) from error

    def _share(self, name: str, folder: Path) -> Path:
        """The adapter's files where the server sees them; each is whole or not there, also when several copy it."""
        target = self._shared / name
        try:
            target.mkdir(parents=True, exist_ok=True)
            for file in _FILES:
                if not (target / file).is_file() or hash_file(target / file) != hash_file(folder / file):
                    scratch = target / f".{file}-{os.getpid()}-{get_ident()}"
                    shutil.copyfile(folder / file, scratch)
                    scratch.replace(target / file)
        except OSError as error:
            raise BackendUnavailable(
                f"adapter {name} cannot be copied to {self._shared}: {error}",
                advice="check EXPERTLOOP_GENERATOR_ADAPTERS and its disk",
            ) from error
        return target


class _AdaptedEndpoint(OpenAIGenerator):
    """Asks for an adapter by its name, and has it loaded again when a restarted server has forgotten it."""

    def __init__(self, adapters: VLLMAdapters, settings: Settings, adapter_id: str, name: str, folder: Path) -> None:
        super().__init__(settings, model=name)
        self._adapter_id = adapter_id
        self._adapters, self._name, self._folder = adapters, name, folder
        self._base_identity = OpenAIGenerator(settings).identity
        adapters.load(name, folder)

    @property
    def identity(self) -> str:
        """The base model's at the host that serves it, and the adapter's id."""
        return f"{self._base_identity}+{self._adapter_id}"

    def generate_watched(
        self,
        prompts: Sequence[Sequence[Message]],
        *,
        max_tokens: int,
        watchers: Sequence[Watcher | None],
        within_seconds: Sequence[float | None] = (),
    ) -> list[Generation]:
        """See `OpenAIGenerator`; what a load takes is not counted, it is for those who come after, too."""
        ask = partial(super().generate_watched, max_tokens=max_tokens, watchers=watchers, within_seconds=within_seconds)
        try:
            return ask(prompts)
        except ConfigurationError:
            # A model that is not there is refused in the same words as a wrong request.
            self._adapters.load(self._name, self._folder)
            return ask(prompts)
