"""The ledger on both databases: what it says of a submission, who may write, and what a restart finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from consumers.delivery import states
from consumers.delivery.entry import OLDER_THAN_ALL, AttemptRequest, LedgerEntry
from consumers.delivery.ledger import Fenced, Ledger, str_id
from consumers.engine.core import CaseState
from consumers.engine.starts import LedgerPosition, Start
from infra import rows
from infra.settings import StoreSettings
from tests.builders import first_ledger

OFFICE = "muenchen.meldewesen"
MAIN = (f"{OFFICE}.submissions", 0)
RETRY = (f"{OFFICE}.retry", 0)
BOTH = {MAIN, RETRY}
FAR_MS = 4_000_000_000_000

Open = Callable[..., Ledger]


@pytest.fixture
def opened(store_settings: StoreSettings) -> Iterator[Open]:
    """Opens the ledger of an office, as often as processes would."""
    ledgers: list[Ledger] = []

    def open_(office: str = OFFICE) -> Ledger:
        ledgers.append(Ledger(store_settings, office))
        return ledgers[-1]

    yield open_
    for ledger in ledgers:
        ledger.close()


@pytest.fixture
async def ledger(opened: Open) -> Ledger:
    """A ledger whose process has both partitions."""
    one = opened()
    await one.take_over(sorted(BOTH))
    return one


def new_id() -> bytes:
    """A submission that nobody knows."""
    return uuid4().bytes


def begin(submission: bytes, offset: int = 0, *, retry: bool = False, untried: bool = False, waited: bool = False) -> AttemptRequest:
    """A record that is handed out."""
    return AttemptRequest(submission, RETRY if retry else MAIN, offset, retry, not untried, waited)


async def begin_one(ledger: Ledger, one: AttemptRequest) -> tuple[LedgerEntry, bool]:
    """What the ledger says of one record."""
    (answer,) = await ledger.begin([one])
    return answer


async def put(ledger: Ledger, state: str, **values: object) -> bytes:
    """A submission in this state."""
    entry = LedgerEntry(new_id(), state=state, attempt=1, started_ms=1_000, **values)
    await ledger.note_outcomes([entry], BOTH)
    return entry.submission


async def put_aside(ledger: Ledger, state: str, offset: int, *, key: Any = b"case", **values: object) -> bytes:
    """A submission of a case that was set aside, at this offset."""
    return await put(ledger, state, partition=0, origin_offset=offset, case_key=key, **values)


def row(ledger: Ledger, submission: bytes) -> LedgerEntry:
    """The row of a submission."""
    return ledger.entries([submission])[submission]


# --- records that are read for the first time


async def test_new_submissions_begin_together(ledger: Ledger) -> None:
    """All are `started` with attempt 1, in the order in which they were asked for."""
    ids = [new_id() for _ in range(3)]
    entries = await ledger.begin_new(ids, {MAIN})
    assert [(one.submission, one.state, one.attempt, one.unclear) for one in entries] == [(one, "started", 1, None) for one in ids]
    assert {one.state for one in ledger.entries(ids).values()} == {"started"}


@pytest.mark.parametrize("known_at", [0, 1, 2])
async def test_nothing_is_noted_where_one_is_known(ledger: Ledger, known_at: int) -> None:
    """One known submission among new ones, and no row is written."""
    ids = [new_id() for _ in range(3)]
    await ledger.begin_new([ids[known_at]], {MAIN})
    assert await ledger.begin_new(ids, {MAIN}) == []
    assert list(ledger.entries(ids)) == [ids[known_at]]


async def test_same_submission_twice_among_new_ones(ledger: Ledger) -> None:
    """A submission that is there twice makes the batch one that is not new; then one of the two begins, and the other waits."""
    twice = new_id()
    assert await ledger.begin_new([twice, twice], {MAIN}) == []
    answers = await ledger.begin([begin(twice), begin(twice, 1)])
    assert [(entry.state, begun) for entry, begun in answers] == [("started", True), ("busy", False)]
    assert row(ledger, twice).attempt == 1


async def test_more_new_submissions_than_one_statement_takes(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of any size is written, or none of it."""
    monkeypatch.setattr(rows, "_MAX_PARAMETERS", 40)
    ids, others = ([new_id() for _ in range(95)] for _ in range(2))
    assert len(await ledger.begin_new(ids, {MAIN})) == 95
    assert await ledger.begin_new([*others, ids[0]], {MAIN}) == []
    assert ledger.entries(others) == {}


