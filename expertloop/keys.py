"""`expertloop keys add | list | revoke`: who may ask the server, as what."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import ValidationError

from expertloop.output import console, escape, print_json, print_note, print_table
from tasks.access_models import ApiKey, Role
from tasks.errors import ConfigurationError
from tasks.keys import make_key
from tasks.settings import Settings
from tasks.wiring import application

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

JsonOption = Annotated[bool, typer.Option("--json", help="one JSON object a key, on one line")]


@app.callback()
def keys() -> None:
    """Give, list and take away the keys that the server asks for.

    Example: expertloop keys add --principal anna --group service
    """


@app.command("add")
def add(
    *,
    principal: Annotated[str, typer.Option("--principal", help="who asks with it: one user or one program")],
    group: Annotated[list[str] | None, typer.Option("--group", help="a group it reads as; repeat for several")] = None,
    role: Annotated[Role, typer.Option("--role", help="what it may do beyond asking")] = Role.READER,
    as_json: JsonOption = False,
) -> None:
    """Make a key and show it, once: only its hash is kept.

    Example: expertloop keys add --principal anna --group service --role reader
    """
    groups = tuple(dict.fromkeys(group or ()))
    _check_groups(groups)
    wired = application(Settings())
    try:
        text, stored = make_key(
            tenant=wired.settings.tenant,
            principal=principal,
            groups=groups,
            role=role,
            created_at=datetime.now(UTC),
        )
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"no key was made: {reason}", advice="give the user or group another name") from error
    wired.keys.add_key(stored)
    if as_json:
        print_json({"key": text, **_record(stored.key)})
        return
    console.print(escape(text))
    print_note(f"keep it now, it cannot be shown again; take it away with: expertloop keys revoke {stored.key.key_id}")


@app.command("list")
def list_(*, as_json: JsonOption = False) -> None:
    """Show every key with its principal, groups and role; never its secret.

    Example: expertloop keys list
    """
    wired = application(Settings())
    found = wired.keys.list_keys(wired.settings.tenant)
    if as_json:
        for key in found:
            print_json(_record(key))
        return
    rows = [
        (
            key.key_id,
            key.principal,
            " ".join(key.groups),
            key.role,
            f"{key.created_at:%Y-%m-%d %H:%M}",
            f"revoked {key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "valid",
        )
        for key in found
    ]
    print_table(f"{len(rows)} keys", ("key_id", "principal", "groups", "role", "created (UTC)", "state"), rows)


@app.command("revoke")
def revoke(
    key_id: Annotated[str | None, typer.Argument(metavar="KEY_ID", help="as `keys list` shows it")] = None,
    *,
    principal: Annotated[str | None, typer.Option("--principal", help="every key of a user who left")] = None,
    as_json: JsonOption = False,
) -> None:
    """Take a key away, from the next request on.

    Example: expertloop keys revoke 3f9a0c1b2d4e5f60
    """
    if (key_id is None) == (principal is None):
        raise typer.BadParameter("give one KEY_ID, or --principal NAME")
    wired = application(Settings())
    revoked = wired.keys.revoke_keys(wired.settings.tenant, key_id=key_id, principal=principal)
    if not revoked:
        raise ConfigurationError(
            f"there is no valid key of {principal if key_id is None else key_id!r}",
            advice="see them with: expertloop keys list",
        )
    for key in revoked:
        if as_json:
            print_json(_record(key))
        else:
            print_note(f"revoked {key.key_id} of {key.principal}")


def _check_groups(groups: Sequence[str]) -> None:
    """Refuse what was meant as several groups; a directory's names, such as CN=service,DC=acme, hold commas, too."""
    for group in groups:
        if "," in group and "=" not in group:
            meant = " ".join(f"--group {shlex.quote(part.strip())}" for part in group.split(",") if part.strip())
            raise ConfigurationError(
                f"no key was made: {group!r} would be one group", advice=f"repeat the option: {meant}"
            )


def _record(key: ApiKey) -> dict[str, object]:
    return key.model_dump(mode="json", exclude={"tenant"})
