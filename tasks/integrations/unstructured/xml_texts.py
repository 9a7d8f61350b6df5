"""XML: each element's text as one piece, or what its attributes say where it has none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.errors import DocumentRejected
from tasks.integrations.unstructured.reading import Content, Reading, base_name
from tasks.integrations.unstructured.rich import map_elements

_LONGEST_PHRASE = 300
"""Characters of an element that can be a part of the sentence around it; a longer one is a paragraph or a chapter."""
_TECHNICAL = ("{http://www.w3.org/XML/1998/namespace}", "{http://www.w3.org/2001/XMLSchema-instance}")
"""Namespaces of attributes that speak to programs: languages, white space, schemas."""
_DRAWING = "{http://www.w3.org/2000/svg}"
"""Attributes of its elements are coordinates and colours."""
_CLOSING = tuple(".,;:!?)]}")
"""Marks that follow a word without a space."""


def read_xml(content: Content) -> Reading:
    """The texts of an XML file in order; entities are never resolved, nothing is fetched."""
    from lxml import etree
    from unstructured.partition.text import element_from_text

    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
    try:
        with content.open() as handle:
            root = etree.parse(handle, parser).getroot()
    except etree.XMLSyntaxError as error:
        if "amplification" not in str(error):
            raise
        raise DocumentRejected(
            f"{base_name(content.name, 'the file')} holds entities that would grow without bound",
            reason="entity-bomb",
            advice="do not open it unless you know its sender; remove its DOCTYPE, or exclude it with a glob",
        ) from error
    _leave_out_entities(root)
    return Reading(map_elements([element_from_text(text) for text in _list_texts(root) if text.strip()]))


def _leave_out_entities(root: Any) -> None:
    """Take the references to entities out, and keep the text behind each."""
    from lxml import etree

    for reference in list(root.iter(etree.Entity)):
        parent, before, tail = reference.getparent(), reference.getprevious(), reference.tail or ""
        if before is None:
            parent.text = (parent.text or "") + tail
        else:
            before.tail = (before.tail or "") + tail
        reference.tail = None
        parent.remove(reference)


def _list_texts(element: Any) -> Iterator[str]:
    if any(text.strip() for text in (element.text or "", *(child.tail or "" for child in element))):
        yield from _join_phrases(element)
        return
    if not any(text.strip() for text in element.itertext()):
        yield _describe(element)
    for child in element:
        yield from _list_texts(child)


def _join_phrases(element: Any) -> Iterator[str]:
    """An element's own text with what is marked up in it; whatever is longer than a phrase stands for itself."""
    texts = _start(element.text)
    for child in element:
        phrase = _read_phrase(child)
        if len(phrase) > _LONGEST_PHRASE:
            yield "".join(texts)
            yield from _list_texts(child)
            texts = _start(child.tail)
        else:
            _append_child(texts, child, phrase)
    yield "".join(texts)


def _read_phrase(element: Any) -> str:
    """All text in an element."""
    texts = _start(element.text)
    for child in element:
        _append_child(texts, child, _read_phrase(child))
    return "".join(texts)


def _start(text: str | None) -> list[str]:
    return [text] if text else []


def _append_child(texts: list[str], child: Any, phrase: str) -> None:
    """Add a child's phrase and what follows it, with spaces around what is no mark-up within a word.

    That is what is empty, what has elements of its own, and what touches another element.
    """
    tail = child.tail or ""
    previous = child.getprevious()
    is_block = len(child) > 0 or not phrase
    _append(texts, phrase, apart=is_block or (previous is not None and not previous.tail))
    _append(texts, tail, apart=is_block and not tail.startswith(_CLOSING))


def _append(texts: list[str], text: str, *, apart: bool) -> None:
    if not text:
        return
    if apart and texts and not texts[-1][-1].isspace() and not text[0].isspace():
        texts.append(" ")
    texts.append(text)


def _describe(element: Any) -> str:
    """An element's attributes as `name: value` lines."""
    if element.tag.startswith(_DRAWING):
        return ""
    spoken = ((name, value) for name, value in element.attrib.items() if not name.startswith(_TECHNICAL))
    return "\n".join(f"{name.rpartition('}')[2]}: {value}" for name, value in spoken if value.strip())
