"""Kafka record headers: the closed list of names that may travel, the form of each value, and how they are written and read.

CloudEvents Kafka binding 1.0, binary mode (`ce_…`), W3C Trace Context, and ours (`bus_…`). Never personal data:
whatever is not on this list is not written, and a test holds the list against every record the bus writes. Each value has an alphabet and
a length (`FORMS`); intake holds what it writes against them, so that nothing from outside stands there in words of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from schemas import hotline

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
    ABOUT = "bus_about"
    HOTLINE_CODE = "bus_hotline_code"
    CITY = "bus_city"
    OFFICE = "bus_office"
    SERVICE = "bus_service"
    PORTAL = "bus_portal"
    TRUST = "bus_trust"
    TRUST_PROOF = "bus_trust_proof"
    TEST = "bus_test"
    ACCEPTED_AT = "bus_accepted_at"


PROBE: Final = "bus_probe"
"""The header of a probe (`schemas.probes`), with the time at which it was written. No submission has it."""


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


UUID: Final = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
MOMENT: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
PORTAL: Final = "[A-Za-z0-9][A-Za-z0-9._:+-]{0,99}"
"""The id of a portal: its key in the settings."""
_NAME: Final = "[a-z][a-z0-9-]{1,39}"

FORMS: Final[Mapping[Header, str]] = MappingProxyType(
    {
        Header.SPECVERSION: r"1\.0",
        Header.MESSAGE_ID: UUID,
        Header.SOURCE: rf"//stadtbus\.example/portals/{PORTAL}",
        Header.TYPE: "[A-Za-z0-9._-]{1,200}",
        Header.TIME: MOMENT,
        Header.SUBJECT: UUID,
        Header.DATASCHEMA: "[!-~]{1,250}",
        Header.CONTENT_TYPE: "application/xml",
        Header.TRACEPARENT: "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}",
        Header.SUBMISSION: UUID,
        Header.CASE: UUID,
        Header.ABOUT: UUID,
        Header.HOTLINE_CODE: hotline.FORM,
        Header.CITY: _NAME,
        Header.OFFICE: rf"{_NAME}\.{_NAME}",
        Header.SERVICE: "99[0-9]{12}",
        Header.PORTAL: PORTAL,
        Header.TRUST: "[1-4]",
        Header.TRUST_PROOF: "asserted",
        Header.TEST: "true",
        Header.ACCEPTED_AT: MOMENT,
    }
)
"""By header of a submission the whole of what its value may be, as a regular expression: ASCII, and of limited length."""
_COMPILED: Final = {header: re.compile(form) for header, form in FORMS.items()}


def fits(header: Header, value: str) -> bool:
    """Whether a value has the form of its header."""
    return _COMPILED[header].fullmatch(value) is not None


def misfit(headers: Mapping[Header, str]) -> Header | None:
    """The first header whose value is not of its form; None where each is. Asked by intake before anything is stored."""
    return next((header for header, value in headers.items() if not fits(header, value)), None)


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
