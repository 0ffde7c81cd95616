"""What the judge remembers from cycle to cycle; the history store keeps it, so that "since when" survives a restart of the watch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from pydantic import TypeAdapter

from consumers.watch.model import Attention, Evidence, Party, SubReason, Verdict


@dataclass(frozen=True, slots=True)
class Found:
    """What the rules find in one cycle; it is shown when it was found often enough (`hysteresis`)."""

    verdict: Verdict
    sub_reason: SubReason | None = None
    since: datetime | None = None
    """Since when, where that is known; else since the watch has found it."""
    attention: Attention = Attention.NONE
    party: Party = Party.NOBODY
    evidence: tuple[Evidence, ...] = ()
    partition: str | None = None
    done_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """How far a consumer was at one time, over all its partitions."""

    at: datetime
    done: int
    came: int
    """All that ever came in: the sum of the ends."""

    @property
    def backlog(self) -> int:
        """What waited."""
        return self.came - self.done


@dataclass(frozen=True, slots=True)
class PartitionMemory:
    """What is remembered of a partition."""

    committed: int | None
    position: int
    moved_at: datetime | None = None
    """When it was last seen to come on; None where it was not yet."""
    stands_since: datetime | None = None
    """Since when something waits there and nothing of it is finished; None while it comes on."""
    gone: int = 0
    """Records that were gone before they were read, where nothing is committed; else the commit says it."""
    went_back: tuple[int, int, datetime] | None = None
    """An unexplained way back: from, to, when. Forgotten when the first place is reached again."""


@dataclass(frozen=True, slots=True)
class GroupChange:
    """A group was found in another state, or with other members."""

    at: datetime
    state: str
    came: int
    went: int
    planned: bool = False
    """A process had said that it stops, or came back after it had."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When something comes in, and what is usual."""

    last_at: datetime | None = None
    """When something was last seen to come in that was no probe."""
    came: int | None = None
    """The sum of the ends at the last look."""
    open_count: int = 0
    """Came in and may be a probe: it is known when the probe's answer comes."""
    open_since: datetime | None = None
    probe_at: datetime | None = None
    """When the last probe that is known of was sent."""
    longest_s: Mapping[date, float] = field(default_factory=dict)
    """By day of the last weeks the longest gap that began on it."""


@dataclass(frozen=True, slots=True)
class ConsumerMemory:
    """What is remembered of one consumer."""

    shown: Found | None = None
    since: datetime | None = None
    """Since when it is so."""
    other: Found | None = None
    """What was found in the last cycles and is not shown yet."""
    other_since: datetime | None = None
    count: int = 0
    """How often in a row."""
    looked_at: datetime | None = None
    partitions: Mapping[str, PartitionMemory] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    """Of the last minutes, thinned out: what the pace is taken from."""
    group_state: str = ""
    members: tuple[str, ...] = ()
    changes: tuple[GroupChange, ...] = ()
    polite: tuple[str, ...] = ()
    """Instances that have said of late that they stop: when they come back, that is no trouble."""
    arrivals: Arrivals = Arrivals()


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of all, by name."""

    consumers: Mapping[str, ConsumerMemory] = field(default_factory=dict)


_ADAPTER: Final = TypeAdapter(ConsumerMemory)


def dump(memory: ConsumerMemory) -> str:
    """As JSON, for the store: one row for each consumer."""
    return _ADAPTER.dump_json(memory, exclude_defaults=True).decode()


def load(text: str) -> ConsumerMemory | None:
    """What `dump` wrote; None where another version wrote something that this one cannot read, and the watch begins anew."""
    try:
        return _ADAPTER.validate_json(text)
    except ValueError:
        return None
