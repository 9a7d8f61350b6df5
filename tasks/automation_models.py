"""The nouns of what runs by itself."""

from __future__ import annotations

from pydantic import Field

from tasks.models import Noun


class RetrainLimits(Noun):
    """When enough has accumulated; see the settings of the same names."""

    min_new_pairs: int
    min_share: float
    cooldown_hours: float


class Readiness(Noun):
    """Whether a training may start now, by what the database says."""

    scope: str
    ready: bool
    new_pairs: int = Field(description="approved, fit to train on, and not seen by the champion")
    needed_pairs: int = Field(description="new ones that make it ready, were there no other reason to wait")
    reason: str
