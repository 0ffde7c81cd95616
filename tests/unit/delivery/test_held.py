"""A series that is refused waits, is tried out, and is opened again; everybody else goes on, in the order of their cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from adapters.interface import Submission
from consumers.delivery import states
from consumers.delivery.brake import SeriesName
from consumers.delivery.ledger import Ledger
from consumers.engine import Again
from consumers.settings import DeliverySettings
from schemas.errors import Refused
from schemas.headers import CopyHeader, Header
from schemas.message import Application
from tests import builders
from tests.delivery_model import APPLICATION, FOLLOWING, MAIN, Clock, Office, Process, Wire, block, entry_of, run
from tests.delivery_model import record as record_of

SETTINGS = DeliverySettings(brake_in_a_row=3, first_backoff_s=30)
REFUSES_ALL = 10_000


def of_portal(portal: str, offset: int, application: Application | None = None) -> Any:
    """A record of this portal."""
    return record_of(application or builders.application(), offset, {Header.PORTAL: portal.encode()})


def series(portal: str, count: int, first: int = 0) -> list[Any]:
    """So many records of a portal, each of a case of its own."""
    return [of_portal(portal, first + number) for number in range(count)]


class Picky(Office):
    """A back office that refuses what is of some portals. It knows them by the submissions, as the tests tell it."""

    def __init__(self, *records: Any) -> None:
        super().__init__()
        self.refuses = {header[1] for one in records for header in one.headers if header[0] == Header.SUBMISSION}

    def translate(self, submission: Submission) -> Any:
        if str(submission.id).encode() in self.refuses:
            raise Refused("the applicant is an organisation")
        return super().translate(submission)


async def held_process(ledger: Ledger, wire: Wire, records: Sequence[Any], settings: DeliverySettings = SETTINGS) -> Process:
    """A process that has met these records, all of which are refused."""
    process = await Process(ledger, Picky(*records), wire, settings).start()
    process.fetch(*records)
    await process.turn()
    return process


async def test_fifty_of_one_portal_stop_nobody_else(ledger: Ledger, wire: Wire) -> None:
    """S3: so many are dead, the rest of the series waits in the retry topic, and another portal's submission is delivered at once."""
    honest = builders.application()
    process = await held_process(ledger, wire, series("b", 50))
    process.fetch(of_portal("a", 50, honest))
    await process.turn()
    assert (len(wire.dead), len(wire.parked), process.office.effects) == (3, 47, [honest.message_id])
    assert {block(copy).block[CopyHeader.ERROR_CLASS] for copy in wire.parked} == {"series-held"}
    assert process.core.committable()[MAIN] == 51
    assert process.delivery.guard.check() is None
    assert (process.delivery.guard.notice() or "").startswith("portal b (")
    assert "stadtbus office release muenchen.meldewesen" in (process.delivery.guard.notice() or "")


async def test_a_portal_is_known_by_its_own_submissions(ledger: Ledger, wire: Wire) -> None:
    """What a held portal sends and nobody refuses is delivered at once, and opens its series."""
    good = builders.application()
    process = await held_process(ledger, wire, series("b", 9))
    with structlog.testing.capture_logs() as logs:
        process.fetch(of_portal("b", 9, good))
        await process.turn()
    assert (process.office.effects, process.delivery.guard.notice()) == ([good.message_id], None)
    assert [entry["portal"] for entry in logs if entry["event"] == "series_opened"] == ["b"]


async def test_one_record_tries_a_series_out(small_ledger: Ledger, wire: Wire, clock: Clock) -> None:
    """After a pause one that waits is attempted, and no other; it is a dead letter, and the next pause is twice as long."""
    process = await held_process(small_ledger, wire, series("b", 9))
    process.fetch_parked()
    verdicts = []
    for waits_s in (29, 1, 59, 1):
        clock.now_s += waits_s
        await process.turn()
        process.wait()
        verdicts.append(len(wire.dead))
    assert verdicts == [3, 4, 4, 5]


