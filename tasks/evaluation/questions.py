"""Question files: JSON lines, CSV or SQuAD-like JSON; every fault of a file is named at once."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from tasks.errors import ConfigurationError
from tasks.evaluation_models import GoldQuestion
from tasks.models import hash_text

LISTS = ("answers", "documents", "groups")
YES = frozenset({"true", "yes", "ja", "1"})
NO = frozenset({"false", "no", "nein", "0"})

_FIRST_DELIMITERS = ",;\t"
_ADVICE = 'each question is an object such as {"id": "q1", "question": "…", "answers": ["…"], "documents": ["a.pdf"]}'


class QuestionFile(NamedTuple):
    """A file's questions in their order, and the sha256 of its text."""

    questions: list[GoldQuestion]
    content_hash: str


class _Record(NamedTuple):
    """A raw question and where it stands; `fault` says why it is not even an object."""

    place: str
    fields: Any = None
    fault: str = ""


def read_question_file(file: Path) -> QuestionFile:
    """Every question of a file; the name's end says the format: .csv, .tsv, .json, else JSON lines.

    Raises:
        ConfigurationError: The file cannot be read or holds no question, or lines are wrong; all of them are named.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {file}: {error}", advice="name a UTF-8 file of questions") from error
    found, faults = _check(_list_records(file, text))
    if faults:
        plural = "" if len(faults) == 1 else "s"
        raise ConfigurationError(f"{file} has {len(faults)} wrong line{plural}: {'; '.join(faults)}", advice=_ADVICE)
    if not found:
        raise ConfigurationError(f"{file} holds no question", advice=_ADVICE)
    return QuestionFile(found, hash_text(text))


def _check(records: Iterator[_Record]) -> tuple[list[GoldQuestion], list[str]]:
    found: list[GoldQuestion] = []
    faults: list[str] = []
    places: dict[str, str] = {}
    for record in records:
        try:
            question = GoldQuestion.model_validate(record.fields) if not record.fault else None
        except ValidationError as error:
            faults.append(f"{record.place}: {_describe(error)}")
            continue
        if question is None:
            faults.append(f"{record.place}: {record.fault}")
        elif question.id in places:
            faults.append(f"{record.place}: id {question.id!r} is also in {places[question.id]}")
        else:
            places[question.id] = record.place
            found.append(question)
    return found, faults


def _describe(error: ValidationError) -> str:
    faults = []
    for one in error.errors():
        where = ".".join(map(str, one["loc"])) or "object"
        faults.append(
            f"{where}: {'is empty' if one['type'].startswith('string_') and not one['input'] else one['msg']}"
        )
    return ", ".join(faults)


def _list_records(file: Path, text: str) -> Iterator[_Record]:
    suffix = file.suffix.casefold()
    if suffix in {".csv", ".tsv"}:
        return _list_csv(text)
    return _list_json(text) if suffix == ".json" else _list_lines(text)


def _list_lines(text: str) -> Iterator[_Record]:
    # Not splitlines(): a JSON text may hold U+2028 and its like.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _parse(f"line {number}", line)


def _parse(place: str, text: str) -> _Record:
    try:
        return _Record(place, json.loads(text))
    except (ValueError, RecursionError) as error:  # the former of numbers with thousands of digits, too
        return _Record(place, fault=f"not JSON: {error}")


def _list_csv(text: str) -> Iterator[_Record]:
    """Columns named like the JSON fields; lists are separated by '|' or are JSON; comma, semicolon or tab between."""
    header = text.partition("\n")[0]
    delimiter = max(_FIRST_DELIMITERS, key=header.count)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in rows:
            place = f"line {rows.line_num}"
            if None in row:
                yield _Record(place, fault="more cells than the first line has columns")
            elif any(row.values()):
                yield _convert_row(place, row)
    except csv.Error as error:
        yield _Record(f"line {rows.line_num}", fault=f"not CSV: {error}")


def _convert_row(place: str, row: dict[str, Any]) -> _Record:
    fields: dict[str, Any] = {
        name.strip().casefold(): value.strip() for name, value in row.items() if name and value and value.strip()
    }
    for name in LISTS:
        if name in fields:
            fields[name] = _split_list(fields[name])
    if "answerable" in fields:
        word = fields["answerable"].casefold()
        fields["answerable"] = True if word in YES else False if word in NO else word
    return _Record(place, fields)


def _split_list(cell: str) -> Any:
    if cell.startswith("["):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            pass  # a text that happens to begin with a bracket
    return [part.strip() for part in cell.split("|")]


def _list_json(text: str) -> Iterator[_Record]:
    """A list of questions, or a SQuAD-like object whose article titles are the gold documents."""
    whole = _parse("file", text)
    if whole.fault:
        yield whole
    elif isinstance(whole.fields, list):
        for number, fields in enumerate(whole.fields, start=1):
            yield _Record(f"entry {number}", fields)
    else:
        yield from _list_squad(whole.fields)


def _list_squad(whole: Any) -> Iterator[_Record]:
    """SQuAD 1.1 and 2.0 (Rajpurkar et al. 2018): data > paragraphs > qas; `is_impossible` is not answerable."""
    try:
        for article in whole["data"]:
            for paragraph in article["paragraphs"]:
                for asked in paragraph["qas"]:
                    yield _Record(f"question {asked.get('id')}", _convert_squad(asked, article.get("title")))
    except (KeyError, TypeError, AttributeError) as error:
        yield _Record("file", fault=f"neither a list of questions nor SQuAD-like: {error!r}")


def _convert_squad(asked: dict[str, Any], title: str | None) -> dict[str, Any]:
    impossible = bool(asked.get("is_impossible"))
    return {
        "id": asked.get("id"),
        "question": asked.get("question"),
        "answers": [] if impossible else list(dict.fromkeys(answer["text"] for answer in asked.get("answers", ()))),
        "documents": [] if impossible else title,
        "answerable": not impossible,
    }
