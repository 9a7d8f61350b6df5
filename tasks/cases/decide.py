"""Who acts next: the company's rules first, then what the confidence is worth."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from tasks.case_models import Asked, Case, Decision
from tasks.cases.classify import Classified
from tasks.cases.extract import Extracted
from tasks.cases.process import COMPARED, Process, Rule

NOT = "not "
_OPERATORS = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}


class Decided(NamedTuple):
    """What follows, and why."""

    decision: Decision
    reason: str


def decide_case(
    process: Process,
    case: Case,
    classified: Classified,
    *,
    language: str,
    extracted: Extracted,
    asked: Sequence[Asked],
) -> Decided:
    """The first rule that holds; else what thresholds allow."""
    facts = {
        **extracted.fields,
        "route": classified.route,
        "urgency": classified.urgency,
        "language": language,
        "sender": case.sender,
        "text": f"{case.subject} {case.body}",
        "answered": bool(asked) and min(map(_rate, asked)) >= process.file.confidence.reply,
        "attachments": bool(case.attachments),
    }
    doubt = _find_doubt(extracted, asked)
    for number, rule in enumerate(process.file.rules, start=1):
        if rule_holds(rule, facts):
            if doubt and rule.then is Decision.AUTO_REPLY:
                return Decided(Decision.DRAFT, doubt)
            return Decided(rule.then, f"rule {number}: {rule.because or _describe(rule)}")
    return _weigh(process, case, classified, extracted, asked)


def rule_holds(rule: Rule, facts: Mapping[str, Any]) -> bool:
    """Whether every condition of a rule is true; a fact that is unknown makes none true."""
    return all(condition_holds(condition, facts.get(name)) for name, condition in rule.when.items())


def condition_holds(condition: Any, value: Any) -> bool:
    """One condition: "> 1000", "*@shop.example", "not spam", a list of values, true or false, or the value itself."""
    if value is None:
        return False
    if isinstance(condition, str) and condition.startswith(NOT):
        return not condition_holds(condition.removeprefix(NOT), value)
    if isinstance(condition, list):
        return any(condition_holds(one, value) for one in condition)
    if isinstance(condition, bool) or isinstance(value, bool):
        return condition is value
    if isinstance(condition, str) and (compared := COMPARED.fullmatch(condition)):
        number = _read_number(value)
        return number is not None and bool(_OPERATORS[compared[1]](number, float(compared[2])))
    if isinstance(value, str):
        return fnmatchcase(value.casefold(), str(condition).casefold())
    return bool(value == condition)


def _read_number(value: Any) -> float | None:
    """Of a fact as JSON has it: a `Decimal` of the company's model is a text there."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _rate(asked: Asked) -> float:
    return asked.confidence or 0.0 if asked.answered else 0.0


def _describe(rule: Rule) -> str:
    return ", ".join(f"{name} {condition}" for name, condition in rule.when.items())


def _weigh(
    process: Process, case: Case, classified: Classified, extracted: Extracted, asked: Sequence[Asked]
) -> Decided:
    limits = process.file.confidence
    if classified.route == process.file.spam_route:
        if classified.confidence >= limits.spam:
            return Decided(Decision.REJECT, f"spam: {', '.join(classified.words) or 'like known spam'}")
        return Decided(Decision.DRAFT, "it looks like spam, but not surely enough")
    obstacle = _find_doubt(extracted, asked) or _find_obstacle(process, case, classified, asked)
    return (
        Decided(Decision.DRAFT, obstacle) if obstacle else Decided(Decision.AUTO_REPLY, "every answer is sure enough")
    )


def _find_doubt(extracted: Extracted, asked: Sequence[Asked]) -> str:
    """Why not even a rule of the company lets a machine reply alone: it was written for what is known."""
    if extracted.problem:
        return extracted.problem
    return "documents disagree about it" if any(one.conflicting for one in asked) else ""


def _find_obstacle(process: Process, case: Case, classified: Classified, asked: Sequence[Asked]) -> str | None:
    """Why no machine may reply alone, if so."""
    limits, route = process.file.confidence, process.file.routes[classified.route]
    least = min(map(_rate, asked), default=0.0)
    obstacles = {
        f"route {classified.route} is for people": not route.auto_reply,
        f"the route is not sure ({classified.confidence:.2f} < {limits.route:g})": classified.confidence < limits.route,
        "nobody to reply to": not case.sender,
        "no question was found in it": not asked,
        "not every question has an answer": not all(one.answered for one in asked),
        f"an answer is not sure ({least:.2f} < {limits.reply:g})": least < limits.reply,
        "a part of it could not be read": bool(case.problems),
    }
    return next((reason for reason, holds in obstacles.items() if holds), None)
