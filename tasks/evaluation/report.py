"""A report that can be mailed: one HTML file with its pictures inside, and the same as Markdown beside the pictures."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from tasks.errors import ConfigurationError
from tasks.evaluation_models import JudgedAnswer
from tasks.evaluation_ports import Plotter

_SPECIAL = re.compile(r"^[#+=-]|[\\`*_{}\[\]()!|<>~&]")
_GROUP_METRICS = (
    *(("retrieval", "hit@1"), ("retrieval", "hit@5"), ("retrieval", "mrr"), ("retrieval", "ndcg@10")),
    *(("answers", name) for name in ("contains_gold", "citation_precision", "answered_share", "wrong_among_answered")),
)


class _Table(NamedTuple):
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class _Picture(NamedTuple):
    title: str
    file: str
    content: bytes

    @property
    def base64(self) -> str:
        """For a page that holds its own pictures."""
        return base64.b64encode(self.content).decode("ascii")


def write_report(folder: Path, record: Mapping[str, Any], results: Sequence[JudgedAnswer], *, plotter: Plotter) -> None:
    """Write report.html, report.md and the pictures; what an earlier report left there is replaced.

    Args:
        folder: Made when it is not there.
        record: What `--json` prints.
        results: In the order of the question file.
        plotter: Draws the pictures.

    Raises:
        ConfigurationError: The folder cannot be written.
    """
    pictures = _draw(record, results, plotter)
    pages = render_report(record, results, pictures)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for picture in pictures:
            (folder / picture.file).write_bytes(picture.content)
        for name, text in pages.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"cannot write the report to {folder}: {error.strerror}", advice="name a folder you may write"
        ) from error


def render_report(
    record: Mapping[str, Any], results: Sequence[JudgedAnswer], pictures: Sequence[_Picture]
) -> dict[str, str]:
    """Text by file name. Questions, answers and documents are data: HTML escapes them, Markdown does too."""
    values = {
        "run": record,
        "tables": _list_tables(record),
        "pictures": pictures,
        "wrong": [result for result in results if result.outcome == "wrong"],
    }
    environments = {"report.html": _environment(autoescape=True), "report.md": _environment(autoescape=False)}
    return {name: one.get_template(f"{name}.j2").render(values) for name, one in environments.items()}


def escape_markdown(text: object) -> str:
    """Text on one line without any meaning to Markdown or HTML."""
    return _SPECIAL.sub(r"\\\g<0>", " ".join(str(text).split()))


def _environment(*, autoescape: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("tasks.evaluation"),
        autoescape=autoescape,  # noqa: S701 - off for Markdown alone, whose filter escapes
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["plain"] = escape_markdown
    return environment


def _draw(record: Mapping[str, Any], results: Sequence[JudgedAnswer], plotter: Plotter) -> list[_Picture]:
    seconds = [result.answer.timings.total_seconds for result in results]
    label = f"seconds an answer, as its share of a batch of {record['latency']['batch']}"
    return [
        _Picture("Outcomes", "outcomes.png", plotter.draw_bars("Outcomes", record["outcomes"])),
        _Picture("Latency", "latency.png", plotter.draw_histogram("Latency", label, seconds)),
    ]


def _list_tables(record: Mapping[str, Any]) -> list[_Table]:
    figures = {**record["retrieval"], **record["answers"], **record["latency"]}
    tables = [_Table("Metrics", ("metric", "value"), [(name, format_figure(one)) for name, one in figures.items()])]
    groups = (("by language", "by_language"), ("by document type", "by_document_type"), ("by kind", "by_kind"))
    tables += [_tabulate_groups(title.capitalize(), record[key]) for title, key in groups if record[key]]
    if "comparison" in record:
        tables.append(_tabulate_comparison(record["comparison"]))
    return tables


def _tabulate_groups(title: str, groups: Mapping[str, Any]) -> _Table:
    columns = ("group", "questions", *(name for _, name in _GROUP_METRICS))
    rows = [
        (name, str(group["questions"]), *(format_figure(group[part][metric]) for part, metric in _GROUP_METRICS))
        for name, group in groups.items()
    ]
    return _Table(title, columns, rows)


def _tabulate_comparison(comparison: Mapping[str, Any]) -> _Table:
    keys = ("before", "after", "difference", "low", "high")
    rows = [
        (name, *(format_figure(one[key]) for key in keys), one["verdict"])
        for name, one in comparison["metrics"].items()
    ]
    title = f"Compared with {comparison['before']} over {comparison['questions']} questions"
    return _Table(title, ("metric", "before", "after", "difference", "95 % from", "to", "verdict"), rows)


def format_figure(value: float | None) -> str:
    """Three decimals; a dash where nothing could be judged."""
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
