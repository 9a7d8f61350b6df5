"""Prompts, answers and citations."""
