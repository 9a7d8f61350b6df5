"""Pairs: collected, checked, reviewed by people, frozen into datasets."""
