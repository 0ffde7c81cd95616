"""The commands `cases show|grant|revoke`: whose a case is, and which other portals may write into it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from schemas import ids, problems
from schemas.errors import CannotTell, UsageError
from stadtbus.commands.operators import Actor, Go, OfficeArgument, offices_named, recorded_name
from stadtbus.commands.terminal import FINDINGS, AsJson, console, load_quietly, print_json
from stadtbus.display import counted, facts_view

if TYPE_CHECKING:
    from infra.stores import Store
    from producers.outbox.cases import Case
    from schemas.operations import OperatorAction
    from stadtbus.settings import Settings

cases_app = typer.Typer(no_args_is_help=True, help="Whose a case is, and which other portals may write into it.")
CaseArgument = Annotated[str, typer.Argument(metavar="CASE", help="Id of the case, as its portal names it.")]
Owner = Annotated[str, typer.Option("--of", help="The portal that opened the case.")]
To = Annotated[str, typer.Option("--to", help="The portal that shall write into it.")]
Reason = Annotated[
    str | None, typer.Option(help="Why, for example a ticket number; needed with --go; no personal data.", show_default=False)
]


@cases_app.command("show")
def cases_show(office: OfficeArgument, case: CaseArgument, *, as_json: AsJson = False) -> None:
    """The cases that portals have under an id at an office; exit code 1 when there is none."""
    loaded = load_quietly()
    offices_named(loaded, office)
    with _outbox(loaded) as store:
        found = _find(store, office, case)
    if as_json:
        print_json([asdict(one) for one in found])
    for one in found if not as_json else []:
        console.print(_view(one))
    if not found:
        raise UsageError(problems.CASE_UNKNOWN, where=office)


@cases_app.command("grant")
def cases_grant(
    office: OfficeArgument, case: CaseArgument, owner: Owner, to: To, *,
    go: Go = False, reason: Reason = None, actor: Actor = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Let another portal write into a case, under the id that its owner gave it; without --go only shown, with exit code 1."""
    from producers.outbox import cases
    from schemas.operations import OperatorAction

    loaded = load_quietly()
    name = _checked(loaded, office, reason, actor, go=go)
    _require_rights(loaded, office, to)
    with _outbox(loaded) as store:
        found = cases.of_owner(_find(store, office, case), owner)
        store.read_now(lambda connection: cases.require_grantable(connection, found, to))
        if go:
            asyncio.run(_write_down(loaded, OperatorAction.CASE_GRANT, found, to, name, reason))
            asyncio.run(cases.grant(store, found, to))
    _tell(found, f"{to} writes into it from now on.", f"With --go {to} may write into it.", go=go, as_json=as_json)


@cases_app.command("revoke")
def cases_revoke(
    office: OfficeArgument, case: CaseArgument, owner: Owner, to: To, *,
    go: Go = False, reason: Reason = None, actor: Actor = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Let a portal write into a case no more; what it has sent stays. Without --go only shown, with exit code 1."""
    from producers.outbox import cases
    from schemas.operations import OperatorAction

    loaded = load_quietly()
    name = _checked(loaded, office, reason, actor, go=go)
    with _outbox(loaded) as store:
        found = cases.of_owner(_find(store, office, case), owner)
        if to not in dict(found.granted):
            raise UsageError(problems.CASE_NOT_GRANTED, f"it is not granted to {to}", where="--to")
        if go:
            asyncio.run(_write_down(loaded, OperatorAction.CASE_REVOKE, found, to, name, reason))
            asyncio.run(cases.revoke(store, found, to))
    _tell(found, f"{to} writes into it no more.", f"With --go {to} may write into it no more.", go=go, as_json=as_json)


def _checked(loaded: Settings, office: str, reason: str | None, actor: str | None, *, go: bool) -> str:
    """The name of whoever acts on an office of the catalogue, for a reason.

    Raises:
        UsageError: actor-unknown, office-unknown, reason-invalid.
    """
    from schemas.operations import REASON_PATTERN

    offices_named(loaded, office)
    if (go or reason is not None) and not re.fullmatch(REASON_PATTERN, reason or ""):
        raise UsageError(problems.REASON, "3 to 200 characters, for example a ticket number", where="--reason")
    return recorded_name(actor)


def _require_rights(loaded: Settings, office: str, portal: str) -> None:
    """Raises:
    UsageError: case-not-granted, for a portal that the office's city has given no right there.
    """
    page = loaded.load_portals(loaded.load_catalogue()).pages.get(portal)
    places = {place for right in page.settings.rights for place in right.to} if page else set()
    if not places & {office, office.partition(".")[0]}:
        raise UsageError(problems.CASE_NOT_GRANTED, f"no page gives {portal} a right at {office}", where="--to")


@contextmanager
def _outbox(loaded: Settings) -> Iterator[Store]:
    """The gateway's store, which may be open in a gateway that runs: it looks there for each message.

    Raises:
        CannotTell: outbox-elsewhere, store-unreachable.
    """
    from producers.outbox import tables

    if not tables.is_here(loaded.stores):
        raise CannotTell(problems.OUTBOX_ELSEWHERE, where=loaded.stores.shown("outbox"))
    store = tables.open_store(loaded.stores)
    try:
        yield store
    finally:
        store.close()


def _find(store: Store, office: str, case: str) -> Sequence[Case]:
    from producers.outbox import cases

    try:
        case_id: UUID = ids.parse(case.strip())
    except ValueError as error:
        raise UsageError(problems.WANTED_UNCLEAR, f"the id of a case has {error}".replace("expected ", ""), where="CASE") from None
    return cases.find(store, office, case_id)


async def _write_down(loaded: Settings, action: OperatorAction, case: Case, to: str, actor: str, reason: str | None) -> None:
    from consumers.desk.operations import write_down
    from schemas.operations import Operation

    about: dict[str, Any] = {"office": case.office, "reason": reason, "case": str(case.key), "portal": to}
    await write_down(loaded.kafka, Operation(at=datetime.now(UTC), actor=actor, action=action, **about))


def _tell(case: Case, done: str, would: str, *, go: bool, as_json: bool) -> None:
    """What was done, or would be."""
    if as_json:
        print_json(asdict(case) | {"done": go})
    else:
        console.print(_view(case))
        console.print(done if go else f"Nothing was changed. {would}", markup=False, soft_wrap=True)
    if not go:
        raise typer.Exit(FINDINGS)


def _view(case: Case) -> Any:
    day = "%d.%m.%Y %H:%M"
    facts = [
        ("opened by", f"{case.owner}, {case.opened_at.astimezone().strftime(day)}"),
        ("so far", counted(case.submissions, "submission")),
        ("key", str(case.key)),
        *(("granted to", f"{portal}, {at.astimezone().strftime(day)}") for portal, at in case.granted),
    ]
    return facts_view(f"Case {case.case_id} at {case.office}", facts)
