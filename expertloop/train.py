"""`expertloop train`: approved pairs become a candidate, and the gate decides whether it replaces the champion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from expertloop.arms import arms_record, print_arms
from expertloop.curate import refresh
from expertloop.output import console, messages, print_json, print_note
from expertloop.prefect_server import start_prefect_server
from tasks.errors import ConfigurationError
from tasks.models import EVERYONE
from tasks.settings import Settings
from tasks.wiring import Application, application

if TYPE_CHECKING:
    from tasks.training_models import RetrainRequest, RetrainResult, TrainingConfig
    from tasks.training_ports import TrainingProgress


def train(
    *,
    preset: Annotated[str, typer.Option("--preset", help="named configuration: docs/train.md")] = "smollm2-135m-cpu",
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="change the preset; repeatable")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, help="trained tokens over all epochs; default: the preset's")
    ] = None,
    max_questions: Annotated[
        int | None, typer.Option("--max-questions", min=1, help="held-out questions an arm; default: all")
    ] = None,
    scope: Annotated[str, typer.Option("--scope", help="who will be served: everyone, or one group")] = EVERYONE,
    promote: Annotated[
        bool, typer.Option("--promote/--no-promote", help="make it the champion when the gate says so")
    ] = True,
    plan: Annotated[bool, typer.Option("--plan", help="say what it would take, and stop")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
) -> None:
    """Freeze the approved pairs, fine-tune, compare four arms on held-out questions, and decide.

    A candidate that does not measurably answer better is kept and not promoted: that is a success, too.

    Example: expertloop train --max-tokens 25000 --max-questions 20
    """
    from tasks.training_models import RetrainRequest

    config = read_config(preset, values or [], max_tokens)
    settings = Settings()
    if plan:
        show_plan(application(settings), scope, config, as_json=as_json)
        return
    request = RetrainRequest(scope=scope, config=config, max_questions=max_questions, promote=promote)
    attached = start_prefect_server(settings)
    with watch_training(application(settings)), attached():
        result = _run(request)
    if as_json:
        print_json(describe_result(result))
    else:
        show_result(result)


def read_config(preset: str, values: list[str], max_tokens: int | None) -> TrainingConfig:
    """The preset with what the command line changes.

    Raises:
        ConfigurationError: Its message names every fault.
    """
    from tasks.training.presets import make_config

    changed: dict[str, Any] = {}
    for value in values:
        name, equals, said = value.partition("=")
        if not equals:
            raise ConfigurationError(f"--set {value} names no value", advice="write --set rank=32")
        changed[name.strip()] = said.strip()
    if max_tokens is not None:
        changed["max_tokens"] = max_tokens
    return make_config(preset, changed)


def show_plan(app: Application, scope: str, config: TrainingConfig, *, as_json: bool) -> None:
    """What a training would take, with the arithmetic; nothing is trained."""
    refresh(app, None)
    dataset = app.freeze_pairs(scope, report=print_note).dataset
    made = app.plan_training(dataset.dataset_id, config)
    if as_json:
        print_json(made)
    else:
        console.print(made.as_markdown(), markup=False, highlight=False)


def _run(request: RetrainRequest) -> RetrainResult:
    from flows.retrain import retrain

    return retrain(request)


@contextmanager
def watch_training(app: Application) -> Iterator[None]:
    """A bar with loss, tokens/s and time left while a training runs; nothing when piped."""
    if not messages.is_terminal:
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=messages, transient=True) as progress:
        bar = progress.add_task("train", total=None)

        def draw(state: TrainingProgress) -> None:
            if state.note:
                print_note(state.note)
            loss = "" if state.loss is None else f" loss {state.loss:.3f}"
            said = f"step {state.step}/{state.steps}{loss} {state.tokens_per_second:.0f} tokens/s"
            progress.update(bar, completed=state.step, total=state.steps, description=said)

        def draw_arms(arm: str, done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total, description=arm)

        app.report_training, app.report_arms = draw, draw_arms  # type: ignore[method-assign]
        yield


def describe_result(result: RetrainResult) -> dict[str, Any]:
    """The object of `--json`."""
    summary = result.trained.summary
    return arms_record(result.report, result.decision) | {
        "training": {"seconds": summary.seconds, "tokens_per_second": summary.tokens_per_second}
        | {"peak_memory_bytes": summary.peak_memory_bytes, "final_loss": summary.final_loss}
        | {"tokens": summary.tokens, "steps": summary.steps, "new": result.trained.is_new},
        "promoted": result.promoted,
        "approval_id": result.approval_id,
    }


def show_result(result: RetrainResult) -> None:
    """Training, arms and decision, for people."""
    summary = result.trained.summary
    print_note(
        f"adapter {result.trained.adapter_id}: {summary.tokens} tokens in {summary.seconds:.0f} s "
        f"({summary.tokens_per_second:.0f} tokens/s, {summary.peak_memory_bytes / 1e9:.1f} GB), "
        f"loss {summary.final_loss:.3f}"
    )
    print_arms(result.report, result.decision)
    if result.promoted:
        print_note("it is the champion now; servers notice with their next answer")
    if result.approval_id:
        print_note(f"people are asked first: expertloop approve {result.approval_id[:8]}")
