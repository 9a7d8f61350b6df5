"""A process: one folder with the company's pydantic model and one YAML, read and checked before any case is touched.

Everything wrong is told at once, with its line: a rule that names an unknown field must fail here, not silently
never hold.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Collection
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from tasks.case_models import Decision
from tasks.errors import ConfigurationError
from tasks.models import Noun
from tasks.yaml_lines import LinedYaml, Place, YamlFault, read_yaml

FACTS = ("route", "urgency", "language", "sender", "text", "answered", "attachments")
"""What rules may name beside the fields of the model."""
PROCESS_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
"""A folder's name, never a path: a process brings code along, and nobody from outside says where that lies."""


COMPARED = re.compile(r"\s*(<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)\s*")
"""A condition that compares with a number."""


def _check_pattern(pattern: str) -> str:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from error
    if compiled.groups < 1:
        raise ValueError("needs one group in parentheses: what it finds")
    return pattern


class RouteSpec(Noun):
    """One route: how it is recognised, and whether a machine may reply alone."""

    auto_reply: bool = False
    keywords: tuple[str, ...] = ()
    texts: tuple[str, ...] = Field(min_length=1, description="descriptions and examples, in the customers' languages")


class UrgencySpec(Noun):
    """One degree of urgency."""

    keywords: tuple[str, ...] = ()


class FieldSpec(Noun):
    """How a field of the model is found in a text without a model: what the first group of a pattern that took part
    holds, or the largest sum of money.
    """

    patterns: tuple[Annotated[str, AfterValidator(_check_pattern)], ...] = ()
    kind: Literal["pattern", "money"] = "pattern"


class Rule(Noun):
    """A condition that the company writes, and what follows."""

    when: dict[str, str | bool | int | float | list[str]] = Field(min_length=1)
    then: Decision
    because: str = ""


class Thresholds(Noun):
    """Least confidence for acting without a person."""

    route: float = Field(default=0.3, ge=0, le=1)
    spam: float = Field(default=0.6, ge=0, le=1)
    reply: float = Field(default=0.9, ge=0, le=1, description="of every answer, calibrated")


class ProcessFile(BaseModel):
    """What process.yaml may say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = ""
    model: str = Field(description="the class in model.py")
    principals: tuple[str, ...] = ()
    own_addresses: tuple[str, ...] = ()
    signature: dict[str, str] = Field(default_factory=dict)
    fallback_route: str
    spam_route: str | None = None
    confidence: Thresholds = Thresholds()
    urgencies: dict[str, UrgencySpec] = Field(min_length=1)
    routes: dict[str, RouteSpec] = Field(min_length=1)
    fields: dict[str, FieldSpec] = Field(default_factory=dict)
    rules: tuple[Rule, ...] = ()


class Process(BaseModel):
    """A checked process, with its model."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    name: str
    file: ProcessFile
    model: type[BaseModel]

    @property
    def default_urgency(self) -> str:
        """The last one: what nothing else holds for."""
        return list(self.file.urgencies)[-1]

    def is_own(self, address: str) -> bool:
        """Whether a mail address is ours."""
        return any(fnmatchcase(address.casefold(), own.casefold()) for own in self.file.own_addresses)


def load_process(folder: Path) -> Process:
    """Read and check a process.

    Args:
        folder: With `process.yaml` and `model.py`.

    Raises:
        ConfigurationError: A file is missing or wrong; all faults are named with their lines.
    """
    place = folder / "process.yaml"
    try:
        read = read_yaml(place.read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"cannot read {place}: {error.strerror}",
            advice="name a folder below EXPERTLOOP_PROCESSES that holds process.yaml and model.py (docs/cases.md)",
        ) from error
    except YamlFault as fault:
        raise _refuse(place, [(fault.line, str(fault))]) from fault
    file, faults = _validate(place, read)
    try:
        model = _load_model(folder / "model.py", file.model)
    except ConfigurationError as error:
        raise (_refuse(place, faults) if faults else error) from error
    faults += _find_faults(file, model, read)
    if faults:
        raise _refuse(place, faults)
    return Process(name=folder.name, file=file, model=model)


