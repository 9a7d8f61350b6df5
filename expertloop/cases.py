"""`expertloop cases …`: mails and records worked on with the answers, and what people make of them."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from expertloop.output import console, escape, print_json, print_note, print_table
from tasks.case_models import CaseState, Decision, HandledCase
from tasks.settings import Settings
from tasks.wiring import application

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

JsonOption = Annotated[bool, typer.Option("--json", help="JSON objects, one a line")]
AuthorOption = Annotated[str | None, typer.Option("--author", help="who does it; default: your user name")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="the case's own id, or the beginning of ours")]


@app.callback()
def cases() -> None:
    """Work through business cases: classify, answer with citations, decide who acts next.

    Example: expertloop cases run data/cases/mails --process tickets
    """


@app.command("run")
def run(
    place: Annotated[
        str,
        typer.Argument(
            metavar="FILE_OR_FOLDER", help="folder of .eml; .eml, .jsonl, .csv; imaps://…; sqlite:///…?table=…"
        ),
    ],
    *,
    process: Annotated[str, typer.Option("--process", help="a folder below EXPERTLOOP_PROCESSES")] = "tickets",
    send: Annotated[bool, typer.Option("--send/--no-send", help="empty the outbox afterwards")] = True,
    as_json: JsonOption = False,
) -> None:
    """Work through cases now; one that was worked through before is shown as it was, and nothing is sent twice.

    Example: expertloop cases run data/cases/mails --process tickets --json
    """
    from tasks.cases.outbox import deliver_messages
    from tasks.language import load_in_background

    load_in_background()
    wired = application(Settings())
    loaded = wired.load_process(process)
    counts: dict[str, int] = {}
    for handled in wired.open_handler(loaded).work_through(wired.open_case_source(loaded, place)):
        record = case_record(handled)
        counts[record["decision"]] = counts.get(record["decision"], 0) + 1
        if as_json:
            print_json(record)
        else:
            _print_line(record)
    print_note(", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "no case")
    if send:
        report = deliver_messages(wired.outbox, wired.deliverer, wired.settings.tenant)
        print_note(f"{report.delivered} messages delivered, {report.waiting} wait")
        if report.problem:
            print_note(f"{report.problem}; what waits is tried again: expertloop cases send")


@app.command("send")
def send(*, as_json: JsonOption = False) -> None:
    """Deliver the messages that are due; what the other side does not take waits and is tried again later.

    Example: expertloop cases send
    """
    from tasks.cases.outbox import deliver_messages

    wired = application(Settings())
    report = deliver_messages(wired.outbox, wired.deliverer, wired.settings.tenant)
    if as_json:
        print_json(report)
    else:
        print_note(f"{report.delivered} messages delivered, {report.waiting} wait. {report.problem}")


@app.command("list")
def list_(
    *,
    state: Annotated[list[CaseState] | None, typer.Option("--state", help="only these; repeat for several")] = None,
    decision: Annotated[list[Decision] | None, typer.Option("--decision", help="only these; repeatable")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="how many, the newest first")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List cases, the newest first.

    Example: expertloop cases list --state handled --decision draft-for-person
    """
    wired = application(Settings())
    found = wired.cases.list_cases(wired.settings.tenant, states=state or (), decisions=decision or (), limit=limit)
    if as_json:
        for handled in found:
            print_json(case_record(handled) | _standing(handled))
        return
    rows = [
        (one.case.case_id[:8], one.case.id, one.state, *_told(one), one.case.subject[:60], one.note or _reason(one))
        for one in found
    ]
    print_table(f"{len(rows)} cases", ("case", "id", "state", "decision", "route", "subject", "why"), rows)


