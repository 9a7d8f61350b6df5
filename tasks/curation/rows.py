"""A row of a file becomes a draft of a pair, or a reason why not that its author can act on; and back, for export."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from tasks.curation_models import Pair, PairState
from tasks.curation_ports import RawRow
from tasks.errors import ConfigurationError

FIELDS = ("question", "answer", "evidence", "state", "language", "author", "groups", "accepted")
"""As JSON lines have them."""
COLUMNS = ("question", "answer", "document", "quote", *FIELDS[2:])
"""As sheets have them: one document and quote beside each other, or several as JSON in `evidence`."""
_STATES = {state.value for state in PairState}


class Quoted(NamedTuple):
    """A document as an author calls it, and the words quoted; none where only the document is named."""

    document: str
    quote: str


class Draft(NamedTuple):
    """A row that says something."""

    row: int
    question: str
    answer: str
    quoted: tuple[Quoted, ...] = ()
    state: PairState = PairState.CANDIDATE
    language: str | None = None
    author: str | None = None
    groups: tuple[str, ...] | None = None
    accepted: tuple[str, ...] = ()


class Fault(NamedTuple):
    """Why a row is no pair."""

    row: int
    reason: str
    message: str
    advice: str


class _Unfit(Exception):
    """Within this module: what is wrong with a row."""


def parse_mapping(pairs: list[str]) -> dict[str, str]:
    """Our field by the file's column, from words such as "question=Frage".

    Raises:
        ConfigurationError: A word has another form, or names no field.
    """
    mapping = {}
    for word in pairs:
        field, equals, column = word.partition("=")
        if not equals or field not in COLUMNS or not column.strip():
            raise ConfigurationError(
                f"--map {word!r} does not map a column", advice=f"write FIELD=COLUMN; fields: {', '.join(COLUMNS)}"
            )
        mapping[column.strip()] = field
    return mapping


def read_draft(row: RawRow, mapping: Mapping[str, str]) -> Draft | Fault:
    """The draft of a row, or its first fault."""
    if row.fault:
        return Fault(row.number, "unreadable", row.fault, "correct the row, or save the file again")
    try:
        return _read(row.number, _name_fields(row.fields, mapping))
    except _Unfit as unfit:
        reason, message, advice = unfit.args
        return Fault(row.number, reason, message, advice)


def _name_fields(fields: Mapping[str, Any], mapping: Mapping[str, str]) -> dict[str, Any]:
    """By our names: the mapping first, then columns that are called like fields, in whatever case."""
    named = {name.casefold().strip(): value for name, value in fields.items() if name.casefold().strip() in COLUMNS}
    return named | {mapping[name]: value for name, value in fields.items() if name in mapping}


def _read(number: int, fields: Mapping[str, Any]) -> Draft:
    state = str(fields.get("state") or PairState.CANDIDATE).strip().casefold()
    if state not in _STATES:
        raise _Unfit("wrong-state", f"{state!r} is no state", f"write one of: {', '.join(sorted(_STATES))}")
    return Draft(
        number,
        question=_read_text(fields, "question", "write the question into it"),
        answer=_read_text(
            fields, "answer", 'where no document answers, write "The passages do not answer this question."'
        ),
        quoted=_read_evidence(fields),
        state=PairState(state),
        language=_read_language(fields),
        author=_read_optional(fields, "author"),
        groups=_read_list(fields, "groups"),
        accepted=_read_list(fields, "accepted") or (),
    )


def _read_text(fields: Mapping[str, Any], name: str, advice: str) -> str:
    value = fields.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise _Unfit(f"no-{name}", f"it has no {name}", f"{advice}; another column's name: --map {name}=COLUMN")
    return _check_text(name, value)


def _check_text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _Unfit(f"wrong-{name}", f"{name} is not a text but {type(value).__name__}", "put it in quotation marks")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise _Unfit("encoding", f"{name} holds bytes that are no text", "save the file as UTF-8")
    if "\0" in value:
        raise _Unfit("encoding", f"{name} holds a NUL character", "remove it, or save the file as UTF-8")
    return value.strip()


def _read_optional(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return _check_text(name, value) or None if value is not None else None


def _read_language(fields: Mapping[str, Any]) -> str | None:
    """Its two letters; "EN" and "en-GB" are English."""
    said = _read_optional(fields, "language")
    return said.casefold().replace("_", "-").partition("-")[0] if said else None


def _read_list(fields: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str):
        value = _load_list(value) or [part.strip() for part in value.split("|") if part.strip()]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _Unfit(f"wrong-{name}", f"{name} is no list of texts", 'write ["a", "b"] in JSON, a|b in a sheet')
    return tuple(dict.fromkeys(_check_text(name, one) for one in value))


def _load_list(text: str) -> list[Any] | None:
    if not text.lstrip().startswith("["):
        return None
    try:
        loaded = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return None
    return loaded if isinstance(loaded, list) else None


def _read_evidence(fields: Mapping[str, Any]) -> tuple[Quoted, ...]:
    quoted = []
    if fields.get("document"):
        document = _check_text("document", fields["document"])
        quoted.append(Quoted(document, _read_optional(fields, "quote") or ""))
    value = fields.get("evidence")
    if isinstance(value, str) and value.strip():
        value = _load_list(value)
        if value is None:
            raise _wrong_evidence()
    if value and not isinstance(value, list):
        raise _wrong_evidence()
    return (*quoted, *(_read_quoted(one) for one in value or ()))


def _read_quoted(value: Any) -> Quoted:
    if not isinstance(value, dict) or not isinstance(value.get("document"), str) or not value["document"].strip():
        raise _wrong_evidence()
    return Quoted(_check_text("document", value["document"]), _check_text("quote", value.get("quote") or ""))


def _wrong_evidence() -> _Unfit:
    return _Unfit(
        "wrong-evidence",
        "evidence is no list of documents with quotes",
        'write [{"document": "file name, title or uri", "quote": "its words"}]',
    )


def write_row(pair: Pair) -> dict[str, Any]:
    """What `read_draft` reads back: the document by its uri where it still has one."""
    row: dict[str, Any] = {
        "question": pair.question,
        "answer": pair.answer,
        "evidence": [{"document": one.uri or one.document_id, "quote": one.quote} for one in pair.evidence],
        "state": pair.state.value,
        "language": pair.language,
        "author": pair.author,
    }
    if pair.groups is not None:
        row["groups"] = list(pair.groups)
    if pair.accepted:
        row["accepted"] = list(pair.accepted)
    return row
