"""Fields of the company's model out of a text: by patterns here, and by a model behind a port where there is one.

What a model says counts only where the text says it, too: a form that is filled with inventions decides about money.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from tasks.case_models import Case
from tasks.cases.process import FieldSpec, Process
from tasks.cases_ports import FieldReader

logger = logging.getLogger(__name__)

_READ_CHARACTERS = 20_000
_CURRENCY = r"(?:€|\$|£|eur(?:os?)?|usd|us dollars?|dollars?|gbp|pounds|chf|franken)"
_NUMBER = r"\d{1,3}(?:[., '’]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?"
_MONEY = re.compile(rf"(?i:{_CURRENCY}\s?({_NUMBER})|({_NUMBER})\s?{_CURRENCY})(?!\w)")


class Extracted(NamedTuple):
    """What was found of one case."""

    fields: dict[str, Any]
    """As JSON; every field of the model is there, with its default where the text says nothing."""
    problem: str = ""
    """What the company's own model raised that says nothing about a value; each field was then read by itself."""


def extract_fields(process: Process, cases: Sequence[Case], reader: FieldReader | None = None) -> list[Extracted]:
    """The model's fields of each case."""
    texts = [f"{case.subject}\n{case.body}"[:_READ_CHARACTERS] for case in cases]
    read = reader.read_fields(texts, process.model.model_json_schema()) if reader and texts else [{} for _ in texts]
    return [
        _fill(process.model, _keep_said(more, text) | find_fields(process.file.fields, text))
        for text, more in zip(texts, read, strict=True)
    ]


def find_fields(specs: Mapping[str, FieldSpec], text: str) -> dict[str, Any]:
    """What the patterns find, by field."""
    found: dict[str, Any] = {}
    for name, spec in specs.items():
        value = find_largest_sum(text) if spec.kind == "money" else _find_first(spec.patterns, text)
        if value is not None:
            found[name] = value
    return found


def find_largest_sum(text: str) -> float | None:
    """The largest sum of money that a text names, whatever its currency."""
    sums = [read_number(match[1] or match[2]) for match in _MONEY.finditer(text)]
    return max(sums, default=None)


def read_number(text: str) -> float:
    """A number as people write it: 1,234.50 and 1.234,50 and 1 234.5.

    A single mark before exactly three digits groups thousands, as in prices.
    """
    plain = re.sub(r"[ '’]", "", text)
    last = max(plain.rfind("."), plain.rfind(","))
    decimals = plain[last + 1 :] if last >= 0 else ""
    if 0 < len(decimals) <= 2:
        return float(re.sub(r"[.,]", "", plain[:last]) + "." + decimals)
    return float(re.sub(r"[.,]", "", plain))


def _find_first(patterns: Sequence[str], text: str) -> str | None:
    for pattern in patterns:
        for match in re.finditer(pattern, text, re.IGNORECASE if pattern.islower() else 0):
            # Of alternatives only one has taken part.
            if said := next((" ".join(group.split()) for group in match.groups() if group and group.strip()), None):
                return said
    return None


def _keep_said(values: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Only what stands in the text, whatever its case."""
    plain = " ".join(text.casefold().split())
    return {name: value for name, value in values.items() if value is not None and _is_said(value, plain)}


def _is_said(value: Any, plain: str) -> bool:
    if isinstance(value, bool):
        return False  # no text says "true"
    if isinstance(value, int | float):
        return any(read_number(one) == float(value) for one in re.findall(_NUMBER, plain))
    return " ".join(str(value).casefold().split()) in plain


def _fill(model: type[BaseModel], values: Mapping[str, Any]) -> Extracted:
    """A valid instance as JSON: a value that the model refuses is left out, and so is what a default can stand for."""
    kept = {name: value for name, value in values.items() if name in model.model_fields}
    while True:
        try:
            return Extracted(model.model_validate(kept).model_dump(mode="json"))
        except ValidationError as error:
            refused = {str(one["loc"][0]) for one in error.errors() if one["loc"]} & set(kept)
            if not refused:  # a required field that the text does not say
                return Extracted(_read_each(model, kept))
            kept = {name: value for name, value in kept.items() if name not in refused}
        except Exception as error:  # noqa: BLE001 - the company's code, and what it trips over has no kind of its own
            # The log names no more than the kind: the message may hold the customer's words.
            kind = type(error).__name__
            logger.warning("fields are read one by one model=%s failed_by=%s", model.__name__, kind)
            problem = f"the process's model failed: {kind}: {error}"
            return Extracted(_read_each(model, kept), problem)


def _read_each(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _read_alone(field, values.get(name)) for name, field in model.model_fields.items()}


def _read_alone(field: FieldInfo, value: Any) -> Any:
    """A value of a model that cannot be made as a whole, in its field's own type; as it is where that says nothing."""
    if value is None:
        return None
    adapter = TypeAdapter(field.annotation or Any)
    try:
        return adapter.dump_python(adapter.validate_python(value), mode="json")
    except ValidationError:
        return value
