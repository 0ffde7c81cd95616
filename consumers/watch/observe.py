"""Puts together what was found out on Kafka and what processes and operators have said. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from aiokafka import TopicPartition

from consumers.watch.collector import Collector
from consumers.watch.hearing import Hearing
from consumers.watch.observed import ConsumerSeen, Heard, Kind, Observation, PartitionSeen, SetAside
from consumers.watch.watched import Watched, works_for
from schemas import topics
from schemas.heartbeats import INTERVAL_S, SetAsideCount

_RECENT: Final = timedelta(seconds=6 * INTERVAL_S)
"""What a process counts is right for so long after it has said it; then the log is the better witness."""


def observation(
    watched: Sequence[Watched], collector: Collector, hearing: Hearing, now: datetime, cycle_s: float, heard_all_at: datetime | None
) -> Observation:
    """Everything as it is known now. `heard_all_at` is when all heartbeats and operations there are had been read."""
    processes = defaultdict[str, list[Heard]](list)
    for heard in hearing.heard.values():
        for name in works_for(heard.heartbeat):
            processes[name].append(heard)
    return Observation(
        at=now,
        cycle_s=cycle_s,
        consumers=tuple(_consumer(one, collector, hearing, tuple(processes.get(one.name, ())), now) for one in watched),
        brokers=tuple(collector.brokers[number] for number in sorted(collector.brokers)),
        heartbeats_as_of=heard_all_at,
        operations_as_of=heard_all_at,
    )


def _consumer(one: Watched, collector: Collector, hearing: Hearing, processes: tuple[Heard, ...], now: datetime) -> ConsumerSeen:
    seen = collector.partitions.get(one.name, {})
    is_office = one.kind is Kind.OFFICE
    return ConsumerSeen(
        one.name,
        one.kind,
        group=collector.groups.get(one.name),
        partitions=tuple(seen.values()),
        processes=processes,
        parked=_parked(processes, seen.items(), now) if is_office else None,
        dead_letters=_last_counted((heard, heard.heartbeat.dead_letters) for heard in processes) if is_office else None,
        pause=hearing.pause(one.name, now) if is_office else None,
        operations=hearing.operations(one.name, now),
        faults=collector.faults.get(one.name, ()),
    )


def _parked(processes: Iterable[Heard], seen: Iterable[tuple[TopicPartition, PartitionSeen]], now: datetime) -> SetAside | None:
    """By the ledger, as a process of the office has said it lately; else by what waits in the retry topic, which may have been tried already."""
    said = _last_counted((heard, heard.heartbeat.parked) for heard in processes)
    if said is not None and now - said.as_of <= _RECENT:
        return said
    retry = [state for partition, state in seen if topics.is_retry(partition.topic)]
    times = [state.as_of for state in retry if state.as_of is not None]
    if not times or len(times) < len(retry):
        return said
    oldest = min((state.oldest_at for state in retry if state.oldest_at is not None), default=None)
    return SetAside(sum(state.lag for state in retry), oldest, min(times))


def _last_counted(counted: Iterable[tuple[Heard, SetAsideCount | None]]) -> SetAside | None:
    """What was said last: each process of an office counts for all of them."""
    known = [(heard.heard_at, count) for heard, count in counted if count is not None]
    if not known:
        return None
    at, last = max(known, key=lambda one: one[0])
    return SetAside(last.count, last.oldest_at, at)
