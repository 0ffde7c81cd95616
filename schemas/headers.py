"""Kafka record headers: the closed list of names that may travel, and how they are written and read.

CloudEvents Kafka binding 1.0, binary mode (`ce_…`), W3C Trace Context, and ours (`bus_…`). Never personal data:
whatever is not on this list is not written, and a test holds the list against every record the bus writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

RawHeaders = list[tuple[str, bytes]]


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


def encode(headers: Mapping[Header, str]) -> RawHeaders:
    """Headers as Kafka wants them: UTF-8 text."""
    return [(name.value, value.encode()) for name, value in headers.items()]


def decode(raw: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """Known headers as text. Foreign ones, null values and repeats are left out here; copies keep them byte for byte."""
    known = {name.value for name in Header}
    found: dict[str, str] = {}
    for name, value in raw:
        if name in known and value is not None:
            found.setdefault(name, value.decode(errors="replace"))
    return found
