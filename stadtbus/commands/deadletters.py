"""The commands `deadletters list|show|replay|discard|settle`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from schemas import problems
from schemas.errors import CannotTell, UsageError
from stadtbus.commands.operators import Actor, City, Go, OfficeArgument, offices_named, open_desk
from stadtbus.commands.terminal import FINDINGS, AsJson, console, load_quietly, print_json, progress_bar

if TYPE_CHECKING:
    from consumers.desk.deadletters import DeadLetters
    from consumers.desk.desk import Desk
    from consumers.desk.plan import Plan, Selection
    from consumers.desk.rollout import RolloutLimits, Tally

deadletters_app = typer.Typer(no_args_is_help=True, help="What no back office took: look, try again, or end.")

Fingerprint = Annotated[str | None, typer.Option(help="Those with this cause, as `deadletters list` shows it.", show_default=False)]
OfCause = Annotated[str | None, typer.Option(help="Each one with this cause, with its submission, case and place.", show_default=False)]
OneSubmission = Annotated[str | None, typer.Option("--submission", help="The one of this submission.", show_default=False)]
Wait = Annotated[float, typer.Option(min=1, help="Seconds without any news after which it ends.")]

_DISCARD_REASON: Final = "3 to 80 of A-Z a-z 0-9 . _ : / + -, for example withdrawn-by-portal"
_REVEAL_REASON: Final = "--reveal needs --reason, 3 to 200 characters, for example a ticket number"


@deadletters_app.command("list")
def list_letters(
    office: Annotated[str | None, typer.Argument(help="One office; without it, all.", show_default=False)] = None,
    *,
    city: City = None,
    fingerprint: OfCause = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what was replayed or discarded.")] = False,
    as_json: AsJson = False,
) -> None:
    """Open dead letters by cause; of one office, or of one cause, also each of them, with its place. Exit code 1 when there are any."""
    from consumers.desk.causes import by_cause
    from stadtbus.commands import deadletters_views as show

    loaded = load_quietly()
    letters, now = _read(open_desk(loaded, None), offices_named(loaded, office, city)), datetime.now(UTC)
    groups = [group for group in by_cause(letters.values(), everything=everything) if fingerprint in (None, group.cause.fingerprint)]
    if fingerprint is not None and not groups:
        raise UsageError(problems.DEADLETTER_UNKNOWN, "none has this fingerprint", where="--fingerprint")
    if as_json:
        print_json([show.group_as_dict(group, now) for group in groups])
    elif fingerprint is not None:
        console.print(show.letters_view(groups[0], now))
    elif office is not None:
        console.print(show.office_view(groups, now, everything=everything))
    else:
        console.print(show.groups_view(groups, now, everything=everything))
    if any(group.open for group in groups):
        raise typer.Exit(FINDINGS)


@deadletters_app.command("show")
def show_letter(
    wanted: Annotated[str, typer.Argument(metavar="PLACE|SUBMISSION", help="topic/partition/offset, or the id of a submission.")],
    *,
    reveal: Annotated[bool, typer.Option("--reveal", help="Print the value too; it may hold personal data, and this is recorded.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why the value has to be seen; no personal data.", show_default=False)] = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """One dead letter: where from, why, how often. Its value only with --reveal and a reason."""
    from schemas.operations import REASON_PATTERN
    from stadtbus.commands import deadletters_views as show

    if reveal and not re.fullmatch(REASON_PATTERN, reason or ""):
        raise UsageError(problems.REASON, _REVEAL_REASON)
    loaded = load_quietly()
    desk = open_desk(loaded, actor)
    detail = asyncio.run(desk.show(_read(desk, offices_named(loaded, _office_of(wanted))), wanted))
    value = asyncio.run(desk.reveal(detail.letter, reason or "")) if reveal else None
    if as_json:
        print_json(show.letter_as_dict(detail) | ({"value": show.value_as_dict(value)} if reveal else {}))
        return
    console.print(show.letter_view(detail))
    if reveal:
        print(show.value_text(value))  # noqa: T201 - as it is, for a pipe


@deadletters_app.command("replay")
def replay(  # noqa: PLR0913 - an option each
    office: OfficeArgument,
    *,
    fingerprint: Fingerprint = None,
    submission: OneSubmission = None,
    everything: Annotated[bool, typer.Option("--all", help="All open ones.")] = False,
    go: Go = False,
    canary: Annotated[int, typer.Option(min=0, help="So many go first, each of another case, and have to come to something.")] = 5,
    rate: Annotated[float, typer.Option(min=0.1, max=10_000, help="Letters per second.")] = 50,
    stop_at: Annotated[float, typer.Option(min=0, max=100, help="Stop when more than so many percent have failed.")] = 20,
    wait: Wait = 60,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Have the adapter try dead letters again, with all later ones of their cases, in order.

    Exit code 0 when all were delivered, 1 when some failed or it stopped, 3 when the adapter took none up. Given again, it goes on where
    it stopped.
    """
    from consumers.desk.rollout import RolloutLimits

    selection = _selection(fingerprint, submission, everything=everything, or_all=", --all")
    desk, plan = _planned(office, selection, actor, tried=True)
    limits = RolloutLimits(canary, rate, stop_at, wait)
    _carry_out(desk, plan, lambda tell: desk.replay(plan, selection, limits, tell), "replay", go=go, wait_s=wait, as_json=as_json)


