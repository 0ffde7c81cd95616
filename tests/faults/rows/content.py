"""Faults of what is sent: records that nobody can read, and two contents under one id."""

from __future__ import annotations

from datetime import timedelta

from producers.synthetic.portal import SyntheticPortal, request_of
from schemas import topics
from schemas.message import Application
from tests.faults.act import Act
from tests.faults.checker import added_to, dead_id
from tests.faults.poison import poisons, write
from tests.faults.world import OFFICES


async def poison(act: Act) -> None:
    """F20: each poisonous record ends in its office's dead letters, byte for byte; the others go on."""
    async with act.traffic():
        await act.pause(0.5, 1.0)
        written = []
        for office in OFFICES:
            written += await write(act.world.kafka, poisons(act.forges[office]), act.log)
        act.fault()
        wanted = {one.sent.id for one in written}
        await act.insist_soon(lambda: _are_dead(act, wanted), "all of them are dead letters", 30)
        await act.pause(0.5, 1.0)
    for one in written:
        original = await act.checker.records.read(topics.submissions(one.sent.office), one.sent.partition, one.sent.offset)
        (dead,) = [record for record in act.checker.records.dead if dead_id(record) == one.sent.id]
        own, _ = added_to(dead)
        same = (dead.key, dead.value, dead.timestamp, own) == (original.key, original.value, original.timestamp, list(original.headers))
        act.insist(same, f"the dead letter of '{one.flaw}' is the record that was sent")


async def _are_dead(act: Act, wanted: set[str]) -> bool:
    await act.checker.records.follow()
    return wanted <= {dead_id(record) for record in act.checker.records.dead}


async def other_content(act: Act) -> None:
    """F38: the first content stays, the second is refused with 409; a true repeat is answered as the first."""
    act.doors = [act.door(number) for number in range(len(OFFICES))]
    for door in act.doors:
        for application in await door.send(5):
            act.insist(await _status_of(door.portal, application) == 202, "the same once more is accepted")
            act.insist(await _status_of(door.portal, _changed(application)) == 409, "other content under the same id is refused")
    act.fault()
    await act.close_doors()


def _changed(application: Application) -> Application:
    return application.model_copy(update={"created_at": application.created_at + timedelta(seconds=1)})


async def _status_of(portal: SyntheticPortal, application: Application) -> int:
    response = await portal._http.post("/v1/submissions", **request_of(application))  # type: ignore[arg-type]
    return response.status_code
