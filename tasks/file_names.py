"""What a document is called that does not name itself, and how a part of one is named."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import quote

_JOINS_WORDS = re.compile(r"_|(?<!\d)-|-(?!\d)")
"""Not a hyphen between digits: 2026-03-14 is one word."""


def read_file_name(file_name: str) -> str:
    """The words of a file's name: "salary-bands_2026.xlsx" is called "salary bands 2026"."""
    stem = PurePosixPath(file_name).stem
    return " ".join(_JOINS_WORDS.sub(" ", stem).split()) or stem


def name_part(uri: str, part: str) -> str:
    """The uri of a document's part: an attachment, a mail of an mbox, a member of an archive.

    Percent-encoded where the document's own is: behind a `file:` uri nothing but "#" begins a part.
    """
    return f"{uri}#{quote(part) if uri.startswith('file:') else part}"
