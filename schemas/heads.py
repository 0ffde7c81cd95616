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

Children = dict[str, etree._Element]  # noqa: SLF001 - the only name that the type has


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
    if head is None:
        return None
    parts = _children(head)
    reader, author = _children(parts.get("leser")), _children(parts.get("autor"))
    generation = _generation(head, reader, author)
    if generation is None:
        return None
    identification = _children(parts.get("identifikation.nachricht"))
    kind = _children(identification.get("nachrichtentyp"))
    return Head(
        generation=generation,
        message_id=_text(identification.get("nachrichtenUUID")),
        type_code=_text(kind.get("code")),
        type_name=_text(kind.get("name")) or None,
        created=_text(identification.get("erstellungszeitpunkt")),
        reader=_authority(reader),
        author=_authority(author),
        standard=root.get("standard"),
        version=root.get("version"),
        test=root.get("test") is not None,
    )


def _generation(head: etree._Element, *parties: Children) -> Generation | None:
    if head.tag == G2G:
        return "G2"
    if head.tag == f"{{{G2G_NAMESPACE}}}{G2G}":
        return "G3"
    legacy = _local_name(head) == "nachrichtenkopf" and any("behoerdenkennung" in party for party in parties)
    return "G1" if legacy else None


def _authority(party: Children) -> str:
    legacy = party.get("behoerdenkennung")
    if legacy is None:
        return _text(party.get("kennung"))
    keys = _children(legacy)
    prefix, key = (_text(_children(keys.get(name)).get("code")) for name in ("praefix", "kennung"))
    return f"{prefix}:{key}" if prefix or key else ""


def _children(parent: etree._Element | None) -> Children:
    """The first child of each local name: G3 spreads the header over three namespaces, G1 qualifies or does not."""
    found: Children = {}
    for child in () if parent is None else parent.iterchildren("*"):
        found.setdefault(_local_name(child), child)
    return found


def _local_name(element: etree._Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(element: etree._Element | None) -> str:
    return "" if element is None else (element.text or "").strip(_XML_BLANKS)
