"""What the engine decides, without Kafka, clock or I/O, so that tests can drive it through any interleaving.

Promises, checked by `tests/unit/test_engine_core.py` after every step:
- one record of a case at a time, in the order of the log;
- the offset to commit never passes an unfinished record;
- work of an earlier assignment changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

PartitionT = TypeVar("PartitionT", bound=Hashable)
RecordT = TypeVar("RecordT")


class OffsetWentBack(Exception):
    """A topic was made anew while it was read."""


@dataclass(slots=True, eq=False)
class Work(Generic[PartitionT, RecordT]):
    """One record on its way. `attempts` counts how often it was handed out."""

    partition: PartitionT
    offset: int
    case: Hashable
    record: RecordT
    epoch: int
    attempts: int = 0


@dataclass(slots=True)
class _Partition(Generic[PartitionT, RecordT]):
    """Open offsets in log order, those finished out of order, and the cases whose head may be handed out."""

    open: deque[int] = field(default_factory=deque)
    finished: set[int] = field(default_factory=set)
    chains: dict[Hashable, deque[Work[PartitionT, RecordT]]] = field(default_factory=dict)
    ready: deque[Hashable] = field(default_factory=deque)
    expected: int = -1
    """The next offset to take; -1 before the first."""
    furthest: int = -1
    """The highest offset handed out so far."""
    committable: int = -1
    """All before it are finished; -1 before the first."""


class Core(Generic[PartitionT, RecordT]):
    """Chains per case over the assigned partitions, and what may be committed."""

    def __init__(self) -> None:
        self._partitions: dict[PartitionT, _Partition[PartitionT, RecordT]] = {}
        self._turn: deque[PartitionT] = deque()
        self._epoch = 0
        self._filling_gaps = False
        self.in_flight = 0
        """Records taken and not finished."""
        self.ready = 0
        """Cases whose next record may be handed out."""

    @property
    def partitions(self) -> int:
        """How many partitions are assigned."""
        return len(self._partitions)

    @property
    def uncommittable(self) -> int:
        """Records finished behind one that is not: after a crash they come again."""
        return sum(len(partition.finished) for partition in self._partitions.values())

    def assign(self, partitions: Iterable[PartitionT]) -> None:
        """Begin anew with these partitions; each starts with the first record offered."""
        self.revoke_all()
        for partition in partitions:
            self._partitions[partition] = _Partition()
            self._turn.append(partition)

    def revoke_all(self) -> None:
        """Forget everything: aiokafka rebalances eagerly, so all partitions move. Work still running is of an old epoch now."""
        self._partitions.clear()
        self._turn.clear()
        self._epoch += 1
        self._filling_gaps = False
        self.in_flight = self.ready = 0

    def offer(self, partition: PartitionT, offset: int, case: Hashable, record: RecordT) -> bool:
        """Take a record; False for one that is not of this assignment.

        Raises:
            OffsetWentBack: records of this assignment begin again; the log is not the one that was read before.

        """
        state = self._partitions.get(partition)
        if state is None:
            return False
        if offset < state.expected:
            raise OffsetWentBack(f"offset {offset} after {state.expected - 1}")
        if state.committable < 0:
            state.committable = offset
        state.expected = offset + 1
        state.open.append(offset)
        self.in_flight += 1
        work = Work(partition, offset, case, record, self._epoch)
        chain = state.chains.get(case)
        if chain is not None:
            chain.append(work)
        else:
            state.chains[case] = deque((work,))
            self._make_ready(state, case)
        return True

    def take(self) -> Work[PartitionT, RecordT] | None:
        """The next record to handle, partitions in turn, so that a full one does not starve the others."""
        while self.ready:
            partition = self._turn[0]
            self._turn.rotate(-1)
            state = self._partitions[partition]
            if state.ready:
                self.ready -= 1
                work = state.chains[state.ready.popleft()][0]
                if self._filling_gaps and work.offset > state.furthest:
                    continue  # nothing behind it is finished, so leaving it open costs no repeat
                state.furthest = max(state.furthest, work.offset)
                work.attempts += 1
                return work
        return None

    def fill_gaps(self) -> None:
        """From now on hand out only records that lie before one handed out already: when they are finished, all of it can be
        committed, and nothing that was delivered comes again after a stop.
        """
        self._filling_gaps = True

    def finish(self, work: Work[PartitionT, RecordT]) -> None:
        """This record is done with: the case goes on, and the offset may move."""
        state = self._current(work)
        if state is None:
            return
        self.in_flight -= 1
        chain = state.chains[work.case]
        chain.popleft()
        if chain:
            self._make_ready(state, work.case)
        else:
            del state.chains[work.case]
        state.finished.add(work.offset)
        while state.open and state.open[0] in state.finished:
            offset = state.open.popleft()
            state.finished.remove(offset)
            state.committable = offset + 1

    def put_back(self, work: Work[PartitionT, RecordT]) -> None:
        """This record has to be handled again; until now its case waited."""
        state = self._current(work)
        if state is not None:
            self._make_ready(state, work.case)

    def committable(self) -> dict[PartitionT, int]:
        """Per partition the offset of the oldest unfinished record, or behind the last one."""
        return {partition: state.committable for partition, state in self._partitions.items() if state.committable >= 0}

    def _current(self, work: Work[PartitionT, RecordT]) -> _Partition[PartitionT, RecordT] | None:
        return self._partitions.get(work.partition) if work.epoch == self._epoch else None

    def _make_ready(self, state: _Partition[PartitionT, RecordT], case: Hashable) -> None:
        state.ready.append(case)
        self.ready += 1
