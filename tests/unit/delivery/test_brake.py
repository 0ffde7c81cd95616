"""Refusals of one portal, or of one cause, are held and stay that portal's or that cause's matter; the office is held only when all of it fails."""

from __future__ import annotations

import pytest

from consumers.delivery.brake import LOOK_S, MOST_CAUSES, MOST_PORTALS, OFFICE, OTHER_CAUSES, Brake, Hold, Keep, SeriesName
from consumers.settings import DeliverySettings

SETTINGS = DeliverySettings(brake_in_a_row=3, in_flight=100)


def refused(brake: Brake, portal: str, *causes: str) -> list[SeriesName]:
    """These refusals of a portal; what is held from then on."""
    holds = [brake.note_refused(portal, cause, 0.0) for cause in causes]
    return [hold.name for hold in holds if hold is not None]


def names(brake: Brake) -> list[SeriesName]:
    """What is held."""
    return [hold.name for hold in brake.held]


def test_a_portal_is_held_and_no_other() -> None:
    """So many of one portal in a row; what others send, delivered or refused, is not of it."""
    brake = Brake(SETTINGS)
    assert refused(brake, "b", "x", "y", "z", "x") == [SeriesName("b")]
    assert [brake.keeps(portal, "x") for portal in "ab"] == [Keep.DEAD, Keep.PARK]
    assert [brake.holding(portal, parked=False) for portal in "ab"] == [None, None]
    assert (brake.note_delivered("a"), names(brake)) == ([], [SeriesName("b")])


def test_a_cause_of_a_portal_is_held_and_no_other() -> None:
    """Where all of them have one cause, another one is judged by itself."""
    brake = Brake(SETTINGS)
    assert refused(brake, "b", "x", "x", "x") == [SeriesName("b", "x")]
    assert [brake.keeps("b", cause) for cause in "xy"] == [Keep.PARK, Keep.DEAD]


def test_a_cause_of_several_portals_is_held() -> None:
    """So many in a row of several portals, all for one cause; another cause in between makes it none."""
    brake = Brake(SETTINGS)
    assert refused(brake, "b", "x") + refused(brake, "c", "x", "x") == [SeriesName(None, "x")]
    assert [brake.keeps("a", cause) for cause in "xy"] == [Keep.PARK, Keep.DEAD]
    brake = Brake(SETTINGS)
    assert refused(brake, "b", "x") + refused(brake, "c", "y", "x") == []


def test_a_delivery_opens_what_is_held_of_its_portal() -> None:
    """And begins all counts anew; a row that a delivery has interrupted is none."""
    brake = Brake(SETTINGS)
    refused(brake, "b", "x", "x", "x")
    assert [hold.name for hold in brake.note_delivered("b")] == [SeriesName("b", "x")]
    for _ in range(9):
        assert refused(brake, "b", "x", "x") == []
        brake.note_delivered("b")
        brake.note_delivered("b")
        brake.note_delivered("b")
    assert names(brake) == []


def test_a_share_of_the_recent_ones_holds_a_portal() -> None:
    """More than half of its own, even if none follow each other for long; other portals' deliveries do not hide it."""
    brake = Brake(DeliverySettings())
    rounds = 0
    while not brake.held:
        rounds += 1
        held = refused(brake, "b", "x", "y")
        brake.note_delivered("a")
        if not held:
            brake.note_delivered("b")
    assert (names(brake), rounds) == ([SeriesName("b")], 7)


def test_few_records_have_no_share() -> None:
    """Three refusals at the start of the day hold nothing, nor does half of all."""
    brake = Brake(DeliverySettings())
    for _ in range(300):
        brake.note_delivered("b")
        assert refused(brake, "b", "x") == []


def test_the_office_is_held_when_several_portals_are() -> None:
    """And nothing was delivered in between: then records of those portals wait where they are, and any delivery opens it."""
    brake = Brake(SETTINGS)
    for portal in "bc":
        refused(brake, portal, "x", "y", "z", "z")
    assert names(brake) == [OFFICE, SeriesName("b"), SeriesName("c")]
    assert [brake.keeps(portal, "x") for portal in "abc"] == [Keep.DEAD, Keep.STAY, Keep.STAY]
    assert [brake.holding(portal, parked=False) for portal in "abc"] == [None, brake.office, brake.office]
    brake.note_delivered("a")
    assert names(brake) == [SeriesName("b"), SeriesName("c")]


