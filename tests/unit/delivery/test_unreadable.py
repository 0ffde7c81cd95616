"""Records that are not what they should be end as dead letters, and hold up nobody."""

from __future__ import annotations

import pytest

from consumers.delivery.ledger import Ledger
from schemas.errors import CaseNotReady, Refused
from schemas.headers import CopyHeader, Header
from tests import builders
from tests.delivery_model import APPLICATION, CANARY, FOLLOWING, MAIN, Office, Talkative, Wire, block, entry_of, run
from tests.delivery_model import record as record_of


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({Header.OFFICE: b"augsburg.gewerbe"}, "header bus_office names another office", id="another office"),
        pytest.param({Header.SUBMISSION: None}, "a header is not text", id="null"),
        pytest.param({Header.CASE: b"\xff"}, "a header is not text", id="binary"),
        pytest.param({Header.SUBMISSION: CANARY.encode()}, "a header is malformed", id="id"),
        pytest.param({Header.SUBMISSION: str(APPLICATION.message_id).upper().encode()}, "a header is malformed", id="capitals"),
        pytest.param({Header.PORTAL: b'","x":"'}, "a header is malformed", id="quotes"),
        pytest.param({Header.CASE: b"x" * 301}, "a header is malformed", id="long"),
        pytest.param({Header.CASE: b""}, "a header is malformed", id="empty"),
    ],
)
async def test_unreadable_record_is_a_dead_letter(ledger: Ledger, wire: Wire, changes: dict[str, bytes | None], says: str) -> None:
    """A record that does not say what it is goes to a person as it is, without event and row, and holds up nobody."""
    foreign = record_of(APPLICATION, 0, changes)
    office = Office()
    process = await run(ledger, office, wire, foreign, record_of(FOLLOWING[0], 1))
    assert office.effects == [FOLLOWING[0].message_id]
    (letter,) = wire.dead
    assert (list(block(letter).original), letter.value) == (foreign.headers, foreign.value)
    assert block(letter).block[CopyHeader.MESSAGE] == says
    assert block(letter).block[CopyHeader.EXCEPTION] == block(letter).block[CopyHeader.SPRING_EXCEPTION] == "Unreadable"
    assert CANARY not in str(block(letter).block)
    assert (wire.states, process.core.committable()[MAIN], ledger.entries([APPLICATION.message_id.bytes])) == (["delivered"], 2, {})


@pytest.mark.parametrize("name", ["bus_submission", "bus_case", "bus_office", "bus_service", "bus_portal", "bus_accepted_at"])
async def test_header_that_is_missing_is_named(small_ledger: Ledger, wire: Wire, name: str) -> None:
    """Each header that delivery needs is asked for by name."""
    complete = record_of(APPLICATION, 0)
    headers = [(key, value) for key, value in complete.headers if key != name]
    await run(small_ledger, Office(), wire, record_of(APPLICATION, 0, headers=headers))
    assert block(wire.dead[0]).block[CopyHeader.MESSAGE] == f"header {name} is missing"


async def test_of_repeated_headers_the_first_counts(small_ledger: Ledger, wire: Wire) -> None:
    """Headers that somebody adds behind ours change nothing."""
    record = record_of(APPLICATION, 0)
    record.headers += [(Header.OFFICE.value, b"augsburg.gewerbe"), (Header.SUBMISSION.value, None)]
    await run(small_ledger, Office(), wire, record)
    assert wire.states == ["delivered"]


async def test_only_an_operators_copy_discards(small_ledger: Ledger, wire: Wire) -> None:
    """Headers like those of a discarded copy, on a record of the submissions topic, discard nothing."""
    record = record_of(APPLICATION, 0)
    record.headers += [(CopyHeader.TOPIC.value, b"t"), (CopyHeader.DISCARDED.value, b"withdrawn")]
    await run(small_ledger, Office(), wire, record)
    assert wire.states == ["delivered"]


@pytest.mark.parametrize(("value", "stage"), [(b"<broken", "PARSE"), (None, "PARSE"), (b"", "PARSE")])
async def test_message_that_cannot_be_read_is_a_dead_letter(small_ledger: Ledger, wire: Wire, value: bytes | None, stage: str) -> None:
    """What is no message ends as a dead letter, and its portal hears of it."""
    office = Office()
    await run(small_ledger, office, wire, record_of(APPLICATION, 0, value=value))
    assert (block(wire.dead[0]).block[CopyHeader.STAGE], wire.dead[0].value) == (stage, value)
    assert (wire.states, office.calls) == (["dead_letter"], [])


async def test_submission_without_a_form_for_the_office_is_a_dead_letter(small_ledger: Ledger, wire: Wire) -> None:
    """What the adapter cannot translate ends as a dead letter that says so."""
    office = Talkative(after=[KeyError(CANARY)])
    await run(small_ledger, office, wire)
    letter = block(wire.dead[0]).block
    assert (letter[CopyHeader.STAGE], letter[CopyHeader.MESSAGE], letter[CopyHeader.ERROR_CLASS]) == ("TRANSLATE", "KeyError", "permanent")
    assert (office.calls, entry_of(small_ledger, APPLICATION).unclear) == ([], False)


async def test_time_that_is_none_is_a_dead_letter(small_ledger: Ledger, wire: Wire) -> None:
    """A moment of acceptance that is none does not stop the others."""
    await run(small_ledger, Office(), wire, record_of(APPLICATION, 0, {Header.ACCEPTED_AT: b"yesterday"}))
    assert wire.states == ["dead_letter"]


async def test_record_without_key(small_ledger: Ledger, wire: Wire) -> None:
    """A record without key is delivered, parked and dead like others, and leaves nothing behind."""
    office = Office(before=[CaseNotReady("x"), Refused("x")])
    process = await run(small_ledger, office, wire, record_of(APPLICATION, 0, key=None), record_of(builders.application(), 1, key=None))
    assert ([copy.key for copy in wire.parked + wire.dead], process.core._special) == ([None, None], {})


async def test_one_submission_under_two_keys(ledger: Ledger, wire: Wire) -> None:
    """Should a submission be there twice under different keys, its two records do not go side by side."""
    office = Office()
    process = await run(ledger, office, wire, record_of(APPLICATION, 0), record_of(APPLICATION, 1, key=b"other"))
    assert (office.calls, wire.states, process.core.in_flight) == (["deliver 1"], ["delivered"] * 2, 0)
