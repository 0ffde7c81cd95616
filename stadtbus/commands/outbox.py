"""The command `outbox republish`, and what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from schemas import problems
from schemas.errors import CannotTell
from stadtbus.commands.operators import Actor, Go, OfficeArgument, offices_named, recorded_name
from stadtbus.commands.terminal import FINDINGS, AsJson, console, load_quietly, print_json, progress_bar
from stadtbus.display import counted, facts_view

if TYPE_CHECKING:
    from stadtbus.republish import LostSubmissions
    from stadtbus.settings import Settings

outbox_app = typer.Typer(no_args_is_help=True, help="What the gateway has accepted and keeps until it is delivered.")


@outbox_app.command("republish")
def republish(office: OfficeArgument, *, go: Go = False, actor: Actor = None, as_json: AsJson = False) -> None:
    """Send again what Kafka has lost and the outbox still has; exit code 1 when there is something to send."""
    loaded = load_quietly()
    name = recorded_name(actor)
    offices_named(loaded, office)
    with progress_bar("reading") as advance:
        found, sent = asyncio.run(_republish(loaded, office, name if go else None, advance))
    if as_json:
        print_json(_as_dict(found, sent))
    else:
        console.print(_view(found, sent))
    if found.submissions and not go:
        raise typer.Exit(FINDINGS)


async def _republish(
    loaded: Settings, office: str, actor: str | None, advance: Callable[[int, int], None]
) -> tuple[LostSubmissions, int | None]:
    """What Kafka has lost, and how many of it are sent again; None where nobody asked for that."""
    from producers.outbox import tables
    from stadtbus import republish

    if not tables.is_here(loaded.stores):
        raise CannotTell(problems.OUTBOX_ELSEWHERE, where=loaded.stores.shown("outbox"))
    store = tables.open_store(loaded.stores)
    try:
        found = await republish.find_lost(loaded.kafka, store, office, advance)
        return found, (await republish.send_again(loaded.kafka, store, found, actor) if actor is not None and found.submissions else None)
    finally:
        store.close()


def _view(found: LostSubmissions, sent: int | None) -> RenderableType:
    """What Kafka has lost of an office, and whether it is sent again."""
    if not found.submissions:
        return Text(f"Kafka has lost nothing of {found.office} that the outbox has; {counted(found.waiting, 'submission')} wait in Kafka.")
    facts = [
        ("lost in Kafka, still in the outbox", counted(len(found.submissions), "submission")),
        ("accepted since", found.since.astimezone().strftime("%d.%m.%Y %H:%M") if found.since else ""),
        ("of these dead letters", f"{found.dead:,}; they are only laid among the dead letters again"),
        ("wait in Kafka and are left", counted(found.waiting, "submission")),
    ]
    done = "Nothing was written. With --go they are sent again, under their own ids."
    if sent is not None:
        done = f"{counted(sent, 'submission')} put back. A running gateway sends them within half a minute, another one when it starts."
    return Group(facts_view(f"Outbox: {found.office}", facts), Text(done))


def _as_dict(found: LostSubmissions, sent: int | None) -> dict[str, Any]:
    """The same for programs; `put_back` is null where it was not asked for."""
    return {
        "office": found.office,
        "lost": [str(one.id) for one in found.submissions],
        "since": found.since,
        "waiting": found.waiting,
        "put_back": sent,
    }
