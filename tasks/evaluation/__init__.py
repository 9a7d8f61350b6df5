"""Evaluation: what questions with known answers say about retrieval and answers, and whether one run beats another."""
