"""The dead-letter desk without Kafka: what is open, what a replay would take, when it stops, and what people get to see."""

from __future__ import annotations

import asyncio
import io
import random
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

import pytest
from pydantic import ValidationError
from rich.console import Console, RenderableType

from consumers.delivery import states
from consumers.delivery.entry import LedgerEntry
from consumers.delivery.failures import Cause
from consumers.desk.causes import by_cause
from consumers.desk.deadletters import DeadLetter, DeadLetters, DeadLetterState
from consumers.desk.desk import Detail
from consumers.desk.plan import Plan, Selection, plan_end, plan_replay
from consumers.desk.rollout import Outcome, Rollout, RolloutLimits, Tally
from schemas import topics
from schemas.copies import Place, headers_of_copy
from schemas.errors import UsageError
from schemas.headers import CopyHeader, Header, encode
from schemas.operations import DISCARD_PATTERN, REASON_PATTERN, Operation, OperatorAction
from stadtbus.commands import deadletters_views

OFFICE: Final = "muenchen.meldewesen"
LYING: Final = topics.deadletters(OFFICE)
AT_MS: Final = 1_790_000_000_000
NOW: Final = datetime.fromtimestamp(AT_MS / 1000 + 3600, UTC)


def uid(number: int) -> str:
    """The id of a submission."""
    return str(UUID(int=number))


def headers(submission: str | None) -> list[tuple[str, bytes | None]]:
    """As the relay writes them; without a submission nothing can be read."""
    if submission is None:
        return [("x-null", None)]
    names = (Header.CASE, Header.SERVICE, Header.PORTAL, Header.ACCEPTED_AT)
    return [*encode({Header.SUBMISSION: submission, Header.OFFICE: OFFICE} | dict.fromkeys(names, "x"))]


def letter(offset: int, number: int | None, *, partition: int = 0, origin: int | None = None, case: str | None = None, **more: str) -> Any:
    """A record of the dead letters; by default its origin is its own offset, and its case is its own."""
    block = {CopyHeader.STAGE: "DELIVER", CopyHeader.ERROR_CLASS: "permanent", CopyHeader.MESSAGE: "the street is not known"}
    block |= {CopyHeader[name]: value for name, value in more.items()}
    place = Place(topics.submissions(OFFICE), partition, offset if origin is None else origin)
    all_headers = headers_of_copy(headers(None if number is None else uid(number)), place, block)
    key = f"case-{number}" if case is None else case
    return SimpleNamespace(
        topic=LYING, partition=partition, offset=offset, key=key.encode(), value=b"Maier", timestamp=AT_MS + offset, headers=all_headers
    )


def named(at: int, offset: int, *, partition: int = 0, origin: int = 0, **more: str) -> Any:
    """A record of the retry topic that names the dead letter at this offset."""
    place = Place(topics.submissions(OFFICE), partition, origin)
    block = {CopyHeader.REPLAYED_FROM: f"{LYING}/{partition}/{offset}"} | {CopyHeader[name]: value for name, value in more.items()}
    return SimpleNamespace(
        topic=topics.retry(OFFICE), partition=partition, offset=at, headers=headers_of_copy(headers(uid(1)), place, block)
    )


def letters(*records: Any) -> DeadLetters:
    """What the desk makes of records."""
    found = DeadLetters(OFFICE)
    for record in records:
        found.take(record)
    return found


def ids(found: Sequence[DeadLetter]) -> list[int]:
    """The numbers of submissions."""
    return [UUID(one.submission).int for one in found]


# --- what is open


