"""A world for the engine's core: the two topics of an office, its ledger, its back office and its dead letters, as plain lists."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from consumers.delivery import states
from consumers.delivery.entry import LedgerEntry
from consumers.engine.core import Action, CaseState, Core, Work

Partition = tuple[str, int]
SUBMISSIONS, RETRY = "submissions", "retry"
NUMBERS = (0, 1)
PARTITIONS: list[Partition] = [(topic, number) for topic in (SUBMISSIONS, RETRY) for number in NUMBERS]
WITHOUT_KEY = 3
"""The number of a case that is none: its records have no key."""


@dataclass
class Rec:
    """A record; in the retry topic a copy of one in the submissions topic."""

    offset: int
    key: bytes | None
    value: bytes | None
    submission: str
    origin: int
    discarded: bool = False

    def copy(self, offset: int, *, discarded: bool = False) -> Rec:
        """The same in the retry topic."""
        return Rec(offset, self.key, self.value, self.submission, self.origin, discarded)


Out = Work[Partition, Rec]
Engine = Core[Partition, Rec, Out]


@dataclass
class World:
    """What is there whatever happens to a process."""

    logs: dict[Partition, dict[int, Rec]] = field(default_factory=lambda: {partition: {} for partition in PARTITIONS})
    ends: dict[Partition, int] = field(default_factory=lambda: dict.fromkeys(PARTITIONS, 0))
    committed: dict[Partition, int] = field(default_factory=lambda: dict.fromkeys(PARTITIONS, 0))
    ledger: dict[str, LedgerEntry] = field(default_factory=dict)
    effects: dict[tuple[int, bytes], list[int]] = field(default_factory=lambda: defaultdict(list))
    """By case the places of the submissions that the back office has, in the order in which it got them."""
    dead: list[tuple[int, Rec]] = field(default_factory=list)
    """Dead letters, with their partition number."""
    broken: set[str] = field(default_factory=set)
    """Submissions that died without holding their case: their order is given up."""

    def submit(self, case: int, *, hole: bool = False) -> None:
        """A portal's submission; an offset is left out where there is a hole."""
        number = case % len(NUMBERS)
        offset = self.ends[SUBMISSIONS, number] + hole
        key = None if case == WITHOUT_KEY else f"case {case}".encode()
        value = None if offset % 5 == 0 else b"x" * offset
        self._append((SUBMISSIONS, number), Rec(offset, key, value, f"{number}/{offset}", offset))

    def put_into_retry(self, number: int, record: Rec, *, discarded: bool = False) -> int:
        """Park, replay or discard; the offset of the copy."""
        copy = record.copy(self.ends[RETRY, number], discarded=discarded)
        self._append((RETRY, number), copy)
        return copy.offset

    def _append(self, partition: Partition, record: Rec) -> None:
        self.logs[partition][record.offset] = record
        self.ends[partition] = record.offset + 1

    def batch(self, partition: Partition, start: int, count: int) -> list[Rec]:
        """What a fetch from this offset brings."""
        return [self.logs[partition][offset] for offset in sorted(self.logs[partition]) if offset >= start][:count]

    def entry(self, record: Rec) -> LedgerEntry:
        """The row of its submission."""
        if record.submission not in self.ledger:
            self.ledger[record.submission] = LedgerEntry(record.submission.encode())
        return self.ledger[record.submission]

    def cases(self, numbers: set[int]) -> dict[bytes, CaseState]:
        """As `Ledger.cases` makes them."""
        cases: defaultdict[bytes, CaseState] = defaultdict(CaseState)
        for submission, entry in self.ledger.items():
            if entry.final or entry.partition not in numbers or entry.case_key is None:
                continue
            if entry.state == states.DEAD and entry.holds:
                cases[entry.case_key].held[submission] = entry.origin_offset or 0
            elif entry.state != states.DEAD and entry.retry_offset is not None:
                cases[entry.case_key].parked_through = max(cases[entry.case_key].parked_through, entry.retry_offset)
        return dict(cases)

    def arrive(self, work: Out) -> None:
        """The back office has it; a second time would be found."""
        key = work.record.key or work.record.submission.encode()
        case = self.effects[work.partition[1], key]
        if work.record.origin not in case:
            case.append(work.record.origin)


