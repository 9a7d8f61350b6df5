"""What is done: plain functions by room, and thin Prefect tasks over them."""

import os

SPINNING = "GOMP_SPINCOUNT"
"""How often a thread of torch looks whether it may go on, before it sleeps: docs/decisions/0021."""
SPINS_TOGETHER = "2000"
"""Where several processes compute on the same cores: who spins longer spins away the others' time."""
SPINS_ALONE = "10000"
SPINS_ARE_OURS = os.environ.get(SPINNING) in (None, SPINS_ALONE)  # noqa: TID251
"""Whether nobody who knows better has set it: a process of ours that started this one has set the second."""

# Before anything loads torch. Not in settings.py, because no module of ours is imported before this one.
os.environ.setdefault(SPINNING, SPINS_ALONE)  # noqa: TID251
