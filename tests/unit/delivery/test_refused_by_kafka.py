"""Kafka refuses a copy or an event: its record waits, alone with its case and with a word; the rest goes on, nothing is lost or done twice."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from consumers.delivery.ledger import Fenced, Ledger
from consumers.engine import FINISHED, Waits
from infra import metrics
from infra.kafka.outgoing import KafkaRefusal, Outgoing
from infra.kafka.refusals import Refusals
from infra.settings import StoreSettings
from schemas import topics
from schemas.errors import CaseNotReady, Refused
from tests import builders
from tests.delivery_model import OFFICE, Mute, Office, Process, Wire, entry_of, record

FIRST, OTHER = builders.application(), builders.application()
LATER = builders.application(case_id=FIRST.case_id)
EVENTS = topics.events("muenchen")
DEAD = topics.deadletters(OFFICE)
RETRY = topics.retry(OFFICE)


def refusing(topic: str, key: bytes | None = None) -> Wire:
    """Topics of which one refuses records, or those of one case."""
    wire = Wire()
    wire.refuses = lambda one: "MessageSizeTooLarge" if one.topic == topic and key in (None, one.key) else None
    return wire


def mend(wire: Wire) -> None:
    """Everything is taken from now on."""
    wire.refuses = lambda _: None


async def started(ledger: Ledger, office: Office, wire: Wire) -> Process:
    """A process that reads three records, two of one case."""
    process = await Process(ledger, office, wire).start()
    process.fetch(*(record(application, number) for number, application in enumerate((FIRST, OTHER, LATER))))
    return process


async def test_a_refused_dead_letter_waits_alone(small_ledger: Ledger) -> None:
    """Others are delivered and told while a copy is refused; then there is one copy, one event, and the back office was asked once."""
    office, wire = Office(before=[Refused("x")]), refusing(DEAD)
    process = await started(small_ledger, office, wire)
    await process.go_on()
    assert (wire.states, office.effects) == (["delivered"], [OTHER.message_id])
    assert process.core.committable() == {**process.core.committable(), next(iter(process.core.partitions)): 0}
    calls = list(office.calls)
    mend(wire)
    assert await process.settle_again() != []
    await process.go_on()
    assert (len(wire.dead), wire.states) == (2, ["delivered", "dead_letter", "dead_letter"])
    assert office.calls == calls
    assert process.core.in_flight == 0


@pytest.mark.parametrize("topic", [RETRY, DEAD, EVENTS])
async def test_whatever_is_refused_comes_to_its_end(small_ledger: Ledger, topic: str) -> None:
    """Parked, refused or delivered, and Kafka refuses at first: in the end each has one effect or one copy, and its event."""
    failures: dict[str, list[BaseException]] = {RETRY: [CaseNotReady("x")], DEAD: [Refused("x")]}
    office, wire = Office(before=failures.get(topic, [])), refusing(topic, str(FIRST.case_id).encode())
    process = await started(small_ledger, office, wire)
    await process.go_on()
    assert wire.of(topic) == [one for one in wire.of(topic) if one.key != str(FIRST.case_id).encode()]
    assert "delivered" in wire.states
    mend(wire)
    await process.settle_again()
    await process.go_on()
    assert process.core.in_flight == 0
    assert len(office.effects) == len(set(office.effects)) == (1 if topic == DEAD else 3)
    assert sorted(wire.states) == sorted(
        {RETRY: ["parked"] * 2 + ["delivered"] * 3, DEAD: ["delivered", *["dead_letter"] * 2]}.get(topic, ["delivered"] * 3)
    )


@pytest.mark.parametrize("topic", [DEAD, EVENTS])
async def test_a_restart_while_it_is_refused(small_ledger: Ledger, topic: str) -> None:
    """A process that starts anew meanwhile loses nothing, does nothing twice, and takes no clear outcome for an unclear one."""
    refusals: list[BaseException] = [Refused("x")] if topic == DEAD else []
    office, wire = Mute(before=list(refusals)), refusing(topic)
    await (await started(small_ledger, office, wire)).go_on()
    office.before = refusals
    mend(wire)
    process = await started(small_ledger, office, wire)
    await process.go_on()
    assert "find" not in office.calls
    assert len(office.effects) == len(set(office.effects))
    assert process.core.in_flight == 0
    assert sorted(set(wire.states)) == (["dead_letter", "delivered"] if topic == DEAD else ["delivered"])
    assert entry_of(small_ledger, OTHER).state == "delivered"


async def test_whoever_was_overtaken_notes_nothing_of_what_waits(small_ledger: Ledger, tmp_path: Path) -> None:
    """A process that comes back after another one has its partitions does not write over what became of a record that waited for Kafka."""
    wire = refusing(DEAD)
    late = await Process(small_ledger, Office(before=[Refused("x")]), wire).start()
    late.fetch(record(FIRST, 0))
    await late.turn()
    other = Ledger(StoreSettings(folder=tmp_path), OFFICE)
    process = await Process(other, Office(), wire).start()
    process.fetch(record(FIRST, 0))
    await process.go_on()
    with pytest.raises(Fenced):
        await late.settle_again()
    assert entry_of(other, FIRST).state == "delivered"
    other.close()


async def test_what_is_told_late_counts_once(small_ledger: Ledger) -> None:
    """However often an event is refused, its submission is delivered once in the metrics."""
    wire, count = refusing(EVENTS), metrics.DELIVERED.labels(OFFICE)
    before = count._value.get()
    process = await Process(small_ledger, Office(), wire).start()
    process.fetch(record(FIRST, 0))
    await process.go_on()
    for _ in range(3):
        await process.settle_again()
    mend(wire)
    await process.settle_again()
    assert count._value.get() - before == 1


async def test_the_wait_grows_and_is_told(small_ledger: Ledger) -> None:
    """Each try waits longer, up to a limit; log, metric and the sentence of /readyz name topic and error, and stop when it is taken."""
    wire = refusing(DEAD)
    process = await Process(small_ledger, Office(before=[Refused("x")]), wire).start()
    process.fetch(record(FIRST, 0))
    with structlog.testing.capture_logs() as logs:
        ends = await process.turn()
        waits = [end.delay_s for end in ends if isinstance(end, Waits)]
        for _ in range(8):
            waits += [end.delay_s for end in await process.settle_again() if isinstance(end, Waits)]
    assert waits == [1, 2, 4, 8, 10, 10, 10, 10, 10]
    assert [(line["topic"], line["error"]) for line in logs if line["event"] == "record_refused"] == [(DEAD, "MessageSizeTooLarge")]
    gauge = metrics.REFUSED.labels(DEAD, "MessageSizeTooLarge")
    finding = process.delivery.refusals.check() or ""
    assert (gauge._value.get(), DEAD in finding, "MessageSizeTooLarge" in finding) == (1, True, True)
    mend(wire)
    assert FINISHED not in await process.settle_again()  # it holds its case
    assert (gauge._value.get(), process.delivery.refusals.check()) == (0, None)


def test_each_refusal_counts_once_under_its_last_error() -> None:
    """However often a record is refused, and for whatever, it is one that waits, of the kind that Kafka has said last."""
    refusals, kinds = Refusals(), [KafkaRefusal("counted", error) for error in ("MessageSizeTooLarge", "InvalidTimestamp")]
    for who, kind in ((1, 0), (1, 0), (2, 0), (1, 1)):
        refusals.refused(who, kinds[kind])
    assert [metrics.REFUSED.labels(*kind)._value.get() for kind in kinds] == [1, 1]
    refusals.taken(2)
    assert "MessageSizeTooLarge" not in (refusals.check() or "")
    refusals.taken(1)
    assert [metrics.REFUSED.labels(*kind)._value.get() for kind in kinds] == [0, 0]


def test_many_that_wait_are_not_looked_through_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands may wait: what one more costs does not grow with them, because heartbeats go on in the same loop."""
    refusals, refusal = Refusals(), KafkaRefusal("t", "InvalidTimestamp")
    for number in range(100):
        refusals.refused(number, refusal)

    class Waiting(dict[object, object]):
        def _no(self) -> None:
            raise AssertionError("all that wait were looked through")

        __iter__ = values = items = keys = _no  # type: ignore[assignment]

    monkeypatch.setattr(refusals, "_waiting", Waiting(refusals._waiting))
    refusals.refused(0, refusal)
    refusals.taken(1)


