"""Who serves: promoted by one commit, rolled back by one commit."""

from __future__ import annotations

from datetime import datetime

from tasks.errors import ConfigurationError
from tasks.registry_ports import ChampionChange, ChampionStore, Move
from tasks.training_models import Adapter


def promote_adapter(
    adapter: Adapter,
    *,
    champions: ChampionStore,
    author: str,
    now: datetime,
    override: str = "",
) -> ChampionChange | None:
    """Make an adapter the champion of its tenant and scope; None when it is already.

    Args:
        adapter: Registered.
        override: Why an adapter that the gate did not promote is to serve all the same; kept in the history.

    Raises:
        ConfigurationError: It is marked, where the store looks in the commit itself; or the gate did not say "promote"
            and there is no reason to override it.
    """
    allowed = adapter.decision is not None and adapter.decision.decision == "promote"
    serves = champions.read_champion(adapter.tenant, adapter.scope) == adapter.adapter_id
    if not allowed and not override and not serves:
        said = adapter.decision.decision if adapter.decision else "nothing yet"
        raise ConfigurationError(
            f"the gate said {said} about adapter {adapter.adapter_id}",
            advice="see `expertloop adapters`; to let it serve all the same, say why: --override REASON",
        )
    move = Move(tenant=adapter.tenant, scope=adapter.scope, action="promote", author=author, reason=override, at=now)
    return champions.promote(adapter.adapter_id, move)


def roll_back(
    tenant: str, scope: str, *, champions: ChampionStore, author: str, reason: str, now: datetime
) -> ChampionChange:
    """Let the champion before this one serve again; before the first one, the base model alone.

    Raises:
        ConfigurationError: There is no champion to go back from.
    """
    move = Move(tenant=tenant, scope=scope, action="rollback", author=author, reason=reason, at=now)
    change = champions.roll_back(move)
    if change is None:
        raise ConfigurationError(
            f"no champion serves {scope}, so there is nothing to go back to", advice="see: expertloop champion"
        )
    return change
