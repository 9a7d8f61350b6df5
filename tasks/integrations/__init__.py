"""Vendor code, one file a vendor; only `tasks.wiring` and tests import it."""
