"""`expertloop curate …`: questions and answers that experts stand for."""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from expertloop.output import console, escape, messages, print_json, print_note, print_table
from expertloop.pair_text import pair_record, print_pair
from tasks.curation_models import ImportSummary, Pair, PairState, ReportLine
from tasks.errors import ConfigurationError
from tasks.settings import Settings
from tasks.wiring import Application, application

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

JsonOption = Annotated[bool, typer.Option("--json", help="JSON objects, one a line")]
AuthorOption = Annotated[str | None, typer.Option("--author", help="who does it; default: your user name")]
IdsArgument = Annotated[list[str], typer.Argument(metavar="ID...", help="or unique beginnings of ids")]
StateOption = Annotated[list[PairState] | None, typer.Option("--state", help="only these; repeat for several")]


@app.callback()
def curate() -> None:
    """Collect, check and approve the pairs of question and answer that the model learns from.

    Example: expertloop curate import pairs.jsonl
    """


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=".jsonl, .csv, .tsv or .xlsx")],
    *,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", metavar="FIELD=COLUMN", help="for example question=Frage; repeatable")
    ] = None,
    author: AuthorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take the pairs of a file; every row that is not simply taken is reported with a reason and what to do.

    Example: expertloop curate import pairs.xlsx --map question=Frage --map answer=Antwort
    """
    from tasks.curation.collect import Importer, ImportOptions
    from tasks.curation.rows import parse_mapping

    wired = application(Settings())
    options = ImportOptions(author or getpass.getuser(), datetime.now(UTC), parse_mapping(mapping or []))
    refresh(wired, author)
    importer = Importer(wired.open_desk(), options)
    summary = ImportSummary()
    with _progress(file) as progress:
        bar = progress.add_task("import", total=None, done="")
        for summary, lines, _ in importer.import_rows(wired.read_pair_file(file)):
            progress.update(bar, done=f"{summary.rows} rows, {summary.imported} new, {summary.rejected} rejected")
            for line in lines:
                _print_line(line, as_json=as_json)
    if not summary.rows:
        raise ConfigurationError(f"{file} holds no pair", advice="each row needs at least a question and an answer")
    _print_summary(summary, as_json=as_json)


def _progress(file: Path) -> Progress:
    columns = (SpinnerColumn(), TextColumn(f"{escape(file.name)}: {{task.fields[done]}}"), TimeElapsedColumn())
    return Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal)


def _print_line(line: ReportLine, *, as_json: bool) -> None:
    if as_json:
        print_json(line)
        return
    style = {"rejected": "red", "duplicate": "yellow", "flagged": "yellow"}[line.outcome]
    console.print(f"row {line.row} [{style}]{line.outcome}[/]: {line.reason}: {escape(line.message)}")
    console.print(f"    what to do: {escape(line.advice)}", style="dim")


def _print_summary(summary: ImportSummary, *, as_json: bool) -> None:
    if as_json:
        print_json(summary)
        return
    print_table("import", ("what became of the rows", "count"), list(summary.model_dump().items()))
    if summary.imported - summary.approved:
        print_note("look at the candidates with: expertloop curate review")
    if summary.imported and summary.embedded < summary.imported:
        print_note("later rows were compared with others by letters only; the snapshot compares all by meaning, too")


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=".jsonl, .csv or .xlsx")],
    *,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write pairs to a file that `curate import` takes back.

    Example: expertloop curate export pairs.jsonl --state approved
    """
    from tasks.curation.rows import FIELDS, write_row

    wired = application(Settings())
    found = wired.pairs.list_pairs(wired.settings.tenant, state)
    count = wired.write_pair_file(file, map(write_row, found), FIELDS)
    if as_json:
        print_json({"file": str(file), "pairs": count})
    else:
        print_note(f"{count} pairs written to {file}")


@app.command("list")
def list_(*, state: StateOption = None, as_json: JsonOption = False) -> None:
    """List pairs; those whose documents changed become stale first, corrections of readers become candidates.

    Example: expertloop curate list --state candidate --state stale
    """
    wired = application(Settings())
    refresh(wired, None)
    found = wired.pairs.list_pairs(wired.settings.tenant, state)
    if as_json:
        for pair in found:
            print_json(pair_record(pair))
        return
    rows = [(p.pair_id[:8], p.state, p.language, p.question, p.answer, _describe(p)) for p in found]
    print_table(f"{len(rows)} pairs", ("id", "state", "lang", "question", "answer", "to look at"), rows)


def _describe(pair: Pair) -> str:
    return pair.reason or " ".join(dict.fromkeys(one.code for one in pair.open_findings))


