"""Tries to read through the server what a key may not read.

    python bench/access.py [--tries 5000] [--documents 60] [--keys 24] [--askers 16] [--seed 1]

Every document holds a random word of its own and is readable by one or two of six groups, by one user, or by everyone.
Random keys ask random questions about random documents over HTTP: answers, streams, searches, OpenAI's protocol, pages
of documents by their right ids. A leak is any response that holds a word, an id or an address of a document that the
key may not read. So that silence means something, the readable ones must be found.

Afterwards keys are revoked and readers withdrawn, one after the other, and the very next request is looked at.
"""

from __future__ import annotations

import argparse
import collections
import json
import platform
import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cpuinfo
import httpx

from tests.e2e.command import CommandLine, prefect_server
from tests.e2e.serving import add_key, serving

GROUPS = ("hr", "service", "sales", "board", "quality", "it")
ROUTES = ("answers", "stream", "searches", "chat", "document")
REVOCATIONS = 10


@dataclass
class Document:
    """A file, its secret word, and who may read it."""

    name: str
    word: str
    readers: tuple[str, ...]
    document_id: str = ""

    @property
    def text(self) -> str:
        """What stands in it."""
        return f"The access code of room {self.name} is {self.word}."

    def is_shown_in(self, response: str) -> bool:
        """Whether anything of it is in a response."""
        return self.word in response or self.document_id in response or f"/{self.name}.txt" in response


@dataclass
class Asker:
    """A key and what it reads as."""

    key: str
    principals: frozenset[str]

    def may_read(self, document: Document) -> bool:
        """Whether one of its principals is among the readers."""
        return not self.principals.isdisjoint(document.readers)


@dataclass
class Tally:
    """What the tries came to."""

    by_route: collections.Counter[str] = field(default_factory=collections.Counter)
    statuses: collections.Counter[int] = field(default_factory=collections.Counter)
    allowed: int = 0
    found: int = 0
    leaks: list[str] = field(default_factory=list)


def write_documents(folder: Path, documents: Sequence[Document]) -> None:
    """The files, and the sources.yaml that says who reads them."""
    (folder / "rooms").mkdir(exist_ok=True)
    for document in documents:
        (folder / "rooms" / f"{document.name}.txt").write_text(document.text)
    readers = {f"{document.name}.txt": list(document.readers) for document in documents}
    source = {"name": "rooms", "url": "rooms", "groups_by_glob": readers}
    (folder / "sources.yaml").write_text(json.dumps({"sources": [source]}))


def make_documents(count: int, dice: random.Random) -> list[Document]:
    """Documents with random words and readers."""
    choices: list[tuple[str, ...]] = [("everyone",), ("user0",), *((group,) for group in GROUPS)]
    return [
        Document(
            name=f"r{number:03d}x{dice.randrange(16**6):06x}",
            word=f"kw{dice.randrange(16**12):012x}",
            readers=dice.choice([*choices, tuple(dice.sample(GROUPS, 2))]),
        )
        for number in range(count)
    ]


def ask(client: httpx.Client, asker: Asker, route: str, wanted: Document, others: Sequence[Document]) -> httpx.Response:
    """One try by one route."""
    headers = {"Authorization": f"Bearer {asker.key}"}
    question = f"What is the access code of room {wanted.name}?"
    if route == "document":
        return client.get(f"/v1/documents/{wanted.document_id}?start=0&end=10", headers=headers)
    if route == "chat":
        history = [{"role": "user", "content": f"And room {one.name}?"} for one in others]
        body = {"model": "expertloop", "messages": [*history, {"role": "user", "content": question}]}
        return client.post("/v1/chat/completions", json=body, headers=headers)
    if route == "searches":
        return client.post("/v1/searches", json={"question": question, "k": 20}, headers=headers)
    accept = "text/event-stream" if route == "stream" else "application/json"
    return client.post("/v1/answers", json={"question": question}, headers={**headers, "Accept": accept})


def look(tally: Tally, asker: Asker, route: str, wanted: Document, documents: Sequence[Document], shown: str) -> None:
    """Count one try. The question, and with it the wanted room's name, is echoed; its word and id are not."""
    tally.by_route[route] += 1
    shown = shown.replace(f"room {wanted.name}?", "")
    if asker.may_read(wanted):
        tally.allowed += 1
        tally.found += wanted.word in shown
    tally.leaks += [
        f"{route}: {sorted(asker.principals)} saw {document.name} of {document.readers}"
        for document in documents
        if document.is_shown_in(shown) and not asker.may_read(document)
    ]


