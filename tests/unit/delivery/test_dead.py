"""Dead letters: they hold their case until an operator replays, discards or settles them."""

from __future__ import annotations

import pytest

from consumers.delivery.ledger import Ledger
from schemas.errors import Refused
from schemas.headers import CopyHeader
from tests.delivery_model import (
    APPLICATION,
    CASE,
    FOLLOWING,
    MAIN,
    Mute,
    Office,
    Wire,
    block,
    case_records,
    entry_of,
    put_into_retry,
    run,
)
from tests.delivery_model import record as record_of


async def test_dead_letter_holds_its_case(ledger: Ledger, wire: Wire) -> None:
    """What follows a dead letter follows it there, untried; over a restart as well."""
    office = Office(before=[Refused("x")])
    for _ in range(2):
        process = await run(ledger, office, wire, *case_records(3))
        assert process.core._special[CASE].held.keys() == {str(one.message_id) for one in [APPLICATION, *FOLLOWING[:2]]}
    assert (office.calls, office.effects) == (["deliver 1"], [])
    assert [block(copy).block[CopyHeader.ERROR_CLASS] for copy in wire.dead] == ["permanent", "case-held", "case-held"]
    assert wire.states == ["dead_letter"] * 6
    assert len({event["id"] for event in wire.events}) == 3


async def test_service_whose_cases_go_on(ledger: Ledger, wire: Wire) -> None:
    """Where the catalogue says so, a dead letter holds nothing."""
    office = Office(before=[Refused("x")])
    process = await run(ledger, office, wire, *case_records(2), continuing={APPLICATION.service.code})
    assert (office.effects, len(wire.dead)) == ([FOLLOWING[0].message_id], 1)
    assert (process.core._special, await ledger.cases([1])) == ({}, {})


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0, 1, 2)])
async def test_replay_frees_the_case_in_order(ledger: Ledger, wire: Wire, order: tuple[int, ...]) -> None:
    """Whatever the order in which an operator replays, the case gets through in its own."""
    office = Office(before=[Refused("x")])
    process = await run(ledger, office, wire, *case_records(3))
    letters = list(wire.dead)
    for number in order:
        await put_into_retry(wire, letters[number], {CopyHeader.REPLAYED_FROM: f"x/0/{number}"})
    await process.go_on()
    assert office.effects == [APPLICATION.message_id, FOLLOWING[0].message_id, FOLLOWING[1].message_id]
    assert (process.core._special, process.core.in_flight, await ledger.cases([1])) == ({}, 0, {})


async def test_replay_that_was_put_off_is_put_off_once(ledger: Ledger, wire: Wire) -> None:
    """A later dead letter that was replayed too early, and dead again, is not touched when its record comes again after a restart."""
    office = Office(before=[Refused("x")])
    process = await run(ledger, office, wire, *case_records(2))
    for _ in range(2):
        await put_into_retry(wire, wire.dead[1], {})
    await process.go_on()
    assert len(wire.dead) == 4
    await run(ledger, office, wire, *case_records(2))
    assert (len(wire.dead), office.calls) == (4, ["deliver 1"])


async def test_replay_that_fails_again_is_a_new_dead_letter(ledger: Ledger, wire: Wire) -> None:
    """A replay that is refused again leaves a dead letter more, and holds the case on; the old one can be replayed too."""
    office = Office(before=[Refused("x"), Refused("y")])
    process = await run(ledger, office, wire)
    await put_into_retry(wire, wire.dead[0], {})
    await process.go_on()
    assert ([block(copy).block[CopyHeader.MESSAGE] for copy in wire.dead], office.effects) == (["x", "y"], [])
    assert str(block(wire.dead[1]).origin) == f"{MAIN.topic}/1/0"
    await put_into_retry(wire, wire.dead[0], {})
    await process.go_on()
    assert (wire.states, office.calls) == (["dead_letter", "dead_letter", "delivered"], ["deliver 1", "deliver 2", "deliver 3"])


async def test_discarded_ends_as_rejected(ledger: Ledger, wire: Wire) -> None:
    """An operator ends a dead letter with a reason: the portal hears it, the case goes on, the back office hears nothing."""
    office = Office(before=[Refused("x")])
    process = await run(ledger, office, wire)
    await put_into_retry(wire, wire.dead[0], {CopyHeader.DISCARDED: "withdrawn"})
    await process.go_on()
    process.fetch(record_of(FOLLOWING[0], 1))
    await process.go_on()
    assert (wire.states, wire.events[1]["data"]["reason"]) == (["dead_letter", "rejected", "delivered"], "withdrawn")
    assert (entry_of(ledger, APPLICATION).state, office.effects) == ("refused", [FOLLOWING[0].message_id])


async def test_settled_counts_as_delivered(ledger: Ledger, wire: Wire) -> None:
    """What an operator has found in the back office is noted with its number there, and nothing is delivered; the case goes on."""
    office = Office(before=[Refused("x")])
    process = await run(ledger, office, wire)
    await put_into_retry(wire, wire.dead[0], {CopyHeader.SETTLED: "M-000815"})
    await process.go_on()
    process.fetch(record_of(FOLLOWING[0], 1))
    await process.go_on()
    assert (wire.states, wire.events[1]["data"]["reference"]) == (["dead_letter", "delivered", "delivered"], "M-000815")
    assert (entry_of(ledger, APPLICATION).reference, office.effects) == ("M-000815", [FOLLOWING[0].message_id])


async def test_discarding_what_follows_a_dead_letter(small_ledger: Ledger, wire: Wire) -> None:
    """A held submission can be discarded while the one that holds it is still dead."""
    office = Office(before=[Refused("x")])
    process = await run(small_ledger, office, wire, *case_records(2))
    await put_into_retry(wire, wire.dead[1], {CopyHeader.DISCARDED: "withdrawn"})
    await process.go_on()
    assert wire.states == ["dead_letter", "dead_letter", "rejected"]
    assert process.core._special[CASE].held.keys() == {str(APPLICATION.message_id)}


async def test_nobody_can_say_goes_to_a_person(ledger: Ledger, wire: Wire) -> None:
    """Where the back office cannot be asked an unclear attempt is a dead letter; after a replay it is delivered without asking."""
    office = Mute(before=[TimeoutError()])
    process = await run(ledger, office, wire)
    row = entry_of(ledger, APPLICATION)
    assert (row.state, row.cause, office.calls) == ("dead", "cannot-find", ["deliver 1", "find"])
    await put_into_retry(wire, wire.dead[0], {})
    await process.go_on()
    assert (office.calls[2:], wire.states) == (["deliver 3"], ["dead_letter", "delivered"])
