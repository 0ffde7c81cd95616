"""The command `lag`, and its table."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stadtbus.commands.operators import City
from stadtbus.commands.status import leave, load_for, look
from stadtbus.commands.terminal import AsJson, Watch, console, print_json, watched

if TYPE_CHECKING:
    from consumers.watch.model import Judgement
    from stadtbus.overview import Overview
    from stadtbus.settings import Settings


def lag(
    *,
    city: City = None,
    watch: Watch = False,
    as_json: AsJson = False,
) -> None:
    """What was accepted and is not delivered: the verdicts first, then per office and recorder how much waits, since when, and when it will be done.

    Asks the watch, and looks itself where none answers. Exit code 1 where a person has to act, 3 where that cannot be told.
    """
    from stadtbus.commands import verdict_views as show

    loaded = load_for(city)
    if watch:
        watched(lambda: _page(loaded, city))
        return
    seen, judgements = asyncio.run(look(loaded, city))
    now = datetime.now(UTC)
    if as_json:
        print_json([show.judgement_as_dict(one, now, seen.delivered_today) for one in judgements])
    else:
        console.print(_view(seen, judgements, now))
    leave(seen, judgements)


async def _page(loaded: Settings, city: str | None) -> RenderableType:
    return _view(*await look(loaded, city), datetime.now(UTC))


def _view(seen: Overview, judgements: Sequence[Judgement], now: datetime) -> RenderableType:
    from stadtbus.commands import verdict_views as show

    groups = show.gravest_first(judgements)
    sentences = [show.sentence_view(group, now) for group in groups] or [Text("Nothing asks for a person.", style="green")]
    return Group(show.head_view(seen, now), *sentences, *show.said_here_view(seen, 20), Text(), _table(judgements, now))


def _table(judgements: Sequence[Judgement], now: datetime) -> Table:
    from stadtbus.commands import verdict_views as show

    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("", overflow="fold")
    table.add_column("verdict", ratio=1, overflow="fold")
    for name in ("on Kafka", "before it", "oldest", "done in", "lost"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in judgements:
        done = "" if one.done_by is None else show.short_age(now, one.done_by)
        kafka = "?" if one.waiting is None else str(one.waiting or "")
        figures = (kafka, str(one.in_outbox or ""), show.short_age(one.oldest_at, now), done, str(one.lost or ""))
        table.add_row(one.name, show.short_cause(one), *figures, style=show.style_of(one))
    return table
