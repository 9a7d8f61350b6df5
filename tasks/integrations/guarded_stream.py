"""A byte stream whose read errors are ours."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO

from tasks.errors import ProductError


class _GuardedRaw(io.RawIOBase):
    def __init__(
        self,
        inner: BinaryIO,
        errors: Callable[[], tuple[type[BaseException], ...]],
        translate: Callable[[BaseException], ProductError],
    ) -> None:
        self._inner, self._errors, self._translate = inner, errors, translate

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._inner.read(len(buffer))
        except self._errors() as error:
            raise self._translate(error) from error
        buffer[: len(data)] = data
        return len(data)


def guard_stream(
    inner: BinaryIO,
    errors: Callable[[], tuple[type[BaseException], ...]],
    translate: Callable[[BaseException], ProductError],
) -> BinaryIO:
    """A reader of `inner` that raises `translate(error)` for each of `errors`; the caller closes `inner`.

    Args:
        inner: What is read.
        errors: Asked only when something was raised, since vendors' classes exist only once they are loaded.
        translate: The error that is raised instead.
    """
    return io.BufferedReader(_GuardedRaw(inner, errors, translate), buffer_size=1 << 20)
