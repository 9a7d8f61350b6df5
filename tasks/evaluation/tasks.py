"""The evaluation room over the wired application: what doors call, and the Prefect tasks of the retrain flow.

`evaluate` is no task: it commits as it goes and is resumed by running it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from prefect import task

from tasks.arm_models import Advice, ArmResult, StoredReport
from tasks.artifacts import show_picture, show_points, show_table
from tasks.curation_models import Dataset, Example
from tasks.errors import ConfigurationError
from tasks.evaluation import gate
from tasks.evaluation.advise import advise_company
from tasks.evaluation.arm_scores import score_arm
from tasks.evaluation.arms import ArmOptions, ask_prompts, list_shown, plan_prompts, read_answers, sample_examples
from tasks.evaluation.arms_card import list_intervals
from tasks.evaluation.arms_report import Judged as JudgedArms
from tasks.evaluation.arms_report import report_arms
from tasks.evaluation.bootstrap import RESAMPLES
from tasks.evaluation.calibrate import Fit, Judged, fit_calibration
from tasks.evaluation.forgetting import ForgettingProbe, Probed
from tasks.evaluation.gold import Library
from tasks.evaluation.judge import Judge
from tasks.evaluation.questions import read_question_file
from tasks.evaluation.reading import ReadingProbe
from tasks.evaluation.run import BATCH, DEPTH, derive_run_id, evaluate_questions, list_unmatched, order_results
from tasks.evaluation.summary import compare_runs, pair_results, summarise
from tasks.evaluation_models import EvaluationRun, GoldQuestion, JudgedAnswer
from tasks.ports import Generator
from tasks.prompting import PROMPT_VERSION
from tasks.retries import touches_backends
from tasks.training_models import ArmName, ArmsReport, Forgetting, GateDecision, Reading, TrainedAdapter
from tasks.wiring import Application, application

COVERAGE_LIMITS = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Shares of wrong answers that a company may wish."""
UNRELATED = frozenset({
    *("home", "cache", "tenant", "sources", "time_zone", "database_url", "index_url", "log_level", "telemetry"),
    *("max_text_mb", "max_file_mb", "embedding_cache", "prune_share", "prune_minimum", "lease_seconds"),
    *("batch_documents", "partition_strategy", "partition_workers", "partition_timeout_seconds", "partition_memory_mb"),
    *("generator", "generator_key", "generator_timeout_seconds", "embedder_key", "embedder_timeout_seconds"),
    *("keep_gaps", "database_timeout_seconds", "index_key", "index_headers", "index_timeout_seconds"),
    *("test_share", "validation_share", "distractor_passages", "marked_champion", "scope", "artifacts_url", "glossary"),
    *("approvers", "approval_hours", "approval_deadline", "generator_adapters"),
    *("gate_questions", "gate_slices", "gate_slice_questions", "gate_tolerance", "gate_forgetting", "gate_perplexity"),
    *("processes", "inbox_key", "outbox_url", "outbox_key", "outbox_sender", "notify_url"),
    *("retrain_min_new_pairs", "retrain_min_share", "retrain_cooldown_hours"),
})  # fmt: skip
"""Settings that decide no answer, or that are part of a run's id by themselves. A setting that is new and not here
makes another run: asking once too often is better than taking old answers for new ones."""


class EvaluationRequest(NamedTuple):
    """What one evaluation is asked to do."""

    questions_file: Path
    collection: str | None = None
    principals: frozenset[str] = frozenset()
    depth: int = DEPTH
    batch: int = BATCH
    again: bool = False


