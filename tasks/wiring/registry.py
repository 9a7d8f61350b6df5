"""How adapters are kept, promoted and traced."""

from __future__ import annotations

from datetime import UTC, datetime

from tasks.registry.champion import promote_adapter, roll_back
from tasks.registry.register import register_adapter
from tasks.registry_ports import ChampionChange
from tasks.training_models import Adapter, GateDecision, TrainedAdapter
from tasks.wiring.models import Models


class Registry(Models):
    """Registered adapters and who of them serves."""

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
        return promote_adapter(
            adapter,
            champions=self.champions,
            author=author,
            now=datetime.now(UTC),
            override=override,
        )

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
