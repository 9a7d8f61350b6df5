"""How adapters are kept, promoted and traced."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property

from tasks.approval_models import Approval, ApprovalDecision, ApprovalState
from tasks.events import describe_promotion
from tasks.integrations.causal_models import find_license
from tasks.integrations.database.approvals import DatabaseApprovals
from tasks.registry.approvals import decide_approval, end_overdue, make_approval
from tasks.registry.champion import promote_adapter, roll_back
from tasks.registry.register import register_adapter
from tasks.registry_ports import ChampionChange
from tasks.training_models import Adapter, AdapterState, GateDecision, TrainedAdapter
from tasks.wiring.deployment import Deployment
from tasks.wiring.models import Models


class Registry(Models, Deployment):
    """Registered adapters, who of them serves, and who is asked about it."""

    @cached_property
    def approvals(self) -> DatabaseApprovals:
        """What people are asked."""
        return DatabaseApprovals(self.database)

    @property
    def approvers(self) -> tuple[str, ...]:
        """Principals and groups who may let a candidate serve; none: the gate's word is enough."""
        return tuple(filter(None, map(str.strip, self.settings.approvers.split(","))))

    def ask_approval(self, adapter_id: str) -> Approval:
        """Ask people about a candidate; asked before, the question stays as it is."""
        adapter = self.adapters.find_adapter(self.settings.tenant, adapter_id)
        approval = make_approval(
            adapter,
            approvers=self.approvers,
            hours=self.settings.approval_hours,
            at_deadline=self.settings.approval_deadline,
            now=datetime.now(UTC),
        )
        return self.approvals.add_approval(approval)

    def decide_approval(self, name: str, decision: ApprovalDecision) -> Approval:
        """Take a person's word, and let the candidate serve where it is yes.

        Raises:
            AccessDenied: The person may not decide.
            ConfigurationError: There is nothing of this name to decide, or it was decided before.
            ArtifactCorrupt: The candidate's files are not what was registered.
        """
        approval = self.approvals.find_approval(self.settings.tenant, name)
        decided = decide_approval(approval, decision, self.approvals)
        self.promote_approved()
        return decided

    def end_overdue_approvals(self) -> list[Approval]:
        """Do what was said for the case that nobody decides in time; returns what was ended so."""
        ended = end_overdue(self.approvals, self.settings.tenant, now=datetime.now(UTC))
        self.promote_approved()
        return ended

    def promote_approved(self) -> list[str]:
        """Let serve what people approved and what does not yet, since a process ended in between; returns their ids."""
        tenant = self.settings.tenant
        states = {one.adapter_id: one.state for one in self.adapters.list_adapters(tenant)}
        approved = [
            one
            for one in self.approvals.list_approvals(tenant, [ApprovalState.APPROVED])
            if states.get(one.adapter_id) is AdapterState.CANDIDATE
        ]
        for one in approved:
            self.promote_adapter(one.adapter_id, author=one.decided_by)
        return [one.adapter_id for one in approved]

    def register_adapter(
        self, trained: TrainedAdapter, *, scope: str, measured: str = "", decision: GateDecision | None = None
    ) -> Adapter:
        """Keep what was trained, with what was measured and decided; the same adapter twice is one.

        Raises:
            ArtifactCorrupt: Its files are not what training left.
            BackendUnavailable: EXPERTLOOP_ARTIFACTS_URL cannot be written.
        """
        return register_adapter(
            trained,
            home=self.settings.home,
            tenant=self.settings.tenant,
            scope=scope,
            measured=measured,
            base_license=find_license(trained.config.base_model, cache=self.settings.cache),
            decision=decision,
            artifacts=self.artifacts,
            store=self.adapters,
            now=datetime.now(UTC),
        )

    def promote_adapter(self, name: str, *, author: str, override: str = "") -> ChampionChange | None:
        """Make an adapter the champion, once it is known to load; None when it is already.

        Raises:
            ConfigurationError: There is no such adapter, it is marked, or the gate did not say "promote".
            ArtifactCorrupt: Its files are not what was registered.
        """
        adapter = self.adapters.find_adapter(self.settings.tenant, name)
        self.artifacts.fetch(adapter.url, adapter.files)
        change = promote_adapter(
            adapter,
            champions=self.champions,
            author=author,
            now=datetime.now(UTC),
            override=override,
        )
        if change:
            self.announce(describe_promotion(adapter.adapter_id))
        return change

    def roll_back(self, scope: str, *, author: str, reason: str = "") -> ChampionChange:
        """Let the champion before this one serve again; before the first one, the base model alone.

        Raises:
            ConfigurationError: No champion serves.
        """
        return roll_back(
            self.settings.tenant,
            scope,
            champions=self.champions,
            author=author,
            reason=reason,
            now=datetime.now(UTC),
        )
