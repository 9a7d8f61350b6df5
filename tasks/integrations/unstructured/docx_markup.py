"""Text of a docx that its reader does not look for: it takes only what stands directly in a paragraph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_COMPATIBLE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
_LEFT_OUT = tuple(_WORD + name for name in ("del", "moveFrom", "sdtPr", "sdtEndPr", "smartTagPr", "customXmlPr"))
"""What was deleted, and what only describes the element that it stands in."""
_TRANSPARENT = (
    *(
        _WORD + name
        for name in ("ins", "moveTo", "sdt", "sdtContent", "smartTag", "customXml", "fldSimple", "dir", "bdo")
    ),
    *(_COMPATIBLE + name for name in ("AlternateContent", "Choice", "Fallback")),
)
"""Elements around text that say where it comes from: a tracked insertion, a form field, a computed value."""
_CONTENTS = f"./{_WORD}sdtPr/{_WORD}docPartObj/{_WORD}docPartGallery[@{_WORD}val='Table of Contents']"


def unfold_text(document: Any) -> None:
    """Bring all text of a document into the paragraphs and tables of its body, in the order in which it is read.

    Args:
        document: As python-docx opened it; it is changed.
    """
    body = document.element.body
    _unwrap(body)
    for kind in ("endnote", "footnote"):
        if any(True for _ in body.iter(f"{_WORD}{kind}Reference")):
            _insert_notes(body, kind, _read_notes(document.part, kind))
    _move_boxes(body)


def _unwrap(root: Any) -> None:
    from lxml import etree

    # Generated from the headings, it would only say them once more, with page numbers.
    _remove([control for control in root.iter(_WORD + "sdt") if control.find(_CONTENTS) is not None])
    etree.strip_elements(root, *_LEFT_OUT)
    for alternatives in list(root.iter(_COMPATIBLE + "AlternateContent")):
        _remove(set(alternatives) - {_choose(alternatives)})
    etree.strip_tags(root, *_TRANSPARENT)


def _choose(alternatives: Any) -> Any:
    """The first way to show something that has text: a text box is there twice, an emoji only in the fallback."""
    return next((one for one in alternatives if next(one.iter(_WORD + "t"), None) is not None), None)


def _remove(elements: Iterable[Any]) -> None:
    for element in elements:
        element.getparent().remove(element)


def _read_notes(part: Any, kind: str) -> dict[str, Any]:
    """The footnotes or endnotes by their ids."""
    from docx.oxml.parser import parse_xml
    from lxml import etree

    parts = (
        link.target_part for link in part.rels.values() if not link.is_external and link.reltype.endswith(f"/{kind}s")
    )
    notes: dict[str, Any] = {}
    for root in (parse_xml(one.blob) for one in parts):
        _unwrap(root)
        # Its address is known to the part of the notes, not to the body.
        etree.strip_tags(root, _WORD + "hyperlink")
        notes |= {note.get(_WORD + "id"): note for note in root.iter(_WORD + kind)}
    return notes


def _insert_notes(body: Any, kind: str, notes: dict[str, Any]) -> None:
    """Have each note follow the paragraph or table that refers to it."""
    for reference in reversed(list(body.iter(f"{_WORD}{kind}Reference"))):
        note = notes.pop(reference.get(_WORD + "id"), None)
        block = next((one for one in (reference, *reference.iterancestors()) if one.getparent() is body), None)
        if note is not None and block is not None:
            _follow(block, note)


def _move_boxes(body: Any) -> None:
    """Have the text of each text box follow the paragraph that holds it; from the last on, so that they keep order."""
    for box in reversed(list(body.iter(_WORD + "txbxContent"))):
        paragraph = next(box.iterancestors(_WORD + "p"), None)
        if paragraph is not None and not _is_part_of_line(box):
            _follow(paragraph, box)


def _is_part_of_line(box: Any) -> bool:
    """Whether the reader takes it for words of the sentence that it stands in: it does so outside of tables."""
    around = {element.tag for element in box.iterancestors()}
    return len(box) == 1 and _DRAWING + "inline" in around and _WORD + "tc" not in around


def _follow(block: Any, container: Any) -> None:
    for child in reversed(list(container)):
        block.addnext(child)
