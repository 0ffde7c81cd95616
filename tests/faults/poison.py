"""Records that no adapter can deliver, named by their flaw."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from infra.kafka.clients import connection_options
from infra.kafka.outgoing import Outgoing
from infra.settings import KafkaSettings
from tests.faults.sends import Forge, SendLog, SendOutcome, Sent

FLAWS: Final = ("field missing", "not XML", "no value", "no headers", "no key", "strange headers")
_STRANGE: Final = [("x-binary", b"\xff\x00\xfe"), ("x-null", None), ("x-twice", b"1"), ("x-twice", b"2")]


@dataclass(frozen=True, slots=True)
class Poison:
    """One record, each of a case of its own, because what follows a dead letter in its case may follow it there."""

    flaw: str
    sent: Sent
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


def poisons(forge: Forge) -> list[Poison]:
    """One of each flaw."""
    return [of_flaw(forge, flaw) for flaw in FLAWS]


def of_flaw(forge: Forge, flaw: str) -> Poison:
    """A record with this flaw."""
    sent, record = forge.make_for(forge.uuid())
    sent.dead = True
    poison = Poison(flaw, sent, record.key, record.value, list(record.headers))
    match flaw:
        case "not XML":
            return replace(poison, value=b"\xff\x00 <nothing")
        case "no value":
            return replace(poison, value=None)
        case "no headers":  # it can be known by its key only
            sent.id = sent.case
            return replace(poison, headers=[])
        case "no key":
            return replace(poison, key=None, value=_without_field(record))
        case "strange headers":
            return replace(poison, value=_without_field(record), headers=[*record.headers, *_STRANGE])
    return replace(poison, value=_without_field(record))


def _without_field(record: Outgoing) -> bytes:
    """The form without the field that each office needs first: the element is there under another id."""
    return (record.value or b"").replace(b"F99000101", b"F99000191").replace(b"F99000201", b"F99000291")


async def write(kafka: KafkaSettings, written: list[Poison], log: SendLog) -> list[Poison]:
    """Put them into their topics, past the lanes, and note where they are."""
    async with AIOKafkaProducer(**connection_options(kafka), acks="all") as producer:
        reports: list[Any] = []
        for one in written:
            log.add(one.sent)
            topic = f"{one.sent.office}.submissions"
            headers = list(one.headers)
            reports.append(await producer.send(topic, one.value, key=one.key, headers=headers, timestamp_ms=int(time.time() * 1000) - 1))
        for one, report in zip(written, await asyncio.gather(*reports), strict=True):
            one.sent.outcome, one.sent.partition, one.sent.offset = SendOutcome.OK, report.partition, report.offset
    return written
