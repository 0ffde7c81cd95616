"""Copies of records that are set aside: into the retry topic, or into the dead letters."""

from __future__ import annotations

import os
import socket
from typing import Final

from consumers.delivery.failures import Cause, Failure
from consumers.delivery.job import Job
from infra.kafka.outgoing import Outgoing
from schemas import topics
from schemas.copies import headers_of_copy
from schemas.events import iso
from schemas.headers import CopyHeader

_INSTANCE: Final = f"{socket.gethostname()}-{os.getpid()}"
_CLASS: Final = "consumers.delivery"
"""Who wrote the copy, for tools that read Connect's headers. It stays as it is wherever the code moves: records of years have it."""


class Copies:
    """Makes the copies of one office. Key, value and timestamp are those of the record, the partition number that of where it was read first.

    Pure; the job's entry says already what became of the record.
    """

    def __init__(self, office: str) -> None:
        self._office = office

    def parked(self, job: Job, now_ms: int) -> Outgoing:
        """The record for the retry topic, with the time when it is due."""
        due = {} if job.entry.next_try_ms is None else {CopyHeader.NOT_BEFORE: iso(job.entry.next_try_ms)}
        return self._copy(job, topics.retry(self._office), self._block(job, now_ms) | due)

    def dead(self, job: Job, now_ms: int) -> Outgoing:
        """The record for the dead letters, with what went wrong, and with what Spring's tools look for."""
        origin, failure = job.first_place, job.failure
        block = self._block(job, now_ms) | {CopyHeader.SPRING_TOPIC: origin.topic, CopyHeader.SPRING_GROUP: self._office}
        if failure is not None:
            block[CopyHeader.STACKTRACE] = failure.trace
            block |= {CopyHeader.SPRING_EXCEPTION: failure.exception, CopyHeader.SPRING_MESSAGE: failure.reason}
        return self._copy(job, topics.deadletters(self._office), block)

    def _copy(self, job: Job, topic: str, block: dict[CopyHeader, str]) -> Outgoing:
        record, origin = job.record, job.first_place
        headers = headers_of_copy(job.original_headers, origin, block)
        return Outgoing(topic, record.key, record.value, headers, origin.partition, record.timestamp)

    def _block(self, job: Job, now_ms: int) -> dict[CopyHeader, str]:
        earlier = {} if job.earlier_copy is None else job.earlier_copy.block
        block = {CopyHeader.ADAPTER: self._office, CopyHeader.INSTANCE: _INSTANCE}
        if job.failure is not None:
            block |= _failure(job.failure)
        return block | {
            CopyHeader.ERROR_CLASS: job.entry.cause or Cause.PERMANENT,
            CopyHeader.FIRST_FAILURE: earlier.get(CopyHeader.FIRST_FAILURE) or iso(now_ms),
            CopyHeader.ATTEMPT: str(job.entry.attempt),
        }


def _failure(failure: Failure) -> dict[CopyHeader, str]:
    return {
        CopyHeader.STAGE: failure.stage,
        CopyHeader.CLASS: _CLASS,
        CopyHeader.EXCEPTION: failure.exception,
        CopyHeader.MESSAGE: failure.reason,
    }
