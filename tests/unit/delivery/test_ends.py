"""What ends tasks and processes and comes out of an adapter is a failure like any other; only our own end is one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from consumers.delivery.deliver import deliver
from consumers.delivery.ledger import Ledger
from infra.cancellation import is_own_cancellation
from tests.delivery_model import APPLICATION, OFFICE, Office, Process, Wire, entry_of, record, run

ENDS: list[Callable[[], BaseException]] = [
    asyncio.CancelledError,
    SystemExit,
    GeneratorExit,
    lambda: BaseExceptionGroup("several", [asyncio.CancelledError(), ValueError()]),
]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("place", ["before", "after"])
async def test_an_end_out_of_deliver_is_unclear(small_ledger: Ledger, end: Callable[[], BaseException], place: str) -> None:
    """It is asked for before anything is sent again: one effect, and the portal hears of it."""
    office, wire = Office(), Wire()
    getattr(office, place).append(end())
    process = await run(small_ledger, office, wire)
    assert office.calls[:2] == ["deliver 1", "find"]
    assert (office.effects, wire.states) == ([APPLICATION.message_id], ["delivered"])
    assert process.core.in_flight == 0


@pytest.mark.parametrize("end", ENDS)
async def test_an_end_out_of_find_leaves_it_unclear(small_ledger: Ledger, end: Callable[[], BaseException]) -> None:
    """It is asked again, and not sent again before there is an answer."""
    office, wire = Office(after=[TimeoutError()], asked=[end()]), Wire()
    await run(small_ledger, office, wire)
    assert office.calls == ["deliver 1", "find", "find"]
    assert wire.states == ["delivered"]


@pytest.mark.parametrize("end", ENDS)
async def test_an_end_out_of_translate_is_permanent(small_ledger: Ledger, end: Callable[[], BaseException]) -> None:
    """Nothing has left: it is a dead letter, as whatever else goes wrong there."""
    office, wire = Office(translating=[end()]), Wire()
    await run(small_ledger, office, wire)
    assert (office.calls, wire.states, entry_of(small_ledger, APPLICATION).state) == ([], ["dead_letter"], "dead")


async def test_our_own_end_goes_through(small_ledger: Ledger) -> None:
    """An attempt whose task is cancelled ends, and its outcome is left to the ledger."""

    class Waiting(Office):
        async def find(self, submission_id: object) -> None:
            await asyncio.sleep(3600)

    process = await Process(small_ledger, Waiting(after=[TimeoutError()]), Wire()).start()
    (job,) = process.fetch(record(APPLICATION, 0))
    job.submission, job.unclear = str(APPLICATION.message_id), True
    task = asyncio.create_task(deliver(job, Waiting(), OFFICE))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert job.failure is None


async def test_the_interrupt_of_a_person_ends_the_process(small_ledger: Ledger) -> None:
    """Ctrl+C is no failure of an adapter."""
    with pytest.raises(KeyboardInterrupt):
        await run(small_ledger, Office(before=[KeyboardInterrupt()]), Wire())


def test_outside_of_a_task_a_cancellation_is_nobodys() -> None:
    """Without a task there is nothing of ours to cancel."""

    async def ask() -> bool:
        return is_own_cancellation(asyncio.CancelledError())

    assert not asyncio.run(ask())
    assert is_own_cancellation(KeyboardInterrupt())
    assert not is_own_cancellation(SystemExit())
