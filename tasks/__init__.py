"""What is done: plain functions by room, and thin Prefect tasks over them."""

import os

# Before anything loads torch: its threads spin when they wait for each other, and where several processes share the
# cores they spin away each other's time (docs/decisions/0021). Whoever has set it knows better. Not in settings.py,
# because no module of ours is imported before this one.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # noqa: TID251
