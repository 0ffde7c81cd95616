"""The dead-letter desk on a real Kafka, with the real engine, ledger and commands, and a back office that refuses what it is told to."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
import yaml

import schemas
from adapters.interface import Delivered, Document, Submission
from consumers.delivery.handler import Delivery
from consumers.delivery.ledger import Ledger
from consumers.desk.deadletters import DeadLetters
from consumers.desk.desk import Desk
from consumers.desk.plan import Selection, plan_end, plan_replay
from consumers.desk.republisher import Republisher
from consumers.desk.rollout import Outcome, RolloutLimits, Tally
from consumers.engine import Engine
from consumers.settings import DeliverySettings
from infra.kafka.admin import connected, count_records, create_topics, missing_topics
from infra.kafka.outgoing import Outgoing, Position, SendUnknown, Sent
from infra.kafka.reading import RecordFetcher, looking, read_all
from infra.kafka.sender import Sender
from infra.settings import KafkaSettings, StoreSettings
from schemas import message, topics
from schemas.copies import Place, headers_of_copy, take_apart
from schemas.errors import CannotTell, CaseNotReady, Refused, UsageError
from schemas.headers import CopyHeader, Header, RawHeaders, encode
from tests import builders
from tests.faults.world import forget_group
from tests.kafka.helpers import committed, eventually, fill, settings_for

STRANGE: Final = [("x-binary", b"\xff\x00\xfe"), ("x-null", None), ("x-twice", b"1"), ("x-twice", b"2")]
DELIVERY: Final = DeliverySettings(brake_in_a_row=10_000, brake_share=1)
QUICK: Final = RolloutLimits(rate=10_000, wait_s=30)
HOUR_MS: Final = 3_600_000


@dataclass
class BackOffice:
    """Keeps what it gets, and refuses what it is told to."""

    refuses: set[UUID] = field(default_factory=set)
    before: list[Exception] = field(default_factory=list)
    got: list[UUID] = field(default_factory=list)
    max_concurrency: int = 50

    def translate(self, submission: Submission) -> Document:
        return Document(submission.id, "name", "text/plain", b"content")

    async def deliver(self, document: Document, attempt: int) -> Delivered:
        if document.submission_id in self.refuses:
            raise Refused("the street is not known")
        if self.before:
            raise self.before.pop()
        self.got.append(document.submission_id)
        return Delivered("R-1")

    async def find(self, submission_id: UUID) -> Delivered | None:
        return Delivered("R-1") if submission_id in self.got else None

    async def check(self) -> str:
        return "fine"

    async def close(self) -> None:
        return None


@dataclass
class Town:
    """One office of its own on the shared Kafka, with its stores, its back office and a catalogue that knows it."""

    kafka: KafkaSettings
    stores: StoreSettings
    name: str
    folder: Path
    back_office: BackOffice = field(default_factory=BackOffice)

    @property
    def office(self) -> str:
        return f"{self.name}.office"

    @property
    def desk(self) -> Desk:
        return Desk(self.kafka, self.stores, self.name)

    async def letters(self) -> DeadLetters:
        return (await self.desk.read([self.office]))[self.office]

    async def replay(self, selection: Selection | None = None, limits: RolloutLimits = QUICK) -> Tally:
        plan = plan_replay(await self.letters(), selection or Selection())
        return await self.desk.replay(plan, selection or Selection(), limits, lambda _: None)

    async def all_of(self, topic: str) -> list[Any]:
        records: list[Any] = []
        await read_all(self.kafka, [topic], records.append)
        return records

    async def replayed_places(self) -> list[str]:
        blocks = [take_apart(record.headers).block for record in await self.all_of(topics.retry(self.office))]
        return [block[CopyHeader.REPLAYED_FROM] for block in blocks]

    async def events(self, state: str) -> list[Mapping[str, Any]]:
        found = [json.loads(record.value)["data"] for record in await self.all_of(topics.events(self.name))]
        return [event for event in found if event["state"] == state]

    async def operations(self) -> list[Mapping[str, Any]]:
        records = await self.all_of(topics.OPERATIONS)
        return [json.loads(record.value) for record in records if record.key == self.name.encode()]

    async def lying(self, count: int) -> None:
        """Wait until so many letters are open."""
        async with asyncio.timeout(30):
            while len((await self.letters()).open) != count:
                await asyncio.sleep(0.2)

    @asynccontextmanager
    async def adapter(self) -> AsyncIterator[Engine[Any]]:
        """The adapter's process, as `consumers.app` wires it."""
        ledger, sender = Ledger(self.stores, self.office), Sender(self.kafka, self.office)
        delivery = Delivery(self.office, self.back_office, ledger, sender, DELIVERY)
        read = [topics.submissions(self.office), topics.retry(self.office)]
        engine = Engine(self.kafka, group=self.office, topics=read, handler=delivery, limits=DELIVERY)
        running = asyncio.create_task(engine.run())
        try:
            yield engine
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await sender.stop()
            ledger.close()

    async def command(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output and errors of a `stadtbus` command."""
        process = await self.start_command(*arguments)
        output, error = await process.communicate()
        return process.returncode or 0, output.decode(), error.decode()

    async def start_command(self, *arguments: str) -> asyncio.subprocess.Process:
        environment = {
            "STADTBUS_KAFKA__BOOTSTRAP": self.kafka.bootstrap,
            "STADTBUS_STORES__FOLDER": str(self.stores.folder),
            "STADTBUS_CATALOGUE": str(self.folder),
            "COLUMNS": "100",
        }
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-m", "stadtbus", *arguments)
        return await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=environment, cwd=Path(__file__).parents[2])


@pytest.fixture
async def town(kafka_bootstrap: str, tmp_path: Path) -> Town:
    """A city with one office that no other test has."""
    kafka, name = settings_for(kafka_bootstrap), f"t{uuid.uuid4().hex[:10]}"
    await create_topics(kafka, [*topics.of_office(f"{name}.office"), *topics.of_city(name), *topics.of_bus()])
    folder = tmp_path / "catalogue"
    folder.mkdir()
    shutil.copy(Path(schemas.__file__).parent / "cities/services.yaml", folder)
    offer = {"service": "wohnsitz-anmelden", "minimum_level": 1, "accounts": ["bayernid"]}
    office = {"id": "office", "name": "Office", "authority": "ags:09162000", "services": [offer]}
    city = {"city": name, "name": "Town", "ags": "09162000", "ars": "091620000000", "offices": [office]}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(city), encoding="utf-8")
    return Town(kafka, StoreSettings(folder=tmp_path / "stores"), name, folder)


def submission(town: Town, case: UUID | None = None, *, more: RawHeaders = (), refused: bool = True) -> tuple[UUID, Outgoing]:
    """A record as the relay writes it, of a case of its own unless one is given; whether the back office refuses it."""
    application = builders.application(case_id=case or uuid4())
    headers = encode(
        {
            Header.SUBMISSION: str(application.message_id),
            Header.CASE: str(application.case_id),
            Header.CITY: town.name,
            Header.OFFICE: town.office,
            Header.SERVICE: application.service.code,
            Header.PORTAL: "portal",
            Header.ACCEPTED_AT: "2026-03-01T09:00:00.000+00:00",
        }
    )
    if refused:
        town.back_office.refuses.add(application.message_id)
    key, value = str(application.case_id).encode(), message.write(application)
    stamp = int(time.time() * 1000) - HOUR_MS
    return application.message_id, Outgoing(topics.submissions(town.office), key, value, [*headers, *more], None, stamp)


async def refused(town: Town, count: int) -> list[UUID]:
    """So many dead letters, each of a case of its own."""
    made = [submission(town) for _ in range(count)]
    await fill(town.kafka, [record for _, record in made])
    return [one for one, _ in made]


def original(record: Any) -> tuple[Any, ...]:
    """What has to survive every copy."""
    return record.key, record.value, record.timestamp, record.partition, tuple(take_apart(record.headers).original)


@pytest.mark.parametrize("empty", [False, True])
async def test_every_copy_is_the_original(town: Town, empty: bool) -> None:
    """Binary, null and repeated headers, key, value and timestamp survive main topic, dead letter, replay and dead letter again."""
    _, record = submission(town, more=STRANGE)
    await fill(town.kafka, [record._replace(value=None) if empty else record])
    async with town.adapter():
        await town.lying(1)
        tally = await town.replay()
    (first,) = await town.all_of(topics.submissions(town.office))
    (again,) = await town.all_of(topics.retry(town.office))
    letters = await town.all_of(topics.deadletters(town.office))
    assert (tally.outcomes.total(), tally.all_well, len(letters)) == (1, False, 2)
    assert [original(copy) for copy in (*letters, again)] == [original(first)] * 3
    assert list(first.headers)[-4:] == STRANGE
    origins = {take_apart(copy.headers).origin for copy in (*letters, again)}
    assert origins == {Place(first.topic, first.partition, first.offset)}


async def test_what_cannot_be_read_is_set_aside_and_the_rest_flows(town: Town) -> None:
    """A record without headers, of the same key, ends in the dead letters; a replay leaves it, a discard ends it."""
    good, record = submission(town, refused=False)
    await fill(town.kafka, [record._replace(headers=[], value=b"\xff"), record])
    async with town.adapter():
        await eventually(lambda: town.back_office.got == [good])
        await town.lying(1)
        letters = await town.letters()
        assert (letters.open[0].submission, letters.open[0].cause.stage) == ("", "PARSE")
        assert (plan_replay(letters, Selection()).letters, plan_replay(letters, Selection()).unreadable) == ([], 1)
        selection = Selection(fingerprint=letters.open[0].cause.fingerprint)
        tally = await town.desk.discard(plan_end(letters, selection), selection, "not-ours", QUICK, lambda _: None)
        assert (tally.sent, tally.unwatched, tally.all_well) == (1, 1, True)
        await asyncio.sleep(2)  # so long the engine has to make a copy of it again, if it does
        assert (await town.letters()).open == []


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


async def test_discard_ends_as_rejected_and_releases_the_case(town: Town) -> None:
    """The portal hears the reason; the later one of the case stays until it is replayed, then the case is free."""
    case = uuid4()
    (first, record), (second, later), (third, last) = (submission(town, case, refused=not number) for number in range(3))
    await fill(town.kafka, [record, later])
    async with town.adapter():
        await town.lying(2)
        selection = Selection(submission=str(first))
        plan = plan_end(await town.letters(), selection)
        tally = await town.desk.discard(plan, selection, "withdrawn-by-portal", QUICK, lambda _: None)
        assert (plan.left, tally.outcomes[Outcome.REJECTED], tally.all_well) == (1, 1, True)
        (event,) = await town.events("rejected")
        assert (event["submission"], event["reason"]) == (str(first), "withdrawn-by-portal")
        await town.lying(1)
        assert (await town.replay()).all_well
        await fill(town.kafka, [last])
        await eventually(lambda: town.back_office.got == [second, third])
    assert [one["action"] for one in await town.operations()] == ["discard", "replay"]


async def test_settled_is_delivered_without_a_hand_over(town: Town) -> None:
    """A submission that a person has found in the back office ends as delivered, with the number it has there."""
    one, record = submission(town, uuid4(), refused=True)
    await fill(town.kafka, [record])
    async with town.adapter():
        await town.lying(1)
        selection = Selection(submission=str(one))
        tally = await town.desk.settle(plan_end(await town.letters(), selection), selection, "M-000815", QUICK, lambda _: None)
        assert (tally.outcomes[Outcome.DELIVERED], tally.all_well, town.back_office.got) == (1, True, [])
        (event,) = await town.events("delivered")
        assert (event["submission"], event["reference"]) == (str(one), "M-000815")
    assert [(one["action"], one["reference"]) for one in await town.operations()] == [("settle", "M-000815")]


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


async def test_reveal_is_on_record_first(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value is shown only after the operation was acknowledged; without it nothing is shown."""
    (one,) = await refused(town, 1)
    async with town.adapter():
        await town.lying(1)
    code, output, _ = await town.command("deadletters", "show", str(one))
    assert (code, "einreichung" in output, "Sendlinger" in output) == (0, False, False)
    arguments = ("deadletters", "show", str(one), "--reveal", "--reason", "ticket 4711", "--actor", town.name)
    code, output, error = await town.command(*arguments)
    assert (code, "Sendlinger" in output) == (0, True), error
    (operation,) = await town.operations()
    assert (operation["action"], operation["submission"], operation["reason"]) == ("reveal", str(one), "ticket 4711")
    (letter,) = (await town.letters()).open

    async def lost(self: Sender, record: Outgoing) -> Position:
        raise SendUnknown

    monkeypatch.setattr(Sender, "send", lost)
    with pytest.raises(CannotTell, match="operation-not-recorded"):
        await town.desk.reveal(letter, "ticket 4711")


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


async def test_lost_offsets_are_set_to_the_ledgers(town: Town) -> None:
    """After Kafka has forgotten a group a reset sets what the ledger knows, but not while the adapter runs; nothing comes again."""
    for _ in range(5):
        await fill(town.kafka, [submission(town, refused=False)[1]])
    async with town.adapter():
        await eventually(lambda: len(town.back_office.got) == 5)
        with pytest.raises(UsageError, match="group-has-members"):
            await town.desk.reset_offsets(town.office, go=True)
    before = await committed(town.kafka, town.office, topics.submissions(town.office))
    await forget_group(town.kafka, town.office)
    assert (await town.command("offsets", "reset", town.office))[0] == 1
    assert await committed(town.kafka, town.office, topics.submissions(town.office)) == {}
    code, _, error = await town.command("offsets", "reset", town.office, "--go", "--actor", town.name)
    assert code == 0, error
    assert await committed(town.kafka, town.office, topics.submissions(town.office)) == before
    (operation,) = await town.operations()
    assert (operation["action"], sum(operation["offsets"].values())) == ("offset-reset", 5)
    assert (await town.command("offsets", "reset", town.office))[0] == 0
    await fill(town.kafka, [submission(town, refused=False)[1]])
    async with town.adapter():
        await eventually(lambda: len(town.back_office.got) == 6)


async def test_topics_that_were_made_anew_are_read_from_their_first_record(town: Town) -> None:
    """After either topic of an office was made anew, a reset begins at what it holds now: all is delivered once, parked ones included."""
    before = [submission(town, refused=False)[1] for _ in range(6)]
    await fill(town.kafka, before)
    town.back_office.before = [CaseNotReady("x")]
    async with town.adapter():
        await eventually(lambda: len(town.back_office.got) == 5)
    await made_anew(town, topics.retry(town.office))
    assert "topic-replaced" in str(await stood(town))
    code, output, _ = await town.command("offsets", "reset", town.office, "--json")
    resets = json.loads(output)["partitions"]
    assert (code, {reset["reason"] for reset in resets if topics.is_retry(reset["topic"])} >= {"topic-replaced"}) == (1, True)
    assert (await town.command("offsets", "reset", town.office, "--go"))[0] == 0
    assert (await town.command("offsets", "reset", town.office))[0] == 0
    async with town.adapter():
        await eventually(lambda: len(town.back_office.got) == 6)
    await made_anew(town, topics.submissions(town.office))
    await fill(town.kafka, [*before, *(submission(town, refused=False)[1] for _ in range(20))])
    assert "topic-replaced" in str(await stood(town))
    assert (await town.command("offsets", "reset", town.office, "--go"))[0] == 0
    async with town.adapter():
        await eventually(lambda: len(town.back_office.got) == 26)
    assert len(set(town.back_office.got)) == 26


async def made_anew(town: Town, topic: str) -> None:
    """As an operator does it."""
    async with connected(town.kafka) as admin:
        await admin.delete_topics([topic])
    while not (missing := await missing_topics(town.kafka, topics.of_office(town.office))):
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)
    await create_topics(town.kafka, missing)
    await asyncio.sleep(0.5)