def _validate(place: Path, read: LinedYaml) -> tuple[ProcessFile, list[tuple[int, str]]]:
    """The file, and what it has too much: without unknown keys the rest can be checked, so that all is told at once."""
    faults = list(read.faults)
    try:
        return ProcessFile.model_validate(read.data), faults
    except ValidationError as error:
        wrong = error.errors()
        faults += [(_line(read, one["loc"]), f"{'.'.join(map(str, one['loc']))}: {one['msg']}") for one in wrong]
        try:
            return ProcessFile.model_validate(_drop(read.data, [one["loc"] for one in wrong])), faults
        except ValidationError:
            raise _refuse(place, faults) from error


def _drop(data: Any, places: Collection[Place], here: Place = ()) -> Any:
    """Data without what stands in some places; a list's places stay, so that a rule keeps its number."""
    if isinstance(data, dict):
        kept = {key: value for key, value in data.items() if (*here, key) not in places}
        return {key: _drop(value, places, (*here, key)) for key, value in kept.items()}
    if isinstance(data, list):
        return [_drop(value, places, (*here, number)) for number, value in enumerate(data)]
    return data


def _line(read: LinedYaml, place: Place) -> int:
    return read.find_line(place)


def _refuse(place: Path, faults: list[tuple[int, str]]) -> ConfigurationError:
    told = "; ".join(f"line {line}: {fault}" for line, fault in sorted(set(faults))[:20])
    return ConfigurationError(f"{place}: {told}", advice="correct these lines; every key is described in docs/cases.md")


def _load_model(place: Path, name: str) -> type[BaseModel]:
    """The company's own class: code of the operator, as trusted as the rest of the installation."""
    module_name = f"expertloop_process_{re.sub(r'[^A-Za-z0-9]', '_', place.parent.name)}"
    spec = importlib.util.spec_from_file_location(module_name, place)
    if spec is None or spec.loader is None or not place.is_file():
        raise ConfigurationError(f"there is no {place}", advice=f"write the pydantic model {name} into it")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # pydantic resolves annotations through it
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # what a company's code raises while it is imported has no kind of its own
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ConfigurationError(f"{place}: {said}", advice="correct the model; it may import pydantic") from error
    model = getattr(module, name, None)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise ConfigurationError(f"{place} has no pydantic model {name}", advice="see `model` in process.yaml")
    return model


def _find_faults(file: ProcessFile, model: type[BaseModel], read: LinedYaml) -> list[tuple[int, str]]:
    """What no schema can say: names that stand for nothing."""
    known = set(model.model_fields)
    faults = [(_line(read, ("fields", name)), _unknown(name, known)) for name in file.fields if name not in known]
    for key in ("fallback_route", "spam_route"):
        value = getattr(file, key)
        if value is not None and value not in file.routes:
            faults.append((_line(read, (key,)), f"{key}: there is no route {value!r}"))
    return faults + [
        (_line(read, ("rules", number, "when", name)), fault)
        for number, rule in enumerate(file.rules)
        for name, condition in rule.when.items()
        if (fault := _check_condition(file, known, name, condition))
    ]


def _unknown(name: str, known: set[str]) -> str:
    return f"unknown field {name!r}; known are {', '.join(sorted(known))}"


def _check_comparison(condition: str) -> str | None:
    """What is wrong with a condition that begins like a comparison: it would never hold, or mean another number."""
    said = condition.removeprefix("not ").strip()
    if not said.startswith(("<", ">", "=")):
        return None
    compared = COMPARED.fullmatch(said)
    if compared and not re.fullmatch(r"-?\d{1,3}\.\d{3}", compared[2]):
        return None
    return f"{condition!r} compares with no plain number: write it as '> 1000', without a unit or marks for thousands"


def _check_condition(file: ProcessFile, known: set[str], name: str, condition: Any) -> str | None:
    if name not in known and name not in FACTS:
        return _unknown(name, {*known, *FACTS})
    wanted = condition if isinstance(condition, list) else [condition]
    for one in wanted:
        if isinstance(one, str) and (fault := _check_comparison(one)):
            return fault
    choices = {"route": list(file.routes), "urgency": list(file.urgencies)}.get(name)
    if choices is None:
        return None
    missing = [one for one in wanted if str(one).removeprefix("not ") not in choices]
    return f"there is no {name} {missing[0]!r}" if missing else None