def test_open_is_what_nobody_has_replayed_or_discarded() -> None:
    """A letter is open until a record of the retry topic names its place; one that was parked there names nothing."""
    parked = SimpleNamespace(topic=topics.retry(OFFICE), partition=0, offset=0, headers=headers_of_copy([], Place("x", 0, 3), {}))
    found = letters(letter(0, 1), letter(1, 2), letter(2, 3), letter(3, 4), parked, named(1, 0), named(2, 1, origin=1, DISCARDED="no"))
    assert [found.state_of(one) for one in found.all] == [
        DeadLetterState.REPLAYED,
        DeadLetterState.DISCARDED,
        DeadLetterState.OPEN,
        DeadLetterState.OPEN,
    ]
    assert [found.retry_offset(one) for one in found.all] == [1, 2, None, None]


def test_the_last_letter_of_a_submission_counts() -> None:
    """A submission that failed again, or whose copy was written twice, is open once; one that was replayed since is not."""
    found = letters(letter(0, 1, origin=0), letter(1, 1, origin=0), letter(2, 2), letter(3, 2, origin=2), named(0, 3))
    assert [found.state_of(one) for one in found.all] == [
        DeadLetterState.SUPERSEDED,
        DeadLetterState.OPEN,
        DeadLetterState.SUPERSEDED,
        DeadLetterState.REPLAYED,
    ]


def test_discarded_is_the_end() -> None:
    """A copy of a discarded record that was under way is not open again, even where no ledger knows it."""
    found = letters(letter(0, None, origin=7), letter(1, None, origin=7), letter(2, None, origin=8), named(0, 0, origin=7, DISCARDED="no"))
    assert [one.offset for one in found.open] == [2]


def test_other_offices_records_name_nothing() -> None:
    """A place in another topic at the same offset closes no letter of ours."""
    foreign = named(0, 0)
    foreign.headers = [(name, value.replace(b"meldewesen.d", b"other.d")) for name, value in foreign.headers if value]
    assert len(letters(letter(0, 1), foreign).open) == 1


def test_what_this_bus_did_not_write_is_shown_too() -> None:
    """A record without our block has no origin and no cause, and is open."""
    foreign = SimpleNamespace(topic=LYING, partition=0, offset=0, key=None, value=None, timestamp=AT_MS, headers=[])
    (one,) = letters(foreign).open
    assert (one.origin, one.submission, one.cause.error_class, one.size_bytes) == (-1, "", "", 0)


def test_groups_are_by_cause() -> None:
    """Texts that differ in ids and numbers only are one cause; the group knows its span and its cases."""
    found = letters(
        letter(0, 1, MESSAGE="row 12 is missing", FIRST_FAILURE="2026-11-01T00:00:00+00:00"),
        letter(1, 2, MESSAGE="row 7 is missing", case="case-1", FIRST_FAILURE="2026-11-02T00:00:00+00:00"),
        letter(2, 3, MESSAGE="something else"),
        named(0, 2),
    )
    (group,) = by_cause([found])
    assert (group.open, len(group.letters), len(group.cases), group.last_ms - group.first_ms) == (2, 2, 1, 86_400_000)
    assert [(one.open, len(one.letters)) for one in by_cause([found], everything=True)] == [(2, 2), (0, 1)]


# --- what would be sent


def test_later_ones_of_a_case_come_along_in_order() -> None:
    """A replay takes the later ones of its cases too, in the order of the submissions topic, wherever they lie."""
    found = letters(letter(0, 2, origin=5, case="a", ERROR_CLASS="case-held"), letter(1, 9), letter(2, 1, origin=4, case="a"))
    plan = plan_replay(found, Selection(submission=uid(1)))
    assert (ids(plan.letters), plan.followers, plan.behind_older, plan.cases) == ([1, 2], 1, 0, 1)


def test_older_one_that_is_not_meant_is_told() -> None:
    """Whoever replays a later one alone hears that an older one lies there, which stays."""
    found = letters(letter(0, 1, origin=4, case="a"), letter(1, 2, origin=5, case="a"))
    plan = plan_replay(found, Selection(submission=uid(2)))
    assert (ids(plan.letters), plan.followers, plan.behind_older) == ([2], 0, 1)


