"""What adapter and twin both know of the protocol: SOAP 1.1 envelopes and the names of the back office.

Namespace, operations and elements are plausible inventions, not those of a real product.
"""

from __future__ import annotations

from typing import Final

from lxml import etree

from schemas import xml

NAMESPACE: Final = "https://stadtbus.example/twins/muenchen/meldewesen/1"
CONTENT_TYPE: Final = "text/xml; charset=utf-8"
CREATE: Final = "anmeldungAnlegen"
SEARCH: Final = "anmeldungSuchen"
STATE: Final = "systemstand"

NOT_AVAILABLE: Final = "NICHT_VERFUEGBAR"
"""Fault code in the detail: nothing was stored, come again later."""
CASE_LOCKED: Final = "VORGANG_GESPERRT"
"""Fault code in the detail: nothing was stored, a clerk has the case open."""

_ENVELOPE: Final = "http://schemas.xmlsoap.org/soap/envelope/"


def name(local: str) -> str:
    """An element name of the back office, as lxml writes it."""
    return f"{{{NAMESPACE}}}{local}"


def element(local: str, **texts: str) -> etree._Element:
    """An element of the back office with simple children, in the order given."""
    parent = etree.Element(name(local), nsmap={"m": NAMESPACE})
    for child, text in texts.items():
        etree.SubElement(parent, name(child)).text = text
    return parent


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


def fault(side: str, code: str) -> etree._Element:
    """A fault; `side` is `Client` (never send this again) or `Server`, `code` the back office's own."""
    parent = etree.Element(f"{{{_ENVELOPE}}}Fault", nsmap={"soap": _ENVELOPE})
    etree.SubElement(parent, "faultcode").text = f"soap:{side}"
    etree.SubElement(parent, "faultstring").text = "Die Anfrage wurde nicht ausgeführt."
    etree.SubElement(parent, "detail").append(element("fehler", code=code))
    return parent


def fault_codes(payload: etree._Element) -> tuple[str, str]:
    """Local part of `faultcode`, and the back office's own code; empty where there is none."""
    side = payload.findtext("faultcode", "").rpartition(":")[2]
    return side, payload.findtext(f"detail/{name('fehler')}/{name('code')}", "")
