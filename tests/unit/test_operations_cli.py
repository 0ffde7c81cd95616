"""`stadtbus operations list`: who did what, when and why, the last on top."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from consumers.desk import operations
from schemas.operations import Operation, OperatorAction
from tests.command_line import Command

NOW = datetime.now(UTC)
OFFICE = "muenchen.meldewesen"


def done(hours_ago: int, action: OperatorAction, **about: object) -> Operation:
    """An operation, so long ago."""
    about = {"actor": "maria", "office": OFFICE} | about
    return Operation.model_validate({"at": NOW - timedelta(hours=hours_ago), "action": action, **about})


DONE = [
    done(50, OperatorAction.REVEAL, submission="3f2b6c1e-9d0a-4c55-8b1e-0f7a5d2c9e11", reason="ticket 4711"),
    done(3, OperatorAction.REPLAY, fingerprint="37f2af6169d6", count=22, actor="josef"),
    done(2, OperatorAction.RELEASE, reason="the form is mended", office="augsburg.gewerbe", portal="portal-a"),
    done(1, OperatorAction.OFFSET_RESET, offsets={f"{OFFICE}.submissions/0": 7}),
]


@pytest.fixture(autouse=True)
def log(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in the topic; one record is of a newer version."""

    async def read_back(_: object) -> list[object]:
        return [(SimpleNamespace(timestamp=one.at.timestamp() * 1000), one) for one in DONE] + [(SimpleNamespace(timestamp=0), None)]

    monkeypatch.setattr(operations, "read_back", read_back)


@pytest.mark.parametrize(
    ("chosen", "actions"),
    [
        ([], ["offset-reset", "release", "replay", "reveal"]),
        (["--office", "augsburg.gewerbe"], ["release"]),
        (["--actor", "josef"], ["replay"]),
        (["--action", "reveal"], ["reveal"]),
        (["--since", "150min"], ["offset-reset", "release"]),
        (["--since", "2 d"], ["offset-reset", "release", "replay"]),
        (["--since", (NOW - timedelta(hours=51)).astimezone().isoformat()], ["offset-reset", "release", "replay", "reveal"]),
        (["--limit", "1"], ["offset-reset"]),
    ],
)
def test_which_are_listed(stadtbus: Command, chosen: list[str], actions: list[str]) -> None:
    """By office, person, kind and time; the last is on top."""
    code, text, _ = stadtbus("operations", "list", "--json", *chosen)
    assert (code, [one["action"] for one in json.loads(text)]) == (0, actions)


def test_what_is_shown(stadtbus: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who, what, where, about what and why stand in the table, within 80 columns; what is left out is told."""
    monkeypatch.setattr("stadtbus.commands.terminal.console.width", 80)
    _, text, _ = stadtbus("operations", "list", "--limit", "3")
    assert (max(map(len, text.splitlines())) <= 80, "…" in text) == (True, False)
    words = " ".join(text.split())
    for part in ("josef", "replay", "cause 37f2af6169d6, number 22", "“the form is mended”", "and 1 before", "1 cannot be read"):
        assert part in words


@pytest.mark.parametrize("since", ["yesterday", "0h", "2026-13-01", "99999999d", "9999-12-31T23:59:59-14:00"])
def test_times_that_are_none(stadtbus: Command, since: str) -> None:
    """What is no time ends with 2 and the ways to write one."""
    code, _, error = stadtbus("operations", "list", "--since", since)
    assert (code, "time-unclear" in error, "--since" in error) == (2, True, True)