def test_unreadable_ones_are_not_replayed() -> None:
    """What the engine cannot read would come back as it is, so a replay leaves it; a discard takes it."""
    found = letters(letter(0, None, MESSAGE="a header is missing"), letter(1, 1))
    assert (ids(plan_replay(found, Selection()).letters), plan_replay(found, Selection()).unreadable) == ([1], 1)
    fingerprint = found.all[0].cause.fingerprint
    assert [one.offset for one in plan_end(found, Selection(fingerprint=fingerprint)).letters] == [0]


def test_what_may_have_had_its_effect_is_not_guessed_at() -> None:
    """Where the back office cannot say, a letter is replayed only by name; with all, it stays and what follows it too."""
    head = letter(1, 2, origin=5, case="a", ERROR_CLASS="cannot-find")
    found = letters(letter(0, 1, origin=4, case="a"), head, letter(2, 3, origin=6, case="a"), letter(7, 4))
    plan = plan_replay(found, Selection())
    assert (ids(plan.letters), plan.may_have_had_effect, plan.may_have_had_effect_left) == ([1, 4], 0, 1)
    plan = plan_replay(found, Selection(submission=uid(1)))
    assert (ids(plan.letters), plan.may_have_had_effect_left) == ([1], 1)
    plan = plan_replay(found, Selection(submission=uid(2)))
    assert (ids(plan.letters), plan.may_have_had_effect, plan.followers, plan.behind_older) == ([2, 3], 1, 1, 1)


def test_discard_takes_one_of_a_case_alone() -> None:
    """Later ones of the case stay, and are counted."""
    found = letters(letter(0, 1, origin=4, case="a"), letter(1, 2, origin=5, case="a"), letter(2, 3))
    plan = plan_end(found, Selection(submission=uid(1)))
    assert (ids(plan.letters), plan.left) == ([1], 1)


def test_what_is_not_open_cannot_be_meant() -> None:
    """A submission that was replayed already, or never lay there, is an error with the place; no selection at all is fine."""
    found = letters(letter(0, 1), named(0, 0))
    for plan in (plan_replay, plan_end):
        with pytest.raises(UsageError, match="dead-letter-unknown"):
            plan(found, Selection(submission=uid(1)))
    assert plan_replay(found, Selection()).letters == []


@pytest.mark.parametrize("seed", range(20))
def test_order_of_sending_keeps_every_case(seed: int) -> None:
    """Over three partitions, however letters lie and whatever their times: each case is sent in the order it was written."""
    chance = random.Random(seed)
    records = []
    for offset in range(60):
        partition = chance.randrange(3)
        one = letter(offset, offset, partition=partition, origin=chance.randrange(1_000), case=f"{partition}-{chance.randrange(4)}")
        one.timestamp = AT_MS + chance.randrange(1_000)
        records.append(one)
    plan = plan_replay(letters(*records), Selection())
    by_case: dict[Any, list[int]] = {}
    for one in plan.letters:
        by_case.setdefault(one.case, []).append(one.origin)
    assert len(plan.letters) == 60
    assert all(origins == sorted(origins) for origins in by_case.values())


def test_plan_knows_what_the_ledger_says() -> None:
    """Would-be duplicates and submissions that the ledger does not know are counted."""
    plan = plan_replay(letters(*(letter(number, number) for number in range(4))), Selection())
    plan.note_ledger({UUID(int=0).bytes: LedgerEntry(b"", state=states.DELIVERED), UUID(int=1).bytes: LedgerEntry(b"", state=states.DEAD)})
    assert (plan.ledger_states, plan.delivered_already) == ({"delivered": 1, "dead": 1, "unknown": 2}, 1)


# --- a run


