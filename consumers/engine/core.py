"""What the engine decides about order, without Kafka, clock or I/O, so that tests can drive it through any interleaving.

Promises, checked by `tests/unit/test_engine_core.py` after every step:
- one record of a case at a time, over both topics of the office, in the order of the log;
- the offset to commit never passes an unfinished record;
- while records of a case are parked, its later ones follow them; while one of its records is dead and holds the case, the ones
  that were written after it follow it;
- work of an earlier assignment changes nothing.
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
    """A topic was made anew while it was read."""


class Action(Enum):
    """What to do with a record that is handed out."""

    TRY = "try"
    PARK = "park"
    """Copy it behind the parked records of its case, untried."""
    HOLD = "hold"
    """Copy it behind the dead letter that holds its case, untried."""


@dataclass(slots=True)
class CaseState:
    """What is known of a case that is not simply delivered record by record."""

    parked_through: int = -1
    """Offset of its last record in the retry topic; -1 when nothing of it is parked."""
    held: dict[str, int] = field(default_factory=dict)
    """Its dead submissions that hold it, each with its place in the submissions topic."""

    @property
    def ordinary(self) -> bool:
        """Nothing is special about the case any more."""
        return self.parked_through < 0 and not self.held


class Work(Generic[PartitionT, RecordT]):
    """One record on its way. These fields belong to the core; whoever handles records derives a class with more."""

    __slots__ = (
        "action",
        "case",
        "epoch",
        "following",
        "held_as",
        "last",
        "offset",
        "origin",
        "out",
        "partition",
        "record",
        "retry",
    )

    def __init__(self, partition: PartitionT, record: RecordT, epoch: int, retry: bool) -> None:
        self.partition = partition
        self.case: Hashable = (partition, record.offset) if record.key is None else record.key
        """A record without a key belongs to nothing."""
        self.record = record
        self.epoch = epoch
        self.retry = retry
        """It comes from the retry topic."""
        self.offset = self.origin = record.offset
        """`origin` is its place in the submissions topic, by which the records of a case are ordered."""
        self.held_as = ""
        """Of a record from the retry topic: the submission that no longer holds its case when this is finished."""
        self.action = Action.TRY
        self.out = False
        self.following: Self | None = None
        """The next record of its case from the same topic."""
        self.last: Self | None = None
        """At the head of a chain with more than one: its last record. (Never itself: a cycle would live until a collection.)"""


@dataclass(slots=True)
class _Partition(Generic[WorkT]):
    """Open offsets in log order, those finished out of order, and the heads of cases that may be handed out."""

    retry: bool
    size_bytes: int = 0
    """Of the values of its records on their way."""
    open: deque[int] = field(default_factory=deque)
    finished: set[int] = field(default_factory=set)
    ready: deque[WorkT] = field(default_factory=deque)
    expected: int = 0
    """The next offset to take."""
    furthest: int = -1
    """The highest offset handed out so far."""
    committable: int = 0
    """All before it are finished, or no records of ours."""


Chains = dict[Hashable, WorkT]
"""By case the head of its chain."""


class Core(Generic[PartitionT, RecordT, WorkT]):
    """Chains per case over the assigned partitions, and what may be committed."""

    def __init__(self, make: Callable[[PartitionT, RecordT, int, bool], WorkT]) -> None:
        """`make` is `Work` or a class derived from it."""
        self._make = make
        self._partitions: dict[PartitionT, _Partition[WorkT]] = {}
        self._turn: deque[_Partition[WorkT]] = deque()
        self._chains: Chains[WorkT] = {}
        self._retry_chains: Chains[WorkT] = {}
        self._special: dict[Hashable, CaseState] = {}
        self._waiting: dict[Hashable, list[WorkT]] = {}
        """By case what could go on but for another record of the case that is handed out."""
        self._epoch = 0
        self._filling_gaps = False
        self.in_flight = 0
        """Records taken and not finished."""
        self.ready = 0
        """Cases whose next record may be handed out."""

    @property
    def partitions(self) -> Collection[PartitionT]:
        """Those assigned."""
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
        self, starts: Mapping[PartitionT, int], retry: Collection[PartitionT] = (), cases: Mapping[Any, CaseState] | None = None
    ) -> None:
        """Begin anew with these partitions, each at this offset; those in `retry` are of a retry topic.

        `cases` are those of these partitions with parked or dead records.
        """
        self.revoke_all()
        self._special.update(cases or {})
        for partition, start in starts.items():
            self._partitions[partition] = _Partition(partition in retry, expected=start, committable=start)
        self._turn.extend(self._partitions.values())

    def revoke_all(self) -> None:
        """Forget everything: aiokafka rebalances eagerly, so all partitions move. Work still running is of an old epoch now."""
        for container in (self._partitions, self._turn, self._chains, self._retry_chains, self._special, self._waiting):
            container.clear()
        self._epoch += 1
        self._filling_gaps = False
        self.in_flight = self.ready = 0

    def expected(self, partition: PartitionT) -> int:
        """The offset of the next record to take."""
        return self._partitions[partition].expected

    def readable(self, limit: int, limit_bytes: int) -> list[PartitionT]:
        """Partitions with less on their way than their share of both limits: one full of slow or waiting records leaves room for
        the others.
        """
        share = max(1, len(self._partitions))
        return [
            partition
            for partition, state in self._partitions.items()
            if (len(state.open) - len(state.finished)) * share < limit and state.size_bytes * share < limit_bytes
        ]

    def offer(self, partition: PartitionT, records: Sequence[RecordT]) -> list[WorkT]:
        """Take records of an assigned partition in log order.

        Raises:
            OffsetWentBack: records of this assignment begin again; the log is not the one that was read before.
        """
        state = self._partitions[partition]
        if records[0].offset < state.expected:
            raise OffsetWentBack(f"offset {records[0].offset} after {state.expected - 1}")
        state.expected = records[-1].offset + 1
        state.open.extend([record.offset for record in records])
        state.size_bytes += sum([len(record.value or b"") for record in records])
        self.in_flight += len(records)
        make, epoch, retry = self._make, self._epoch, state.retry
        works = [make(partition, record, epoch, retry) for record in records]
        for work in works:
            self._append(state, work)
        return works

    def pass_to(self, partition: PartitionT, offset: int) -> None:
        """Behind what was read of an assigned partition there are no records before this offset: markers of transactions, or what is gone."""
        state = self._partitions[partition]
        state.expected = max(state.expected, offset)
        if not state.open:
            state.committable = state.expected

    def _append(self, state: _Partition[WorkT], work: WorkT) -> None:
        """To the end of its chain."""
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
        """The next records to handle, partitions in turn, so that a full one does not starve the others."""
        taken: list[WorkT] = []
        while self.ready and len(taken) < limit:
            state = self._turn[0]
            self._turn.rotate(-1)
            if not state.ready:
                continue
            self.ready -= 1
            work = state.ready.popleft()
            if self._filling_gaps and work.offset > state.furthest:
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
        if not work.retry and case.parked_through >= 0:
            return Action.PARK
        # Where the submissions topic was made anew, its own row is older than all, and so are the others of that time: they hold it not.
        place = min(work.origin, case.held.get(work.held_as, work.origin))
        if any(origin < place for origin in case.held.values()):
            return Action.HOLD
        return Action.TRY

    def fill_gaps(self) -> None:
        """From now on hand out only records that lie before one handed out already: when they are finished, all of it can be
        committed, and nothing that was delivered comes again after a stop.
        """
        self._filling_gaps = True

    def finish(self, *works: WorkT) -> None:
        """These records are done with: their cases go on, and the offsets may move."""
        for work in works:
            if work.epoch == self._epoch:
                self._close(work)
                if self._special and work.case in self._special:
                    self._settle_case(work)

    def finish_parked(self, work: WorkT, retry_offset: int) -> None:
        """This record is done with here: its copy stands in the retry topic."""
        if work.epoch != self._epoch:
            return
        if work.record.key is not None:  # else nothing can follow it
            case = self._special.setdefault(work.case, CaseState())
            case.parked_through = max(case.parked_through, retry_offset)
        self.finish(work)

    def finish_dead(self, work: WorkT, submission: str) -> None:
        """This record is done with here: its copy is a dead letter that holds the case."""
        if work.epoch != self._epoch:
            return
        if work.record.key is not None:
            held = self._special.setdefault(work.case, CaseState()).held
            held[submission] = min(work.origin, held.get(submission, work.origin))
            work.held_as = ""  # it stays held
        self.finish(work)

    def put_back(self, work: WorkT) -> None:
        """This record has to be handled again; from now on it may."""
        if work.epoch != self._epoch:
            return
        state = self._partitions[work.partition]
        state.ready.append(work)
        self.ready += 1

    def release(self, work: WorkT) -> None:
        """This record is not handled any more but will be put back later; others of its case need not wait for it."""
        if work.epoch == self._epoch:
            work.out, work.action = False, Action.TRY
            self._wake(work.case)

    def committable(self) -> dict[PartitionT, int]:
        """Per partition the offset of the oldest unfinished record, or behind the last one."""
        return {partition: state.committable for partition, state in self._partitions.items()}

    def gaps(self, behind: int) -> set[tuple[PartitionT, int]]:
        """The records (partition, offset) that each hold back the commit of more than so many finished ones."""
        return {(partition, state.open[0]) for partition, state in self._partitions.items() if len(state.finished) > behind}

    def _close(self, work: WorkT) -> None:
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
            state.committable = open_offsets[0] if open_offsets else state.expected

    def _settle_case(self, work: WorkT) -> None:
        case = self._special[work.case]
        if work.held_as:
            case.held.pop(work.held_as, None)
        if work.retry and work.offset >= case.parked_through:
            case.parked_through = -1
        if case.ordinary:
            del self._special[work.case]
        self._wake(work.case)

    def _wake(self, case: Hashable) -> None:
        for waiting in self._waiting.pop(case, ()):
            self.put_back(waiting)
