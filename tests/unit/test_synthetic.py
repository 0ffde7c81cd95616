"""Synthetic messages are valid, varied and repeatable."""

from __future__ import annotations

import unicodedata
from collections import Counter
from datetime import datetime, timedelta
from itertools import islice, pairwise
from uuid import UUID

import pytest

from producers.synthetic.messages import applications, messages
from producers.synthetic.permits import Genuine
from schemas import catalogue, message, xml
from schemas.catalogue import Offer, Office, Route
from schemas.examination.schema_table import OWN
from schemas.message import Application, Authority, Filing
from schemas.message.header import read_header

CATALOGUE = catalogue.load()
ALL = [route for office in CATALOGUE.offices for route in CATALOGUE.routes_of(office)]
PERMITS = next(route for route in ALL if route.office_entry.namespaces)
ROUTES = [route for route in ALL if route.office_entry.messages]
"""Those whose offices take messages of ours."""
AUTHOR = Authority(key="ags:09000000", name="Bürgerportal")
START = datetime.fromisoformat("2026-03-02T08:00:00.123456+01:00")


def draw(route: Route, count: int = 300, *, seed: int = 1, start: datetime = START) -> list[Filing]:
    """The first messages of a stream."""
    drawn = list(islice(messages(route, AUTHOR, seed=seed, start=start), count))
    return [one for one in drawn if not isinstance(one, Genuine)]


def of(stream: list[Filing]) -> list[Application]:
    """The applications in it."""
    return [one for one in stream if isinstance(one, Application)]


def permits(seed: int = 1) -> list[Genuine]:
    """The first building applications."""
    drawn = islice(messages(PERMITS, AUTHOR, seed=seed, start=START), 100)
    return [one for one in drawn if isinstance(one, Genuine)]


@pytest.fixture(scope="module", params=ROUTES, ids=lambda route: route.office)
def route(request: pytest.FixtureRequest) -> Route:
    """Each route of the catalogue in turn."""
    found = request.param
    assert isinstance(found, Route)
    return found


@pytest.fixture(scope="module")
def stream(route: Route) -> list[Filing]:
    """300 messages of the route."""
    return draw(route)


def ids(stream: list[Filing]) -> set[UUID]:
    """All ids of messages and cases."""
    return {one.message_id for one in stream} | {one.case_id for one in stream}


def test_every_office_of_the_catalogue_is_sent_something() -> None:
    """Each office takes messages of ours or genuine ones that we can make."""
    assert sorted({route.office for route in ALL}) == CATALOGUE.offices
    assert [route.office for route in ALL if route not in ROUTES] == ["nuernberg.bau"]


def test_valid_and_read_back_equal(stream: list[Filing]) -> None:
    """Every application is valid against the XSD, and reading what was written gives it back."""
    for one in stream:
        root = xml.parse(message.write(one))
        assert OWN.findings(root) == []
        assert message.read(root) == one


def test_intake_would_take_it(route: Route, stream: list[Filing]) -> None:
    """Service and area lead to the route, the logins are good enough, and reader and author are those asked for."""
    for one in stream:
        assert CATALOGUE.route(one.service.code, one.area.code) == route
        route.check_trust([applicant.trust for applicant in one.applicants])
        assert (one.reader.key, one.author) == (route.office_entry.authority, AUTHOR)


def test_form_has_the_fields_of_the_service(route: Route, stream: list[Filing]) -> None:
    """Each form has exactly the fields of its service, none is empty, and each value is of the kind of its field."""
    specs = {spec.id: spec for spec in route.service.fields}
    for one in of(stream):
        assert [field.id for field in one.form.fields] == [spec.id for spec in route.service.fields]
        assert all(value.strip() and specs[field.id].takes(value) for field in one.form.fields for value in field.values)


def test_same_seed_same_stream(route: Route, stream: list[Filing]) -> None:
    """The same arguments give the same applications, ids included."""
    assert draw(route) == stream


def test_other_seed_other_ids(route: Route, stream: list[Filing]) -> None:
    """Another seed gives messages and cases that share no id with the first."""
    assert ids(draw(route, seed=2)).isdisjoint(ids(stream))


def test_message_ids_are_unique_and_of_version_4(stream: list[Filing]) -> None:
    """No message id occurs twice, and all ids have the shape of a random UUID."""
    assert len({one.message_id for one in stream}) == len(stream)
    assert all(one.message_id.version == one.case_id.version == 4 for one in stream)


def test_time_moves_on(stream: list[Filing]) -> None:
    """Times rise from the start in small steps of whole milliseconds, in the offset of the start."""
    times = [START, *(one.created_at for one in stream)]
    assert all(earlier < later <= earlier + timedelta(seconds=5) for earlier, later in pairwise(times))
    assert all(time.microsecond % 1000 == 0 and time.utcoffset() == timedelta(hours=1) for time in times[1:])


