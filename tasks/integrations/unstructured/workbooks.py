"""What openpyxl's reader in rows leaves out of a workbook: formulas that were never computed, and notes at cells."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, BinaryIO

from openpyxl.cell.read_only import ReadOnlyCell
from openpyxl.formula.tokenizer import TokenizerError
from openpyxl.formula.translate import TranslatorError
from openpyxl.packaging.relationship import get_dependents, get_rels_path
from openpyxl.reader.excel import ExcelReader
from openpyxl.utils import column_index_from_string
from openpyxl.workbook.properties import CalcProperties
from openpyxl.worksheet._reader import FORMULA_TAG, VALUE_TAG, WorkSheetParser
from openpyxl.xml.constants import COMMENTS_NS
from openpyxl.xml.functions import fromstring

_FIRST_CELL = re.compile(r"\$?([A-Z]{1,3})\$?([1-9][0-9]{0,6})(?::|$)", re.I | re.ASCII)
"""The cell that a note is at; some programs name all cells that are merged with it."""


def open_workbook(handle: BinaryIO) -> Any:
    """A workbook whose sheets are read row by row."""
    reader = _WorkbookReader(handle, read_only=True, data_only=True, keep_links=False)
    reader.read()
    reader.wb.calculation = CalcProperties(fullCalcOnLoad=_is_computed_at_opening(reader))
    return reader.wb


def _is_computed_at_opening(reader: Any) -> bool:
    """Whether the workbook has its formulas computed by who opens it; openpyxl takes this for granted."""
    part = fromstring(reader.archive.read(reader.parser.workbook_part_name))
    properties = part.find("{*}calcPr")
    return properties is not None and properties.get("fullCalcOnLoad") in {"1", "true"}


class _WorkbookReader(ExcelReader):  # type: ignore[misc]
    """Leaves out chart sheets: what they draw stands on other sheets, and openpyxl fails at some of them."""

    def read_chartsheet(self, sheet: Any, rel: Any) -> None:  # noqa: ARG002 (openpyxl's signature)
        # Something keeps its place: names are bound to sheets by their number.
        self.wb._sheets.append(SimpleNamespace(defined_names={}))


def read_rows(sheet: Any) -> Iterator[tuple[int, dict[int, Any]]]:
    """The number of each row that is stored, and its cells by their column; both are counted from 1."""
    book = sheet.parent
    with sheet._get_source() as source:
        parser = _SheetParser(
            source,
            sheet._shared_strings,
            data_only=True,
            epoch=book.epoch,
            date_formats=book._date_formats,
            timedelta_formats=book._timedelta_formats,
        )
        parser.zeros_are_computed = not book.calculation.fullCalcOnLoad
        for number, cells in parser.parse():
            yield number, {cell["column"]: ReadOnlyCell(sheet, **cell) for cell in cells}


class _SheetParser(WorkSheetParser):  # type: ignore[misc]
    """Takes a formula's text where the program that wrote it did not compute it."""

    zeros_are_computed = True
    """Some programs write 0 for every formula, and have the spreadsheet program compute all at opening."""

    def parse_cell(self, element: Any) -> dict[str, Any]:
        cell: dict[str, Any] = super().parse_cell(element)
        formula = element.find(FORMULA_TAG)
        if formula is None:
            return cell
        if not self._is_computed(element):
            cell["value"] = self._show_formula(element) or None
        elif formula.text and formula.get("si") not in self.shared_formulae:
            self._show_formula(element)  # Keeps a formula that cells may share which are not computed.
        return cell

    def _is_computed(self, element: Any) -> bool:
        stored = element.findtext(VALUE_TAG)
        if element.get("t") == "str":
            return stored is not None
        return bool(stored) and (stored != "0" or self.zeros_are_computed)

    def _show_formula(self, element: Any) -> str:
        formula = element.find(FORMULA_TAG)
        if formula.get("t") == "shared" and element.get("r"):
            try:
                return str(self.parse_formula(element))
            except (TokenizerError, TranslatorError):
                pass
        return f"={formula.text}" if formula.text else ""


def read_notes(sheet: Any) -> dict[int, dict[int, str]]:
    """The notes (comments) at a sheet's cells, by row and column; one that names no cell is left out."""
    notes: dict[int, dict[int, str]] = defaultdict(dict)
    for comment in _list_comments(sheet):
        if cell := _FIRST_CELL.match(comment.get("ref", "")):
            text = " ".join("".join(run.text or "" for run in comment.iter("{*}t")).split())
            notes[int(cell[2])][column_index_from_string(cell[1])] = text
    return notes


def _list_comments(sheet: Any) -> Iterator[Any]:
    """The comments of a sheet's parts; a part that the archive lacks has none."""
    archive = sheet.parent._archive
    members = set(archive.namelist())
    relations = get_rels_path(sheet._worksheet_path)
    if relations in members:
        for relation in get_dependents(archive, relations).find(COMMENTS_NS):
            if relation.target in members:
                yield from fromstring(archive.read(relation.target)).iter("{*}comment")
