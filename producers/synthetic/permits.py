"""Building applications as genuine XBau messages, for the demo and tests: `baugenehmigung.antrag.0200` of XBau 2.6 with its G2 header.

Root, namespace and header are XBau's. What stands below the header is plausible and made up; Stadtbus ships no schema of XBau.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from lxml import etree

from schemas.message import Address, Authority, Person, Trust

NAMESPACE: Final = "http://www.xleitstelle.de/xbau/2/6"
ROOT: Final = "baugenehmigung.antrag.0200"
_DIRECTORY: Final = {"listURI": "urn:xoev-de:kosit:codeliste:verzeichnisdienst", "listVersionID": "3"}


@dataclass(frozen=True, slots=True)
class Genuine:
    """A genuine message, and what the portal says about it beside: the bus does not look for it inside."""

    message_id: UUID
    case_id: UUID
    service: str
    """LeiKa key."""
    area: str
    """ARS."""
    trust: Trust
    body: bytes


@dataclass(frozen=True, slots=True)
class Permit:
    """What a building application says."""

    message_id: UUID
    case_id: UUID
    created_at: datetime
    reader: Authority
    author: Authority
    project: str
    site: Address
    builder: Person


def write(permit: Permit) -> bytes:
    """The message as UTF-8 XML; the same application gives the same bytes."""
    root = etree.Element(f"{{{NAMESPACE}}}{ROOT}", nsmap={"xbau": NAMESPACE})
    for name, value in (("produkt", "Bauportal"), ("produkthersteller", "Stadtbus"), ("standard", "XBau-Hochbau"), ("version", "2.6")):
        root.set(name, value)
    _write_header(_add(root, "nachrichtenkopf.g2g"), permit)
    _add(_add(root, "bezug"), "referenz", str(permit.case_id))
    _write_project(_add(root, "bauvorhaben"), permit)
    _write_builder(_add(root, "bauherr"), permit.builder)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _write_header(head: etree._Element, permit: Permit) -> None:
    identification = _add(head, "identifikation.nachricht")
    _add(identification, "nachrichtenUUID", str(permit.message_id))
    kind = _add(identification, "nachrichtentyp")
    _add(kind, "code", ROOT.rsplit(".", 1)[1])
    _add(kind, "name", ROOT)
    _add(identification, "erstellungszeitpunkt", permit.created_at.isoformat(timespec="milliseconds"))
    for name, authority in (("leser", permit.reader), ("autor", permit.author)):
        side = _add(head, name)
        _add(_add(side, "verzeichnisdienst", **_DIRECTORY), "code", "DVDV")
        _add(side, "kennung", authority.key)
        _add(side, "name", authority.name)


def _write_project(element: etree._Element, permit: Permit) -> None:
    _add(element, "bezeichnung", permit.project)
    _write_address(_add(element, "grundstueck"), permit.site)


def _write_builder(element: etree._Element, person: Person) -> None:
    for name, value in (("familienname", person.family_name), ("vornamen", person.given_names)):
        child = _add(element, name)
        if value is None:
            _add(child, "nichtVorhanden", "true")
        else:
            _add(child, "name", value)
    if person.address is not None:
        _write_address(element, person.address)


def _write_address(parent: etree._Element, address: Address) -> None:
    element = _add(parent, "anschrift")
    for name, value in (
        ("strasse", address.street),
        ("hausnummer", address.house_number),
        ("postleitzahl", address.postal_code),
        ("ort", address.city),
    ):
        _add(element, name, value)


def _add(parent: etree._Element, name: str, text: str | None = None, **attributes: str) -> etree._Element:
    child = etree.SubElement(parent, name, attributes)
    child.text = text
    return child
