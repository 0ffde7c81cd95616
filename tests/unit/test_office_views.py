"""What `stadtbus office pause` and `resume` show, at 80 columns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from consumers.desk.pauses import Standing
from schemas.heartbeats import Heartbeat, Pause, ProcessKind
from schemas.operations import Operation, OperatorAction
from stadtbus.commands.office_views import pause_view

NOW = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)
OFFICE = "nuernberg.meldewesen"


def shown(action: OperatorAction, before: Standing, obeyed: dict[str, bool] | None, **more: Any) -> str:
    """The page."""
    operation = Operation(at=NOW, actor="anna", action=action, office=OFFICE, reason="ticket 1", **more)
    console = Console(width=80, record=True, file=None, force_terminal=False, quiet=False)
    with console.capture() as captured:
        console.print(pause_view(operation, before, obeyed))
    assert max(map(len, captured.get().splitlines())) <= 80
    return " ".join(captured.get().split())


def process(port: int, **more: Any) -> Heartbeat:
    """What a process of the office has said."""
    about: dict[str, Any] = {"at": NOW, "version": "1", "started_at": NOW, "knows_probes": True, "in_flight": 3}
    return Heartbeat(process=ProcessKind.ADAPTER, office=OFFICE, instance=f"{OFFICE}@machine-17:{port}", **(about | more))


PAUSED = Pause(since=NOW, actor="anna", reason="new release", until=NOW + timedelta(hours=4))


@pytest.mark.parametrize(
    ("action", "before", "obeyed", "says"),
    [
        (
            "pause",
            Standing(None, [process(8084)]),
            None,
            ["is not paused.", "not paused", "Nothing was written. With --go what is in flight ends"],
        ),
        ("pause", Standing(None, [process(8084)]), {f"{OFFICE}@machine-17:8084": True}, ["has obeyed", "1 of 1 processes have obeyed."]),
        ("pause", Standing(None, []), {}, ["No process of the office is heard; one that starts obeys."]),
        ("resume", Standing(None, []), None, ["There is no pause to end."]),
        ("resume", Standing(PAUSED, []), None, ["is paused by anna since 28.11.2026 13:30 CET until 28.11.2026 17:30 CET: new release."]),
        (
            "resume",
            Standing(PAUSED.model_copy(update={"actor": None, "until": None}), [process(8084, knows_probes=False)]),
            {f"{OFFICE}@machine-17:8084": False},
            ["by a maintenance window", "until somebody resumes it", "will not obey", "0 of 1 processes have obeyed. The others"],
        ),
    ],
)
def test_what_is_shown(action: str, before: Standing, obeyed: dict[str, bool] | None, says: list[str]) -> None:
    """How the office stands and why, what its processes do, what was done or would be, and who does not obey."""
    text = shown(OperatorAction(action), before, obeyed)
    for words in says:
        assert words in text