async def test_offices_do_not_meet(opened: Open, ledger: Ledger) -> None:
    """Two offices may share a database: the same id is new to each."""
    other = opened("augsburg.gewerbe")
    await other.take_over([MAIN])
    one = new_id()
    assert len(await ledger.begin_new([one], {MAIN})) == len(await other.begin_new([one], {MAIN})) == 1
    await ledger.note_outcomes([LedgerEntry(one, state="delivered", attempt=1, reference="M-1", ended_ms=5)], {MAIN})
    assert (row(ledger, one).state, row(other, one).state) == ("delivered", "started")


# --- records that may be known


@pytest.mark.parametrize(
    ("state", "values", "begun_in_main", "begun_in_retry"),
    [
        pytest.param("started", {}, True, True, id="started"),
        pytest.param("not taken", {}, True, True, id="not taken"),
        pytest.param("not taken", {"retry_offset": 3}, False, True, id="not taken in the retry topic"),
        pytest.param("started", {"retry_offset": 3}, False, True, id="started in the retry topic"),
        pytest.param("parked", {"retry_offset": 3}, False, True, id="parked"),
        pytest.param("dead", {}, False, True, id="dead"),
        pytest.param("dead", {"retry_offset": 3}, False, True, id="dead, replayed since"),
        pytest.param("dead", {"retry_offset": 7}, False, False, id="dead, this is the record that died"),
        pytest.param("dead", {"retry_offset": 9}, False, False, id="dead since"),
        pytest.param("delivered", {}, False, False, id="delivered"),
        pytest.param("refused", {}, False, False, id="refused"),
    ],
)
async def test_what_begins(ledger: Ledger, state: str, values: dict[str, int], begun_in_main: bool, begun_in_retry: bool) -> None:
    """What is set aside goes on in the retry topic only; what is dead, by a later record only; what is final, never."""
    for retry, expected in ((False, begun_in_main), (True, begun_in_retry)):
        submission = await put_aside(ledger, state, 0, **values)
        before = row(ledger, submission)
        entry, begun = await begin_one(ledger, begin(submission, 7, retry=retry))
        assert begun is expected
        after = row(ledger, submission)
        assert (after.state, after.attempt) == (("started", 2) if expected else (before.state, 1))
        assert after.retry_offset == (7 if retry and expected else before.retry_offset)
        assert (entry.state, entry.attempt) == (after.state, after.attempt)


async def test_started_and_found_again_is_unclear(ledger: Ledger) -> None:
    """Whoever finds `started` has to ask the back office; whoever finds `not taken` has not."""
    started, not_taken = await put(ledger, "started"), await put(ledger, "not taken")
    assert (await begin_one(ledger, begin(started)))[0].unclear is True
    assert not (await begin_one(ledger, begin(not_taken)))[0].unclear


async def test_doubt_is_remembered(ledger: Ledger) -> None:
    """An unclear attempt stays unclear while the submission is parked, and over a restart."""
    submission = await put_aside(ledger, "parked", 0, retry_offset=1, unclear=True)
    assert (await begin_one(ledger, begin(submission, 1, retry=True)))[0].unclear is True


async def test_untried_changes_nothing(ledger: Ledger) -> None:
    """A record that is handed out to be set aside begins no attempt, known or not."""
    known, new = await put(ledger, "not taken"), new_id()
    answers = await ledger.begin([begin(known, untried=True), begin(new, untried=True)])
    assert [(entry.state, entry.attempt, begun) for entry, begun in answers] == [("not taken", 1, False), ("", 0, False)]
    assert (row(ledger, known).attempt, ledger.entries([new])) == (1, {})


