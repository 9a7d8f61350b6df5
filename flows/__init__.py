"""When and in which order: one Prefect flow a file, no logic."""
