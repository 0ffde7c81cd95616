"""Rules beyond the XSD, each named, coded and testable on its own (XÖV-Basisnachricht; rules H1, H2, H6, H8 of the message reference)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from lxml import etree

from schemas import errors, message
from schemas.errors import Rejected

_CREATED = "nachrichtenkopf.g2g/identifikation.nachricht/erstellungszeitpunkt"
_COMPLETE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3,6}(Z|[+-]\d{2}:\d{2})")
_CLOCK_SKEW: Final = timedelta(minutes=10)


def known_message(root: etree._Element) -> None:
    """The root element is a message of ours, in a version that we take."""
    name = etree.QName(root)
    if name.namespace == message.NAMESPACE and name.localname == message.APPLICATION:
        return
    expected = f"expected {{{message.NAMESPACE}}}{message.APPLICATION}"
    if (name.namespace or "").startswith(message.NAMESPACE.rsplit("/", 1)[0]) and name.namespace != message.NAMESPACE:
        raise Rejected(errors.UNKNOWN_VERSION, expected, where=f"line {root.sourceline}")
    raise Rejected(errors.UNKNOWN_MESSAGE, expected, where=f"line {root.sourceline}")


def default_namespace_absent(root: etree._Element) -> None:
    """A default namespace on the root moves the header into that namespace, which no XÖV reader expects."""
    if None in root.nsmap:
        raise Rejected(
            errors.NOT_VALID,
            "the root declares a default namespace; bind it to a prefix, because header elements have no namespace",
            where="/*",
        )


def type_matches_root(root: etree._Element) -> None:
    """H1: nachrichtentyp/code is the number of the root element; its name, if sent, the full element name."""
    kind = "nachrichtenkopf.g2g/identifikation.nachricht/nachrichtentyp"
    number = message.APPLICATION.rsplit(".", 1)[1]
    if root.findtext(f"{kind}/code", "").strip() != number:
        raise Rejected(errors.TYPE_MISMATCH, f"expected {number}", where=f"{kind}/code")
    if root.findtext(f"{kind}/name", message.APPLICATION) != message.APPLICATION:
        raise Rejected(errors.TYPE_MISMATCH, f"expected {message.APPLICATION}", where=f"{kind}/name")


def creation_time_complete(root: etree._Element) -> None:
    """H2: the time of creation has milliseconds and a zone, exists, and does not lie in the future."""
    text = root.findtext(_CREATED, "")
    if not _COMPLETE_TIME.fullmatch(text):
        raise Rejected(errors.TIME_INCOMPLETE, "milliseconds or time zone are missing", where=_CREATED)
    try:
        created_at = datetime.fromisoformat(text)
    except ValueError:
        raise Rejected(errors.TIME_INCOMPLETE, "there is no such time", where=_CREATED) from None
    if created_at > datetime.now(UTC) + _CLOCK_SKEW:
        raise Rejected(errors.TIME_INCOMPLETE, "the time lies in the future", where=_CREATED)


def text_in_nfc(root: etree._Element) -> None:
    """H6: all text and attribute values are in Unicode form NFC."""
    for element in root.iter():
        for text in (element.text, *element.attrib.values()):
            if text and not unicodedata.is_normalized("NFC", str(text)):
                raise Rejected(errors.TEXT_NOT_NFC, where=f"line {element.sourceline}, {etree.QName(element).localname}")


BEFORE_SCHEMA: Final[tuple[Callable[[etree._Element], None], ...]] = (known_message, default_namespace_absent)
"""Rules whose breach the XSD would report in words that help nobody."""
AFTER_SCHEMA: Final[tuple[Callable[[etree._Element], None], ...]] = (type_matches_root, creation_time_complete, text_in_nfc)
"""Rules that may rely on a valid message."""
