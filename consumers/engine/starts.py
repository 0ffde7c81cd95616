"""Where each assigned partition starts, out of three that may differ: the ledger's offset, the group's commit, and the log itself. Pure.

The ledger notes an offset before it is committed to Kafka, so Kafka's is the ledger's or one commit behind, unless somebody else moved
it, or one of the two is an older copy of itself. The engine starts at the lesser of the two. What comes twice by that, the ledger drops; what
the ledger knows nothing of, although Kafka's commit was past it, is unclear: the back office is asked before anything is delivered.
`tests/unit/test_starts.py` has the table.
"""

from __future__ import annotations

from dataclasses import dataclass

from infra.kafka.cluster import Log
from schemas import problems
from schemas.errors import CannotTell

TopicPartition = tuple[str, int]
"""aiokafka's is one."""


@dataclass(frozen=True, slots=True)
class LedgerPosition:
    """What the ledger knows of a partition: how far the office has come there."""

    offset: int | None = None
    """All records before it are finished; None where it has never heard of the partition."""
    topic_id: str | None = None
    """Kafka's id of the topic that the offset is about; None where it was noted before ids were kept."""
    ask_before: int = 0
    """Records before this offset are unclear: somebody else may have delivered them."""
    lost: int = 0
    """Records that were gone before they were read, since the last reset of offsets."""

    def is_of_another(self, topic_id: str | None) -> bool:
        """Whether the offset is about another topic than the one with this id; False where one of the two ids is not known."""
        return None not in (self.topic_id, topic_id) and self.topic_id != topic_id


@dataclass(frozen=True, slots=True)
class Start:
    """Where a partition starts, and what the ledger and people have to know of it."""

    offset: int
    topic_id: str | None
    """Kafka's id of the topic; None where neither Kafka nor the ledger knows it."""
    ask_before: int = 0
    """Records before this offset are unclear, as in `LedgerPosition`, or because somebody moved the commit."""
    lost: int = 0
    """Records that were gone before they were read, since the last reset of offsets."""
    newly_lost: int = 0
    """Those of them that were not known to be lost before this start."""
    moved: int = 0
    """How far Kafka's commit is ahead of the ledger's offset."""
    first_commit: bool = False
    """Kafka has no commit for the partition."""


def start_of(partition: TopicPartition, known: LedgerPosition, committed: int | None, log: Log) -> Start:
    """Where a partition starts, by what the ledger knows, what Kafka has as the group's commit (None for nothing), and its log.

    Raises:
        CannotTell: topic-replaced, where the ledger's offset is about another topic of this name; log-shortened, where the log ends before
            it; offsets-lost, where Kafka has no commit although we committed.
    """
    at = known.offset
    if known.is_of_another(log.topic_id):  # also at 0: what waited there, or was parked, is gone
        raise _cannot_tell(problems.TOPIC_REPLACED, partition, f"{at} was reached in another topic of this name")
    if at and at > log.end:
        raise _cannot_tell(problems.LOG_SHORTENED, partition, f"it ends at {log.end}, {at} is known")
    if committed is None and at is not None and at > log.first:
        raise _cannot_tell(problems.OFFSETS_LOST, partition, f"{at} was committed")
    if at is None:  # all before the first record is gone, all behind it is new to the ledger, whoever committed what
        ahead = max(0, (committed or 0) - log.first)
        gone = log.first - (committed or 0)
        lesser = log.first
    else:
        ahead = max(0, (committed or 0) - at)
        gone = log.first - at
        lesser = min(at, at if committed is None else committed)
    newly_lost = max(0, gone)
    return Start(
        offset=max(lesser, log.first),
        topic_id=log.topic_id or known.topic_id,
        ask_before=max(known.ask_before, log.end, committed or 0) if ahead else known.ask_before,
        lost=known.lost + newly_lost,
        newly_lost=newly_lost,
        moved=ahead,
        first_commit=committed is None,
    )


def _cannot_tell(problem: problems.Problem, partition: TopicPartition, detail: str) -> CannotTell:
    topic, number = partition
    return CannotTell(problem, f"partition {number}: {detail}", where=topic)
