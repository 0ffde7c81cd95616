"""The header of an XÖV message, whichever of the three generations of the XÖV-Basisnachricht it has.

    G1  `nachrichtenkopf` with `behoerdenkennung` (XInneres up to 4: XGewerbeanzeige 2.x, XBau 2.1), qualified or not
    G2  `nachrichtenkopf.g2g` in no namespace (XÖV-Basisnachricht G2G 1.1 unqualified: XMeld, XBau 2.6, XWasser, ours)
    G3  `nachrichtenkopf.g2g` in the namespace of G2G 1.1 (XBeteiligung)

Other headers (XJustiz, XGewerbesteuer) are not read: then namespace and the portal's call alone decide, nothing is guessed, and the
row of the schema table has to say that such messages are taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

from lxml import etree

Generation = Literal["G1", "G2", "G3"]

G2G: Final = "nachrichtenkopf.g2g"
G2G_NAMESPACE: Final = "http://xoev.de/schemata/basisnachricht/g2g/1_1"
_PATHS: Final = (
    "identifikation.nachricht/nachrichtenUUID",
    "identifikation.nachricht/nachrichtentyp/code",
    "identifikation.nachricht/nachrichtentyp/name",
    "identifikation.nachricht/erstellungszeitpunkt",
)
_LEGACY_KEY: Final = ("behoerdenkennung/praefix/code", "behoerdenkennung/kennung/code")
_NO_LEGACY_KEY: Final = ":"
NAMES: Final = frozenset(
    ["nachrichtenkopf", "nachrichtenkopf.g2g", "leser", "autor", "kennung", "test", "standard", "version"]
    + [name for path in (*_PATHS, *_LEGACY_KEY) for name in path.split("/")]
)
"""Names that headers of the three generations have, as far as they are read."""
_SEPARATOR: Final = "\n"
"""Between the texts, which one XPath reads; normalize-space leaves none in them."""


class MessageHeader(NamedTuple):
    """What every generation says. Values are as sent, as tokens of XML Schema: without outer blanks, and inside one each. What is
    missing is empty, nothing is checked here.

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


def read_header(root: etree._Element) -> MessageHeader | None:
    """The header of a message; None where it has none of the three generations. Other elements are passed over. Never raises."""
    head = next(root.iterchildren("*"), None)
    if head is None or (generation := _generation(head)) is None:
        return None
    message_id, type_code, type_name, created, reader, author = _TEXTS[generation](head).split(_SEPARATOR)
    return MessageHeader(
        generation=generation,
        message_id=message_id,
        type_code=type_code,
        type_name=type_name or None,
        created=created,
        reader="" if reader == _NO_LEGACY_KEY else reader,
        author="" if author == _NO_LEGACY_KEY else author,
        standard=root.get("standard"),
        version=root.get("version"),
        test=root.get("test") is not None,
    )


def _generation(head: etree._Element) -> Generation | None:
    if head.tag == G2G:
        return "G2"
    if head.tag == f"{{{G2G_NAMESPACE}}}{G2G}":
        return "G3"
    return "G1" if _IS_LEGACY(head) else None


# --- the XPaths

_BY_NAME: Final = "{}[1]"
_BY_LOCAL_NAME: Final = "*[local-name()='{}'][1]"
"""G3 spreads the header over three namespaces, G1 qualifies or does not."""


def _texts(step: str, *key: str) -> Callable[[etree._Element], Any]:
    """Reads all texts of a header; `key` are the parts of the key of an authority."""
    parties = (", ':', ".join(_text(step, f"{party}/{part}") for part in key) for party in ("leser", "autor"))
    parts = (*(_text(step, path) for path in _PATHS), *parties)
    joined = f", '{_SEPARATOR}', ".join(parts)
    return etree.XPath(f"concat({joined})", smart_strings=False)


def _text(step: str, path: str) -> str:
    return f"normalize-space({'/'.join(map(step.format, path.split('/')))})"


_IS_LEGACY: Final[Callable[[etree._Element], Any]] = etree.XPath(
    "boolean(self::*[local-name()='nachrichtenkopf']/*[local-name()='leser' or local-name()='autor']/*[local-name()='behoerdenkennung'])"
)
_TEXTS: Final[Mapping[Generation, Callable[[etree._Element], Any]]] = {
    "G1": _texts(_BY_LOCAL_NAME, *_LEGACY_KEY),
    "G2": _texts(_BY_NAME, "kennung"),
    "G3": _texts(_BY_LOCAL_NAME, "kennung"),
}
