"""What the rules look at: one consumer as observed, with what follows from it at once. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Final

from consumers.watch.memory import ConsumerMemory
from consumers.watch.model import Evidence, EvidenceCode, Party
from consumers.watch.observed import ConsumerSeen, Heard, Kind, Observation, PartitionSeen
from schemas import topics
from schemas.catalogue.calendar import open_s
from schemas.catalogue.expected import Expected
from schemas.heartbeats import INTERVAL_S, PartitionProgress, RelayLane

STALE_CYCLES: Final = 3
"""What is older than so many cycles is not known any more."""
SILENT_S: Final = 4 * INTERVAL_S
"""A process that was not heard for so long is gone, hangs, or is cut off. Long before Kafka ends its membership (45 s)."""
LEFT_S: Final = 600.0
"""An instance that is silent for longer, while another of its kind works, has moved to another host."""


@dataclass(frozen=True)
class Facts:
    """One consumer at one moment."""

    observed: Observation
    seen: ConsumerSeen
    expected: Expected
    before: ConsumerMemory
    lane: RelayLane | None = None
    """Of an office: what waits for it in the gateway's outbox, as far as that says."""

    @property
    def at(self) -> datetime:
        """Now, by the watch's clock."""
        return self.observed.at

    def age_s(self, moment: datetime) -> float:
        """How long ago that was."""
        return max(0.0, (self.at - moment).total_seconds())

    def is_stale(self, as_of: datetime | None) -> bool:
        """Whether it was found out too long ago to be known."""
        return as_of is None or self.age_s(as_of) > STALE_CYCLES * self.observed.cycle_s

    # --- partitions

    @cached_property
    def known(self) -> tuple[PartitionSeen, ...]:
        """The partitions of which it is known how they are; of a recorder as far as it says that it has stored them, which counts before
        its commit.
        """
        known = (one for one in self.seen.partitions if not self.is_stale(one.as_of))
        return tuple(known) if self.seen.kind is not Kind.RECORDER else tuple(self._as_stored(one) for one in known)

    @cached_property
    def unknown(self) -> tuple[PartitionSeen, ...]:
        """The others."""
        return tuple(one for one in self.seen.partitions if self.is_stale(one.as_of))

    @cached_property
    def waiting_in(self) -> tuple[PartitionSeen, ...]:
        """Where something waits, but for what is parked."""
        return tuple(one for one in self.known if one.lag and not topics.is_retry(one.topic))

    @cached_property
    def waiting(self) -> int:
        """How many wait; of the gateway in its outbox."""
        return sum(lane.waiting for lane in self.lanes) + sum(one.lag for one in self.waiting_in)

    @cached_property
    def parked(self) -> int:
        """How many are parked."""
        counted = sum(one.lag for one in self.known if topics.is_retry(one.topic))
        return counted if self.seen.parked is None else self.seen.parked.count

    @cached_property
    def oldest_at(self) -> datetime | None:
        """Since when the first in line waits, as far as that is known."""
        times = [one.oldest_at for one in self.waiting_in] + [lane.oldest_accepted_at for lane in self.lanes if lane.waiting]
        return min((at for at in times if at is not None), default=None)

    def open_age_s(self, moment: datetime | None) -> float:
        """How many seconds of opening have passed since; 0 where nobody knows since when."""
        return 0.0 if moment is None else open_s(self.expected, moment, self.at)

    def _as_stored(self, one: PartitionSeen) -> PartitionSeen:
        said = [progress.position for heard in self.alive if (progress := heard.heartbeat.partitions.get(one.place))]
        return replace(one, committed=max([one.position, *(min(position, one.end) for position in said)])) if said else one

    # --- processes

    @property
    def hears(self) -> bool:
        """Whether all heartbeats of now have been read: only then a silence says something."""
        return not self.is_stale(self.observed.heartbeats_as_of)

    @cached_property
    def alive(self) -> tuple[Heard, ...]:
        """Processes that were heard of late and do not stop."""
        return tuple(one for one in self.seen.processes if not one.heartbeat.stopping and self.age_s(one.heard_at) <= SILENT_S)

    @cached_property
    def silent(self) -> tuple[Heard, ...]:
        """Processes that have not said that they stop, and are not heard any more; the last one first."""
        gone = (one for one in self.seen.processes if not one.heartbeat.stopping and self.age_s(one.heard_at) > SILENT_S)
        return tuple(sorted(gone, key=lambda one: one.heard_at, reverse=True))

    @cached_property
    def last_heard(self) -> Heard | None:
        """Whoever was heard last, whatever it said."""
        return max(self.seen.processes, key=lambda one: one.heard_at, default=None)

    @property
    def members(self) -> int | None:
        """How many members its group has; None where that is not known."""
        group = self.seen.group
        return None if group is None or self.is_stale(group.as_of) else len(group.members)

    def progress_at(self, place: str) -> tuple[Heard, PartitionProgress] | None:
        """Who has this partition, and what it says of it."""
        found = [(heard, heard.heartbeat.partitions[place]) for heard in self.alive if place in heard.heartbeat.partitions]
        return max(found, key=lambda pair: pair[0].heard_at, default=None)

    def findings(self) -> Sequence[tuple[Heard, str, str]]:
        """What the processes that are heard find fault with, by the name of the check, but for what is told in figures: breaker, brake, lanes."""
        told = [(heard, name, text) for heard in self.alive for name, text in heard.heartbeat.findings.items() if self._is_of_it(name)]
        works = any(heard.heartbeat.partitions for heard in self.alive)
        return [one for one in told if not (works and one[1] == "partitions" and not one[0].heartbeat.partitions)]

    def _is_of_it(self, check: str) -> bool:
        if self.seen.name == topics.GROUP_STATUS:
            return check == "status feed"
        return check not in ("office", "series", "pause", "status feed") and not check.startswith("relay of ")

    @cached_property
    def lanes(self) -> tuple[RelayLane, ...]:
        """Of the gateway: what its relays have still to write, by office; of several gateways the one that says more."""
        if self.seen.kind is not Kind.OUTBOX:
            return ()
        of_office: dict[str, RelayLane] = {}
        last = (self.last_heard,) if self.last_heard else ()
        for lane in (lane for heard in self.alive or last for lane in heard.heartbeat.lanes):
            there = of_office.get(lane.office)
            of_office[lane.office] = lane if there is None or lane.waiting > there.waiting else there
        return tuple(of_office.values())

    # --- what several rules say

    @property
    def worker(self) -> Party:
        """Whose process it is that does the work."""
        if self.seen.kind is Kind.OFFICE:
            return Party.ADAPTER
        return Party.GATEWAY if self.seen.kind is Kind.OUTBOX or self.seen.name == topics.GROUP_STATUS else Party.RECORDER

    def waits(self) -> Evidence:
        """How many wait, and since when."""
        return Evidence(EvidenceCode.OLDEST, count=self.waiting, at=self.oldest_at)


def by_our_clock(heard: Heard, moment: datetime) -> datetime:
    """A time that a process has said, by the watch's clock: so long before it was heard as the process means."""
    return heard.heard_at - (heard.heartbeat.at - moment)
