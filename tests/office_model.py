"""An office on a virtual clock: what arrives, what its adapter finishes, and what a collector would see of it. For tests of verdicts.

Times are those of the collector; a process is a member of its group for 45 s after it was killed, and says every 5 s what it does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from consumers.watch.judge import judge
from consumers.watch.memory import Memory
from consumers.watch.model import Judgement
from consumers.watch.observed import ConsumerSeen, GroupSeen, Heard, Kind, Observation, PartitionSeen, SetAside
from schemas.catalogue.expected import Expected
from schemas.heartbeats import BreakerState, Heartbeat, PartitionProgress, Pause, ProcessKind

OFFICE = "muenchen.gewerbe"
PLACE = f"{OFFICE}.submissions/0"
START = datetime(2026, 11, 30, 8, tzinfo=UTC)
"""A Monday, 9:00 where the cities are."""
SESSION_S = 45.0
BEAT_S = 5.0
INSTANCE = f"{OFFICE}@host:8091"


def heartbeat(at: datetime, **more: Any) -> Heartbeat:
    """What an adapter of the office says."""
    return Heartbeat(at=at, instance=INSTANCE, process=ProcessKind.ADAPTER, office=OFFICE, version="1", **({"started_at": START} | more))


@dataclass
class OfficeModel:
    """The office as it is now; tests set what changes."""

    arrivals: list[datetime] = field(default_factory=list)
    """When each submission was written, in order."""
    per_s: float = 1000.0
    """How many it finishes in a second."""
    runs: bool = True
    said_stop: bool = False
    up: bool = True
    """The back office."""
    reads: bool = True
    """The process asks Kafka for records."""
    heard: bool = True
    """It says something of itself."""
    started: bool = True
    """A process was ever there."""
    sticks: bool = False
    """The record in line is taken up again and again."""
    more: dict[str, Any] = field(default_factory=dict)
    """What its heartbeats say beside."""
    committed: int | None = 0
    start: int = 0
    shorter: int = 0
    """So many records of the end are gone."""
    pause: Pause | None = None
    dead_letters: SetAside | None = None
    operations: tuple[Any, ...] = ()
    extra: tuple[PartitionSeen, ...] = ()
    """Other partitions."""
    answers: bool = True
    """Kafka answers the collector."""
    readable: int | None = None
    at: datetime = START
    _credit: float = 0.0
    _gone_at: datetime | None = None
    _last_beat: Heard | None = None
    _last_seen: ConsumerSeen | None = None
    _heads: tuple[int, datetime, int] = (-1, START, 0)
    """Offset of the record in line, since when it is, and how often it was taken up."""
    _generation: int = 0

    @property
    def end(self) -> int:
        """Behind the last record."""
        return bisect_right(self.arrivals, self.at) - self.shorter

    @property
    def position(self) -> int:
        """What is next."""
        return min(max(self.committed or 0, self.start), self.end)

    def restart(self) -> None:
        """A new process, a new member."""
        self.runs, self.said_stop, self._gone_at = True, False, None
        self._generation += 1

    def move(self, cycle_s: float) -> None:
        """Let a cycle pass."""
        self.at += timedelta(seconds=cycle_s)
        working = self.runs and self.up and self.reads and not self.sticks and self.pause is None
        working = working and self.more.get("brake") is None and self.readable is None
        self._credit = min(self._credit + self.per_s * cycle_s, self.per_s * cycle_s + (1 if self.per_s else 0)) if working else 0.0
        done = min(int(self._credit), self.end - self.position)
        if done > 0:
            self._credit -= done
            self.committed = self.position + done
        self._gone_at = None if self.runs else self._gone_at or self.at
        self._note_head(cycle_s)

    def _note_head(self, cycle_s: float) -> None:
        offset, since, attempts = self._heads
        if self.position != offset or not self.end - self.position:
            self._heads = (self.position, self.at, 1)
        elif self.sticks:
            self._heads = (offset, since, attempts + int(cycle_s))

    def _beat(self) -> tuple[Heard, ...]:
        if (
            self.started
            and self.heard
            and (self.runs or self.said_stop)
            and not (self.said_stop and self._last_beat and self._last_beat.heartbeat.stopping)
        ):
            self._last_beat = Heard(self._says(), self.at)
        return (self._last_beat,) if self._last_beat else ()

    def _says(self) -> Heartbeat:
        waits = self.end > self.position
        breaker = BreakerState(
            open=not self.up and waits,
            since=self._heads[1] if not self.up and waits else None,
            why="ConnectionRefusedError" if not self.up and waits else None,
        )
        progress = PartitionProgress(
            position=self.end,
            committed=self.committed,
            oldest_since=self._heads[1] if waits else None,
            attempts=self._heads[2] if waits else None,
        )
        polled = self.at if self.reads else min(self.at, self._heads[1])
        vitals = {"partitions": {PLACE: progress}, "breaker": breaker, "last_poll_at": polled}
        return heartbeat(self.at, **({"stopping": True} if self.said_stop else vitals | self.more))

    def members(self) -> tuple[str, ...]:
        """Who is in the group."""
        gone = self._gone_at is not None and (self.said_stop or (self.at - self._gone_at).total_seconds() > SESSION_S)
        return () if gone or not self.started else (f"member-{self._generation}",)

    def seen(self) -> ConsumerSeen:
        """What the collector finds; where Kafka does not answer, what it found last."""
        beats = self._beat()
        if not self.answers and self._last_seen is not None:
            failed = tuple(replace(one, fault="NodeNotReadyError") for one in self._last_seen.partitions)
            return replace(self._last_seen, partitions=failed)
        waits = self.end > self.position
        oldest_at = self.arrivals[self.position] if waits else None
        first = PartitionSeen(
            f"{OFFICE}.submissions",
            0,
            self.at,
            self.committed,
            self.start,
            self.end,
            self.readable,
            oldest_at=oldest_at,
            retention_s=30 * 86400,
        )
        members = self.members()
        group = GroupSeen("Stable" if members else "Empty", members, self.at)
        self._last_seen = ConsumerSeen(
            OFFICE, Kind.OFFICE, group, (first, *self.extra), beats, None, self.dead_letters, self.pause, self.operations
        )
        return self._last_seen


@dataclass
class Watch:
    """A watch over one office."""

    office: OfficeModel
    cycle_s: float = 10.0
    expected: Expected = field(default_factory=Expected)
    memory: Memory = field(default_factory=Memory)

    def look(self) -> Judgement:
        """One cycle later."""
        self.office.move(self.cycle_s)
        seen = self.office.seen()
        as_of = self.office.at if self.office.answers else seen.partitions[0].as_of
        observed = Observation(self.office.at, self.cycle_s, (seen,), heartbeats_as_of=as_of)
        (judgement,), self.memory = judge(observed, {OFFICE: self.expected}, self.memory)
        return judgement

    def looks(self, count: int) -> Iterator[Judgement]:
        """So many cycles."""
        return (self.look() for _ in range(count))

    def after(self, seconds: float) -> Judgement:
        """The judgement after so much time."""
        *_, last = self.looks(max(1, round(seconds / self.cycle_s)))
        return last


def spread(begins: datetime, count: int, every_s: float) -> list[datetime]:
    """So many arrivals, so far apart."""
    return [begins + timedelta(seconds=every_s * number) for number in range(count)]


def letters(count: int) -> SetAside:
    """So many open dead letters."""
    return SetAside(count, START - timedelta(hours=2), START)


def in_order(*series: Iterable[datetime]) -> list[datetime]:
    """All of them, as a log has them."""
    return sorted(moment for one in series for moment in one)
