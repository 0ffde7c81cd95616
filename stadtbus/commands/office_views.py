"""What the commands of an office show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.catalogue.expected import ZONE
from schemas.heartbeats import Heartbeat, Pause
from schemas.operations import Operation, OperatorAction

if TYPE_CHECKING:
    from consumers.desk.pauses import Standing
    from consumers.desk.releases import Held


def pause_view(operation: Operation, before: Standing, obeyed: Mapping[str, bool] | None) -> RenderableType:
    """How an office stands, what its processes do, and what the command has done or would do. `obeyed` is None where nothing was written."""
    lines: list[RenderableType] = [Text(f"{operation.office} {_standing(before.pause)}.")]
    if before.processes:
        lines.append(_processes(before.processes, obeyed))
    lines.append(Text(_would(operation, before) if obeyed is None else _done(operation, obeyed)))
    return Group(*lines)


def _standing(pause: Pause | None) -> str:
    if pause is None:
        return "is not paused"
    who = "a maintenance window" if pause.actor is None else pause.actor
    until = "somebody resumes it" if pause.until is None else _shown(pause.until)
    return f"is paused by {who} since {_shown(pause.since)} until {until}: {pause.reason}"


def _processes(processes: Sequence[Heartbeat], obeyed: Mapping[str, bool] | None) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for column in ("process", "heard", "in flight", "state"):
        table.add_column(column, justify="right" if column == "in flight" else "left")
    for one in processes:
        state = "paused" if one.pause is not None else "not paused"
        if not one.knows_probes:  # has come with pauses
            state = "earlier version: will not obey"
        elif obeyed is not None:
            state = "has obeyed" if obeyed.get(one.instance) else "has not said that it obeys"
        table.add_row(one.instance, f"{one.at.astimezone(ZONE):%H:%M:%S}", "" if one.in_flight is None else str(one.in_flight), state)
    return table


def _would(operation: Operation, before: Standing) -> str:
    if operation.action is OperatorAction.RESUME:
        return "Nothing was written. With --go it goes on." if before.pause is not None else "There is no pause to end."
    return f"Nothing was written. With --go {_meaning(operation)}."


def _meaning(operation: Operation) -> str:
    until = "until `stadtbus office resume`" if operation.until is None else f"until {_shown(operation.until)}"
    return f"what is in flight ends and nothing new begins {until}; the gateway goes on accepting"


def _done(operation: Operation, obeyed: Mapping[str, bool]) -> str:
    written = f"Paused: {_meaning(operation)}" if operation.action is OperatorAction.PAUSE else "Resumed: what waited is delivered"
    if not obeyed:
        return f"{written}. No process of the office is heard; one that starts obeys."
    count = sum(obeyed.values())
    more = (
        "" if count == len(obeyed) else " The others are cut off from Kafka, gone, or of an earlier version: `stadtbus status` shows them."
    )
    return f"{written}. {count} of {len(obeyed)} processes have obeyed.{more}"


def as_dict(operation: Operation, before: Standing, obeyed: Mapping[str, bool] | None) -> dict[str, Any]:
    """The same for programs."""
    return {
        "office": operation.office,
        "action": operation.action.value,
        "go": obeyed is not None,
        "until": operation.until,
        "before": None if before.pause is None else before.pause.model_dump(),
        "processes": [
            {
                "instance": one.instance,
                "said_at": one.at,
                "in_flight": one.in_flight,
                "paused": one.pause is not None,
                "obeyed": None if obeyed is None else obeyed[one.instance],
            }
            for one in before.processes
        ],
    }


def held_view(office: str, found: Sequence[Held], *, go: bool) -> RenderableType:
    """What is held, by which process, since when and why."""
    table = Table(title=f"Held at {office}", title_justify="left", box=SIMPLE_HEAD)
    for column in ("portal", "cause", "since", "because of", "process"):
        table.add_column(column)
    for one in found:
        series = one.series
        since = series.since.astimezone().strftime("%d.%m. %H:%M:%S")
        table.add_row(series.portal or "all", series.cause or "all", since, Text(series.reason), one.instance)
    if go:
        done = "Released: its processes read it in `stadtbus.operations` within seconds. What waited is tried again; `stadtbus lag` shows what is held then."
        return Group(*([table] if found else []), Text(done))
    return Group(table, Text("Nothing was written. With --go it is released.")) if found else Text("Nothing is held.")


def held_dict(one: Held) -> dict[str, Any]:
    """One series for programs."""
    return {"instance": one.instance, "said_at": one.said_at, **one.series.model_dump()}


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(ZONE):%d.%m.%Y %H:%M %Z}"