@app.command("show")
def show(pair_id: Annotated[str, typer.Argument(metavar="ID")], *, as_json: JsonOption = False) -> None:
    """Show one pair: its evidence in the document, what checks found, what changed, its history.

    Example: expertloop curate show 3f9a0c1b
    """
    wired = application(Settings())
    refresh(wired, None)
    pair = wired.pairs.find_pair(wired.settings.tenant, pair_id)
    if as_json:
        print_json(pair_record(pair))
        return
    print_pair(pair, wired.open_desk().read_document)
    rows = [(f"{one.at:%Y-%m-%d %H:%M}", one.author, one.action, one.detail) for one in pair.history]
    print_table("history", ("when (UTC)", "who", "what", "details"), rows)


@app.command("approve")
def approve(
    ids: IdsArgument,
    *,
    accept: Annotated[
        list[str] | None, typer.Option("--accept", metavar="CODE", help="a finding that you looked at; repeatable")
    ] = None,
    author: AuthorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve pairs: the model may learn from them.

    Example: expertloop curate approve 3f9a0c1b --accept personal-data
    """
    from tasks.curation.review import approve_pair

    wired = application(Settings())
    refresh(wired, author)
    desk, editor = wired.open_desk(), open_editor(author)
    changed = (approve_pair(desk, one.pair_id, editor, accept=accept or ()) for one in _find_all(wired, ids))
    _print_changed(changed, as_json=as_json)


@app.command("reject")
def reject(
    ids: IdsArgument,
    *,
    reason: Annotated[str, typer.Option("--reason", help="for those who wonder later")] = "",
    author: AuthorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Reject pairs; they stay on record, and importing them again does not bring them back.

    Example: expertloop curate reject 3f9a0c1b --reason "not our product"
    """
    from tasks.curation.review import reject_pair

    wired = application(Settings())
    desk, editor = wired.open_desk(), open_editor(author)
    changed = (reject_pair(desk, one.pair_id, editor, reason=reason) for one in _find_all(wired, ids))
    _print_changed(changed, as_json=as_json)


@app.command("edit")
def edit(
    pair_id: Annotated[str, typer.Argument(metavar="ID")],
    *,
    question: Annotated[str | None, typer.Option("--question")] = None,
    answer: Annotated[str | None, typer.Option("--answer")] = None,
    language: Annotated[str | None, typer.Option("--language", help="ISO 639-1, for example de")] = None,
    group: Annotated[list[str] | None, typer.Option("--group", help="only they may read it; repeatable")] = None,
    document: Annotated[
        str | None, typer.Option("--document", help="file name, title or uri of the quoted one")
    ] = None,
    quote: Annotated[str | None, typer.Option("--quote", help="its words; replaces the evidence")] = None,
    author: AuthorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a pair; it is a candidate again afterwards.

    Example: expertloop curate edit 3f9a0c1b --answer "18 months"
    """
    from tasks.curation.review import edit_pair, quote_document

    if (document is None) != (quote is None):
        raise typer.BadParameter("--document and --quote belong together")
    fields = {"question": question, "answer": answer, "language": language, "groups": tuple(group) if group else None}
    changes: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    blank = [name for name, value in changes.items() if isinstance(value, str) and not value.strip()]
    if blank:
        raise typer.BadParameter(f"--{blank[0]} is empty; a pair nobody wants is rejected: expertloop curate reject")
    if not changes and document is None:
        raise typer.BadParameter("give at least one change")
    wired = application(Settings())
    desk = wired.open_desk()
    pair = wired.pairs.find_pair(wired.settings.tenant, pair_id)
    quotes = [quote_document(desk, document, quote)] if document and quote else []
    _print_changed([edit_pair(desk, pair.pair_id, open_editor(author), changes, quotes)], as_json=as_json)


def open_editor(author: str | None) -> Any:
    """Who does it, now."""
    from tasks.curation.review import Editor

    return Editor(author or getpass.getuser(), datetime.now(UTC))


def refresh(wired: Application, author: str | None) -> None:
    """Let changed documents and readers' corrections have their effect on pairs, before a person looks at them."""
    refreshed = wired.refresh_pairs(author or getpass.getuser())
    if refreshed.stale:
        print_note(f"{refreshed.stale} pairs are stale: what they quote changed; see: curate list --state stale")
    if refreshed.corrections:
        print_note(f"{refreshed.corrections} corrections of readers became candidates")


def _find_all(wired: Application, names: Sequence[str]) -> list[Pair]:
    """All of them before the first is changed: a wrong id must not leave half of the work done."""
    return [wired.pairs.find_pair(wired.settings.tenant, name) for name in names]


def _print_changed(changed: Iterable[Pair], *, as_json: bool) -> None:
    for pair in changed:
        if as_json:
            print_json(pair_record(pair))
            continue
        print_note(f"{pair.state} {pair.pair_id[:8]}: {pair.question}")
        for finding in pair.open_findings:
            print_note(f"    {finding.code}: {finding.message}; {finding.advice}")
