"""Every topic of the bus, with its key, retention and owner. One office = one topic = one group = one adapter.

Names start with the city and a dot, so that ACLs are prefixes and `augsburg` can never match `augsburg-land`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

DAY_MS: Final = 24 * 60 * 60 * 1000
MIB: Final = 1024 * 1024
PARTITIONS: Final = 3
"""The same for all topics: a copy and an event keep the partition number of their record (docs/decisions/0006)."""
DEADLETTER_DAYS: Final = 120
RETRY_DAYS: Final = 150
"""Copies keep the original timestamp, by which Kafka counts retention: 30 days on the way in, 90 as a dead letter, 30 to be
replayed. A shorter time would delete a replayed record before its adapter has read it (docs/decisions/0006)."""
LONGEST_BLOCK_BYTES: Final = 64 * 1024
"""No copy of a record has more error headers than this (`schemas.copies`): two reasons of 300 letters, a trace of 8 KiB, names and times."""
BROKERS_CLOCK: Final = "LogAppendTime"
"""`message.timestamp.type` of all but copies: a record's time is when the broker wrote it, so that no sender's clock decides how long it is kept."""
ORIGINAL: Final = "CreateTime"
"""`message.timestamp.type` of copies: they keep the time of the original record, as a broker wrote it."""

OPERATIONS: Final = "stadtbus.operations"
HEARTBEATS: Final = "stadtbus.heartbeats"

GROUP_AUDIT: Final = "audit"
GROUP_STATISTICS: Final = "statistics"
GROUP_STATUS: Final = "status"
GROUP_WATCH: Final = "watch"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as it has to exist. Retry and dead-letter copies carry error headers, hence their larger limit."""

    name: str
    key: str
    content: str
    retention_ms: int
    max_message_bytes: int = MIB
    cleanup: str = "delete"
    partitions: int = PARTITIONS
    times: str = BROKERS_CLOCK

    def config(self) -> dict[str, str]:
        """The topic's settings, in Kafka's own names."""
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(self.max_message_bytes),
            "message.timestamp.type": self.times,
        }


def submissions(office: str) -> str:
    """The topic of one office, for example `muenchen.meldewesen.submissions`."""
    return f"{office}.submissions"


def retry(office: str) -> str:
    """Where an office parks what its back office cannot take yet; only its own adapter reads it."""
    return f"{office}.retry"


def deadletters(office: str) -> str:
    """Where an office puts what its back office will never take as it is."""
    return f"{office}.deadletters"


def is_retry(topic: str) -> bool:
    """Whether a topic is the retry topic of an office, with parked and replayed records."""
    return topic.endswith(".retry")


def events(city: str) -> str:
    """The topic of one city's status events."""
    return f"{city}.events"


def is_events(topic: str) -> bool:
    """Whether a topic carries status events."""
    return topic.endswith(".events")


def recorded(offices: Iterable[str]) -> list[str]:
    """What audit and statistics read: all submissions and all events, never retries or dead letters, which would count twice."""
    return [topic.name for topic in all_topics(offices) if topic.name.endswith(".submissions") or is_events(topic.name)]


def of_office(office: str) -> list[Topic]:
    """The three topics of one office."""
    return [
        Topic(submissions(office), "key of the case", "submission message (XML)", 30 * DAY_MS),
        _of_copies(retry(office), "the same record, parked; only this adapter reads it", RETRY_DAYS),
        _of_copies(deadletters(office), "the same record with its error headers", DEADLETTER_DAYS),
    ]


def submission_limit_bytes(office: str) -> int:
    """How large a submission's record may be (`infra.kafka.outgoing.size_bytes`): its topic takes it, and so do those of its copies."""
    first, *of_copies = of_office(office)
    return min(first.max_message_bytes, *(topic.max_message_bytes - LONGEST_BLOCK_BYTES for topic in of_copies))


def _of_copies(name: str, content: str, days: int) -> Topic:
    return Topic(name, "key of the case", content, days * DAY_MS, 2 * MIB, times=ORIGINAL)


def of_city(city: str) -> list[Topic]:
    """The topics that a city has once."""
    return [Topic(events(city), "key of the case", "status events (JSON CloudEvents)", 90 * DAY_MS)]


def of_bus() -> list[Topic]:
    """The topics that the bus has once."""
    return [
        Topic(
            OPERATIONS,
            "office of a pause, resume or release, else actor",
            "operator actions (JSON): replay, discard, settle, reveal, offset reset, republish, release, pause, resume",
            400 * DAY_MS,
        ),
        Topic(HEARTBEATS, "instance", "last state of each process (JSON)", 7 * DAY_MS, cleanup="compact"),
    ]


def all_topics(offices: Iterable[str]) -> list[Topic]:
    """Every topic for these offices (`<city>.<office>`), each once, in a stable order."""
    names = sorted(offices)
    cities = sorted({name.split(".")[0] for name in names})
    return [
        *(topic for office in names for topic in of_office(office)),
        *(topic for city in cities for topic in of_city(city)),
        *of_bus(),
    ]
