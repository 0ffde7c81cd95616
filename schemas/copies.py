"""Copies of a record in `.retry` and `.deadletters`: the original byte for byte, and one block of headers behind its own.

    <headers of the original, binary, null and repeated ones included>
    __connect.errors.topic      begins the block: where the original stood ...
    __connect.errors.partition
    __connect.errors.offset     ... and stays so, however often the record is copied
    ...                         what went wrong, or who replayed it (`schemas.headers.CopyHeader`)

A copy of a copy gets a new block in the place of the old one, so that a replayed record is the original again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from schemas.headers import UUID, CopyHeader, Header, RawHeaders, decode

_IDS = re.compile(rf"{UUID}|\d+")
_FINGERPRINT_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Place:
    """A record's place in the log of Kafka; as text `topic/partition/offset`."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The place that `str` wrote.

        Raises:
            ValueError: it is none.
        """
        topic, partition, offset = text.split("/")
        return cls(topic, int(partition), int(offset))


@dataclass(frozen=True, slots=True)
class Copy:
    """The headers of a record: those of the original, and the block that a copy has behind them."""

    original: RawHeaders
    block: Mapping[str, str]
    """Empty where the record is no copy of ours."""

    @property
    def origin(self) -> Place | None:
        """Where the original stood; None where the record is no copy."""
        try:
            return Place(self.block[CopyHeader.TOPIC], int(self.block[CopyHeader.PARTITION]), int(self.block[CopyHeader.OFFSET]))
        except (KeyError, ValueError):
            return None

    def fingerprint(self, office: str) -> str:
        """The same for dead letters with the same cause: office, stage, error class, schema, and the text without ids and numbers."""
        stage, error_class, text = (self.block.get(name, "") for name in (CopyHeader.STAGE, CopyHeader.ERROR_CLASS, CopyHeader.MESSAGE))
        return fingerprint(office, stage, error_class, self.original, text)


def fingerprint(office: str, stage: str, error_class: str, original: RawHeaders, text: str) -> str:
    """The same for everything that has failed by the same cause."""
    schema = decode(original).get(Header.DATASCHEMA, "")
    parts = (office, stage, error_class, schema, _IDS.sub("#", text))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_FINGERPRINT_LENGTH]


def take_apart(headers: RawHeaders) -> Copy:
    """The original headers and the block; of a record that never was a copy everything is original."""
    start = next((index for index in range(len(headers) - 1, -1, -1) if headers[index][0] == CopyHeader.TOPIC), None)
    if start is None:
        return Copy(headers, {})
    return Copy(headers[:start], {name: (value or b"").decode(errors="replace") for name, value in headers[start:]})


def headers_of_copy(original: RawHeaders, origin: Place, more: Mapping[CopyHeader, str]) -> RawHeaders:
    """The headers of a copy: the original's, then the block."""
    place = {CopyHeader.TOPIC: origin.topic, CopyHeader.PARTITION: str(origin.partition), CopyHeader.OFFSET: str(origin.offset)}
    return [*original, *((name.value, value.encode()) for name, value in (place | dict(more)).items())]
