"""The events that we emit: names and ids, no text of documents, questions or cases."""

from __future__ import annotations

from tasks.automation_models import Readiness
from tasks.deployment_models import ProcessEvent


def describe_threshold(tenant: str, readiness: Readiness) -> ProcessEvent:
    """Enough pairs are new: a training may start."""
    return ProcessEvent(
        name="expertloop.pairs.threshold-reached",
        resource_id=f"expertloop.scope.{tenant}.{readiness.scope}",
        payload={"scope": readiness.scope, "new_pairs": str(readiness.new_pairs)},
    )


def describe_candidate(adapter_id: str, decision: str, approval_id: str | None) -> ProcessEvent:
    """A candidate was trained, measured and judged; with an approval's id people are asked about it."""
    return ProcessEvent(
        name="expertloop.candidate.ready",
        resource_id=f"expertloop.adapter.{adapter_id}",
        payload={"adapter_id": adapter_id, "decision": decision, "approval_id": approval_id or ""},
    )


def describe_promotion(adapter_id: str) -> ProcessEvent:
    """A candidate became the champion."""
    return ProcessEvent(
        name="expertloop.champion.promoted",
        resource_id=f"expertloop.adapter.{adapter_id}",
        payload={"adapter_id": adapter_id},
    )


def describe_case(case_id: str, process: str, decision: str) -> ProcessEvent:
    """A case was worked on, and a person must go on with it."""
    return ProcessEvent(
        name="expertloop.case.needs-person",
        resource_id=f"expertloop.case.{case_id}",
        payload={"case_id": case_id, "process": process, "decision": decision},
    )


def describe_blocked_prune(source: str, count: int) -> ProcessEvent:
    """A source listed so much less that a person must confirm it."""
    return ProcessEvent(
        name="expertloop.prune.blocked",
        resource_id=f"expertloop.source.{source}",
        payload={"source": source, "documents": str(count)},
    )
