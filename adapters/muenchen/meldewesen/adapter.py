"""Adapter to the registration office of München: SOAP 1.1, HTTP Basic. Namespace, operations and elements are plausible inventions."""

from __future__ import annotations

from datetime import UTC
from typing import ClassVar, Final

from lxml import etree

from adapters import kit
from adapters.interface import Document, Submission
from adapters.logins import BasicSettings
from adapters.protocols.soap import Soap, SoapAdapter
from schemas.message import Address, Form, Person

FIELDS: Final = {
    "F99000101": "einzugsdatum",
    "F99000102": "strasse",
    "F99000103": "hausnummer",
    "F99000104": "postleitzahl",
    "F99000105": "ort",
    "F99000106": "wohnungsgeber",
    "F99000107": "staatsangehoerigkeit",
    "F99000108": "wohnungsart",
}
"""Field of the form -> element of `wohnung`, repeated per value."""
REQUIRED: Final = ("F99000101", "F99000102", "F99000103", "F99000104", "F99000105")
ADDRESS: Final = {
    "street": "strasse",
    "house_number": "hausnummer",
    "addition": "zusatz",
    "postal_code": "postleitzahl",
    "city": "ort",
    "country": "staat",
}


class MuenchenMeldewesen(SoapAdapter):
    """Hands registrations of residence (Wohnsitz anmelden) to München."""

    Settings = BasicSettings
    soap: ClassVar = Soap(
        namespace="https://stadtbus.example/twins/muenchen/meldewesen/1",
        create="anmeldungAnlegen",
        search="anmeldungSuchen",
        state="systemstand",
    )

    def translate(self, submission: Submission) -> Document:
        """The payload of `anmeldungAnlegen`, one `person` per applicant in the order of the application.

        Raises:
            Refused: a required field is missing, or an applicant is not a person.
        """
        application = kit.application(submission)
        kit.require(application.form, REQUIRED)
        root = self.soap.element(
            self.soap.create,
            antragsnummer=str(submission.id),
            vorgang=str(submission.case_id),
            eingang=submission.accepted_at.astimezone(UTC).isoformat(timespec="seconds"),
        )
        if application.test:
            root.set("test", "true")
        _write_dwelling(_add(root, "wohnung"), application.form)
        for person in kit.persons(application):
            _write_person(_add(root, "person"), person)
        content = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
        return Document(submission.id, f"{submission.id}.xml", "application/xml", content)


def _add(parent: etree._Element, local: str, text: str | None = None) -> etree._Element:
    child = etree.SubElement(parent, MuenchenMeldewesen.soap.name(local))
    child.text = text
    return child


def _write_dwelling(dwelling: etree._Element, form: Form) -> None:
    for field_id, local in FIELDS.items():
        for value in kit.values(form, field_id):
            _add(dwelling, local, value)


def _write_person(element: etree._Element, person: Person) -> None:
    for local, name in (("familienname", person.family_name), ("vornamen", person.given_names)):
        child = _add(element, local, name)
        if name is None:  # the person has no such name; an empty element could also be a mistake
            child.set("nichtVorhanden", "true")
    if person.birth_name is not None:
        _add(element, "geburtsname", person.birth_name)
    if person.birth_date is not None:
        _add(element, "geburtsdatum", person.birth_date)
    if person.address is not None:
        _write_address(_add(element, "bisherigeAnschrift"), person.address)


def _write_address(element: etree._Element, address: Address) -> None:
    for attribute, value in address.model_dump(exclude_none=True).items():
        _add(element, ADDRESS[attribute], value)
