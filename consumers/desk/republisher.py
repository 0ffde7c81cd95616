"""Takes dead letters to the retry topic of their office, byte for byte; never to the main topic, which others count."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from consumers.desk.deadletters import DeadLetter, DeadLetters
from infra.kafka.consumer_record import ConsumerRecord
from infra.kafka.diagnosis import why_unreachable
from infra.kafka.outgoing import KafkaRefusal, Outgoing
from infra.kafka.reading import RecordFetcher, read_all
from infra.kafka.sender import Sender
from infra.settings import KafkaSettings
from schemas import problems, topics
from schemas.copies import Place, headers_of_copy, take_apart
from schemas.errors import CannotTell
from schemas.headers import CopyHeader

_ROUNDS: Final = 5
_PAUSE_S: Final = 2.0

RetryOffsets = dict[DeadLetter, int]
"""Where the copies of dead letters stand in the retry topic."""


class Republisher:
    """Copies dead letters of one office into its retry topic, for one rollout; its caller owns the sender and the fetcher's consumer, and closes them.

    `ending` says how the submissions end, untried; without one they are tried again.
    """

    def __init__(
        self, kafka: KafkaSettings, sender: Sender, fetcher: RecordFetcher, office: str, ending: Mapping[CopyHeader, str] | None = None
    ) -> None:
        self._kafka = kafka
        self._sender = sender
        self._fetcher = fetcher
        self._office = office
        self._ending = ending or {}

    async def send(self, letters: Sequence[DeadLetter]) -> RetryOffsets:
        """Write a copy of each and return where it stands, replicated; one whose record is gone from the dead letters is left out.

        After a send whose outcome is unknown, which may take minutes, the retry topic is read, so that no copy is written twice.

        Raises:
            CannotTell: kafka-unreachable; record-refused, when the others have been sent.
        """
        records = await self._records(letters)
        waiting = {letter: self._outgoing(letter, records[letter]) for letter in letters if letter in records}
        offsets: RetryOffsets = {}
        refusals: dict[DeadLetter, KafkaRefusal] = {}
        for _ in range(_ROUNDS):
            for letter, sent in zip(waiting, await self._sender.send_all(list(waiting.values())), strict=True):
                if isinstance(sent, KafkaRefusal):
                    refusals[letter] = sent
                elif sent is not None:
                    offsets[letter] = sent.offset
            waiting = {letter: outgoing for letter, outgoing in waiting.items() if letter not in offsets and letter not in refusals}
            if waiting:
                offsets |= await self._written(list(waiting))
                waiting = {letter: outgoing for letter, outgoing in waiting.items() if letter not in offsets}
            if not waiting:
                return _unless_refused(offsets, refusals)
        raise await why_unreachable(self._kafka)

    async def _records(self, letters: Sequence[DeadLetter]) -> dict[DeadLetter, ConsumerRecord]:
        by_partition: defaultdict[int, dict[int, DeadLetter]] = defaultdict(dict)
        for letter in sorted(letters, key=lambda letter: letter.offset):
            by_partition[letter.partition][letter.offset] = letter
        found = {}
        for partition, by_offset in by_partition.items():
            for record in await self._fetcher.fetch(partition, list(by_offset)):
                found[by_offset[record.offset]] = record
        return found

    def _outgoing(self, letter: DeadLetter, record: ConsumerRecord) -> Outgoing:
        copy = take_apart(record.headers)
        more = {CopyHeader.REPLAYED_FROM: str(letter.place)}
        if CopyHeader.FIRST_FAILURE in copy.block:
            more[CopyHeader.FIRST_FAILURE] = copy.block[CopyHeader.FIRST_FAILURE]
        origin = copy.origin or Place(record.topic, record.partition, record.offset)
        headers = headers_of_copy(copy.original, origin, more | dict(self._ending))
        return Outgoing(topics.retry(self._office), record.key, record.value, headers, origin.partition, record.timestamp)

    async def _written(self, letters: Sequence[DeadLetter]) -> RetryOffsets:
        """Which of those whose sending has an unknown outcome stand in the retry topic."""
        await asyncio.sleep(_PAUSE_S)
        found = DeadLetters(self._office)
        await read_all(self._kafka, [topics.retry(self._office)], found.take)
        return {letter: offset for letter in letters if (offset := found.retry_offset(letter)) is not None}


def _unless_refused(offsets: RetryOffsets, refusals: Mapping[DeadLetter, KafkaRefusal]) -> RetryOffsets:
    for refusal in refusals.values():
        detail = f"{len(refusals)} dead letters stay as they are, {len(offsets)} were sent; Kafka says {refusal.error}"
        raise CannotTell(problems.RECORD_REFUSED, detail, where=refusal.topic)
    return offsets
