"""What an office says of itself in its heartbeats is what its engine and its delivery are doing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from adapters.interface import Delivered, Document
from consumers.delivery.ledger import Ledger
from consumers.delivery.vitals import VitalSigns
from infra.health import Progress
from schemas.errors import Blip, DestinationDown
from schemas.heartbeats import Heartbeat
from tests.delivery_model import APPLICATION, FOLLOWING, MAIN, Office, Process, Wire, record

PLACE = f"{MAIN.topic}/{MAIN.partition}"


def signs(process: Process) -> VitalSigns:
    """Of this process."""
    engine = SimpleNamespace(core=process.core, committed=lambda: {MAIN: 1}, progress=Progress(60))
    orders = SimpleNamespace(pause=lambda: None)
    return VitalSigns(cast("Any", engine), process.delivery, cast("Any", orders))


async def test_oldest_record_is_told_with_its_attempts(small_ledger: Ledger, wire: Wire) -> None:
    """It is told since when the same record is the oldest unfinished one, and how often it was taken up, also behind a hole in the log."""
    process = await Process(small_ledger, Office(before=[Blip("busy"), Blip("busy")]), wire).start()
    vitals = signs(process)
    assert vitals().partitions[PLACE].model_dump(exclude_none=True) == {"position": 0, "committed": 1}
    process.fetch(record(APPLICATION, 5), record(FOLLOWING[0], 6))
    said = [vitals().partitions[PLACE]]
    for _ in range(2):
        await process.turn()
        said.append(vitals().partitions[PLACE])
        process.wait()
    assert [one.attempts for one in said] == [0, 1, 2]
    assert (said[0].position, len({one.oldest_since for one in said})) == (7, 1)
    await process.turn()
    assert vitals().partitions[PLACE].oldest_since != said[0].oldest_since
    await process.go_on()
    assert (vitals().in_flight, vitals().partitions[PLACE].oldest_since, vitals().oldest_in_flight_since) == (0, None, None)


async def test_breaker_and_brake_are_told(small_ledger: Ledger, wire: Wire) -> None:
    """Why nothing is delivered is part of a valid heartbeat, however long the reason is."""

    class Down(Office):
        async def deliver(self, document: Document, attempt: int) -> Delivered:
            raise DestinationDown("away")

    process = await Process(small_ledger, Down(down=True), wire).start()
    process.fetch(record(APPLICATION, 0))
    await process.turn()
    brake = process.delivery.guard.brake
    for portal in "bc":
        for _ in range(40):
            brake.note_refused(portal, "x", 0)
    brake.held[0].reason = "x" * 5_000
    said = signs(process)()
    assert said.breaker is not None
    assert said.breaker.since is not None
    assert (said.breaker.open, len(said.brake or ""), said.in_flight) == (True, 1_000, 1)
    assert [(one.portal, one.cause) for one in said.held] == [(None, None), ("b", "x"), (None, "x"), ("c", "x")]
    assert Heartbeat.model_fields.keys() >= said.model_dump().keys()
