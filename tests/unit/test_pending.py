"""What is pending goes to Kafka in the order of acceptance, as it was stored."""

from __future__ import annotations

import json

from infra.kafka.outgoing import Written
from producers.outbox import pending, tables
from producers.outbox.outbox import Outbox
from producers.outbox.record import record_of
from schemas.headers import Header
from tests import builders, outboxes


async def test_pending_in_order_of_acceptance(box: Outbox) -> None:
    """The relay gets the oldest first, byte for byte, with the headers of intake."""
    sent = [outboxes.candidate(content=f"<a>{number} ü</a>".encode()) for number in range(outboxes.LIMIT)]
    for one in sent:
        await box.accept(one)
    pending = (await builders.waiting(box))[:7]
    assert [one.content for one in pending] == [one.content for one in sent[:7]]
    assert [one.headers.items() >= other.headers.items() for one, other in zip(pending, sent, strict=False)] == [True] * 7
    assert [one.headers[Header.CASE] for one in pending] == [str(one.case_key) for one in pending]
    assert [one.seq for one in pending] == sorted(one.seq for one in pending)


async def test_published_leaves_pending(box: Outbox) -> None:
    """What is on Kafka is not sent again, and makes room."""
    sent = [outboxes.candidate(), outboxes.candidate(), outboxes.candidate()]
    for one in sent:
        await box.accept(one)
    first, second, third = (await builders.waiting(box))[:3]
    await pending.note_published(box.store, [(first, Written(0, 7)), (third, Written(1, 7))])
    assert (await builders.waiting(box))[:3] == [second]
    assert len(await builders.waiting(box)) == 1


async def test_row_of_a_newer_version_is_sent_as_it_is(box: Outbox) -> None:
    """A header whose name this version does not know holds up no submission: it travels as it was stored."""
    sent = outboxes.candidate()
    await box.accept(sent)
    stored = {Header.SUBMISSION: str(sent.message_id), "bus_language": "de"}
    await box.store.write(lambda connection: connection.execute(tables.submission.update().values(headers=json.dumps(stored))))
    (pending,) = await builders.waiting(box)
    assert record_of(pending).headers == [("bus_submission", str(sent.message_id).encode()), ("bus_language", b"de")]