async def test_a_mended_series_goes_through_in_order(ledger: Ledger, wire: Wire, clock: Clock) -> None:
    """When the cause is mended the record that tries it out opens the series, and all that waited is delivered, each case in its order."""
    bad = series("b", 3)
    case = [of_portal("b", 3 + number, one) for number, one in enumerate([APPLICATION, *FOLLOWING[:2]])]
    process = await held_process(ledger, wire, [*bad, *case, *series("b", 2, 6)])
    for _ in range(2):
        await process.turn()  # what follows in the case
    process.fetch_parked()
    assert len(wire.parked) == 5
    process.office.refuses.clear()  # type: ignore[attr-defined]
    clock.now_s += 31
    await process.go_on()
    assert process.delivery.guard.notice() is None
    delivered = [one for one in process.office.effects if one in {one.message_id for one in (APPLICATION, *FOLLOWING)}]
    assert (delivered, len(process.office.effects)) == ([one.message_id for one in [APPLICATION, *FOLLOWING[:2]]], 5)
    assert (process.core.in_flight, process.core.parked_cases) == (0, 0)


async def test_an_operator_opens_a_series_at_once(small_ledger: Ledger, wire: Wire, clock: Clock) -> None:
    """Without a restart and before its pause is over; whoever waits looks again within two seconds."""
    process = await held_process(small_ledger, wire, series("b", 9))
    process.fetch_parked()
    await process.turn()
    assert max(process.wait()) <= 2
    process.office.refuses.clear()  # type: ignore[attr-defined]
    process.delivery.guard.release(SeriesName("b"))
    clock.now_s += 2
    await process.turn()
    assert (len(process.office.effects), process.delivery.guard.notice()) == (6, None)


async def test_a_series_is_bounded_where_it_waits(small_ledger: Ledger, wire: Wire) -> None:
    """A tenth of what may be in flight; what comes beyond is a dead letter by its own verdict, so that others' parked records are read."""
    process = await held_process(small_ledger, wire, series("b", 40), SETTINGS.model_copy(update={"in_flight": 100}))
    assert (len(wire.parked), len(wire.dead), process.core.in_flight) == (10, 30, 0)


async def test_what_follows_in_a_case_takes_of_the_room(ledger: Ledger, wire: Wire) -> None:
    """A parked record of a held portal is not followed without end: beyond its room the rest of the case is dead behind it, untried."""
    settings = SETTINGS.model_copy(update={"in_flight": 20})
    case = [builders.application(case_id=APPLICATION.case_id) for _ in range(6)]
    process = await held_process(ledger, wire, [*series("b", 3), of_portal("b", 3, APPLICATION)], settings)
    process.fetch(*(of_portal("b", 4 + number, one) for number, one in enumerate(case)))
    await process.go_on(turns=10)
    assert [entry_of(ledger, one).state for one in (APPLICATION, case[0])] == [states.PARKED, states.PARKED]
    assert {entry_of(ledger, one).cause for one in case[2:]} == {"series-held"}


async def test_the_office_is_held_only_for_whom_it_fails(small_ledger: Ledger, wire: Wire) -> None:
    """Where two portals fail and nothing gets through their records wait where they are; a third portal's go, and open the office."""
    honest = builders.application()
    process = await held_process(small_ledger, wire, [*series("b", 5), *series("c", 5, 5)])
    assert (process.delivery.guard.check() or "").startswith("held since 20")
    process.fetch(*series("b", 1, 10), of_portal("a", 11, honest))
    ends = await process.turn()
    assert ([isinstance(end, Again) for end in ends].count(True), process.office.effects) == (1, [honest.message_id])
    assert (process.delivery.guard.check(), process.core.committable()[MAIN]) == (None, 9)
    process.wait()
    await process.turn()
    assert (len(process.office.effects), process.core.in_flight) == (2, 0)


async def test_what_stands_leaves_room_for_others(small_ledger: Ledger, wire: Wire) -> None:
    """Records that wait where they are fill a quarter of the room at most; the rest is set aside untried, so that what lies behind is read."""
    settings = SETTINGS.model_copy(update={"in_flight": 40})
    process = await held_process(small_ledger, wire, [*series("b", 7), *series("c", 7, 7)], settings)
    dead_before = len(wire.dead)
    process.fetch(*series("b", 30, 14))
    await process.turn()
    assert (process.core.in_flight, len(wire.dead) - dead_before) == (10 + 3, 20)  # three were under way when the office was held
    process.wait()
    await process.turn()
    assert process.core.in_flight == 10


async def test_a_new_process_counts_anew(ledger: Ledger, wire: Wire) -> None:
    """After a restart what waited is tried again, and what is still refused is held again; nothing is lost or done twice."""
    records = series("b", 9)
    await held_process(ledger, wire, records)
    process = await run(ledger, Picky(), wire, *records, settings=SETTINGS)
    assert (len(process.office.effects), len(wire.dead), process.core.in_flight) == (6, 3, 0)
