"""Replays on a real Kafka: what is sent, when it stops, and how it goes on after it broke off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from consumers.desk.plan import Selection, plan_replay
from consumers.desk.republisher import Republisher
from consumers.desk.rollout import Outcome, RolloutLimits
from infra.kafka.admin import count_records
from infra.kafka.outgoing import Outgoing, Sent
from infra.kafka.reading import RecordFetcher, looking
from infra.kafka.sender import Sender
from infra.settings import StoreSettings
from schemas import topics
from schemas.copies import take_apart
from schemas.headers import CopyHeader
from tests.kafka.helpers import eventually, fill
from tests.kafka.town import Town, refused, submission


async def test_dry_run_writes_nothing(town: Town) -> None:
    """Without --go a replay and a discard count and write nothing; `list` says by its exit code that something is open."""
    (one,) = await refused(town, 1)
    async with town.adapter():
        await town.lying(1)
        code, output, error = await town.command("deadletters", "replay", town.office, "--all", "--json")
        assert (code, json.loads(output)["letters"], json.loads(output)["ledger"]) == (0, 1, {"dead": 1}), error
        code, _, _ = await town.command("deadletters", "discard", town.office, "--submission", str(one), "--reason", "test-only")
        assert code == 0
        code, output, _ = await town.command("deadletters", "list", "--json")
        assert (code, [group["open"] for group in json.loads(output)]) == (1, [1])
    assert await count_records(town.kafka, [topics.retry(town.office)]) == 0
    assert await town.operations() == []


async def test_replay_delivers_and_says_so(town: Town) -> None:
    """After the cause is mended a replay ends with code 0, and nothing is open; what was done is on record."""
    await refused(town, 8)
    async with town.adapter():
        await town.lying(8)
        town.back_office.refuses.clear()
        arguments = ("deadletters", "replay", town.office, "--all", "--go", "--actor", town.name, "--json")
        code, output, error = await town.command(*arguments)
        assert (code, json.loads(output)["outcomes"]["delivered"]) == (0, 8), error
        assert (await town.command("deadletters", "list"))[0] == 0
    assert [(one["action"], one["office"], one["count"]) for one in await town.operations()] == [("replay", town.office, 8)]


async def test_canary_stops_a_replay(town: Town) -> None:
    """While the cause is not mended, only the canary is sent; the others are still open."""
    await refused(town, 20)
    async with town.adapter():
        await town.lying(20)
        tally = await town.replay(limits=RolloutLimits(canary=3, rate=10_000, wait_s=30))
        assert (tally.sent, tally.outcomes.total(), tally.all_well) == (3, 3, False)
        assert "100 % failed" in str(tally.stopped)
        await town.lying(20)  # the three are dead letters again


async def test_killed_replay_goes_on_and_sends_each_once(town: Town) -> None:
    """A replay that is killed on its way and given again has sent every letter exactly once."""
    ids = await refused(town, 60)
    arguments = ("deadletters", "replay", town.office, "--all", "--go", "--rate", "20", "--actor", town.name, "--json")
    async with town.adapter():
        await town.lying(60)
        town.back_office.refuses.clear()
        process = await town.start_command(*arguments)
        async with asyncio.timeout(30):
            while len(await town.replayed_places()) < 20:
                await asyncio.sleep(0.1)
        process.kill()
        await process.communicate()
        code, output, error = await town.command(*arguments)
        assert code == 0, error
        assert 0 < json.loads(output)["letters"] < 60
        places = await town.replayed_places()
        assert (len(places), len(set(places))) == (60, 60)
        assert sorted(town.back_office.got) == sorted(ids)


class Unsure(Sender):
    """A sender whose first answer is lost: every second record was written, and nobody knows."""

    lost = False

    async def send_all(self, records: Sequence[Outgoing]) -> list[Sent]:
        if self.lost:
            return await super().send_all(records)
        self.lost = True
        await super().send_all(records[::2])
        return [None] * len(records)


async def test_unknown_send_is_resolved_by_reading(town: Town) -> None:
    """After an answer that never came only those letters are sent again that do not stand in the retry topic."""
    await refused(town, 7)
    async with town.adapter():
        await town.lying(7)
    lying, sender = topics.deadletters(town.office), Unsure(town.kafka, "test")
    async with looking(town.kafka, [lying]) as consumer:
        republisher = Republisher(town.kafka, sender, RecordFetcher(town.kafka, consumer, lying), town.office)
        places = await republisher.send((await town.letters()).open)
    await sender.stop()
    sent = await town.replayed_places()
    assert (len(places), len(sent), len(set(sent))) == (7, 7, 7)
    stand = {take_apart(one.headers).block[CopyHeader.REPLAYED_FROM]: one.offset for one in await town.all_of(topics.retry(town.office))}
    assert {str(letter.place): offset for letter, offset in places.items()} == stand


async def test_held_ones_come_along_in_order(town: Town) -> None:
    """A replay of one cause takes the held ones of its cases with it, behind it; a case of another cause stays."""
    case = uuid4()
    made = [submission(town, case, refused=not number) for number in range(4)]
    _, other = submission(town)
    await fill(town.kafka, [record for _, record in made])
    await fill(town.kafka, [other._replace(value=b"no XML")])
    async with town.adapter():
        await town.lying(5)
        town.back_office.refuses.clear()
        letters = await town.letters()
        (head,) = (one for one in letters.open if one.submission == str(made[0][0]))
        plan = plan_replay(letters, Selection(fingerprint=head.cause.fingerprint))
        assert ([one.submission for one in plan.letters], plan.followers) == ([str(one) for one, _ in made], 3)
        assert (await town.replay(Selection(fingerprint=head.cause.fingerprint))).all_well
        assert town.back_office.got == [one for one, _ in made]
        await town.lying(1)


async def test_case_that_fails_again_keeps_its_later_ones_here(town: Town) -> None:
    """When the first of a case fails again, the later ones are not sent: they would only be held up once more."""
    case = uuid4()
    made = [submission(town, case, refused=not number) for number in range(3)]
    await fill(town.kafka, [record for _, record in made])
    async with town.adapter():
        await town.lying(3)
        tally = await town.replay(limits=RolloutLimits(canary=1, rate=10_000, stop_at_percent=100, wait_s=30))
        assert (tally.sent, tally.outcomes[Outcome.FAILED], tally.all_well) == (1, 1, False)
        await town.lying(3)


async def test_without_an_adapter_nobody_can_tell(town: Town) -> None:
    """Where nobody takes the letters up the command ends with code 3 and says what to do; they are not sent twice."""
    await refused(town, 2)
    async with town.adapter():
        await town.lying(2)
    arguments = ("deadletters", "replay", town.office, "--all", "--go", "--wait", "2", "--json")
    code, output, error = await town.command(*arguments)
    assert (code, json.loads(output)["waiting"], "run adapter" in " ".join(error.split())) == (3, 2, True)
    code, output, _ = await town.command(*arguments)
    assert (code, json.loads(output)["letters"], len(await town.replayed_places())) == (0, 0, 2)
    town.back_office.refuses.clear()
    async with town.adapter():
        await eventually(lambda: len(town.back_office.got) == 2)


async def test_without_the_ledger_nothing_is_sent(town: Town, tmp_path: Path) -> None:
    """On another machine a dry run counts, and --go is refused before anything is written, no new ledger included."""
    await refused(town, 1)
    async with town.adapter():
        await town.lying(1)
    away = Town(town.kafka, StoreSettings(folder=tmp_path / "elsewhere"), town.name, town.folder)
    code, output, _ = await away.command("deadletters", "replay", town.office, "--all", "--json")
    assert (code, json.loads(output)["ledger"]) == (0, None)
    code, _, error = await away.command("deadletters", "replay", town.office, "--all", "--go")
    assert (code, "ledger-elsewhere" in error, await town.replayed_places(), await town.operations()) == (3, True, [], [])
    assert not (tmp_path / "elsewhere").exists()
