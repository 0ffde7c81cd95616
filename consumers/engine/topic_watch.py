"""Whether the topics that are read exist, and are still those that the offsets are about: a name can come to stand for another topic."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from consumers.engine.assignment import Assignment
from infra.kafka.cluster import TopicState, topics_of
from schemas import problems
from schemas.errors import CannotTell

_INTERVAL_S: Final = 5.0


class TopicWatch:
    """Looks at the topics of one engine, at each assignment and regularly."""

    def __init__(self, names: Sequence[str], assignment: Assignment) -> None:
        self._names = names
        self._assignment = assignment
        self._missing: list[str] = []

    async def look(self, consumer: AIOKafkaConsumer) -> Mapping[str, TopicState]:
        """Those topics that exist.

        Raises:
            KafkaError: no broker answers, or one refuses to tell of a topic.
        """
        found = await topics_of(consumer._client, self._names)  # noqa: SLF001 - see `infra.kafka.cluster`
        self._missing = sorted(set(self._names) - found.keys())
        return found

    async def run(self, consumer: AIOKafkaConsumer) -> None:
        """Look every few seconds until cancelled.

        Raises:
            CannotTell: topic-replaced, where a topic is not the one that the assigned partitions belong to.
        """
        while True:
            await asyncio.sleep(_INTERVAL_S)
            try:
                found = await self.look(consumer)
            except (KafkaError, TimeoutError):
                continue  # no broker answers; others say so
            ids = self._assignment.topic_ids
            for name, topic in found.items():
                if None not in (before := ids.get(name), topic.id) and before != topic.id:
                    raise CannotTell(problems.TOPIC_REPLACED, "it was made anew while it was read", where=name)

    def check(self) -> str | None:
        """Which topics do not exist, for people; None while all do."""
        return f"{problems.TOPICS_MISSING.code}: {', '.join(self._missing)}" if self._missing else None
