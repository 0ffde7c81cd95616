"""The history of the watch: slots that are filled once, holes that stay, changes that are kept, and a memory that survives a restart."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from consumers.watch import history
from consumers.watch.history import COARSE_S, FINE_S, History
from consumers.watch.memory import ConsumerMemory, Found, Memory
from consumers.watch.model import Attention, Judgement, Party, SubReason, Verdict
from consumers.watch.observed import Kind
from consumers.watch.snapshot import Effort, Snapshot
from consumers.watch.store import open_store
from infra.settings import StoreSettings
from infra.stores import Store
from tests import postgresql

START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
OFFICE = "muenchen.gewerbe"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of the watch on each kind of database."""
    if request.param == "sqlite":
        made = open_store(StoreSettings(folder=tmp_path))
        yield made
        made.close()
        return
    programs = postgresql.programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed below /usr/lib/postgresql")
    with postgresql.served(programs) as server:
        made = open_store(StoreSettings(url=server.render_as_string(hide_password=False)))
        yield made
        made.close()


def judged(verdict: Verdict, at: datetime, waiting: int = 0, sub_reason: SubReason | None = None) -> Judgement:
    """A judgement on one office; what waits has waited for a minute."""
    return Judgement(
        name=OFFICE,
        kind=Kind.OFFICE,
        city="muenchen",
        verdict=verdict,
        sub_reason=sub_reason,
        since=at - timedelta(seconds=20),
        attention=Attention.NONE,
        party=Party.NOBODY,
        cause="",
        evidence=(),
        runbook="",
        as_of=at,
        waiting=waiting,
        oldest_at=at - timedelta(minutes=1) if waiting else None,
    )


def found(at: datetime, *judgements: Judgement) -> Snapshot:
    """A look that ended then."""
    return Snapshot(at, 10, Effort(0.1, 0.1, 5), judgements, (), ())


async def keep(kept: History, seconds: float, verdict: Verdict = Verdict.OK, waiting: int = 0, memory: Memory | None = None) -> None:
    """Keep a look so many seconds after the start."""
    at = START + timedelta(seconds=seconds)
    await kept.keep(found(at, judged(verdict, at, waiting)), memory or Memory())


async def test_slots_are_filled_once_and_holes_stay(store: Store) -> None:
    """Of two looks in ten seconds the first counts; where nobody looked for half a minute there is nothing; five minutes apart go into the long list."""
    kept = History(store)
    await kept.load()
    for seconds, waiting in ((1, 5), (4, 6), (11, 7), (45, 8), (301, 9)):
        await keep(kept, seconds, waiting=waiting)
    fine = store.read_now(lambda connection: history.points(connection, FINE_S, START, OFFICE))
    assert [(int((one.at - START).total_seconds()), one.waiting, one.oldest_s) for one in fine] == [
        (0, 5, 60), (10, 7, 60), (40, 8, 60), (300, 9, 60)
    ]  # fmt: skip
    coarse = store.read_now(lambda connection: history.points(connection, COARSE_S, START))
    assert [(int((one.at - START).total_seconds()), one.waiting) for one in coarse] == [(0, 5), (300, 9)]


async def test_what_is_old_is_forgotten(store: Store) -> None:
    """Ten-second slots are kept for six hours, slots of five minutes for thirty days, changes of the verdict for longer."""
    kept = History(store)
    await kept.load()
    await keep(kept, 0, Verdict.DOWN, waiting=1)
    await keep(kept, 7 * 3600)
    assert store.read_now(lambda connection: len(history.points(connection, FINE_S, START))) == 1
    assert store.read_now(lambda connection: len(history.points(connection, COARSE_S, START))) == 2
    await keep(kept, 31 * 86_400)
    assert store.read_now(lambda connection: len(history.points(connection, COARSE_S, START))) == 1
    assert store.read_now(lambda connection: [one.verdict for one in history.changes(connection, START)]) == [Verdict.DOWN, Verdict.OK]


async def test_changes_of_the_verdict_are_kept_with_since(store: Store) -> None:
    """A change is one row, with the time since when it was so; the same verdict again is none."""
    kept = History(store)
    await kept.load()
    for seconds, verdict in ((0, Verdict.OK), (10, Verdict.STUCK), (20, Verdict.STUCK), (30, Verdict.OK)):
        await keep(kept, seconds, verdict)
    changes = store.read_now(lambda connection: history.changes(connection, START, OFFICE))
    assert [(one.verdict, (one.at - START).total_seconds(), (one.since - START).total_seconds()) for one in changes] == [
        (Verdict.OK, 0, -20), (Verdict.STUCK, 10, -10), (Verdict.OK, 30, 10)
    ]  # fmt: skip


async def test_a_restart_forgets_nothing(store: Store) -> None:
    """The memory of the judge comes back, and a verdict that was shown before is no change after."""
    kept = History(store)
    await kept.load()
    shown = Found(Verdict.STUCK, SubReason.HELD)
    memory = Memory({OFFICE: ConsumerMemory(shown=shown, since=START, members=("a", "b"))})
    at = START + timedelta(seconds=1)
    await kept.keep(found(at, judged(Verdict.STUCK, at, 3, SubReason.HELD)), memory)
    again = History(store)
    assert await again.load() == memory
    later = START + timedelta(seconds=20)
    await again.keep(found(later, judged(Verdict.STUCK, later, 3, SubReason.HELD)), memory)
    assert len(store.read_now(lambda connection: history.changes(connection, START))) == 1
