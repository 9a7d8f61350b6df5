"""What a file is called."""

import pytest

from tasks.file_names import name_part, read_file_name


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


@pytest.mark.parametrize(
    ("uri", "part", "named"),
    [
        ("file:///mails/one%20two.eml", "Größe #2.txt", "file:///mails/one%20two.eml#Gr%C3%B6%C3%9Fe%20%232.txt"),
        ("file:///all.zip", "a/b.txt", "file:///all.zip#a/b.txt"),
        ("s3://bucket/one two.eml", "Größe.txt", "s3://bucket/one two.eml#Größe.txt"),
    ],
)
def test_a_part_is_named_as_its_document_is(uri: str, part: str, named: str) -> None:
    assert name_part(uri, part) == named
