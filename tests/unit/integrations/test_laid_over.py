"""What an office file or a pdf shows beside its running text: charts, text boxes, attachments, sideways pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pikepdf
import pptx
import pytest
from pptx.chart.data import CategoryChartData, XyChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from tasks.document_ports import PartitionJob
from tasks.integrations.unstructured import UnstructuredPartitioner
from tasks.integrations.unstructured.charts import read_chart
from tasks.models import PartitionedDocument
from tasks.settings import Settings
from tests.fakes.hostile_files import write_pdf

pytestmark = pytest.mark.slow


def read(file: Path) -> PartitionedDocument:
    partitioner = UnstructuredPartitioner(Settings(partition_workers=1, partition_timeout_seconds=120))
    (outcome,) = partitioner.partition_documents([PartitionJob("k", file, file.name, None)])
    assert outcome.document is not None, outcome.problem
    return outcome.document


def new(kind: Any, *arguments: Any, **keywords: Any) -> Any:
    """An object of a library that is typed in part, or wrongly."""
    return kind(*arguments, **keywords)


def write_slide_with_chart(path: Path, kind: XL_CHART_TYPE, data: Any, *, title: str = "") -> Any:
    """A titled slide with a chart and, before it in the file, one without."""
    presentation = pptx.Presentation()
    presentation.slides.add_slide(presentation.slide_layouts[5]).shapes.title.text = "Agenda"
    slide = presentation.slides.add_slide(presentation.slide_layouts[5])
    slide.shapes.title.text = "Revenue"
    chart = slide.shapes.add_chart(kind, Inches(1), Inches(2), Inches(5), Inches(3), data).chart
    if title:
        chart.has_title = True
        chart.chart_title.text_frame.text = title
    presentation.save(str(path))
    return chart._chartSpace


def test_a_chart_on_a_slide_is_a_table_with_categories_as_rows(tmp_path: Path) -> None:
    data = new(CategoryChartData, number_format="0%")
    data.categories = ["North", "South"]
    data.add_series("2024", (0.1, 0.2))
    data.add_series("2025", (0.3, None))
    file = tmp_path / "deck.pptx"
    write_slide_with_chart(file, XL_CHART_TYPE.COLUMN_CLUSTERED, data, title="Share by region")
    shown = [(element.kind, element.page, element.text) for element in read(file).elements]
    assert shown[-3:] == [
        ("title", 2, "Revenue"),
        ("text", 2, "Share by region"),
        ("table", 2, "| 2024 | 2025\nNorth | 10 % | 30 %\nSouth | 20 %"),
    ]


def test_a_chart_that_the_file_does_not_hold_is_passed_over(tmp_path: Path) -> None:
    data = new(CategoryChartData)
    data.categories = ["North"]
    data.add_series("2024", (1,))
    file = tmp_path / "deck.pptx"
    write_slide_with_chart(file, XL_CHART_TYPE.COLUMN_CLUSTERED, data)
    presentation = pptx.Presentation(str(file))
    shapes: Any = presentation.slides[1].shapes
    whole = shapes.add_chart(XL_CHART_TYPE.PIE, Inches(1), Inches(5), Inches(2), Inches(2), data)
    dangling = next(shape for shape in shapes if shape.has_chart and shape.shape_id != whole.shape_id)
    next(dangling._element.iter("{*}chart")).rId = "rId99"
    presentation.save(str(file))
    assert [element.text for element in read(file).elements] == ["Agenda", "Revenue", "| 2024\nNorth | 1"]


def test_scattered_points_are_a_table_a_series(tmp_path: Path) -> None:
    data = new(XyChartData)
    measured: dict[str, list[tuple[float, float]]] = {"Pump A": [(1, 2.5), (2, 3.5)], "Pump B": [(4, 1)]}
    for name, points in measured.items():
        series = data.add_series(name)
        for point in points:
            series.add_data_point(*point)
    chart = write_slide_with_chart(tmp_path / "deck.pptx", XL_CHART_TYPE.XY_SCATTER, data)
    assert [piece.text for piece in read_chart(chart, page=2)] == [" | Pump A\n1 | 2.5\n2 | 3.5", " | Pump B\n4 | 1"]


def test_categories_within_others_are_named_after_them(tmp_path: Path) -> None:
    data = new(CategoryChartData)
    for year, months in {"2024": ["May", "June"], "2025": ["May"]}.items():
        outer = data.add_category(year)
        for month in months:
            outer.add_sub_category(month)
    data.add_series("Units", (1, 2, 3))
    chart = write_slide_with_chart(tmp_path / "deck.pptx", XL_CHART_TYPE.LINE, data)
    (table,) = read_chart(chart, page=2)
    assert table.text.splitlines()[1:] == ["2024 May | 1", "2024 June | 2", "2025 May | 3"]


def change_pdf(path: Path, change: Callable[[pikepdf.Pdf], object]) -> Path:
    """A pdf of two pages, changed."""
    write_pdf(path, pages=2)
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        change(document)
        document.save(path)
    return path


def add_text_box(document: pikepdf.Pdf) -> None:
    box = pikepdf.Dictionary(
        Type=pikepdf.Name.Annot,
        Subtype=pikepdf.Name.FreeText,
        Rect=[72, 600, 300, 640],
        Contents="Approved by Müller €",
        DA="/Helv 12 Tf 0 g",
    )
    document.pages[0].Annots = pikepdf.Array([document.make_indirect(box)])


def test_what_was_typed_onto_a_page_is_text_of_that_page(tmp_path: Path) -> None:
    document = read(change_pdf(tmp_path / "typed.pdf", add_text_box))
    assert [element.page for element in document.elements if element.text == "Approved by Müller €"] == [1]
    assert [element.page for element in document.elements] == sorted(element.page or 0 for element in document.elements)


def attach_files(document: pikepdf.Pdf) -> None:
    for name, data in {"../notes.txt": b"Notes inside.", "sound.wav": b"RIFF\x24\x00\x00\x00WAVEfmt "}.items():
        document.attachments[name] = new(pikepdf.AttachedFileSpec, document, data, filename=name)


def test_files_embedded_in_a_pdf_are_parts_of_it(tmp_path: Path) -> None:
    document = read(change_pdf(tmp_path / "portfolio.pdf", attach_files))
    assert [(element.part, element.text) for element in document.elements if element.part] == [
        ("notes.txt", "Notes inside.")
    ]
    assert [(one.part, one.problem.reason) for one in document.problems] == [("sound.wav", "unsupported-type")]
    assert any(element.page == 2 for element in document.elements)


@pytest.mark.parametrize("degrees", [90, 270])
def test_writing_that_lies_sideways_is_read_in_words(tmp_path: Path, degrees: int) -> None:
    document = read(change_pdf(tmp_path / "sideways.pdf", lambda pdf: pdf.pages[1].rotate(degrees, relative=False)))
    text = "\n".join(element.text for element in document.elements if element.page == 2)
    assert text.splitlines() == ["Pump manual page 2", "It is checked every year."]
