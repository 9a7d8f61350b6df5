"""Training without the noise of four libraries that warn each other."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOUD = ("bitsandbytes", "trl", "peft", "accelerate", "transformers", "datasets")


@contextmanager
def quiet_vendors() -> Iterator[None]:
    """Their warnings are for their authors: what matters is raised, and what a person should know is reported."""
    before = {name: logging.getLogger(name).level for name in _LOUD}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in _LOUD:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in before.items():
                logging.getLogger(name).setLevel(level)
