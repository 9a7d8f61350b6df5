"""Packages that another package imports and rarely uses: in place at once, loaded when first used."""

from __future__ import annotations

import importlib.util
import sys
from threading import RLock
from typing import Any


def postpone_import(name: str) -> None:
    """Put a module in place that runs its own code when the first of its attributes is asked for (PEP 562).

    Unlike `importlib.util.LazyLoader`, importing one of its submodules does not load the package itself.

    Args:
        name: A top-level package; nothing happens when it is loaded already or not installed.
    """
    spec = None if name in sys.modules else importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    module, loader, lock = importlib.util.module_from_spec(spec), spec.loader, RLock()
    started = False

    def load(attribute: str) -> Any:
        nonlocal started
        with (
            lock
        ):  # another thread waits for the whole module; this one asks again while loading, and is told the truth
            if module.__dict__.get("__getattr__") is load:
                if started:
                    raise AttributeError(f"module {name!r} has no attribute {attribute!r}")
                started = True
                loader.exec_module(module)
                if module.__dict__.get("__getattr__") is load:
                    del module.__dict__["__getattr__"]
        return getattr(module, attribute)

    module.__dict__["__getattr__"] = load
    sys.modules[name] = module
