"""`expertloop evaluate`: questions with known answers in, figures, intervals and a report out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from expertloop.arms import ArmsOptions, evaluate_arms
from expertloop.output import messages, print_json, print_note, print_table
from tasks.evaluation_models import EvaluationRun
from tasks.settings import Settings
from tasks.wiring import Application, application

QuestionsArgument = Annotated[Path | None, typer.Argument(metavar="QUESTIONS", help="JSONL, CSV or SQuAD-like JSON")]
GeneratorOption = Annotated[str | None, typer.Option(help="instead of EXPERTLOOP_GENERATOR, for this run")]
CollectionOption = Annotated[str | None, typer.Option(help="name of the serving collection, to be sure it is that one")]
DepthOption = Annotated[int, typer.Option("--k", min=1, max=300, help="places that the reciprocal rank looks at")]
AsOption = Annotated[list[str] | None, typer.Option("--as", help="asks too, besides each question's own groups")]
BatchOption = Annotated[int, typer.Option(min=1, max=1024, help="questions answered together; 1 times each alone")]
JsonOption = Annotated[bool, typer.Option("--json", help="one JSON object")]
BaselineOption = Annotated[str | None, typer.Option(metavar="RUN", help="compare with this earlier run")]
ReportOption = Annotated[Path | None, typer.Option(metavar="FOLDER", help="write report.html, report.md and pictures")]
AgainOption = Annotated[bool, typer.Option("--again", help="ask all questions again")]
RunsOption = Annotated[bool, typer.Option("--runs", help="list the runs and do nothing else")]
CalibrateOption = Annotated[
    bool, typer.Option("--calibrate", help="hold no answer back, and fit on the results what a confidence is worth")
]
ArmsOption = Annotated[
    bool, typer.Option("--arms", help="judge the base model and an adapter, with and without passages, on a dataset")
]
DatasetOption = Annotated[str | None, typer.Option(metavar="ID", help="with --arms: the dataset; default: the newest")]
AdapterOption = Annotated[str | None, typer.Option(metavar="ID", help="with --arms: the adapter; default: none")]
MostOption = Annotated[int | None, typer.Option("--max-questions", min=1, help="with --arms: ask so many at most")]
CompareOption = Annotated[
    tuple[str, str] | None, typer.Option(metavar="A B", help="compare run B with run A and do nothing else")
]


def evaluate(
    questions: QuestionsArgument = None,
    *,
    generator: GeneratorOption = None,
    collection: CollectionOption = None,
    depth: DepthOption = 10,
    as_groups: AsOption = None,
    batch: BatchOption = 32,
    as_json: JsonOption = False,
    baseline: BaselineOption = None,
    report: ReportOption = None,
    again: AgainOption = False,
    calibrate: CalibrateOption = False,
    runs: RunsOption = False,
    compare: CompareOption = None,
    arms: ArmsOption = False,
    dataset: DatasetOption = None,
    adapter: AdapterOption = None,
    max_questions: MostOption = None,
) -> None:
    """Ask questions whose answers are known, and measure retrieval, answers and silence.

    Example: expertloop evaluate questions.jsonl --generator none --report report
    """
    if (questions is not None) + runs + (compare is not None) + arms != 1:
        raise typer.BadParameter("give a file of QUESTIONS, or --arms, or --runs, or --compare A B")
    app = application(_choose_settings(generator, calibrate=calibrate))
    if arms:
        evaluate_arms(app, ArmsOptions(dataset, adapter, max_questions, report), as_json=as_json)
    elif runs:
        _list_runs(app, as_json=as_json)
    elif compare is not None:
        _compare_runs(app, *compare, as_json=as_json)
    else:
        assert questions is not None, "checked above"
        from tasks.evaluation.tasks import EvaluationRequest

        principals = frozenset(as_groups or ())
        request = EvaluationRequest(questions, collection, principals, depth, batch, again)
        record = _evaluate(app, request, baseline=baseline, report=report, calibrate=calibrate)
        if as_json:
            print_json(record)
        else:
            _print_record(record)


def _choose_settings(generator: str | None, *, calibrate: bool) -> Settings:
    """The environment's, but a test's question is no gap, and a calibration sees every answer."""
    changes: dict[str, Any] = {"keep_gaps": False}
    changes |= {} if generator is None else {"generator": generator}
    changes |= {"max_error": 1.0} if calibrate else {}
    return Settings(**changes)


def _evaluate(
    app: Application, request: Any, *, baseline: str | None, report: Path | None, calibrate: bool
) -> dict[str, Any]:
    """Run to the end; returns what --json prints."""
    from tasks.evaluation.report import write_report
    from tasks.evaluation.tasks import Evaluation, compare_stored_runs

    before = app.evaluations.find_run(app.settings.tenant, baseline) if baseline else None
    evaluation = Evaluation(app, request)
    resumed = _work(evaluation)
    summary, results = evaluation.finish()
    run = evaluation.run
    record = {"run_id": run.run_id, **summary, "resumed": resumed, **_name_parts(run)}
    if before is not None:
        record["comparison"] = compare_stored_runs(app, before, run)
    if calibrate:
        record["calibration"] = _calibrate(app, results, report)
    if report is not None:
        write_report(report, record, results, plotter=app.plotter)
        print_note(f"report: {report / 'report.html'}")
    return record


def _calibrate(app: Application, results: Any, report: Path | None) -> dict[str, Any]:
    """Fit, keep, and say what answers are worth now."""
    from tasks.answering.confidence import choose_threshold
    from tasks.evaluation.tasks import calibrate_answers

    fit = calibrate_answers(app, results)
    max_error = Settings().max_error
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)
        (report / "calibration.png").write_bytes(app.plotter.draw_calibration(*fit, max_error=max_error))
    threshold = choose_threshold(fit.calibration, max_error)
    given = fit.confidences >= threshold
    return {
        "name": fit.calibration.name,
        "questions": fit.calibration.questions,
        "expected_calibration_error": fit.calibration.expected_error,
        "max_error": max_error,
        "threshold": threshold,
        "coverage": float(given.mean()),
        "error": float(1 - fit.right[given].mean()) if given.any() else None,
    }


def _name_parts(run: EvaluationRun) -> dict[str, str]:
    return {"questions_file": run.questions_file, "collection": run.collection, "generator": run.generator}


def _work(evaluation: Any) -> int:
    """Answer what is left; returns how many results there were before."""
    total = evaluation.run.total
    progress = evaluation.work()
    resumed = next(progress)
    if resumed:
        print_note(
            f"run {evaluation.run.run_id} goes on: {resumed} of {total} questions were judged before "
            "(--again asks all of them again)"
        )
    for done in progress:
        if messages.is_terminal:
            print_note(f"{done} of {total} questions")
    return int(resumed)


def _list_runs(app: Application, *, as_json: bool) -> None:
    found = app.evaluations.list_runs(app.settings.tenant)
    if as_json:
        for run in found:
            print_json(run.model_dump(mode="json", exclude={"settings", "summary", "tenant"}))
        return
    rows = [
        (run.run_id, f"{run.started_at:%Y-%m-%d %H:%M}", run.questions_file, f"{run.judged}/{run.total}", run.generator)
        for run in found
    ]
    print_table(f"{len(rows)} evaluations", ("run", "started (UTC)", "questions", "judged", "generator"), rows)


def _compare_runs(app: Application, first: str, second: str, *, as_json: bool) -> None:
    from tasks.evaluation.tasks import compare_stored_runs

    tenant = app.settings.tenant
    record = compare_stored_runs(app, app.evaluations.find_run(tenant, first), app.evaluations.find_run(tenant, second))
    if as_json:
        print_json(record)
    else:
        _print_comparison(record)


def _print_record(record: dict[str, Any]) -> None:
    figures = {**record["retrieval"], **record["answers"], **record["latency"]}
    print_table(
        f"{record['questions']} questions, generator {record['generator']}",
        ("metric", "value"),
        [(name, _format(value)) for name, value in figures.items()],
    )
    print_table("outcomes", ("outcome", "questions"), list(record["outcomes"].items()))
    for what, names in record["unmatched"].items():
        if names:
            print_note(f"{len(names)} gold documents are {what}: {', '.join(names)}")
    if "comparison" in record:
        _print_comparison(record["comparison"])
    if "calibration" in record:
        figures = record["calibration"].items()
        rows = [(name, _format(value) if isinstance(value, float) else value) for name, value in figures]
        print_table("calibration, measured on documents it was not fitted on", ("what", "value"), rows)
    print_note(f"run {record['run_id']}")


def _print_comparison(record: dict[str, Any]) -> None:
    rows = [
        (name, *(_format(one[key]) for key in ("before", "after", "difference", "low", "high")), one["verdict"])
        for name, one in record["metrics"].items()
    ]
    columns = ("metric", "before", "after", "difference", "95 % from", "to", "verdict")
    print_table(f"{record['before']} → {record['after']}: {record['questions']} questions in both", columns, rows)


def _format(value: float | None) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
