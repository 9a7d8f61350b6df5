"""Adapters that are kept: registered, promoted, rolled back, traced, erased."""
