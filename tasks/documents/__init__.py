"""Sources, partitioning, chunking and the manifest: from files to versions in the database."""
