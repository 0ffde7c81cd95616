"""The command `token`: the password of a portal, and the page that knows its hash."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from stadtbus.commands.operators import recorded_name
from stadtbus.commands.terminal import AsJson, print_json, to_people


def token(
    portal: Annotated[str, typer.Argument(help="Id of the portal, for example portal-muenchen.")],
    authority: Annotated[str, typer.Option(help="Its key in DVDV, for example kop:09162000.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Draw a token for a portal: the token goes to the portal, the entry into its page."""
    import yaml

    from producers.portals import tokens

    drawn = tokens.draw(recorded_name(None), tokens.today() + timedelta(days=400))
    page = {"name": portal, "authority": authority, "rights": [], "tokens": [drawn.entry.model_dump(mode="json")]}
    if as_json:
        print_json({"token": drawn.token, "page": page})
        return
    to_people.print("Give this token to the portal; it is not stored anywhere:")
    print(drawn.token)  # noqa: T201 - for a pipe
    to_people.print(f"\nAdd this to the page of the portal, {portal}.yaml in the folder gateway.portals:")
    to_people.print(yaml.safe_dump(page, sort_keys=False), markup=False, highlight=False, soft_wrap=True)
