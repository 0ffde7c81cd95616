"""What the engine asks of whoever handles the records of an office, and what comes of a record. `consumers.delivery` is the real one.

A record passes the handler in this order:

    on_assigned, note_starts  its partition was assigned
    recognise                 it was read
    capacity, begin           it is its turn
    deliver, or give_up       a worker has it
    settle                    what comes of it: Finished, Parked, Dead, Again or Waits
    note_offsets              the commit is about to pass it

One event loop calls all of them, so whatever does not return holds up the whole process, and whatever awaits only what is said here.
"Ends the run" means: within about a second the engine stops as it always does (`consumers.engine.rebalance`), but without waiting for
what runs if dispatcher or settler have failed; then the exception comes out of `Engine.run`. The process runs the engine anew
(`infra.tasks.in_background`), and every record that was not committed comes again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from aiokafka import TopicPartition

from consumers.engine.core import CaseState, Core, Work
from consumers.engine.starts import LedgerPosition, Start
from infra.kafka.consumer_record import ConsumerRecord

KafkaWork = Work[TopicPartition, ConsumerRecord]
"""A record of Kafka in flight."""
WorkT = TypeVar("WorkT", bound=KafkaWork)
"""What a handler makes of it: `KafkaWork`, or a class derived from it."""
KafkaCore = Core[TopicPartition, ConsumerRecord, WorkT]
"""The core of an engine whose handler makes such works."""
WorkT_contra = TypeVar("WorkT_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing is to be done with the record any more: the commit may pass it, and the next one of its case may be handed out.

    There is one of it, `FINISHED`.
    """


@dataclass(frozen=True, slots=True)
class Parked:
    """Finished here: its copy is in the retry topic, at this offset. Later records of its case have to follow it."""

    retry_offset: int


@dataclass(frozen=True, slots=True)
class Dead:
    """Finished here: its copy is a dead letter that holds the case of this submission. Later records of the case have to follow it."""

    submission: str


@dataclass(frozen=True, slots=True)
class Again:
    """Not finished: it is handed out once more after a while, to be begun and delivered anew. Its case waits until then."""

    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Waits:
    """Not finished: it is settled once more after a while, without another delivery. Its case waits with it, no other does."""

    delay_s: float


End = Finished | Parked | Dead | Again | Waits
FINISHED: Final = Finished()


class Delivers(Protocol[WorkT_contra]):
    """The part of a handler that workers call (`consumers.engine.workers`)."""

    async def deliver(self, work: WorkT_contra, /) -> None:
        """Deliver one record, and remember in it what came of that; `settle` gets it next.

        Called by a worker, for up to `max_concurrency` records at once, one of a case at a time. It may take its time. It is cancelled
        when it takes longer than `attempt_timeout_s`, when too many finished records wait for this one to be committed, or when
        partitions go; its outcome is unclear then. It should not raise: an exception is logged by its class, and `give_up` called.
        """

    def give_up(self, work: WorkT_contra, /, reason: str | None) -> None:
        """Remember that `deliver` came to no result, for this reason, and that the outcome is unclear; `settle` gets the record next.

        Without a reason `deliver` was not called at all, because the record had waited so long for a worker that its partition may be
        somebody else's. Called by the worker in place of the rest of `deliver`, but not for what is cut off when partitions go. It
        must not raise: the record would stay unfinished until its partition is assigned anew.
        """


class Handler(Delivers[WorkT], Protocol[WorkT]):
    """What is done with the records of one office."""

    max_concurrency: int
    """How many calls of `deliver` it bears at once. Read once, when the engine is made."""

    @property
    def make(self) -> Callable[[TopicPartition, ConsumerRecord, int, bool], WorkT]:
        """The class of its works, called for each record that was read. Read once, when the engine is made."""

    async def on_assigned(
        self, partitions: Sequence[TopicPartition]
    ) -> tuple[Mapping[TopicPartition, LedgerPosition], Mapping[bytes, CaseState]]:
        """Fence off whoever had these partitions before, and say what is known of each, and which of their cases have parked or dead
        records, by record key.

        Called by the client's own task when Kafka has assigned partitions; these are all that we have, and nothing of earlier ones
        runs any more, but for deliveries that took no notice when they were cancelled. It may wait for its store: nothing is read
        meanwhile, and a next rebalance waits. An exception ends the run.
        """

    async def note_starts(self, starts: Mapping[TopicPartition, Start]) -> None:
        """Note durably where the partitions start. Called right after `on_assigned`, before anything is read; the same holds for it."""

    def recognise(self, works: Sequence[WorkT], /) -> None:
        """Read what is needed of records that were just fetched, while the processor still has them at hand. Of those of a retry
        topic say which submission they are, and where they stood (`held_as`, `origin`).

        Called by the reader, with records of one partition in log order. What a record holds must not make it raise: an exception ends
        the run, and the record would come again.
        """

    def capacity(self, wanted: int) -> int:
        """How many records may be begun now, at most as many as wanted; 0 while the office is paused. Then nothing is read either.

        Called by the reader and by the dispatcher in each of their rounds, and while partitions are drained, so it has to be quick. An
        exception ends the run; while partitions are drained it ends that, and what is finished is not committed once more.
        """

    async def begin(self, works: Sequence[WorkT], /) -> tuple[list[WorkT], list[WorkT]]:
        """Note durably that these are about to be delivered; those to deliver, and the others, which are settled without a delivery.

        Called by the dispatcher with what the core hands out, one call at a time. It may wait for its store: nothing else is begun
        meanwhile, and after half a minute `Engine.stuck` says so. It is cancelled when partitions go. An exception ends the run.
        """

    async def settle(self, works: Sequence[WorkT], /) -> list[End]:
        """Make durable what came of these, copy what is set aside, tell the portals; for each, in this order, what comes of it.

        Called by the settler with all that came back since its last call, one call at a time. It may wait for store and Kafka: no
        record is finished meanwhile, and after half a minute `Engine.stuck` says so. It is cancelled when partitions go. An exception
        ends the run, and none of these is finished.
        """

    async def note_offsets(self, offsets: Mapping[TopicPartition, int], lost: Mapping[TopicPartition, int]) -> None:
        """Note durably the offsets that are about to be committed, and how many records of each partition were gone before.

        Called by `Commits` before each commit, one call at a time; the commit waits for it. At the last commit, when partitions go, it
        is cancelled after some seconds. After an exception nothing is committed. It ends the run when it comes at one of the regular
        commits; at the first and the last one of an assignment the client logs it and goes on; at the last one of a run it comes out of
        `Engine.run`.
        """
