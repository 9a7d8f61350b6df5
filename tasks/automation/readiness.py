"""May a training start now, and why not: a rule over counts and times, which an event can only ask to be looked at."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

from tasks.automation_models import Readiness, RetrainLimits
from tasks.curation_models import Pair
from tasks.models import EVERYONE

_TEACHES = frozenset({"import", "generate", "correct", "approve", "edit"})
"""What makes a pair one that was not there before; looking at it again does not."""


def count_new_pairs(pairs: Iterable[Pair], *, scope: str, since: datetime | None) -> int:
    """Approved pairs that may be trained on and that a dataset of `since` cannot have known.

    Args:
        pairs: Approved ones.
        scope: All of it must be readable by everyone whom the adapter will serve.
        since: When the champion's dataset was taken; None: there is no champion, so all are new.
    """
    return sum(
        1
        for pair in pairs
        if {EVERYONE, scope} & set(pair.readers) and not pair.open_findings and (not since or _changed_at(pair) > since)
    )


def _changed_at(pair: Pair) -> datetime:
    return max(entry.at for entry in pair.history if entry.action in _TEACHES)


def judge_readiness(
    scope: str, *, new_pairs: int, seen_pairs: int, trained_at: datetime | None, limits: RetrainLimits, now: datetime
) -> Readiness:
    """Whether enough is new, and the last training long enough ago.

    Args:
        scope: Whose adapter.
        new_pairs: By `count_new_pairs`.
        seen_pairs: In the champion's dataset; 0 without a champion.
        trained_at: When the newest adapter of the scope was registered, whatever the gate said of it.
        limits: Either enough pairs or enough growth will do.
        now: With a time zone, as all times here.
    """
    by_growth = math.ceil(limits.min_share * seen_pairs) if seen_pairs else limits.min_new_pairs
    needed = max(1, min(limits.min_new_pairs, by_growth))
    rested = trained_at + timedelta(hours=limits.cooldown_hours) if trained_at else None
    if new_pairs < needed:
        reason = f"{new_pairs} new pairs, {needed} are needed"
    elif rested and now < rested:
        reason = f"the last training ended {trained_at:%Y-%m-%d %H:%M}, the next may start {rested:%Y-%m-%d %H:%M}"
    else:
        return Readiness(
            scope=scope, ready=True, new_pairs=new_pairs, needed_pairs=needed, reason=f"{new_pairs} new pairs"
        )
    return Readiness(scope=scope, ready=False, new_pairs=new_pairs, needed_pairs=needed, reason=reason)
