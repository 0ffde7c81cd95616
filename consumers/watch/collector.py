"""Finds out how each consumer stands: one look at Kafka, in the order committed offsets, ends, times, so that nothing is behind by less than none
and nothing that comes meanwhile looks old. What is not answered this time keeps its last values, and their time.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from aiokafka import TopicPartition

from consumers.watch.observed import BrokerSeen, GroupSeen, PartitionSeen
from consumers.watch.timelag import First, Range, TimeLag
from consumers.watch.watched import RECORDERS, Watched
from infra.kafka.group_offsets import lost_in
from infra.kafka.survey import EARLIEST, LATEST, GroupState, Place, Survey, topic_partitions
from schemas import topics

_TOPICS_EACH: Final = 3
"""Topics and their leaders are looked up in each third look, and after one with a fault."""
_STARTS_EACH: Final = 30
"""Log starts of what does not wait are asked in each thirtieth look: nothing can be lost there."""

_NOT_KNOWN: Final = -1
"""Number of the broker that stands for all that are set, before one has answered."""
_NO_COORDINATOR: Final = "no answer of its coordinator"
_NO_LEADER: Final = "no answer of its leader"

Committed = Mapping[TopicPartition, tuple[int, str]]


class Collector:
    """Looks at the groups of these consumers, one look after the other; keeps what was found out last."""

    def __init__(self, watched: Sequence[Watched]) -> None:
        self._watched = [one for one in watched if one.topics]
        self._retention_s = {
            topic.name: topic.retention_ms / 1000
            for topic in topics.all_topics([one.name for one in watched if len(one.needs) > len(one.topics)])
        }
        self._looks = 0
        self._in_doubt = True
        """The last look met a fault: leaders may have moved."""
        self._time_lags = {name: TimeLag() for name in ("", *RECORDERS)}
        """Recorders stand elsewhere in the same partitions as offices do, so they are asked for apart."""
        self._starts: dict[TopicPartition, int] = {}
        self.groups: dict[str, GroupSeen] = {}
        self.partitions: dict[str, dict[TopicPartition, PartitionSeen]] = {}
        """By consumer."""
        self.faults: dict[str, tuple[str, ...]] = {}
        """By consumer, what is wrong with its topics."""
        self.brokers: dict[int, BrokerSeen] = {}
        """Also those that were there once and are gone."""

    async def look(self, survey: Survey) -> None:
        """Bring all of it up to date, as far as Kafka answers.

        Raises:
            CannotTell: no broker answers; `miss` has to be told.
        """
        survey.begin()
        await self._find_topics(survey)
        coordinators = await survey.find_coordinators([one.name for one in self._watched])
        states, committed = await asyncio.gather(survey.states(coordinators), survey.committed(coordinators))
        await self._see_partitions(survey, committed)
        self._see_groups(states, survey)
        self._see_brokers(survey)
        self._in_doubt, self._looks = bool(survey.faults), self._looks + 1

    def miss(self, why: str, bootstrap: str) -> None:
        """Nothing could be asked: all is as it was, and said to be old. Before any broker is known, the addresses of the settings stand for all."""
        self._in_doubt = True
        for one in self._watched:
            self.groups[one.name] = replace(self.groups.get(one.name, GroupSeen("", (), None)), fault=why)
            seen = self.partitions.get(one.name, {})
            self.partitions[one.name] = {partition: replace(state, fault=why) for partition, state in seen.items()}
        known = self.brokers or {_NOT_KNOWN: BrokerSeen(_NOT_KNOWN, bootstrap, up=False)}
        self.brokers = {number: replace(broker, up=False, why=why) for number, broker in known.items()}

    async def _find_topics(self, survey: Survey) -> None:
        if not self._in_doubt and self._looks % _TOPICS_EACH:
            return await survey.find_brokers()
        await survey.find_topics({name for one in self._watched for name in one.needs})
        for one in self._watched:
            missing = [f"topic {name} is missing" for name in one.needs if name not in survey.topics]
            led = {name: survey.topics.get(name, {}) for name in one.needs}
            dead = [f"no broker leads {name}/{number}" for name, parts in led.items() for number, part in parts.items() if part.leader < 0]
            self.faults[one.name] = (*missing, *dead)
        return None

    async def _see_partitions(self, survey: Survey, committed: Mapping[str, Committed]) -> None:
        read = {one.name: topic_partitions(survey.topics, one.topics) for one in self._watched}
        every = {partition for partitions in read.values() for partition in partitions}
        ends = await survey.offsets(dict.fromkeys(every, LATEST), "ends")
        as_of = datetime.now(UTC)
        waiting = {name: _waiting(partitions, committed.get(name, {}), ends) for name, partitions in read.items()}
        behind = {partition for partitions in waiting.values() for partition in partitions}
        asked = every if self._looks % _STARTS_EACH == 0 else behind | (every - self._starts.keys())
        starts, readable = await asyncio.gather(
            survey.offsets(dict.fromkeys(asked, EARLIEST), "log starts"),
            survey.offsets(dict.fromkeys(behind, LATEST), "ends of what can be read", committed_only=True),
        )
        self._starts |= {partition: place.offset for partition, place in starts.items()}

        def all_seen() -> dict[str, dict[TopicPartition, PartitionSeen]]:
            return {
                name: {one: self._seen(name, one, committed.get(name), ends.get(one), readable.get(one), as_of) for one in partitions}
                for name, partitions in read.items()
            }

        await self._find_ages(survey, await asyncio.to_thread(all_seen))  # of thousands it takes long enough to hold up pages

    def _seen(
        self, name: str, partition: TopicPartition, committed: Committed | None, end: Place | None, readable: Place | None, as_of: datetime
    ) -> PartitionSeen:
        """A partition as it is now, without the age of what waits; as it was, where this look could not find out."""
        if committed is None or end is None or partition not in self._starts:
            before = self.partitions.get(name, {}).get(partition, PartitionSeen(partition.topic, partition.partition, None))
            return replace(before, fault=_NO_COORDINATOR if committed is None else _NO_LEADER)
        offset, text = committed.get(partition, (-1, ""))
        waits = max(offset, self._starts[partition]) < end.offset
        return PartitionSeen(
            partition.topic,
            partition.partition,
            as_of,
            committed=None if offset < 0 else offset,
            start=self._starts[partition],
            end=end.offset,
            readable=readable.offset if readable is not None and readable.offset < end.offset else None,
            lost=lost_in(text),
            fresh=None if waits else True,
            retention_s=self._retention_s.get(partition.topic),
        )

    async def _find_ages(self, survey: Survey, seen: Mapping[str, dict[TopicPartition, PartitionSeen]]) -> None:
        """Add the ages of what waits, and take over what was found."""
        layers: defaultdict[str, dict[str, Watched]] = defaultdict(dict)
        for one in self._watched:
            layers[one.name if one.name in RECORDERS else ""][one.name] = one
        for layer, members in layers.items():
            firsts = {
                partition: First(state.position, state.end, one.target_s)
                for name, one in members.items()
                for partition, state in seen[name].items()
                if state.fault is None and state.fresh is None
            }
            now_ms = int(datetime.now(UTC).timestamp() * 1000)
            found = await self._time_lags[layer].find(survey, firsts, now_ms)
            for name, one in members.items():
                self.partitions[name] = seen[name]
                for partition in seen[name].keys() & firsts.keys() & found.keys():
                    seen[name][partition] = _aged(seen[name][partition], found[partition], one, now_ms)

    def _see_groups(self, states: Mapping[str, GroupState], survey: Survey) -> None:
        now = datetime.now(UTC)
        said = {fault.question: fault.error for fault in survey.faults}
        for one in self._watched:
            if (state := states.get(one.name)) is not None:
                self.groups[one.name] = GroupSeen(state.state, tuple(sorted(member.id for member in state.members)), now)
            else:
                before = self.groups.get(one.name, GroupSeen("", (), None))
                why = said.get(f"coordinator of {one.name}") or said.get(f"state of {one.name}") or _NO_COORDINATOR
                self.groups[one.name] = replace(before, fault=why)

    def _see_brokers(self, survey: Survey) -> None:
        silent = {fault.broker: fault.error for fault in survey.faults if fault.broker in survey.silent}
        self.brokers.pop(_NOT_KNOWN, None)
        for number, address in survey.brokers.items():
            self.brokers[number] = BrokerSeen(number, address, number not in silent, silent.get(number, ""))
        for number in self.brokers.keys() - survey.brokers.keys():
            self.brokers[number] = replace(self.brokers[number], up=False, why="the cluster does not know it any more")


def _waiting(partitions: Sequence[TopicPartition], committed: Committed, ends: Mapping[TopicPartition, Place]) -> list[TopicPartition]:
    """Where something may wait: what is committed lies before the end."""
    return [one for one in partitions if one in ends and max(0, committed.get(one, (-1, ""))[0]) < ends[one].offset]


def _aged(state: PartitionSeen, found: Range, one: Watched, now_ms: int) -> PartitionSeen:
    return replace(state, fresh=found.since_ms >= now_ms - int(one.target_s * 1000), oldest_at=found.at)
