"""What is done: plain functions by room, and thin Prefect tasks over them."""

import os

SPINNING = "GOMP_SPINCOUNT"
"""How often a thread of torch looks whether it may go on, before it sleeps: docs/decisions/0021."""
SPINS_TOGETHER = "2000"
"""Where several processes compute on the same cores: who spins longer spins away the others' time."""
SPINS_ARE_OURS = SPINNING not in os.environ  # noqa: TID251
"""Whether nobody who knows better has set it."""

# Before anything loads torch. As many as a process that is alone gains by. Not in settings.py, because no module of
# ours is imported before this one.
os.environ.setdefault(SPINNING, "10000")  # noqa: TID251
