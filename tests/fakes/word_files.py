"""Builds letters with what Word writes around text: tracked changes, controls, text boxes, notes."""

from __future__ import annotations

from pathlib import Path

_SPACES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:v="urn:schemas-microsoft-com:vml" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)
_CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.{}+xml"
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/{}"


def run(text: str) -> str:
    """A run of text."""
    return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(*runs: str) -> str:
    """A paragraph of runs; what is no markup becomes one."""
    return f"<w:p>{''.join(one if one.startswith('<') else run(one) for one in runs)}</w:p>"


def text_box(*paragraphs: str, anchor: str = "anchor") -> str:
    """A text box as Word writes it: once for itself, once for its ancestors; `inline` or beside the text."""
    content = f"<w:txbxContent>{''.join(paragraphs)}</w:txbxContent>"
    return (
        f'<w:r><mc:AlternateContent><mc:Choice Requires="wps"><w:drawing><wp:{anchor}><a:graphic><a:graphicData>'
        f"<wps:wsp><wps:txbx>{content}</wps:txbx></wps:wsp></a:graphicData></a:graphic></wp:{anchor}></w:drawing>"
        f"</mc:Choice><mc:Fallback><w:pict><v:textbox>{content}</v:textbox></w:pict></mc:Fallback>"
        "</mc:AlternateContent></w:r>"
    )


def note_mark(kind: str, number: int) -> str:
    """Where a footnote or an endnote is referred to."""
    return f'<w:r><w:{kind}Reference w:id="{number}"/></w:r>'


def write_word(path: Path, *blocks: str, footnotes: dict[int, str] | None = None, **parts: dict[int, str]) -> Path:
    """A docx whose body is markup.

    Args:
        path: Where to write it.
        blocks: Paragraphs, tables and what Word puts around them.
        footnotes: Markup of each by its number; `endnotes` likewise.
    """
    import docx
    from docx.oxml.parser import parse_xml

    document = docx.Document()
    body = document.element.body
    for block in parse_xml(f"<w:body {_SPACES}>{''.join(blocks)}</w:body>"):
        body.insert(len(body) - 1, block)
    for name, notes in {"footnotes": footnotes or {}, **parts}.items():
        _relate_notes(document.part, name, notes)
    document.save(str(path))
    return path


def _relate_notes(part: object, name: str, notes: dict[int, str]) -> None:
    from docx.opc.packuri import PackURI
    from docx.opc.part import Part

    kind = name.removesuffix("s")
    separator = f'<w:{kind} w:type="separator" w:id="-1"><w:p><w:r><w:separator/></w:r></w:p></w:{kind}>'
    texts = (f'<w:{kind} w:id="{number}">{note}</w:{kind}>' for number, note in notes.items())
    blob = f"<w:{name} {_SPACES}>{separator}{''.join(texts)}</w:{name}>".encode()
    target = Part(PackURI(f"/word/{name}.xml"), _CONTENT_TYPE.format(name), blob, part.package)  # type: ignore[attr-defined]
    part.relate_to(target, _RELATION.format(name))  # type: ignore[attr-defined]
