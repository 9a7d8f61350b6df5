"""Indexing and searching: from versions in the database to ranked passages."""