@deadletters_app.command("discard")
def discard(
    office: OfficeArgument,
    *,
    reason: Annotated[str, typer.Option(help=f"A code that the portal is shown, without personal data: {_DISCARD_REASON}.")],
    fingerprint: Fingerprint = None,
    submission: OneSubmission = None,
    go: Go = False,
    wait: Wait = 60,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """End submissions as rejected; the portal hears the reason. Later ones of their cases stay, and are tried again only by replay."""
    from schemas.operations import DISCARD_PATTERN

    if not re.fullmatch(DISCARD_PATTERN, reason):
        raise UsageError(problems.REASON, _DISCARD_REASON, where="--reason")
    selection = _selection(fingerprint, submission, everything=False, or_all="")
    desk, plan, limits = _ending(office, selection, actor, wait)
    _carry_out(desk, plan, lambda tell: desk.discard(plan, selection, reason, limits, tell), "discard", go=go, wait_s=wait, as_json=as_json)


@deadletters_app.command("settle")
def settle(
    office: OfficeArgument,
    *,
    submission: Annotated[str, typer.Option(help="Which one.")],
    reference: Annotated[str, typer.Option(help="The back office's own number for it; the portal is shown it.")],
    go: Go = False,
    wait: Wait = 60,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Note a submission as delivered that you have found in the back office; nothing is handed over, the portal hears of it."""
    from consumers.desk.plan import Selection
    from schemas.operations import REFERENCE_PATTERN

    if not re.fullmatch(REFERENCE_PATTERN, reference):
        raise UsageError(problems.REASON, "a reference has 1 to 80 printable characters", where="--reference")
    selection = Selection(None, submission)
    desk, plan, limits = _ending(office, selection, actor, wait)
    _carry_out(
        desk, plan, lambda tell: desk.settle(plan, selection, reference, limits, tell), "settle", go=go, wait_s=wait, as_json=as_json
    )


def _ending(office: str, selection: Selection, actor: str | None, wait_s: float) -> tuple[Desk, Plan, RolloutLimits]:
    """What discard and settle share. They go all at once, without a first few and without a stop, because nothing is delivered that could fail."""
    from consumers.desk.rollout import RolloutLimits

    desk, plan = _planned(office, selection, actor, tried=False)
    return desk, plan, RolloutLimits(canary=0, stop_at_percent=100, wait_s=wait_s)


def _planned(office: str, selection: Selection, actor: str | None, *, tried: bool) -> tuple[Desk, Plan]:
    """The desk of whoever acts, and what is to be tried again or ended at an office.

    Raises:
        UsageError: actor-unknown, office-unknown, dead-letter-unknown.
    """
    from consumers.desk.plan import plan_end, plan_replay

    loaded = load_quietly()
    desk = open_desk(loaded, actor)
    letters = _read(desk, offices_named(loaded, office))[office]
    return desk, (plan_replay if tried else plan_end)(letters, selection)


def _carry_out(
    desk: Desk, plan: Plan, run: Callable[[Callable[[Tally], None]], Any], verb: str, *, go: bool, wait_s: float, as_json: bool
) -> None:
    """Say what would be done; with `go` do it, and say what came of it."""
    from stadtbus.commands import deadletters_views as show

    here = desk.look_up(plan)
    if not as_json:
        console.print(show.plan_view(plan, verb, datetime.now(UTC), go=go, ledger=here))
    tally = _run(plan, run) if go and plan.letters else None
    if as_json:
        print_json(show.plan_as_dict(plan, ledger=here) | {"go": go} | show.tally_as_dict(tally))
    elif tally is not None:
        console.print(show.tally_view(tally, verb))
    if tally is not None and tally.none_taken_up:
        raise CannotTell(
            problems.OUTCOME_UNKNOWN, f"{tally.waiting} were sent, and none was taken up within {wait_s:.0f} s", where=plan.office
        )
    if tally is not None and not tally.all_well:
        raise typer.Exit(FINDINGS)


def _run(plan: Plan, run: Callable[[Callable[[Tally], None]], Any]) -> Tally:
    """Carry out a plan, with a bar that moves as outcomes become known."""
    with progress_bar("outcomes") as advance:
        tally: Tally = asyncio.run(run(lambda tally: advance(tally.known + tally.unwatched, len(plan.letters))))
    return tally


def _office_of(wanted: str) -> str | None:
    """The office that a place names; None for a submission."""
    return wanted.partition("/")[0].removesuffix(".deadletters") if "/" in wanted else None


def _selection(fingerprint: str | None, submission: str | None, *, everything: bool, or_all: str) -> Selection:
    """Those of one cause, one, or all; `or_all` names the option for all where there is one.

    Raises:
        UsageError: selection-missing.
    """
    from consumers.desk.plan import Selection

    if sum((fingerprint is not None, submission is not None, everything)) != 1:
        raise UsageError(problems.SELECTION, f"exactly one of --fingerprint, --submission{or_all}")
    return Selection(fingerprint, submission)


def _read(desk: Desk, offices: list[str]) -> dict[str, DeadLetters]:
    with progress_bar("reading") as advance:
        return asyncio.run(desk.read(offices, advance))
