"""SOAP 1.1 over HTTP: one operation hands over, one searches by submission id, one tells the state.

The adapter takes it that the back office stores whatever comes, every time: what may have arrived is searched for before it is
sent again. Messages are document/literal, their elements in one namespace; the answer to `X` is `XAntwort`. An answer in the envelope of
SOAP 1.2 is read as well. A fault is one by what is in the envelope, whatever the HTTP status beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, NoReturn, TypeGuard, cast
from uuid import UUID

import httpx
from lxml import etree

from adapters import answers, kit, xml_answers
from adapters.http import (
    MAX_CONNECTIONS,
    HttpOffice,
    HttpSettings,
    by_status,
    check_answered,
    check_taken,
    retry_after_s,
    unreadable,
)
from adapters.interface import Delivered, Document
from adapters.xml_answers import Element
from schemas.errors import CaseNotReady, DeliveryFailure, DestinationDown, Refused

CONTENT_TYPE: Final = "text/xml; charset=utf-8"
NOT_AVAILABLE: Final = "NICHT_VERFUEGBAR"
CASE_LOCKED: Final = "VORGANG_GESPERRT"
_ENVELOPE: Final = "http://schemas.xmlsoap.org/soap/envelope/"
_ENVELOPES: Final = (_ENVELOPE, "http://www.w3.org/2003/05/soap-envelope")
"""SOAP 1.1, which is spoken here, and 1.2."""
_NEVER: Final = ("Client", "Sender")
_NOT_UNDERSTOOD: Final = ("VersionMismatch", "MustUnderstand", "DataEncodingUnknown")
"""The envelope, which is the same for all submissions."""
_WHO_AND_WHEN: Final = (401, 403, 407, 408, 425, 429)
_WHERE: Final = (404, 405)
_DATA: Final = re.compile(r"(application|text)/xml|[^/]+/[^/]+\+xml|multipart/.+")
_PLAIN_CODE: Final = re.compile(r"[A-Z0-9]+(_[A-Z0-9]+)+")
"""In free text only what no name and no number of a person looks like is a code."""
_FAULT_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9._]{0,60}")
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
    """Element with the back office's own number; names from the outside in where it lies deeper, such as `vorgang/aktenzeichen`."""
    code: str = "detail/fehler/code"
    """Where in a fault the back office's own code stands, names from the outside in, of any namespace: `faultstring` for example. Where
    nothing stands there, the subcodes of SOAP 1.2, what follows the dot in a faultcode, and the beginning of the faultstring are looked at.
    """
    causes: Mapping[str, type[DeliveryFailure]] = field(default_factory=lambda: _CAUSES)
    """What the back office's own fault codes mean: nothing was stored, for this cause."""

    def name(self, local: str) -> str:
        """An element name of the back office, as lxml writes it."""
        return f"{{{self.namespace}}}{local}"

    def element(self, local: str, **texts: str) -> etree._Element:
        """An element of the back office with simple children, in the order given; a child that lies deeper by its names from the outside in."""
        parent = etree.Element(self.name(local), nsmap={"m": self.namespace})
        for path, text in texts.items():
            child = parent
            for name in path.split("/"):
                child = etree.SubElement(child, self.name(name))
            child.text = text
        return parent

    def fault(self, side: str, code: str) -> etree._Element:
        """A fault; `side` is `Client` (never send this again) or `Server`, `code` the back office's own."""
        parent = etree.Element(f"{{{_ENVELOPE}}}Fault", nsmap={"soap": _ENVELOPE})
        etree.SubElement(parent, "faultcode").text = f"soap:{side}"
        etree.SubElement(parent, "faultstring").text = "Die Anfrage wurde nicht ausgeführt."
        etree.SubElement(parent, "detail").append(self.element("fehler", code=code))
        return parent

    def text(self, parent: Element, path: str) -> str:
        """Text in an answer, without blanks around it.

        Raises:
            UnclearAnswer: there is none.
        """
        found = next(parent.at(path, self.namespace), None)
        if found is not None and (text := _simple(found)):
            return text
        raise kit.UnclearAnswer(f"the answer has no {path}")

    def read_fault(self, payload: Element) -> Fault:
        """What a fault says, of SOAP 1.1 or 1.2."""
        said = _without_prefix(_text(payload, "faultcode") or _text(payload, "Code/Value"))
        side, _, more = said.partition(".")
        named = [*_texts(payload, self.code), *_texts(payload, self.code.replace("detail", "Detail", 1))]
        named += [_without_prefix(_text(payload, path)) for path in ("Code/Subcode/Subcode/Value", "Code/Subcode/Value")] + [more]
        in_words = [text.partition(":")[0].strip() for text in _texts(payload, "faultstring") + _texts(payload, "Reason/Text")]
        known = (code for code in named + in_words if code in self.causes)
        fit_for_logs = [code for code in named if kit.reason_code(code) == code] + [
            code for code in in_words if _PLAIN_CODE.fullmatch(code)
        ]
        return Fault(side, next(known, "") or next(iter(fit_for_logs), ""), said)

    def raise_fault(self, payload: Element, response: httpx.Response | None = None) -> NoReturn:
        """What a fault leads to. The office's own code decides, where `causes` has it. Without it `Client` means never, and `Server` leaves open what happened;
        but a status about our login, our address or too much of us says nothing about the submission.

        Raises:
            Blip, DestinationDown, CaseNotReady, Refused, UnclearAnswer: what the fault means.
        """
        response = response or httpx.Response(httpx.codes.INTERNAL_SERVER_ERROR)
        fault = self.read_fault(payload)
        if cause := self.causes.get(fault.code):
            raise DestinationDown(fault.reason, retry_after_s(response)) if cause is DestinationDown else cause(fault.reason)
        if fault.side in _NOT_UNDERSTOOD:
            raise DestinationDown(fault.reason)
        if fault.side in _NEVER and response.status_code not in (_WHO_AND_WHEN if fault.code else _WHO_AND_WHEN + _WHERE):
            raise Refused(fault.reason)
        raise by_status(response, f"HTTP {response.status_code}, {fault.reason}") or kit.UnclearAnswer(fault.reason)


