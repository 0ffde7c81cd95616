"""Topics, problems, events and headers: the small vocabularies that everything shares."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from schemas import catalogue, headers, problems, topics
from schemas.errors import CannotTell, Rejected, StadtbusError, UsageError
from schemas.events import EventWriter, State, StatusChange, StatusData, StatusEvent, iso
from schemas.headers import Header
from schemas.problems import Problem
from tests import builders

OFFICES = catalogue.load().offices
TOPICS = topics.all_topics(OFFICES)
EARLIER, LATER = "2026-03-01T08:30:00.000+00:00", "2026-03-02T08:30:00.000+00:00"


def test_topics_of_the_catalogue() -> None:
    """Each office has three topics, each city one, the bus two; no name occurs twice, whatever the order of offices."""
    assert [topic.name for topic in TOPICS] == [
        *(f"{office}.{kind}" for office in OFFICES for kind in ("submissions", "retry", "deadletters")),
        *(f"{city}.events" for city in ("augsburg", "muenchen", "nuernberg")),
        "stadtbus.operations",
        "stadtbus.heartbeats",
    ]
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)
    assert topics.all_topics(reversed(OFFICES)) == TOPICS


@pytest.mark.parametrize("office", OFFICES)
def test_prefix_is_the_city_and_a_dot(office: str) -> None:
    """An ACL on the prefix of a city covers its topics and no others."""
    city = office.split(".", maxsplit=1)[0]
    mine = {topic.name for topic in [*topics.of_office(office), *topics.of_city(city)]}
    assert {topic.name for topic in TOPICS if topic.name.startswith(f"{city}.")} >= mine
    assert all(name.startswith(f"{city}.") for name in mine)
    assert topics.submissions(office) in mine
    assert topics.events(city) in mine


def test_copies_have_room_for_error_headers() -> None:
    """Retry and dead-letter topics take 2 MiB, all others 1 MiB."""
    large = {topic.name for topic in TOPICS if topic.max_message_bytes == 2 * 1024 * 1024}
    assert large == {topic.name for topic in TOPICS if topic.name.endswith((".retry", ".deadletters"))}
    assert {topic.config()["max.message.bytes"] for topic in TOPICS if topic.name not in large} == {"1048576"}


@pytest.mark.parametrize(
    ("name", "days", "cleanup"),
    [
        ("augsburg.gewerbe.submissions", 30, "delete"),
        ("augsburg.gewerbe.retry", 150, "delete"),
        ("augsburg.gewerbe.deadletters", 120, "delete"),
        ("augsburg.events", 90, "delete"),
        ("stadtbus.operations", 400, "delete"),
        ("stadtbus.heartbeats", 7, "compact"),
    ],
)
def test_topic_settings(name: str, days: int, cleanup: str) -> None:
    """Each kind of topic is kept as long as the design says."""
    config = next(topic for topic in TOPICS if topic.name == name).config()
    assert (int(config["retention.ms"]), config["cleanup.policy"]) == (days * 86_400_000, cleanup)


def test_recorded_topics_count_once() -> None:
    """Audit and statistics read submissions and events, never the copies in retry and dead letters."""
    assert topics.recorded(OFFICES) == [
        *(f"{office}.submissions" for office in OFFICES),
        *(f"{city}.events" for city in ("augsburg", "muenchen", "nuernberg")),
    ]


def test_problem_codes_are_distinct() -> None:
    """Every problem has its own code, title and type."""
    assert len(problems.PROBLEMS) > 30
    for values in (
        [one.code for one in problems.PROBLEMS],
        [one.title for one in problems.PROBLEMS],
        [one.type_uri for one in problems.PROBLEMS],
    ):
        assert len(set(values)) == len(problems.PROBLEMS)


@pytest.mark.parametrize("problem", problems.PROBLEMS, ids=lambda problem: problem.code)
def test_problem_helps(problem: Problem) -> None:
    """Every problem has a stable type, a hint that is a sentence, and statuses that exist; 0 would mean fine."""
    assert problem.type_uri == f"https://stadtbus.example/problems/{problem.code}"
    assert problem.code == problem.code.lower().replace("_", "-").replace(" ", "-")
    assert problem.hint.endswith(".")
    assert problem.hint != problem.title
    assert problem.status in {400, 401, 403, 404, 405, 408, 409, 413, 414, 415, 422, 429, 431, 500, 503}
    assert problem.exit_code in {1, 2, 3}


@pytest.mark.parametrize(
    "problem", [problems.KAFKA_UNREACHABLE, problems.STORE_UNREACHABLE, problems.BROKER_FAILED], ids=lambda one: one.code
)
def test_what_does_not_answer_is_exit_code_3(problem: Problem) -> None:
    """A system that does not answer is told apart from a wrong command."""
    assert problem.exit_code == 3


@pytest.mark.parametrize("kind", [Rejected, UsageError, CannotTell])
def test_diagnostics_name_what_where_and_next(kind: type[StadtbusError]) -> None:
    """A person at a terminal reads what is wrong, where, and how to go on; a program gets the same as members."""
    error = kind(problems.NOT_VALID, "postleitzahl is missing", where="line 7")
    assert error.diagnostics().splitlines() == [
        "The message breaks its schema (not-schema-valid)",
        "  what:  postleitzahl is missing",
        "  where: line 7",
        f"  next:  {problems.NOT_VALID.hint}",
    ]
    assert error.as_dict() == {
        "type": "https://stadtbus.example/problems/not-schema-valid",
        "title": "The message breaks its schema",
        "status": 422,
        "detail": "postleitzahl is missing",
        "code": "not-schema-valid",
        "hint": problems.NOT_VALID.hint,
        "where": "line 7",
        "xoev": "X001",
    }


def test_diagnostics_without_detail() -> None:
    """Without detail and place the title says what is wrong."""
    error = Rejected(problems.NOT_FOUND)
    assert "  what:  No submission with this id\n  next:" in error.diagnostics()
    assert error.as_dict().keys() == {"type", "title", "status", "detail", "code", "hint"}


ONE, OTHER = UUID(int=1), UUID(int=2)


def test_event_id_follows_from_what_happened() -> None:
    """The same step has the same id at any time; a final state once per submission, another one once per attempt."""
    one = builders.event(ONE)
    assert builders.event(ONE, at=LATER, reference="M-2", attempt=7).id == one.id
    parked = builders.event(ONE, State.PARKED)
    assert builders.event(ONE, State.PARKED, at=LATER, reason="blip").id == parked.id
    others = [builders.event(OTHER), builders.event(ONE, State.REJECTED), parked, builders.event(ONE, State.PARKED, attempt=2)]
    assert len({one.id, *(event.id for event in others)}) == 5
    assert {event.id.version for event in others} == {5}


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="delivered"),
        pytest.param({"reference": 'M-1 ü "quoted" back\\slash \u2028 / 𝔐'}, id="a reference with any printable character"),
        pytest.param({"reference": None, "reason": "case-not-ready", "next_try_at": LATER}, id="parked"),
        pytest.param({"reference": None, "attempt": 0}, id="untried"),
    ],
)
@pytest.mark.parametrize("answers_later", [True, False])
@pytest.mark.parametrize("state", State)
def test_written_event_is_what_the_model_reads(state: State, answers_later: bool, more: dict[str, Any]) -> None:
    """What the writer writes without the model is valid against it, member for member, and nothing is lost or added."""
    values: dict[str, Any] = {"at": EARLIER, "attempt": 3, "begun_at": EARLIER, "reference": "M-1"}
    step = StatusChange(state, **(values | more))
    written = EventWriter("muenchen.meldewesen", answers_later=answers_later).write(step, str(ONE), "c/1", "99115005104000", "portal")
    event = StatusEvent.model_validate_json(written)
    data = StatusData(
        submission=ONE, case="c/1", city="muenchen", office="muenchen.meldewesen", service="99115005104000", portal="portal", state=state,
        reference=step.reference, reason=step.reason, attempt=step.attempt, begun_at=datetime.fromisoformat(EARLIER),
        next_try_at=None if step.next_try_at is None else datetime.fromisoformat(step.next_try_at),
        final=state in ("accepted", "rejected") or (state == "delivered" and not answers_later),
    )  # fmt: skip
    assert event == StatusEvent(
        id=event.id, source="//stadtbus.example/muenchen/meldewesen", type=f"example.stadtbus.submission.{state}",
        time=datetime.fromisoformat(EARLIER), subject=str(ONE), data=data,
    )  # fmt: skip
    assert json.loads(written) == event.model_dump(mode="json", exclude_none=True) | {
        "time": EARLIER,
        "data": event.data.model_dump(mode="json", exclude_none=True)
        | {"begun_at": EARLIER}
        | ({"next_try_at": LATER} if step.next_try_at else {}),
    }


def test_moments_are_written_in_utc_with_milliseconds() -> None:
    """Milliseconds since the epoch become what RFC 3339 reads everywhere."""
    assert iso(1_772_353_800_007) == "2026-03-01T08:30:00.007+00:00"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param([], {}, id="none"),
        pytest.param([("bus_city", b"muenchen")], {"bus_city": "muenchen"}, id="known"),
        pytest.param([("bus_city", "München".encode())], {"bus_city": "München"}, id="UTF-8"),
        pytest.param([("bus_city", b"\xff\x00\xfe")], {"bus_city": "\ufffd\x00\ufffd"}, id="binary"),
        pytest.param([("bus_city", None)], {}, id="null"),
        pytest.param([("bus_city", None), ("bus_city", b"a")], {"bus_city": "a"}, id="null, then a value"),
        pytest.param([("bus_city", b"a"), ("bus_city", b"b")], {"bus_city": "a"}, id="twice"),
        pytest.param([("foreign", b"\xff"), ("__connect.errors.topic", b"t")], {}, id="foreign"),
    ],
)
def test_decode_takes_any_header(raw: list[tuple[str, bytes | None]], expected: dict[str, str]) -> None:
    """Known headers are read; nothing that somebody else wrote can break the reading."""
    assert headers.decode(raw) == expected


def test_headers_travel_as_utf_8() -> None:
    """What is written is read back equal."""
    written = {Header.CITY: "muenchen", Header.SUBJECT: "ü"}
    assert headers.encode(written) == [("bus_city", b"muenchen"), ("ce_subject", "ü".encode())]
    assert headers.decode(headers.encode(written)) == written
