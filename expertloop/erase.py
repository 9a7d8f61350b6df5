"""`expertloop erase` and `erasures`: text leaves every store, and a certificate says what that reached."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from expertloop.output import print_json, print_note, print_table
from tasks.erasure_models import Certificate, Subject
from tasks.errors import ConfigurationError
from tasks.settings import Settings
from tasks.wiring import Application, application


def erase(
    name: Annotated[str, typer.Argument(metavar="NAME", help="a document's id, uri, file name or title; or a person")],
    *,
    author: Annotated[
        bool, typer.Option("--author", help="NAME is a person: their pairs, questions, verdicts")
    ] = False,
    confirm: Annotated[bool, typer.Option("--confirm", help="do it; without, only show what would go")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on one line")] = False,
) -> None:
    """Take a document's or a person's text out of every store, for ever; hashes stay, and a certificate.

    Example: expertloop erase handbook.md --confirm
    """
    wired = application(Settings())
    subject = wired.find_subject(name, author=author)
    if confirm:
        certificate = wired.erase(subject)
        _show(certificate, as_json=as_json)
        return
    plan = _plan(wired, subject)
    if as_json:
        print_json(plan)
        return
    print_table("would be erased", ("what", "count"), [(what, len(plan[what])) for what in _PLANNED])
    print_note("nothing was erased; add --confirm to do it, there is no way back")


_PLANNED = ("documents", "pairs", "datasets")


def _plan(wired: Application, subject: Subject) -> dict[str, Any]:
    return {
        "erased": False,
        "kind": subject.kind,
        "documents": list(subject.document_ids),
        "pairs": list(subject.pair_ids),
        "datasets": wired.find_datasets_with(subject),
    }


def erasures(
    certificate_id: Annotated[str | None, typer.Argument(metavar="ID", help="show this certificate")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a certificate, on one line")] = False,
) -> None:
    """List the certificates of what was erased, or show one.

    Example: expertloop erasures
    """
    wired = application(Settings())
    found = wired.erasures.list_certificates(wired.settings.tenant)
    if certificate_id is not None:
        _show(_choose(found, certificate_id), as_json=as_json)
        return
    if as_json:
        for one in found:
            print_json(_record(one))
        return
    rows = [
        (one.certificate_id, one.kind, f"{one.at:%Y-%m-%d %H:%M}", len(one.pairs), len(one.datasets)) for one in found
    ]
    print_table(f"{len(rows)} erasures", ("certificate", "of a", "at (UTC)", "pairs", "datasets"), rows)


def _choose(found: list[Certificate], name: str) -> Certificate:
    chosen = [one for one in found if name and one.certificate_id.startswith(name)]
    if len(chosen) != 1:
        raise ConfigurationError(
            f"{len(chosen) or 'no'} certificates have an id that begins with {name!r}",
            advice="see them with: expertloop erasures",
        )
    return chosen[0]


def _record(certificate: Certificate) -> dict[str, Any]:
    return {"erased": True, **certificate.model_dump(mode="json", exclude={"tenant"})}


def _show(certificate: Certificate, *, as_json: bool) -> None:
    if as_json:
        print_json(_record(certificate))
        return
    cleaned = [(one.store, one.what, one.count) for one in certificate.cleaned]
    print_table(f"certificate {certificate.certificate_id}, {certificate.at:%Y-%m-%d %H:%M} UTC", _CLEANED, cleaned)
    marked = [("dataset", one) for one in certificate.datasets] + [("adapter", one) for one in certificate.adapters]
    if marked:
        print_table("marked: not to be used any more", ("what", "id"), marked)
    rest = [(one.where, one.how) for one in certificate.not_covered]
    print_table("not covered: do these yourself", ("where", "how"), rest)


_CLEANED = ("store", "what", "count")
