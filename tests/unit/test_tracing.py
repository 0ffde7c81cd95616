"""Where is it? By id, code or case, from whoever knows it; what lies in the outbox is never denied, and what waits says since when and why."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from consumers.audit import recorder, tables
from infra.kafka.outgoing import Written
from infra.kafka.records import SubmissionRecord
from infra.settings import StoreSettings
from infra.stores import Store
from producers.feedback import status_feed
from producers.outbox import pending
from producers.outbox import tables as tables_of_outbox
from producers.outbox.outbox import Candidate, Outbox
from schemas import problems, search
from schemas.errors import StadtbusError
from schemas.events import State
from schemas.headers import Header
from schemas.hotline import earlier_code, parse_hotline_code
from stadtbus import readiness, tracing
from stadtbus.readiness import Readiness
from stadtbus.settings import Settings
from stadtbus.tracing import Trace, Tracer
from tests import builders

OFFICE = "muenchen.meldewesen"
ID = UUID("00000000-0000-4000-8000-000000000001")
CODE = "GTJ2-EXBT"
CASE = UUID("5c1f7a40-3b0e-4d7c-9a55-0f6f2f0c8d11")
AT = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
RECORD = SubmissionRecord(
    submission=ID, case=str(CASE), city="muenchen", office=OFFICE, service="s", portal="portal", test=False, accepted_at=AT,
    published_at=AT, topic=f"{OFFICE}.submissions", partition=0, offset=7, size_bytes=9,
)  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Stores in an empty folder, and processes that say what is wrong with them."""

    async def says(_: object, address: str) -> Readiness:
        return Readiness(address, 503, "office: down since noon" if "9108" not in address else "relay: refused")

    monkeypatch.setattr(readiness, "ask", says)
    return Settings(stores=StoreSettings(folder=tmp_path / "stores"))


@contextmanager
def opened(store: Store) -> Iterator[Store]:
    """A store, closed again."""
    try:
        yield store
    finally:
        store.close()


def accept(
    settings: Settings, *states: State, submission: UUID = ID, published: bool = True, reference: str | None = None, portal: str = "portal"
) -> None:
    """The gateway has accepted it, and has heard so much of it."""
    box = Outbox(settings.stores, limit=9)
    digest = hashlib.sha512(b"x").hexdigest()

    async def work() -> None:
        await box.accept(Candidate(submission, portal, digest, OFFICE, CASE, AT, {Header.SUBMISSION: str(submission)}, b"x"))
        code = tables_of_outbox.submission.update().values(hotline_code=earlier_code(submission))  # as the record without a header says it
        await box.store.write(lambda connection: connection.execute(code.where(tables_of_outbox.submission.c.id == submission)))
        if published:
            await pending.note_published(box.store, [(one, Written(0, 7)) for one in await builders.waiting(box)])
        events = builders.records(*(builders.event(submission, state, office=OFFICE, reference=reference) for state in states))
        await box.store.write(partial(status_feed.store_events, records=events))

    with opened(box.store):
        asyncio.run(work())


def record(settings: Settings, *states: State, reference: str | None = None) -> None:
    """The audit has recorded it, and so many events."""
    events = builders.records(*(builders.event(ID, state, office=OFFICE, reference=reference) for state in states))
    with opened(tables.open_store(settings.stores)) as store:
        asyncio.run(store.write(partial(recorder.store_rows, rows=[RECORD, *events])))


def found(settings: Settings, wanted: str) -> list[Trace]:
    """What `trace` finds."""
    records = Tracer(settings)
    try:
        named, _, _ = records.find_named(wanted, search.parse(wanted), 20)
        return asyncio.run(records.with_reasons(named))
    finally:
        records.close()


def steps(settings: Settings, wanted: str = str(ID)) -> list[str]:
    """The steps of the one that is found."""
    (one,) = found(settings, wanted)
    return [step.what for step in one.steps]


@pytest.mark.parametrize("known_by", ["audit", "outbox", "both"])
@pytest.mark.parametrize(
    "wanted",
    [str(ID), str(ID).upper(), f" {ID} ", CODE, "gtj2exbt", "GTJ2 EXBT", "gtj2\N{EN DASH}exbt", str(CASE), str(ID).replace("-", "")],
)
def test_found_by_whatever_is_known_of_it(settings: Settings, known_by: str, wanted: str) -> None:
    """Id, hotline code in any spelling and case find it, in the audit as in the outbox, once; the code is told."""
    if known_by != "outbox":
        record(settings, State.DELIVERED)
    if known_by != "audit":
        accept(settings, State.DELIVERED)
    (one,) = found(settings, wanted)
    assert (one.submission, one.hotline_code, [step.what for step in one.steps]) == (ID, CODE, ["submitted", "published", "delivered"])


@pytest.mark.parametrize("said", ["10OI-L0AB", "1001-10ab", "loo1 ioAB"])
def test_letters_that_look_like_digits(said: str) -> None:
    """Whoever writes O for 0, or I and L for 1, means the digit."""
    assert parse_hotline_code(said) == "1001-10AB"


