"""Topics, problems, events and headers: the small vocabularies that everything shares."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from pydantic import ValidationError

from schemas import catalogue, errors, headers, topics
from schemas.errors import CannotTell, Problem, Rejected, StadtbusError, UsageError
from schemas.events import State, StatusData, StatusEvent
from schemas.headers import Header

OFFICES = catalogue.load().offices
TOPICS = topics.all_topics(OFFICES)
AT = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
DATA = StatusData(
    submission=UUID(int=1),
    case="c",
    city="muenchen",
    office="muenchen.meldewesen",
    service="99115005104000",
    portal="portal",
    state=State.DELIVERED,
)


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
        ("augsburg.gewerbe.retry", 30, "delete"),
        ("augsburg.gewerbe.deadletters", 90, "delete"),
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
    assert len(errors.PROBLEMS) > 30
    for values in (
        [one.code for one in errors.PROBLEMS],
        [one.title for one in errors.PROBLEMS],
        [one.type_uri for one in errors.PROBLEMS],
    ):
        assert len(set(values)) == len(errors.PROBLEMS)


@pytest.mark.parametrize("problem", errors.PROBLEMS, ids=lambda problem: problem.code)
def test_problem_helps(problem: Problem) -> None:
    """Every problem has a stable type, a hint that is a sentence, and statuses that exist; 0 would mean fine."""
    assert problem.type_uri == f"https://stadtbus.example/problems/{problem.code}"
    assert problem.code == problem.code.lower().replace("_", "-").replace(" ", "-")
    assert problem.hint.endswith(".")
    assert problem.hint != problem.title
    assert problem.status in {401, 403, 404, 405, 408, 409, 413, 415, 422, 500, 503}
    assert problem.exit_code in {1, 2, 3}


@pytest.mark.parametrize("problem", [errors.KAFKA_UNREACHABLE, errors.STORE_UNREACHABLE, errors.BROKER_FAILED], ids=lambda one: one.code)
def test_what_does_not_answer_is_exit_code_3(problem: Problem) -> None:
    """A system that does not answer is told apart from a wrong command."""
    assert problem.exit_code == 3


@pytest.mark.parametrize("kind", [Rejected, UsageError, CannotTell])
def test_diagnostics_name_what_where_and_next(kind: type[StadtbusError]) -> None:
    """A person at a terminal reads what is wrong, where, and how to go on; a program gets the same as members."""
    error = kind(errors.NOT_VALID, "postleitzahl is missing", where="line 7")
    assert error.diagnostics().splitlines() == [
        "The message breaks its schema (not-schema-valid)",
        "  what:  postleitzahl is missing",
        "  where: line 7",
        f"  next:  {errors.NOT_VALID.hint}",
    ]
    assert error.as_dict() == {
        "type": "https://stadtbus.example/problems/not-schema-valid",
        "title": "The message breaks its schema",
        "status": 422,
        "detail": "postleitzahl is missing",
        "code": "not-schema-valid",
        "hint": errors.NOT_VALID.hint,
        "where": "line 7",
        "xoev": "X001",
    }


def test_diagnostics_without_detail() -> None:
    """Without detail and place the title says what is wrong."""
    error = Rejected(errors.NOT_FOUND)
    assert "  what:  No submission with this id\n  next:" in error.diagnostics()
    assert error.as_dict().keys() == {"type", "title", "status", "detail", "code", "hint"}


def test_event_id_follows_from_what_happened() -> None:
    """The same submission and state give the same id at any time; another state or submission gives another."""
    event = StatusEvent.of(DATA, time=AT)
    assert StatusEvent.of(DATA.model_copy(update={"reference": "M-1"}), time=AT + timedelta(days=1)).id == event.id
    others: list[dict[str, object]] = [{"state": State.SUBMITTED}, {"submission": UUID(int=2)}]
    assert event.id not in {StatusEvent.of(DATA.model_copy(update=change), time=AT).id for change in others}


def test_event_travels_as_json() -> None:
    """An event is read back equal, is a CloudEvent, and takes no unknown member."""
    event = StatusEvent.of(DATA.model_copy(update={"reference": "M-1 ü"}), time=AT)
    assert StatusEvent.model_validate_json(event.model_dump_json()) == event
    assert (event.specversion, event.subject) == ("1.0", str(DATA.submission))
    assert (event.type, event.source) == ("example.stadtbus.submission.delivered", "//stadtbus.example/muenchen/meldewesen")
    with pytest.raises(ValidationError):
        StatusEvent.model_validate(event.model_dump() | {"family_name": "Schön"})


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
