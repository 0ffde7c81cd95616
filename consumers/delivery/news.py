"""Status events for portals: what a record has come to, and what a back office has decided later."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from adapters.interface import Accepted, Refusal
from consumers.delivery.awaited import Awaited
from consumers.delivery.job import Job
from infra.kafka.outgoing import Outgoing
from schemas import events, topics
from schemas.events import EVENT_CONTENT_TYPE, State
from schemas.headers import Header, RawHeaders

_HEADERS: Final = [(Header.CONTENT_TYPE.value, EVENT_CONTENT_TYPE.encode())]
_iso = lru_cache(maxsize=256)(events.iso)
"""Most events of a batch are of the same few moments."""


class News:
    """Makes the events of one office. All events of a case go to one partition, that with the number of its records.

    Pure. However often a step is told, its event has the same id, by which readers drop repeats; of one that is no end, another time.
    """

    def __init__(self, office: str, *, answers_later: bool) -> None:
        self._topic = topics.events(office.partition(".")[0])
        self._writer = events.EventWriter(office, answers_later=answers_later)

    def of_record(self, job: Job, state: State, now_ms: int) -> Outgoing:
        """What a record has come to, as its entry has it."""
        entry = job.entry
        at, begun_at = _iso(entry.ended_ms or now_ms), _iso(entry.started_ms)
        step = events.StatusChange(state, at, entry.attempt, begun_at, entry.reference, entry.cause)
        if entry.next_try_ms is not None:
            step = step._replace(next_try_at=events.iso(entry.next_try_ms))
        value = self._writer.write(step, job.submission, job.case_id, job.service, job.portal)
        partition = job.first_place.partition if job.retry else job.record.partition
        return Outgoing(self._topic, job.record.key, value, _headers(job.traceparent), partition)

    def of_outcome(self, awaited: Awaited, answer: Accepted | Refusal, now_ms: int) -> Outgoing:
        """What the back office has decided about a submission that it had been given earlier."""
        state, reason = (State.REJECTED, answer.code) if isinstance(answer, Refusal) else (State.ACCEPTED, None)
        step = events.StatusChange(state, events.iso(now_ms), awaited.attempt, events.iso(awaited.begun_ms), awaited.reference, reason)
        value = self._writer.write(step, awaited.submission, awaited.case, awaited.service, awaited.portal)
        return Outgoing(self._topic, awaited.record_key, value, _headers(awaited.traceparent), awaited.partition)


def _headers(traceparent: bytes | None) -> RawHeaders:
    return _HEADERS if traceparent is None else [*_HEADERS, (Header.TRACEPARENT.value, traceparent)]