class Evaluation:
    """One run over one question file, opened: its id is known and its former results are found.

    Raises:
        ConfigurationError: The file is wrong, nothing was ingested, or another collection serves.
    """

    def __init__(self, app: Application, request: EvaluationRequest) -> None:
        self._app = app
        self._request = request
        file = read_question_file(request.questions_file)
        self.questions: list[GoldQuestion] = file.questions
        self.run = self._describe(file.content_hash)
        library = Library(app.catalogue.list_documents(app.settings.tenant))
        self._judge = Judge(library, app.passages, depth=request.depth)
        app.evaluations.begin_run(self.run, again=request.again)

    def _describe(self, questions_hash: str) -> EvaluationRun:
        app, tenant = self._app, self._app.settings.tenant
        collection = find_collection(app, self._request.collection)
        generator = app.generator.identity if app.generator else "none"
        settings = self._list_settings()
        return EvaluationRun(
            run_id=derive_run_id(tenant, questions_hash, collection, generator, settings),
            tenant=tenant,
            questions_file=self._request.questions_file.name,
            questions_hash=questions_hash,
            collection=collection,
            generator=generator,
            settings=settings,
            total=len(self.questions),
            started_at=datetime.now(UTC),
        )

    def _list_settings(self) -> dict[str, Any]:
        dumped = self._app.settings.model_dump(mode="json", exclude=set(UNRELATED))
        return {
            **dumped,
            "documents": self._app.catalogue.hash_contents(self._app.settings.tenant),
            "abbreviations": self._app.glossary.model_dump(mode="json")["abbreviations"],
            "prompt": PROMPT_VERSION,
            "calibration": self._app.calibration(self._app.generator).model_dump(mode="json"),
            "expertloop": version("expertloop"),
            "principals": sorted(self._request.principals),
            "depth": self._request.depth,
            "batch": self._request.batch,
        }

    def work(self) -> Iterator[int]:
        """Do what is left; yields how many questions are judged: those of before first, then after each batch."""
        return evaluate_questions(
            self.run,
            self.questions,
            principals=self._request.principals,
            searcher=self._app.searcher,
            answer_questions=self._app.answer_questions,
            judge=self._judge,
            store=self._app.evaluations,
            depth=self._request.depth,
            batch=self._request.batch,
        )

    def finish(self) -> tuple[dict[str, Any], list[JudgedAnswer]]:
        """Summarise and store the summary; returns it with the results in the file's order."""
        results = read_results(self._app, self.run)
        summary = summarise(results)
        summary["latency"]["batch"] = self._request.batch
        summary["unmatched"] = list_unmatched(self.questions, self._judge)
        self._app.evaluations.finish_run(self.run.run_id, summary)
        return summary, results


def find_collection(app: Application, name: str | None) -> str:
    """The serving collection's name.

    Raises:
        ConfigurationError: None serves, or another one than the name says.
    """
    pipeline = app.serving_pipeline()
    if pipeline is None:
        raise ConfigurationError(
            "nothing was ingested, so there is nothing to evaluate", advice="run: expertloop ingest FOLDER"
        )
    serving = pipeline.collection.name
    if name not in (None, serving):
        raise ConfigurationError(
            f"no serving collection has the name {name!r}",
            advice=f"only what serves can be asked, and that is {serving}; leave --collection out to use it",
        )
    return serving


def calibrate_answers(app: Application, results: Sequence[JudgedAnswer]) -> Fit:
    """Fit a calibration on answers none of which was held back, and let answers use it from now on.

    Raises:
        DatasetRejected: Too few of them are right, or wrong.
    """
    key = app.calibration_key(app.generator)
    judged = [
        Judged(one.answer.signals, one.outcome == "right", one.cluster)
        for one in results
        if one.answer.signals and one.outcome in ("right", "wrong")
    ]
    fit = fit_calibration(judged, name=f"fitted {datetime.now(UTC):%Y-%m-%d %H:%M} on {key.collection}")
    app.calibrations.write_calibration(key, fit.calibration)
    return fit


def read_results(app: Application, run: EvaluationRun) -> list[JudgedAnswer]:
    """A run's results in the order of its file."""
    return order_results(app.evaluations.read_results(run.run_id))


def compare_stored_runs(app: Application, before: EvaluationRun, after: EvaluationRun) -> dict[str, Any]:
    """Every metric of two runs over the questions they share; JSON.

    Raises:
        ConfigurationError: They share none.
    """
    first, second = read_results(app, before), read_results(app, after)
    shared = len(pair_results(first, second))
    if not shared:
        raise ConfigurationError(
            f"the runs {before.run_id} and {after.run_id} share no judged question",
            advice="compare runs over one question file",
        )
    compared = compare_runs(first, second)
    return {
        "before": before.run_id,
        "after": after.run_id,
        "questions": shared,
        "metrics": {name: one.model_dump() for name, one in compared.items()},
    }