@app.command("show")
def show(case_id: IdArgument, *, as_json: JsonOption = False) -> None:
    """Show one case: what came in, what it asks, the draft, and each step of its way.

    Example: expertloop cases show case-001
    """
    wired = application(Settings())
    handled = wired.cases.find_case(wired.settings.tenant, case_id)
    if as_json:
        print_json(handled)
        return
    console.print(f"[bold]{escape(handled.case.subject)}[/]  {escape(handled.case.sender)}  {handled.state}")
    console.print(escape(handled.case.body))
    outcome = handled.outcome
    if outcome is None:
        print_note(f"waits: {handled.note}")
        return
    for asked in outcome.asked:
        console.print(f"[bold]asked:[/] {escape(asked.question)}  [dim]{escape(asked.reason)}[/]")
    console.print(f"[bold]{outcome.decision}[/]: {escape(outcome.reason)}")
    console.print(escape(outcome.reply or "(no reply)"))
    steps = [(step.name, f"{step.seconds:.2f}", escape(str(step.details))) for step in outcome.trail]
    print_table("trail", ("step", "seconds", "details"), steps)


@app.command("correct")
def correct(
    case_id: IdArgument,
    *,
    text: Annotated[str, typer.Option("--text", help="the right answer, as the customer should read it")],
    question: Annotated[str | None, typer.Option("--question", help="what it answers; default: what was asked")] = None,
    author: AuthorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a case by hand: it is closed, the text goes to the customer, and the pair becomes a candidate.

    Example: expertloop cases correct case-045 --text "No, the Minim S is not for ammonia."
    """
    from tasks.cases.close import Closing, choose_question, correct_case
    from tasks.curation.corrections import collect_corrections

    wired = application(Settings())
    handled = wired.cases.find_case(wired.settings.tenant, case_id)
    closing = Closing(author or getpass.getuser(), datetime.now(UTC))
    correction = choose_question(handled, question, text, closing.author)
    # The pair first: the same one again changes nothing, so a crash in between loses neither.
    detail = f"case {handled.case.id} ({handled.case.case_id})"
    new = collect_corrections(wired.open_desk(), [correction], now=closing.at, detail=detail)
    process = wired.load_process(handled.case.process)
    correct_case(wired.cases, handled, text, closing, signature=process.file.signature)
    record = {"id": handled.case.id, "case_id": handled.case.case_id, "state": "closed", "candidates": new}
    if as_json:
        print_json(record)
        return
    print_note(f"closed {handled.case.id}; {new} new candidate: expertloop curate review")


@app.command("close")
def close(
    case_id: IdArgument,
    *,
    note: Annotated[str, typer.Option("--note", help="how it ended")] = "",
    author: AuthorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close a case without an answer from here; an unsent draft is taken back.

    Example: expertloop cases close case-050 --note "called back"
    """
    from tasks.cases.close import Closing, close_case

    wired = application(Settings())
    handled = wired.cases.find_case(wired.settings.tenant, case_id)
    close_case(wired.cases, handled, note, Closing(author or getpass.getuser(), datetime.now(UTC)))
    if as_json:
        print_json({"id": handled.case.id, "case_id": handled.case.case_id, "state": "closed"})
    else:
        print_note(f"closed {handled.case.id}")


def case_record(handled: HandledCase) -> dict[str, Any]:
    """A line of `cases run --json`."""
    outcome = handled.outcome
    if outcome is None:
        keys = ("route", "urgency", "fields", "decision", "confidence", "reply")
        return {"id": handled.case.id, **dict.fromkeys(keys), "citations": [], "seconds": 0.0}
    told = outcome.model_dump(
        mode="json", include={"route", "urgency", "fields", "decision", "confidence", "reply", "citations", "seconds"}
    )
    order = ("route", "urgency", "fields", "decision", "confidence", "reply", "citations", "seconds")
    return {"id": handled.case.id} | {name: told[name] for name in order}


def _standing(handled: HandledCase) -> dict[str, Any]:
    reason = handled.outcome.reason if handled.outcome else ""
    return {"case_id": handled.case.case_id, "state": handled.state.value, "reason": reason, "note": handled.note}


def _told(handled: HandledCase) -> tuple[str, str]:
    return (handled.outcome.decision, handled.outcome.route) if handled.outcome else ("", "")


def _reason(handled: HandledCase) -> str:
    return handled.outcome.reason if handled.outcome else ""


def _print_line(record: dict[str, Any]) -> None:
    console.print(
        f"{escape(record['id'])}  [bold]{record['decision']}[/]  {escape(record['route'])}  {record['urgency']}"
        f"  [dim]{record['confidence']:.2f}[/]"
    )
