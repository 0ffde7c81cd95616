"""Security events: what may be an attack, or an operator's intervention, as lines of the log that a SIEM can follow, and counted.

A line is `{"event": "security", "what": …, "code": …, "portal": …, "count": …}`. Nothing in it is chosen by a caller: `what` is one of the kinds
here, `code` that of a problem or action, `portal` the id of a known portal, or empty. Callers' addresses are personal data and are not logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import structlog

from infra import metrics

log = structlog.get_logger()

PAUSE_S: Final = 10.0
"""Between two lines of one kind, code and portal."""


class Kind(StrEnum):
    """What happened. `MEANINGS` says more; the values are stable."""

    LOGIN_FAILED = "login-failed"
    TOKEN_EXPIRED = "token-expired"  # noqa: S105 - a name
    RIGHT_MISSING = "right-missing"
    FOREIGN_CASE = "foreign-case"
    ID_CONFLICT = "id-conflict"
    UNKNOWN_ASKED = "unknown-asked"
    RATE_LIMITED = "rate-limited"
    LIMIT_PASSED = "limit-passed"
    UNSAFE_CONTENT = "unsafe-content"
    HTTP_REFUSED = "http-refused"
    OPERATOR_ACTED = "operator-acted"


MEANINGS: Final[dict[Kind, tuple[str, str]]] = {
    Kind.LOGIN_FAILED: (
        "A call without a token, or with one that no portal has.",
        "Many: somebody tries tokens, or a portal uses an old one.",
    ),
    Kind.TOKEN_EXPIRED: ("A portal's token is past its end date.", "Hand the portal its next token; `portal` names it."),
    Kind.RIGHT_MISSING: (
        "A portal asks for what it has no right to, or says to be another.",
        "Ask the portal; if it should be so, its page lacks a right (docs/portals.md).",
    ),
    Kind.FOREIGN_CASE: (
        "A portal writes about a message that was not accepted in a case of its own.",
        "Few: it sends too early. Many: ask the portal; a city can grant it a case of another one (`stadtbus cases grant`).",
    ),
    Kind.ID_CONFLICT: ("A portal uses an id again for other content.", "A defect of the portal, or somebody tries ids."),
    Kind.UNKNOWN_ASKED: ("A portal asks for a submission that is none of its own.", "Many: somebody tries ids with this portal's token."),
    Kind.RATE_LIMITED: (
        "A portal sends more than its rates or its share allow.",
        "Ask the portal; raise the rates on its page if the load is real.",
    ),
    Kind.LIMIT_PASSED: (
        "A message passed a limit of size, time or memory, or ended the worker that read it.",
        "Nobody sends such by accident again and again: ask the portal, block its token if need be.",
    ),
    Kind.UNSAFE_CONTENT: (
        "A message has what only attacks have, such as a DOCTYPE.",
        "Ask the portal what its software, or its users, sent.",
    ),
    Kind.HTTP_REFUSED: (
        "A connection breaks the rules of HTTP, or a limit before anybody has logged in; beside these codes the reasons of `stadtbus_connections_closed_total`.",
        "Many: look at the network in front of the gateway.",
    ),
    Kind.OPERATOR_ACTED: (
        "An operator has done something to submissions; `code` is the action, the watch has the record.",
        "Compare with what was planned.",
    ),
}
"""What each kind means, and what to do; `docs/reference/security-events.md` is made of it."""


@dataclass(slots=True)
class _Told:
    at_s: float = -math.inf
    waiting: int = 0


_told: dict[tuple[Kind, str, str], _Told] = {}
"""As many as there are kinds, codes and known portals: nothing that a caller chooses is a key."""


def note(kind: Kind, code: str, portal: str = "", count: int = 1) -> None:
    """Count an event, and log it: at once, then a line for each 10 s with how many there were. Called in the event loop; never blocks.

    `portal` is the id of a portal that has a page, and nothing else.
    """
    metrics.SECURITY.labels(kind.value, code, portal).inc(count)
    told = _told.setdefault((kind, code, portal), _Told())
    due_s = told.at_s + PAUSE_S - time.monotonic()
    first, told.waiting = not told.waiting, told.waiting + count
    if due_s <= 0:
        _say(kind, code, portal)
    elif first:
        with contextlib.suppress(RuntimeError):  # without a loop the next one tells of it
            asyncio.get_running_loop().call_later(due_s, _say, kind, code, portal)


def _say(kind: Kind, code: str, portal: str) -> None:
    told = _told[kind, code, portal]
    if told.waiting:
        log.warning("security", what=kind.value, code=code, portal=portal, count=told.waiting)
        told.at_s, told.waiting = time.monotonic(), 0
