"""The header of an XÖV message, whichever of the three generations of the XÖV-Basisnachricht it has.

    G1  `nachrichtenkopf` with `behoerdenkennung` (XInneres up to 4: XGewerbeanzeige 2.x, XBau 2.1), qualified or not
    G2  `nachrichtenkopf.g2g` in no namespace (XÖV-Basisnachricht G2G 1.1 unqualified: XMeld, XBau 2.6, XWasser, ours)
    G3  `nachrichtenkopf.g2g` in the namespace of G2G 1.1 (XBeteiligung)

Other headers (XJustiz, XGewerbesteuer) are not read: then namespace and the portal's call alone decide, nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from lxml import etree

Generation = Literal["G1", "G2", "G3"]

G2G: Final = "nachrichtenkopf.g2g"
G2G_NAMESPACE: Final = "http://xoev.de/schemata/basisnachricht/g2g/1_1"
_XML_BLANKS: Final = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Head:
    """What every generation says. Values are as sent, without outer blanks; what is missing is empty, nothing is checked here.

    `reader` and `author` are the keys of the authorities as one text, for example `psw:01003110`.
    `created` is `erstellungszeitpunkt`, not parsed: many real messages leave out the time zone.
    `test` is true if the root has `@test` with any value, even `false` (XÖV-Basisnachricht 1.1).
    """

    generation: Generation
    message_id: str
    type_code: str
    type_name: str | None
    created: str
    reader: str
    author: str
    standard: str | None
    version: str | None
    test: bool


def read(root: etree._Element) -> Head | None:
    """The header of a message, or None where it has none of the three. Elements nobody knows are passed over; never raises."""
    head = next(root.iterchildren("*"), None)
    generation = None if head is None else _generation(head)
    if head is None or generation is None:
        return None
    identification = _child(head, "identifikation.nachricht")
    kind = _child(identification, "nachrichtentyp")
    return Head(
        generation=generation,
        message_id=_text(_child(identification, "nachrichtenUUID")),
        type_code=_text(_child(kind, "code")),
        type_name=_text(_child(kind, "name")) or None,
        created=_text(_child(identification, "erstellungszeitpunkt")),
        reader=_authority(_child(head, "leser")),
        author=_authority(_child(head, "autor")),
        standard=root.get("standard"),
        version=root.get("version"),
        test=root.get("test") is not None,
    )


def _generation(head: etree._Element) -> Generation | None:
    if head.tag == G2G:
        return "G2"
    if head.tag == f"{{{G2G_NAMESPACE}}}{G2G}":
        return "G3"
    parties = (_child(head, "leser"), _child(head, "autor"))
    if _local_name(head) == "nachrichtenkopf" and any(_child(party, "behoerdenkennung") is not None for party in parties):
        return "G1"
    return None


def _authority(party: etree._Element | None) -> str:
    legacy = _child(party, "behoerdenkennung")
    if legacy is None:
        return _text(_child(party, "kennung"))
    prefix, key = (_text(_child(_child(legacy, name), "code")) for name in ("praefix", "kennung"))
    return f"{prefix}:{key}" if prefix or key else ""


def _child(parent: etree._Element | None, name: str) -> etree._Element | None:
    """The first child of this local name: G3 spreads the header over three namespaces, G1 qualifies or does not."""
    if parent is None:
        return None
    return next((child for child in parent.iterchildren("*") if _local_name(child) == name), None)


def _local_name(element: etree._Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(element: etree._Element | None) -> str:
    return "" if element is None else (element.text or "").strip(_XML_BLANKS)
