"""Where an office goes on in each partition, out of three records of one truth: the ledger's, Kafka's commit, and the log itself. Pure.

The ledger notes a position before it is committed to Kafka, so Kafka's is the ledger's or one commit behind, unless somebody else moved
it, or one of the two is an older copy of itself. The engine begins at the lesser of the two. What comes twice by that, the ledger drops; what
the ledger knows nothing of, although Kafka once had it behind it, is unclear: the back office is asked before anything is handed over.
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
class Known:
    """What the ledger knows of a partition."""

    offset: int | None = None
    """All records before it are done with; None where it has never heard of the partition."""
    topic_id: str | None = None
    """Of which topic that is said; None where it was noted before ids were kept."""
    ask_before: int = 0
    """Records before it are unclear: others may have handed them over."""
    lost: int = 0
    """Records that were gone before they were read, since the last reset of offsets."""

    def is_of_another(self, topic_id: str | None) -> bool:
        """Whether this is said of another topic than the one with this id, as far as both are known."""
        return None not in (self.topic_id, topic_id) and self.topic_id != topic_id


@dataclass(frozen=True, slots=True)
class Start:
    """Where a partition goes on, and what there is to say of it."""

    offset: int
    topic_id: str | None
    ask_before: int = 0
    lost: int = 0
    """As in `Known`."""
    newly_lost: int = 0
    """Of these the ones that nobody has said yet."""
    moved: int = 0
    """So many offsets lie between the ledger's position and a commit that is ahead of it."""
    first_commit: bool = False
    """Kafka has no commit for the partition."""


def start_of(partition: TopicPartition, known: Known, committed: int | None, log: Log) -> Start:
    """Where to go on.

    Raises:
        CannotTell: topic-replaced, log-shortened; offsets-lost, where Kafka knows nothing of what we committed.
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
