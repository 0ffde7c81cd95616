"""Records grow: readers ignore what they do not know, writers stay strict (docs/decisions/0016).

"Old reader, new writer" is today's reader with what a later version may add; "new reader, old writer" is today's reader with what the
first version wrote.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from consumers.delivery.job import HeaderReader, Job
from consumers.desk.deadletters import DeadLetters, DeadLetterState
from infra.kafka.records import read_event, read_submission
from infra.kafka.sink import UnreadableRecord
from infra.migrations import add_missing_columns
from infra.settings import StoreSettings
from infra.stores import Store
from schemas import operations, problems
from schemas.copies import Place, headers_of_copy, take_apart
from schemas.errors import UsageError
from schemas.events import State, StatusEvent
from schemas.headers import CopyHeader, Header, RawHeaders, decode
from schemas.operations import Operation, OperatorAction
from tests import builders
from tests.unit.test_records import HEADERS

ONE = UUID("3f2b6c1e-9d0a-4c55-8b1e-0f7a5d2c9e11")
OFFICE = "muenchen.meldewesen"
KNOWN = {*StatusEvent.model_fields, *StatusEvent.model_fields["data"].annotation.model_fields, *Operation.model_fields}  # type: ignore[union-attr]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)
UNKNOWN = st.dictionaries(st.text().filter(lambda name: name not in KNOWN), JSON, max_size=3)
FIRST_EVENT = (
    '{"specversion":"1.0","id":"7d4a3b52-5a1e-5c43-9d0a-0f7a5d2c9e11","source":"//stadtbus.example/muenchen/meldewesen",'
    '"type":"example.stadtbus.submission.delivered","time":"2026-03-01T08:30:00.000+00:00","subject":"3f2b6c1e-9d0a-4c55-8b1e-0f7a5d2c9e11",'
    '"datacontenttype":"application/json","data":{"submission":"3f2b6c1e-9d0a-4c55-8b1e-0f7a5d2c9e11","case":"c","city":"muenchen",'
    '"office":"muenchen.meldewesen","service":"99115005104000","portal":"portal","state":"delivered","reference":"M-1"}}'
)
"""As the first version wrote it: without attempt and its beginning."""
FIRST_OPERATION = '{"at":"2026-03-01T08:30:00Z","actor":"op","action":"replay","office":"muenchen.meldewesen","count":3}'


def kafka_record(topic: str, value: bytes, headers: RawHeaders = (), offset: int = 7) -> Any:
    """A record as a consumer gets it."""
    return SimpleNamespace(topic=topic, partition=1, offset=offset, timestamp=1_772_355_600_000, key=b"k", value=value, headers=headers)


# --- events


@given(envelope=UNKNOWN, data=UNKNOWN)
def test_event_of_a_newer_writer_is_read(envelope: dict[str, Any], data: dict[str, Any]) -> None:
    """Members that this version does not know, of the envelope or of the data, change nothing of what it knows."""
    event = builders.event(ONE)
    grown = json.loads(event.model_dump_json()) | envelope
    grown["data"] |= data
    assert read_event(kafka_record("muenchen.events", json.dumps(grown).encode())).event == event


def test_event_of_the_first_writer_is_read() -> None:
    """What was added since may be missing."""
    event = read_event(kafka_record("muenchen.events", FIRST_EVENT.encode())).event
    assert (event.data.submission, event.data.state, event.data.attempt) == (ONE, State.DELIVERED, None)


def test_state_of_a_newer_writer_is_kept_for_later() -> None:
    """A state that this version does not know is unreadable, and so kept: taken for another one it would be untrue."""
    value = FIRST_EVENT.replace('"state":"delivered"', '"state":"in_review"')
    with pytest.raises(UnreadableRecord, match=r"enum at data\.state"):
        read_event(kafka_record("muenchen.events", value.encode()))


def test_event_writers_stay_strict() -> None:
    """Nothing that is not in the model can be put into an event."""
    with pytest.raises(ValidationError):
        StatusEvent.model_validate(builders.event(ONE).model_dump() | {"family_name": "x"})


# --- operations


@given(more=UNKNOWN)
def test_operation_of_a_newer_writer_is_read(more: dict[str, Any]) -> None:
    """Members that this version does not know change nothing of what it knows."""
    assert operations.read(json.dumps(json.loads(FIRST_OPERATION) | more).encode()) == operations.read(FIRST_OPERATION.encode())


def test_operation_of_the_first_writer_is_read() -> None:
    """What was added since may be missing."""
    operation = operations.read(FIRST_OPERATION.encode())
    assert (operation.action, operation.count, operation.reference) == (OperatorAction.REPLAY, 3, None)


def test_operation_writers_stay_strict() -> None:
    """Nothing that is not in the model can be put into an operation."""
    with pytest.raises(ValidationError):
        Operation.model_validate(json.loads(FIRST_OPERATION) | {"ticket": "4711"})


# --- headers of submissions

NEW_HEADERS = st.lists(
    st.tuples(st.text(st.characters(codec="ascii"), min_size=1).filter(lambda name: name not in set(Header)), st.none() | st.binary()),
    max_size=4,
)


def written(names: set[Header] | None = None) -> list[tuple[str, bytes | None]]:
    """Headers of a submission."""
    return [(name.value, value.encode()) for name, value in HEADERS.items() if names is None or name in names]


@given(before=NEW_HEADERS, behind=NEW_HEADERS)
def test_headers_of_a_newer_writer_are_read(before: RawHeaders, behind: RawHeaders) -> None:
    """Headers that this version does not know, wherever they stand, change nothing for audit, statistics and the office."""
    headers = [*before, *written(), *behind]
    assert decode(headers) == decode(written())
    topic = f"{OFFICE}.submissions"
    assert read_submission(kafka_record(topic, b"<x/>", headers)) == read_submission(kafka_record(topic, b"<x/>", written()))
    job, plain = (Job(TopicPartition(topic, 1), kafka_record(topic, b"<x/>", one), 0, False) for one in (headers, written()))  # noqa: FBT003
    for one in (job, plain):
        HeaderReader(OFFICE).read(one)
    assert (job.submission, job.case_id, job.service) == (plain.submission, plain.case_id, plain.service)


def test_headers_of_the_first_writer_are_read() -> None:
    """Only what a submission is known by has to be there."""
    record = read_submission(kafka_record(f"{OFFICE}.submissions", b"<x/>", written(set(HEADERS) - {Header.TEST})))
    assert (str(record.submission), record.test) == (HEADERS[Header.SUBMISSION], False)


# --- copies in `.retry` and `.deadletters`

PLACE = Place(f"{OFFICE}.submissions", 1, 41)
MORE: list[tuple[str, bytes | None]] = [("bus_hold_until", b"\xff\x00"), ("bus_note", None), ("__connect.errors.new", b"1")]


def test_copy_of_a_newer_writer_is_read() -> None:
    """Headers in the block that this version does not know change nothing of what it knows, and are no part of the original."""
    block = {CopyHeader.ERROR_CLASS: "blip", CopyHeader.REPLAYED_FROM: f"{OFFICE}.deadletters/1/3"}
    plain = headers_of_copy(written(), PLACE, block)
    grown = [*plain, *MORE]
    copy = take_apart(grown)
    assert (list(copy.original), copy.origin, copy.block[CopyHeader.ERROR_CLASS]) == (written(), PLACE, "blip")
    assert copy.fingerprint(OFFICE) == take_apart(plain).fingerprint(OFFICE)


def test_dead_letter_of_a_newer_writer_is_shown_and_replayed() -> None:
    """The desk knows a letter with unknown headers, and a record in `.retry` with unknown headers still says what became of it."""
    letters = DeadLetters(OFFICE)
    letters.take(
        kafka_record(
            f"{OFFICE}.deadletters", b"<x/>", [*headers_of_copy(written(), PLACE, {CopyHeader.ERROR_CLASS: "new-class"}), *MORE], 3
        )
    )
    (letter,) = letters.open
    assert (letter.submission, letter.origin, letter.cause.error_class) == (HEADERS[Header.SUBMISSION], 41, "new-class")
    replayed = [*headers_of_copy(written(), PLACE, {CopyHeader.REPLAYED_FROM: str(letter.place)}), *MORE]
    letters.take(kafka_record(f"{OFFICE}.retry", b"<x/>", replayed, 9))
    assert letters.state_of(letter) is DeadLetterState.REPLAYED


def test_copy_of_the_first_writer_is_read() -> None:
    """Only the place has to be there."""
    letters = DeadLetters(OFFICE)
    letters.take(kafka_record(f"{OFFICE}.deadletters", b"<x/>", headers_of_copy(written(), PLACE, {}), 3))
    (letter,) = letters.open
    assert (letter.origin, letter.cause.error_class, letter.failed_ms) == (41, "", letter.timestamp_ms)


# --- databases

TABLES = sa.MetaData()
NOTE = sa.Table("note", TABLES, sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))


def _grow(connection: sa.Connection) -> None:
    add_missing_columns(connection, NOTE)


def test_database_of_a_newer_version_is_refused(store_settings: StoreSettings) -> None:
    """It says so and changes nothing: the newer version opens it as it was, and its steps do not run again."""
    ran: list[int] = []
    steps = [_grow, lambda _: ran.append(2)]
    Store(store_settings, "notes", TABLES, steps).close()
    other = sa.MetaData()
    sa.Table("left_by_the_old_version", other, sa.Column("id", sa.Integer, primary_key=True))
    with pytest.raises(UsageError) as refused:
        Store(store_settings, "notes", other, steps[:1])
    assert refused.value.problem == problems.STORE_NEWER
    opened = Store(store_settings, "notes", TABLES, steps)
    assert opened.read_now(lambda connection: sa.inspect(connection).has_table("left_by_the_old_version")) is False
    assert ran == [2]
    opened.close()
