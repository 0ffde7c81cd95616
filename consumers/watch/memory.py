"""What the judge remembers from cycle to cycle; the history store keeps it, so that "since when" survives a restart of the watch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from consumers.watch.model import SubReason, Verdict


@dataclass(frozen=True, slots=True)
class Point:
    """How far a partition was at one time."""

    at: datetime
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class PartitionMemory:
    """What the judge remembers of a partition."""

    committed: int | None
    moved_at: datetime
    """When its commit was last seen to move, or when it was first seen."""
    waits_since: datetime | None = None
    """Since when something has waited there without a break; None where nothing does."""
    went_back: tuple[int, int, datetime] | None = None
    """An unexplained way back: from, to, when. Forgotten when the first place is reached again."""
    points: tuple[Point, ...] = ()
    """Of the last minutes, thinned out: what the pace is taken from."""


@dataclass(frozen=True, slots=True)
class GapMemory:
    """The longest gaps between two arrivals of the last weeks on one weekday, in seconds."""

    longest_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupChange:
    """A group was found in another state, or with other members."""

    at: datetime
    state: str
    came: int
    went: int


@dataclass(frozen=True, slots=True)
class ConsumerMemory:
    """What the judge remembers of one consumer."""

    verdict: Verdict | None = None
    """The one that is shown; None before the first."""
    sub_reason: SubReason | None = None
    since: datetime | None = None
    next_verdict: Verdict | None = None
    """What was found in the last cycles and is not shown yet."""
    next_sub_reason: SubReason | None = None
    next_count: int = 0
    next_since: datetime | None = None
    partitions: Mapping[str, PartitionMemory] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    group_state: str = ""
    changes: tuple[GroupChange, ...] = ()
    last_in_at: datetime | None = None
    """When something was last seen to arrive."""
    gaps: Mapping[int, GapMemory] = field(default_factory=dict)
    """By weekday, 0 for Monday."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the judge remembers from cycle to cycle. The history store keeps it, one consumer a row, so that a restart forgets nothing."""

    consumers: Mapping[str, ConsumerMemory] = field(default_factory=dict)
