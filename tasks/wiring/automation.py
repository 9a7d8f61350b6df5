"""Whether a training may start, and where events go."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import cached_property

from tasks.automation.readiness import count_new_pairs, judge_readiness
from tasks.automation_models import Readiness, RetrainLimits
from tasks.automation_ports import EventSink
from tasks.curation_models import PairState
from tasks.integrations.prefect_events import PrefectEvents
from tasks.wiring.curation import Curation


class Automation(Curation):
    """What runs by itself."""

    @cached_property
    def events(self) -> EventSink:
        """Of flow runs."""
        return PrefectEvents()

    def read_readiness(self, scope: str) -> Readiness:
        """Whether a training of the scope may start now, by the database alone."""
        tenant, settings = self.settings.tenant, self.settings
        champion = self.champions.read_champion(tenant, scope)
        adapters = [one for one in self.adapters.list_adapters(tenant) if one.scope == scope]
        dataset_ids = [one.dataset_id for one in adapters if one.adapter_id == champion]
        dataset = self.datasets.find_dataset(tenant, dataset_ids[0]) if dataset_ids else None
        approved = self.pairs.list_pairs(tenant, [PairState.APPROVED])
        return judge_readiness(
            scope,
            new_pairs=count_new_pairs(approved, scope=scope, since=dataset.created_at if dataset else None),
            seen_pairs=sum(dataset.counts[name] for name in ("train", "validation", "test")) if dataset else 0,
            trained_at=adapters[0].created_at if adapters else None,
            limits=RetrainLimits(
                min_new_pairs=settings.retrain_min_new_pairs,
                min_share=settings.retrain_min_share,
                cooldown_hours=settings.retrain_cooldown_hours,
            ),
            now=datetime.now(UTC),
        )

    def hold_training(self, scope: str) -> AbstractContextManager[str]:
        """One training a scope at a time, however many events ask for it.

        Raises:
            DeviceBusy: Another living process trains for it.
        """
        return self.leases.hold(f"training of {self.settings.tenant} {scope}")
