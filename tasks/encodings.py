"""In which encoding a text is that does not say it, or says it wrong: people's programs write what they like."""

from __future__ import annotations

import codecs
from pathlib import Path

_SAMPLE_BYTES = 65_536
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_WIDER = {
    "iso8859-1": "cp1252", "iso8859-9": "cp1254", "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932",
    "euc_kr": "cp949",
}  # fmt: skip
"""By Python's names; what browsers read a declared encoding as (https://encoding.spec.whatwg.org/#names-and-labels)."""


def widen_encoding(declared: str) -> str:
    """The encoding that is meant by a declared one, which programs often use for its larger successor.

    Args:
        declared: Any label; one that Python does not know is returned as it is.
    """
    try:
        name = codecs.lookup(declared).name
    except (LookupError, ValueError):
        return declared
    return _WIDER.get(name, name)


def resolve_encoding(declared: str, content: bytes) -> str:
    """The encoding that a text is really in: programs declare ASCII or Latin-1 where they have not looked.

    UTF-8 where the bytes are, which no other text is by chance; else, as in browsers, Windows-1252.
    """
    encoding = widen_encoding(declared)
    if encoding not in {"ascii", "cp1252"} or content.isascii():
        return encoding
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


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