@pytest.mark.parametrize(
    ("waits", "begun"),
    [
        pytest.param({"retry": True}, False, id="retry"),
        pytest.param({"retry": True, "waited": True}, True, id="has waited by our own clock"),
        pytest.param({}, True, id="submissions topic"),
    ],
)
async def test_not_due_waits(ledger: Ledger, waits: dict[str, bool], begun: bool) -> None:
    """A parked submission begins when its time has come, or its process has waited for it, whatever clock wrote the time."""
    state = {} if not waits else {"retry_offset": 1}
    submission = await put_aside(ledger, "not taken", 0, next_try_ms=FAR_MS, **state)
    assert (await begin_one(ledger, begin(submission, 1, **waits)))[1] is begun
    assert row(ledger, submission).attempt == 1 + begun


async def test_replay_begins_at_once_and_counts_anew(ledger: Ledger) -> None:
    """A replayed dead letter does not wait, and has all its tries again."""
    submission = await put_aside(ledger, "dead", 0, next_try_ms=FAR_MS, tries=10)
    entry, begun = await begin_one(ledger, begin(submission, 4, retry=True))
    assert (begun, entry.tries, entry.attempt, row(ledger, submission).tries) == (True, 0, 2, 0)


async def test_outcomes_are_kept(ledger: Ledger) -> None:
    """Delivered in bulk, set aside, or not taken: each row says what became of it; telling it twice changes nothing."""
    delivered, failed, parked = new_id(), new_id(), new_id()
    await ledger.begin_new([delivered, failed, parked], {MAIN})
    entries = [
        LedgerEntry(delivered, state="delivered", attempt=1, started_ms=1, ended_ms=9, reference="M-ü"),
        LedgerEntry(failed, state="not taken", attempt=1, started_ms=1, unclear=True),
        LedgerEntry(
            parked, state="parked", attempt=1, started_ms=1, partition=0, origin_offset=2, retry_offset=0, case_key=b"\xff\0", cause="blip"
        ),
    ]
    for _ in range(2):
        await ledger.note_outcomes(entries, {MAIN})
    assert (row(ledger, delivered).reference, row(ledger, delivered).ended_ms) == ("M-ü", 9)
    assert (row(ledger, failed).state, row(ledger, failed).unclear) == ("not taken", True)
    found = row(ledger, parked)
    assert (found.state, found.cause, found.retry_offset, found.case_key) == ("parked", "blip", 0, b"\xff\0")


async def test_what_a_person_settled_is_kept_without_a_row(ledger: Ledger) -> None:
    """A new ledger that knows nothing of a dead letter remembers that the back office has it: it is not delivered any more."""
    entry, begun = await begin_one(ledger, begin(new_id(), 7, retry=True, untried=True))
    entry.state, entry.reference, entry.ended_ms = states.DELIVERED, "M-1", 5
    await ledger.note_outcomes([entry], {RETRY})
    assert (begun, row(ledger, entry.submission).reference) == (False, "M-1")
    assert (await begin_one(ledger, begin(entry.submission)))[1] is False


async def test_begin_twice_counts_two_attempts(ledger: Ledger) -> None:
    """A crash between `started` and the delivery costs an attempt and a question, nothing else."""
    one = new_id()
    await ledger.begin_new([one], {MAIN})
    entry, begun = await begin_one(ledger, begin(one))
    assert (entry.attempt, entry.unclear, begun) == (2, True, True)


# --- who may write


async def test_whoever_was_overtaken_writes_nothing(opened: Open, ledger: Ledger) -> None:
    """When another process takes a partition over, the first one is refused at each step, and leaves no trace."""
    one, other = new_id(), new_id()
    await ledger.begin_new([one], {MAIN})
    second = opened()
    await second.take_over([MAIN])
    ended = LedgerEntry(one, state="delivered", attempt=1, reference="M-1", ended_ms=1)
    for write in (
        ledger.begin_new([other], {MAIN}),
        ledger.begin([begin(other)]),
        ledger.note_outcomes([ended], {MAIN}),
        ledger.note_offsets({MAIN: 9}, {}),
        ledger.note_starts({MAIN: Start(9, None)}),
    ):
        with pytest.raises(Fenced):
            await write
    assert (row(second, one).state, second.entries([other]), second.positions()) == ("started", {}, {})
    assert len(await second.begin_new([other], {MAIN})) == 1


