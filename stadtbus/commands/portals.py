"""The commands `portals list|show|token|end`: who may send what, and the tokens of portals."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from schemas import problems
from schemas.errors import UsageError
from stadtbus.commands.operators import Actor, recorded_name
from stadtbus.commands.terminal import FINDINGS, AsJson, console, load_quietly, print_json, to_people

if TYPE_CHECKING:
    from producers.portals.pages import PortalPage

LASTS_DAYS: Final = 400
_SHOWN: Final = 12

portals_app = typer.Typer(no_args_is_help=True, help="Portals: their rights and tokens (docs/portals.md).")
PortalArgument = Annotated[str, typer.Argument(help="Id of the portal, for example portal-muenchen.")]


@portals_app.command("list")
def portals_list(*, as_json: AsJson = False) -> None:
    """All portals, with the days left to their last tokens; exit code 1 where a page cannot be used."""
    from producers.portals import pages
    from stadtbus.commands import portals_views

    try:
        found = pages.read(_folder())
    except OSError as error:
        raise UsageError(problems.PORTALS, f"the folder cannot be read: {error.strerror}", where="gateway.portals") from None
    rows = [portals_views.row(page) for page in found.pages.values()]
    if as_json:
        print_json({"portals": rows, "flaws": [flaw.as_dict() for flaw in found.flaws]})
    else:
        console.print(portals_views.table(rows))
    for flaw in found.flaws:
        to_people.print(f"{flaw.spot}: {flaw.detail}; {flaw.hint}", markup=False, highlight=False, soft_wrap=True)
    if found.flaws:
        raise typer.Exit(FINDINGS)


@portals_app.command("show")
def portals_show(portal: PortalArgument, *, as_json: AsJson = False) -> None:
    """What one portal may do, and its tokens."""
    from stadtbus.commands import portals_views

    page = _page(portal)
    if as_json:
        print_json({"portal": page.id, **page.settings.model_dump(mode="json")})
    else:
        console.print(portals_views.details(page))


@portals_app.command("token")
def portals_token(
    portal: PortalArgument,
    valid_to: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help=f"The last day on which it is taken; without it, {LASTS_DAYS} days from today."),
    ] = None,
    actor: Actor = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Draw a token: it is printed once, and its hash is written into the page. A portal has two at most, so that it can change over."""
    from producers.portals import editing, tokens
    from producers.settings import MAX_TOKENS

    page, by, today = _page(portal), recorded_name(actor), tokens.today()
    last_day = today + timedelta(days=LASTS_DAYS) if valid_to is None else valid_to.date()
    _require_room(page, MAX_TOKENS, last_day, today)
    drawn = tokens.draw(by, last_day)
    editing.add_token(page, drawn.entry)
    if as_json:
        print_json({"portal": page.id, "token": drawn.token, **drawn.entry.model_dump(mode="json")})
        return
    to_people.print(f"Give this token to {page.id}; it is not stored anywhere. It is good from now to {last_day}:", highlight=False)
    print(drawn.token)  # noqa: T201 - for a pipe
    for other in page.settings.tokens:
        to_people.print(f"When it is in use: `stadtbus portals end {page.id} {other.sha256[:_SHOWN]}`", highlight=False, soft_wrap=True)


@portals_app.command("end")
def portals_end(
    portal: PortalArgument,
    token: Annotated[str, typer.Argument(help="The first digits of its hash, as `portals show` has them; 8 at least.")],
) -> None:
    """End a token at once: its entry is taken out of the page."""
    from producers.portals import editing

    page = _page(portal)
    found = [number for number, one in enumerate(page.settings.tokens) if len(token) >= 8 and one.sha256.startswith(token)]  # noqa: PLR2004
    if len(found) != 1:
        known = ", ".join(one.sha256[:_SHOWN] for one in page.settings.tokens) or "none"
        raise UsageError(problems.TOKEN_WISH, f"this is no token of {portal}; there are: {known}", where=str(page.path))
    editing.remove_token(page, found[0])
    to_people.print(f"{portal} cannot call with it any more.", highlight=False)


def refuse_token() -> None:
    """Is called `stadtbus portals token PORTAL` now."""
    raise UsageError(
        problems.TOKEN_WISH, "this command is called `stadtbus portals token PORTAL` now; it writes into the page of the portal"
    )


def _require_room(page: PortalPage, most: int, last_day: date, today: date) -> None:
    if last_day < today:
        raise UsageError(problems.TOKEN_WISH, f"{last_day} is over; name a day from today on", where="--valid-to")
    if len(page.settings.tokens) >= most:
        first = min(page.settings.tokens, key=lambda one: (one.valid_to, one.drawn_on))
        told = f"{page.id} has {most} tokens already; end one first, such as that of {first.drawn_on} by {first.drawn_by}"
        raise UsageError(
            problems.TOKEN_WISH, f"{told}: `stadtbus portals end {page.id} {first.sha256[:_SHOWN]}`", where=str(page.at("tokens"))
        )


def _folder() -> Path:
    """The folder of the pages.

    Raises:
        UsageError: settings-invalid.
    """
    folder = load_quietly().gateway.portals
    if folder is None:
        raise UsageError(problems.SETTINGS, "name the folder with the pages of the portals (docs/portals.md)", where="gateway.portals")
    return folder


def _page(portal: str) -> PortalPage:
    """The page of one portal.

    Raises:
        UsageError: settings-invalid, portals-invalid.
    """
    from producers.portals import pages

    path = _folder() / f"{Path(portal).name}{pages.SUFFIX}"
    if not path.is_file():
        raise UsageError(problems.PORTAL_UNKNOWN, f"there is no page of {portal}", where=str(path))
    page = pages.read_page(path)
    if isinstance(page, list):
        raise UsageError(problems.PORTALS, page[0].detail, where=str(page[0].spot))
    return page