async def stood(town: Town) -> str | None:
    """What an adapter stands for that is started now."""
    async with town.adapter() as engine:
        async with asyncio.timeout(30):
            while engine.finding() is None:
                await asyncio.sleep(0.1)
        return engine.finding()


async def test_many_letters_are_read_quickly(town: Town) -> None:
    """20,000 dead letters are read, grouped by cause and checked against the retry topic within seconds, without their values."""
    count, lying = 20_000, topics.deadletters(town.office)
    _, record = submission(town)
    block = {CopyHeader.STAGE: "DELIVER", CopyHeader.ERROR_CLASS: "permanent", CopyHeader.MESSAGE: "the street is not known"}

    def copy(number: int) -> Outgoing:
        headers = [(name, str(uuid4()).encode() if name == Header.SUBMISSION else value) for name, value in record.headers]
        return Outgoing(lying, str(number).encode(), record.value, headers_of_copy(headers, Place("x", 0, number), block), number % 3)

    for start in range(0, count, 2_000):
        await fill(town.kafka, [copy(number) for number in range(start, start + 2_000)])
    began_s = time.monotonic()
    letters = await town.letters()
    assert (len(letters.open), len({letter.cause.fingerprint for letter in letters.open})) == (count, 1)
    assert time.monotonic() - began_s < 30
