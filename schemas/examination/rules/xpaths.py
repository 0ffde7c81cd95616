"""What the rules look for by XPath, in messages of our own: compiled once, and asked of a message as a whole where that is cheaper."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any, Final

from lxml import etree

from schemas import message

Select = Callable[[etree._Element], Any]  # noqa: SLF001 - the only name that the type has
"""A compiled XPath: what it selects in a message, or tells of it."""

AREA_DIGITS: Final = {message.AREA_LIST_ARS: 12, message.AREA_LIST_AGS: 8}
LISTS: Final[Mapping[str, tuple[str, ...]]] = {"leistung": (message.SERVICE_LIST,), "gebiet": tuple(AREA_DIGITS)}
DIRECTORIES: Final = ("DVDV",)


def one_by_one(xpaths: Iterable[str]) -> Select:
    """What several XPaths select, one after the other: of a union libxml2 compares each node with each."""
    compiled: list[Select] = [etree.XPath(text, smart_strings=False) for text in xpaths]
    return lambda element: chain.from_iterable(one(element) for one in compiled)


def _not_in(codes: Iterable[str]) -> str:
    """An XPath condition: the code is none of these."""
    return f"not(contains(' {' '.join(codes)} ', concat(' ', normalize-space(), ' ')))"


def _none_of(texts: Iterable[str]) -> str:
    """An XPath condition: the text is, but for blanks around it, none of these."""
    return " and ".join(f"normalize-space() != '{text}'" for text in texts)


EMPTY: Final[Select] = etree.XPath(
    "descendant-or-self::*[not(ancestor::fachnachricht)]"
    "[not(node()) and not(self::wert) or not(self::fachnachricht) and @*[.='' and name() != 'test']]"
)
"""The element that it is asked of may be among them."""


_OF_LISTS: Final = tuple(f"{name}[@listURI[{_none_of(uris)}]]" for name, uris in LISTS.items())
_OF_CODES: Final = (
    f"nachrichtenkopf.g2g/*/verzeichnisdienst/code[{_not_in(DIRECTORIES)}]",
    "nachrichtenkopf.g2g/*/erreichbarkeit/kanal/code",  # which of them are known is the catalogue's
    *(
        f"gebiet[normalize-space(@listURI) = '{uri}']/code[string-length(normalize-space()) != {digits}]"
        for uri, digits in AREA_DIGITS.items()
    ),
)
UNKNOWN_LISTS: Final = one_by_one(_OF_LISTS)
UNKNOWN_CODES: Final = one_by_one(_OF_CODES)
CONSPICUOUS: Final[Select] = etree.XPath(" or ".join(("anlagen", "@test", *_OF_LISTS, *_OF_CODES)))
