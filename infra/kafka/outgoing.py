"""Records on their way to Kafka, and what becomes of them."""

from __future__ import annotations

from typing import NamedTuple

from aiokafka.partitioner import murmur2
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from schemas.headers import RawHeaders
from schemas.topics import PARTITIONS


class Outgoing(NamedTuple):
    """One record to write. Headers are raw bytes, so that any record can be copied as it is."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: RawHeaders = ()
    partition: int | None = None
    """None: the one that the key leads to (`partition_of`)."""
    timestamp_ms: int | None = None
    """None: the time of writing."""


class Written(NamedTuple):
    """A record is written and replicated: where it stands in its topic."""

    partition: int
    offset: int


class KafkaRefusal(NamedTuple):
    """Kafka refuses a record because of the record or its topic. It is not written, and will be refused again until somebody changes
    the topic; records of other keys and topics can go on.
    """

    topic: str
    error: str
    """As Kafka calls it, for example MessageSizeTooLarge."""


KnownResult = Written | KafkaRefusal
"""What certainly became of a record: written, and replicated as the topic asks; or refused, and not written."""
Sent = KnownResult | None
"""None: not known. The record may be there, or still come."""


class SendUnknown(Exception):
    """Raised by `Sender.send`: the record may be on Kafka or not. Sending it again under the same message id is safe."""


class SendRefused(Exception):
    """Raised by `Sender.send`: Kafka refuses the record, and has not written it."""

    def __init__(self, refusal: KafkaRefusal) -> None:
        super().__init__(f"{refusal.topic}: {refusal.error}")
        self.refusal = refusal


def size_bytes(record: Outgoing) -> int:
    """How large a record is for Kafka: a batch of it alone, with its header, uncompressed, as `max.message.bytes` counts it.

    The sender never puts more than 256 KiB into a batch, but for one record that is larger than that alone.
    """
    batch = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=0, batch_size=0
    )
    size: int = batch.size() + batch.size_in_bytes(0, 0, record.key, record.value, list(record.headers))
    return size


def partition_of(key: bytes | None) -> int:
    """The partition number of a key, as Kafka's Java clients compute it. Records without a key go to 0: they have no order to keep."""
    return 0 if key is None else (murmur2(key) & 0x7FFFFFFF) % PARTITIONS


def partition_in(record: Outgoing, count: int) -> int:
    """The partition of a record in a topic that has so many. In a topic with fewer than usual, number n goes to n modulo that many.

    What a key leads to does not change when partitions are added, so the records of a case stay in order.
    """
    return (partition_of(record.key) if record.partition is None else record.partition) % count
