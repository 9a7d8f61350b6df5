"""What folders really hold: every bad file ends in a reason and an advice, and costs its neighbours nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.e2e.chaos import is_balanced
from tests.e2e.command import CommandLine, Finished
from tests.e2e.endpoint import counting_server
from tests.fakes.hostile_files import (
    BILLION_LAUGHS,
    encrypt_office,
    mail_with,
    truncate,
    write_docx,
    write_pdf,
    write_xlsx,
    write_zip_bomb,
)

SECRET = "The secret word is xylophone."


@dataclass(frozen=True)
class Case:
    """A file, what must become of it, and a question that finds it when it is live."""

    build: Callable[[Path], object]
    state: str = "quarantined"
    reason: str = ""
    question: str = ""
    finds: str = ""


def text(content: str, encoding: str = "utf-8") -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content.encode(encoding))


def data(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def mail(*attachments: tuple[str, bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(bytes(mail_with(*attachments)))


def rows(count: int) -> list[list[object]]:
    return [["Article", "Price"], *([f"Article {number}", number] for number in range(count))]


CASES = {
    "neighbour.txt": Case(
        text("The harbour crane lifts forty tons."), "live", question="harbour crane", finds="forty tons"
    ),
    "empty.txt": Case(data(b""), "empty"),
    "blank.md": Case(text(" \n\n\t"), "empty"),
    "empty.pdf": Case(data(b""), reason="empty-file"),
    "truncated.pdf": Case(lambda path: truncate(write_pdf(path), 0.05), reason="damaged-file"),
    "truncated.docx": Case(lambda path: truncate(write_docx(path)), reason="damaged-file"),
    "truncated.xlsx": Case(lambda path: truncate(write_xlsx(path, {"A": rows(50)})), reason="damaged-file"),
    "really-a.pdf.docx": Case(
        lambda path: write_pdf(path, text="Turbine inspection log"), "live", "", "turbine inspection", "Turbine"
    ),
    "really-text.xlsx": Case(text("Canteen opens at noon."), "live", "", "canteen opens", "noon"),
    "protected.pdf": Case(lambda path: write_pdf(path, password="geheim"), reason="password-protected"),
    "protected.docx": Case(lambda path: encrypt_office(write_docx(path), "geheim"), reason="password-protected"),
    "bomb.docx": Case(write_zip_bomb, reason="zip-bomb"),
    "laughs.xml": Case(text(BILLION_LAUGHS), reason="entity-bomb"),
    "traversal.eml": Case(
        mail(("../../../../escaped.txt", b"Valve offer with a rebate.")), "live", "", "valve offer rebate", "rebate"
    ),
    "undecodable.txt": Case(
        data(b"Lantern \xff\xfe\x81 oil is stored in shed nine."), "live", "", "lantern oil stored", "shed nine"
    ),
    "utf16.txt": Case(
        text("Grüße: der Kessel wird montags geprüft.", "utf-16"), "live", "", "Kessel geprüft", "Kessel"
    ),
    "right-to-left.txt": Case(text("مرحبا بالعالم في المصنع"), "live", "", "مرحبا بالعالم", "بالعالم"),
    "emoji.md": Case(text("# Party 🎉\n\nBring cake 🍰👩‍👩‍👧 on Friday."), "live", "", "cake party", "🍰"),
    "nul.txt": Case(data(b"Left\x00Right hand thread on the mast."), "live", "", "thread mast", "mast"),
    "program": Case(data(b"\x7fELF" + bytes(range(256)) * 20), reason="unsupported-type"),
    "name with ü, % and #.txt": Case(text("Lighthouse keeper rota."), "live", "", "lighthouse keeper", "rota"),
}
"""`remote.html` and `external.xml` name a server that exists only while the tests run; the fixture adds them."""

LIVE = [name for name, case in CASES.items() if case.question]


@dataclass
class World:
    """One ingest of all cases, and what the commands said afterwards."""

    folder: Path
    ingest: Finished
    documents: dict[str, dict[str, Any]]
    quarantine: dict[str, dict[str, Any]]
    found: dict[str, list[str]] = field(default_factory=dict)
    requested: list[str] = field(default_factory=list)


def name_of(uri: str) -> str:
    return unquote(Path(urlsplit(uri).path).name)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, api_url: str) -> Iterator[World]:
    root = tmp_path_factory.mktemp("bad-input")
    folder = root / "in" / "documents"
    folder.mkdir(parents=True)
    (root / "secret.txt").write_text(SECRET)
    for name, case in CASES.items():
        case.build(folder / name)
    shell = CommandLine(root).set(PREFECT_API_URL=api_url)
    with counting_server() as (address, requested):
        (folder / "remote.html").write_text(
            f"<html><head><link rel=stylesheet href={address}/style.css><script src={address}/s.js></script></head>"
            f"<body><h1>Ferry hours</h1><p>The ferry leaves at seven.</p><img src={address}/i.png></body></html>"
        )
        (folder / "external.xml").write_text(
            f'<?xml version="1.0"?><!DOCTYPE d SYSTEM "{address}/d.dtd" [<!ENTITY f SYSTEM '
            f'"{(root / "secret.txt").as_uri()}"><!ENTITY w SYSTEM "{address}/w">]>'
            "<d><a>Anchor chain certificate.</a><b>&f;</b><c>&w;</c></d>"
        )
        ingest = shell.run("ingest", folder, "--json")
        world = World(
            folder,
            ingest,
            {name_of(document["uri"]): document for document in shell.run("documents", "--json").records},
            {name_of(entry["uri"]): entry for entry in shell.run("quarantine", "--json").records},
            requested=requested,
        )
        questions = root / "questions.jsonl"
        asked = {name: CASES[name].question for name in LIVE} | {"remote.html": "ferry", "secret": "xylophone"}
        questions.write_text("".join(json.dumps({"id": i, "question": q}) + "\n" for i, q in asked.items()))
        for record in shell.run("search", "--questions", questions, "--k", "3").records:
            world.found[record["id"]] = [f"{name_of(hit['uri'])}: {hit['text']}" for hit in record["hits"]]
        yield world


@pytest.mark.parametrize("name", CASES)
def test_each_bad_file_ends_where_it_must(world: World, name: str) -> None:
    case = CASES[name]
    if case.state == "quarantined":
        assert name not in world.documents
        assert world.quarantine[name]["reason"] == case.reason
        assert len(world.quarantine[name]["advice"].split()) >= 3
    else:
        assert world.documents[name]["state"] == case.state


@pytest.mark.parametrize("name", LIVE)
def test_what_could_be_read_is_found_by_its_words(world: World, name: str) -> None:
    found = [hit for hit in world.found[name] if hit.startswith(f"{name}: ")]
    assert CASES[name].finds in "".join(found), world.found[name]


def test_the_ledger_of_bad_files_balances_and_the_command_succeeds(world: World) -> None:
    ledger = world.ingest.record
    assert world.ingest.code == 0
    assert is_balanced(ledger), ledger
    assert ledger["listed"] == len(CASES) + 2
    assert ledger["quarantined"] == sum(case.state == "quarantined" for case in CASES.values())


def test_no_request_leaves_for_what_a_document_names(world: World) -> None:
    assert "ferry leaves at seven" in "".join(world.found["remote.html"])
    assert world.requested == []


def test_an_entity_reads_no_other_file(world: World) -> None:
    assert SECRET not in json.dumps(world.found)
    assert "external.xml" in {**world.documents, **world.quarantine}


def test_an_attachment_is_written_nowhere_by_its_name(world: World) -> None:
    assert list(world.folder.parents[1].rglob("escaped*")) == []
    assert not Path("/escaped.txt").exists()


def test_uris_are_percent_encoded(world: World) -> None:
    document = world.documents["name with ü, % and #.txt"]
    assert document["uri"].endswith("/name%20with%20%C3%BC%2C%20%25%20and%20%23.txt")
