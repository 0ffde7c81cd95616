"""Which role may do what on Kafka: one table, made from the catalogue's offices. Without an entry nothing is allowed.

A role is a principal (`User:gateway`). Only the gateway and an operator write submissions (an operator by `outbox republish`); only adapters write what
became of them, and the gateway, which makes a dead letter of what a topic refuses (docs/decisions/0030); only operators write down what operators do. So who wrote a record is as sure as the topic that it stands in, and no header is proof.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from schemas import topics


class Resource(IntEnum):
    """What a right is about, by Kafka's numbers."""

    TOPIC = 2
    GROUP = 3
    CLUSTER = 4


class Operation(IntEnum):
    """What it allows, by Kafka's numbers. READ and WRITE include DESCRIBE."""

    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    ALTER = 7
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11


@dataclass(frozen=True, slots=True)
class Right:
    """One entry of Kafka's list (an ACL): this role may do this with the resource of this very name."""

    role: str
    resource: Resource
    name: str
    operation: Operation


GATEWAY: Final = "gateway"
ADAPTER: Final = "adapter"
AUDIT: Final = "audit"
STATISTICS: Final = "statistics"
WATCH: Final = "watch"
OPERATOR: Final = "operator"
ROLES: Final = (GATEWAY, ADAPTER, AUDIT, STATISTICS, WATCH, OPERATOR)
_CLUSTER: Final = "kafka-cluster"
_ALL: Final = "*"
_OF_OPERATORS: Final = (Operation.READ, Operation.CREATE, Operation.DESCRIBE_CONFIGS, Operation.ALTER_CONFIGS, Operation.ALTER)


def role_of(process: str) -> str:
    """The role of a process by its name; an office stands for its adapter."""
    return process if process in ROLES else ADAPTER


def rights(offices: Iterable[str]) -> list[Right]:
    """All rights of all roles, for these offices (`<city>.<office>`)."""
    names = sorted(offices)
    events = sorted({topics.events(name.split(".")[0]) for name in names})
    submissions, retries, dead = ([topic(name) for name in names] for topic in (topics.submissions, topics.retry, topics.deadletters))
    recorded = topics.recorded(names)
    return [
        *_writes(GATEWAY, [*submissions, *dead, *events]),
        *_reads(GATEWAY, [*events, topics.HEARTBEATS], [topics.GROUP_STATUS]),
        *_writes(ADAPTER, [*retries, *dead, *events]),
        *_reads(ADAPTER, [*submissions, *retries, *dead, topics.OPERATIONS], names),
        *_reads(AUDIT, recorded, [topics.GROUP_AUDIT]),
        *_reads(STATISTICS, recorded, [topics.GROUP_STATISTICS]),
        *_reads(WATCH, [topics.HEARTBEATS, topics.OPERATIONS], [topics.GROUP_WATCH]),
        *_of_watch([*recorded, *retries, *dead]),
        *(right for role in ROLES if role != OPERATOR for right in _writes(role, [topics.HEARTBEATS])),
        *_of_operator([*submissions, *retries, *dead], [topic.name for topic in topics.all_topics(names)]),
    ]


def _writes(role: str, names: Sequence[str]) -> Iterator[Right]:
    return (Right(role, Resource.TOPIC, name, Operation.WRITE) for name in names)


def _reads(role: str, names: Sequence[str], groups: Sequence[str]) -> Iterator[Right]:
    yield from (Right(role, Resource.TOPIC, name, Operation.READ) for name in names)
    yield from (Right(role, Resource.GROUP, group, Operation.READ) for group in groups)


def _of_watch(names: Sequence[str]) -> Iterator[Right]:
    """Sees how far groups are and where topics end, never what stands in them."""
    yield from (Right(WATCH, Resource.TOPIC, name, Operation.DESCRIBE) for name in names)
    yield Right(WATCH, Resource.GROUP, _ALL, Operation.DESCRIBE)


def _of_operator(copied: Sequence[str], every: Sequence[str]) -> Iterator[Right]:
    """Makes and compares topics, looks at groups and sets their offsets, replays, and writes down what it does."""
    yield from _writes(OPERATOR, [*copied, topics.OPERATIONS])
    yield from (Right(OPERATOR, Resource.TOPIC, name, operation) for name in every for operation in _OF_OPERATORS)
    yield from (Right(OPERATOR, Resource.GROUP, _ALL, operation) for operation in (Operation.READ, Operation.DELETE))
    yield Right(OPERATOR, Resource.CLUSTER, _CLUSTER, Operation.DESCRIBE)
