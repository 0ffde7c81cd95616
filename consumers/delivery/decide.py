"""What becomes of a record that was dispatched. It is decided here and nowhere else, and `Delivery.settle` does what follows.

Whether an attempt was made at all, `LedgerEntry.begin` has said before. The first line that is true counts:

| what is known of the record                                  | what becomes of it                                     |
|--------------------------------------------------------------|--------------------------------------------------------|
| its series is held, and is not tried out by it               | not due                                                |
| the back office has it, as it says to `deliver` or `find`    | delivered                                              |
| the attempt failed, or the headers cannot be read            | see below; the headers: as permanent                   |
| the attempt was begun, and given up before it was made       | tried again, at once                                   |
| the ledger knows what became of its submission               | known: that is told once more                          |
| an operator has discarded it                                 | discarded: its portal is told that it is rejected      |
| an operator has found its submission at the back office      | delivered                                              |
| its series is held, and there is no room for one more        | dead, untried, and holds its case                      |
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

| what is permanent, if its series is held (`Brake`)           | comes to                                                   |
|--------------------------------------------------------------|------------------------------------------------------------|
| it has tried the series out, or cannot be read               | dead                                                       |
| the office is held, and its portal                           | tried again, where it is                                   |
| its portal or its cause is held, and there is room           | parked, from the submissions topic; what was parked for its series stays |
| otherwise                                                    | dead                                                       |

*Unclear* is whatever an adapter raises beyond the four causes: each attempt after it asks `find` first. So does each after `NotTheOffice`,
which is unclear too, but counts as destination down.

Pure: it reads, and changes nothing. Only the pause before an immediate retry has a random part.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from enum import Enum
from typing import Final, NamedTuple

from consumers.delivery.brake import LOOK_S, Brake, Keep
from consumers.delivery.failures import Cause, Failure
from consumers.delivery.job import Job
from consumers.engine import Action
from consumers.settings import MOST_DOUBLINGS, DeliverySettings

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


_KNOWN: Final = Decision(Becomes.KNOWN)
_AT_ONCE: Final = Decision(Becomes.TRIED_AGAIN)


def decide(job: Job, now_ms: int, settings: DeliverySettings, brake: Brake, continuing: Collection[str]) -> Decision:
    """What becomes of a record, after its attempt or without one. `continuing` are the keys of services whose cases go on after a dead
    letter. Called once for each time that a record was dispatched, when breaker and brake have heard of what came before.
    """
    if job.waits_s is not None:
        return Decision(Becomes.NOT_DUE, delay_s=job.waits_s)
    if job.reference is not None:
        return Decision(Becomes.DELIVERED, job.reference)
    if job.failure is not None:
        decision = after_failure(job.failure, job.failures, job.entry.tries + 1, parked=job.retry, settings=settings)
        return decision if decision.becomes is not Becomes.DEAD else _dead_or_held(job, decision, settings, brake, continuing)
    return _AT_ONCE if job.skipped else _without_attempt(job, now_ms, settings, brake)


def _dead_or_held(job: Job, decision: Decision, settings: DeliverySettings, brake: Brake, continuing: Collection[str]) -> Decision:
    """The third table above. What a back office has refused from the retry topic stays there only if it was parked for its series."""
    own_end = job.tries_series is not None or not job.submission or decision.cause != Cause.PERMANENT
    keep = Keep.DEAD if own_end else brake.keeps(job.portal, job.fingerprint)
    if keep is Keep.STAY or (keep is Keep.PARK and job.of_series):
        return Decision(Becomes.TRIED_AGAIN, delay_s=LOOK_S)
    if keep is Keep.PARK and not job.retry:
        return Decision(Becomes.PARKED, cause=Cause.SERIES_HELD, delay_s=settings.first_backoff_s)
    return decision._replace(holds=job.service not in continuing)


def _without_attempt(job: Job, now_ms: int, settings: DeliverySettings, brake: Brake) -> Decision:
    if not job.open:
        return _KNOWN
    if job.discarded is not None:
        return Decision(Becomes.DISCARDED, cause=job.discarded)
    if job.found_under is not None:
        return Decision(Becomes.DELIVERED, job.found_under)
    return _behind_others(job, brake) or Decision(Becomes.NOT_DUE, delay_s=_until_due_s(job.entry.next_try_ms or 0, now_ms, settings))


def _behind_others(job: Job, brake: Brake) -> Decision | None:
    """What becomes of a record because of others: of its series, or of its case."""
    if job.set_aside or (job.action is Action.PARK and not brake.has_room(job.portal)):
        return Decision(Becomes.DEAD, cause=Cause.SERIES_HELD, holds=True)
    if job.action is Action.PARK:
        return Decision(Becomes.PARKED, cause=Cause.CASE_PARKED, delay_s=None)
    return Decision(Becomes.DEAD, cause=Cause.CASE_HELD, holds=True) if job.action is Action.HOLD else None


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
    return Decision(Becomes.TRIED_LATER, cause=cause, delay_s=settings.backoff_s(tries))


def immediate_pause_s(failures: int) -> float:
    """0.2 to 2 s with full jitter: cases that failed together do not come again together."""
    return random.uniform(0.2, min(2.0, 0.2 * 4.0 ** min(failures, MOST_DOUBLINGS)))  # noqa: S311 - jitter


def _until_due_s(next_try_ms: int, now_ms: int, settings: DeliverySettings) -> float:
    """Never longer than the longest wait, whatever clock has written the time."""
    return min(max((next_try_ms - now_ms) / 1000, _LEAST_WAIT_S), settings.longest_backoff_s)