def test_a_delivery_in_between_keeps_the_office_going() -> None:
    """Two portals that fail while a third gets through are two portals that fail."""
    brake = Brake(SETTINGS)
    refused(brake, "b", "x", "y", "z")
    brake.note_delivered("a")
    refused(brake, "c", "x", "y", "z", "z")
    assert names(brake) == [SeriesName("b"), SeriesName("c")]


def test_while_the_office_is_held_one_refusal_is_enough() -> None:
    """The next portal does not empty its records into the dead letters first."""
    brake = Brake(SETTINGS)
    for portal in "bc":
        refused(brake, portal, "x", "y", "z", "z")
    assert refused(brake, "d", "x") == [SeriesName("d", "x")]


def test_one_record_tries_it_out_after_a_growing_pause() -> None:
    """One at a time; what is refused then puts the next one off, up to the longest wait; others look again every two seconds."""
    hold, now_s, waits = Hold(OFFICE, "reason", DeliverySettings(first_backoff_s=10, longest_backoff_s=60), 0.0), 0.0, []
    for _ in range(5):
        before_s = now_s
        while wait_s := hold.begin_probe(now_s):
            assert wait_s <= LOOK_S
            now_s += wait_s
        assert hold.begin_probe(now_s) == LOOK_S
        hold.put_off(now_s)
        hold.end_probe()
        waits.append(now_s - before_s)
    assert waits == [10, 10 + 10, 40, 60, 60]


def test_a_probe_without_a_verdict_is_given_to_the_next() -> None:
    """A probe that has come to nothing, or belongs to another process, leaves the turn to the next record, at once."""
    brake = Brake(SETTINGS)
    refused(brake, "b", "x", "x", "x")
    hold = brake.holding("b", parked=True)
    assert hold is not None
    assert (hold.begin_probe(100), hold.begin_probe(100)) == (0, LOOK_S)
    brake.forget_probes()
    assert hold.begin_probe(100) == 0


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        (SeriesName(), []),
        (SeriesName("b"), [OFFICE, SeriesName("c")]),
        (SeriesName("c", "x"), [OFFICE, SeriesName("b"), SeriesName("c")]),
        (SeriesName(None, "y"), [OFFICE, SeriesName("b"), SeriesName("c")]),
        (SeriesName("nobody"), [OFFICE, SeriesName("b"), SeriesName("c")]),
    ],
)
def test_an_operator_opens_what_is_named(wanted: SeriesName, left: list[SeriesName]) -> None:
    """All of it, that of a portal, of a cause, of both; what is not held changes nothing."""
    brake = Brake(SETTINGS)
    for portal in "bc":
        refused(brake, portal, "x", "y", "z", "z")
    brake.release(wanted)
    assert names(brake) == left


def test_what_was_released_counts_from_the_beginning() -> None:
    """The first refusal after a release holds nothing."""
    brake = Brake(SETTINGS)
    refused(brake, "b", "x", "x", "x")
    brake.release(SeriesName("b", "x"))
    assert refused(brake, "b", "x", "x") == []
    assert refused(brake, "b", "x") == [SeriesName("b", "x")]


def test_made_up_portals_and_causes_are_no_growth() -> None:
    """Thousands of them are counted as others, and one portal's causes take nothing from another one's."""
    brake = Brake(DeliverySettings())
    for number in range(3_000):
        brake.note_refused("b", f"cause-{number}", 0.0)
        brake.note_refused(f"portal-{number}", "x", 0.0)
    assert (len(brake._sources), len(brake._sources["b"].causes), len(brake._row)) == (MOST_PORTALS + 1, MOST_CAUSES + 1, 2)
    assert brake._sources["b"].causes[OTHER_CAUSES] == 3_000 - MOST_CAUSES
    assert len(brake.held) < MOST_PORTALS


def test_a_held_portal_has_so_much_room_and_no_more() -> None:
    """In records and in bytes; a portal that is not held parks as it has to."""
    brake = Brake(SETTINGS)
    for _ in range(50):
        brake.note_parked("b", 1)
    refused(brake, "b", "x", "x", "x")
    room = 0
    while brake.has_room("b"):
        brake.note_parked("b", 1)
        room += 1
    assert (room, brake.has_room("a"), brake.keeps("b", "x")) == (10, True, Keep.DEAD)
    brake.note_delivered("b")
    refused(brake, "b", "x", "x", "x")
    brake.note_parked("b", SETTINGS.in_flight_bytes)
    assert not brake.has_room("b")
