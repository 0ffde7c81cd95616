"""A probe goes in its turn to the door of the back office and no further, and whatever it meets there is no trouble of anybody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from consumers.delivery.ledger import Ledger
from consumers.engine import FINISHED, Again
from consumers.settings import DeliverySettings
from schemas import probes
from schemas.errors import DestinationDown, Refused
from schemas.headers import PROBE, Header, RawHeaders
from tests.delivery_model import APPLICATION, CANARY, MAIN, OFFICE, Clock, Office, Process, Wire
from tests.delivery_model import record as record_of

SENT_AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


def probe(offset: int, headers: RawHeaders | None = None, sent_at: datetime = SENT_AT) -> Any:
    """A record as the gateway writes it."""
    made = probes.headers_of(OFFICE, sent_at) if headers is None else headers
    return SimpleNamespace(topic=MAIN.topic, partition=1, offset=offset, timestamp=0, key=None, value=b"", headers=made)


async def process_with(ledger: Ledger, wire: Wire, office: Office | None = None, **settings: Any) -> Process:
    """A process of the office."""
    return await Process(ledger, office or Office(), wire, DeliverySettings(**settings)).start()


async def test_it_reaches_the_door_and_nobody_behind_it(small_ledger: Ledger, wire: Wire) -> None:
    """It is finished, so that the commit passes it; ledger, topics and portals hear nothing; the heartbeat has when it was sent and answered."""
    process = await process_with(small_ledger, wire)
    process.fetch(probe(0))
    assert await process.turn() == [FINISHED]
    last = process.delivery.prober.last
    assert last is not None
    assert (last.sent_at, last.why, last.answered_at > SENT_AT) == (SENT_AT, None, True)
    assert (process.office.calls, wire.sent, process.core.committable()[MAIN]) == ([], [], 1)


async def test_it_waits_in_order_behind_others(small_ledger: Ledger, wire: Wire) -> None:
    """What was handed out together is begun in the order of the log."""
    process = await process_with(small_ledger, wire)
    process.fetch(record_of(APPLICATION, 0), probe(1))
    begun, rest = await process.delivery.begin(process.core.take(9))
    assert ([job.offset for job in begun], rest) == ([0, 1], [])


@pytest.mark.parametrize(
    ("error", "said"), [(DestinationDown("refused"), "refused"), (RuntimeError(CANARY), "RuntimeError"), (Refused("no"), "no")]
)
async def test_a_door_that_does_not_answer_is_told_and_nothing_else(
    small_ledger: Ledger, wire: Wire, clock: Clock, error: Exception, said: str
) -> None:
    """It is no dead letter, is not tried again, and feeds neither breaker nor brake."""

    class Shut(Office):
        async def check(self) -> str:
            raise error

    process = await process_with(small_ledger, wire, Shut(), brake_in_a_row=1, failure_threshold=1)
    process.fetch(*(probe(offset) for offset in range(5)))
    assert await process.turn() == [FINISHED] * 5
    last = process.delivery.prober.last
    assert last is not None
    assert (last.why, wire.sent) == (said, [])
    assert (process.delivery.guard.check(), process.delivery.guard.notice(), process.delivery.capacity(9)) == (None, None, 9)


async def test_it_is_not_what_tries_out_a_back_office_that_was_down(small_ledger: Ledger, wire: Wire, clock: Clock) -> None:
    """While the breaker is open it waits with the others; then it is answered, and the next submission tries the office out."""
    process = await process_with(small_ledger, wire, Office(before=[DestinationDown("refused")]))
    process.fetch(record_of(APPLICATION, 0))
    await process.turn()
    process.fetch(probe(1))
    assert await process.turn() == []
    clock.now_s += 1
    process.office.down = False
    assert (await process.turn(), process.delivery.guard.check() is None, process.delivery.capacity(9)) == ([FINISHED], False, 1)
    process.wait()
    await process.turn()
    assert (process.delivery.guard.check(), wire.states) == (None, ["delivered"])


async def test_it_passes_an_office_that_is_held(small_ledger: Ledger, wire: Wire, clock: Clock) -> None:
    """The brake holds portals, and a probe has none."""
    process = await process_with(small_ledger, wire, brake_in_a_row=2)
    for portal, cause in ("bx", "bx", "cy", "cy", "cy"):
        process.delivery.guard.brake.note_refused(portal, cause, 0)
    assert process.delivery.guard.check() is not None
    process.fetch(probe(0))
    assert await process.turn() == [FINISHED]


async def test_it_waits_while_the_office_is_paused(small_ledger: Ledger, wire: Wire) -> None:
    """Nothing of ours calls the back office then; also one that waited for a worker when the pause came is taken up later."""
    process = await process_with(small_ledger, wire)
    process.fetch(probe(0))
    begun, _ = await process.delivery.begin(process.core.take(1))
    process.stands = True
    await process.delivery.deliver(begun[0])
    assert await process.settle(begun) == [Again()]
    process.wait()
    assert (await process.turn(), process.delivery.prober.last) == ([], None)
    process.stands = False
    assert await process.turn() == [FINISHED]
    assert process.delivery.prober.last is not None


@pytest.mark.parametrize(
    "headers",
    [
        [(PROBE, SENT_AT.isoformat().encode()), (Header.OFFICE.value, b"augsburg.gewerbe")],
        [(PROBE, b"tomorrow"), (Header.OFFICE.value, OFFICE.encode())],
        [(PROBE, b"2026-11-28T12:00:00"), (Header.OFFICE.value, OFFICE.encode())],
        [(PROBE, b"\xff"), (Header.OFFICE.value, OFFICE.encode())],
        [(PROBE, None)],
    ],
)
async def test_one_that_is_none_of_ours_is_passed_over(small_ledger: Ledger, wire: Wire, headers: RawHeaders) -> None:
    """Another office's, or without a time: no question, no dead letter."""
    process = await process_with(small_ledger, wire)
    process.fetch(probe(0, headers))
    assert (await process.turn(), wire.sent, process.delivery.prober.last) == ([FINISHED], [], None)


async def test_a_submission_is_never_taken_for_one(small_ledger: Ledger, wire: Wire) -> None:
    """Whoever has added the header to a submission has not made it disappear: it is delivered."""
    process = await process_with(small_ledger, wire)
    process.fetch(record_of(APPLICATION, 0, {PROBE: SENT_AT.isoformat().encode()}))
    await process.go_on()
    assert wire.states == ["delivered"]


async def test_the_latest_counts_and_one_cut_off_is_none(small_ledger: Ledger, wire: Wire) -> None:
    """Of two partitions the one that was sent last is told; one that was given up while it asked leaves all as it was."""
    process = await process_with(small_ledger, wire)
    process.fetch(probe(0, sent_at=SENT_AT + timedelta(minutes=5)), probe(1))
    await process.turn()
    process.fetch(probe(2, sent_at=SENT_AT + timedelta(minutes=9)))
    begun, _ = await process.delivery.begin(process.core.take(1))
    process.delivery.give_up(begun[0], "no answer in time")
    assert await process.settle(begun) == [FINISHED]
    last = process.delivery.prober.last
    assert last is not None
    assert (last.sent_at, wire.sent) == (SENT_AT + timedelta(minutes=5), [])
