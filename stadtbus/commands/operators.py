"""What the operators' commands share: for which offices, who acts, and that nothing is changed without `--go`."""

from __future__ import annotations

import getpass
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from schemas import problems
from schemas.errors import UsageError

if TYPE_CHECKING:
    from consumers.desk.desk import Desk
    from stadtbus.settings import Settings

OfficeArgument = Annotated[str, typer.Argument(help="For example muenchen.meldewesen.")]
City = Annotated[str | None, typer.Option(help="The offices of one city.", show_default=False)]
Actor = Annotated[str | None, typer.Option(help="Who you are; without it, your login name.", show_default=False)]
Since = Annotated[
    str | None,
    typer.Option(help="From then on: a day or time such as 2026-11-28 or 2026-11-28T14:30, or 90min, 6h, 3d ago.", show_default=False),
]
Until = Annotated[str | None, typer.Option(help="Before then, written likewise.", show_default=False)]
WANTED_HELP: Final = (
    "Id of a submission or the first digits of it, hotline code (hyphen and case do not matter, one mistake is forgiven), id of a case, or the "
    "number that the back office gave."
)
Go = Annotated[bool, typer.Option("--go", help="Do it; without it the command only says what it would do.")]


def open_desk(loaded: Settings, actor: str | None) -> Desk:
    """The desk of whoever acts.

    Raises:
        UsageError: actor-unknown.
    """
    from consumers.desk.desk import Desk

    return Desk(loaded.kafka, loaded.stores, recorded_name(actor))


def recorded_name(actor: str | None) -> str:
    """Who acts, as `stadtbus.operations` records it: the name of the option, else that of the login.

    Raises:
        UsageError: actor-unknown.
    """
    from schemas.operations import ACTOR_PATTERN

    name = _login() if actor is None else actor
    if not re.fullmatch(ACTOR_PATTERN, name):
        raise UsageError(problems.ACTOR, "this is no name that can be recorded", where="--actor")
    return name


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may have no users
        return ""


def offices_named(loaded: Settings, office: str | None, city: str | None = None) -> list[str]:
    """The offices of the catalogue that are meant; None leaves open which.

    Raises:
        UsageError: office-unknown where there is none.
    """
    known = loaded.load_catalogue().offices
    found = [one for one in known if office in (None, one) and city in (None, one.partition(".")[0])]
    if not found:
        raise UsageError(problems.OFFICE_UNKNOWN, f"'{office or city}' is not in the catalogue; known: {', '.join(known)}")
    return found


_AGO: Final = re.compile(r"([1-9][0-9]{0,4}) ?(min|h|d)")
_UNIT: Final = {"min": "minutes", "h": "hours", "d": "days"}


def instant_of(text: str | None, where: str) -> datetime | None:
    """The time that somebody gives: a day or time by the clock of this machine, or how long ago; None where none is given.

    Raises:
        UsageError: time-unclear, naming the option.
    """
    if text is None:
        return None
    if ago := _AGO.fullmatch(text.strip()):
        return datetime.now(UTC) - timedelta(**{_UNIT[ago[2]]: int(ago[1])})
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(problems.TIME_UNCLEAR, where=where) from None


def say_misheard(wanted: str, count: int) -> None:
    """Tell that what was found is not what was given."""
    from stadtbus.commands.terminal import to_people

    meant = "the one above is" if count == 1 else f"the {count} above are"
    to_people.print(
        f"Nobody knows {wanted.strip()}; {meant} one letter away. Ask for office and day before you tell anything.",
        markup=False,
        soft_wrap=True,
    )
