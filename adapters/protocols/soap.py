"""SOAP 1.1 over HTTP: one operation hands over, one searches by submission id, one tells the state.

The adapter takes it that the back office stores whatever comes, every time: what may have arrived is searched for before it is
sent again. Messages are document/literal, their elements in one namespace; the answer to `X` is `XAntwort`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, NoReturn
from uuid import UUID

import httpx
from lxml import etree

from adapters import kit
from adapters.http import MAX_CONNECTIONS, HttpOffice, HttpSettings, check_answered, check_taken
from adapters.interface import Delivered, Document
from schemas import xml
from schemas.errors import CaseNotReady, DeliveryFailure, DestinationDown, Refused, Rejected

CONTENT_TYPE: Final = "text/xml; charset=utf-8"
NOT_AVAILABLE: Final = "NICHT_VERFUEGBAR"
CASE_LOCKED: Final = "VORGANG_GESPERRT"
_ENVELOPE: Final = "http://schemas.xmlsoap.org/soap/envelope/"
_CAUSES: Final[Mapping[str, type[DeliveryFailure]]] = {NOT_AVAILABLE: DestinationDown, CASE_LOCKED: CaseNotReady}


@dataclass(frozen=True, slots=True)
class Soap:
    """The names of one back office. Adapter and twin share them."""

    namespace: str
    create: str
    """Operation that hands over; its payload is the document, its answer has `reference`."""
    search: str
    """Operation that finds: asked with `number`, it answers with any number of `hit`, each with `reference`."""
    state: str
    """Operation that tells `version` and `uhrzeit`."""
    number: str = "antragsnummer"
    """Element with the submission id, in the document too."""
    hit: str = "treffer"
    reference: str = "aktenzeichen"
    """Element with the back office's own number."""
    causes: Mapping[str, type[DeliveryFailure]] = field(default_factory=lambda: _CAUSES)
    """What the back office's own fault codes mean: nothing was stored, for this cause."""

    def name(self, local: str) -> str:
        """An element name of the back office, as lxml writes it."""
        return f"{{{self.namespace}}}{local}"

    def element(self, local: str, **texts: str) -> etree._Element:
        """An element of the back office with simple children, in the order given."""
        parent = etree.Element(self.name(local), nsmap={"m": self.namespace})
        for child, text in texts.items():
            etree.SubElement(parent, self.name(child)).text = text
        return parent

    def fault(self, side: str, code: str) -> etree._Element:
        """A fault; `side` is `Client` (never send this again) or `Server`, `code` the back office's own."""
        parent = etree.Element(f"{{{_ENVELOPE}}}Fault", nsmap={"soap": _ENVELOPE})
        etree.SubElement(parent, "faultcode").text = f"soap:{side}"
        etree.SubElement(parent, "faultstring").text = "Die Anfrage wurde nicht ausgeführt."
        etree.SubElement(parent, "detail").append(self.element("fehler", code=code))
        return parent

    def text(self, parent: etree._Element, local: str) -> str:
        """Text of a child in an answer.

        Raises:
            UnclearAnswer: there is none.
        """
        if text := parent.findtext(self.name(local)):
            return text
        raise kit.UnclearAnswer(f"the answer has no {local}")

    def raise_fault(self, body: bytes) -> NoReturn:
        """The office's own code decides; without a known one `Client` means never, and `Server` leaves open what happened.

        Raises:
            Blip, DestinationDown, CaseNotReady, Refused, UnclearAnswer: what the fault means.
        """
        payload = _answered(body)
        side = payload.findtext("faultcode", "").rpartition(":")[2]
        code = payload.findtext(f"detail/{self.name('fehler')}/{self.name('code')}", "")
        reason = f"SOAP fault {kit.reason_code(code)}"
        if code in self.causes:
            raise self.causes[code](reason)
        if side == "Client":
            raise Refused(reason)
        raise kit.UnclearAnswer(reason)


class SoapAdapter:
    """Hands over to a SOAP service. A subclass says `soap`, `translate` and its `Settings`; `url` there is the address of the service."""

    soap: ClassVar[Soap]
    at_once = MAX_CONNECTIONS

    def __init__(self, settings: HttpSettings) -> None:
        self._office = HttpOffice(settings, settings.login())

    async def deliver(self, document: Document, attempt: int) -> Delivered:  # noqa: ARG002 - the contract has it
        """Call the operation that stores.

        Raises:
            Blip, DestinationDown, CaseNotReady, Refused: see `adapters.http` and `Soap.raise_fault`; anything else is unclear.
        """
        payload = xml.parse(document.content)
        response = await self._office.hand_over("", wrap(payload), self._headers(self.soap.create))
        if response.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
            self.soap.raise_fault(response.content)
        check_taken(response)
        return Delivered(self.soap.text(self._answer(response, self.soap.create), self.soap.reference))

    async def find(self, submission_id: UUID) -> Delivered | None:
        """Search by submission id; of several entries the first counts.

        Raises:
            DestinationDown: no answer.
            UnclearAnswer: an answer that does not say it.
        """
        answer = await self._ask(self.soap.search, **{self.soap.number: str(submission_id)})
        hit = answer.find(self.soap.name(self.soap.hit))
        return None if hit is None else Delivered(self.soap.text(hit, self.soap.reference))

    async def check(self) -> str:
        """Version and clock, as the back office states them.

        Raises:
            DestinationDown: no answer.
        """
        state = await self._ask(self.soap.state)
        return f"SOAP, version {kit.one_line(self.soap.text(state, 'version'))}, clock {kit.one_line(self.soap.text(state, 'uhrzeit'))}"

    async def close(self) -> None:
        """Give connections back."""
        await self._office.close()

    async def _ask(self, operation: str, **texts: str) -> etree._Element:
        payload = self.soap.element(operation, **texts)
        response = await self._office.ask("POST", "", wrap(payload), self._headers(operation))
        check_answered(response)
        return self._answer(response, operation)

    def _headers(self, operation: str) -> dict[str, str]:
        return {"Content-Type": CONTENT_TYPE, "SOAPAction": f'"{self.soap.namespace}/{operation}"'}

    def _answer(self, response: httpx.Response, operation: str) -> etree._Element:
        payload = _answered(response.content)
        if payload.tag != self.soap.name(f"{operation}Antwort"):
            raise kit.UnclearAnswer(f"the answer is not one to {operation}")
        return payload


def wrap(payload: etree._Element) -> bytes:
    """An envelope around the payload."""
    envelope = etree.Element(f"{{{_ENVELOPE}}}Envelope", nsmap={"soap": _ENVELOPE})
    etree.SubElement(envelope, f"{{{_ENVELOPE}}}Body").append(payload)
    return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")


def unwrap(body: bytes) -> etree._Element:
    """The payload of an envelope.

    Raises:
        Rejected: the body cannot be read as XML.
        ValueError: it is not an envelope.
    """
    payload = xml.parse(body).find(f"{{{_ENVELOPE}}}Body/*")
    if payload is None:
        raise ValueError("not a SOAP envelope")
    return payload


def _answered(body: bytes) -> etree._Element:
    try:
        return unwrap(body)
    except (Rejected, ValueError) as error:
        raise kit.UnclearAnswer("the answer is not SOAP") from error
