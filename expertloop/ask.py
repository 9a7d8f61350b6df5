"""`expertloop search` and `expertloop ask`: without Prefect, because a run would cost more than it gives."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict, ValidationError
from rich.console import Console

from expertloop.output import console, escape, messages, print_json, print_note
from tasks.answer_models import Answer, Citation, Expansion, Question
from tasks.errors import ConfigurationError
from tasks.evaluation_models import Texts
from tasks.language import load_in_background
from tasks.models import EVERYONE, Hit, SearchFilter
from tasks.ports import Searcher
from tasks.settings import Settings
from tasks.wiring import Application, application

BATCH = 32
SNIPPET_CHARACTERS = 240

QuestionArgument = Annotated[str | None, typer.Argument(metavar="QUESTION")]
AsOption = Annotated[list[str] | None, typer.Option("--as", help="a group or user that asks; repeat for several")]
LimitOption = Annotated[int | None, typer.Option("--k", min=1, max=1000, help="how many hits")]
FileOption = Annotated[Path | None, typer.Option("--questions", help="JSONL with id, question and optional groups")]
SourceOption = Annotated[list[str] | None, typer.Option("--source", help="only from this source; repeat for several")]
LanguageOption = Annotated[list[str] | None, typer.Option("--language", help="only in this language, such as de")]
TypeOption = Annotated[list[str] | None, typer.Option("--type", help="only files of this kind, such as pdf")]
AfterOption = Annotated[datetime | None, typer.Option("--after", help="only modified at or after, UTC")]
BeforeOption = Annotated[datetime | None, typer.Option("--before", help="only modified before, UTC")]
AdapterOption = Annotated[
    str | None, typer.Option("--adapter", metavar="ID", help="let this adapter answer instead of the champion")
]
JsonOption = Annotated[bool, typer.Option("--json", help="one JSON object a question, on one line")]


class QuestionLine(BaseModel):
    """One line of a question file; other fields are for other commands."""

    model_config = ConfigDict(extra="ignore")

    id: str | int
    question: str
    groups: Texts = ()


def search(
    question: QuestionArgument = None,
    *,
    as_groups: AsOption = None,
    limit: LimitOption = None,
    questions: FileOption = None,
    sources: SourceOption = None,
    languages: LanguageOption = None,
    types: TypeOption = None,
    after: AfterOption = None,
    before: BeforeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the passages that a question finds.

    Example: expertloop search "notice period" --as hr --k 5
    """
    load_in_background()
    app = application(Settings())
    limit = limit or app.settings.search_limit
    narrowed = _read_filter(sources, languages, types, after, before)
    for batch in _batches(app, question, questions, as_groups, narrowed):
        expanded = app.expand_questions(batch)
        for asked, hits in zip(expanded, app.searcher.search(expanded, limit=limit), strict=True):
            if as_json or questions:
                print_json(_hits_record(asked, hits))
            else:
                _print_expansions(asked.expansions or ())
                _print_hits(hits)


