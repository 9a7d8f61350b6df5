"""Text that stands in markup which readers pass over is read, once and in its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.document_ports import PartitionJob, PartitionOutcome
from tasks.integrations.unstructured import UnstructuredPartitioner
from tasks.settings import Settings
from tests.fakes.word_files import note_mark, paragraph, run, text_box, write_word

pytestmark = pytest.mark.slow


def control(content: str, properties: str = "") -> str:
    return f"<w:sdt><w:sdtPr>{properties}</w:sdtPr><w:sdtContent>{content}</w:sdtContent></w:sdt>"


def table(*cells: str) -> str:
    row = "".join(cell if cell.startswith("<w:sdt>") else f"<w:tc>{cell}</w:tc>" for cell in cells)
    return f"<w:tbl><w:tblPr/><w:tblGrid/><w:tr>{row}</w:tr></w:tbl>"


def write_tracked(path: Path) -> None:
    write_word(
        path,
        paragraph(
            "Der Preis beträgt ",
            f'<w:del w:id="1" w:author="A"><w:r><w:delText>11 €</w:delText></w:r>{text_box(paragraph("Old"))}</w:del>',
            f'<w:ins w:id="2" w:author="A">{run("12,50 €")}<w:del w:id="3"><w:r><w:delText>!</w:delText></w:r></w:del>'
            "</w:ins>",
            " je Stück.",
        ),
        paragraph(f'<w:moveFrom w:id="4">{run("Moved away.")}</w:moveFrom>', "Stays."),
        paragraph(f'<w:moveTo w:id="5">{run("Moved ")}</w:moveTo>', "here."),
    )


def write_controls(path: Path) -> None:
    contents = '<w:docPartObj><w:docPartGallery w:val="Table of Contents"/></w:docPartObj>'
    write_word(
        path,
        control(paragraph("Contents 1"), contents),
        control(paragraph("Kept ", control(run("for ten")), " years.") + table(paragraph("Pump"), paragraph("7 bar"))),
        paragraph("Written on ", f'<w:fldSimple w:instr=" DATE ">{run("1 May")}</w:fldSimple>', " in ",
                  f'<w:smartTag w:uri="u" w:element="e"><w:smartTagPr/>{run("Bremen")}</w:smartTag>',
                  f'<w:dir w:val="ltr">{run(" or Kiel")}</w:dir>', "."),
        table(paragraph("Valve"), control(f"<w:tc>{paragraph('4 bar')}</w:tc>")),
    )  # fmt: skip


def write_boxes(path: Path) -> None:
    emoji = (
        '<w:r><mc:AlternateContent><mc:Choice Requires="w16se"><w:sym/></mc:Choice><mc:Fallback><w:t>😊</w:t>'
        "</mc:Fallback></mc:AlternateContent></w:r>"
    )
    write_word(
        path,
        paragraph(
            "Before",
            text_box(paragraph("First box"), paragraph("in two lines", text_box(paragraph("Inner box")))),
            text_box(paragraph("Second box", f'<w:ins w:id="1">{run(" changed")}</w:ins>')),
            " after ",
            emoji,
        ),
        paragraph("Press ", text_box(paragraph("START"), anchor="inline"), " twice."),
        table(paragraph("Cell", text_box(paragraph("Box in a cell"))), paragraph("Other")),
    )


def write_notes(path: Path) -> None:
    link = f'<w:hyperlink r:id="rId99">{run("the list")}</w:hyperlink>'
    write_word(
        path,
        paragraph("The pump", note_mark("footnote", 1), " costs 20 €", note_mark("endnote", 1), "."),
        table(paragraph("Valve", note_mark("footnote", 2)), paragraph("5 €")),
        paragraph("The end.", note_mark("footnote", 7), f"<w:del>{note_mark('footnote', 3)}</w:del>"),
        footnotes={
            1: paragraph("Only model ", f'<w:ins w:id="1">{run("seven")}</w:ins>', "."),
            2: paragraph("See ", link, "."),
            3: paragraph("Deleted note."),
        },
        endnotes={1: paragraph("Without tax.") + paragraph("And freight.")},
    )


VALVE = (
    """<?xml version="1.0"?>
<!DOCTYPE manual [<!ENTITY unit "bar">]>
<manual xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b">
<title id="t1">Valves</title>
<p>Turn the <b>red</b> valve clockwise <!-- never seen -->until <i>it <b>shows</b></i> 4&nbsp;&unit;bar.<br/></p>
<p><b>Note</b><![CDATA[: keep <calm>]]></p>
<section>Long ones: <p>%s</p>That is all.</section>
<empty/><spare sku="P1" price="3.50" xml:lang="en" note=""/>
</manual>""".replace("&nbsp;", "\u00a0")
    % ("The pump runs day and night. " * 20)
)
PARTED = """<doc>
<list>Header words<row><a>1200</a><b>3400</b></row><row><a>5600</a><b>-7</b></row>Total</list>
<address>Acme GmbH<lb/>Hauptstr. 5<lb/><city>10115</city><city>Berlin</city></address>
<p>un<b>believ</b>able<ref to="1"/>, <i>even <b>now</b></i>. <lb/>Bad<lb/> or good</p>
</doc>"""
ATTRIBUTES = '<parts plant="Bremen"><part sku="P1" name="Pump"/><part sku="P2"/></parts>'
DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" width="9"><path d="M0 0L9 9"/>{}</svg>'


def as_text(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text)


PAGE = """<html><head><title>Pumps</title><style>p {}</style></head><body><!-- Never seen -->
<p>Prices <s>of</s> 2026.</p>
<details><summary>How long is the warranty?</summary><p>Two years.</p>From delivery.</details>
<figure><img src="a.png" alt="A pump"><figcaption>The pump from behind</figcaption></figure>
<figure><table><tr><td>Pump</td><td>9 €</td></tr></table></figure>
<form><fieldset><legend>Order</legend><label>Model</label><select><option>P1</option><option>P22</option></select>
<label>Remark <textarea>Ring twice.</textarea></label><input type="hidden" value="secret"><button>Send</button>
<script>run()</script></fieldset></form>
<template>Unused</template><dialog>Closed</dialog><noscript>No script</noscript></body></html>"""
MARKDOWN = """# Prices

