"""The commands `office pause`, `resume` and `release`."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from schemas import problems
from schemas.errors import UsageError
from stadtbus.commands import office_views as views
from stadtbus.commands.operators import Actor, Go, OfficeArgument, offices_named, recorded_name
from stadtbus.commands.terminal import FINDINGS, AsJson, console, load_quietly, print_json

if TYPE_CHECKING:
    from schemas.operations import Operation

office_app = typer.Typer(no_args_is_help=True, help="Pause an office and resume it; release what it holds because all of it is refused.")

Reason = Annotated[str, typer.Option(help="Why, 3 to 200 characters without personal data, for example a ticket number.")]


@office_app.command("pause")
def pause(
    office: OfficeArgument,
    *,
    reason: Reason,
    until: Annotated[
        str | None, typer.Option(help="When it ends by itself: 18:00, 2026-12-01 06:00, 4 h. Without it, `office resume` ends it.")
    ] = None,
    go: Go = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Let an office deliver nothing for a while, without stopping anything: what is in flight ends, nothing new begins, accepting goes on."""
    from schemas.operations import OperatorAction
    from stadtbus.commands.until import moment

    now = datetime.now(UTC)
    ends_at = None if until is None else moment(until, now)
    _order(_operation(OperatorAction.PAUSE, office, reason, actor, now, ends_at), go=go, as_json=as_json)


@office_app.command("resume")
def resume(office: OfficeArgument, *, reason: Reason, go: Go = False, actor: Actor = None, as_json: AsJson = False) -> None:
    """End the pause of an office, or the maintenance window that it is in. Exit code 1 when there is one to end."""
    from schemas.operations import OperatorAction

    _order(_operation(OperatorAction.RESUME, office, reason, actor, datetime.now(UTC)), go=go, as_json=as_json)


def _operation(action: str, office: str, reason: str, actor: str | None, at: datetime, until: datetime | None = None) -> Operation:
    """Raises:
    UsageError: reason-missing, actor-unknown.
    """
    from schemas.operations import Operation, OperatorAction

    _check_reason(reason)
    return Operation(at=at, actor=recorded_name(actor), action=OperatorAction(action), office=office, reason=reason, until=until)


def _order(operation: Operation, *, go: bool, as_json: bool) -> None:
    """Show how the office stands; with `go`, write the operation down and say who has obeyed."""
    from consumers.desk import pauses
    from schemas.operations import OperatorAction

    loaded = load_quietly()
    offices_named(loaded, operation.office)
    before = asyncio.run(pauses.look(loaded.kafka, operation.office, loaded.load_catalogue().expected()[operation.office]))
    resumes = operation.action is OperatorAction.RESUME
    obeyed = asyncio.run(pauses.give(loaded.kafka, operation, before)) if go else None
    if as_json:
        print_json(views.as_dict(operation, before, obeyed))
    else:
        console.print(views.pause_view(operation, before, obeyed))
    if (obeyed is not None and not all(obeyed.values())) or (resumes and not go and before.pause is not None):
        raise typer.Exit(FINDINGS)


@office_app.command("release")
def release(
    office: OfficeArgument,
    *,
    reason: Reason,
    portal: Annotated[str | None, typer.Option(help="Only what is held of this portal.", show_default=False)] = None,
    cause: Annotated[
        str | None, typer.Option(help="Only what is held for this cause, as `deadletters list` shows it.", show_default=False)
    ] = None,
    go: Go = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Open at once, without a restart, what an office holds; exit code 1 when there is something to open."""
    from consumers.desk import releases

    _check_reason(reason)
    loaded = load_quietly()
    offices_named(loaded, office)
    name = recorded_name(actor)
    found = asyncio.run(releases.held(loaded.kafka, office, portal, cause))
    if go:  # also where no heartbeat tells of it yet: a process says every few seconds what it holds
        asyncio.run(releases.release(loaded.kafka, name, office, portal, cause, reason))
    if as_json:
        print_json({"office": office, "go": go, "held": [views.held_dict(one) for one in found]})
    else:
        console.print(views.held_view(office, found, go=go))
    if found and not go:
        raise typer.Exit(FINDINGS)


def _check_reason(reason: str) -> None:
    from schemas.operations import REASON_PATTERN

    if not re.fullmatch(REASON_PATTERN, reason):
        raise UsageError(problems.REASON, "3 to 200 characters, for example a ticket number", where="--reason")
