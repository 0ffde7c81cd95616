"""The exceptions of Stadtbus. Those that people see carry a coded problem (`schemas.problems`).

    StadtbusError              base of what a portal or a person at a terminal is told
    ├── Rejected               intake refuses a submission; nothing is left behind
    ├── UsageError             wrong command, setting or environment; exit code 2
    └── CannotTell             a system we depend on does not answer; exit code 3
    DeliveryFailure            a back office did not take a submission; the cause decides what happens next
    ├── Blip                   try again shortly
    ├── DestinationDown        the back office is not there; everything waits for it
    ├── CaseNotReady           this case has to wait, others go on
    └── Refused                permanent: the back office will never take this

An adapter raises the four causes; `consumers/delivery` decides by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from schemas.findings import Finding
from schemas.problems.problem import Problem

_LONGEST_PLACE: Final = 200
"""Names in a place may come from the message; an answer does not grow with them."""


class StadtbusError(Exception):
    """Base of all errors. `detail` never contains a value from a message, only names, places and limits."""

    def __init__(self, problem: Problem, detail: str = "", *, where: str | None = None) -> None:
        super().__init__(f"{problem.code}: {detail or problem.title}")
        self.problem = problem
        self.detail = detail
        self.where = where if where is None else where[:_LONGEST_PLACE]

    def diagnostics(self) -> str:
        """What is wrong, where, and what to do next, for a person at a terminal."""
        place = f"\n  where: {self.where}" if self.where else ""
        return (
            f"{self.problem.title} ({self.problem.code})\n  what:  {self.detail or self.problem.title}{place}\n  next:  {self.problem.hint}"
        )

    def as_dict(self) -> dict[str, Any]:
        """The members of an RFC 9457 problem, without those that have no value."""
        members = {
            "type": self.problem.type_uri,
            "title": self.problem.title,
            "status": self.problem.status,
            "detail": self.detail or self.problem.title,
            "code": self.problem.code,
            "hint": self.problem.hint,
            "where": self.where,
            "xoev": self.problem.xoev,
        }
        return {name: value for name, value in members.items() if value is not None}


class Rejected(StadtbusError):
    """Raised on the way in (`producers/intake`) and by what intake asks; the gateway answers with the problem, and nothing is stored.

    `message_id` is that of the refused message, where it could be read. `findings` is everything that the examination found; the problem
    is that of the first error. `portal` is the id of the portal that calls, where a refused login names it: for the log, the caller is not told.
    `retry_after_s` is when to come again, where that is known. Whoever reads files (`stadtbus validate`, samples, code lists) tells it as a fault of the file.
    """

    message_id: UUID | None = None
    portal: str = ""
    findings: Sequence[Finding] = ()
    retry_after_s: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The members of the problem, with the extension members `message_id` and `findings`."""
        more = {"message_id": str(self.message_id)} if self.message_id else {}
        return super().as_dict() | more | ({"findings": [finding.as_dict() for finding in self.findings]} if self.findings else {})


class UsageError(StadtbusError):
    """The command, the settings or the machine are not as they must be: the command ends with the problem's exit code."""


class CannotTell(StadtbusError):
    """A system we depend on (Kafka, a database, another process) does not answer, so there is no result: neither a good nor a bad one."""


class DeliveryFailure(Exception):
    """Raised by adapters: the back office did not take a submission. `reason` goes to logs and headers, so nothing personal is in it.

    Anything else that an adapter raises means that the outcome is unclear: the back office is asked before anything is sent again.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Blip(DeliveryFailure):
    """A fault that passes: it is tried again at once, a few times; then the case is parked and tried later."""


class DestinationDown(DeliveryFailure):
    """The back office cannot be reached, or takes nothing now: the whole office is paused, for `retry_after_s` where the back office says so."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class CaseNotReady(DeliveryFailure):
    """The back office cannot take this case yet: it is parked and tried later, and later submissions of the case wait behind it."""


class Refused(DeliveryFailure):
    """The back office will never take this submission as it is: it becomes a dead letter, for a person."""
