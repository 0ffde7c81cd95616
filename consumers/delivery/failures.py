"""What went wrong with a delivery: where, why, and what may be said of it. What follows from it is decided in `decide.py`."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from adapters.interface import CannotFind
from adapters.kit import NotTheOffice, UnclearAnswer
from schemas.errors import Blip, CaseNotReady, DeliveryFailure, DestinationDown, Refused, StadtbusError

_LONGEST_TRACE: Final = 8 * 1024
_LONGEST_REASON: Final = 300


class Stage(StrEnum):
    """Where a submission failed, in the words of Kafka Connect's reporters."""

    PARSE = "PARSE"
    TRANSLATE = "TRANSLATE"
    DELIVER = "DELIVER"


class Cause(StrEnum):
    """Why; what happens next follows from it. Written as `bus_error_class`, so the values never change."""

    BLIP = "blip"
    DESTINATION_DOWN = "destination-down"
    CASE_NOT_READY = "case-not-ready"
    PERMANENT = "permanent"
    UNCLEAR = "unclear"
    CANNOT_FIND = "cannot-find"
    """The outcome is unclear and the back office cannot say: a person has to find out."""
    TRIES_SPENT = "tries-spent"
    CASE_PARKED = "case-parked"
    """Untried: an earlier submission of the case waits."""
    CASE_HELD = "case-held"
    """Untried: an earlier submission of the case is dead."""
    SERIES_HELD = "series-held"
    """One more of a series that is held (`consumers.delivery.brake`)."""


_CAUSES: Final[dict[type[Exception], Cause]] = {
    Blip: Cause.BLIP,
    DestinationDown: Cause.DESTINATION_DOWN,
    NotTheOffice: Cause.DESTINATION_DOWN,
    CaseNotReady: Cause.CASE_NOT_READY,
    Refused: Cause.PERMANENT,
    CannotFind: Cause.CANNOT_FIND,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that failed, without any value of the message."""

    stage: Stage
    cause: Cause
    reason: str
    """Our own words; of a foreign exception its class, because texts of libraries quote values."""
    exception: str
    trace: str = ""
    """Places in the code, without texts."""
    retry_after_s: float | None = None
    """How long the back office wants to be left alone, where it says so."""
    reachable: bool = False
    """The back office was asked itself, and has answered: the failure is this submission's own."""

    @classmethod
    def of(cls, error: BaseException, stage: Stage) -> Failure:
        """The failure of whatever an adapter raised. Beyond the exceptions that say their cause everything is `unclear`, or permanent while
        reading or translating, because nothing has left yet; there "down" is a blip, because nobody was asked.
        """
        otherwise = Cause.UNCLEAR if stage is Stage.DELIVER else Cause.PERMANENT
        cause = next((cause for kind, cause in _CAUSES.items() if isinstance(error, kind)), otherwise)
        if cause is Cause.DESTINATION_DOWN and stage is not Stage.DELIVER:
            cause = Cause.BLIP
        retry_after_s = error.retry_after_s if isinstance(error, DestinationDown) else None
        return cls(stage, cause, reason_of(error), type(error).__name__, _trace(error), retry_after_s)


def reason_of(error: BaseException) -> str:
    """Why, in a line: the sentence of an exception that is made for it; of others the class, because texts of libraries quote values."""
    if not isinstance(error, DeliveryFailure | UnclearAnswer | StadtbusError):
        return type(error).__name__
    said = error.reason if isinstance(error, DeliveryFailure) else str(error)
    return "".join(letter if letter.isprintable() else " " for letter in said[:_LONGEST_REASON]) or type(error).__name__


def _trace(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return "\n".join(f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in reversed(frames))[:_LONGEST_TRACE]
