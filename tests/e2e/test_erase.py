"""Erasure as an operator does it: afterwards no file of the home holds a word of what was erased."""

from __future__ import annotations

import json

import pytest

from tests.e2e.command import CommandLine

SECRET = "The zeppelin valve in hall seventeen opens at forty bar."
PLAIN = "The brewery pump in hall three opens at nine bar."


def holds(shell: CommandLine, word: str) -> list[str]:
    """Files below the home, the vector store's left out, whose data files the certificate tells of."""
    files = [file for file in shell.home.rglob("*") if file.is_file() and "index" not in file.parts]
    return [file.name for file in files if word.encode() in file.read_bytes()]


@pytest.mark.slow
def test_an_erased_document_is_gone_from_answers_datasets_and_files(shell: CommandLine) -> None:
    documents = shell.folder / "documents"
    documents.mkdir()
    rows = []
    for name, text, thing in (("secret.md", SECRET, "zeppelin valve"), ("plain.md", PLAIN, "brewery pump")):
        (documents / name).write_text(f"# {thing.title()}\n\n{text}\n")
        answer = f"It opens {text.rpartition(' opens ')[2]}"
        quote = {"document": name, "quote": text}
        rows.append(
            {"question": f"When does the {thing} open?", "answer": answer, "evidence": [quote], "state": "approved"}
        )
    (shell.folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for command in (("ingest", "documents"), ("curate", "import", "pairs.jsonl"), ("curate", "snapshot")):
        done = shell.run(*command)
        assert done.code == 0, done.errors
    assert holds(shell, "zeppelin")
    planned = shell.run("erase", "secret.md", "--json")
    assert planned.code == 0, planned.errors
    assert (planned.record["erased"], len(planned.record["pairs"]), len(planned.record["datasets"])) == (False, 1, 1)
    assert holds(shell, "zeppelin")
    (documents / "secret.md").unlink()
    assert shell.run("ingest", "documents", "--json").record["removed"] == 1
    traced = shell.run("lineage", "secret.md", "--json").record
    assert (traced["kind"], traced["datasets"]) == ("document", planned.record["datasets"])
    narrowed = "1 of its pairs may not be read any more by everyone"
    assert [one["mark"] for one in shell.run("curate", "datasets", "--json").records] == [narrowed]
    done = shell.run("erase", "secret.md", "--confirm", "--json")
    assert done.code == 0, done.errors
    assert done.record["datasets"] == planned.record["datasets"]
    assert [one["mark"] for one in shell.run("curate", "datasets", "--json").records] == [
        "text of an erased document was in it"
    ]
    assert holds(shell, "zeppelin") == []
    assert holds(shell, "brewery pump")
    found = shell.run("search", "zeppelin valve", "--json")
    assert "secret.md" not in found.out


def test_what_nobody_knows_is_told_and_never_certified(shell: CommandLine) -> None:
    assert shell.run("init").code == 0
    for command in (("erase", "Nobody Such", "--author", "--confirm"), ("erase", "nothing.md", "--confirm")):
        done = shell.run(*command, "--json")
        assert (done.code, done.out) == (1, ""), done.errors
    for name in ("", "nothing.md"):
        done = shell.run("lineage", name)
        assert done.code == 1
        assert "no adapter, document or pair is called" in done.said[0]
    assert shell.run("erasures", "").code == 1
    assert shell.run("erasures", "--json").out == ""