class Process:
    """One process with the core, and what a handler does with the records that it is given."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.core: Engine = Core(Work)
        self.stale: list[Out] = []
        self.assign(set(NUMBERS))

    def assign(self, numbers: set[int]) -> None:
        """These partition numbers of both topics are ours, from the committed offsets."""
        starts = {partition: self.world.committed[partition] for partition in PARTITIONS if partition[1] in numbers}
        self.core.assign(starts, {partition for partition in starts if partition[0] == RETRY}, self.world.cases(numbers))
        self.read = dict(starts)
        self.offered: dict[tuple[Partition, int], Out] = {}
        """Taken and not finished in this assignment."""
        self.out: list[Out] = []
        self.delayed: list[Out] = []
        """To be put back later."""
        self.furthest: dict[Partition, int] = {}
        self.parked: dict[bytes, set[int]] = defaultdict(set)
        """By case the offsets in the retry topic that are known and not finished."""
        for key, case in self.world.cases(numbers).items():
            self.parked[key] |= {case.parked_through} - {-1}

    def commit(self) -> None:
        """Commit all that may be."""
        self.world.committed.update(self.core.committable())

    def revoke(self) -> None:
        """Partitions go away; what still runs is stale."""
        self.commit()
        self.stale += [*self.out, *self.delayed]
        self.core.revoke_all()

    def fetch(self, partition: Partition, count: int) -> None:
        """Read and recognise."""
        records = self.world.batch(partition, self.read[partition], count)
        if not records:
            return
        self.read[partition] = records[-1].offset + 1
        for work in self.core.offer(partition, records):
            self.offered[partition, work.offset] = work
            if work.retry:
                work.origin, work.held_as = work.record.origin, work.record.submission
                self.parked[work.record.key or b""].add(work.offset)

    def take(self, limit: int) -> list[Out]:
        """What is handed out, and the ledger says that it begins."""
        works = self.core.take(limit)
        for work in works:
            self.furthest[work.partition] = max(self.furthest.get(work.partition, -1), work.offset)
            entry = self.world.entry(work.record)
            if work.action is Action.TRY and not work.record.discarded and entry.is_open(work.offset, retry=work.retry):
                entry.note_started(0)
                entry.retry_offset = work.offset if work.retry else entry.retry_offset
        self.out += works
        return works

    # --- what becomes of a record

    def again(self, work: Out) -> None:
        """A failure that may pass."""
        self.out.remove(work)
        self.delayed.append(work)
        self.core.defer(work)

    def put_back(self, work: Out) -> None:
        """The pause is over."""
        self.delayed.remove(work)
        self.core.requeue(work)

    def deliver(self, work: Out) -> None:
        """The back office has it, and the ledger says so."""
        self.world.arrive(work)
        self._end(work, states.DELIVERED)
        self.core.finish(work)

    def refuse(self, work: Out) -> None:
        """An operator discarded it."""
        self._end(work, states.DISCARDED)
        self.core.finish(work)

    def park(self, work: Out) -> None:
        """Its copy waits in the retry topic."""
        offset = self.world.put_into_retry(work.partition[1], work.record)
        entry = self._end(work, states.PARKED)
        entry.retry_offset = offset
        self._finish_parked(work, offset)

    def die(self, work: Out, *, holds: bool) -> None:
        """Its copy is a dead letter."""
        entry = self._end(work, states.DEAD)
        entry.holds, entry.retry_offset = holds, work.offset if work.retry else None
        self.world.dead.append((work.partition[1], work.record))
        if holds:
            self.core.finish_dead(work, work.record.submission)
        else:
            self.world.broken.add(work.record.submission)
            self.core.finish(work)

    def repeat(self, work: Out) -> None:
        """The ledger knows what became of it."""
        entry = self.world.entry(work.record)
        self._close(work)
        if entry.final or (entry.state == states.DEAD and not entry.holds):
            self.core.finish(work)
        elif entry.state == states.DEAD:
            self.core.finish_dead(work, work.record.submission)
        else:
            self._finish_parked(work, entry.retry_offset or 0)

    def _finish_parked(self, work: Out, offset: int) -> None:
        if work.record.key is not None:
            self.parked[work.record.key].add(offset)
        self.core.finish_parked(work, offset)

    def _end(self, work: Out, state: str) -> LedgerEntry:
        self._close(work)
        entry = self.world.entry(work.record)
        entry.state, entry.partition, entry.origin_offset, entry.case_key = state, work.partition[1], work.record.origin, work.record.key
        return entry

    def _close(self, work: Out) -> None:
        self.out.remove(work)
        del self.offered[work.partition, work.offset]
        if work.retry:
            self.parked[work.record.key or b""].discard(work.offset)

    # --- what is true of the world, told without the core

    def is_open(self, work: Out) -> bool:
        """Something is still to be done with it."""
        return self.world.entry(work.record).is_open(work.offset, retry=work.retry)

    def expected_action(self, work: Out) -> Action:
        """What has to be done with a record that is open."""
        if work.record.key is None:
            return Action.TRY
        if not work.retry and self.parked[work.record.key]:
            return Action.PARK
        return Action.HOLD if self._is_held(work) else Action.TRY

    def _is_held(self, work: Out) -> bool:
        """An earlier submission of its case is dead, and holds it."""
        return any(
            entry.state == states.DEAD and entry.holds and (entry.origin_offset or 0) < work.record.origin
            for submission, entry in self.world.ledger.items()
            if entry.case_key == work.record.key and entry.partition == work.partition[1] and submission != work.record.submission
        )
