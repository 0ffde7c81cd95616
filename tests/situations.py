"""Situations of an office, as they were seen: what happens when, and what the watch has to say of it after how long. For tests and docs/lag.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from consumers.watch.model import Attention, Party, SubReason, Verdict
from consumers.watch.observed import Noted, PartitionSeen
from schemas.catalogue.expected import Expected
from schemas.heartbeats import HeldSeries, Pause
from schemas.operations import Operation, OperatorAction
from tests.office_model import OFFICE, PLACE, START, OfficeModel, Watch, letters, spread

Step = tuple[float, Callable[[OfficeModel], None]]
ALWAYS: Final = Expected()
HOURS: Final = Expected.model_validate({"open": dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), "08:00-16:00")})
LATER: Final = START + timedelta(minutes=10)


_LONG_S: Final = 2 * 3600


@dataclass(frozen=True, eq=False)
class Situation:
    """What happens (in seconds after the start), when it is looked, and what is to be said then."""

    name: str
    steps: tuple[Step, ...]
    looked_at_s: float
    verdict: Verdict
    sub_reason: SubReason | None = None
    attention: Attention = Attention.SOON
    party: Party = Party.NOBODY
    expected: Expected = ALWAYS

    def play(self) -> Watch:
        """The watch at the moment at which it is looked."""
        watch = Watch(OfficeModel(), 10.0 if self.looked_at_s < _LONG_S else 60.0, self.expected)
        left = sorted(self.steps, key=lambda step: step[0])
        while (watch.office.at - START).total_seconds() < self.looked_at_s - watch.cycle_s:
            while left and (watch.office.at - START).total_seconds() >= left[0][0]:
                left.pop(0)[1](watch.office)
            watch.look()
        return watch


def sets(**values: object) -> Callable[[OfficeModel], None]:
    """A step that sets attributes of the office."""

    def step(office: OfficeModel) -> None:
        for name, value in values.items():
            setattr(office, name, value)

    return step


def says(**vitals: object) -> Callable[[OfficeModel], None]:
    """A step after which the heartbeats say more."""
    return lambda office: office.more.update(vitals)


def comes(count: int, every_s: float = 1.0, after_s: float = 600.0) -> Step:
    """So many arrive."""
    return 0, sets(arrivals=spread(START + timedelta(seconds=after_s), count, every_s))


def _flap(office: OfficeModel) -> None:
    office.restart()


_THREE = (0, sets(arrivals=spread(START + timedelta(minutes=2), 3, 120)))
_HELD = HeldSeries(portal="bayernportal", cause="37f2af6169d6", since=LATER, reason="20 refused in a row")
_OFFICE_HELD = HeldSeries(since=LATER, reason="2 portals are held")
_OTHER = PartitionSeen(f"{OFFICE}.submissions", 1, START, committed=0, fault="LeaderNotAvailableError")
_RESET = Operation(at=LATER, actor="anna", action=OperatorAction.OFFSET_RESET, office=OFFICE, reason="ticket 1", offsets={PLACE: 1})
_PAUSE = Pause(since=LATER, actor="anna", reason="ticket 4711")
_WINDOW = _PAUSE.model_copy(update={"actor": None})

SITUATIONS: Final = (
    Situation("three a day", (_THREE,), 3600, Verdict.OK, None, Attention.NONE),
    Situation("a burst of 1,000, worked off at 5 a second", ((0, sets(per_s=5)), comes(1000, 0.01)), 660, Verdict.DRAINING, None, Attention.NONE),
    Situation("adapter killed, one waits", ((590, sets(runs=False)), comes(1)), 680, Verdict.DOWN, SubReason.KILLED, party=Party.ADAPTER),
    Situation("adapter killed, nothing waits", (_THREE, (590, sets(runs=False))), 700, Verdict.OK, None, Attention.SOON, Party.ADAPTER),
    Situation("adapter stopped, one waits", ((590, sets(runs=False, said_stop=True)), comes(1)), 640, Verdict.DOWN, SubReason.STOPPED, party=Party.ADAPTER),
    Situation("adapter never started, one waits", ((0, sets(started=False, runs=False)), comes(1)), 640, Verdict.DOWN, SubReason.NEVER_STARTED, party=Party.ADAPTER),
    Situation("adapter never started, nothing ever came", ((0, sets(started=False, runs=False, committed=None)),), 640, Verdict.QUIET, None, Attention.NONE),
    Situation("back office down", ((590, sets(up=False)), comes(2)), 640, Verdict.STUCK, SubReason.BACK_OFFICE_DOWN, party=Party.BACK_OFFICE),
    Situation("back office down for a morning", ((590, sets(up=False)), comes(2)), 600 + 4.2 * 3600, Verdict.STUCK, SubReason.BACK_OFFICE_DOWN, Attention.NOW, Party.BACK_OFFICE),
    Situation("brake holds the office", ((590, says(brake="2 portals are held", held=[_OFFICE_HELD])), comes(9)), 640, Verdict.STUCK, SubReason.HELD, party=Party.BACK_OFFICE),
    Situation("brake holds one portal, others go on", (_THREE, (590, says(held=[_HELD]))), 640, Verdict.OK, None, Attention.SOON, Party.PORTAL),
    Situation("process hangs", ((590, sets(reads=False)), comes(1)), 780, Verdict.STUCK, SubReason.HUNG, party=Party.ADAPTER),
    Situation("one record fails again and again", ((590, sets(sticks=True)), comes(3)), 780, Verdict.STUCK, SubReason.POISON, party=Party.BACK_OFFICE),
    Situation("a delivery without an answer", ((590, sets(per_s=0)), comes(1)), 780, Verdict.STUCK, SubReason.WAITING, party=Party.BACK_OFFICE),
    Situation("a foreign program in the group", ((0, sets(heard=False)), (590, sets(reads=False)), comes(1)), 780, Verdict.STUCK, SubReason.BLIND, party=Party.ADAPTER),
    Situation("dead letters cannot be written", ((590, sets(reads=False)), (590, says(findings={"topics": "it refuses copies"})), comes(1)), 780, Verdict.STUCK, SubReason.UNFIT, party=Party.ADAPTER),
    Situation("a foreign transaction is open", ((590, sets(readable=0)), comes(1)), 780, Verdict.STUCK, SubReason.OPEN_TRANSACTION, party=Party.KAFKA),
    Situation("retention overtakes a dead adapter", ((590, sets(runs=False)), comes(10), (700, sets(start=4))), 740, Verdict.LOST, SubReason.EXPIRED, Attention.NOW, Party.KAFKA),
    Situation("the end of the log is lost", (_THREE, (700, sets(shorter=2))), 740, Verdict.LOST, SubReason.LOG_SHORTENED, Attention.NOW, Party.KAFKA),
    Situation("offsets reset back by hand", (_THREE, (700, sets(committed=1, reads=False))), 740, Verdict.REWOUND, None, party=Party.OPERATOR),
    Situation("offsets reset back, and noted", (_THREE, (700, sets(committed=1, operations=(Noted(_RESET, LATER),)))), 740, Verdict.OK, None, Attention.NONE),
    Situation("paused by an operator", (comes(2), (590, sets(pause=_PAUSE))), 640, Verdict.PAUSED, SubReason.BY_OPERATOR, Attention.NONE, Party.OPERATOR),
    Situation("paused by an operator, and forgotten", (comes(2), (590, sets(pause=_PAUSE))), 600 + 4.2 * 3600, Verdict.PAUSED, SubReason.BY_OPERATOR, Attention.SOON, Party.OPERATOR),
    Situation("maintenance window", (comes(2), (590, sets(pause=_WINDOW))), 640, Verdict.PAUSED, SubReason.MAINTENANCE, Attention.NONE, Party.OPERATOR),
    Situation("back office down at night", ((25_000, sets(up=False)), comes(1, after_s=36_000)), 36_300, Verdict.PAUSED, SubReason.CLOSED, Attention.NONE, expected=HOURS),
    Situation("adapter killed at night, seen in the morning", ((25_000, sets(runs=False)), comes(1, after_s=36_000)), 23.2 * 3600, Verdict.DOWN, SubReason.KILLED, party=Party.ADAPTER, expected=HOURS),
    Situation("a slow back office", ((0, sets(per_s=1)), comes(5000, 0.5)), 1200, Verdict.SLOW, party=Party.ADAPTER),
    Situation("a slow back office, an hour later", ((0, sets(per_s=1)), comes(9000, 0.5)), 3600, Verdict.LATE, party=Party.ADAPTER),
    Situation("processes come and go", (_THREE, *((600 + 30.0 * n, _flap) for n in range(4))), 760, Verdict.FLAPPING, party=Party.ADAPTER),
    Situation("Kafka does not answer the watch", (_THREE, (600, sets(answers=False))), 650, Verdict.UNKNOWN, SubReason.NOT_ASKED, Attention.SOON, Party.WATCH),
    Situation("one of its partitions has no leader", (_THREE, (600, sets(extra=(_OTHER,)))), 650, Verdict.OK, None, Attention.SOON, Party.KAFKA),
    Situation("40 dead letters, and no lag", (_THREE, (600, sets(dead_letters=letters(40)))), 650, Verdict.OK, None, Attention.SOON, Party.OPERATOR),
    Situation("commits forgotten, old records gone", ((0, sets(committed=None, start=3, per_s=0)), (0, sets(arrivals=spread(START, 5, 0)))), 100, Verdict.OK, None, Attention.SOON, Party.OPERATOR),
)  # fmt: skip
