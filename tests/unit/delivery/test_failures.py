"""What is known of a failure: its cause, a sentence, and where in the code; never a value of the message."""

from __future__ import annotations

import pytest

from adapters.interface import CannotFind
from adapters.kit import NotTheOffice, UnclearAnswer
from consumers.delivery.failures import Cause, Failure, Stage
from schemas import problems
from schemas.errors import Blip, CannotTell, CaseNotReady, DestinationDown, Refused

CANARY = "Kanarienvogel"


@pytest.mark.parametrize(
    ("error", "cause", "reason"),
    [
        (Blip("busy"), Cause.BLIP, "busy"),
        (DestinationDown("refused"), Cause.DESTINATION_DOWN, "refused"),
        (CaseNotReady("locked"), Cause.CASE_NOT_READY, "locked"),
        (Refused("no such street"), Cause.PERMANENT, "no such street"),
        (CannotFind(), Cause.CANNOT_FIND, "CannotFind"),
        (CannotFind(CANARY), Cause.CANNOT_FIND, "CannotFind"),
        (UnclearAnswer("the answer has no aktenzeichen"), Cause.UNCLEAR, "the answer has no aktenzeichen"),
        (NotTheOffice("HTTP 200 with a page for people"), Cause.DESTINATION_DOWN, "HTTP 200 with a page for people"),
        (UnclearAnswer("two\nlines\x1b[1m"), Cause.UNCLEAR, "two lines [1m"),
        (UnclearAnswer("x" * 1000), Cause.UNCLEAR, "x" * 300),
        (UnclearAnswer(""), Cause.UNCLEAR, "UnclearAnswer"),
        (TimeoutError(CANARY), Cause.UNCLEAR, "TimeoutError"),
        (ValueError(CANARY), Cause.UNCLEAR, "ValueError"),
        (ExceptionGroup(CANARY, [KeyError(CANARY)]), Cause.UNCLEAR, "ExceptionGroup"),
        (CannotTell(problems.STORE_UNREACHABLE, "store 'x'"), Cause.UNCLEAR, "store-unreachable: store 'x'"),
    ],
)
def test_cause_of_what_an_adapter_raises(error: Exception, cause: Cause, reason: str) -> None:
    """The four causes are what they say; whatever else is unclear, and of its text nothing is kept."""
    failure = Failure.of(error, Stage.DELIVER)
    assert (failure.cause, failure.reason, failure.exception) == (cause, reason, type(error).__name__)


@pytest.mark.parametrize("stage", [Stage.PARSE, Stage.TRANSLATE])
@pytest.mark.parametrize(("error", "reason"), [(KeyError(CANARY), "KeyError"), (Refused("no form"), "no form")])
def test_before_delivery_everything_is_permanent(stage: Stage, error: Exception, reason: str) -> None:
    """While reading or translating nothing has left, and the same input would fail again."""
    failure = Failure.of(error, stage)
    assert (failure.cause, failure.stage, failure.reason) == (Cause.PERMANENT, stage, reason)


def test_trace_has_places_and_no_texts() -> None:
    """The trace names files, lines and functions, the innermost first; no line of code and no value."""
    failure = Failure.of(raised(1), Stage.TRANSLATE)
    lines = failure.trace.splitlines()
    assert [line.rpartition(" in ")[2] for line in lines] == ["deeper", "deeper", "raised"]
    assert all(line.startswith(__file__) for line in lines)
    assert CANARY not in repr(failure)


def test_trace_is_cut() -> None:
    """A recursion without end does not make a dead letter without end."""
    assert len(Failure.of(raised(500), Stage.TRANSLATE).trace) == 8 * 1024


def deeper(levels: int) -> None:
    """Fails so far down."""
    if levels == 0:
        raise ValueError(CANARY)
    deeper(levels - 1)


def raised(levels: int) -> Exception:
    """An exception with a trace, and a value of the message in its text."""
    try:
        deeper(levels)
    except ValueError as error:
        return error
    raise AssertionError