class ArmModels(NamedTuple):
    """The models that the arms ask, and the ids of what they carry."""

    base: Generator
    tuned: Generator | None = None
    champion: Generator | None = None
    adapter_id: str | None = None
    champion_id: str | None = None

    def list_arms(self) -> dict[ArmName, tuple[Generator, bool]]:
        """Each arm's model, and whether it sees passages."""
        arms: dict[ArmName, tuple[Generator, bool]] = {"base": (self.base, False), "base+rag": (self.base, True)}
        if self.tuned:
            arms |= {"tuned": (self.tuned, False), "tuned+rag": (self.tuned, True)}
        if self.champion:
            arms["champion+rag"] = (self.champion, True)
        return arms


class ArmsRequest(NamedTuple):
    """What an evaluation of the arms is asked to do."""

    dataset: str | None = None
    """An id or its beginning; None: the newest."""
    max_questions: int | None = None
    """Of the test questions, and of each probe's; None: all."""
    resamples: int = RESAMPLES
    """Of intervals and of the permutation test."""
    progress: Callable[[str, int, int], object] = lambda *_: None
    """Told the arm, how many answers there are and how many there will be."""


def evaluate_arms(app: Application, models: ArmModels, request: ArmsRequest | None = None) -> ArmsReport:
    """Ask the held-out questions in every arm, score and compare; goes on where a killed one stopped.

    Raises:
        ConfigurationError: There is no dataset, it has no test question, or a model tells no likelihood.
        ArtifactCorrupt: The dataset's files were changed.
    """
    request = request or ArmsRequest()
    dataset = app.find_dataset(request.dataset)
    examples = sample_examples(app.read_test_examples(dataset), request.max_questions)
    if not examples:
        raise ConfigurationError(
            f"the dataset {dataset.dataset_id} has no test question",
            advice="approve pairs of more documents, then run: expertloop curate snapshot",
        )
    results = {
        arm: ask_arm(app, arm, examples, generator, with_passages=with_passages, request=request)
        for arm, (generator, with_passages) in models.list_arms().items()
    }
    forgetting = probe_forgetting(app, models, request)
    reading = probe_reading(app, models, examples, request)
    judged = JudgedArms(dataset.dataset_id, models.adapter_id, models.champion_id, forgetting, reading)
    report = report_arms(judged, results, resamples=request.resamples)
    app.arms.write_report(app.settings.tenant, StoredReport(report=report, decision=decide_promotion(app, report)))
    return report


def choose_models(app: Application, dataset: Dataset, base_model: str, tuned: Generator, adapter_id: str) -> ArmModels:
    """An adapter beside its base model and whoever serves the dataset's readers, if that is another one."""
    models = ArmModels(app.base_generator(base_model), tuned, adapter_id=adapter_id)
    champion = app.champions.read_champion(dataset.tenant, dataset.scope)
    if champion in (None, adapter_id):
        return models
    return models._replace(champion=app.generator_for(str(champion)), champion_id=champion)


def decide_promotion(app: Application, report: ArmsReport) -> GateDecision:
    """Whether the candidate replaces what serves, by the configured limits."""
    return gate.decide_promotion(report, app.gate_limits())


@task(**touches_backends())
def compare_arms(trained: TrainedAdapter, max_questions: int | None) -> ArmsReport:
    """Judge what was trained against its base model and against whoever serves its dataset's readers."""
    app = application()
    dataset = app.find_dataset(trained.dataset_id)
    models = choose_models(
        app, dataset, trained.config.base_model, app.candidate_generator(trained), trained.adapter_id
    )
    return evaluate_arms(app, models, ArmsRequest(trained.dataset_id, max_questions, progress=app.report_arms))


