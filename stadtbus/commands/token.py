"""The command `token`: the password of a portal, and the entry of the settings that knows its hash."""

from __future__ import annotations

import hashlib
import secrets
from typing import Annotated

import typer

from stadtbus.commands.terminal import AsJson, print_json, to_people


def token(
    portal: Annotated[str, typer.Argument(help="Id of the portal, for example portal-muenchen.")],
    authority: Annotated[str, typer.Option(help="Its key in DVDV, for example kop:09162000.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Draw a token for a portal: the token goes to the portal, the entry into the settings."""
    import yaml

    drawn = secrets.token_urlsafe(32)
    entry = {"name": portal, "authority": authority, "token_sha256": hashlib.sha256(drawn.encode()).hexdigest()}
    if as_json:
        print_json({"token": drawn, "portals": {portal: entry}})
        return
    to_people.print("Give this token to the portal; it is not stored anywhere:")
    print(drawn)  # noqa: T201 - for a pipe
    to_people.print("\nAdd this to the settings of the gateway:")
    to_people.print(yaml.safe_dump({"portals": {portal: entry}}, sort_keys=False), markup=False, highlight=False, soft_wrap=True)