def test_some_cases_go_on(stream: list[Filing]) -> None:
    """About every sixth message continues a case: same applicants, and it differs from the one before."""
    cases = Counter(one.case_id for one in stream)
    assert 0.1 < 1 - len(cases) / len(stream) < 0.25
    for case_id in (case_id for case_id, count in cases.items() if count > 1):
        for earlier, later in pairwise(one for one in stream if one.case_id == case_id):
            assert earlier.applicants == later.applicants
            assert isinstance(earlier, Application)
            if isinstance(later, Application):
                assert earlier.form != later.form
            else:
                assert later.reference.message_id == earlier.message_id


def test_kinds_are_those_that_the_office_takes(route: Route, stream: list[Filing]) -> None:
    """Offices get all kinds of messages that they take and no other; who wants applications gets nothing else."""
    assert {message.NAMES[type(one)] for one in stream} == set(route.office_entry.messages)
    only = islice(applications(route, AUTHOR, seed=1, start=START), 50)
    assert [one.message_id for one in only] == [one.message_id for one in of(stream)[:50]]


def test_permits_are_genuine_messages() -> None:
    """Building applications have the root and the header of XBau, know nothing of us, and some continue a case."""
    drawn = permits()
    for one in drawn:
        root = xml.parse(one.body)
        head = read_header(root)
        assert root.tag == "{http://www.xleitstelle.de/xbau/2/6}baugenehmigung.antrag.0200"
        assert head is not None
        assert (head.generation, head.message_id, head.type_code) == ("G2", str(one.message_id), "0200")
        assert (head.reader, head.author) == (PERMITS.office_entry.authority, AUTHOR.key)
        assert (head.standard, head.version, head.test) == ("XBau-Hochbau", "2.6", False)
        assert CATALOGUE.route(one.service, one.area) == PERMITS
        PERMITS.check_trust([one.trust])
    assert 50 < len({one.case_id for one in drawn}) < len({one.message_id for one in drawn}) == 100
    assert drawn == permits()
    assert {one.message_id for one in drawn}.isdisjoint(one.message_id for one in permits(seed=2))


def test_no_applications_for_an_office_that_takes_genuine_messages() -> None:
    """Asking for applications where there can be none is an error, not a wait without end."""
    with pytest.raises(ValueError, match="no applications"):
        applications(PERMITS, AUTHOR, seed=1, start=START)


def test_a_city_that_is_new_needs_no_code() -> None:
    """For every service and a city that nobody knows, messages have plausible values from the fields' own examples, kinds and codes."""
    city = CATALOGUE.cities["augsburg"].model_copy(update={"city": "regensburg", "name": "Stadt Regensburg"})
    for service in CATALOGUE.services.values():
        offer = Offer(service=service.id, minimum_level=3, accounts=("bayernid",))
        route = Route(city, Office(id="amt", name="Amt", authority="ags:09362000", services=(offer,)), service, offer)
        specs = {spec.id: spec for spec in service.fields}
        for one in of(draw(route, 20)):
            assert OWN.findings(xml.parse(message.write(one))) == []
            assert [field.id for field in one.form.fields] == list(specs)
            assert all(specs[field.id].takes(value) for field in one.form.fields for value in field.values)


def test_text_is_nfc_with_many_letters(stream: list[Filing]) -> None:
    """All text is in normal form C and has the letters that names in a city have."""
    text = "".join(one.model_dump_json() for one in stream)
    assert unicodedata.is_normalized("NFC", text)
    assert len({letter for letter in text if letter.isalpha() and not letter.isascii()}) >= 15


def test_people_are_varied(stream: list[Filing]) -> None:
    """There are people with a single name, with a birth name and with a birth date that is known in part."""
    people = [applicant.person for one in stream for applicant in one.applicants if applicant.person]
    assert any(person.given_names is None for person in people)
    assert any(person.birth_name for person in people)
    assert {len(person.birth_date or "") for person in people} == {4, 7, 10}


def test_subjects_fit_the_service(route: Route, stream: list[Filing]) -> None:
    """One to five people move; a trade is that of an organisation or of a sole trader."""
    applied = of(stream)
    if route.service.id == "wohnsitz-anmelden":
        assert {len(one.applicants) for one in applied} == {1, 2, 3, 4, 5}
        assert all(applicant.person for one in applied for applicant in one.applicants)
    else:
        assert {one.applicants[0].organisation is None for one in applied} == {True, False}
        assert all(len(one.applicants) == 1 for one in applied if one.applicants[0].person)


def test_sizes_are_realistic(stream: list[Filing]) -> None:
    """Applications have 1.5 to 8 KB, with a median around 3.6 KB."""
    sizes = sorted(len(message.write(one)) for one in of(stream))
    assert 1_500 <= sizes[0] < sizes[-1] <= 8_000
    assert 3_000 <= sizes[len(sizes) // 2] <= 4_200


def test_start_needs_an_offset(route: Route) -> None:
    """A start without zone offset is refused."""
    with pytest.raises(ValueError, match="offset"):
        draw(route, 1, start=START.replace(tzinfo=None))
