"""Synthetic applications are valid, varied and repeatable."""

from __future__ import annotations

import unicodedata
from collections import Counter
from datetime import datetime, timedelta
from itertools import islice, pairwise
from uuid import UUID

import pytest

from producers.synthetic import applications
from schemas import catalogue, message, xml
from schemas.catalogue import Route
from schemas.message import Application, Authority

CATALOGUE = catalogue.load()
ROUTES = [route for office in CATALOGUE.offices for route in CATALOGUE.routes_of(office)]
AUTHOR = Authority(key="ags:09000000", name="Bürgerportal")
START = datetime.fromisoformat("2026-03-02T08:00:00.123456+01:00")


def draw(route: Route, count: int = 300, *, seed: int = 1, start: datetime = START) -> list[Application]:
    """The first applications of a stream."""
    return list(islice(applications(route, AUTHOR, seed=seed, start=start), count))


@pytest.fixture(scope="module", params=ROUTES, ids=lambda route: route.office)
def route(request: pytest.FixtureRequest) -> Route:
    """Each route of the catalogue in turn."""
    found = request.param
    assert isinstance(found, Route)
    return found


@pytest.fixture(scope="module")
def stream(route: Route) -> list[Application]:
    """300 applications of the route."""
    return draw(route)


def ids(stream: list[Application]) -> set[UUID]:
    """All ids of messages and cases."""
    return {one.message_id for one in stream} | {one.case_id for one in stream}


def test_all_routes_of_the_catalogue_are_covered() -> None:
    """The three routes of the package's catalogue have data."""
    assert [route.office for route in ROUTES] == ["augsburg.gewerbe", "muenchen.meldewesen", "nuernberg.meldewesen"]


def test_valid_and_read_back_equal(stream: list[Application]) -> None:
    """Every application is valid against the XSD, and reading what was written gives it back."""
    for one in stream:
        root = xml.parse(message.write(one))
        xml.validate(root, message.SCHEMA)
        assert message.read(root) == one


def test_intake_would_take_it(route: Route, stream: list[Application]) -> None:
    """Service and area lead to the route, the logins are good enough, and reader and author are those asked for."""
    for one in stream:
        assert CATALOGUE.route(one.service.code, one.area.code) == route
        route.check_trust([applicant.trust for applicant in one.applicants])
        assert (one.reader.key, one.author) == (route.office_entry.authority, AUTHOR)


def test_form_has_the_fields_of_the_service(route: Route, stream: list[Application]) -> None:
    """Each form has exactly the fields of its service, and none is empty."""
    for one in stream:
        assert [field.id for field in one.form.fields] == list(route.service.fields)
        assert all(value.strip() for field in one.form.fields for value in field.values)


def test_same_seed_same_stream(route: Route, stream: list[Application]) -> None:
    """The same arguments give the same applications, ids included."""
    assert draw(route) == stream


def test_other_seed_other_ids(route: Route, stream: list[Application]) -> None:
    """Another seed gives messages and cases that share no id with the first."""
    assert ids(draw(route, seed=2)).isdisjoint(ids(stream))


def test_message_ids_are_unique_and_of_version_4(stream: list[Application]) -> None:
    """No message id occurs twice, and all ids have the shape of a random UUID."""
    assert len({one.message_id for one in stream}) == len(stream)
    assert all(one.message_id.version == one.case_id.version == 4 for one in stream)


def test_time_moves_on(stream: list[Application]) -> None:
    """Times rise from the start in small steps of whole milliseconds, in the offset of the start."""
    times = [START, *(one.created_at for one in stream)]
    assert all(earlier < later <= earlier + timedelta(seconds=5) for earlier, later in pairwise(times))
    assert all(time.microsecond % 1000 == 0 and time.utcoffset() == timedelta(hours=1) for time in times[1:])


def test_some_cases_go_on(stream: list[Application]) -> None:
    """About every sixth message continues a case: same applicants, and a form that differs from the one before."""
    cases = Counter(one.case_id for one in stream)
    assert 0.1 < 1 - len(cases) / len(stream) < 0.25
    for case_id in (case_id for case_id, messages in cases.items() if messages > 1):
        for earlier, later in pairwise(one for one in stream if one.case_id == case_id):
            assert earlier.applicants == later.applicants
            assert earlier.form != later.form


def test_text_is_nfc_with_many_letters(stream: list[Application]) -> None:
    """All text is in normal form C and has the letters that names in a city have."""
    text = "".join(one.model_dump_json() for one in stream)
    assert unicodedata.is_normalized("NFC", text)
    assert len({letter for letter in text if letter.isalpha() and not letter.isascii()}) >= 15


def test_people_are_varied(stream: list[Application]) -> None:
    """There are people with a single name, with a birth name and with a birth date that is known in part."""
    people = [applicant.person for one in stream for applicant in one.applicants if applicant.person]
    assert any(person.given_names is None for person in people)
    assert any(person.birth_name for person in people)
    assert {len(person.birth_date or "") for person in people} == {4, 7, 10}


def test_subjects_fit_the_service(route: Route, stream: list[Application]) -> None:
    """One to five people move; a trade is that of an organisation or of a sole trader."""
    if route.service.id == "wohnsitz-anmelden":
        assert {len(one.applicants) for one in stream} == {1, 2, 3, 4, 5}
        assert all(applicant.person for one in stream for applicant in one.applicants)
    else:
        assert {one.applicants[0].organisation is None for one in stream} == {True, False}
        assert all(len(one.applicants) == 1 for one in stream if one.applicants[0].person)


def test_sizes_are_realistic(stream: list[Application]) -> None:
    """Messages have 1.5 to 8 KB, with a median around 3.6 KB."""
    sizes = sorted(len(message.write(one)) for one in stream)
    assert 1_500 <= sizes[0] < sizes[-1] <= 8_000
    assert 3_000 <= sizes[len(sizes) // 2] <= 4_200


def test_start_needs_an_offset(route: Route) -> None:
    """A start without zone offset is refused."""
    with pytest.raises(ValueError, match="offset"):
        draw(route, 1, start=START.replace(tzinfo=None))
