"""What the engine decides about order and commits, without Kafka, clock or I/O, so that tests can drive it through any interleaving.

A record is offered when it was read, handed out when it is its turn, and finished when nothing is to be done with it any more;
between the first and the last it is in flight. One event loop calls all of this; nothing here waits.

Promises, checked by `tests/unit/test_engine_interleavings.py` after every step:
- one record of a case at a time, over both topics of the office, in the order of the log;
- the offset to commit never passes an unfinished record;
- while records of a case are parked, its later ones follow them; while one of its records is dead and holds the case, the ones
  that were written after it follow it;
- work of an earlier generation, that is of partitions that were revoked since, changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, Protocol, Self, TypeVar


class Record(Protocol):
    """What the core reads of a record (aiokafka's ConsumerRecord has it)."""

    offset: int
    key: bytes | None
    value: bytes | None


PartitionT = TypeVar("PartitionT", bound=Hashable)
RecordT = TypeVar("RecordT", bound=Record)
WorkT = TypeVar("WorkT", bound="Work[Any, Any]")


class OffsetWentBack(Exception):
    """A record has an offset that was read before: the topic was made anew while it was read."""


class Action(Enum):
    """What the handler has to do with a record that is handed out."""

    TRY = "try"
    """Deliver it."""
    PARK = "park"
    """Copy it behind the parked records of its case, untried."""
    HOLD = "hold"
    """Copy it behind the dead letter that holds its case, untried."""


@dataclass(slots=True)
class CaseState:
    """A case with parked or dead records. Of all other cases the core knows only their chains."""

    parked_through: int = -1
    """Offset of its last record in the retry topic; -1 when nothing of it is parked."""
    held: dict[str, int] = field(default_factory=dict)
    """Its dead submissions that hold it, each with its offset in the submissions topic."""

    @property
    def ordinary(self) -> bool:
        """It has no parked and no dead records any more, so nothing needs to be known of it."""
        return self.parked_through < 0 and not self.held


class Work(Generic[PartitionT, RecordT]):
    """One record in flight. Only the core sets these fields, but for `origin` and `held_as`, which the handler sets when it recognises a
    record of a retry topic. Whoever handles records derives a class with more.
    """

    __slots__ = (
        "action",
        "case",
        "following",
        "generation",
        "held_as",
        "last",
        "offset",
        "origin",
        "out",
        "partition",
        "record",
        "retry",
    )

    def __init__(self, partition: PartitionT, record: RecordT, generation: int, retry: bool) -> None:
        self.partition = partition
        self.case: Hashable = (partition, record.offset) if record.key is None else record.key
        """Its key; a record without one is a case of its own."""
        self.record = record
        self.generation = generation
        """That of the core when it was offered."""
        self.retry = retry
        """It comes from the retry topic."""
        self.offset = self.origin = record.offset
        """`origin` is its offset in the submissions topic, by which the records of a case are ordered over both topics."""
        self.held_as = ""
        """Of a record from the retry topic: the submission that no longer holds its case when this is finished."""
        self.action = Action.TRY
        self.out = False
        """It is handed out."""
        self.following: Self | None = None
        """The next record of its case from the same topic."""
        self.last: Self | None = None
        """At the head of a chain with more than one: its last record. (Never itself: a cycle would live until a collection.)"""


@dataclass(slots=True)
class _Partition(Generic[WorkT]):
    """One assigned partition: which records are unfinished, and which may be handed out."""

    retry: bool
    size_bytes: int = 0
    """Of the values of its records in flight."""
    open: deque[int] = field(default_factory=deque)
    """Offsets from the oldest unfinished record on, in log order."""
    finished: set[int] = field(default_factory=set)
    """Those of them that are finished: something before them is not."""
    ready: deque[WorkT] = field(default_factory=deque)
    """Records that may be handed out, each the first of its chain."""
    position: int = 0
    """The offset of the next record to read."""
    furthest: int = -1
    """The highest offset handed out so far."""
    committable: int = 0
    """All records before this offset are finished."""


Chains = dict[Hashable, WorkT]
"""By case the head of its chain."""


class Core(Generic[PartitionT, RecordT, WorkT]):
    """The records in flight of the assigned partitions: a chain per case and topic, and what may be committed.

    Between `assign` and `revoke_all` the reader calls `offer` and `advance`, the dispatcher `take`, the settler one of `finish`,
    `finish_parked`, `finish_dead` and `defer` for each record that was handed out, a timer `requeue`, and the committer `committable`.
    """

    def __init__(self, make: Callable[[PartitionT, RecordT, int, bool], WorkT]) -> None:
        """`make` is `Work` or a class derived from it."""
        self._make = make
        self._partitions: dict[PartitionT, _Partition[WorkT]] = {}
        self._turn: deque[_Partition[WorkT]] = deque()
        self._chains: Chains[WorkT] = {}
        self._retry_chains: Chains[WorkT] = {}
        self._special: dict[Hashable, CaseState] = {}
        self._waiting: dict[Hashable, list[WorkT]] = {}
        """By case the records that may be handed out as soon as the one of the other topic, which is handed out, comes back."""
        self._draining = False
        self.generation = 0
        """Grows with each assignment and each revocation. Whoever waits for something compares it before and after."""
        self.in_flight = 0
        """Records offered and not finished."""
        self.ready = 0
        """Records that may be handed out, each the first of its chain."""

    @property
    def partitions(self) -> Collection[PartitionT]:
        """The assigned partitions."""
        return self._partitions.keys()

    @property
    def in_flight_bytes(self) -> int:
        """Size of the values of the records in flight."""
        return sum(partition.size_bytes for partition in self._partitions.values())

    @property
    def uncommittable(self) -> int:
        """Records finished behind one that is not: after a crash they come again."""
        return sum(len(partition.finished) for partition in self._partitions.values())

    @property
    def parked_cases(self) -> int:
        """Cases with records in the retry topic."""
        return sum(1 for case in self._special.values() if case.parked_through >= 0)

    def assign(
        self, starts: Mapping[PartitionT, int], retry: Collection[PartitionT] = (), cases: Mapping[bytes, CaseState] | None = None
    ) -> None:
        """Begin anew with these partitions, each at this offset; those in `retry` are of a retry topic.

        `cases` are the cases with parked or dead records in these partitions, by record key. The core changes these objects.
        """
        self.revoke_all()
        for key, case in (cases or {}).items():
            self._special[key] = case
        for partition, start in starts.items():
            self._partitions[partition] = _Partition(partition in retry, position=start, committable=start)
        self._turn.extend(self._partitions.values())

    def revoke_all(self) -> None:
        """Forget everything, because aiokafka rebalances eagerly: all partitions are revoked at once. From here on what becomes of records
        that were handed out changes nothing.
        """
        for container in (self._partitions, self._turn, self._chains, self._retry_chains, self._special, self._waiting):
            container.clear()
        self.generation += 1
        self._draining = False
        self.in_flight = self.ready = 0

    def position(self, partition: PartitionT) -> int:
        """The offset of the next record to read of an assigned partition."""
        return self._partitions[partition].position

    def readable(self, limit: int, limit_bytes: int) -> list[PartitionT]:
        """Partitions to read on: those with less in flight than their share of both limits. Records that only wait for an older one to be
        finished do not count. So a partition full of slow records leaves room for the others.
        """
        share = max(1, len(self._partitions))
        return [
            partition
            for partition, state in self._partitions.items()
            if (len(state.open) - len(state.finished)) * share < limit and state.size_bytes * share < limit_bytes
        ]

    def offer(self, partition: PartitionT, records: Sequence[RecordT]) -> list[WorkT]:
        """Take in records that were read of an assigned partition, one at least, in log order.

        Raises:
            OffsetWentBack: an offset comes a second time in one assignment; the log is not the one that was read before. Nothing was
                taken in, and the core does not mend it: the run has to end.
        """
        state = self._partitions[partition]
        if records[0].offset < state.position:
            raise OffsetWentBack(f"offset {records[0].offset} after {state.position - 1}")
        state.position = records[-1].offset + 1
        state.open.extend([record.offset for record in records])
        state.size_bytes += sum([len(record.value or b"") for record in records])
        self.in_flight += len(records)
        make, generation, retry = self._make, self.generation, state.retry
        works = [make(partition, record, generation, retry) for record in records]
        for work in works:
            self._append(state, work)
        return works

    def advance(self, partition: PartitionT, offset: int) -> None:
        """Between what was read of an assigned partition and this offset there are no records to come, only markers of transactions, or
        records that are gone: nothing of it keeps the commit back.
        """
        state = self._partitions[partition]
        state.position = max(state.position, offset)
        if not state.open:
            state.committable = state.position

    def _append(self, state: _Partition[WorkT], work: WorkT) -> None:
        """Put a record at the end of its chain; it may be handed out if it is the only one."""
        chains = self._retry_chains if state.retry else self._chains
        head = chains.get(work.case)
        if head is None:
            chains[work.case] = work
            state.ready.append(work)
            self.ready += 1
        else:
            (head.last or head).following = work
            head.last = work
        if state.retry:
            special = self._special.setdefault(work.case, CaseState())
            special.parked_through = max(special.parked_through, work.offset)

    def take(self, limit: int) -> list[WorkT]:
        """Hand out up to so many records, each with its `action`; partitions take turns, so that a full one does not starve the others.
        Each has to come back by one of the `finish` methods, or by `defer` and `requeue`.
        """
        taken: list[WorkT] = []
        while self.ready and len(taken) < limit:
            state = self._turn[0]
            self._turn.rotate(-1)
            if not state.ready:
                continue
            self.ready -= 1
            work = state.ready.popleft()
            if self._draining and work.offset > state.furthest:
                continue  # nothing behind it is finished, so leaving it open costs no repeat
            if self._special and (case := self._special.get(work.case)) is not None:
                if self._other_is_out(work):
                    self._waiting.setdefault(work.case, []).append(work)
                    continue
                work.action = self._action(work, case)
            state.furthest = max(state.furthest, work.offset)
            work.out = True
            taken.append(work)
        return taken

    def _other_is_out(self, work: WorkT) -> bool:
        """Whether a record of the same case, from the other topic, is handed out."""
        other = (self._chains if work.retry else self._retry_chains).get(work.case)
        return other is not None and other.out

    @staticmethod
    def _action(work: WorkT, case: CaseState) -> Action:
        """What has to be done with a record whose case has parked or dead ones."""
        if not work.retry and case.parked_through >= 0:
            return Action.PARK
        # Dead submissions of a topic that was made anew since count as older than all (-1): none of them holds another one of that time.
        place = min(work.origin, case.held.get(work.held_as, work.origin))
        if any(origin < place for origin in case.held.values()):
            return Action.HOLD
        return Action.TRY

    def drain(self) -> None:
        """Before partitions go: hand out only what lies before a record that was handed out, so that all that was delivered can be committed."""
        self._draining = True

    def finish(self, *works: WorkT) -> None:
        """Nothing is to be done with these records any more: the next ones of their cases may be handed out, and the commit may pass them."""
        for work in works:
            if work.generation == self.generation:
                self._close(work)
                if self._special and work.case in self._special:
                    self._update_case(work)

    def finish_parked(self, work: WorkT, retry_offset: int) -> None:
        """As `finish`, for a record whose copy is in the retry topic at this offset: later ones of its case have to follow it."""
        if work.generation != self.generation:
            return
        if work.record.key is not None:  # else nothing can follow it
            case = self._special.setdefault(work.case, CaseState())
            case.parked_through = max(case.parked_through, retry_offset)
        self.finish(work)

    def finish_dead(self, work: WorkT, submission: str) -> None:
        """As `finish`, for a record whose copy is a dead letter that holds the case of this submission."""
        if work.generation != self.generation:
            return
        if work.record.key is not None:
            held = self._special.setdefault(work.case, CaseState()).held
            held[submission] = min(work.origin, held.get(submission, work.origin))
            work.held_as = ""  # it stays held
        self.finish(work)

    def requeue(self, work: WorkT) -> None:
        """A record that was deferred may be handed out again from now on."""
        if work.generation != self.generation:
            return
        state = self._partitions[work.partition]
        state.ready.append(work)
        self.ready += 1

    def defer(self, work: WorkT) -> None:
        """A record that was handed out stays in flight until it is requeued; one of its case from the other topic may go first."""
        if work.generation == self.generation:
            work.out, work.action = False, Action.TRY
            self._wake(work.case)

    def committable(self) -> dict[PartitionT, int]:
        """Per assigned partition the offset to commit: all records before it are finished. It is that of the oldest unfinished record, or lies
        before it where there are only offsets without a record between; where none is unfinished, that of the next record to read.
        """
        return {partition: state.committable for partition, state in self._partitions.items()}

    def oldest(self) -> dict[PartitionT, int]:
        """Per partition with unfinished records the offset of the oldest of them."""
        return {partition: state.open[0] for partition, state in self._partitions.items() if state.open}

    def heads(self) -> list[WorkT]:
        """The first unfinished record of each case, from each topic. Only these can be handed out; whatever stands behind one never was."""
        return [*self._chains.values(), *self._retry_chains.values()]

    def gaps(self, behind: int) -> set[tuple[PartitionT, int]]:
        """The records (partition, offset) that each keep more than so many finished ones from being committed."""
        return {(partition, state.open[0]) for partition, state in self._partitions.items() if len(state.finished) > behind}

    def _close(self, work: WorkT) -> None:
        """Take a record out of its chain and its partition."""
        self.in_flight -= 1
        state = self._partitions[work.partition]
        state.size_bytes -= len(work.record.value or b"")
        chains = self._retry_chains if work.retry else self._chains
        following = work.following
        if following is None:
            del chains[work.case]
        else:
            following.last = work.last if work.last is not following else None
            chains[work.case] = following
            state.ready.append(following)
            self.ready += 1
        open_offsets, finished = state.open, state.finished
        finished.add(work.offset)
        while open_offsets and open_offsets[0] in finished:
            finished.remove(open_offsets.popleft())
            state.committable = open_offsets[0] if open_offsets else state.position

    def _update_case(self, work: WorkT) -> None:
        """What a finished record changes for its case, where that has parked or dead records."""
        case = self._special[work.case]
        if work.held_as:
            case.held.pop(work.held_as, None)
        if work.retry and work.offset >= case.parked_through:
            case.parked_through = -1
        if case.ordinary:
            del self._special[work.case]
        self._wake(work.case)

    def _wake(self, case: Hashable) -> None:
        """What waited for a record of this case may be handed out."""
        for waiting in self._waiting.pop(case, ()):
            self.requeue(waiting)
