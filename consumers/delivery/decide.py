"""What becomes of a record that was dispatched. It is decided here and nowhere else, and `Delivery.settle` does what follows.

Whether an attempt was made at all, `LedgerEntry.begin` has said before. The first line that is true counts:

| what is known of the record                                  | what becomes of it                                     |
|--------------------------------------------------------------|--------------------------------------------------------|
| the back office has it, as it says to `deliver` or `find`    | delivered                                              |
| the attempt failed, or the headers cannot be read            | see below; the headers: as permanent                   |
| the attempt was begun, and given up before it was made       | tried again, at once                                   |
| the ledger knows what became of its submission               | known: that is told once more                          |
| an operator has discarded it                                 | discarded: its portal is told that it is rejected      |
| an operator has found its submission at the back office      | delivered                                              |
| an earlier record of its case is parked                      | parked                                                 |
| an earlier record of its case is dead and holds the case     | dead, and holds it, too                                |
| it is parked, and its time has not come; or another record   | not due                                                |
| of its submission was dispatched together with it            |                                                        |

| cause of the failure | from the submissions topic                | from the retry topic                                       |
|----------------------|-------------------------------------------|------------------------------------------------------------|
| blip, unclear        | some immediate retries, then parked       | tried later, after longer waits each time; in the end dead |
| destination down     | tried again when the office is up         | the same                                                   |
| case not ready       | parked                                    | tried later, after longer waits each time; in the end dead |
| permanent            | dead                                      | dead                                                       |
| cannot find          | dead, for a person                        | dead, for a person                                         |

What would be one dead letter too many (`Brake`) stops the office instead, and the record stays where it is.

*Unclear* is whatever an adapter raises beyond the four causes: each attempt after it asks `find` first. So does each after `NotTheOffice`,
which is unclear too, but counts as destination down.

Pure: it reads, and changes nothing. Only the pause before an immediate retry has a random part.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from enum import Enum
from typing import Final, NamedTuple

from consumers.delivery.breaker import MOST_DOUBLINGS, Brake
from consumers.delivery.failures import Cause, Failure
from consumers.delivery.job import Job
from consumers.engine import Action
from consumers.settings import DeliverySettings

_LEAST_WAIT_S: Final = 0.1


class Becomes(Enum):
    """What becomes of a record."""

    DELIVERED = "delivered"
    DISCARDED = "discarded"
    """Its submission ends without a delivery, as rejected, for the reason that an operator has given."""
    PARKED = "parked"
    """A copy goes into the retry topic."""
    DEAD = "dead"
    """A copy goes into the dead letters."""
    TRIED_AGAIN = "tried again"
    """It is dispatched once more after `delay_s`, and nobody is told."""
    TRIED_LATER = "tried later"
    """The same, of a record of the retry topic: the try counts, and the portal is told when the next one is."""
    NOT_DUE = "not due"
    """Nothing has happened; it is dispatched once more after `delay_s`."""
    KNOWN = "known"
    """Nothing is left to do but to tell what its submission has come to: that may not have been told."""


class Decision(NamedTuple):
    """What becomes of a record, and what has to be known to make it so."""

    becomes: Becomes
    reference: str = ""
    """Of a delivery: under which the back office has it."""
    cause: str = ""
    """Of what is discarded, parked, dead or tried later."""
    delay_s: float | None = 0.0
    """Until the next try; None of what is parked until an earlier record of its case is through."""
    holds: bool = False
    """Of what is dead: later records of the case follow it."""
    stop: str | None = None
    """Why the office has to stop: the record would have been one dead letter too many."""


_KNOWN: Final = Decision(Becomes.KNOWN)
_AT_ONCE: Final = Decision(Becomes.TRIED_AGAIN)


def decide(job: Job, now_ms: int, settings: DeliverySettings, brake: Brake, continuing: Collection[str]) -> Decision:
    """What becomes of a record, after its attempt or without one. `continuing` are the keys of services whose cases go on after a dead
    letter. Called once for each time that a record was dispatched, when breaker and brake have heard of what came before.
    """
    if job.reference is not None:
        return Decision(Becomes.DELIVERED, job.reference)
    if job.failure is not None:
        decision = after_failure(job.failure, job.failures, job.entry.tries + 1, parked=job.retry, settings=settings)
        return decision if decision.becomes is not Becomes.DEAD else _dead_unless_too_many(job, decision, brake, continuing)
    return _AT_ONCE if job.skipped else _without_attempt(job, now_ms, settings)


def _dead_unless_too_many(job: Job, decision: Decision, brake: Brake, continuing: Collection[str]) -> Decision:
    too_many = brake.too_many()
    return decision._replace(holds=job.service not in continuing) if too_many is None else _AT_ONCE._replace(stop=too_many)


def _without_attempt(job: Job, now_ms: int, settings: DeliverySettings) -> Decision:
    if not job.open:
        return _KNOWN
    if job.discarded is not None:
        return Decision(Becomes.DISCARDED, cause=job.discarded)
    if job.found_under is not None:
        return Decision(Becomes.DELIVERED, job.found_under)
    if job.action is Action.PARK:
        return Decision(Becomes.PARKED, cause=Cause.CASE_PARKED, delay_s=None)
    if job.action is Action.HOLD:
        return Decision(Becomes.DEAD, cause=Cause.CASE_HELD, holds=True)
    return Decision(Becomes.NOT_DUE, delay_s=_until_due_s(job.entry.next_try_ms or 0, now_ms, settings))


def after_failure(failure: Failure, failures: int, tries: int, *, parked: bool, settings: DeliverySettings) -> Decision:
    """The second table above. `failures` counts those of the record in this process, `tries` those since it was parked, both with this one."""
    cause = failure.cause
    match cause:
        case Cause.DESTINATION_DOWN:
            return _AT_ONCE
        case Cause.PERMANENT | Cause.CANNOT_FIND:
            return Decision(Becomes.DEAD, cause=cause)
        case Cause.BLIP | Cause.UNCLEAR if not parked and failures <= settings.immediate_retries:
            return Decision(Becomes.TRIED_AGAIN, delay_s=immediate_pause_s(failures))
    if not parked:
        return Decision(Becomes.PARKED, cause=cause, delay_s=settings.first_backoff_s)
    if tries >= settings.delayed_retries:
        return Decision(Becomes.DEAD, cause=Cause.TRIES_SPENT)
    return Decision(Becomes.TRIED_LATER, cause=cause, delay_s=backoff_s(tries, settings))


def immediate_pause_s(failures: int) -> float:
    """0.2 to 2 s with full jitter: cases that failed together do not come again together."""
    return random.uniform(0.2, min(2.0, 0.2 * 4.0 ** min(failures, MOST_DOUBLINGS)))  # noqa: S311 - jitter


def backoff_s(tries: int, settings: DeliverySettings) -> float:
    """The published schedule: doubling from the first to the longest."""
    return min(settings.longest_backoff_s, settings.first_backoff_s * 2.0 ** min(max(0, tries - 1), MOST_DOUBLINGS))


def _until_due_s(next_try_ms: int, now_ms: int, settings: DeliverySettings) -> float:
    """Never longer than the longest wait, whatever clock has written the time."""
    return min(max((next_try_ms - now_ms) / 1000, _LEAST_WAIT_S), settings.longest_backoff_s)
