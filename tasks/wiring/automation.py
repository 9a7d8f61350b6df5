"""Whether a training may start."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import cached_property

from tasks.automation.readiness import count_new_pairs, judge_readiness
from tasks.automation.trainings import begin_training
from tasks.automation_models import OPEN, QueuedTraining, Readiness, RetrainLimits, TrainingState, name_turn
from tasks.curation_models import Dataset, PairState
from tasks.integrations.database.trainings import DatabaseTrainings
from tasks.models import EVERYONE
from tasks.training_models import RetrainRequest
from tasks.wiring.curation import Curation


class Automation(Curation):
    """What runs by itself."""

    def read_readiness(self, scope: str) -> Readiness:
        """Whether a training of the scope may start now, by the database alone."""
        tenant, settings = self.settings.tenant, self.settings
        champion = self.champions.read_champion(tenant, scope)
        adapters = [one for one in self.adapters.list_adapters(tenant) if one.scope == scope]
        dataset_ids = [one.dataset_id for one in adapters if one.adapter_id == champion]
        seen = self.datasets.find_dataset(tenant, dataset_ids[0]) if dataset_ids else None
        last = self._find_last_training(scope)
        ended = [*(one.created_at for one in adapters[:1]), *(one.ended_at for one in last if one.ended_at)]
        return judge_readiness(
            scope,
            new_pairs=self._count_new_pairs(scope, seen),
            seen_pairs=sum(seen.counts[name] for name in ("train", "validation", "test")) if seen else 0,
            trained_at=max(ended, default=None),
            limits=RetrainLimits(
                min_new_pairs=settings.retrain_min_new_pairs,
                min_share=settings.retrain_min_share,
                cooldown_hours=settings.retrain_cooldown_hours,
            ),
            now=datetime.now(UTC),
            untried_pairs=self._count_untried(scope, last, dataset_ids),
        )

    def _count_new_pairs(self, scope: str, dataset: Dataset | None) -> int:
        approved = self.pairs.list_pairs(self.settings.tenant, [PairState.APPROVED])
        return count_new_pairs(approved, scope=scope, since=dataset.created_at if dataset else None)

    def _count_untried(self, scope: str, last: Sequence[QueuedTraining], seen: Sequence[str]) -> int | None:
        """New since the last training; None when that made the champion, or when there was none."""
        tried = [one.dataset_id for one in last if one.dataset_id not in seen]
        if not tried:
            return None
        return self._count_new_pairs(scope, self.datasets.find_dataset(self.settings.tenant, tried[0]))

    def _find_last_training(self, scope: str) -> list[QueuedTraining]:
        """The one of the scope that ended last; empty when there is none."""
        ended = self.trainings.list_trainings(self.settings.tenant, [TrainingState.DONE, TrainingState.FAILED])
        mine = [one for one in ended if one.scope == scope]
        return sorted(mine, key=lambda one: one.ended_at or one.asked_at)[-1:]

    @cached_property
    def trainings(self) -> DatabaseTrainings:
        """Waiting, running and ended ones."""
        return DatabaseTrainings(self.database)

    def begin_training(self, request: RetrainRequest) -> QueuedTraining | None:
        """What is to be worked on by the holder of the scope's lease; None when it is not the time.

        Raises:
            DatasetRejected: The approved pairs cannot become a dataset.
        """
        return begin_training(
            self.trainings,
            self.settings.tenant,
            request,
            judge=lambda: self.read_readiness(request.scope),
            freeze=lambda: self.freeze_pairs(request.scope).dataset.dataset_id,
            now=datetime.now(UTC),
        )

    def list_scopes(self) -> list[str]:
        """Everyone, and each group that has a champion, a training, or answers here."""
        tenant = self.settings.tenant
        trained = {one.scope for one in self.trainings.list_trainings(tenant)}
        return sorted({EVERYONE, self.settings.scope, *trained, *self.champions.list_champions(tenant)})

    def list_stuck_trainings(self) -> list[QueuedTraining]:
        """Those that should run and that no living process works on."""
        running = self.trainings.list_trainings(self.settings.tenant, [TrainingState.RUNNING])
        return [one for one in running if not self.leases.is_held(name_turn(one.tenant, one.scope))]

    def list_due_scopes(self) -> list[str]:
        """Scopes for which nobody trains though something is open or ready."""
        tenant = self.settings.tenant
        left = {one.scope for one in self.trainings.list_trainings(tenant, OPEN)}
        idle = [scope for scope in self.list_scopes() if not self.leases.is_held(name_turn(tenant, scope))]
        return [scope for scope in idle if scope in left or self.read_readiness(scope).ready]

    def hold_training(self, scope: str) -> AbstractContextManager[str]:
        """One training a scope at a time, however many events ask for it.

        Raises:
            DeviceBusy: Another living process trains for it.
        """
        return self.leases.hold(name_turn(self.settings.tenant, scope))