@pytest.mark.parametrize("said", ["", "Maier", "Ä1", "../../x", "Haus 7\u00e4", "a" * 90 + "1"])
def test_what_is_neither_id_nor_code(settings: Settings, said: str) -> None:
    """Anything else is a wrong call, which is told without quoting it."""
    record(settings)
    with pytest.raises(StadtbusError) as error:
        found(settings, said)
    assert (error.value.problem, error.value.problem.exit_code) == (problems.WANTED_UNCLEAR, 2)


@pytest.mark.parametrize("known_by", ["audit", "outbox"])
@pytest.mark.parametrize(
    "wanted",
    ["0000", "00000000-0000", "00000000-0000-4000-8000-00000000000", "M-000017", " m-000017 ", "GTJ2-EXB7", "GTJ-2EXBT7", "TGJ2-EXBT", "GJ2EXBT", "GTJ2-EXBU"],
)  # fmt: skip
def test_what_is_nearly_known(settings: Settings, known_by: str, wanted: str) -> None:
    """The beginning of an id, the office's number in any case, and a code with one mistake find it, in the audit as in the outbox."""
    (record if known_by == "audit" else accept)(settings, State.DELIVERED, reference="M-000017")
    (one,) = found(settings, wanted)
    assert (one.submission, one.reference) == (ID, "M-000017")


def test_two_mistakes_are_none(settings: Settings) -> None:
    """Who is two letters away is not told somebody else's."""
    record(settings)
    assert found(settings, "GTJ2-EX77") == []


def test_not_yet_on_kafka(settings: Settings) -> None:
    """What lies in the outbox is there, with since when, and with what the gateway says of it."""
    record(settings)  # somebody else's
    waiting = uuid4()
    accept(settings, submission=waiting, published=False)
    (one,) = found(settings, earlier_code(waiting))
    assert [(step.what, step.at) for step in one.steps] == [("submitted", AT), ("not yet on Kafka", AT), ("waits", AT)]
    assert one.steps[-1].where == "gateway: relay: refused"


@pytest.mark.parametrize("state", [None, State.PARKED, State.RETRY_WAIT])
def test_one_that_waits_says_why(settings: Settings, state: State | None) -> None:
    """The last line of one that waits says what the process of its office says."""
    record(settings, *([state] if state else []))
    (one,) = found(settings, CODE)
    assert (one.steps[-1].what, one.steps[-1].where) == ("waits", f"{OFFICE}: office: down since noon")


def test_a_dead_letter_waits_for_an_operator(settings: Settings) -> None:
    """The last line of a dead letter is the command that shows it."""
    record(settings, State.DEAD_LETTER)
    (one,) = found(settings, CODE)
    assert (one.steps[-1].what, f"deadletters show {ID}" in one.steps[-1].where) == ("waits", True)


def test_the_gateway_may_know_more(settings: Settings) -> None:
    """What the status feed has heard and the audit has not (yet) is shown behind what the audit has."""
    record(settings, State.PARKED)
    accept(settings, State.PARKED, State.DELIVERED)
    assert steps(settings) == ["submitted", "published", "parked", "delivered"]


def test_all_of_a_case(settings: Settings) -> None:
    """The id of a case shows each of its submissions."""
    accept(settings, State.DELIVERED)
    accept(settings, State.PARKED, submission=uuid4())
    assert sorted(one.steps[-1].what for one in found(settings, str(CASE))) == ["delivered", "waits"]


def test_nothing_is_denied_where_nothing_is_recorded(settings: Settings) -> None:
    """Where neither audit nor outbox is, nobody can tell; and none is made by asking."""
    with pytest.raises(StadtbusError) as error:
        found(settings, str(ID))
    assert (error.value.problem, error.value.problem.exit_code) == (problems.RECORDS_ELSEWHERE, 3)
    assert not settings.stores.folder.exists()


def test_an_audit_of_an_earlier_version_knows_codes(settings: Settings) -> None:
    """What was recorded before codes were kept is found by its code after the upgrade."""
    record(settings)
    engine = sa.create_engine(settings.stores.url_of("audit"), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP INDEX audit_submission_hotline_code")
        connection.exec_driver_sql("DROP INDEX audit_submission_case")
        connection.exec_driver_sql("DROP INDEX audit_submission_accepted_at")
        connection.exec_driver_sql("DROP INDEX audit_event_reference")
        connection.exec_driver_sql("ALTER TABLE audit_submission DROP COLUMN hotline_code")
        connection.exec_driver_sql("UPDATE store_version SET version = version - 2")
    assert steps(settings, CODE) == ["submitted", "published", "waits"]


def test_states_that_wait_are_known() -> None:
    """Of each state it is decided whether a submission waits in it."""
    over = {State.DELIVERED, State.ACCEPTED, State.REJECTED}
    assert tracing._WAITING | {State.DEAD_LETTER} | over == set(State)
    assert readiness.GATEWAY == "gateway"