def try_randomly(
    address: str, askers: Sequence[Asker], documents: Sequence[Document], *, tries: int, threads: int, seed: int
) -> Tally:
    """Random keys ask random questions, many at once."""
    dice, tally = random.Random(seed), Tally()
    plan = [
        (dice.choice(askers), dice.choice(ROUTES), dice.choice(documents), dice.sample(documents, 2))
        for _ in range(tries)
    ]
    limits = httpx.Limits(max_connections=threads)
    with httpx.Client(base_url=address, timeout=120, limits=limits) as client, ThreadPoolExecutor(threads) as pool:
        responses = pool.map(lambda one: ask(client, *one), plan)
        for (asker, route, wanted, _), response in zip(plan, responses, strict=True):
            tally.statuses[response.status_code] += 1
            look(tally, asker, route, wanted, documents, response.text)
    return tally


def revoke_keys(shell: CommandLine, address: str, documents: Sequence[Document]) -> Iterator[tuple[int, int]]:
    """(status before, status after) of keys that were revoked between two requests."""
    for number in range(REVOCATIONS):
        asker = Asker(add_key(shell, f"leaver{number}", *GROUPS), frozenset({"everyone", *GROUPS}))
        with httpx.Client(base_url=address, timeout=120) as client:
            before = ask(client, asker, "answers", documents[0], []).status_code
            shell.run("keys", "revoke", asker.key.split("_")[1])
            yield before, ask(client, asker, "answers", documents[0], []).status_code


def withdraw_readers(shell: CommandLine, address: str, documents: list[Document]) -> Iterator[tuple[bool, bool]]:
    """(seen before, seen after) of documents whose readers were replaced between two requests."""
    hidden = [document for document in documents if document.readers == ("hr",)]
    asker = Asker(add_key(shell, "witness", "hr"), frozenset({"everyone", "hr"}))
    for document in hidden[:REVOCATIONS]:
        with httpx.Client(base_url=address, timeout=120) as client:
            before = document.word in ask(client, asker, "answers", document, []).text
            document.readers = ("board",)
            write_documents(shell.folder, documents)
            done = shell.run("ingest", "--json")
            assert done.code == 0, done.errors
            after = [ask(client, asker, route, document, []).text for route in ROUTES]
            yield before, any(document.word in text or document.document_id in text for text in after)


def measure(shell: CommandLine, options: argparse.Namespace) -> bool:
    """Everything; whether nothing leaked and what is allowed was found."""
    dice = random.Random(options.seed)
    documents = make_documents(options.documents, dice)
    write_documents(shell.folder, documents)
    done = shell.run("ingest", "--json")
    assert done.code == 0, done.errors
    ids = {Path(line["uri"]).stem: line["document_id"] for line in shell.run("documents", "--json").records}
    for document in documents:
        document.document_id = ids[document.name]
    askers = []
    for number in range(options.keys):
        groups = dice.sample(GROUPS, number % 4)
        askers.append(
            Asker(add_key(shell, f"user{number}", *groups), frozenset({"everyone", f"user{number}", *groups}))
        )
    with serving(shell) as server:
        started = time.monotonic()
        tally = try_randomly(
            server.address, askers, documents, tries=options.tries, threads=options.askers, seed=options.seed
        )
        seconds = time.monotonic() - started
        revoked = list(revoke_keys(shell, server.address, documents))
        withdrawn = list(withdraw_readers(shell, server.address, documents))
    print_result(tally, seconds, revoked, withdrawn)
    right = tally.found > 0.9 * tally.allowed and set(tally.statuses) == {200, 404}
    return not tally.leaks and right and set(revoked) == {(200, 401)} and set(withdrawn) == {(True, False)}


def print_result(
    tally: Tally, seconds: float, revoked: Sequence[tuple[int, int]], withdrawn: Sequence[tuple[bool, bool]]
) -> None:
    """A line a figure."""
    for leak in tally.leaks[:20]:
        print(f"LEAK {leak}")
    tries = sum(tally.by_route.values())
    print(f"{tries} tries in {seconds:.0f} s: {format_counts(tally.by_route)}")
    print(f"statuses: {format_counts(tally.statuses)}")
    print(f"leaks: {len(tally.leaks)}")
    print(f"allowed: {tally.allowed}, of which found: {tally.found}")
    print(f"keys revoked: {len(revoked)}, refused at the next request: {sum(after == 401 for _, after in revoked)}")
    print(
        f"readers withdrawn: {len(withdrawn)}, unseen at the next request: {sum(not after for _, after in withdrawn)}"
    )


def format_counts(counts: Mapping[str, int] | Mapping[int, int]) -> str:
    """ "200: 7, 404: 3"."""
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))


def main() -> None:
    """Try, print, exit with 1 when something leaked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("tries", 5000), ("documents", 60), ("keys", 24), ("askers", 16), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    print(f"processor: {cpuinfo.get_cpu_info().get('brand_raw', platform.processor())}")
    with tempfile.TemporaryDirectory() as name, prefect_server(Path(name)) as url:
        shell = CommandLine(Path(name)).set(PREFECT_API_URL=url, EXPERTLOOP_RATE_PER_MINUTE="0")
        raise SystemExit(0 if measure(shell, options) else 1)


if __name__ == "__main__":
    main()