@task(**touches_backends())
def decide(report: ArmsReport) -> GateDecision:
    """Whether the candidate replaces what serves, by the configured limits."""
    return decide_promotion(application(), report)


@task(**touches_backends())
def show_arms(report: ArmsReport, decision: GateDecision) -> None:
    """The arms with their intervals as table and picture, what is between them, and why the gate decides as it does."""
    of = f"adapter {report.adapter_id}, dataset {report.dataset_id}"
    show_table("arms", report.as_rows(), f"{of}: {decision.decision}")
    title, label = f"token F1 on {report.questions} held-out questions", "token F1 with its 95 % interval"
    show_picture("arms-picture", application().plotter.draw_intervals(title, label, list_intervals(report)), of)
    show_table("arms-differences", [one.model_dump() for one in (*report.differences, *report.slices)], of)
    show_points("gate", [f"**{decision.decision}**", *decision.reasons], of)


@task(**touches_backends())
def show_coverage() -> None:
    """What the calibration of what answers now promises: the share that is answered at each share of wrong answers."""
    app = application()
    calibration = app.calibration(app.generator)
    rows = [{"wrong_at_most": limit, "answered": calibration.coverage_at(limit)} for limit in COVERAGE_LIMITS]
    show_table("coverage", rows, calibration.name)
    show_picture(
        "coverage-picture", app.plotter.draw_coverage(calibration, max_error=app.settings.max_error), calibration.name
    )


def advise(app: Application) -> Advice:
    """RAG, fine-tuning or both, for this tenant, as of now."""
    return advise_company(app.company_facts())


def ask_arm(
    app: Application,
    arm: ArmName,
    examples: Sequence[Example],
    generator: Generator,
    *,
    with_passages: bool,
    request: ArmsRequest,
) -> list[ArmResult]:
    """One arm's scored answers, in the order of the examples; those that are stored are not asked again.

    Args:
        app: Whose settings decide the prompts.
        arm: Its name, for whoever watches.
        examples: Held-out questions.
        generator: Who is asked.
        with_passages: Whether the frozen passages are shown.
        request: Who watches.
    """
    glossary, options = app.glossary, _choose_options(app)
    prompts = plan_prompts(examples, generator, options, with_passages=with_passages)
    for done in ask_prompts(prompts, generator, app.arms, options):
        request.progress(arm, done, len(prompts))
    return [
        score_arm(
            example,
            said,
            list_shown(example, generator, options) if with_passages else [],
            claims=app.claim_checker,
            glossary=glossary,
        )
        for example, said in zip(examples, read_answers(prompts, app.arms, options), strict=True)
    ]


def probe_forgetting(app: Application, models: ArmModels, request: ArmsRequest) -> Forgetting | None:
    """What the candidate forgot; None without one."""
    if models.tuned is None:
        return None
    probe = ForgettingProbe(app.arms, app.settings.tenant, max_questions=request.max_questions)
    for name, generator in (("probe, base", models.base), ("probe, tuned", models.tuned)):
        for done in probe.ask(generator):
            request.progress(name, done, len(probe.questions))
    return probe.compare(*(Probed(one, app.likelihood_of(one)) for one in (models.base, models.tuned)))


def probe_reading(
    app: Application, models: ArmModels, examples: Sequence[Example], request: ArmsRequest
) -> Reading | None:
    """Whether the candidate still ties answers to their questions; None without one."""
    if models.tuned is None:
        return None
    probe = ReadingProbe(examples, _choose_options(app), max_questions=request.max_questions)
    found = []
    for name, generator in (("reading, base", models.base), ("reading, tuned", models.tuned)):
        values: list[float] = []
        for value in probe.measure(generator, app.likelihood_of(generator)):
            values.append(value)
            request.progress(name, len(values), len(probe.contrasts))
        found.append(values)
    return probe.compare(*found, resamples=request.resamples)


def _choose_options(app: Application) -> ArmOptions:
    """What prompts and answers of an arm are made by: as serving makes them."""
    settings = app.settings
    return ArmOptions(settings.tenant, settings.answer_passages, settings.answer_tokens)
