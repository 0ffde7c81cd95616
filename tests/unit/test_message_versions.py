"""Versions: what was valid in 1.0 stays valid under any 1.1 (docs/decisions/0008), and a draft that breaks the promise is noticed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from schemas import message, xml
from schemas.message import Address, xsd
from tests import builders, family

XS = "{http://www.w3.org/2001/XMLSchema}"
LONG_ADDRESS = Address(street="S" * 250, house_number="1" * 50, addition="Z" * 250, postal_code="8" * 50, city="O" * 250, country="L" * 250)
AT_THE_LIMITS = builders.application(applicants=(builders.person("N" * 250, "V" * 250, address=LONG_ADDRESS),) * 20)
WITHOUT_OPTIONS = builders.application(applicants=(builders.person(None, None, birth_date=None, address=None),))
OLD = {**family.SAMPLES, "at the limits": message.write(AT_THE_LIMITS), "without options": message.write(WITHOUT_OPTIONS)}
"""Messages of version 1.0: the samples, one that reaches the limits, and one that leaves out what may be left out."""

Change = Callable[[etree._Element], None]


def named(draft: etree._Element, path: str) -> etree._Element:
    """A declaration, by the names on the way to it."""
    found = draft.find("//".join(["."] + [f"{{*}}*[@name='{name}']" for name in path.split("/")]))
    assert found is not None, path
    return found


def element(name: str, **attributes: str) -> etree._Element:
    """The declaration of a new element."""
    return etree.Element(f"{XS}element", {"name": name, "type": "e:Angabe"} | attributes)


def allow_1_1(draft: etree._Element) -> None:
    """Both versions are allowed."""
    version = named(draft, "Nachricht/version")
    for name in ("type", "fixed"):
        del version.attrib[name]
    restriction = etree.SubElement(etree.SubElement(version, f"{XS}simpleType"), f"{XS}restriction", {"base": "xs:string"})
    for allowed in ("1.0", "1.1"):
        etree.SubElement(restriction, f"{XS}enumeration", {"value": allowed})


def optional_elements_everywhere(draft: etree._Element) -> None:
    """Every type that is a sequence, and every message, gets an optional element at its end."""
    for number, sequence in enumerate(draft.iterfind(f".//{XS}sequence")):
        if sequence.find(f"{XS}any") is None and len(sequence) and sequence.getparent().tag != f"{XS}restriction":  # type: ignore[union-attr]
            sequence.append(element(f"neu{number}", minOccurs="0"))


def optional_attribute(draft: etree._Element) -> None:
    """All messages get an optional attribute."""
    named(draft, "Nachricht").append(etree.Element(f"{XS}attribute", {"name": "neu", "type": "e:Angabe"}))


def wider_texts(draft: etree._Element) -> None:
    """Longer texts, more applicants."""
    for length in draft.iterfind(f".//{XS}maxLength"):
        length.set("value", str(2 * int(length.get("value", ""))))
    named(draft, "Einreichung/antragsteller").set("maxOccurs", "50")


def further_reason(draft: etree._Element) -> None:
    """A reason more for a withdrawal."""
    restriction = named(draft, "CodeRuecknahmegrund/code").find(f".//{XS}restriction")
    assert restriction is not None
    etree.SubElement(restriction, f"{XS}enumeration", {"value": "moved-away"})


COMPATIBLE: tuple[Change, ...] = (allow_1_1, optional_elements_everywhere, optional_attribute, wider_texts, further_reason)


def drop_reason(draft: etree._Element) -> None:
    """A code that was allowed is not any more."""
    reasons = draft.find(f".//{XS}enumeration[@value='applied-anew']")
    assert reasons is not None
    reasons.getparent().remove(reasons)  # type: ignore[union-attr]


def drop_element(draft: etree._Element) -> None:
    """An optional element goes."""
    gone = named(draft, "Anschrift/zusatz")
    gone.getparent().remove(gone)  # type: ignore[union-attr]


def swap_elements(draft: etree._Element) -> None:
    """Two elements change places."""
    street = named(draft, "Anschrift/strasse")
    street.getnext().addnext(street)  # type: ignore[union-attr]


BREAKING: dict[str, Change] = {
    "required element": lambda draft: named(draft, "Anschrift/ort").addnext(element("ortsteil")),
    "option made required": lambda draft: named(draft, "NatuerlichePerson/geburtsdatum").set("minOccurs", "1"),
    "required attribute": lambda draft: named(draft, "Nachricht/produktversion").set("use", "required"),
    "element renamed": lambda draft: named(draft, "NatuerlichePerson/vornamen").set("name", "vorname"),
    "element dropped": drop_element,
    "order changed": swap_elements,
    "code dropped": drop_reason,
    "shorter text": lambda draft: named(draft, "Personenname")[0].find(f"{XS}maxLength").set("value", "200"),  # type: ignore[union-attr]
    "fewer applicants": lambda draft: named(draft, "Einreichung/antragsteller").set("maxOccurs", "10"),
    "narrower type": lambda draft: named(draft, "NatuerlichePerson/geburtsdatum").set("type", "xs:date"),
    "only the new version": lambda draft: named(draft, "Nachricht/version").set("fixed", "1.1"),
    "new namespace": lambda draft: draft.set("targetNamespace", message.NAMESPACE.replace("1.0", "2.0")),
}


def drafted(*changes: Change) -> etree.XMLSchema:
    """A draft of 1.1: the XSD of 1.0, changed."""
    draft = etree.fromstring(xsd.content())
    for change in changes:
        change(draft)
    if draft.get("targetNamespace") != message.NAMESPACE:
        draft = etree.fromstring(etree.tostring(draft).replace(message.NAMESPACE.encode(), draft.get("targetNamespace", "").encode()))
    return etree.XMLSchema(draft)


def broken_by(draft: etree.XMLSchema) -> list[str]:
    """The messages of version 1.0 that the draft does not take."""
    return [name for name, body in OLD.items() if not draft.validate(xml.parse(body))]


DRAFT = drafted(*COMPATIBLE)


def test_released_version_takes_all_old_messages() -> None:
    """The schema as it is takes the messages that drafts are judged by."""
    assert broken_by(drafted()) == []


@pytest.mark.parametrize("change", COMPATIBLE, ids=lambda change: change.__name__)
def test_compatible_change_breaks_nothing(change: Change) -> None:
    """Each kind of change that the rule allows keeps every old message valid."""
    assert broken_by(drafted(change)) == []


@pytest.mark.parametrize("name", family.MESSAGES)
@given(data=st.data())
@settings(max_examples=10, deadline=None, database=None)
def test_any_message_of_1_0_is_valid_under_1_1(name: str, data: st.DataObject) -> None:
    """Whatever can be written in 1.0 is valid under a draft with all allowed changes at once."""
    assert DRAFT.validate(xml.parse(message.write(data.draw(family.MESSAGES[name]))))


def test_draft_takes_what_is_new() -> None:
    """The draft really is another version: it takes a message that 1.0 refuses."""
    root = xml.parse(family.SAMPLES[message.STATUS])
    root.set("version", "1.1")
    root.set("neu", "x")
    assert DRAFT.validate(root)
    assert not drafted().validate(root)


@pytest.mark.parametrize("name", BREAKING)
def test_breaking_change_is_noticed(name: str) -> None:
    """A draft that breaks the promise, in any of these ways, is caught by the messages above."""
    assert broken_by(drafted(*COMPATIBLE[1:], BREAKING[name])) != []