async def test_the_rest_is_still_ours(opened: Open, ledger: Ledger) -> None:
    """A partition that nobody took stays ours."""
    await opened().take_over([MAIN])
    assert (await begin_one(ledger, begin(new_id(), retry=True)))[1]
    await ledger.note_offsets({RETRY: 4}, {})
    with pytest.raises(Fenced):
        await ledger.note_offsets({RETRY: 5, MAIN: 1}, {})
    assert ledger.positions() == {RETRY: LedgerPosition(4)}


async def test_partition_that_was_never_ours(opened: Open) -> None:
    """Without having taken it over nobody writes for a partition."""
    with pytest.raises(Fenced):
        await opened().begin_new([new_id()], {MAIN})


# --- what a restart finds


async def test_committed_offsets_are_known(opened: Open, ledger: Ledger) -> None:
    """The next owner hears what was about to be committed, in which topic, and what was lost; None where nothing ever was."""
    await ledger.note_starts({MAIN: Start(1, "topic", ask_before=5, lost=1)})
    await ledger.note_offsets({MAIN: 3}, {MAIN: 1})
    await ledger.note_offsets({MAIN: 7}, {MAIN: 2})
    assert await opened().take_over(sorted(BOTH)) == {MAIN: LedgerPosition(7, "topic", 5, 2), RETRY: LedgerPosition()}


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("state", [None, "not taken", "delivered"])
async def test_what_is_unclear_is_asked_for(opened: Open, ledger: Ledger, state: str | None, restarted: bool) -> None:
    """What others may have delivered is begun unclear, whatever its row says, also after a restart; what is delivered stays so."""
    submission = new_id() if state is None else await put_aside(ledger, state, 4)
    await ledger.note_starts({MAIN: Start(0, None, ask_before=5)})
    if restarted:
        ledger = opened()
        await ledger.take_over(sorted(BOTH))
    assert (ledger.has_to_ask(MAIN, 4), ledger.has_to_ask(MAIN, 5), ledger.has_to_ask(RETRY, 4)) == (True, False, False)
    entry, begun = await begin_one(ledger, begin(submission, 4))
    assert (bool(entry.unclear), begun) == (state != "delivered", state != "delivered")
    entry, begun = await begin_one(ledger, begin(new_id(), 5))
    assert (bool(entry.unclear), begun) == (False, True)


async def test_places_in_a_topic_that_is_gone_are_older_than_all(ledger: Ledger) -> None:
    """When a submissions topic is another one, what was dead before still holds its case, before all that the new one has."""
    dead = await put_aside(ledger, "dead", 70, holds=True)
    await ledger.reset({MAIN: Start(0, "new")}, anew={MAIN: 0})
    assert await ledger.cases([0]) == {b"case": CaseState(held={str_id(dead): OLDER_THAN_ALL})}


async def test_parked_submissions_whose_copies_are_gone_begin_anew(ledger: Ledger) -> None:
    """When a retry topic is another one, its submissions are no longer parked, and what was begun with them stays unclear."""
    parked = await put_aside(ledger, "parked", 7, retry_offset=4)
    begun = await put_aside(ledger, "started", 5, retry_offset=6)
    dead = await put_aside(ledger, "dead", 3, retry_offset=2, holds=True)
    assert (sorted(ledger.parked_origins(0)), ledger.parked_origins(1)) == ([5, 7], [])
    await ledger.reset({MAIN: Start(5, "topic"), RETRY: Start(0, "new")}, anew={RETRY: 0})
    assert [(row(ledger, one).state, row(ledger, one).retry_offset) for one in (parked, begun, dead)] == [
        ("not taken", None), ("started", None), ("dead", None),
    ]  # fmt: skip
    assert ledger.positions() == {MAIN: LedgerPosition(5, "topic"), RETRY: LedgerPosition(0, "new")}
    assert [(await begin_one(ledger, begin(one, 7)))[1] for one in (parked, begun, dead)] == [True, True, False]


