"""`expertloop curate review`: one pair after another, one key each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from expertloop.curate import AuthorOption, StateOption, open_editor, refresh
from expertloop.output import console, escape, print_note
from expertloop.pair_text import print_pair
from tasks.curation_models import Pair, PairState
from tasks.errors import ConfigurationError
from tasks.settings import Settings
from tasks.wiring import application

HELP = "[a]pprove  [r]eject  [e]dit the answer  [s]kip  [q]uit"
END = ("q", "", "\x04")


def review(
    *,
    state: StateOption = None,
    author: AuthorOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="at most so many pairs")] = 1000,
) -> None:
    """Look at candidates and stale pairs one by one; every decision is kept at once.

    Example: expertloop curate review --state stale
    """
    wired = application(Settings())
    refresh(wired, author)
    wanted = state or [PairState.CANDIDATE, PairState.STALE]
    waiting = [pair.pair_id for pair, _ in zip(wired.pairs.list_pairs(wired.settings.tenant, wanted), range(limit))]  # noqa: B905
    reviewer = Reviewer(wired.open_desk(), open_editor(author))
    for number, pair_id in enumerate(waiting, start=1):
        console.print(f"\n[bold]── {number} of {len(waiting)} ──[/]")
        if not reviewer.look_at(wired.pairs.find_pair(wired.settings.tenant, pair_id)):
            break
    counts = ", ".join(f"{count} {what}" for what, count in reviewer.counts.items() if count)
    print_note(f"{len(waiting)} pairs to look at: {counts or 'none decided'}")


class Reviewer:
    """Shows pairs and does what a key says."""

    def __init__(self, desk: Any, editor: Any) -> None:
        self._desk = desk
        self._editor = editor
        self.counts = {"approved": 0, "rejected": 0, "edited": 0, "skipped": 0}

    def look_at(self, pair: Pair) -> bool:
        """Show it until it is decided or skipped; False to end the review."""
        while True:
            print_pair(pair, self._desk.read_document)
            console.print(f"[dim]{escape(HELP)}[/] ", end="")
            key = read_key()
            console.print(escape(key.strip()))
            if key in END:
                return False
            if key == "e":
                pair = self._edit(pair)
                continue
            if self._decide(key, pair):
                return True

    def _decide(self, key: str, pair: Pair) -> bool:
        from tasks.curation.review import reject_pair

        if key == "a":
            return self._approve(pair)
        if key == "r":
            reject_pair(self._desk, pair.pair_id, self._editor, reason=ask_line("reason (may be empty): "))
            self.counts["rejected"] += 1
            return True
        if key == "s":
            self.counts["skipped"] += 1
            return True
        return False

    def _approve(self, pair: Pair) -> bool:
        """Findings are on the screen; approving with them takes a second, different key."""
        from tasks.curation.review import approve_pair

        accept = [one.code for one in pair.open_findings if not one.final]
        if accept:
            console.print(
                f"[yellow]approve in spite of {escape(', '.join(accept))}?[/] [dim]{escape('[y]es')}[/] ", end=""
            )
            answer = read_key()
            console.print(escape(answer.strip()))
            if answer != "y":
                return False
        try:
            approve_pair(self._desk, pair.pair_id, self._editor, accept=accept)
        except ConfigurationError as error:
            console.print(f"[red]{escape(error.message)}[/]\n[dim]{escape(error.advice)}[/]")
            return False
        self.counts["approved"] += 1
        return True

    def _edit(self, pair: Pair) -> Pair:
        from tasks.curation.review import edit_pair

        answer = ask_line("answer: ")
        if not answer:
            return pair
        self.counts["edited"] += 1
        edited: Pair = edit_pair(self._desk, pair.pair_id, self._editor, {"answer": answer}, [])
        return edited


def read_key() -> str:
    """One key of a terminal, without waiting for a line end; one character of anything else; empty at the end."""
    with _without_lines():
        key = sys.stdin.read(1)
    return key.lower() if key.isalpha() else key


def ask_line(prompt: str) -> str:
    """A line, as a person types it; empty at the end of the input."""
    console.print(f"[dim]{escape(prompt)}[/]", end="")
    return sys.stdin.readline().strip()


@contextmanager
def _without_lines() -> Iterator[None]:
    if not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin, termios.TCSANOW)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSANOW, before)
