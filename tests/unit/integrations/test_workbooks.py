"""Workbooks as other programs write them: charts, formulas that nobody computed, formats and notes."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import openpyxl
import pytest
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from openpyxl.formula.translate import Translator

from tasks.integrations.unstructured.number_formats import show_number
from tasks.integrations.unstructured.reading import Content
from tasks.integrations.unstructured.tables import read_xlsx

ROWS: list[list[object]] = [["Item", "Pieces", "Price", "Sum"], ["Pump", 2, 10.5, "=B2*C2"], ["Valve", 3, 1234.5, None]]


def workbook_of(*rows: list[object]) -> Any:
    workbook = openpyxl.Workbook()
    for row in rows:
        workbook.active.append(row)
    return workbook


def save(workbook: Any) -> bytes:
    buffer = io.BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()


def change_members(data: bytes, **changes: tuple[bytes, bytes] | None) -> bytes:
    """A workbook with other bytes in the members whose names end so; None leaves them out."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            change = next((change for end, change in changes.items() if f"{end}.xml" in name), (b"", b""))
            if change is not None:
                target.writestr(name, source.read(name).replace(*change))
    return buffer.getvalue()


def texts_of(data: bytes) -> list[str]:
    return [piece.text for piece in read_xlsx(Content("book.xlsx", data=data)).pieces]


@pytest.mark.parametrize("is_bare", [False, True])
def test_a_chart_sheet_is_passed_over_and_the_sheets_around_it_are_read(*, is_bare: bool) -> None:
    workbook = workbook_of(["Month", "Units"], ["May", 4], ["June", 5])
    chart = BarChart()
    chart.add_data(Reference(workbook.active, min_col=2, min_row=1, max_row=3), titles_from_data=True)
    workbook.create_chartsheet("Chart").add_chart(chart)
    workbook.create_sheet("Remarks").append(["June is an estimate."])
    data = save(workbook)
    if is_bare:
        data = change_members(data, **{"chartsheets/_rels/sheet1": None})
    assert texts_of(data) == ["Sheet", "Month | Units\nMay | 4\nJune | 5", "Remarks", "June is an estimate."]


def test_a_formula_that_nobody_computed_shows_its_text() -> None:
    assert texts_of(save(workbook_of(*ROWS)))[1].splitlines()[1] == "Pump | 2 | 10.5 | =B2*C2"
    assert texts_of(save(workbook_of(["=1+2"], ["=3+4"])))[1] == "=1+2\n=3+4"


def test_a_computed_formula_shows_its_value() -> None:
    data = save(workbook_of(*ROWS))
    computed = change_members(data, sheet1=(b"<f>B2*C2</f><v></v>", b"<f>B2*C2</f><v>21</v>"))
    assert texts_of(computed)[1].splitlines()[1] == "Pump | 2 | 10.5 | 21"
    empty = change_members(data, sheet1=(b'r="D2"><f>B2*C2</f><v></v>', b'r="D2" t="str"><f>B2*C2</f><v></v>'))
    assert texts_of(empty)[1].splitlines()[1] == "Pump | 2 | 10.5", "a formula may give no text"


def test_zeros_are_not_believed_where_all_is_to_be_computed_at_opening() -> None:
    zero = change_members(save(workbook_of(*ROWS)), sheet1=(b"<f>B2*C2</f><v></v>", b"<f>B2*C2</f><v>0</v>"))
    assert texts_of(zero)[1].splitlines()[1] == "Pump | 2 | 10.5 | =B2*C2"
    believed = change_members(zero, workbook=(b'fullCalcOnLoad="1"', b""))
    assert texts_of(believed)[1].splitlines()[1] == "Pump | 2 | 10.5 | 0"


def test_cells_that_share_a_formula_show_each_its_own() -> None:
    data = save(workbook_of(["Pieces", "Sum"], [2, "=A2*3"], [4, "=A3*3"]))
    shared = change_members(
        change_members(data, sheet1=(b"<f>A2*3</f>", b'<f t="shared" ref="B2:B3" si="0">A2*3</f>')),
        sheet1=(b"<f>A3*3</f>", b'<f t="shared" si="0"/>'),
    )
    assert texts_of(shared)[1] == "Pieces | Sum\n2 | =A2*3\n4 | =A3*3"


def share_formula() -> bytes:
    """A workbook whose column B shares one formula, computed but for its last cell."""
    data = save(workbook_of(*([number, f"=A{number}*3"] for number in range(1, 5))))
    changes = {
        b"<f>A1*3</f><v></v>": b'<f t="shared" ref="B1:B4" si="0">A1*3</f><v>7</v>',
        b"<f>A2*3</f><v></v>": b'<f t="shared" si="0"/><v>7</v>',
        b"<f>A3*3</f><v></v>": b'<f t="shared" si="0"/><v>7</v>',
        b"<f>A4*3</f><v></v>": b'<f t="shared" si="0"/>',
    }
    for change in changes.items():
        data = change_members(data, sheet1=change)
    return data


