"""The record that a submission of the outbox becomes on Kafka."""

from __future__ import annotations

from infra.kafka.outgoing import Outgoing
from producers.outbox.identity import likeness
from producers.outbox.outbox import Candidate
from producers.outbox.pending import Pending
from schemas import headers, topics


def record_of(one: Pending) -> Outgoing:
    """The record of a submission: to its office's topic, by its case, with the headers as they are stored."""
    return Outgoing(topics.submissions(one.office), str(one.case_key).encode(), one.content, headers.encode(one.headers))


def likeness_of(candidate: Candidate) -> Outgoing:
    """A record as large as the one that a candidate becomes: what the bus will call it is as long as what its portal calls it."""
    identity = likeness(candidate.named)
    names = {str(name): value for name, value in (*candidate.headers.items(), *identity.headers().items())}
    return record_of(Pending(0, candidate.office, identity.case_key, names, candidate.content))