A pump costs 20 €[^1], see [the list][list].[^tax]

<details>
<summary>All models</summary>

## Models

| Model | Bar |
|-------|-----|
| P1    | 4   |

- one **bold** word

</details>

```html
<details>
```

[^1]: Net.
[^tax]: Without tax.
[list]: http://198.51.100.7/list
"""


FILES: dict[str, Callable[[Path], object]] = {
    "tracked.docx": write_tracked,
    "controls.docx": write_controls,
    "boxes.docx": write_boxes,
    "notes.docx": write_notes,
    "valve.xml": as_text(VALVE),
    "parted.xml": as_text(PARTED),
    "attributes.xml": as_text(ATTRIBUTES),
    "labelled.svg": as_text(DRAWING.format("<text>Red <tspan>valve</tspan></text>")),
    "drawing.svg": as_text(DRAWING.format("")),
    "page.html": as_text(PAGE),
    "prices.md": as_text(MARKDOWN),
    "hollow.xml": as_text("<a><b/></a>"),
}
Texts = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PartitionOutcome]:
    """Every file of this module through one pool."""
    folder = tmp_path_factory.mktemp("files")
    for name, write in FILES.items():
        write(folder / name)
    partitioner = UnstructuredPartitioner(Settings(partition_workers=1, partition_timeout_seconds=120))
    jobs = (PartitionJob(name, folder / name, name, None) for name in FILES)
    return {outcome.key: outcome for outcome in partitioner.partition_documents(jobs)}


@pytest.fixture
def texts(outcomes: dict[str, PartitionOutcome]) -> Texts:
    def look_up(name: str) -> list[str]:
        document = outcomes[name].document
        assert document is not None, outcomes[name].problem
        return [element.text for element in document.elements]

    return look_up


def test_a_tracked_change_is_read_as_if_it_were_accepted(texts: Texts) -> None:
    assert texts("tracked.docx") == ["Der Preis beträgt 12,50 € je Stück.", "Stays.", "Moved here."]


def test_content_controls_fields_and_smart_tags_are_read_and_a_table_of_contents_is_not(texts: Texts) -> None:
    assert texts("controls.docx") == [
        "Kept for ten years.",
        "Pump | 7 bar",
        "Written on 1 May in Bremen or Kiel.",
        "Valve | 4 bar",
    ]


def test_text_boxes_follow_their_paragraph_once(texts: Texts) -> None:
    assert texts("boxes.docx") == [
        "Before after 😊",
        "First box",
        "in two lines",
        "Inner box",
        "Second box changed",
        "Press START twice.",
        "Cell Box in a cell | Other",
    ]


def test_notes_follow_the_paragraph_or_table_that_refers_to_them(texts: Texts) -> None:
    assert texts("notes.docx") == [
        "The pump costs 20 €.",
        "Only model seven.",
        "Without tax.",
        "And freight.",
        "Valve | 5 €",
        "See the list.",
        "The end.",
    ]


def test_a_sentence_of_an_xml_file_is_whole_and_in_order(texts: Texts) -> None:
    assert texts("valve.xml") == [
        "Valves",
        "Turn the red valve clockwise until it shows 4\u00a0bar.",
        "Note: keep <calm>",
        "Long ones:",
        ("The pump runs day and night. " * 20).strip(),
        "That is all.",
        "sku: P1\nprice: 3.50",
    ]


def test_words_and_numbers_of_different_elements_are_not_glued_and_a_word_stays_whole(texts: Texts) -> None:
    assert texts("parted.xml") == [
        "Header words 1200 3400 5600 -7 Total",
        "Acme GmbH Hauptstr. 5 10115 Berlin",
        "unbelievable, even now. Bad or good",
    ]


def test_an_xml_file_without_text_is_read_by_its_attributes(texts: Texts) -> None:
    assert texts("attributes.xml") == ["plant: Bremen", "sku: P1\nname: Pump", "sku: P2"]
    assert texts("labelled.svg") == ["Red valve"]


@pytest.mark.parametrize("name", ["hollow.xml", "drawing.svg"])
def test_an_xml_file_that_says_nothing_is_refused_with_an_advice_that_fits(
    outcomes: dict[str, PartitionOutcome], name: str
) -> None:
    problem = outcomes[name].problem
    assert problem is not None
    assert problem.reason == "no-text"
    assert "picture" not in problem.message
    assert "export it again" in problem.advice


def test_folded_sections_captions_and_forms_of_a_page_are_read_and_what_is_not_shown_is_not(texts: Texts) -> None:
    assert texts("page.html") == [
        "Prices of 2026.",
        "How long is the warranty?",
        "Two years.",
        "From delivery.",
        "A pump",
        "The pump from behind",
        "Pump | 9 €",
        "Order",
        "Model",
        "P1",
        "P22",
        "Remark",
        "Ring twice.",
    ]


def test_notes_and_folded_sections_of_markdown_are_read_as_they_are_written(texts: Texts) -> None:
    assert texts("prices.md") == [
        "Prices",
        "A pump costs 20 €[^1], see the list.[^tax]",
        "All models",
        "Models",
        "Model | Bar\nP1 | 4",
        "one bold word",
        "<details>",
        "[^1]: Net. [^tax]: Without tax.",
    ]
