"""When enough pairs are approved: freeze them, train, measure, decide; a rejected candidate is a successful run."""

from __future__ import annotations

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from tasks.curation.tasks import refresh_pairs, snapshot_pairs
from tasks.evaluation.tasks import compare_arms, decide, show_arms
from tasks.registry.tasks import promote_candidate, register_candidate
from tasks.training.tasks import plan_training, show_training, train_candidate
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
    plan = plan_training(dataset_id, request.config)
    create_markdown_artifact(key="training-plan", markdown=plan.as_markdown(), description=dataset_id)
    trained = train_candidate(dataset_id, request.config)
    show_training(trained)
    report = compare_arms(trained, request.max_questions)
    decision = decide(report)
    show_arms(report, decision)
    adapter_id = register_candidate(trained, report, decision)
    promoted = request.promote and decision.decision == "promote"
    if promoted:
        promote_candidate(adapter_id)
    return RetrainResult(trained=trained, report=report, decision=decision, promoted=promoted)
