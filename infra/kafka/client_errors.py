"""What the errors of Kafka's client mean to us: which have a code of ours, and which say that Kafka refuses a record."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiokafka.errors import (
    AuthenticationFailedError,
    BrokerNotAvailableError,
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    CommitFailedError,
    DuplicateSequenceNumber,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTimestampError,
    InvalidTopicError,
    KafkaConnectionError,
    KafkaError,
    OutOfOrderSequenceNumber,
    PolicyViolationError,
    ReplicaNotAvailableError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnknownProducerId,
    UnknownTopicOrPartitionError,
    UnsupportedSaslMechanismError,
    for_code,
    kafka_errors,
)

from infra.kafka.diagnosis import why_unreachable
from infra.kafka.outgoing import KafkaRefusal, Outgoing
from infra.kafka.tokens import TokenRefused
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
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")


@asynccontextmanager
async def in_our_words(settings: KafkaSettings) -> AsyncIterator[None]:
    """Gives what Kafka's client raises within a code of ours. A CommitFailedError passes: only the caller knows who else is in the group.

    Raises:
        CannotTell: no broker can be had: kafka-certificate, kafka-login, kafka-protocol, else kafka-unreachable. One answers with an error:
            kafka-not-allowed, else kafka-failed with the error's name as the detail.
    """
    try:
        yield
    except (KafkaConnectionError, TimeoutError, *_OF_DOOR):  # the client may go on asking a broker that is gone
        raise await why_unreachable(settings) from None
    except CommitFailedError:
        raise
    except KafkaError as error:  # for example a coordinator or a leader that is not there
        raise coded(settings, error) from None


_OF_DOOR: Final = (SaslAuthenticationFailed, AuthenticationFailedError, IllegalSaslStateError, UnsupportedSaslMechanismError, TokenRefused)
_NOT_ALLOWED: Final = {
    TopicAuthorizationFailedError: "topic",
    GroupAuthorizationFailedError: "group",
    ClusterAuthorizationFailedError: "cluster",
}


def coded(settings: KafkaSettings, error: KafkaError) -> CannotTell:
    """The error for an answer of Kafka's that is one."""
    kind = _NOT_ALLOWED.get(type(error))
    if kind is None:
        return CannotTell(problems.KAFKA_FAILED, type(error).__name__, where=settings.bootstrap)
    return CannotTell(
        problems.KAFKA_NOT_ALLOWED, f"{who(settings)} has no right to this {kind}{_resources(error)}", where=settings.bootstrap
    )


def of_topic(settings: KafkaSettings, code: int, name: str) -> CannotTell:
    """The error for a topic that Kafka does not make, show or change, by the number of its answer."""
    kind = for_code(code)
    if kind in _NOT_ALLOWED:
        return coded(settings, kind(name))
    return CannotTell(problems.TOPIC_REFUSED, f"{name}: {kind.__name__}", where=settings.bootstrap)


def who(settings: KafkaSettings) -> str:
    """Whom Kafka knows us as, as far as the settings tell."""
    return f"user {settings.user}" if settings.user else "this client"


def _resources(error: KafkaError) -> str:
    """The names that the client puts into the error; they are of topics and groups, which hold nothing personal."""
    named = [one for part in error.args for one in (part if isinstance(part, set | frozenset | list | tuple) else [part])]
    names = sorted({str(one) for one in named if _NAME.fullmatch(str(one))})
    return f": {', '.join(names)}" if names else ""


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


def blames_topic(refusal: KafkaRefusal) -> bool:
    """Whether a refusal says something about the topic, its rights or our clock, and nothing about the record."""
    return refusal.error in _NAMES_OF_TOPIC


def name_of(error: BaseException) -> str:
    """Of a broker's error Kafka's own name, of others the class; never the text, because texts of libraries quote values."""
    return type(error).__name__.removesuffix("Error")


_NAMES_OF_TOPIC: Final = frozenset(
    error.__name__.removesuffix("Error") for error in (*_OF_TOPIC, InvalidTimestampError, PolicyViolationError)
)
