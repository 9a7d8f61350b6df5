"""`expertloop adapters`, `champion`, `promote`, `rollback`, `lineage`: who serves, and what is in the weights."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from expertloop.output import print_json, print_note, print_table
from tasks.errors import ConfigurationError
from tasks.models import EVERYONE
from tasks.settings import Settings
from tasks.training_models import Adapter
from tasks.wiring import Application, application

JsonOption = Annotated[bool, typer.Option("--json", help="JSON objects, one a line")]
ScopeOption = Annotated[str, typer.Option("--scope", help="whose champion: everyone, or one group")]


def adapters(*, as_json: JsonOption = False) -> None:
    """List every adapter that was trained and registered, the newest first.

    Example: expertloop adapters
    """
    app = application(Settings())
    found = app.adapters.list_adapters(app.settings.tenant)
    marks = app.tell_marks()
    if as_json:
        for one in found:
            print_json(_record(app, one) | {"mark": marks.get(one.dataset_id)})
        return
    rows = [
        (
            one.adapter_id,
            _tell_state(app, one, marks),
            one.decision.decision if one.decision else "-",
            one.scope,
            one.base_model,
            f"{one.created_at:%Y-%m-%d %H:%M}",
        )
        for one in found
    ]
    print_table(f"{len(rows)} adapters", ("adapter", "state", "gate", "scope", "base model", "made (UTC)"), rows)


def champion(*, scope: ScopeOption = EVERYONE, as_json: JsonOption = False) -> None:
    """Show who serves, and who served before.

    Example: expertloop champion
    """
    app = application(Settings())
    tenant = app.settings.tenant
    serving = app.champions.read_champion(tenant, scope)
    mark = app.tell_marks().get(app.adapters.find_adapter(tenant, serving).dataset_id) if serving else None
    changes = app.champions.list_changes(app.settings.tenant, scope)
    if as_json:
        history = [one.model_dump(mode="json", exclude={"tenant", "scope"}) for one in changes]
        print_json({"scope": scope, "adapter_id": serving, "mark": mark, "history": history})
        return
    print_note(f"serving {scope}: {serving or 'the base model alone'}")
    if mark:
        print_note(f"marked: {mark}; expertloop rollback lets the one before serve")
    rows = [(f"{c.at:%Y-%m-%d %H:%M}", c.action, c.adapter_id or "base model", c.author, c.reason) for c in changes]
    print_table(f"{len(rows)} moves", ("when (UTC)", "what", "adapter", "who", "why"), rows)


def promote(
    adapter: Annotated[str, typer.Argument(metavar="ADAPTER", help="id, or its beginning")],
    *,
    override: Annotated[str, typer.Option(metavar="REASON", help="although the gate did not say so; is kept")] = "",
    as_json: JsonOption = False,
) -> None:
    """Make an adapter the champion; servers notice with their next answer.

    Example: expertloop promote 3f2a
    """
    app = application(Settings())
    change = app.promote_adapter(adapter, author=getpass.getuser(), override=override)
    found = app.adapters.find_adapter(app.settings.tenant, adapter)
    if as_json:
        print_json({"adapter_id": found.adapter_id, "scope": found.scope, "changed": change is not None})
    else:
        said = "is the champion now" if change else "was the champion already"
        print_note(f"{found.adapter_id} {said} (for {found.scope})")


def rollback(
    *,
    scope: ScopeOption = EVERYONE,
    reason: Annotated[str, typer.Option(help="is kept in the history")] = "",
    as_json: JsonOption = False,
) -> None:
    """Let the champion before this one serve again.

    Example: expertloop rollback --reason "wrong prices"
    """
    app = application(Settings())
    change = app.roll_back(scope, author=getpass.getuser(), reason=reason)
    if as_json:
        print_json({"adapter_id": change.adapter_id, "scope": scope})
    else:
        print_note(f"serving {scope}: {change.adapter_id or 'the base model alone'}")


def lineage(
    name: Annotated[str, typer.Argument(metavar="ADAPTER|DOCUMENT|PAIR", help="an id, or how a document is called")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show which documents and pairs are in an adapter's weights, or which adapters hold a document or pair.

    Example: expertloop lineage price-list.pdf
    """
    app = application(Settings())
    found = _trace(app, name)
    if as_json:
        print_json(found)
        return
    titles = {one.document_id: one.title for one in app.catalogue.list_documents(app.settings.tenant)}
    rows: list[tuple[str, str]] = [("document", f"{titles.get(one, 'gone')} ({one})") for one in found["documents"]]
    rows += [(kind, one) for kind in ("pair", "dataset", "adapter") for one in found[f"{kind}s"]]
    print_table(f"lineage of {found['kind']} {found['id']}", ("what", "which"), rows)


def _trace(app: Application, name: str) -> dict[str, Any]:
    """What the name is, and everything it is connected with.

    Raises:
        ConfigurationError: It is nothing known, or several things.
    """
    tenant = app.settings.tenant
    documents = app.open_desk().ports.cited.find_documents(tenant, name) or _find_former(app, name)
    made = [one for one in app.adapters.list_adapters(tenant) if name and one.adapter_id.startswith(name)]
    if len(documents) + len(made) > 1:
        raise ConfigurationError(f"{name!r} is the name of several things", advice="give the whole id")
    if made:
        return _describe("adapter", made[0].adapter_id, app.lineage.trace_adapter(made[0]).model_dump(mode="json"))
    if documents:
        return _describe("document", documents[0], app.lineage.trace_document(documents[0]).model_dump(mode="json"))
    try:
        pair = app.pairs.find_pair(tenant, name)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"no adapter, document or pair is called {name!r}",
            advice="give an id, as `expertloop adapters`, `documents --json` and `curate list` show it",
        ) from error
    return _describe("pair", pair.pair_id, app.lineage.trace_pairs([pair.pair_id]).model_dump(mode="json"))


def _find_former(app: Application, name: str) -> list[str]:
    """A document that left its source: what was learnt from it is in the weights all the same."""
    try:
        return [app.erasures.find_document(app.settings.tenant, name).documents[0].document_id] if name else []
    except ConfigurationError:
        return []


def _tell_state(app: Application, adapter: Adapter, marks: Mapping[str, str]) -> str:
    if not _is_champion(app, adapter):
        return adapter.state.value
    return "champion, marked" if adapter.dataset_id in marks else "champion"


def _describe(kind: str, found: str, lineage: dict[str, Any]) -> dict[str, Any]:
    return {"kind": kind, "id": found} | lineage


def _is_champion(app: Application, adapter: Adapter) -> bool:
    return app.champions.read_champion(adapter.tenant, adapter.scope) == adapter.adapter_id


def _record(app: Application, adapter: Adapter) -> dict[str, Any]:
    return adapter.model_dump(mode="json", exclude={"tenant"}) | {"champion": _is_champion(app, adapter)}
