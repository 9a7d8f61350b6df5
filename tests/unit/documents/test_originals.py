"""A document's source file is shown only while it is the file that was read."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tasks.access_models import ReadableDocument
from tasks.documents.originals import open_original
from tasks.errors import DocumentRejected
from tests.fakes.sources import FakeSource

CONTENT = b"%PDF the travel policy"


def document(content: bytes = CONTENT) -> ReadableDocument:
    return ReadableDocument(
        document_id="d",
        uri="memory://travel.pdf",
        title="Travel",
        source="memory",
        tenant="default",
        path="travel.pdf",
        document_type="pdf",
        language="en",
        text="the travel policy",
        content_hash=hashlib.sha256(content).hexdigest(),
        modified=None,
        outdated=False,
    )


@pytest.fixture
def source() -> FakeSource:
    source = FakeSource()
    source.files["travel.pdf"] = CONTENT
    return source


def test_the_same_bytes_are_copied_and_the_copy_goes_away(source: FakeSource, tmp_path: Path) -> None:
    with open_original(document(), source, tmp_path, max_bytes=100) as file:
        assert file.read_bytes() == CONTENT
        assert file.suffix == ".pdf"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_took_the_documents_place_is_not_shown(source: FakeSource, tmp_path: Path) -> None:
    source.files["travel.pdf"] = b"%PDF the salaries of the board"
    with pytest.raises(DocumentRejected) as caught, open_original(document(), source, tmp_path, max_bytes=100):
        pass
    assert caught.value.reason == "changed"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_grew_too_large_is_not_copied(source: FakeSource, tmp_path: Path) -> None:
    with pytest.raises(DocumentRejected) as caught, open_original(document(), source, tmp_path, max_bytes=5):
        pass
    assert caught.value.reason == "too-large"


def test_a_source_that_nobody_knows_any_more_shows_nothing(tmp_path: Path) -> None:
    with pytest.raises(DocumentRejected) as caught, open_original(document(), None, tmp_path, max_bytes=100):
        pass
    assert caught.value.reason == "no-source"
