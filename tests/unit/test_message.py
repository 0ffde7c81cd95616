"""The message family: what is written is valid and read back equal, and its header is the official one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from pydantic import ValidationError

from schemas import catalogue, message, problems, xml
from schemas.events import State
from schemas.examination import schema_table
from schemas.examination.examine import examine
from schemas.examination.schema_table import OWN
from schemas.message import Amendment, Application, Form, FormField, Message, xsd
from tests import builders, family

XOEV = Path(__file__).parents[2].parent / "shared" / "xoev" / "basisnachricht"
G2G = "http://xoev.de/schemata/basisnachricht/unqualified/g2g/1_1"
WRAP = f"""
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:g="{G2G}">
  <xs:import namespace="{G2G}" schemaLocation="xoev-basisnachricht-unqualified-g2g_1.1.xsd"/>
  <xs:element name="nachrichtenkopf.g2g" type="g:Nachrichtenkopf.G2GType"/>
</xs:schema>"""

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


def read_back(sent: Message) -> Message:
    """The message after a journey as a valid document."""
    root = xml.parse(message.write(sent))
    assert OWN.findings(root) == []
    return message.read(root)


def canonical(root: etree._Element) -> str:
    """The document without its white space between elements and other freedoms of writing (C14N 2.0)."""
    return str(etree.canonicalize(etree.tostring(root, encoding="unicode"), strip_text=True))


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


@pytest.mark.parametrize("name", family.MESSAGES)
@given(data=st.data())
@settings(max_examples=20, deadline=None, database=None)
def test_round_trip_of_any_message(name: str, data: st.DataObject) -> None:
    """The same holds for whatever the models let through, of each kind, with all letters of DIN 91379; and the bytes are the same again."""
    sent = data.draw(family.MESSAGES[name])
    written = message.write(sent)
    assert xml.parse(written).tag == f"{{{message.NAMESPACE}}}{name}"
    assert read_back(sent) == sent
    assert message.write(read_back(sent)) == written


def test_samples_are_the_whole_family() -> None:
    """There is one sample for each message, and a model for each message of the XSD."""
    assert list(family.SAMPLES) == sorted(message.NAMES.values()) == sorted(xsd.messages()) == sorted(family.MESSAGES)


@pytest.mark.parametrize("name", family.SAMPLES)
def test_sample_is_valid_and_read_whole(name: str) -> None:
    """A sample is valid, and what it says is what is written again: nothing in it is unknown to the models."""
    root = xml.parse(family.SAMPLES[name])
    assert OWN.findings(root) == []
    written = xml.parse(message.write(message.read(root)))
    assert canonical(written) == canonical(root)


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
    assert OWN.findings(root) == []
    assert message.read(root).test is True


@pytest.mark.parametrize("name", family.SAMPLES)
def test_sample_breaks_no_rule(name: str) -> None:
    """A sample passes everything that `stadtbus validate` looks at, without a warning."""
    examined = examine(family.SAMPLES[name], schema_table.load(), catalogue.load(), datetime(2026, 3, 31, tzinfo=UTC))
    assert examined.findings == ()


WRITTEN = {name: message.write(one) for name, one in BUILT.items()}
HEADED = {**WRITTEN, **family.SAMPLES}


@pytest.mark.parametrize("body", HEADED.values(), ids=HEADED)
def test_header_is_the_official_one(official_header: etree.XMLSchema, body: bytes) -> None:
    """The header of what we write, and of each sample, is valid against the XÖV-Basisnachricht G2G 1.1."""
    header = xml.parse(body).find("nachrichtenkopf.g2g")
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
    with pytest.raises(TypeError):
        _ = application.form


def test_amendment_amends_something() -> None:
    """An amendment without content and attachments is refused by the model and by the XSD."""
    root = xml.parse(family.SAMPLES[message.AMENDMENT])
    amendment = message.read(root)
    assert isinstance(amendment, Amendment)
    with pytest.raises(ValidationError, match="give 'content', 'attachments' or both"):
        Amendment.model_validate(amendment.model_dump() | {"content": None, "attachments": ()})
    for name in ("inhalt", "anlagen"):
        for element in root.findall(name):
            root.remove(element)
    assert OWN.findings(root)


@pytest.mark.parametrize("name", [message.AMENDMENT, message.WITHDRAWAL, message.STATUS, message.RECEIPT])
def test_what_a_message_is_about_is_named(name: str) -> None:
    """All but applications and rejections name the message that they are about."""
    root = xml.parse(family.SAMPLES[name])
    reference = root.find("bezug")
    assert reference is not None
    del reference[-1]
    assert {found.problem for found in OWN.findings(root)} == {problems.NOT_VALID}


def test_states_of_the_schema_are_those_of_the_bus() -> None:
    """The code list of states in the XSD, the API and the events is one."""
    enumerated = etree.fromstring(xsd.content()).iterfind(
        ".//{*}complexType[@name='CodeStatus']//{*}enumeration",
    )
    assert [one.get("value") for one in enumerated] == [state.value for state in State]


def test_rejection_without_a_readable_id() -> None:
    """A rejection of what could not be read names no message."""
    sample = message.read(xml.parse(family.SAMPLES[message.REJECTION]))
    assert read_back(sample.model_copy(update={"reference": None})).reference is None


def test_unknown_message_is_no_message_of_ours() -> None:
    """Reading does not guess."""
    with pytest.raises(LookupError):
        message.read(etree.Element(f"{{{message.NAMESPACE}}}einreichung.anfrage.0199"))


@pytest.mark.parametrize("field_id", ["F60000000319", "G60000000083", "F00000001"])
def test_field_ids_of_fim(field_id: str) -> None:
    """Fields and groups, with the digits of FIM today and in older forms."""
    form = Form(schema_uri="https://stadtbus.example/x", fields=(FormField(id=field_id, values=("1",)),))
    application = builders.application(content=form)
    assert read_back(application) == application


def test_genuine_message_inside_is_left_alone() -> None:
    """A valid application may carry a genuine XÖV message; the model knows only that it does."""
    root = xml.parse(WRITTEN["person"])
    content = root.find("inhalt")
    assert content is not None
    content.clear()
    genuine = etree.SubElement(content, "fachnachricht")
    genuine.append(etree.fromstring("<x:antrag xmlns:x='https://example.org/x'><y/></x:antrag>"))
    assert OWN.findings(root) == []
    read = message.read(root)
    assert isinstance(read, Application)
    assert read.content == "fachnachricht"
