"""What audit, statistics and status take from records, and what they do not believe."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from consumers.audit import recorder, tables
from consumers.statistics import facts
from infra.kafka.records import ProbeRecord, SubmissionRecord, read_any, read_event, read_submission
from infra.kafka.sink import UnreadableRecord
from infra.settings import StoreSettings
from infra.stores import Store
from schemas import probes
from schemas.headers import PROBE, Header
from tests import builders

HEADERS = {
    Header.SUBMISSION: str(uuid4()),
    Header.CASE: str(uuid4()),
    Header.CITY: "muenchen",
    Header.OFFICE: "muenchen.meldewesen",
    Header.SERVICE: "99115005104000",
    Header.PORTAL: "portal",
    Header.ACCEPTED_AT: "2026-03-01T10:00:00.000+01:00",
}


def submission_record(changes: dict[Header, str | None]) -> Any:
    """A submission's record; a header of None is left out."""
    headers = [(name.value, value.encode()) for name, value in (HEADERS | changes).items() if value is not None]
    return SimpleNamespace(
        topic="muenchen.meldewesen.submissions", partition=0, offset=1, timestamp=1_772_355_600_000, headers=headers, value=b"<x/>"
    )


def event_record(topic: str, city: str, office: str) -> Any:
    """An event's record."""
    event = builders.event(uuid4(), office=office)
    event = event.model_copy(update={"data": event.data.model_copy(update={"city": city})})
    return SimpleNamespace(topic=topic, partition=0, offset=1, value=event.model_dump_json().encode())


def test_submission_is_read_from_headers() -> None:
    """Ids, place, moment and size are taken; a moment is the same moment in any zone."""
    record = read_any(submission_record({}))
    assert isinstance(record, SubmissionRecord)
    assert (record.office, record.size_bytes, record.accepted_at) == ("muenchen.meldewesen", 4, datetime(2026, 3, 1, 9, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (Header.SUBMISSION, None),
        (Header.SUBMISSION, "Maier"),
        (Header.ACCEPTED_AT, "yesterday"),
        (Header.ACCEPTED_AT, "2026-03-01T10:00:00"),
        (Header.ACCEPTED_AT, "9999-12-31T23:59:59-14:00"),
        (Header.PORTAL, "por\0tal"),
    ],
)
def test_malformed_headers_are_unreadable(name: Header, value: str | None) -> None:
    """A header that is missing or says nothing makes the record unreadable, and its value is not repeated."""
    with pytest.raises(UnreadableRecord) as caught:
        read_submission(submission_record({name: value}))
    assert "Maier" not in str(caught.value)


@pytest.mark.parametrize(
    ("topic", "city", "office"),
    [
        ("augsburg.events", "muenchen", "muenchen.meldewesen"),
        ("augsburg.events", "augsburg", "muenchen.meldewesen"),
        ("muenchen.events", "augsburg", "augsburg.gewerbe"),
    ],
)
def test_city_speaks_for_itself_only(topic: str, city: str, office: str) -> None:
    """An event about another city's submission is not believed."""
    with pytest.raises(UnreadableRecord, match="another city"):
        read_event(event_record(topic, city, office))


def test_event_of_the_own_city_is_believed() -> None:
    """An event on its city's topic about its city's office is taken."""
    assert read_event(event_record("augsburg.events", "augsburg", "augsburg.gewerbe")).event.data.office == "augsburg.gewerbe"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"reference": "Maier\0"}, id="NUL"),
        pytest.param({"next_try_at": "9999-12-31T23:59:59-14:00"}, id="time that no calendar has in UTC"),
        pytest.param({"attempt": 2**31}, id="attempt that no column holds"),
        pytest.param({"state": "Maier"}, id="state of another version"),
    ],
)
def test_event_that_no_store_takes_is_unreadable(changes: dict[str, Any]) -> None:
    """What a database would choke on never gets there: it would stop the reader at this record for ever. Its text is not repeated."""
    value = json.loads(builders.event(uuid4()).model_dump_json())
    value["data"] |= changes
    record = SimpleNamespace(topic="muenchen.events", partition=0, offset=1, value=json.dumps(value).encode())
    with pytest.raises(UnreadableRecord) as caught:
        read_event(record)
    assert "Maier" not in str(caught.value)


async def test_a_probe_is_recorded_and_counted_by_nobody(tmp_path: Path) -> None:
    """Audit and statistics pass it over, and it is nothing that they could not read; what bears a submission is one, whatever else stands there."""
    record = submission_record({})
    record.headers = [*record.headers, (PROBE, b"2026-03-01T10:00:00.000+01:00")]
    assert isinstance(read_any(record), SubmissionRecord)
    record.headers = probes.headers_of("muenchen.meldewesen", datetime(2026, 3, 1, 9, 0, tzinfo=UTC))
    assert read_any(record) == ProbeRecord()
    audit = await kept(tables.open_store(StoreSettings(folder=tmp_path)), recorder.store_rows, tables.submissions, read_any(record))
    counted = await kept(facts.open_store(StoreSettings(folder=tmp_path)), facts.store_rows, facts.accepted, read_any(record))
    assert (audit, counted) == (0, 0)


async def kept(store: Store, store_rows: Any, table: sa.Table, row: Any) -> int:
    """How many rows a store has after this one."""
    with closing(store):
        await store.write(lambda connection: store_rows(connection, [row]))
        return store.read_now(lambda connection: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