class Adapter:
    """Stands for the retry topic and the ledger: takes letters, and gives each the outcome it is told."""

    def __init__(self, outcome: Callable[[DeadLetter], LedgerEntry | None]) -> None:
        self._outcome = outcome
        self.sent: list[DeadLetter] = []
        self._rows: dict[bytes, LedgerEntry] = {}

    async def send(self, wave: Sequence[DeadLetter]) -> Mapping[DeadLetter, int]:
        places = {}
        for one in wave:
            places[one] = len(self.sent)
            self.sent.append(one)
            if (entry := self._outcome(one)) is not None:
                entry.retry_offset = places[one]
                self._rows[one.id] = entry
        return places

    def look(self, submissions: Sequence[bytes]) -> Mapping[bytes, LedgerEntry]:
        return {one: self._rows[one] for one in submissions if one in self._rows}


def dead(cause: Cause = Cause.PERMANENT) -> LedgerEntry:
    """A row of a submission that died."""
    return LedgerEntry(b"", state=states.DEAD, cause=cause)


async def run(plan: Plan, adapter: Adapter, **limits: float) -> Tally:
    """A run without pauses."""
    values: dict[str, Any] = {"rate": 1e6, "wait_s": 0.5} | limits
    return await Rollout(plan.letters, adapter, adapter.look, RolloutLimits(**values), lambda _: None).run()


def many(count: int, case: str | None = None) -> Plan:
    """A replay of so many letters."""
    return plan_replay(letters(*(letter(number, number, case=case) for number in range(count))), Selection())


async def test_canary_of_other_cases_goes_first() -> None:
    """The canary has one letter of each case, not five of the first; if all fail, nothing else is sent."""
    plan = plan_replay(letters(*(letter(number, number, case=f"case-{number // 4}") for number in range(40))), Selection())
    adapter = Adapter(lambda _: dead())
    tally = await run(plan, adapter, canary=3)
    assert ids(adapter.sent) == [0, 4, 8]
    assert (tally.outcomes, tally.stopped is not None, tally.all_well, tally.none_taken_up) == ({Outcome.FAILED: 3}, True, False, False)


async def test_all_well() -> None:
    """When everything is delivered everything was sent, once and in order."""
    adapter = Adapter(lambda _: LedgerEntry(b"", state=states.DELIVERED))
    tally = await run(many(50), adapter)
    assert (ids(adapter.sent), tally.outcomes, tally.all_well) == (list(range(50)), {Outcome.DELIVERED: 50}, True)


@pytest.mark.parametrize(("failing", "stops"), [(1, False), (2, True)])
async def test_stops_when_more_than_a_share_fails(failing: int, stops: bool) -> None:
    """One of a canary of five is 20 %, which is not more than that; two are."""
    adapter = Adapter(lambda one: dead() if ids([one])[0] < failing else LedgerEntry(b"", state=states.DELIVERED))
    tally = await run(many(300), adapter, canary=5, stop_at_percent=20)
    assert (len(adapter.sent) == 300, tally.stopped is None) == (not stops, not stops)


async def test_stops_on_the_way() -> None:
    """When it goes wrong after the canary, it stops long before everything is sent."""
    adapter = Adapter(lambda one: dead() if ids([one])[0] >= 300 else LedgerEntry(b"", state=states.DELIVERED))
    tally = await run(many(3_000), adapter)
    assert 300 < len(adapter.sent) <= 300 + 400
    assert "% failed" in str(tally.stopped)


async def test_first_failure_is_no_share_yet() -> None:
    """While the rest of the canary is on its way, the first that fails does not stop it."""
    slow: dict[bytes, LedgerEntry] = {}
    adapter = Adapter(lambda one: dead() if ids([one]) == [0] else LedgerEntry(b"", state=states.NOT_TAKEN))

    async def later() -> None:
        await asyncio.sleep(0.4)
        slow.update({one.id: LedgerEntry(b"", state=states.DELIVERED) for one in adapter.sent[1:]})

    task = asyncio.create_task(later())
    runs = Rollout(many(5).letters, adapter, lambda those: {**adapter.look(those), **slow}, RolloutLimits(wait_s=5), lambda _: None)
    tally = await runs.run()
    await task
    assert (tally.outcomes, tally.stopped) == ({Outcome.FAILED: 1, Outcome.DELIVERED: 4}, None)


