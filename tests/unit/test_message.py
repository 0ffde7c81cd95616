"""The message: what is written is read back equal, and its header is the official one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from producers.synthetic import applications
from schemas import catalogue, message, xml
from schemas.message import Address, Applicant, Application, Authority, Code, Form, FormField, Organisation, Person, Trust
from tests import builders

XOEV = Path(__file__).parents[2].parent / "shared" / "xoev" / "basisnachricht"
G2G = "http://xoev.de/schemata/basisnachricht/unqualified/g2g/1_1"
WRAP = f"""
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:g="{G2G}">
  <xs:import namespace="{G2G}" schemaLocation="xoev-basisnachricht-unqualified-g2g_1.1.xsd"/>
  <xs:element name="nachrichtenkopf.g2g" type="g:Nachrichtenkopf.G2GType"/>
</xs:schema>"""

CATALOGUE = catalogue.load()
AUTHOR = Authority(key="kop:09000000", name="Bürgerportal")
SYNTHETIC = [
    application
    for office in CATALOGUE.offices
    for route in CATALOGUE.routes_of(office)
    for application in islice(applications(route, AUTHOR, seed=7, start=datetime(2026, 3, 1, tzinfo=UTC)), 20)
]
BUILT = {
    "person": builders.application(),
    "company": builders.trade_application(),
    "no family name": builders.application(applicants=(builders.person(None, "Ana"),)),
    "no given names": builders.application(applicants=(builders.person("Suharto", None),)),
    "no names": builders.application(applicants=(builders.person(None, None),)),
    "no address": builders.application(applicants=(builders.person("Schön", "Ana", address=None),)),
    "birth year": builders.application(applicants=(builders.person("Schön", "Ana", birth_date="1950"),)),
    "birth month": builders.application(applicants=(builders.person("Schön", "Ana", birth_date="1950-07"),)),
    "no birth date": builders.application(applicants=(builders.person("Schön", "Ana", birth_date=None),)),
    "twenty people": builders.application(applicants=(builders.person("Schön", "Ana"),) * 20),
    "test": builders.application(test=True),
    "no answers": builders.application(answers_wanted=False),
    "blanks and marks": builders.application(applicants=(builders.person(" <A> & 'B' ", 'a\r\n\tb "]]>'),)),
    "letters beyond the first plane": builders.application(applicants=(builders.person("😀𝒜", "مريم"),)),
    "empty value": builders.application(
        content=Form(schema_uri="https://stadtbus.example/forms/x/1.0", fields=(FormField(id="F99000101", values=("", " ")),))
    ),
    "other zone": builders.application(created_at=datetime(2026, 3, 1, 9, 30, 0, 7000, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))),
}

# Letters of DIN 91379: Latin-1, Latin Extended-A, Vietnamese, and sequences that have no single character.
LETTERS = [*"AZaz '-", *map(chr, range(0xC0, 0x180)), *map(chr, range(0x1EA0, 0x1EFA)), "M̂", "n̂", "C̆", "k͟h", "Z̧", "ž̦", "ʾ", "ʿ", "ẞ"]
CODES = st.from_regex(r"[A-Za-z0-9.]{1,30}", fullmatch=True)


def texts(limit: int) -> st.SearchStrategy[str]:
    """Text that is not only blanks."""
    return st.lists(st.sampled_from(LETTERS), min_size=1, max_size=limit // 3).map("".join).filter(str.strip)


TEXT, MAYBE = texts(250), st.none() | texts(250)
AUTHORITIES = st.builds(Authority, key=st.from_regex(r"[a-z]{3}:[0-9]{1,12}", fullmatch=True), name=TEXT)
ADDRESSES = st.builds(Address, street=TEXT, house_number=texts(50), addition=MAYBE, postal_code=texts(50), city=TEXT, country=MAYBE)
PEOPLE = st.builds(
    Person,
    family_name=MAYBE,
    given_names=MAYBE,
    birth_name=MAYBE,
    birth_date=st.none() | st.dates().map(str),
    address=st.none() | ADDRESSES,
)
COMPANIES = st.builds(Organisation, name=TEXT, legal_form=MAYBE, register_number=MAYBE, address=ADDRESSES)
TRUSTS = st.builds(Trust, level=st.integers(1, 4), account=st.from_regex(r"[a-z][a-z0-9-]{1,39}", fullmatch=True))
APPLICANTS = st.builds(Applicant, person=PEOPLE, trust=TRUSTS) | st.builds(Applicant, organisation=COMPANIES, trust=TRUSTS)
FIELDS = st.builds(
    FormField,
    id=st.from_regex(r"[A-Z][0-9]{8,11}", fullmatch=True),
    values=st.lists(st.just("") | texts(4000), min_size=1, max_size=3).map(tuple),
)
APPLICATIONS = st.builds(
    Application,
    message_id=st.uuids(),
    created_at=st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)),
    reader=AUTHORITIES,
    author=AUTHORITIES,
    case_id=st.uuids(),
    answers_wanted=st.booleans(),
    service=st.builds(Code, code=CODES, name=MAYBE, list_uri=st.just(message.SERVICE_LIST), list_version=st.just("2026-04-30")),
    area=st.builds(Code, code=CODES, name=MAYBE, list_uri=st.just(message.AREA_LIST_AGS), list_version=st.just("2026-04-30")),
    applicants=st.lists(APPLICANTS, min_size=1, max_size=3).map(tuple),
    content=st.builds(Form, schema_uri=st.just("https://stadtbus.example/x"), fields=st.lists(FIELDS, min_size=1, max_size=4).map(tuple)),
    has_attachments=st.just(value=False),
    test=st.booleans(),
    product=TEXT,
    product_maker=TEXT,
)


def read_back(application: Application) -> Application:
    """The application after a journey as a valid message."""
    root = xml.parse(message.write(application))
    xml.validate(root, message.SCHEMA)
    return message.read(root)


@pytest.fixture(scope="module")
def official_header() -> etree.XMLSchema:
    """The official schema of the header, with a global element for it."""
    if not XOEV.is_dir():
        pytest.skip(f"the official schemas are not at {XOEV}")
    return etree.XMLSchema(etree.fromstring(WRAP, base_url=f"{XOEV}/wrap.xsd"))


@pytest.mark.parametrize("application", BUILT.values(), ids=BUILT)
def test_round_trip(application: Application) -> None:
    """What is written is valid and read back equal."""
    assert read_back(application) == application


def test_round_trip_of_synthetic_applications() -> None:
    """The same holds for what the demo sends."""
    assert [read_back(application) for application in SYNTHETIC] == SYNTHETIC


@given(APPLICATIONS)
@settings(max_examples=20, deadline=None, database=None)
def test_round_trip_of_any_application(application: Application) -> None:
    """The same holds for whatever the model lets through, with all letters of DIN 91379."""
    assert read_back(application) == application


@pytest.mark.parametrize("application", BUILT.values(), ids=BUILT)
def test_same_application_same_bytes(application: Application) -> None:
    """Writing is repeatable, and reading loses nothing that writing would need."""
    written = message.write(application)
    assert message.write(application.model_copy(deep=True)) == written
    assert message.write(read_back(application)) == written


def test_name_that_is_not_there() -> None:
    """A name of None is written as missing, not as empty."""
    root = xml.parse(message.write(BUILT["no given names"]))
    assert root.findtext("antragsteller/natuerlichePerson/vornamen/nichtVorhanden") == "true"
    assert root.find("antragsteller/natuerlichePerson/vornamen/name") is None


@pytest.mark.parametrize("value", ["true", "false", "", "0", "ja"])
def test_any_value_of_test_means_test(value: str) -> None:
    """The attribute alone says that a message is a test (XÖV-Basisnachricht), and without it a message is real."""
    root = xml.parse(message.write(BUILT["person"]))
    assert message.read(root).test is False
    root.set("test", value)
    xml.validate(root, message.SCHEMA)
    assert message.read(root).test is True


@pytest.mark.parametrize("application", [*BUILT.values(), SYNTHETIC[0]], ids=[*BUILT, "synthetic"])
def test_header_is_the_official_one(official_header: etree.XMLSchema, application: Application) -> None:
    """The header that we write is valid against the XÖV-Basisnachricht G2G 1.1."""
    header = xml.parse(message.write(application)).find("nachrichtenkopf.g2g")
    assert header is not None
    official_header.assertValid(etree.fromstring(etree.tostring(header)))


def test_official_header_is_checked(official_header: etree.XMLSchema) -> None:
    """The check above would notice a missing element."""
    header = xml.parse(message.write(BUILT["person"])).find("nachrichtenkopf.g2g")
    assert header is not None
    header.remove(header[-1])
    assert not official_header.validate(etree.fromstring(etree.tostring(header)))


def test_content_that_is_not_a_form() -> None:
    """A genuine XÖV message inside is seen, and never written anew."""
    application = BUILT["person"].model_copy(update={"content": "fachnachricht"})
    with pytest.raises(TypeError):
        message.write(application)
