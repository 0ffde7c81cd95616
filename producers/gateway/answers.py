"""Answers in our own XML, for portals that name `application/xml` first in `Accept`: receipt, rejection, status.

An answer is a message from the bus to the portal. Receipt and status follow from what happened, id and time included, so asking again gets
the same bytes; a rejection is of the moment, because nothing of what was refused is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final
from uuid import uuid4, uuid5

from producers.feedback.history import Step
from producers.gateway.views import Awaiting, awaiting
from producers.outbox.outbox import AcceptedSubmission
from schemas import message
from schemas.errors import Rejected
from schemas.events import State
from schemas.findings import Severity
from schemas.message import Authority, Ground, MessageReference, Receipt, RejectionMessage, StatusMessage
from schemas.problems import Problem

MEDIA_TYPE: Final = "application/xml"
_LONGEST_DETAIL: Final = 1000
_LONGEST_SHORT: Final = 250
_DECISION_AWAITED: Final = "Das Amt hat die Einreichung und entscheidet noch darüber."
_NEXT_STEPS: Final = {
    State.SUBMITTED: "Die Einreichung wird dem Amt zugestellt.",
    State.RETRY_WAIT: "Die Zustellung wird von selbst wiederholt.",
    State.PARKED: "Die Einreichung wartet auf eine frühere desselben Vorgangs und wird dann zugestellt.",
    State.DEAD_LETTER: "Die Stadt klärt, warum das Amt die Einreichung nicht annehmen kann.",
    State.DELIVERED: "Das Amt bearbeitet die Einreichung.",
    State.ACCEPTED: "Das Amt bearbeitet die Einreichung.",
    State.REJECTED: "Es folgt nichts mehr; der Grund ist im Text genannt.",
}


def wanted(accept: str | None) -> bool:
    """Whether a portal would rather have XML: it is the first type in its header `Accept`."""
    return (accept or "").partition(",")[0].partition(";")[0].strip().lower() == MEDIA_TYPE


def is_rejection(error: Rejected) -> bool:
    """Whether a refusal is final for the message: not where nobody knows who asks (401), nor where the same may be sent again later (429, 5xx)."""
    status = error.problem.status
    return status not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS) and status < HTTPStatus.INTERNAL_SERVER_ERROR


def receipt(accepted: AcceptedSubmission, author: Authority, reader: Authority) -> bytes:
    """`einreichung.quittung.0180` for what was accepted."""
    return message.write(
        Receipt(
            message_id=uuid5(accepted.message_id, "receipt"),
            created_at=accepted.accepted_at,
            reader=reader,
            author=author,
            test=accepted.test,
            reference=MessageReference(message_id=accepted.message_id),
            case_id=accepted.case_id,
            submission_id=accepted.message_id,
            accepted_at=accepted.accepted_at,
            hotline_code=accepted.hotline_code,
            content_sha512=accepted.content_sha512,
        )
    )


def status(accepted: AcceptedSubmission, steps: Sequence[Step], author: Authority, reader: Authority) -> bytes:
    """`einreichung.status.0170` for the last of these steps."""
    last = steps[-1]
    numbers = [step.reference for step in steps if step.reference and step.reference.strip()]
    return message.write(
        StatusMessage(
            message_id=uuid5(accepted.message_id, f"status {len(steps)} {last.state} {last.at.isoformat()}"),
            created_at=last.at,
            reader=reader,
            author=author,
            test=accepted.test,
            reference=MessageReference(message_id=accepted.message_id, file_number=numbers[-1] if numbers else None),
            case_id=accepted.case_id,
            state=last.state,
            since=last.at,
            next_step=_DECISION_AWAITED if awaiting(last) is Awaiting.DECISION else _NEXT_STEPS[last.state],
            text=_plain(last.reason, _LONGEST_SHORT),
        )
    )


def rejection(error: Rejected, author: Authority, reader: Authority) -> bytes:
    """`einreichung.rueckweisung.0190` for what was refused, with every error found. It names the message where its id could be read."""
    found = [finding for finding in error.findings if finding.severity is Severity.ERROR]
    grounds = [_ground(one.problem, one.path or (f"line {one.line}" if one.line else None), one.detail) for one in found]
    return message.write(
        RejectionMessage(
            message_id=uuid4(),
            created_at=datetime.now(UTC),
            reader=reader,
            author=author,
            reference=MessageReference(message_id=error.message_id) if error.message_id else None,
            grounds=tuple(grounds) or (_ground(error.problem, error.where, error.detail),),
        )
    )


def _ground(problem: Problem, where: str | None, detail: str) -> Ground:
    return Ground(
        code=problem.code,
        title=problem.title,
        xoev=problem.xoev,
        where=_plain(where, _LONGEST_SHORT),
        detail=_plain(detail, _LONGEST_DETAIL),
        hint=problem.hint,
    )


def _plain(text: str | None, longest: int) -> str | None:
    """The first characters of a text as XML can carry them; None where nothing but blanks is left.

    Names in a place may come from a form, and JSON can carry more.
    """
    shown = "".join(letter if letter.isprintable() else " " for letter in (text or "")[:longest])
    return shown if shown.strip() else None
