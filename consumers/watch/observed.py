"""What one cycle of the watch finds out. The collector makes it, the judge reads it. What `model.py` says of its types holds here too."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from schemas.heartbeats import Heartbeat, Pause
from schemas.operations import Operation


class Kind(StrEnum):
    """What a consumer is."""

    OFFICE = "office"
    RECORDER = "recorder"
    """Audit, statistics or status feed."""
    OUTBOX = "outbox"
    """The gateway, which publishes what it has accepted."""


@dataclass(frozen=True, slots=True)
class PartitionSeen:
    """One partition that a group reads. What could not be asked keeps the values of when it could, and their time."""

    topic: str
    partition: int
    as_of: datetime | None
    """When all of the below was true; None where nothing has been found out yet."""
    committed: int | None = None
    """None where the group has no commit there: it is counted from the log start."""
    start: int = 0
    end: int = 0
    """Behind the last record."""
    readable: int | None = None
    """Behind the last record that can be read, where a transaction is open; None where `end` is it."""
    lost: int = 0
    """Records that were gone before the adapter had read them, as it has noted with its commit."""
    fresh: bool | None = None
    """Whether nothing that waits is older than the target; None where that was not asked."""
    oldest_at: datetime | None = None
    """The time on the oldest record that waits; None where none does, or it was not found out."""
    retention_s: float | None = None
    """How long the topic keeps its records; None where for ever, or it is not known."""
    fault: str | None = None
    """Why it could not be asked this time: a code of ours or the name of Kafka's error; None where it could."""

    @property
    def place(self) -> str:
        """`topic/partition`, as heartbeats name it."""
        return f"{self.topic}/{self.partition}"

    @property
    def position(self) -> int:
        """What the group reads next; without a commit, or where that is gone, from the log start on."""
        return min(max(self.committed or 0, self.start), self.end)

    @property
    def lag(self) -> int:
        """How many records wait."""
        return self.end - self.position


@dataclass(frozen=True, slots=True)
class GroupSeen:
    """A group as its coordinator shows it."""

    state: str
    """Kafka's word: Stable, Empty, Dead, PreparingRebalance, CompletingRebalance."""
    members: tuple[str, ...]
    """Ids of the members, so that who comes and goes can be told."""
    as_of: datetime | None
    fault: str | None = None
    """Why it could not be asked this time."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a process said of itself last."""

    heartbeat: Heartbeat
    heard_at: datetime
    """When the watch read it, by its own clock; of one of before its start, when Kafka wrote it."""


@dataclass(frozen=True, slots=True)
class Noted:
    """An operator's action out of `stadtbus.operations`."""

    operation: Operation
    at: datetime
    """When Kafka wrote it."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """Records of an office that are set aside: parked, or open dead letters."""

    count: int
    oldest_at: datetime | None
    """When the oldest of them was set aside (not when it was accepted); None where none is, or nobody knows."""
    as_of: datetime


@dataclass(frozen=True, slots=True)
class ConsumerSeen:
    """What was found out about one consumer."""

    name: str
    """The office, `audit`, `statistics`, `status`, or `gateway`."""
    kind: Kind
    group: GroupSeen | None = None
    """None for the outbox, which has none."""
    partitions: tuple[PartitionSeen, ...] = ()
    processes: tuple[Heard, ...] = ()
    """Of an office its adapters, of a recorder its processes, of the status feed and the outbox the gateways."""
    parked: SetAside | None = None
    dead_letters: SetAside | None = None
    """Open ones: neither replayed, settled nor discarded; None where that could not be found out."""
    pause: Pause | None = None
    """By an operator or a maintenance window: the rule of `consumers.pauses`."""
    operations: tuple[Noted, ...] = ()
    """Of the last day, about this office: what explains that offsets went back."""
    faults: tuple[str, ...] = ()
    """What is wrong with its topics: one is missing, or nobody leads a partition."""


@dataclass(frozen=True, slots=True)
class BrokerSeen:
    """A broker of the cluster."""

    id: int
    address: str
    up: bool
    why: str = ""
    """Why it does not answer."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that one cycle has found out."""

    at: datetime
    """The end of the cycle, by the watch's clock."""
    cycle_s: float
    """The time between two cycles: what is older than three of them is not known any more."""
    consumers: tuple[ConsumerSeen, ...]
    brokers: tuple[BrokerSeen, ...] = ()
    heartbeats_as_of: datetime | None = None
    """Up to when the watch has read all heartbeats there are; None before it has. A silence counts only where this is of now."""
    operations_as_of: datetime | None = None
