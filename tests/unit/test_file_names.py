"""What a file is called."""

import pytest

from tasks.file_names import read_file_name


@pytest.mark.parametrize(
    ("file_name", "words"),
    [
        ("salary-bands_2026.xlsx", "salary bands 2026"),
        ("hr/Preisliste__2026 - neu.xlsx", "Preisliste 2026 neu"),
        ("2026-03-14-report.pdf", "2026-03-14 report"),
        ("D-120.csv", "D 120"),
        ("___.txt", "___"),
        ("Größe.tar.gz", "Größe.tar"),
    ],
)
def test_a_name_is_read_as_words(file_name: str, words: str) -> None:
    assert read_file_name(file_name) == words