@dataclass(frozen=True, slots=True)
class Fault:
    """What a fault says."""

    side: str
    """Whose fault it is: of the fault code what stands before the first dot, such as `Client`."""
    code: str
    """The office's own, where there is one that is known or fit for logs."""
    said: str
    """The whole fault code, without prefix."""

    @property
    def reason(self) -> str:
        """The office's own code; where there is none, the fault code, which is a name of the protocol and no free text."""
        if self.code:
            return f"SOAP fault {self.code}"
        named = f" ({self.said})" if _FAULT_CODE.fullmatch(self.said) else ""
        return f"SOAP fault {kit.reason_code(None)}{named}"


class SoapAdapter:
    """Hands over to a SOAP service. A subclass says `soap`, `translate` and its `Settings`; `url` there is the address of the service."""

    soap: ClassVar[Soap]
    max_concurrency = MAX_CONNECTIONS

    def __init__(self, settings: HttpSettings) -> None:
        self._office = HttpOffice(settings, settings.login())

    async def deliver(self, document: Document, attempt: int) -> Delivered:  # noqa: ARG002 - the contract has it
        """Call the operation that stores.

        Raises:
            Blip, DestinationDown, CaseNotReady, Refused: see `adapters.http` and `Soap.raise_fault`; anything else is unclear.
        """
        try:
            written, encoding = answers.written(document.content, document.content_type)
        except answers.Unreadable as error:
            raise Refused(f"the document cannot be put into an envelope: it is {error}") from None
        response = await self._office.deliver("", _around(written, encoding), self._headers(self.soap.create, encoding))
        said = await _said(response)
        if _is_fault(said):
            self.soap.raise_fault(said, response)
        try:
            check_taken(response)
        except Refused as error:  # the office itself refuses by a fault
            raise kit.UnclearAnswer(f"{error.reason}, without a fault") from None
        return self._delivered(self._answer(said, self.soap.create))

    async def find(self, submission_id: UUID) -> Delivered | None:
        """Search by submission id; of several entries the first counts.

        Raises:
            DestinationDown: no answer.
            UnclearAnswer: an answer that does not say it, or somebody else's.
        """
        answer = await self._ask(self.soap.search, **{self.soap.number: str(submission_id)})
        hit = next(answer.at(self.soap.hit, self.soap.namespace), None)
        return None if hit is None else self._delivered(hit)

    async def check(self) -> str:
        """Version and clock, as the back office states them.

        Raises:
            DestinationDown: no answer.
        """
        try:
            state = await self._ask(self.soap.state)
            version, clock = self.soap.text(state, "version"), self.soap.text(state, "uhrzeit")
        except kit.UnclearAnswer as error:
            raise DestinationDown(str(error)) from None
        return f"SOAP, version {kit.one_line(version)}, clock {kit.one_line(clock)}"

    async def close(self) -> None:
        """Give connections back."""
        await self._office.close()

    async def _ask(self, operation: str, **texts: str) -> Element:
        payload = self.soap.element(operation, **texts)
        response = await self._office.ask("POST", "", wrap(payload), self._headers(operation))
        said = await _said(response)
        if _is_fault(said):
            raise DestinationDown(self.soap.read_fault(said).reason, retry_after_s(response))
        check_answered(response)
        return self._answer(said, operation)

    def _headers(self, operation: str, encoding: str = "utf-8") -> dict[str, str]:
        return {"Content-Type": f"text/xml; charset={encoding}", "SOAPAction": f'"{self.soap.namespace}/{operation}"'}

    def _answer(self, said: Element | kit.UnclearAnswer, operation: str) -> Element:
        if isinstance(said, kit.UnclearAnswer):
            raise said
        if (said.name, said.namespace) != (f"{operation}Antwort", self.soap.namespace):
            raise kit.UnclearAnswer(f"the answer is not one to {operation}")
        return said

    def _delivered(self, answer: Element) -> Delivered:
        return kit.delivered(self.soap.text(answer, self.soap.reference), self.soap.reference)