@pytest.mark.parametrize(("kept", "replayed"), [(0, True), (2, True), (3, False)])
async def test_what_died_in_a_log_that_is_gone_can_be_replayed(ledger: Ledger, kept: int, replayed: bool) -> None:
    """A dead letter is replayed wherever its copy comes to stand in another retry topic; a copy that died and still stands there is no replay."""
    dead = await put_aside(ledger, "dead", 3, retry_offset=2, holds=True)
    await ledger.reset({RETRY: Start(0, "new")}, anew={RETRY: kept})
    assert (await begin_one(ledger, begin(dead, 1, retry=True)))[1] is replayed
    assert (await begin_one(ledger, begin(dead, 3, retry=True)))[1] is True


async def test_cases_with_parked_and_dead_submissions(opened: Open, ledger: Ledger) -> None:
    """A restart knows how far a case is parked, and which of its submissions hold it; what is final or goes on says nothing."""
    await put_aside(ledger, "parked", 1, key=b"a", retry_offset=4)
    await put_aside(ledger, "started", 2, key=b"a", retry_offset=6)
    first = await put_aside(ledger, "dead", 3, key=b"b", holds=True)
    second = await put_aside(ledger, "dead", 4, key=b"b", holds=True, retry_offset=2)
    await put_aside(ledger, "dead", 5, key=b"c", holds=False, retry_offset=9)
    for state in ("delivered", "refused"):
        await put_aside(ledger, state, 6, key=b"d", holds=True, retry_offset=3)
    await put(ledger, "started")
    assert await opened().cases([0, 2]) == {
        b"a": CaseState(parked_through=6),
        b"b": CaseState(held={str_id(first): 3, str_id(second): 4}),
    }
    assert await opened().cases([1]) == {}


async def test_case_is_forgotten_when_it_ends(ledger: Ledger) -> None:
    """After the last of its submissions is delivered, nothing is special about a case."""
    submission = await put_aside(ledger, "parked", 1, retry_offset=4)
    (entry, _) = await begin_one(ledger, begin(submission, 4, retry=True))
    assert await ledger.cases([0]) == {b"case": CaseState(parked_through=4)}
    entry.state, entry.reference, entry.ended_ms = states.DELIVERED, "M-1", 5
    await ledger.note_outcomes([entry], {RETRY})
    assert await ledger.cases([0]) == {}


async def test_rows_of_the_first_version_are_taken_over(store_settings: StoreSettings, opened: Open) -> None:
    """A ledger as the first version kept it goes on: what is delivered stays so, what was begun is asked about; once."""
    ids = first_ledger(store_settings, OFFICE)
    for _ in range(2):  # the second opening finds nothing to do
        ledger = opened()
        known = ledger.entries([one.bytes for one in ids.values()])
        assert {name: known[one.bytes].state for name, one in ids.items()} == {name: name for name in ids}
    assert not ledger._store.read_now(lambda connection: sa.inspect(connection).has_table("ledger"))
    await ledger.take_over(sorted(BOTH))
    delivered = row(ledger, ids["delivered"].bytes)
    moment = datetime(2026, 3, 1, 9, 30, 0, 250_000, tzinfo=UTC).timestamp() * 1000
    assert (delivered.reference, delivered.attempt, delivered.ended_ms) == ("M-1", 2, moment)
    assert (await begin_one(ledger, begin(ids["started"].bytes)))[0].unclear is True
    assert (await begin_one(ledger, begin(ids["delivered"].bytes)))[1] is False
    assert not (await begin_one(ledger, begin(ids["not taken"].bytes)))[0].unclear


def test_ids_are_written_as_people_do() -> None:
    """The id in the ledger is that of the submission."""
    one = uuid4()
    assert str_id(one.bytes) == str(one)
    assert UUID(str_id(one.bytes)) == one
