"""Refusals of portals' calls: each is counted by its code, and what may be an attack is a security event with the portal's id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from infra import metrics
from infra.security_events import Kind, note
from schemas import problems
from schemas.errors import Rejected
from schemas.problems import Problem

EVENTS: Final[Mapping[Kind, tuple[Problem, ...]]] = {
    Kind.LOGIN_FAILED: (problems.UNAUTHENTICATED,),
    Kind.TOKEN_EXPIRED: (problems.TOKEN_EXPIRED,),
    Kind.RIGHT_MISSING: (
        problems.AUTHOR_MISMATCH,
        problems.TRUST_TOO_LOW,
        problems.ACCOUNT_NOT_ACCEPTED,
        problems.TEST_NOT_ALLOWED,
        problems.RIGHT_MISSING,
        problems.TRUST_NOT_GRANTED,
        problems.TRUST_NOT_PROVEN,
    ),
    Kind.FOREIGN_CASE: (problems.REFERENCE_UNKNOWN,),
    Kind.ID_CONFLICT: (problems.ID_CONFLICT,),
    Kind.UNKNOWN_ASKED: (problems.NOT_FOUND,),
    Kind.RATE_LIMITED: (problems.RATE_EXCEEDED, problems.PORTAL_BUSY),
    Kind.LIMIT_PASSED: (problems.TOO_COMPLEX, problems.READING_STALLED, problems.TOO_SLOW, problems.TOO_LARGE),
    Kind.UNSAFE_CONTENT: (problems.DOCTYPE, problems.MARKS, problems.NAME_NOT_CARRIED, problems.POINTS_ELSEWHERE),
}
"""Which problems are security events. A test asks it of each that answers 401, 403, 409, 413 or 429."""
_KINDS: Final = {problem.code: kind for kind, its in EVENTS.items() for problem in its}


@contextmanager
def counted(portal: str = "") -> Iterator[None]:
    """Count what is refused inside, and note what may be an attack. `portal` is the id of the portal that calls, once it is known.

    Around each step of each call, in the event loop; whatever is raised goes on.
    """
    try:
        yield
    except Rejected as error:
        metrics.REJECTED.labels(error.problem.code).inc()
        if error.problem.status == HTTPStatus.TOO_MANY_REQUESTS:
            metrics.THROTTLED.labels(portal, error.problem.code).inc()
        if (kind := _KINDS.get(error.problem.code)) is not None:
            note(kind, error.problem.code, portal or error.portal)
        raise