async def test_slow_canary_is_waited_for() -> None:
    """At a low rate, too, the whole canary has an outcome before its share counts."""
    adapter = Adapter(lambda one: dead() if ids([one]) == [0] else LedgerEntry(b"", state=states.DELIVERED))
    tally = await run(many(9), adapter, canary=3, rate=4)
    assert (len(adapter.sent), tally.outcomes) == (3, {Outcome.FAILED: 1, Outcome.DELIVERED: 2})


async def test_case_that_failed_is_left_alone() -> None:
    """Later ones of a case whose first has failed are not sent, and a held one is no failure of its own."""
    adapter = Adapter(lambda _: dead())
    tally = await run(many(10, case="a"), adapter, stop_at_percent=100)
    assert (len(adapter.sent), tally.outcomes) == (1, {Outcome.FAILED: 1})
    tally = await run(
        many(3), Adapter(lambda one: dead(Cause.CASE_HELD) if ids([one]) != [2] else LedgerEntry(b"", state=states.DELIVERED))
    )
    assert (tally.outcomes, tally.stopped, tally.all_well) == ({Outcome.HELD: 2, Outcome.DELIVERED: 1}, None, False)


async def test_no_news_ends_it() -> None:
    """When no row changes it ends, and nobody can tell; when the adapter waits with them, that is known."""
    tally = await run(many(9), Adapter(lambda _: None), canary=2)
    assert (tally.sent, tally.waiting, tally.none_taken_up) == (2, 2, True)
    tally = await run(many(9), Adapter(lambda _: LedgerEntry(b"", state=states.NOT_TAKEN)), canary=2)
    assert (tally.sent, tally.waiting, tally.none_taken_up, tally.all_well) == (2, 2, False, False)


async def test_row_of_before_says_nothing() -> None:
    """A row that was dead before the letter was sent is no outcome of it."""
    adapter = Adapter(lambda _: None)
    row = dead()
    row.retry_offset = -1
    tally = await Rollout(
        many(1).letters, adapter, lambda those: dict.fromkeys(those, row), RolloutLimits(wait_s=0.5), lambda _: None
    ).run()
    assert (tally.known, tally.none_taken_up) == (0, True)


async def test_rate_is_kept() -> None:
    """Forty letters at 100 per second take at least 0.3 s."""
    loop, adapter = asyncio.get_running_loop(), Adapter(lambda _: LedgerEntry(b"", state=states.DELIVERED))
    began_s = loop.time()
    await run(many(40), adapter, rate=100, canary=0)
    assert loop.time() - began_s > 0.3


# --- what people see


def shown(view: RenderableType) -> str:
    """As it looks on a terminal of 100 columns."""
    console = Console(width=100, color_system=None, file=io.StringIO())
    with console.capture() as capture:
        console.print(view)
    return capture.get()


def long_letters() -> DeadLetters:
    """One whose texts are long and hold what a terminal would obey."""
    return letters(letter(0, 1, MESSAGE="\x1b[31mred " + "a-very-long-reason/" * 12), letter(1, 2), letter(2, None))


def test_list_fits_the_terminal() -> None:
    """Every line fits 100 columns, nothing is cut, control characters are no longer any, and no value is shown."""
    text = shown(deadletters_views.groups_view(by_cause([long_letters()]), NOW, everything=True))
    assert max(map(len, text.splitlines())) <= 100
    assert ("…" in text, "\N{REPLACEMENT CHARACTER}[31mred" in text) == (False, True)
    assert ("\x1b" in text, "Maier" in text, "muenchen.meldewesen: 3 open" in text) == (False, False, True)


