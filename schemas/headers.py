"""Kafka record headers: the closed list of names that may travel, and how they are written and read.

CloudEvents Kafka binding 1.0, binary mode (`ce_…`), W3C Trace Context, and ours (`bus_…`). Never personal data:
whatever is not on this list is not written, and a test holds the list against every record the bus writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

RawHeaders = Sequence[tuple[str, bytes | None]]
"""As Kafka has them: any bytes, or none; names may repeat."""


class Header(StrEnum):
    """Names of headers on submission records and events."""

    SPECVERSION = "ce_specversion"
    MESSAGE_ID = "ce_id"
    SOURCE = "ce_source"
    TYPE = "ce_type"
    TIME = "ce_time"
    SUBJECT = "ce_subject"
    DATASCHEMA = "ce_dataschema"
    CONTENT_TYPE = "content-type"
    TRACEPARENT = "traceparent"
    SUBMISSION = "bus_submission"
    CASE = "bus_case"
    CITY = "bus_city"
    OFFICE = "bus_office"
    SERVICE = "bus_service"
    PORTAL = "bus_portal"
    TRUST = "bus_trust"
    TEST = "bus_test"
    ACCEPTED_AT = "bus_accepted_at"


class CopyHeader(StrEnum):
    """Names that copies in `.retry` and `.deadletters` carry behind the original headers (`schemas/copies.py`).

    Kafka Connect's names first, then ours, then those that Spring's tools show.
    """

    TOPIC = "__connect.errors.topic"
    PARTITION = "__connect.errors.partition"
    OFFSET = "__connect.errors.offset"
    ADAPTER = "__connect.errors.connector.name"
    INSTANCE = "__connect.errors.task.id"
    STAGE = "__connect.errors.stage"
    CLASS = "__connect.errors.class.name"
    EXCEPTION = "__connect.errors.exception.class.name"
    MESSAGE = "__connect.errors.exception.message"
    STACKTRACE = "__connect.errors.exception.stacktrace"
    ERROR_CLASS = "bus_error_class"
    FIRST_FAILURE = "bus_first_failure"
    ATTEMPT = "bus_retry_attempt"
    NOT_BEFORE = "bus_retry_not_before"
    REPLAYED_FROM = "bus_replayed_from"
    DISCARDED = "bus_discarded"
    SETTLED = "bus_settled"
    SPRING_TOPIC = "kafka_dlt-original-topic"
    SPRING_GROUP = "kafka_dlt-original-consumer-group"
    SPRING_EXCEPTION = "kafka_dlt-exception-fqcn"
    SPRING_MESSAGE = "kafka_dlt-exception-message"


def encode(headers: Mapping[Header, str] | Mapping[str, str]) -> RawHeaders:
    """Headers as Kafka wants them: UTF-8 text. Names are those of `Header`, and of what a newer version has stored (docs/decisions/0016)."""
    return [(str(name), value.encode()) for name, value in headers.items()]


_KNOWN = frozenset(name.value for name in Header)


def decode(raw: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """Known headers as text. Foreign ones, null values and repeats are left out here; copies keep them byte for byte."""
    found: dict[str, str] = {}
    for name, value in raw:
        if name in _KNOWN and value is not None and name not in found:
            found[name] = value.decode(errors="replace")
    return found
