"""Messages that have everything: what no XPath finds in them, it never finds; what changes in them unseen, is lost.

Each is valid but for the attachments' hashes. Together they have every element and attribute of the XSD that a portal's message can
have, every kind of applicant, and every code of the service's fields (a test compares them with the XSD).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, get_args
from uuid import UUID

from lxml import etree

from schemas import message
from schemas.catalogue import FieldSpec, Service
from schemas.message import (
    AREA_LIST_ARS,
    SERVICE_LIST,
    Address,
    Amendment,
    Applicant,
    Application,
    Attachment,
    Authority,
    Code,
    Filing,
    Form,
    FormField,
    MessageReference,
    Organisation,
    Person,
    Trust,
    Withdrawal,
)

_REASONS: Final = get_args(Withdrawal.model_fields["reason"].annotation)
_TRUST: Final = Trust(level=3, account="bayernid")
_ADDRESS: Final = Address(
    street="Lindenweg", house_number="4 c", addition="Hinterhaus", postal_code="93047", city="Regensburg", country="Polen"
)
_PERSON: Final = Person(family_name="Berger", given_names="Paula Maria", birth_name="Huber", birth_date="1990-05-17", address=_ADDRESS)
_NAMELESS: Final = Person(family_name=None, given_names=None, birth_date="1988")
_FIRM: Final = Organisation(name="Bau & Boden", legal_form="GmbH", register_number="HRB 123", address=_ADDRESS)
_PERSONS: Final = tuple(Applicant(person=person, trust=_TRUST) for person in (_PERSON, _NAMELESS))
_FIRMS: Final = (Applicant(organisation=_FIRM, trust=_TRUST),)
_ATTACHMENT: Final = Attachment(
    id=UUID(int=4), purpose="attachment", file_name="Plan.pdf", media_type="application/pdf", size_bytes=48213, sha512="0f" * 64
)


def exemplars(kind: str, service: Service) -> Iterator[list[etree._Element]]:
    """Messages of one kind for a service: by persons, by organisations, by both; of each as many as it takes to have every code once."""
    turns = max(len(_REASONS), *(len(spec.codes) for spec in service.fields))
    for applicants in (_PERSONS, _FIRMS, (*_PERSONS, *_FIRMS)):
        yield [_complete(_message(kind, service, applicants, turn)) for turn in range(turns)]


def _message(kind: str, service: Service, applicants: tuple[Applicant, ...], turn: int) -> Filing:
    authority = Authority(key="ags:09362000", name="Ordnungsamt")
    fields = tuple(_field(spec, turn) for spec in service.fields) or (FormField(id="F99999999", values=("x",)),)
    values: dict[str, Any] = {
        "message_id": UUID(int=1),
        "created_at": datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
        "reader": authority,
        "author": authority,
        "case_id": UUID(int=2),
        "service": Code(code=service.leika[0], name=service.name, list_uri=SERVICE_LIST, list_version="1"),
        "area": Code(code="093620000000", name="Regensburg", list_uri=AREA_LIST_ARS, list_version="1"),
        "applicants": applicants,
        "reference": MessageReference(portal_reference=UUID(int=3), file_number="R-77", message_id=UUID(int=5)),
        "test": len(applicants) <= len(_PERSONS),
    }
    if kind == message.WITHDRAWAL:
        return Withdrawal(**values, reason=_REASONS[turn % len(_REASONS)])
    model = Application if kind == message.APPLICATION else Amendment
    return model(**values, content=Form(schema_uri=service.form, fields=fields), attachments=(_ATTACHMENT,))


def _field(spec: FieldSpec, turn: int) -> FormField:
    values = (spec.codes[turn % len(spec.codes)],) if spec.codes else spec.examples
    if spec.many:  # more than one, so that one who reads the first only is found out
        values = (*values, spec.codes[(turn + 1) % len(spec.codes)] if spec.codes else f"{values[-1]} 2")
    return FormField(id=spec.id, values=values)


def _complete(filing: Filing) -> etree._Element:
    """The message with what the models leave out because nobody needs it."""
    root = etree.fromstring(message.write(filing))  # written here, so there is nothing to guard against
    root.set("produktversion", "1.2")
    for party in root.iterfind("nachrichtenkopf.g2g/*/name/.."):
        party.append(_reachability())
    for kind in root.iterfind("nachrichtenkopf.g2g/identifikation.nachricht/nachrichtentyp"):
        kind.attrib.update({"listURI": "https://stadtbus.example/codes/nachrichtentyp", "listVersionID": "1.0"})
    for code in root.iterfind("grund"):
        etree.SubElement(code, "name").text = "Irrtum"
    return root


def _reachability() -> etree._Element:
    list_uri = "urn:de:xoev:codeliste:erreichbarkeit"
    element = etree.Element("erreichbarkeit")
    etree.SubElement(etree.SubElement(element, "kanal", listURI=list_uri, listVersionID="3"), "code").text = "01"
    etree.SubElement(element, "kennung").text = "amt@stadt.example"
    etree.SubElement(element, "zusatz").text = "vormittags"
    return element