def test_letter_is_shown_without_its_value() -> None:
    """Headers are shown, those of others only by size, and of the value only the size."""
    (one, *_) = long_letters().all
    detail = Detail(one, DeadLetterState.OPEN, [("x\x1b", "(4 bytes, not shown)"), ("bus_case", "x")], dead(), [one.place])
    text = shown(deadletters_views.letter_view(detail))
    assert ("\x1b" in text, "Maier" in text, "5 bytes" in text, "dead, permanent" in text) == (False, False, True, True)
    assert "Maier" not in str(deadletters_views.letter_as_dict(detail))


def test_plan_warns() -> None:
    """What one should know before is in the plan: duplicates, older ones, unreadable ones, and that nothing was written."""
    plan = Plan(OFFICE, long_letters().all[:2], followers=1, unreadable=1, behind_older=1, ledger_states={"delivered": 1, "dead": 1})
    text = shown(deadletters_views.plan_view(plan, "replay", NOW, go=False, ledger=True))
    for part in (
        "2 dead letters of 2 cases",
        "delivered 1",
        "nothing happens twice",
        "older dead letter",
        "cannot be read",
        "Nothing was written",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (b"", ""), ("für".encode(), "für"), (b"\xff\x00", "ff00"), (b"\x1b[2J", "1b5b324a"), (b"a\n\tb", "a\n\tb")],
)
def test_value_is_text_or_hex(value: bytes | None, text: str) -> None:
    """What a terminal would obey, or is no UTF-8, is printed in hex."""
    assert deadletters_views.value_text(value) == text


# --- operations


@pytest.mark.parametrize("reason", ["no", "Frau Maier zog um", "zurückgezogen", "x" * 81, "two\nlines", "-dash"])
def test_discard_reason_is_a_code(reason: str) -> None:
    """Sentences, in which there would soon be a name, are no reason to discard."""
    assert re.fullmatch(DISCARD_PATTERN, reason) is None


def test_operation_is_what_is_written() -> None:
    """An operation survives its record, and takes neither unknown fields nor an actor with spaces."""
    operation = Operation(at=NOW, actor="op", action=OperatorAction.REVEAL, office=OFFICE, reason="ticket 4711", place=f"{LYING}/0/1")
    assert Operation.model_validate_json(operation.model_dump_json(exclude_none=True)) == operation
    assert re.fullmatch(REASON_PATTERN, "ticket 4711")
    for wrong in ({"actor": "two words"}, {"actor": ""}, {"value": "x"}, {"reason": "a\nb"}):
        with pytest.raises(ValidationError):
            Operation.model_validate(operation.model_dump() | wrong)


def test_each_letter_of_a_cause_is_named() -> None:
    """Of each letter of a cause the submission, its case and its place are shown, so that `show` and `replay` can be given them."""
    found = letters(letter(0, 1), letter(1, 2, partition=2), named(0, 0))
    (group,) = by_cause([found])
    text = shown(deadletters_views.letters_view(group, NOW))
    assert all(part in text for part in (uid(2), "case-2", f"{LYING}/2/1", "60 min"))
    assert uid(1) not in text
    (listed,) = deadletters_views.group_as_dict(group, NOW)["dead_letters"]
    assert (listed["place"], listed["submission"], listed["case"], listed["state"]) == (f"{LYING}/2/1", uid(2), "case-2", "open")
    (everything, *_) = [one for one in by_cause([found], everything=True) if len(one.letters) == 2]
    assert [what for _, what in everything.letters] == [DeadLetterState.REPLAYED, DeadLetterState.OPEN]
    assert "replayed" in shown(deadletters_views.letters_view(everything, NOW))


def test_letters_without_ids_are_listed_too() -> None:
    """What nobody can read has a place, and a case without a key is none."""
    record = letter(0, None)
    record.key = None
    (group,) = by_cause([letters(record)])
    (listed,) = deadletters_views.group_as_dict(group, NOW)["dead_letters"]
    assert (listed["place"], listed["submission"], listed["case"]) == (f"{LYING}/0/0", None, None)
    assert f"{LYING}/0/0" in shown(deadletters_views.letters_view(group, NOW))
