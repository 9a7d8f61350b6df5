"""`expertloop evaluate --arms` and `expertloop advise`: what tuning and retrieval are worth, alone and together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from expertloop.output import console, escape, messages, print_json, print_note, print_table
from tasks.settings import Settings
from tasks.training_models import ArmsReport, GateDecision
from tasks.wiring import Application, application


class ArmsOptions(NamedTuple):
    """What the command line says about the arms."""

    dataset: str | None
    adapter: str | None
    max_questions: int | None
    report: Path | None


def evaluate_arms(app: Application, options: ArmsOptions, *, as_json: bool) -> None:
    """Ask the arms, and show them with the gate's decision."""
    from tasks.evaluation import tasks as evaluation

    if options.adapter:
        adapter, dataset = (
            app.adapters.find_adapter(app.settings.tenant, options.adapter),
            app.find_dataset(options.dataset),
        )
        models = evaluation.choose_models(app, dataset, adapter.base_model, app.adapt(adapter), adapter.adapter_id)
    else:
        models = evaluation.ArmModels(app.base_generator())
    request = evaluation.ArmsRequest(options.dataset, options.max_questions, progress=_show_progress)
    report = evaluation.evaluate_arms(app, models, request)
    decision = evaluation.decide_promotion(app, report) if options.adapter else None
    if options.report:
        write_arms(options.report, report, decision, app)
    if as_json:
        print_json(arms_record(report, decision))
    else:
        print_arms(report, decision)


def arms_record(report: ArmsReport, decision: GateDecision | None) -> dict[str, Any]:
    """What --json prints; `gate` is null without an adapter, since nothing could be promoted."""
    return {**report.model_dump(mode="json"), "gate": decision.model_dump(mode="json") if decision else None}


def print_arms(report: ArmsReport, decision: GateDecision | None) -> None:
    """The table of arms, and the decision with its reasons."""
    from tasks.evaluation.arms_card import SHORT_COLUMNS, list_short_rows

    title = f"{report.questions} held-out questions, dataset {report.dataset_id[:8]}"
    print_table(title, SHORT_COLUMNS, list_short_rows(report))
    if decision:
        print_table(f"gate: {decision.decision}", ("reasons",), [(reason,) for reason in decision.reasons])


def write_arms(folder: Path, report: ArmsReport, decision: GateDecision | None, app: Application) -> None:
    """`arms.md` and `arms.png` in a folder."""
    from tasks.evaluation.arms_card import list_intervals, write_arms_card

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "arms.md").write_text(write_arms_card(report, decision), encoding="utf-8")
    title = f"token F1 on {report.questions} held-out questions"
    picture = app.plotter.draw_intervals(title, "token F1 with its 95 % interval", list_intervals(report))
    (folder / "arms.png").write_bytes(picture)
    print_note(f"report: {folder / 'arms.md'}")


def advise(*, as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False) -> None:
    """RAG, fine-tuning or both, for this company: from the measured arms, and what the company is like.

    Example: expertloop advise
    """
    from tasks.evaluation.tasks import advise as advise_application

    advice = advise_application(application(Settings()))
    if as_json:
        print_json(advice)
        return
    console.print(f"[bold]{advice.recommendation}[/]")
    for sentence in advice.sentences:
        console.print(f"  {escape(sentence)}")


def _show_progress(arm: str, done: int, total: int) -> None:
    if messages.is_terminal:
        print_note(f"{arm}: {done} of {total}")
