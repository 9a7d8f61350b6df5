"""`expertloop glossary`: what abbreviations stand for, who says so, and which of them a search follows."""

from __future__ import annotations

from typing import Annotated

import typer

from expertloop.output import print_json, print_note, print_table
from tasks.models import EVERYONE
from tasks.settings import Settings
from tasks.wiring import application

JsonOption = Annotated[bool, typer.Option("--json", help="one JSON object a line")]
AsOption = Annotated[
    list[str] | None, typer.Option("--as", help="only what this group or user may know; repeat for several")
]


def glossary(*, as_groups: AsOption = None, as_json: JsonOption = False) -> None:
    """List what abbreviations stand for, and whether a question with one form is searched in the other, too.

    Example: expertloop glossary --as hr
    """
    app = application(Settings())
    entries = app.list_abbreviations(frozenset({EVERYONE, *as_groups}) if as_groups else None)
    if as_json:
        for entry in entries:
            print_json(entry)
        return
    rows = [
        (one.short, one.long or "nothing", "yes" if one.searched else "no", one.origin, one.documents or "")
        for one in entries
    ]
    print_table(f"{len(rows)} meanings", ("short", "stands for", "searched", "said by", "documents"), rows)
    if any(one.origin == "documents" and not one.searched for one in entries):
        print_note("say which meaning is searched: `abbreviations:` in the file that EXPERTLOOP_GLOSSARY names")