def ask(
    question: QuestionArgument = None,
    *,
    as_groups: AsOption = None,
    questions: FileOption = None,
    sources: SourceOption = None,
    languages: LanguageOption = None,
    types: TypeOption = None,
    after: AfterOption = None,
    before: BeforeOption = None,
    adapter: AdapterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question from the documents, with citations, or say that they do not answer it.

    Example: expertloop ask "Wie lange ist die Kündigungsfrist?" --as hr
    """
    load_in_background()
    app = application(Settings())
    alone = questions is None and not as_json
    searcher = _ShowingSearcher(app.searcher) if alone else app.searcher
    narrowed = _read_filter(sources, languages, types, after, before)
    for batch in _batches(app, question, questions, as_groups, narrowed):
        if alone:
            printer = AnswerPrinter()
            (answer,) = app.answer_questions(batch, searcher=searcher, adapter=adapter, listeners=[printer])
            printer.finish(answer)
        else:
            for answer in app.answer_questions(batch, searcher=searcher, adapter=adapter):
                print_json(answer)


class _ShowingSearcher:
    """Puts the sources on the screen as soon as they are found, while the generator is still at work."""

    def __init__(self, searcher: Searcher) -> None:
        self._searcher = searcher

    def search(self, questions: Sequence[Question], *, limit: int) -> list[list[Hit]]:
        """The hits, shown before they are returned."""
        started = time.perf_counter()
        found = self._searcher.search(questions, limit=limit)
        for hits in found:
            print_note(f"found {len(hits)} passages in {time.perf_counter() - started:.2f} s")
            for hit in hits[:3]:
                print_note(f"  {hit.rank}. {_where(hit)}")
        return found


class AnswerPrinter:
    """The `Listener` port: puts sentences on a terminal as they are verified; a file or a pipe gets the whole.

    Args:
        to: Where answers go.
    """

    has_left = False

    def __init__(self, to: Console = console) -> None:
        self._to = to
        self._shown = ""

    def hear(self, text: str, _citations: tuple[Citation, ...]) -> None:
        """Show what is new."""
        if self._to.is_terminal:
            self._extend(text)

    def finish(self, answer: Answer) -> None:
        """Show the rest, and what belongs to it."""
        _print_expansions(answer.expansions)
        if answer.abstained:
            self._extend("")
            self._to.print(f"[bold]I don't know:[/] {escape(answer.reason or '')}")
            if answer.found:
                self._to.print("What was found, and is not sure enough to be an answer:")
        else:
            self._extend(answer.text)
            self._to.print()
            if answer.mode == "extractive":
                print_note("(quoted from the documents, not written by the model)")
            if answer.conflicting:
                print_note("(these documents contradict each other; the newer one comes first)")
        _print_citations(answer, self._to)

    def _extend(self, text: str) -> None:
        if not text.startswith(self._shown):
            self._to.print()
            print_note("(taken back: what it quotes was withdrawn meanwhile, or the generator broke off)")
            self._shown = ""
        self._to.print(escape(text[len(self._shown) :]), end="")
        self._shown = text


def _read_filter(
    sources: list[str] | None,
    languages: list[str] | None,
    types: list[str] | None,
    after: datetime | None,
    before: datetime | None,
) -> SearchFilter:
    return SearchFilter(
        sources=tuple(sources) if sources else None,
        languages=tuple(language.casefold() for language in languages) if languages else None,
        types=tuple(kind.casefold().lstrip(".") for kind in types) if types else None,
        modified_after=after.replace(tzinfo=UTC) if after else None,
        modified_before=before.replace(tzinfo=UTC) if before else None,
    )


def _batches(
    app: Application,
    question: str | None,
    file: Path | None,
    as_groups: list[str] | None,
    narrowed: SearchFilter,
) -> Iterator[list[Question]]:
    if (question is None) == (file is None):
        raise typer.BadParameter("give one QUESTION, or --questions FILE")
    principals = {EVERYONE, *(as_groups or ())}
    if file is None:
        readers = frozenset(principals)
        yield [Question(text=question or "", principals=readers, tenant=app.settings.tenant, filter=narrowed)]
        return
    batch: list[Question] = []
    for line in read_questions(file):
        readers = frozenset(principals | set(line.groups))
        batch.append(
            Question(
                id=str(line.id),
                text=line.question,
                principals=readers,
                tenant=app.settings.tenant,
                filter=narrowed,
            )
        )
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def read_questions(file: Path) -> list[QuestionLine]:
    """Every line of a question file.

    Raises:
        ConfigurationError: The file cannot be read, or lines are wrong; all of them are named.
    """
    try:
        # Not splitlines(): a JSON text may hold U+2028 and its like.
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {file}: {error}", advice="name a UTF-8 file of JSON lines") from error
    found, faults = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(QuestionLine.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            faults.append(f"line {number}: {'.'.join(map(str, first['loc'])) or 'object'}: {first['msg']}")
    if faults:
        raise ConfigurationError(
            f"{file} has {len(faults)} wrong lines: " + "; ".join(faults[:20]),
            advice='each line is an object such as {"id": "q1", "question": "…", "groups": ["hr"]}',
        )
    return found


def _hits_record(question: Question, hits: Sequence[Hit]) -> dict[str, Any]:
    record: dict[str, Any] = {"question": question.text, "hits": [_hit_record(hit) for hit in hits]}
    if question.expansions:
        record["expansions"] = [one.model_dump(mode="json") for one in question.expansions]
    return record if question.id is None else {"id": question.id} | record


def _hit_record(hit: Hit) -> dict[str, Any]:
    passage = hit.passage
    return {
        "rank": hit.rank,
        "score": round(hit.score, 6),
        "document_id": passage.document_id,
        "chunk_id": passage.chunk_id,
        "uri": passage.uri,
        "title": passage.title,
        "page": passage.chunk.page,
        "text": passage.chunk.shown_text,
    }


def _where(hit: Hit) -> str:
    page = f", page {hit.passage.chunk.page}" if hit.passage.chunk.page else ""
    mark = " (outdated)" if hit.passage.outdated else ""
    return f"{hit.passage.title}{page}{mark}  {hit.passage.uri}"


def _print_expansions(expansions: Sequence[Expansion]) -> None:
    for one in expansions:
        if one.added:
            print_note(f"({one.said}: searched as {', '.join(one.added)}, too)")
        else:
            print_note(f"({one.said} may be {' or '.join(one.meanings)}: write out which is meant)")


def _print_hits(hits: Sequence[Hit]) -> None:
    if not hits:
        print_note("nothing found that you may read, or nothing of the kind you asked for")
    for hit in hits:
        console.print(f"[bold]{hit.rank}.[/] {escape(_where(hit))}  [dim]{hit.score:.3f}[/]")
        text = " ".join(hit.passage.chunk.shown_text.split())
        console.print(f"   {escape(text[:SNIPPET_CHARACTERS])}{'…' if len(text) > SNIPPET_CHARACTERS else ''}")


def _print_citations(answer: Answer, to: Console) -> None:
    for citation in answer.found or answer.citations:
        page = f", page {citation.page}" if citation.page else ""
        dated = f", of {citation.dated}" if answer.conflicting and citation.dated else ""
        to.print(f"[bold]\\[{citation.number}][/] {escape(citation.title)}{page}{dated}  {escape(citation.uri)}")
        to.print(f"    “{escape(' '.join(citation.quote.split()))}”", style="italic")
    sure = "" if answer.confidence is None else f", confidence {answer.confidence:.2f}"
    messages.print(f"{answer.timings.total_seconds:.1f} s{sure}", style="dim")
