"""In which encoding a text file is that does not say it: people's spreadsheets write what they like."""

from __future__ import annotations

import codecs
from pathlib import Path

_SAMPLE_BYTES = 65_536
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def guess_encoding(file: Path) -> str:
    """By its byte order mark; else UTF-16 where every other byte is zero, UTF-8 where that fits, else Windows-1252.

    Raises:
        OSError: It cannot be read.
    """
    with file.open("rb") as start:
        sample = start.read(_SAMPLE_BYTES)
    for bom, encoding in _BOMS:
        if sample.startswith(bom):
            return encoding
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros = sample[offset::2].count(0)
        if len(sample) > 1 and zeros > len(sample) // 4:
            return encoding
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return "cp1252" if b"\0" not in sample else "utf-8"
    return "utf-8"
