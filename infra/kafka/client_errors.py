"""What the errors of Kafka's client mean to us: which have a code of ours, and which say that Kafka refuses a record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from aiokafka.errors import (
    BrokerNotAvailableError,
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    CommitFailedError,
    DuplicateSequenceNumber,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTimestampError,
    InvalidTopicError,
    KafkaConnectionError,
    KafkaError,
    OutOfOrderSequenceNumber,
    ReplicaNotAvailableError,
    TopicAuthorizationFailedError,
    UnknownProducerId,
    UnknownTopicOrPartitionError,
    kafka_errors,
)

from infra.kafka.outgoing import Outgoing
from infra.settings import KafkaSettings
from schemas import problems
from schemas.errors import CannotTell


class InvalidRecordError(BrokerResponseError):  # type: ignore[misc] # the client has no types
    """A broker does not take a record as it is. The client has no name for this answer of Kafka's and would call it unknown."""

    errno = 87
    message = "INVALID_RECORD"
    description = "This record has failed the validation on the broker and hence is rejected."


kafka_errors.setdefault(InvalidRecordError.errno, InvalidRecordError)

_OF_BROKER_OR_PRODUCER: Final = (
    BrokerNotAvailableError,
    ReplicaNotAvailableError,
    OutOfOrderSequenceNumber,
    DuplicateSequenceNumber,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    UnknownProducerId,
)
"""Not marked `retriable` by the client, but another producer, or the same one later, may write the same record without them."""
_OF_TOPIC: Final = (TopicAuthorizationFailedError, ClusterAuthorizationFailedError, InvalidTopicError, UnknownTopicOrPartitionError)
"""Every record of the topic meets these."""


def unreachable(settings: KafkaSettings) -> CannotTell:
    """The error for a cluster that does not answer."""
    return CannotTell(problems.KAFKA_UNREACHABLE, f"no broker answers at {settings.bootstrap}", where="kafka.bootstrap")


@contextmanager
def in_our_words(settings: KafkaSettings) -> Iterator[None]:
    """Gives what Kafka's client raises within a code of ours. A CommitFailedError passes: only the caller knows who else is in the group.

    Raises:
        CannotTell: kafka-unreachable: no broker answers. kafka-failed: one answers with an error, whose name is the detail.
    """
    try:
        yield
    except (KafkaConnectionError, TimeoutError):  # the client may go on asking a broker that is gone
        raise unreachable(settings) from None
    except CommitFailedError:
        raise
    except KafkaError as error:  # for example a coordinator or a leader that is not there
        raise CannotTell(problems.KAFKA_FAILED, type(error).__name__, where=settings.bootstrap) from None


def is_refusal(error: Exception) -> bool:
    """Whether Kafka, or its client, will refuse the same record again: the cause is the record or its topic. False where it is a
    passing state of the broker, the connection or this producer.
    """
    if not isinstance(error, KafkaError):
        return not isinstance(error, TimeoutError | OSError)
    return isinstance(error, BrokerResponseError) and not error.retriable and not isinstance(error, _OF_BROKER_OR_PRODUCER)


def refuses_all(error: Exception, batch: Sequence[Outgoing]) -> bool:
    """Whether each record of a refused batch would be refused alone, too, so that trying parts of it is of no use."""
    if isinstance(error, InvalidTimestampError):  # records without a time of their own all get the same one
        return all(record.timestamp_ms is None for record in batch)
    return isinstance(error, _OF_TOPIC)


def name_of(error: BaseException) -> str:
    """Of a broker's error Kafka's own name, of others the class; never the text, because texts of libraries quote values."""
    return type(error).__name__.removesuffix("Error")