def wrap(payload: etree._Element, encoding: str = "utf-8") -> bytes:
    """An envelope around the payload."""
    envelope = etree.Element(f"{{{_ENVELOPE}}}Envelope", nsmap={"soap": _ENVELOPE})
    etree.SubElement(envelope, f"{{{_ENVELOPE}}}Body").append(payload)
    return cast("bytes", etree.tostring(envelope, xml_declaration=True, encoding=encoding))


def _around(written: str, encoding: str) -> bytes:
    """An envelope around a document as it is written."""
    opened = f'<?xml version="1.0" encoding="{encoding}"?>\n<soap:Envelope xmlns:soap="{_ENVELOPE}"><soap:Body>'
    return f"{opened}{written}</soap:Body></soap:Envelope>".encode(encoding)


async def _said(response: httpx.Response) -> Element | kit.UnclearAnswer:
    """The payload of an answer, or what it means that there is none."""
    try:
        return _payload(await xml_answers.element(response.content, response.headers.get("Content-Type", "")))
    except answers.Unreadable as error:
        return unreadable(response, error, _DATA)
    except kit.UnclearAnswer as error:
        return error


def _payload(root: Element) -> Element:
    """What is in an envelope.

    Raises:
        Unreadable: nothing; Foreign where it is no envelope.
    """
    if root.name != "Envelope" or root.namespace not in _ENVELOPES:
        raise answers.Foreign("not SOAP")
    bodies = root.at("Body", root.namespace)
    payload = next((child for body in bodies for child in body.children), None)
    if payload is None:
        raise answers.Unreadable("an envelope with nothing in it")
    return payload


def _is_fault(said: Element | kit.UnclearAnswer) -> TypeGuard[Element]:
    return isinstance(said, Element) and said.name == "Fault" and said.namespace in _ENVELOPES


def _text(fault: Element, path: str) -> str:
    """In any namespace: stacks differ in whether the parts of a fault have one."""
    return next(iter(_texts(fault, path)), "")


def _texts(fault: Element, path: str) -> list[str]:
    """Of every element there."""
    return [_simple(found) for found in fault.at(path)]


def _simple(element: Element) -> str:
    """Its text without blanks around it; none where it has elements, for what stands before the first is not all of it."""
    return "" if element.children else kit.text(element.text)


def _without_prefix(name: str) -> str:
    return name.rpartition(":")[2]