def test_a_thousand_refusals_are_one_line() -> None:
    """A thousand records that one topic refuses are one line."""
    refusals = Refusals()
    with structlog.testing.capture_logs() as logs:
        for number in range(1_000):
            refusals.refused(number, KafkaRefusal("t", "InvalidTimestamp"))
    assert len(logs) == 1
    for number in range(1_000):
        refusals.taken(number)
    assert refusals.check() is None


def test_what_somebody_else_has_now_is_not_counted_here() -> None:
    """When partitions move, nobody waits here any more, in the metric as well."""
    refusals, refusal = Refusals(), KafkaRefusal("moved", "InvalidTimestamp")
    refusals.refused(1, refusal)
    refusals.forget()
    assert (refusals.check(), metrics.REFUSED.labels(*refusal)._value.get()) == (None, 0)


async def test_copies_and_events_of_a_case_stay_together(small_ledger: Ledger) -> None:
    """A record of a partition that was added goes, with all its copies and events, to the number of the partition where it was read first."""
    office, wire = Office(before=[CaseNotReady("x"), Refused("x")]), Wire()
    process = await Process(small_ledger, office, wire).start()
    process.fetch(record(FIRST, 0, partition=4))
    await process.turn()
    process.fetch_parked()
    await process.go_on()
    sent: list[Outgoing] = wire.sent
    assert {one.topic for one in sent} == {RETRY, DEAD, EVENTS}
    assert {one.partition for one in sent} == {4}