def test_a_shared_formula_is_worked_out_only_for_the_cells_that_nobody_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = share_formula()
    worked_out: list[str] = []
    translate = Translator.translate_formula

    def note(self: Any, cell: str) -> Any:
        worked_out.append(cell)
        return translate(self, cell)

    monkeypatch.setattr(Translator, "translate_formula", note)
    assert texts_of(data)[1] == "1 | 7\n2 | 7\n3 | 7\n4 | =A4*3"
    assert worked_out == ["B4"]


def test_notes_stand_behind_the_cells_that_they_are_about() -> None:
    workbook = workbook_of(*ROWS)
    workbook.active["C3"].comment = Comment("net of\nVAT", "Ada")
    assert "Valve | 3 | 1234.5 (note: net of VAT)" in texts_of(save(workbook))[1]
    workbook.active["A9"].comment = Comment("valid until May", "Ada")
    assert texts_of(save(workbook))[2] == "(note: valid until May)"


@pytest.mark.parametrize(
    ("reference", "line"),
    [
        (b'ref="$C$3"', "Valve | 3 | 1234.5 (note: net)"),
        (b'ref="C3:D4"', "Valve | 3 | 1234.5 (note: net)"),
        (b'ref="#REF!"', "Valve | 3 | 1234.5"),
        (b'ref=""', "Valve | 3 | 1234.5"),
        (b"", "Valve | 3 | 1234.5"),
    ],
)
def test_a_note_at_a_faulty_place_costs_nothing_but_itself(reference: bytes, line: str) -> None:
    workbook = workbook_of(*ROWS)
    workbook.active["C3"].comment = Comment("net", "Ada")
    workbook.active["A2"].comment = Comment("old", "Ada")
    lines = texts_of(change_members(save(workbook), comment1=(b'ref="C3"', reference)))[1].splitlines()
    assert lines[1:] == ["Pump (note: old) | 2 | 10.5 | =B2*C2", line]


def test_a_workbook_whose_notes_are_missing_is_read() -> None:
    workbook = workbook_of(["Pump", 2])
    workbook.active["A1"].comment = Comment("net", "Ada")
    assert texts_of(change_members(save(workbook), comment1=None)) == ["Sheet", "Pump | 2"]


def test_empty_rows_between_tables_part_them() -> None:
    workbook = workbook_of(["A", "B"], ["x", 1])
    workbook.active["A9"], workbook.active["C9"] = "C", "D"
    assert texts_of(save(workbook))[1:] == ["A | B\nx | 1", "C | D"]


def test_a_cell_shows_what_its_format_adds() -> None:
    workbook = workbook_of(["Place", "Code", "Price", "Tax"], ["Bonn", 1067, 1234.5, 0.19])
    for place, number_format in {"B2": "00000", "C2": '#,##0.00\\ "€"', "D2": "0%"}.items():
        workbook.active[place].number_format = number_format
    assert texts_of(save(workbook))[1].splitlines()[1] == "Bonn | 01067 | 1234.5 € | 19 %"


@pytest.mark.parametrize(
    ("value", "number_format", "expected"),
    [
        (1234.5, "General", "1234.5"),
        (1234.0, "#,##0.00", "1234"),
        (1234.5, "#,##0.00 [$€-407];[Red]-#,##0.00 [$€-407]", "1234.5 €"),
        (1234.5, '_-* #,##0.00\\ "€"_-;\\-* #,##0.00\\ "€"_-;_-* "-"??\\ "€"_-;_-@_-', "1234.5 €"),
        (-1234.5, '"$"#,##0.00_);("$"#,##0.00)', "$-1234.5"),
        (5, '_("$"* #,##0.00_)_("$"* \\(#,##0.00\\)_("$"* "-"??_)_(@_)', "$5"),
        (5, "[$EUR ]#,##0.00_-", "EUR 5"),
        (5, "[$CHF-807] #,##0", "CHF 5"),
        (42, '"INV-"00000', "INV-00042"),
        (42.5, "00000", "42.5"),
        (42, "000\\-000", "000042"),
        (0.075, "0.00%", "7.5 %"),
        (1.9, '0.0" % p.a."', "1.9 % p.a."),
        (0.05, "+0%;-0%", "5 %"),
        (5.2, '0.0" kg"', "5.2 kg"),
        (21, "General\\ °C", "21 °C"),
        (5200000, '0.0,,"M"', "5200000"),
        (5551234, "[<=9999999]###-####;(###) ###-####", "5551234"),
        (0.5, "# ?/?", "0.5"),
        (12000.0, "0.00E+00", "12000"),
        (1, '"yes";"no"', "1"),
        (7, ";;;", "7"),
        (float("inf"), "000", "inf"),
        (3, None, "3"),
    ],
)
def test_digits_stay_as_they_are_stored_and_the_format_adds_to_them(
    value: float, number_format: str | None, expected: str
) -> None:
    assert show_number(value, number_format) == expected
