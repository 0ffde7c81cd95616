"""Adapter to the registration office of München: SOAP 1.1, HTTP Basic.

The back office stores whatever `anmeldungAnlegen` brings, every time. So what may have arrived has to be looked for with
`anmeldungSuchen` before it is sent again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Final, NoReturn
from uuid import UUID

import httpx
from lxml import etree
from pydantic import Field, SecretStr

from adapters import kit
from adapters.http import MAX_CONNECTIONS, HttpOffice, HttpSettings, check_answered, check_taken
from adapters.interface import Delivered, Document, Submission
from adapters.muenchen.meldewesen import soap
from schemas import xml
from schemas.errors import CaseNotReady, DeliveryFailure, DestinationDown, Refused, Rejected
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

_CAUSES: Final[Mapping[str, type[DeliveryFailure]]] = {soap.NOT_AVAILABLE: DestinationDown, soap.CASE_LOCKED: CaseNotReady}


class MuenchenMeldewesen:
    """Hands registrations of residence (Wohnsitz anmelden) to München."""

    at_once = MAX_CONNECTIONS

    class Settings(HttpSettings):
        """`url` is the address of the SOAP service."""

        user: str = Field(description="User for HTTP Basic.")
        password: SecretStr = Field(description="Its password.")

    def __init__(self, settings: Settings) -> None:
        self._url = str(settings.url)
        self._office = HttpOffice(settings, httpx.BasicAuth(settings.user, settings.password.get_secret_value()))

    def translate(self, submission: Submission) -> Document:
        """The payload of `anmeldungAnlegen`, one `person` per applicant in the order of the application.

        Raises:
            Refused: a required field is missing, or an applicant is not a person.
        """
        application = submission.application
        kit.require(application.form, REQUIRED)
        root = soap.element(
            soap.CREATE,
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

    async def deliver(self, document: Document, attempt: int) -> Delivered:  # noqa: ARG002 - the contract has it
        """Create the entry.

        Raises:
            Blip, DestinationDown, CaseNotReady, Refused: see `adapters.http` and `_raise_fault`; anything else is unclear.
        """
        payload = xml.parse(document.content)
        response = await self._office.hand_over(self._url, soap.wrap(payload), _headers(soap.CREATE))
        if response.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
            _raise_fault(response.content)
        check_taken(response)
        return Delivered(_text(_answer(response.content, soap.CREATE), "aktenzeichen"))

    async def find(self, submission_id: UUID) -> Delivered | None:
        """Search by Antragsnummer; of several entries the first counts.

        Raises:
            DestinationDown: no answer.
            UnclearAnswer: an answer that does not say it.
        """
        answer = await self._ask(soap.element(soap.SEARCH, antragsnummer=str(submission_id)), soap.SEARCH)
        hit = answer.find(soap.name("treffer"))
        return None if hit is None else Delivered(_text(hit, "aktenzeichen"))

    async def check(self) -> str:
        """Version and clock, as the back office states them.

        Raises:
            DestinationDown: no answer.
        """
        state = await self._ask(soap.element(soap.STATE), soap.STATE)
        return f"SOAP, version {_text(state, 'version')}, clock {_text(state, 'uhrzeit')}"

    async def close(self) -> None:
        """Give connections back."""
        await self._office.close()

    async def _ask(self, payload: etree._Element, operation: str) -> etree._Element:
        response = await self._office.ask("POST", self._url, soap.wrap(payload), _headers(operation))
        check_answered(response)
        return _answer(response.content, operation)


def _add(parent: etree._Element, local: str, text: str | None = None) -> etree._Element:
    child = etree.SubElement(parent, soap.name(local))
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


def _headers(operation: str) -> dict[str, str]:
    return {"Content-Type": soap.CONTENT_TYPE, "SOAPAction": f'"{soap.NAMESPACE}/{operation}"'}


def _answer(body: bytes, operation: str) -> etree._Element:
    payload = _unwrap(body)
    if payload.tag != soap.name(f"{operation}Antwort"):
        raise kit.UnclearAnswer(f"the answer is not one to {operation}")
    return payload


def _unwrap(body: bytes) -> etree._Element:
    try:
        return soap.unwrap(body)
    except (Rejected, ValueError) as error:
        raise kit.UnclearAnswer("the answer is not SOAP") from error


def _text(parent: etree._Element, local: str) -> str:
    if text := parent.findtext(soap.name(local)):
        return text
    raise kit.UnclearAnswer(f"the answer has no {local}")


def _raise_fault(body: bytes) -> NoReturn:
    """The office's own code decides; without a known one `Client` means never, and `Server` leaves open what happened."""
    side, code = soap.fault_codes(_unwrap(body))
    reason = f"SOAP fault {kit.reason_code(code)}"
    if code in _CAUSES:
        raise _CAUSES[code](reason)
    if side == "Client":
        raise Refused(reason)
    raise kit.UnclearAnswer(reason)
