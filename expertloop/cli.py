"""`expertloop`: every command, its help and its exit code.

Exit codes: 0 done (quarantined files and "I don't know" included) · 1 failed, and trying again changes nothing ·
2 the command line is wrong · 3 a prune waits for --confirm-prune · 4 something does not answer: try again later ·
130 interrupted.
"""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Annotated

import typer

from expertloop import (
    adapters,
    approvals,
    arms,
    ask,
    cases,
    curate,
    curate_data,
    curate_review,
    deploy,
    doctor,
    erase,
    evaluate,
    glossary,
    index,
    ingest,
    keys,
    serve,
    show,
    train,
    trainings,
    up,
)
from expertloop.output import configure_logging, print_error
from tasks.errors import ProductError, PruneBlocked, TransientError
from tasks.settings import Settings

app = typer.Typer(
    name="expertloop",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _tell_version(*, wanted: bool) -> None:
    if wanted:
        print(importlib.metadata.version("expertloop"))
        raise typer.Exit


@app.callback()
def expertloop(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """Keeps a small language model an expert in one company's business."""


app.command("init")(doctor.init)
app.command("ingest")(ingest.ingest)
app.command("search")(ask.search)
app.command("ask")(ask.ask)
app.command("evaluate")(evaluate.evaluate)
app.command("advise")(arms.advise)
app.command("documents")(show.documents)
app.command("quarantine")(show.quarantine)
app.command("gaps")(show.gaps)
app.command("glossary")(glossary.glossary)
app.command("status")(show.status)
app.command("doctor")(doctor.doctor)
app.command("deploy")(deploy.deploy)
app.command("up")(up.up)
app.command("serve")(serve.serve)
app.command("train")(train.train)
app.command("trainings")(trainings.trainings)
app.command("adapters")(adapters.adapters)
app.command("champion")(adapters.champion)
app.command("promote")(adapters.promote)
app.command("rollback")(adapters.rollback)
app.command("approvals")(approvals.approvals)
app.command("approve")(approvals.approve)
app.command("reject")(approvals.reject)
app.command("lineage")(adapters.lineage)
app.command("erase")(erase.erase)
app.command("erasures")(erase.erasures)
app.add_typer(keys.app, name="keys")
curate.app.command("review")(curate_review.review)
curate.app.command("generate")(curate_data.generate)
curate.app.command("snapshot")(curate_data.snapshot)
curate.app.command("datasets")(curate_data.datasets)
app.add_typer(curate.app, name="curate")
app.add_typer(cases.app, name="cases")
app.add_typer(index.app, name="index")


def main() -> None:
    """Run a command; our errors become two lines and an exit code, bugs keep their traceback."""
    try:
        configure_logging(Settings().log_level)
        app()
    except ProductError as error:
        print_error(error)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of a pipe went away (`| head`): that is its right.
        sys.stderr.close()
        sys.exit(0)


def exit_code(error: ProductError) -> int:
    """What the shell learns of an error."""
    if isinstance(error, PruneBlocked):
        return 3
    return 4 if isinstance(error, TransientError) else 1
