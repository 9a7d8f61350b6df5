"""Page images come from a process of their own."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tasks.errors import DocumentRejected
from tasks.integrations.pdf_pages import LONGEST_SIDE_PIXELS, PdfPages

PDF = Path(__file__).parents[3] / "data/documents/hr/for-everyone/travel-policy-2024.pdf"


def test_a_page_is_a_picture_of_bounded_size() -> None:
    image = Image.open(BytesIO(PdfPages().render_page(PDF, 1)))
    assert image.format == "PNG"
    assert LONGEST_SIDE_PIXELS - 2 <= max(image.size) <= LONGEST_SIDE_PIXELS + 2
    shades = image.convert("L").tobytes()
    assert min(shades) < 100 < 200 < max(shades), "there is dark writing on light paper"


def test_a_page_that_is_not_there_is_refused() -> None:
    with pytest.raises(DocumentRejected) as caught:
        PdfPages().render_page(PDF, 99)
    assert caught.value.reason == "no-such-page"


def test_what_is_no_pdf_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "broken.pdf"
    file.write_bytes(b"%PDF-1.4 cut off")
    with pytest.raises(DocumentRejected) as caught:
        PdfPages().render_page(file, 1)
    assert caught.value.reason == "unreadable"


def test_a_page_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(DocumentRejected) as caught:
        PdfPages(timeout_seconds=0.001).render_page(PDF, 1)
    assert caught.value.reason == "too-slow"
