"""When enough pairs are approved: freeze them, train, measure, decide; a rejected candidate is a successful run."""

from __future__ import annotations

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from tasks.automation.tasks import announce_candidate, end_turn, take_turn
from tasks.curation.tasks import refresh_pairs, snapshot_pairs
from tasks.evaluation.tasks import compare_arms, decide, show_arms
from tasks.models import EVERYONE
from tasks.registry.tasks import promote_or_ask, register_candidate
from tasks.training.presets import DEFAULT_PRESET, make_config
from tasks.training.tasks import hold_devices, plan_training, show_training, train_candidate
from tasks.training_models import RetrainRequest, RetrainResult


@flow(name="retrain", persist_result=False)
def retrain(request: RetrainRequest) -> RetrainResult:
    """Make a candidate of the approved pairs, and let it replace the champion if it measurably answers better.

    Every step finds what it did before: the same pairs twice are one dataset, one adapter, one training.

    Args:
        request: For whom, how, and how much of it.

    Returns:
        What was measured and decided.
    """
    refresh_pairs()
    dataset_id = snapshot_pairs(request.scope)
    return make_candidate(dataset_id, request)


@flow(name="retrain-when-ready", flow_run_name="retrain-{scope}", persist_result=False)
def retrain_when_ready(
    scope: str = EVERYONE,
    preset: str = DEFAULT_PRESET,
    changes: dict[str, str | int | float | bool] | None = None,
    max_questions: int | None = None,
) -> RetrainResult | None:
    """Retrain when enough is new and nobody else does: ten events at once are one training.

    A training that a killed worker left is taken up again as it was begun, whatever has been approved since.

    Args:
        scope: Who will be served: everyone, or one group.
        preset: A named configuration (docs/train.md).
        changes: Fields of the configuration, and what they are to be.
        max_questions: Held-out questions an arm; none: all of them.

    Returns:
        What came of it; nothing when it was not the time.
    """
    config = make_config(preset, changes)
    refresh_pairs()
    with take_turn(RetrainRequest(scope=scope, config=config, max_questions=max_questions)) as training:
        if training is None:
            return None
        result = make_candidate(training.dataset_id, training.request)
        end_turn(training.training_id, result)
        return result


def make_candidate(dataset_id: str, request: RetrainRequest) -> RetrainResult:
    """The steps from a dataset to a decision, on the devices that the configuration wants."""
    with hold_devices(request.config.devices) as devices:
        plan = plan_training(dataset_id, request.config, devices)
        create_markdown_artifact(key="training-plan", markdown=plan.as_markdown(), description=dataset_id)
        trained = train_candidate(dataset_id, request.config)
        show_training(trained)
        report = compare_arms(trained, request.max_questions)
    decision = decide(report)
    show_arms(report, decision)
    adapter_id = register_candidate(trained, report, decision)
    wanted = request.promote and decision.decision == "promote"
    approval_id = promote_or_ask(adapter_id) if wanted else None
    promoted = wanted and approval_id is None
    announce_candidate(adapter_id, decision.decision, approval_id)
    return RetrainResult(trained=trained, report=report, decision=decision, promoted=promoted, approval_id=approval_id)
