"""The record that a submission of the outbox becomes on Kafka."""

from __future__ import annotations

from infra.kafka.outgoing import Outgoing
from producers.outbox.outbox import Candidate
from producers.outbox.pending import Pending
from schemas import headers, topics


def record_of(one: Pending | Candidate) -> Outgoing:
    """The record of a submission: to its office's topic, by its case, with the headers as they are stored."""
    return Outgoing(topics.submissions(one.office), str(one.case_id).encode(), one.content, headers.encode(one.headers))
