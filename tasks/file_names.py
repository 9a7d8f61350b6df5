"""What a document is called that does not name itself."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_JOINS_WORDS = re.compile(r"_|(?<!\d)-|-(?!\d)")
"""Not a hyphen between digits: 2026-03-14 is one word."""


def read_file_name(file_name: str) -> str:
    """The words of a file's name: "salary-bands_2026.xlsx" is called "salary bands 2026"."""
    stem = PurePosixPath(file_name).stem
    return " ".join(_JOINS_WORDS.sub(" ", stem).split()) or stem
