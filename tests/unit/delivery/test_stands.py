"""An office that is paused on purpose: what is in flight ends, nothing new begins, and nothing is lost or tried less often for it."""

from __future__ import annotations

import asyncio

from adapters.interface import Delivered, Document
from consumers.delivery.ledger import Ledger
from consumers.delivery.outcomes import OutcomePoller
from consumers.settings import DeliverySettings
from infra.kafka.refusals import Refusals
from infra.stores import Store
from schemas.errors import Blip
from tests import builders
from tests.delivery_model import APPLICATION, Office, Process, Wire, deliver_some, entry_of
from tests.delivery_model import record as record_of
from tests.outcome_model import OFFICE, BackOffice, EventsTopic, PollClock, put, round_of, row


async def test_nothing_is_begun_while_it_is_paused(small_ledger: Ledger, wire: Wire) -> None:
    """Neither read, nor begun in the ledger; all of it is delivered when it is resumed."""
    process = await Process(small_ledger, Office(), wire).start()
    process.stands = True
    process.fetch(record_of(APPLICATION, 0))
    assert (process.delivery.capacity(9), await process.turn(), process.office.calls) == (0, [], [])
    process.stands = False
    await process.go_on()
    assert wire.states == ["delivered"]


async def test_what_was_begun_and_waits_for_a_worker_is_not_delivered(small_ledger: Ledger, wire: Wire) -> None:
    """The back office hears nothing of it, and no attempt counts; it is delivered later, and not asked about."""
    process = await Process(small_ledger, Office(), wire).start()
    process.fetch(record_of(APPLICATION, 0))
    begun, _ = await process.delivery.begin(process.core.take(1))
    process.stands = True
    for job in begun:
        await process.delivery.deliver(job)
    await process.settle(begun)
    assert (process.office.calls, entry_of(small_ledger, APPLICATION).attempt) == ([], 0)
    process.wait()
    assert await process.turn() == []
    process.stands = False
    await process.go_on()
    assert (process.office.calls, wire.states) == (["deliver 1"], ["delivered"])


async def test_what_is_at_the_back_office_comes_to_its_end(small_ledger: Ledger, wire: Wire) -> None:
    """It is delivered, and told; what fails then is tried again after the pause."""

    class Slow(Office):
        async def deliver(self, document: Document, attempt: int) -> Delivered:
            process.stands = True
            await asyncio.sleep(0)
            return await super().deliver(document, attempt)

    process = await Process(small_ledger, Slow(), wire).start()
    process.fetch(record_of(APPLICATION, 0))
    await process.settle(await deliver_some(process, 1))
    assert wire.states == ["delivered"]
    process.stands = False
    process.office.before = [Blip("busy")]
    process.fetch(record_of(builders.application(), 1))
    await process.settle(await deliver_some(process, 1))
    process.wait()
    assert (await process.turn(), process.core.in_flight, wire.parked) == ([], 1, [])


async def test_outcomes_are_not_asked_for(store: Store, poll_clock: PollClock, back_office: BackOffice, topic: EventsTopic) -> None:
    """Nothing of ours calls a back office that is paused; afterwards they are asked for as before."""
    await put(store, row())
    poll_clock.now_ms += 2_000
    stands = True
    process = OutcomePoller(
        OFFICE, back_office, store, topic, DeliverySettings(), Refusals(), lambda: (3,), stand=lambda: stands  # type: ignore[arg-type]
    )  # fmt: skip
    assert (await round_of(process), back_office.asked) == (0, [])
    stands = False
    assert await round_of(process) == 1
