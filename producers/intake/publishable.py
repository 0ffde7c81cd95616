"""Whether Kafka will take the record of a submission: asked before it is stored, because what is accepted has to come to an end."""

from __future__ import annotations

from infra.kafka import outgoing
from producers.outbox.outbox import Candidate
from producers.outbox.record import likeness_of
from schemas import headers, problems, topics
from schemas.errors import Rejected


def require_publishable(candidate: Candidate) -> None:
    """Every header of its record has the form of that header, and the whole record fits its topic, as its copies fit theirs.

    Raises:
        Rejected: name-not-carried or message-too-large; neither says anything of the message but its size.
    """
    misfit = headers.misfit(candidate.headers)
    if misfit is not None:
        raise Rejected(problems.NAME_NOT_CARRIED, f"it does not fit the header {misfit} of its record")
    size_bytes, limit_bytes = outgoing.size_bytes(likeness_of(candidate)), topics.submission_limit_bytes(candidate.office)
    if size_bytes > limit_bytes:
        detail = f"{size_bytes} bytes on Kafka, with key and headers; the limit is {limit_bytes}"
        raise Rejected(problems.TOO_LARGE, detail, where="body")
